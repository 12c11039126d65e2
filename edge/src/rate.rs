//! Rate limits: how many requests of whom a route takes.

use std::net::IpAddr;

use countersign_contract::client_key::ClientKey;
use countersign_contract::route::{Mode, Rate, RateKey, Route};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::bots::Claim;
use crate::identify::Identified;
use crate::platform::{Platform, Received};
use crate::record::Journal;
use crate::refusal::Refusal;

/// Why a request could not be counted. It passes then: a limit that nobody can count is no reason for an outage.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the platform's rate counter can't be used: {0}")]
pub struct RateFault(pub String);

/// What requests are counted under: 32 hexadecimal digits of a hash over the route and the client, so that no
/// counter holds an address or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counted(String);

impl Counted {
    fn of(route: &Route, client: &ClientKey, whose: Whose) -> Self {
        let mut hash = Sha256::new_with_prefix(b"countersign rate\0");
        // No name of a route has a NUL.
        hash.update(route.name.as_str());
        hash.update(match whose {
            Whose::TheirOwn => [0, b'o'],
            Whose::AnotherSites => [0, b'x'],
        });
        hash.update(client.to_bytes());
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose doing a request is. A page of another site can have a visitor's browser ask for anything, as often as it
/// likes: that is counted apart, so that it uses up nothing of the visitor's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    TheirOwn,
    AnotherSites,
}

/// Counts one request by what its route says.
#[derive(Debug)]
pub struct Counting<'a, P> {
    platform: &'a P,
    route: &'a Route,
    address: ClientKey,
    whose: Whose,
}

impl<'a, P: Platform> Counting<'a, P> {
    /// A request of this client for this route.
    #[must_use]
    pub fn of(platform: &'a P, received: &Received, route: &'a Route, client: IpAddr) -> Self {
        let is_cross_site = received.fetch_site.iter().any(|site| site.eq_ignore_ascii_case(b"cross-site"));
        let whose = if is_cross_site { Whose::AnotherSites } else { Whose::TheirOwn };
        Self { platform, route, address: ClientKey::of_address(client), whose }
    }

    /// Counts by address, before anything else is looked at; not where bots have a rate of their own, as it may be one.
    ///
    /// # Errors
    /// [`Refusal::RateExceeded`] where the route is enforced.
    pub fn first(&self, journal: &mut Journal) -> Result<(), Refusal> {
        if self.route.bot_rate.is_some() { Ok(()) } else { self.by_address(journal) }
    }

    /// Counts where bots have a rate of their own: a verified one by that, everybody else by address.
    ///
    /// # Errors
    /// [`Refusal::RateExceeded`] where the route is enforced.
    pub fn bots(&self, claim: &Claim<'_>, journal: &mut Journal) -> Result<(), Refusal> {
        match (claim, self.route.bot_rate) {
            (_, None) => Ok(()),
            (Claim::Verified(bot), Some(rate)) => {
                self.count(rate, &ClientKey::Subject(bot.bot().name.subject()), journal)
            }
            (Claim::Absent | Claim::Unverified(_), Some(_)) => self.by_address(journal),
        }
    }

    /// Counts by who is signed in; nobody is counted by address.
    ///
    /// # Errors
    /// [`Refusal::RateExceeded`] where the route is enforced.
    pub fn identified(
        &self,
        claim: &Claim<'_>,
        identified: &Identified,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let is_counted = matches!(claim, Claim::Verified(_)) && self.route.bot_rate.is_some();
        match (self.rate_by(RateKey::Subject), identified) {
            (Some(rate), Identified::Somebody(who)) if !is_counted => {
                self.count(rate, &ClientKey::Subject(who.subject.clone()), journal)
            }
            (Some(rate), Identified::Nobody | Identified::Unproven(_)) => {
                self.count(rate, &self.address, journal)
            }
            _ => Ok(()),
        }
    }

    fn by_address(&self, journal: &mut Journal) -> Result<(), Refusal> {
        self.rate_by(RateKey::Address).map_or(Ok(()), |rate| self.count(rate, &self.address, journal))
    }

    fn rate_by(&self, key: RateKey) -> Option<Rate> {
        self.route.rate.filter(|rate| rate.by == key)
    }

    fn count(&self, rate: Rate, client: &ClientKey, journal: &mut Journal) -> Result<(), Refusal> {
        let Self { platform, route, whose, .. } = *self;
        if route.mode == Mode::Off {
            return Ok(());
        }
        match is_too_fast(platform, rate, &Counted::of(route, client, whose)) {
            Ok(None) => Ok(()),
            Ok(Some(seconds)) => {
                journal.refuse(Refusal::RateExceeded { rate, client: client.clone(), seconds }, route.mode)
            }
            Err(fault) => {
                journal.detail(fault.to_string());
                Ok(())
            }
        }
    }
}

/// For how many seconds whoever is too fast is refused. Who is in the penalty box is not counted, so that the
/// penalty ends.
fn is_too_fast(platform: &impl Platform, rate: Rate, counted: &Counted) -> Result<Option<u32>, RateFault> {
    if let Some(penalty) = rate.penalty_seconds
        && platform.is_penalised(counted)?
    {
        return Ok(Some(penalty.get()));
    }
    if platform.count(counted, rate.seconds)? <= rate.requests.get() {
        return Ok(None);
    }
    let Some(penalty) = rate.penalty_seconds else { return Ok(Some(rate.seconds.get())) };
    platform.penalise(counted, penalty)?;
    Ok(Some(penalty.get()))
}

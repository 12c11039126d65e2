//! Rate limits: how many requests of whom a route takes.

use std::net::IpAddr;

use countersign_contract::client_key::ClientKey;
use countersign_contract::route::{Mode, Rate, RateKey, Route};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::bots::Claim;
use crate::identify::Identified;
use crate::platform::Platform;
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
    fn of(route: &Route, client: &ClientKey) -> Self {
        let mut hash = Sha256::new_with_prefix(b"countersign rate\0");
        // No name of a route has a NUL.
        hash.update(route.name.as_str());
        hash.update([0]);
        hash.update(client.to_bytes());
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Counts a request of whom is not identified yet: a verified bot by its own rate, else by the address where the
/// route counts those.
///
/// # Errors
/// [`Refusal::RateExceeded`] where the route is enforced.
pub fn count_unidentified(
    platform: &impl Platform,
    route: &Route,
    claim: &Claim<'_>,
    client: IpAddr,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    match (claim, route.bot_rate, route.rate) {
        (Claim::Verified(bot), Some(rate), _) => {
            let bot = ClientKey::Subject(bot.bot().name.subject());
            count(platform, route, rate, &bot, journal)
        }
        (_, _, Some(rate)) if rate.by == RateKey::Address => {
            count(platform, route, rate, &ClientKey::of_address(client), journal)
        }
        _ => Ok(()),
    }
}

/// Counts a request where the route counts who is signed in; nobody is counted by the address.
///
/// # Errors
/// [`Refusal::RateExceeded`] where the route is enforced.
pub fn count_identified(
    platform: &impl Platform,
    route: &Route,
    claim: &Claim<'_>,
    identified: &Identified,
    client: IpAddr,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    let Some(rate) = route.rate.filter(|rate| rate.by == RateKey::Subject) else { return Ok(()) };
    if matches!(claim, Claim::Verified(_)) && route.bot_rate.is_some() {
        return Ok(());
    }
    let client = match identified {
        Identified::Somebody(who) => ClientKey::Subject(who.subject.clone()),
        Identified::Nobody | Identified::Unproven(_) => ClientKey::of_address(client),
    };
    count(platform, route, rate, &client, journal)
}

fn count(
    platform: &impl Platform,
    route: &Route,
    rate: Rate,
    client: &ClientKey,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    if route.mode == Mode::Off {
        return Ok(());
    }
    match is_too_fast(platform, rate, &Counted::of(route, client)) {
        Ok(None) => Ok(()),
        Ok(Some(seconds)) => {
            let refusal = Refusal::RateExceeded { rate, client: client.clone(), seconds };
            match route.mode {
                Mode::Enforce => Err(refusal),
                Mode::Observe | Mode::Off => {
                    journal.would(refusal);
                    Ok(())
                }
            }
        }
        Err(fault) => {
            journal.detail(fault.to_string());
            Ok(())
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

//! Who is asking, and whether the route takes that for an answer.

use std::collections::BTreeSet;

use countersign_contract::client_key::ClientKey;
use countersign_contract::name::{BotName, GroupName, KeyId, SessionId, Subject};
use countersign_contract::route::{Identity as Asked, Route};
use countersign_contract::time::UnixSeconds;

use crate::bots::Claim;
use crate::bots::verify::VerifiedBot;
use crate::credential::{self, CredentialFault, Shown};
use crate::platform::{Platform, Received};
use crate::provider;
use crate::refusal::Refusal;
use crate::sealed::SessionKeys;
use crate::session::{Session, SessionFault};
use crate::settings::{Issuer, Settings};
use crate::token::{self, Expected, VerifiedToken, Wanted};

/// Somebody, as a verified token, a session of ours or a bot's verified signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub subject: Subject,
    /// The log-in, where it is known.
    pub session: Option<SessionId>,
    /// Their groups, those that the policy names and the issuer may speak of, or the settings give to the bot.
    pub groups: Vec<GroupName>,
    /// What it was told by.
    pub by: Proof,
}

/// What somebody was known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A bearer token, under this key of its issuer's.
    Bearer(Option<String>),
    /// A session cookie.
    Session {
        /// Under this key.
        key: KeyId,
        /// Whether it is time to ask the issuer again.
        renewal: Renewal,
    },
    /// A bot's signature.
    Bot {
        /// Which bot.
        name: BotName,
        /// The thumbprint of its key.
        key: String,
    },
}

/// Whether a session is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Not yet.
    NotYet,
    /// With the next page that is opened.
    Due,
}

/// What became of the question who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// Nothing was shown.
    Nobody,
    /// Somebody.
    Somebody(Identity),
    /// Something was shown, and it is not good.
    Unproven(CredentialFault),
}

/// Finds out who is asking, by a bot's signature, bearer token or session cookie. A claim to be a bot that isn't
/// verified counts for nothing here.
#[must_use]
pub fn identify(
    platform: &impl Platform,
    received: &Received,
    settings: &Settings,
    host: &str,
    claim: &Claim<'_>,
    named: &BTreeSet<GroupName>,
    now: UnixSeconds,
) -> Identified {
    let found = match (credential::shown(received), claim) {
        (Ok(Shown::Nothing), Claim::Verified(bot)) => Ok(by_signature(bot, named)),
        (Ok(_), Claim::Verified(bot)) => Err(CredentialFault::BesideBot(bot.bot().name.clone())),
        (Ok(Shown::Nothing), Claim::Absent | Claim::Unverified(_)) => return Identified::Nobody,
        (Ok(Shown::Bearer(token)), _) => by_token(platform, token, settings, host, named, now),
        (Ok(Shown::Session(cookie)), _) => {
            by_session(platform, cookie, settings, host, named, now).map_err(CredentialFault::from)
        }
        (Err(fault), _) => Err(fault),
    };
    found.map_or_else(Identified::Unproven, Identified::Somebody)
}

fn by_signature(bot: &VerifiedBot<'_>, named: &BTreeSet<GroupName>) -> Identity {
    let (key, bot) = (bot.key().to_owned(), bot.bot());
    Identity {
        subject: bot.name.subject(),
        session: None,
        groups: bot.groups.intersection(named).cloned().collect(),
        by: Proof::Bot { name: bot.name.clone(), key },
    }
}

fn by_token(
    platform: &impl Platform,
    token: &[u8],
    settings: &Settings,
    host: &str,
    named: &BTreeSet<GroupName>,
    now: UnixSeconds,
) -> Result<Identity, CredentialFault> {
    let skew_seconds = settings.clock_skew_seconds;
    let expected = Expected { issuers: &settings.issuers, host, now, skew_seconds };
    let find = |issuer: &Issuer, wanted: Wanted<'_>| provider::find_key(platform, issuer, wanted);
    let token = token::verify(token, &expected, || platform.client_certificate(), find)?;
    Ok(Identity {
        subject: token.subject().clone(),
        session: token.session().cloned(),
        groups: groups_of(&token, settings, named),
        by: Proof::Bearer(token.key().map(str::to_owned)),
    })
}

fn by_session(
    platform: &impl Platform,
    cookie: &[u8],
    settings: &Settings,
    host: &str,
    named: &BTreeSet<GroupName>,
    now: UnixSeconds,
) -> Result<Identity, SessionFault> {
    let keys = SessionKeys::load(platform, settings.session_key.as_ref())?;
    let (session, key) = Session::open(cookie, &keys, settings, host, now)?;
    let renewal = if session.wants_renewal(now) { Renewal::Due } else { Renewal::NotYet };
    // What was so when they signed in may have been taken from the policy, or from the issuer, since then.
    let travels = |group: &&GroupName| {
        named.contains(*group)
            && settings.issuer(&session.iss).is_some_and(|issuer| issuer.may_speak_of(group))
    };
    Ok(Identity {
        groups: session.groups.iter().filter(travels).cloned().collect(),
        subject: session.sub,
        session: session.sid,
        by: Proof::Session { key, renewal },
    })
}

/// The groups of a token that travel: those that the policy names, of those that its issuer may speak of.
#[must_use]
pub fn groups_of(token: &VerifiedToken, settings: &Settings, named: &BTreeSet<GroupName>) -> Vec<GroupName> {
    let Some(issuer) = settings.issuer(token.issuer()) else { return Vec::new() };
    // By way of a set: a group that is listed twice travels once.
    let theirs: BTreeSet<&GroupName> = token
        .groups()
        .iter()
        .filter_map(|group| named.get(group.as_str()))
        .filter(|group| issuer.may_speak_of(group))
        .collect();
    theirs.into_iter().cloned().collect()
}

impl Identity {
    /// The keys that the list may have them under, beside their address.
    pub fn client_keys(&self) -> impl Iterator<Item = ClientKey> {
        client_keys(&self.subject, self.session.as_ref())
    }
}

/// The keys that the list may have somebody under who is signed in, beside their address.
pub fn client_keys(subject: &Subject, session: Option<&SessionId>) -> impl Iterator<Item = ClientKey> {
    let session = session.cloned().map(ClientKey::Session);
    std::iter::once(ClientKey::Subject(subject.clone())).chain(session)
}

/// Judges what was found by what the route asks for.
///
/// Where nobody has to be signed in a bad token is nobody's, as on a page that shows "sign in"
/// after a session ended. A request of which it can't be told who it claims to be is refused there too.
///
/// # Errors
/// [`Refusal`] if the route wants somebody, or what was shown is ambiguous.
pub fn judge(route: &Route, identified: &Identified) -> Result<(), Refusal> {
    match (identified, route.identity) {
        (Identified::Somebody(_), _) | (Identified::Nobody, Asked::Optional) => Ok(()),
        (Identified::Unproven(CredentialFault::Token(_) | CredentialFault::Session(_)), Asked::Optional) => {
            Ok(())
        }
        (Identified::Nobody, Asked::Required) => Err(Refusal::IdentityRequired { route: route.name.clone() }),
        (Identified::Unproven(fault), Asked::Required | Asked::Optional) => {
            Err(Refusal::Credential(fault.clone()))
        }
    }
}

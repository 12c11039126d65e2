//! Who is asking, and whether the route takes that for an answer.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_contract::client_key::ClientKey;
use countersign_contract::name::{GroupName, SessionId, Subject};
use countersign_contract::route::{Identity as Asked, Route};
use countersign_contract::time::UnixSeconds;

use crate::credential::{self, CredentialFault};
use crate::platform::{CacheEntry, FetchFault, Platform, Received};
use crate::refusal::Refusal;
use crate::settings::{Issuer, Settings};
use crate::token::{self, KeySet, LONGEST_KEY_SET, NoKey, TokenFault, VerifiedToken, VerifyingKey, Wanted};

/// Somebody, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub subject: Subject,
    /// The log-in, where the token says. It goes no further than this tier.
    pub session: Option<SessionId>,
    /// Their groups, those that the policy names.
    pub groups: Vec<GroupName>,
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

/// Finds out who is asking, by bearer token or session cookie.
#[must_use]
pub fn identify(
    platform: &impl Platform,
    received: &Received,
    settings: &Settings,
    groups: &BTreeSet<GroupName>,
    now: UnixSeconds,
) -> Identified {
    let token = match credential::presented(received, settings.session_cookie.as_ref()) {
        Ok(Some(token)) => token,
        Ok(None) => return Identified::Nobody,
        Err(fault) => return Identified::Unproven(fault),
    };
    let find = |issuer: &Issuer, wanted: Wanted<'_>| find_key(platform, issuer, wanted);
    match token::verify(token, &settings.issuers, now, settings.clock_skew_seconds, find) {
        Ok(token) => Identified::Somebody(Identity::of(&token, groups)),
        Err(fault) => Identified::Unproven(fault.into()),
    }
}

impl Identity {
    fn of(token: &VerifiedToken, named: &BTreeSet<GroupName>) -> Self {
        // By way of a set: a group that is listed twice travels once.
        let theirs: BTreeSet<&GroupName> =
            token.groups().iter().filter_map(|group| named.get(group.as_str())).collect();
        Self {
            subject: token.subject().clone(),
            session: token.session().cloned(),
            groups: theirs.into_iter().cloned().collect(),
        }
    }

    /// The keys that the list may have them under, beside their address.
    pub fn client_keys(&self) -> impl Iterator<Item = ClientKey> {
        let session = self.session.clone().map(ClientKey::Session);
        std::iter::once(ClientKey::Subject(self.subject.clone())).chain(session)
    }
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
        (Identified::Unproven(CredentialFault::Token(_)), Asked::Optional) => Ok(()),
        (Identified::Nobody, Asked::Required) => Err(Refusal::IdentityRequired { route: route.name.clone() }),
        (Identified::Unproven(fault), Asked::Required | Asked::Optional) => {
            Err(Refusal::Credential(fault.clone()))
        }
    }
}

/// The key that a token asks for, of its issuer's alone: from the cache, and where it isn't there
/// from a set that is fetched anew, at most once in the issuer's cool-down.
fn find_key(
    platform: &impl Platform,
    issuer: &Issuer,
    wanted: Wanted<'_>,
) -> Result<VerifyingKey, TokenFault> {
    let entry = CacheEntry {
        key: format!("countersign-jwks-1 {} {}", issuer.issuer, issuer.jwks_uri),
        max_age: Duration::from_secs(issuer.jwks_max_age_seconds),
        stale: Duration::from_secs(issuer.jwks_stale_seconds),
    };
    let fetch = || fetch_keys(platform, issuer);
    let unavailable =
        |fault: FetchFault| TokenFault::KeysUnavailable { issuer: issuer.issuer.clone(), fault };
    let unusable = |fault: token::KeySetFault| unavailable(FetchFault::Unusable(fault.to_string()));

    let cached = platform.cached(&entry, &fetch).map_err(unavailable)?;
    let found = KeySet::parse(&cached).map_err(unusable)?.find(wanted).cloned();
    let found = match found {
        Err(NoKey::Unknown) => {
            let cool_down = Duration::from_secs(issuer.refetch_cooldown_seconds);
            match platform.cached_anew(&entry, cool_down, &fetch) {
                Ok(newer) => KeySet::parse(&newer).map_err(unusable)?.find(wanted).cloned(),
                // The known keys are still good; this one just isn't among them.
                Err(_) => Err(NoKey::Unknown),
            }
        }
        found => found,
    };
    let id = || wanted.id.unwrap_or("without an id").chars().take(64).collect::<String>();
    found.map_err(|none| match none {
        NoKey::Unknown => TokenFault::UnknownKey(id()),
        NoKey::OtherAlgorithm => TokenFault::AlgorithmMismatch { kid: id(), said: wanted.algorithm.as_str() },
        NoKey::Ambiguous => TokenFault::KeyIdMissing,
    })
}

/// Fetches an issuer's keys. Only a set that holds a usable key gets into the cache, so that an
/// error page never replaces good keys.
fn fetch_keys(platform: &impl Platform, issuer: &Issuer) -> Result<Vec<u8>, FetchFault> {
    let fetched = platform.fetch(&issuer.jwks_backend, &issuer.jwks_uri, LONGEST_KEY_SET)?;
    if fetched.status != 200 {
        return Err(FetchFault::Status(fetched.status));
    }
    if fetched.body.len() > LONGEST_KEY_SET {
        return Err(FetchFault::TooLong(LONGEST_KEY_SET));
    }
    KeySet::parse(&fetched.body).map_err(|fault| FetchFault::Unusable(fault.to_string()))?;
    Ok(fetched.body)
}

//! A log-in that was begun: what the browser keeps until the issuer sends it back.

use std::cell::Cell;
use std::time::Duration;

use countersign_contract::name::KeyId;
use countersign_contract::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::credential;
use crate::platform::{CacheEntry, Platform, Received};
use crate::sealed::{Kind, SessionKeys};
use crate::settings::IssuerName;

/// What the names of the cookies of attempts begin with.
const COOKIE: &str = "__Host-countersign-login-";
/// How many characters of the state are in the name.
const NAME_CHARACTERS: usize = 16;
/// How long somebody may take to sign in, in seconds.
const LIFETIME_SECONDS: u64 = 600;
/// The longest page that is returned to, in bytes: cookies have to fit into a request.
const LONGEST_RETURN: usize = 1024;
/// More attempts, or more bytes of cookies, than this are forgotten: a browser that never finishes any would
/// send ever more.
const MOST_ATTEMPTS: usize = 12;
const MOST_COOKIE_BYTES: usize = 8 * 1024;
/// So many are forgotten at a time: an answer with a header for each of ever so many would not be sent.
const MOST_FORGOTTEN: usize = 48;

/// Whether the issuer may show anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    /// It asks people to sign in where that is needed.
    Asked,
    /// It answers at once (`prompt=none`).
    Silent,
}

/// What is sealed into the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    id: String,
    host: String,
    pub(super) iss: IssuerName,
    pub(super) return_to: String,
    pub(super) prompt: Prompt,
    exp: UnixSeconds,
}

/// What an attempt says to the issuer, told from its id by the session key: the cookie alone is not enough to
/// make them up, and what the browser shows in its address bar is not enough to make the cookie.
pub(super) struct Secrets {
    /// `state` (RFC 6749 section 10.12).
    pub(super) state: String,
    /// `nonce` (OpenID Connect Core section 3.1.2.1).
    pub(super) nonce: String,
    /// `code_verifier` (RFC 7636 section 4.1).
    pub(super) verifier: String,
}

impl Attempt {
    pub(super) fn new(
        random: [u8; 16],
        host: &str,
        iss: &IssuerName,
        return_to: &str,
        prompt: Prompt,
        now: UnixSeconds,
    ) -> Self {
        let return_to = if return_to.len() <= LONGEST_RETURN { return_to } else { "/" };
        Self {
            id: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            host: host.to_owned(),
            iss: iss.clone(),
            return_to: return_to.to_owned(),
            prompt,
            exp: now.plus(LIFETIME_SECONDS),
        }
    }

    pub(super) fn secrets(&self, keys: &SessionKeys, key: &KeyId) -> Option<Secrets> {
        let derive = |purpose| keys.derive(key, purpose, &self.id);
        Some(Secrets {
            state: derive("login-state")?,
            nonce: derive("login-nonce")?,
            verifier: derive("login-verifier")?,
        })
    }

    /// The attempt that the issuer answers with `state`, if this browser made it, for this host, and not
    /// too long ago.
    pub(super) fn find(
        received: &Received,
        keys: &SessionKeys,
        host: &str,
        state: &str,
        now: UnixSeconds,
    ) -> Option<(Self, Secrets)> {
        let cookie = credential::cookie(received, &cookie_name(state)).ok()??;
        let (key, attempt): (_, Self) = keys.open(Kind::Attempt, cookie).ok()?;
        let secrets = attempt.secrets(keys, key)?;
        (attempt.host == host && attempt.exp > now && secrets.state == state).then_some((attempt, secrets))
    }

    /// Whether it is finished for the first time, as far as this location knows: each is good for one request
    /// to the token endpoint, however often somebody sends it back.
    pub(super) fn is_first(&self, platform: &impl Platform) -> bool {
        let made = Cell::new(false);
        let entry = CacheEntry {
            key: format!("countersign-login-1 {}", self.id),
            max_age: Duration::from_secs(LIFETIME_SECONDS),
            stale: Duration::ZERO,
        };
        let kept = platform.cached(&entry, &|| {
            made.set(true);
            Ok(b"finished".to_vec())
        });
        kept.is_err() || made.get()
    }

    pub(super) fn set_cookie(&self, keys: &SessionKeys, state: &str) -> String {
        super::set_cookie(&cookie_name(state), &keys.seal(Kind::Attempt, self), LIFETIME_SECONDS)
    }
}

/// The cookie of the attempt with this state.
pub(super) fn cookie_name(state: &str) -> String {
    state.chars().filter(char::is_ascii_graphic).take(NAME_CHARACTERS).fold(
        COOKIE.to_owned(),
        |mut name, c| {
            name.push(c);
            name
        },
    )
}

/// The cookies of earlier attempts, where they have become too many.
pub(super) fn too_many(received: &Received) -> Vec<String> {
    let names: Vec<&str> = credential::cookie_names(received, COOKIE).collect();
    let bytes: usize = received.cookie.iter().map(Vec::len).sum();
    if names.len() < MOST_ATTEMPTS && bytes <= MOST_COOKIE_BYTES {
        return Vec::new();
    }
    names.into_iter().filter(|name| is_cookie_name(name)).take(MOST_FORGOTTEN).map(str::to_owned).collect()
}

/// Whether an attempt of ours could have a cookie of this name: nothing else is repeated in an answer.
fn is_cookie_name(name: &str) -> bool {
    name.strip_prefix(COOKIE).is_some_and(|rest| {
        rest.len() == NAME_CHARACTERS
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

//! What a client shows to say who it is: found, and taken out before the request goes on.

use thiserror::Error;

use crate::platform::Received;
use crate::settings::CookieName;
use crate::token::TokenFault;

/// Why what a client shows is nobody.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CredentialFault {
    /// The session cookie more than once: another host or path of the domain may have set one, and
    /// servers disagree on which counts.
    #[error("the request has {0} cookies `{1}`, expected at most one")]
    SessionRepeated(usize, String),
    /// More than one `Authorization`.
    #[error("the request has {0} `Authorization` headers, expected at most one")]
    AuthorizationRepeated(usize),
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

impl CredentialFault {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SessionRepeated(..) => "session-repeated",
            Self::AuthorizationRepeated(_) => "authorization-repeated",
            Self::Token(fault) => fault.code(),
        }
    }
}

/// The token that a request shows, if any. A bearer token goes before the session cookie: a
/// program sets it on purpose, a browser sends cookies by itself.
///
/// # Errors
/// [`CredentialFault`] where it can't be told which one is meant.
pub fn presented<'r>(
    received: &'r Received,
    session: Option<&CookieName>,
) -> Result<Option<&'r [u8]>, CredentialFault> {
    let bearer = match received.authorization.as_slice() {
        [] => None,
        [one] => bearer_token(one),
        several => return Err(CredentialFault::AuthorizationRepeated(several.len())),
    };
    let cookie = session.map_or(Ok(None), |name| session_token(received, name))?;
    Ok(bearer.or(cookie))
}

fn session_token<'r>(received: &'r Received, name: &CookieName) -> Result<Option<&'r [u8]>, CredentialFault> {
    let mut values =
        received.cookie.iter().flat_map(|header| pairs(header)).filter_map(|pair| pair.value_of(name));
    let first = values.next();
    let more = values.count();
    if more > 0 {
        return Err(CredentialFault::SessionRepeated(more + 1, name.to_string()));
    }
    // An empty one is what is left of a session after log-out.
    Ok(first.filter(|value| !value.is_empty()))
}

/// One `name=value` of a `Cookie` header, white space around it removed.
#[derive(Clone, Copy)]
struct Pair<'r>(&'r [u8]);

/// The pairs of a header (RFC 6265 section 4.2.1), read as leniently as servers do.
fn pairs(header: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    header.split(|byte| *byte == b';').map(|pair| Pair(pair.trim_ascii())).filter(|pair| !pair.0.is_empty())
}

impl<'r> Pair<'r> {
    fn value_of(self, wanted: &CookieName) -> Option<&'r [u8]> {
        let mut parts = self.0.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii_end();
        // Names are compared with case (RFC 6265 section 5.3).
        (name == wanted.as_str().as_bytes()).then(|| parts.next().unwrap_or_default().trim_ascii_start())
    }
}

/// The token behind the scheme `Bearer` (RFC 6750 section 2.1), compared without case.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(6)?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then(|| rest.trim_ascii_start())
}

/// Whether `Authorization` is ours to take out. Other schemes are the application's.
#[must_use]
pub fn has_bearer(received: &Received) -> bool {
    received.authorization.iter().any(|value| bearer_token(value).is_some())
}

/// What becomes of the request's cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieChange {
    /// They go on as they came.
    Kept,
    /// Nothing is left of them.
    Removed,
    /// Those that are left, as one header (RFC 9113 section 8.2.3).
    Replaced(Vec<u8>),
}

/// Takes the session cookie out, however often it is there, and leaves the others.
#[must_use]
pub fn without_session(received: &Received, session: Option<&CookieName>) -> CookieChange {
    let Some(name) = session else { return CookieChange::Kept };
    let all: Vec<Pair<'_>> = received.cookie.iter().flat_map(|header| pairs(header)).collect();
    let others: Vec<&[u8]> =
        all.iter().filter(|pair| pair.value_of(name).is_none()).map(|pair| pair.0).collect();
    match (others.len() == all.len(), others.is_empty()) {
        (true, _) => CookieChange::Kept,
        (false, true) => CookieChange::Removed,
        (false, false) => CookieChange::Replaced(others.join(&b"; "[..])),
    }
}

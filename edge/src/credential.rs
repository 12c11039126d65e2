//! What a client shows to say who it is: found, and taken out before the request goes on.

use countersign_contract::name::BotName;
use thiserror::Error;

use crate::platform::Received;
use crate::session::{self, SessionFault};
use crate::token::TokenFault;

/// What the names of all our cookies begin with; none of them goes further than here.
pub const OWN_COOKIES: &str = "__Host-countersign-";

/// Why what a client shows is nobody.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CredentialFault {
    /// A cookie of ours more than once: another host or path of the domain may have set one, and
    /// servers disagree on which counts.
    #[error("the request has {0} cookies `{1}`, expected at most one")]
    CookieRepeated(usize, String),
    /// More than one `Authorization`.
    #[error("the request has {0} `Authorization` headers, expected at most one")]
    AuthorizationRepeated(usize),
    /// A bot's verified signature, and a token or a session beside it: nothing tells which is meant.
    #[error("the request is signed by bot `{0}` and brings a token or a session, expected one of them")]
    BesideBot(BotName),
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The session is not good.
    #[error(transparent)]
    Session(#[from] SessionFault),
}

impl CredentialFault {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CookieRepeated(..) => "session-repeated",
            Self::AuthorizationRepeated(_) => "authorization-repeated",
            Self::BesideBot(_) => "bot-and-credential",
            Self::Token(fault) => fault.code(),
            Self::Session(fault) => fault.code(),
        }
    }
}

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'r> {
    /// Nothing.
    Nothing,
    /// A bearer token (RFC 6750).
    Bearer(&'r [u8]),
    /// A session cookie.
    Session(&'r [u8]),
}

/// What a request shows. A bearer token goes before the session cookie: a program sets it on purpose, a
/// browser sends cookies by itself.
///
/// # Errors
/// [`CredentialFault`] where it can't be told which one is meant.
pub fn shown(received: &Received) -> Result<Shown<'_>, CredentialFault> {
    let bearer = match received.authorization.as_slice() {
        [] => None,
        [one] => bearer_token(one),
        several => return Err(CredentialFault::AuthorizationRepeated(several.len())),
    };
    let session = cookie(received, session::COOKIE)?;
    Ok(match (bearer, session) {
        (Some(token), _) => Shown::Bearer(token),
        (None, Some(session)) => Shown::Session(session),
        (None, None) => Shown::Nothing,
    })
}

/// The value of a cookie of ours, if it is there.
///
/// # Errors
/// [`CredentialFault::CookieRepeated`] if it is there more than once.
pub fn cookie<'r>(received: &'r Received, name: &str) -> Result<Option<&'r [u8]>, CredentialFault> {
    let mut values = cookies(received).filter_map(|pair| pair.value_of(name));
    let first = values.next();
    let more = values.count();
    if more > 0 {
        return Err(CredentialFault::CookieRepeated(more + 1, name.to_owned()));
    }
    // An empty one is what is left of a session after log-out.
    Ok(first.filter(|value| !value.is_empty()))
}

/// The names of all cookies that begin with `prefix`.
pub fn cookie_names<'r>(received: &'r Received, prefix: &'r str) -> impl Iterator<Item = &'r str> {
    let names = cookies(received).filter_map(|pair| std::str::from_utf8(pair.name()).ok());
    names.filter(move |name| name.starts_with(prefix))
}

fn cookies(received: &Received) -> impl Iterator<Item = Pair<'_>> {
    received.cookie.iter().flat_map(|header| pairs(header))
}

/// One `name=value` of a `Cookie` header, white space around it removed.
#[derive(Clone, Copy)]
struct Pair<'r>(&'r [u8]);

/// The pairs of a header (RFC 6265 section 4.2.1), read as leniently as servers do.
fn pairs(header: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    header.split(|byte| *byte == b';').map(|pair| Pair(pair.trim_ascii())).filter(|pair| !pair.0.is_empty())
}

impl<'r> Pair<'r> {
    fn name(self) -> &'r [u8] {
        self.0.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end()
    }

    fn value_of(self, wanted: &str) -> Option<&'r [u8]> {
        let value = self.0.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
        // Names are compared with case (RFC 6265 section 5.3).
        (self.name() == wanted.as_bytes()).then(|| value.trim_ascii_start())
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

/// Takes the cookies of ours out, however often they are there, and leaves the others.
#[must_use]
pub fn without_own_cookies(received: &Received) -> CookieChange {
    let all: Vec<Pair<'_>> = cookies(received).collect();
    let is_own = |pair: &&Pair<'_>| pair.name().starts_with(OWN_COOKIES.as_bytes());
    let others: Vec<&[u8]> = all.iter().filter(|pair| !is_own(pair)).map(|pair| pair.0).collect();
    match (others.len() == all.len(), others.is_empty()) {
        (true, _) => CookieChange::Kept,
        (false, true) => CookieChange::Removed,
        (false, false) => CookieChange::Replaced(others.join(&b"; "[..])),
    }
}

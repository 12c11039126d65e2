//! The request method.

use thiserror::Error;

/// A request method: a token of RFC 9110 section 9.1, compared with case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method<'a>(&'a str);

/// Why bytes are not a method.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("a method is 1 to 32 letters, digits or `-` (RFC 9110 token), no other bytes")]
pub struct NotAMethod;

impl<'a> Method<'a> {
    /// Reads a method.
    ///
    /// # Errors
    /// Anything but 1 to 32 bytes of `A-Za-z0-9-_`: the tokens that methods really use.
    pub fn parse(raw: &'a [u8]) -> Result<Self, NotAMethod> {
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if raw.is_empty() || raw.len() > 32 || !raw.iter().all(is_token) {
            return Err(NotAMethod);
        }
        std::str::from_utf8(raw).map(Self).map_err(|_| NotAMethod)
    }

    /// The method as sent.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether no route can open this method, whatever its case: a tunnel (CONNECT) has no path to judge, and a trace
    /// (TRACE) shows the headers that we add.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        ["CONNECT", "TRACE"].iter().any(|refused| refused.eq_ignore_ascii_case(self.0))
    }

    /// Whether the method is safe (RFC 9110 section 9.2.1): asks for nothing to be changed.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.0, "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }
}

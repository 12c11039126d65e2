//! Cross-origin requests (the Fetch standard's CORS protocol): which pages of other origins may read a route's answers.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical::Authority;

/// What a route lets pages of other origins do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Whose pages.
    pub origins: CorsOrigins,
    /// Request headers beyond those that any page may send.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub headers: BTreeSet<HeaderName>,
    /// Headers of the answer beyond those that any page may read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub expose: BTreeSet<HeaderName>,
    /// Whether cookies come along.
    #[serde(default)]
    pub credentials: CorsCredentials,
    /// How long a browser may remember the answer to a preflight, in seconds: at most a day.
    pub max_age_seconds: u32,
}

/// Whose pages may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorsOrigins {
    /// Everybody's.
    Any,
    /// Those of these origins.
    These(BTreeSet<WebOrigin>),
}

/// Whether a page of another origin may send cookies along, in the words of `fetch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorsCredentials {
    /// No.
    #[default]
    Omit,
    /// Yes.
    Include,
}

impl Cors {
    /// Whether pages of this origin may read; `origin` is the value of `Origin`, compared byte for byte as
    /// browsers send it.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        match &self.origins {
            CorsOrigins::Any => true,
            CorsOrigins::These(origins) => origins.iter().any(|known| known.0.as_bytes() == origin),
        }
    }
}

/// An origin as browsers send it (RFC 6454 section 6.2): `https://app.example.com`, with a port only where it isn't
/// the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct WebOrigin(String);

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HeaderName(String);

/// Why a text can't be part of a rule for other origins.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum NotForCors {
    /// No origin.
    #[error(
        "`{0}` is no origin: expected `https://` or `http://` and a host in lower case, with a port only where it \
         isn't 443 or 80, and nothing after it"
    )]
    Origin(String),
    /// No header.
    #[error("`{0}` is no header name: expected 1 to 64 of `a-z0-9-_`, in lower case")]
    Header(String),
}

impl FromStr for WebOrigin {
    type Err = NotForCors;

    fn from_str(text: &str) -> Result<Self, NotForCors> {
        let host = [("https://", ":443"), ("http://", ":80")]
            .into_iter()
            .find_map(|(scheme, port)| text.strip_prefix(scheme).filter(|host| !host.ends_with(port)));
        let is_canonical =
            |host: &str| Authority::parse(host.as_bytes()).is_ok_and(|authority| authority.as_str() == host);
        match host {
            Some(host) if is_canonical(host) => Ok(Self(text.to_owned())),
            _ => Err(NotForCors::Origin(crate::name::shown(text))),
        }
    }
}

impl FromStr for HeaderName {
    type Err = NotForCors;

    fn from_str(text: &str) -> Result<Self, NotForCors> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotForCors::Header(crate::name::shown(text)))
        }
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotForCors;

            fn try_from(text: String) -> Result<Self, NotForCors> {
                text.parse()
            }
        }
    )*};
}
as_text!(WebOrigin, HeaderName);

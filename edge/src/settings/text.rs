//! Texts that settings hold, each a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not what a setting asks for.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{text}` is not a {kind}: expected {expected}")]
pub struct NotASetting {
    kind: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! setting {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotASetting;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) {
                    Ok(Self(text))
                } else {
                    Err(NotASetting { kind: $kind, expected: $expected, text: text.chars().take(64).collect() })
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

setting!(
    /// The name of a backend of the service.
    BackendName, "backend name", "1 to 255 of `A-Za-z0-9-_. `",
    |t| !t.is_empty() && t.len() <= 255
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b' '))
);
setting!(
    /// What we call an issuer.
    IssuerName, "name of an issuer", "1 to 32 of `a-z0-9-`", |t| is_short_name(t)
);
setting!(
    /// What stands before the subjects and log-ins of an issuer, with a `:` behind it.
    SubjectPrefix, "prefix of subjects", "1 to 32 of `a-z0-9-`", |t| is_short_name(t)
);
setting!(
    /// Where a document or an endpoint of an issuer is.
    HttpUrl, "URL", "`https://` or `http://`, a host and a path, without spaces or `#`",
    |t| {
        let rest = t.strip_prefix("https://").or_else(|| t.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            && t.len() <= 2000
            && t.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>' | b'\\'))
    }
);
fn is_short_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl HttpUrl {
    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }
}

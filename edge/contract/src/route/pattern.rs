//! Patterns of hosts, paths and methods.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical::{Authority, Method, Target};

/// Why a text is not a pattern.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum NotAPattern {
    /// Not a host pattern.
    #[error(
        "`{0}` is not a host pattern: expected a host name like `www.example.com`, or `*.example.com`, without a port"
    )]
    Host(String),
    /// Not a path pattern.
    #[error("`{pattern}` is not a path pattern: {reason}")]
    Path {
        /// The pattern.
        pattern: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// Not a method.
    #[error("`{0}` is not a method: expected a token such as `GET`")]
    Method(String),
}

/// The hosts a route is for: one name, or every name below a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum HostPattern {
    /// Exactly this host.
    Exact(String),
    /// Every host with one or more labels before this suffix, which begins with a dot.
    Below(String),
}

impl FromStr for HostPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, wildcard) = text.strip_prefix("*.").map_or((text, None), |rest| (rest, Some(())));
        let authority = Authority::parse(name.as_bytes()).map_err(|_| NotAPattern::Host(text.to_owned()))?;
        // A pattern with a port or in upper case would be a second spelling of the same host.
        if authority.host() != name {
            return Err(NotAPattern::Host(text.to_owned()));
        }
        Ok(match wildcard {
            Some(()) => Self::Below(format!(".{name}")),
            None => Self::Exact(name.to_owned()),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// The paths a route is for: `/`-separated segments, each a literal, or `*` for any one segment,
/// with `**` allowed as the last one for everything below. `/api/**` is also for `/api` itself, and
/// `/api` for `/api/` unless another pattern says so. `%2A` is a literal star.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PathPattern {
    pub(super) segments: Vec<SegmentPattern>,
    pub(super) end: End,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum SegmentPattern {
    /// The segment with its percent-encoding undone.
    Literal(String),
    Any,
}

/// What may follow the segments of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    Here,
    AnythingBelow,
}

impl PathPattern {
    /// Whether it is a path, or a path and everything below: no `*` stands for a segment.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        !self.segments.contains(&SegmentPattern::Any)
    }
}

/// A pattern deeper than this is a mistake, and bounds the work of a look-up.
pub(super) const MOST_SEGMENTS: usize = 32;

impl FromStr for PathPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| NotAPattern::Path { pattern: text.to_owned(), reason };
        let target = Target::parse(text.as_bytes()).map_err(|e| refuse(e.to_string()))?;
        if target.path() != text {
            return Err(refuse("a query can't be matched".to_owned()));
        }
        let mut pattern = Self { segments: Vec::new(), end: End::Here, text: text.to_owned() };
        for segment in target.segments() {
            if pattern.end == End::AnythingBelow {
                return Err(refuse("`**` is only allowed as the last segment".to_owned()));
            }
            // Looked at before decoding: `%2A` is how a star itself is written.
            match segment.as_str() {
                "**" => pattern.end = End::AnythingBelow,
                "*" => pattern.segments.push(SegmentPattern::Any),
                part if part.contains('*') => {
                    return Err(refuse("`*` stands for a whole segment, not for a part of one".to_owned()));
                }
                _ => pattern.segments.push(SegmentPattern::Literal(segment.decoded().into_owned())),
            }
        }
        if pattern.segments.len() > MOST_SEGMENTS {
            return Err(refuse(format!("it has more than {MOST_SEGMENTS} segments")));
        }
        Ok(pattern)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A method that a route lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MethodName(String);

impl MethodName {
    /// Whether it is this method; methods are compared with case.
    #[must_use]
    pub fn is(&self, method: Method<'_>) -> bool {
        self.0 == method.as_str()
    }
}

impl FromStr for MethodName {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Method::parse(text.as_bytes())
            .map(|method| Self(method.as_str().to_owned()))
            .map_err(|_| NotAPattern::Method(text.to_owned()))
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl From<$type> for String {
            fn from(pattern: $type) -> Self {
                pattern.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotAPattern;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}
as_text!(HostPattern, PathPattern, MethodName);

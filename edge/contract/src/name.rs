//! The names that policy, settings and assertions use, each a type of its own.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text can't be the name it was given for.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{text}` is not a {kind}: expected {expected}")]
pub struct NotAName {
    kind: &'static str,
    expected: &'static str,
    text: String,
}

impl NotAName {
    fn new(kind: &'static str, expected: &'static str, text: &str) -> Self {
        Self { kind, expected, text: shown(text) }
    }
}

/// At most 64 characters of what somebody sent, for a message: what could move a terminal's cursor
/// or begin a line of its own in a log is escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(64) {
        match c {
            '"' | '\'' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) { Ok(Self(text)) } else { Err(NotAName::new($kind, $expected, &text)) }
            }
        }

        impl FromStr for $name {
            type Err = NotAName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_identifier(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/'))
}

fn is_lower_case(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Text that can stand in a header's value as one item of a comma-separated list.
fn is_header_item(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || c == ',')
}

name!(
    /// The name of a route, as records and refusals give it.
    RouteName, "route name", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// The name of a pool: HAProxy's backend is `pool_` + this name.
    PoolName, "pool name", "1 to 40 of `a-z0-9-_`",
    |t| is_identifier(t, 40) && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
);
name!(
    /// The name of a role in the policy.
    RoleName, "role name", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// A permission that roles give and routes ask for.
    Permission, "permission", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// A group of people, as the identity provider names it.
    GroupName, "group name", "1 to 128 bytes, no comma, no control character, no space at either end",
    |t| is_header_item(t, 128)
);
name!(
    /// Who is asking, as the identity provider names them (`sub` of RFC 7519).
    Subject, "subject", "1 to 255 bytes, no control character, no space at either end",
    |t| !t.is_empty() && t.len() <= 255 && t.trim() == t && !t.chars().any(char::is_control)
);
name!(
    /// One log-in of somebody, as the identity provider names it (`sid` of OpenID Connect, else `jti` of RFC 7519).
    SessionId, "session id", "1 to 255 bytes, no control character, no space at either end",
    |t| !t.is_empty() && t.len() <= 255 && t.trim() == t && !t.chars().any(char::is_control)
);
name!(
    /// What we call a bot that is known by its signature.
    BotName, "name of a bot", "1 to 32 of `a-z0-9-`",
    |t| is_lower_case(t, 32)
);
name!(
    /// An experiment of the policy.
    ExperimentName, "name of an experiment", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// An arm of an experiment.
    ArmName, "name of an arm", "1 to 32 of `a-z0-9-`", |t| is_lower_case(t, 32)
);
name!(
    /// The id of a key (`kid` of RFC 7515).
    KeyId, "key id", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// The data centre that an assertion is for (`aud`).
    Audience, "audience", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// The environment that an assertion is for (`env`), e.g. `production`.
    Environment, "environment", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);
name!(
    /// The edge service that minted an assertion (`iss`).
    ServiceName, "service name", "1 to 64 of `A-Za-z0-9-_.:/`", |t| is_identifier(t, 64)
);

/// What the subjects of bots begin with; nobody else's may.
pub const BOT_SUBJECTS: &str = "bot:";

impl BotName {
    /// The subject that it is known as: `bot:NAME`.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject(format!("{BOT_SUBJECTS}{self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{BotName, GroupName, PoolName, Subject};

    #[test]
    fn a_bot_is_a_subject_that_reads_as_one() {
        let bot: BotName = "good-bot-2".parse().unwrap();
        assert_eq!(bot.subject().as_str().parse::<Subject>().unwrap(), bot.subject());
        for odd in ["", "Bot", "a:b", "a b", &"b".repeat(33)] {
            assert!(odd.parse::<BotName>().is_err(), "{odd}");
        }
    }

    #[test]
    fn names_that_could_split_a_header_are_refused() {
        assert!("alice\r\nX-Admin: 1".parse::<Subject>().is_err());
        assert!("ops,admins".parse::<GroupName>().is_err());
        assert!(" admins".parse::<GroupName>().is_err());
        assert!("Site Reliability".parse::<GroupName>().is_ok());
    }

    #[test]
    fn a_pool_can_only_be_what_haproxy_takes_as_a_backend() {
        assert!("api-v2_eu".parse::<PoolName>().is_ok());
        for wrong in ["", "API", "a/b", "a.b", "a b"] {
            assert!(wrong.parse::<PoolName>().is_err(), "{wrong}");
        }
    }
}

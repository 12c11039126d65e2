//! How a key stands, and that in words.

use std::fmt;

use countersign_contract::record::Tier;
use countersign_contract::time::UnixMillis;

use super::{Role, Span};

/// How a key stands. As text, it begins with the standing and goes on with why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is needed.
    InUse(InUse),
    /// Another key has taken over; what this one made may still come.
    SafeAfter {
        /// Until then.
        time: UnixMillis,
        /// The key that is used.
        newer: String,
    },
    /// Another key has taken over, and what this one made is over.
    SafeNow {
        /// Since then.
        since: UnixMillis,
        /// The key that is used.
        newer: String,
    },
    /// No record names it.
    Unnamed(Unnamed),
    /// The records don't say enough.
    Unknown(Blind),
    /// It is somebody else's, and only shown.
    Elsewhere {
        /// Whether no other key of the role was used later.
        newest: bool,
    },
}

/// Why a key is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InUse {
    /// No other key of its role was used later.
    Newest,
    /// It was used again after another key had begun to be used: somewhere the change has not arrived.
    Again {
        /// The key that was used last.
        newer: String,
        /// The last use.
        until: UnixMillis,
        /// When it is safe to remove if it is not used again.
        not_before: UnixMillis,
    },
    /// Settings name it as the one to make things with.
    Named {
        /// The settings and their key.
        by: String,
    },
}

/// What follows from that no record names a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// Another one has been used for longer than the hold time, so this one is not needed.
    Safe {
        /// The other one.
        other: String,
        /// Its first use.
        since: UnixMillis,
    },
    /// Another one is used, but not for long enough.
    NotYet {
        /// The other one.
        other: String,
        /// Until when it has to have been used.
        until: UnixMillis,
    },
    /// No record names any key of the role: nothing says that the records would name this one.
    NorAnother(Role),
}

/// Why records say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blind {
    /// There are none of any tier that would name keys of the role.
    NoRecords(&'static [Tier]),
    /// The hold time is not known: what has to be given.
    Hold(String),
    /// The newest one is older than the hold time.
    Stale {
        /// What there is.
        records: Span,
        /// The hold time in seconds.
        hold: u64,
    },
    /// They begin later than the hold time ago.
    Short {
        /// What there is.
        records: Span,
        /// The hold time in seconds.
        hold: u64,
    },
    /// They end before the time from which on it would be safe.
    Behind {
        /// What there is.
        records: Span,
        /// That time.
        quiet: UnixMillis,
    },
}

impl Standing {
    /// Whether it can be removed now.
    #[must_use]
    pub const fn is_safe(&self) -> bool {
        match self {
            Self::SafeNow { .. } | Self::Unnamed(Unnamed::Safe { .. }) => true,
            Self::InUse(_)
            | Self::SafeAfter { .. }
            | Self::Unnamed(Unnamed::NotYet { .. } | Unnamed::NorAnother(_))
            | Self::Unknown(_)
            | Self::Elsewhere { .. } => false,
        }
    }

    /// From when on it is safe to remove if it is not used any more, where that is known.
    #[must_use]
    pub const fn safe_from(&self) -> Option<UnixMillis> {
        match self {
            Self::SafeAfter { time, .. } | Self::SafeNow { since: time, .. } => Some(*time),
            Self::InUse(InUse::Again { not_before: time, .. })
            | Self::Unnamed(Unnamed::NotYet { until: time, .. })
            | Self::Unknown(Blind::Behind { quiet: time, .. }) => Some(*time),
            Self::InUse(InUse::Newest | InUse::Named { .. })
            | Self::Unnamed(Unnamed::Safe { .. } | Unnamed::NorAnother(_))
            | Self::Unknown(_)
            | Self::Elsewhere { .. } => None,
        }
    }

    /// The standing as a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::InUse(_) => "in-use",
            Self::SafeAfter { .. } => "safe-after",
            Self::SafeNow { .. } => "safe-now",
            Self::Unnamed(_) => "unnamed",
            Self::Unknown(_) => "unknown",
            Self::Elsewhere { .. } => "elsewhere",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(why) => write!(f, "in use: {why}"),
            Self::SafeAfter { time, newer } => {
                write!(f, "safe after {}: {} has taken over", time.rfc3339(), Kid(newer))
            }
            Self::SafeNow { since, newer } => {
                write!(f, "safe now: since {}; {} has taken over", since.rfc3339(), Kid(newer))
            }
            Self::Unnamed(what) => write!(f, "no record names it: {what}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
            Self::Elsewhere { newest: true } => {
                f.write_str("in use: the identity provider's, nothing to remove here")
            }
            Self::Elsewhere { newest: false } => {
                f.write_str("another key was used later: the identity provider's, nothing to remove here")
            }
        }
    }
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("no other key was used later"),
            Self::Again { newer, until, not_before } => write!(
                f,
                "used again, until {}, after {} had taken over; safe after {} if not once more",
                until.rfc3339(),
                Kid(newer),
                not_before.rfc3339()
            ),
            Self::Named { by } => write!(f, "{by} names it"),
        }
    }
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Safe { other, since } => {
                write!(
                    f,
                    "safe now unless it is the next one, {} has been used since {}",
                    Kid(other),
                    since.rfc3339()
                )
            }
            Self::NotYet { other, until } => {
                write!(f, "not safe until {} has been used until {}", Kid(other), until.rfc3339())
            }
            Self::NorAnother(role) => {
                write!(f, "not safe, since no record names any other {role} key either")
            }
        }
    }
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecords(tiers) => {
                let tiers: Vec<_> = tiers
                    .iter()
                    .map(|tier| match tier {
                        Tier::Edge => "the edge's",
                        Tier::Agent => "the agents'",
                    })
                    .collect();
                write!(f, "no records: expected {} by --records", tiers.join(" or "))
            }
            Self::Hold(what) => f.write_str(what),
            Self::Stale { records, hold } => write!(
                f,
                "records cover only {}, and the newest is older than the {hold} s for which what a key made may come: expected newer ones",
                Covered(records)
            ),
            Self::Short { records, hold } => write!(
                f,
                "records cover only {}, less than the {hold} s for which what a key made may come: expected earlier ones too",
                Covered(records)
            ),
            Self::Behind { records, quiet } => write!(
                f,
                "records cover only {}: expected newer ones, from after {}",
                Covered(records),
                quiet.rfc3339()
            ),
        }
    }
}

/// A span in words.
struct Covered<'a>(&'a Span);

impl fmt::Display for Covered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.0.first.rfc3339(), self.0.last.rfc3339())
    }
}

/// A key's id for people: a record may hold what would move a terminal's cursor.
pub(crate) struct Kid<'a>(pub(crate) &'a str);

impl fmt::Display for Kid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.escape_debug())
    }
}

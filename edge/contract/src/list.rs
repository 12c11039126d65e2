//! The list of offenders as the edge's dictionary holds it.
//!
//! One item of the store is a bucket of up to 666 records of 9 bytes; which two buckets may hold a
//! client's record, and the mark that stands in it, come from one HMAC over its key. So 500 items
//! hold a third of a million clients, and no address stands in clear. An item `_meta` says which set
//! of buckets is in use and how to read it. Reputation may only ever take access away, so whatever can't be read
//! means "not listed" and is reported for counting.

mod bucket;
mod fingerprint;
mod meta;

pub use bucket::{Bucket, BucketFault, MOST_RECORDS, Record};
pub use fingerprint::{Fingerprint, ListKey, ListKeys, Mark};
pub use meta::{LAYOUT, ListMode, META_ITEM, Meta, MetaFault, Set};

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::shown;

/// What is done about a listed client, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Action {
    /// Only noted.
    Observe,
    /// Nobody may come anonymously from there; a signed-in client passes.
    RequireIdentity,
    /// Asked to come back later.
    Throttle,
    /// Turned away.
    Block,
}

/// Text that is no action.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not an action: expected `observe`, `require-identity`, `throttle` or `block`")]
pub struct NotAnAction(String);

impl FromStr for Action {
    type Err = NotAnAction;

    fn from_str(text: &str) -> Result<Self, NotAnAction> {
        let all = [Self::Observe, Self::RequireIdentity, Self::Throttle, Self::Block];
        let found = all.into_iter().find(|action| action.as_str() == text);
        found.ok_or_else(|| NotAnAction(shown(text)))
    }
}

impl TryFrom<String> for Action {
    type Error = NotAnAction;

    fn try_from(text: String) -> Result<Self, NotAnAction> {
        text.parse()
    }
}

impl From<Action> for &'static str {
    fn from(action: Action) -> Self {
        action.as_str()
    }
}

impl Action {
    /// The word for this action in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::RequireIdentity => "require-identity",
            Self::Throttle => "throttle",
            Self::Block => "block",
        }
    }

    pub(crate) const fn to_bits(self) -> u32 {
        match self {
            Self::Observe => 1,
            Self::RequireIdentity => 2,
            Self::Throttle => 3,
            Self::Block => 4,
        }
    }

    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Self::Observe),
            2 => Some(Self::RequireIdentity),
            3 => Some(Self::Throttle),
            4 => Some(Self::Block),
            _ => None,
        }
    }
}

//! The item that says how to read the buckets.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::KeyId;
use crate::time::UnixSeconds;

/// The name of the item.
pub const META_ITEM: &str = "_meta";

/// The layout described in [`crate::list`], the only one there is.
pub const LAYOUT: u32 = 2;

/// The most buckets of a list: a dictionary has 1000 items.
const MOST_BUCKETS: u32 = 999;

/// One of the two sets of buckets that a store may hold. The one that is not in use is where the next list
/// is built when the number of buckets or the key changes, so that there is a whole one at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// Items `a0000` and on.
    A,
    /// Items `b0000` and on.
    B,
}

impl Set {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// What its items' names begin with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Whether the edge acts on a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListMode {
    /// It only notes what it would have done.
    Observe,
    /// It acts.
    #[default]
    Enforce,
}

/// How to read the buckets of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Layout of the records: [`LAYOUT`].
    pub layout: u32,
    /// The set of buckets in use.
    pub set: Set,
    /// How many buckets it has.
    pub buckets: NonZeroU32,
    /// The list key that its fingerprints are made with.
    pub key: KeyId,
    /// Whether the edge acts on it.
    pub mode: ListMode,
    /// Counts up with every change.
    pub generation: u64,
    /// The point that records count their expiry from.
    pub epoch: UnixSeconds,
    /// Who wrote it.
    pub writer: String,
}

/// Why the item can't be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MetaFault {
    /// Not the JSON that is expected.
    #[error("item `_meta` can't be read: {0}")]
    Json(String),
    /// More buckets than any store has items.
    #[error("item `_meta` speaks of {0} buckets, expected at most {MOST_BUCKETS}")]
    Buckets(NonZeroU32),
    /// Another layout.
    #[error("item `_meta` is of layout {0}, expected {LAYOUT}")]
    Layout(u32),
}

impl Meta {
    /// Reads the value of the item.
    ///
    /// # Errors
    /// [`MetaFault`] if it is garbled or of another layout.
    pub fn parse(value: &str) -> Result<Self, MetaFault> {
        /// What every layout has.
        #[derive(Deserialize)]
        struct Any {
            layout: u32,
        }

        // The usual case is read once: this is done at each request.
        let read = serde_json::from_str(value).map_err(|error| MetaFault::Json(error.to_string()));
        match read {
            Ok(Self { layout: LAYOUT, buckets, .. }) if buckets.get() > MOST_BUCKETS => {
                Err(MetaFault::Buckets(buckets))
            }
            Ok(Self { layout: LAYOUT, .. }) => read,
            Ok(Self { layout, .. }) => Err(MetaFault::Layout(layout)),
            Err(fault) => match serde_json::from_str(value) {
                Ok(Any { layout }) if layout != LAYOUT => Err(MetaFault::Layout(layout)),
                Ok(Any { .. }) | Err(_) => Err(fault),
            },
        }
    }
}

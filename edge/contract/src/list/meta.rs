//! The item that says how to read the buckets.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::UnixSeconds;

/// The name of the item.
pub const META_ITEM: &str = "_meta";

/// The layout described in [`crate::list`], the only one there is.
pub const LAYOUT: u32 = 1;

/// How to read the buckets of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Layout of the records: [`LAYOUT`].
    pub layout: u32,
    /// How many buckets the list has.
    pub buckets: NonZeroU32,
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
    /// Another layout.
    #[error("item `_meta` is of layout {0}, expected 1")]
    Layout(u32),
}

impl Meta {
    /// Reads the value of the item.
    ///
    /// # Errors
    /// [`MetaFault`] if it is garbled or of another layout.
    pub fn parse(value: &str) -> Result<Self, MetaFault> {
        let meta: Self = serde_json::from_str(value).map_err(|e| MetaFault::Json(e.to_string()))?;
        if meta.layout == LAYOUT { Ok(meta) } else { Err(MetaFault::Layout(meta.layout)) }
    }
}

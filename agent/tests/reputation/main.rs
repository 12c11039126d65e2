//! From entries of stick tables to bans, through the public interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bans;
mod ended;
mod guard;
mod heard;
mod list;
mod settings;
mod sums;
mod told;

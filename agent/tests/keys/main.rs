//! Keys that replace each other: what records prove, and the commands that say it and act on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod remove;
mod stage;
mod standing;
mod status;

//! Web Bot Auth by the vectors of others, `tests/vectors/web-bot-auth`, and held against another implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cloudflare;
mod directory;
mod hostile;
mod made;
mod request;
mod rfc9421;
mod second_opinion;
mod structured_fields;

//! Verdicts from the outside: a NOTIFY's bytes go in, the variables that HAProxy would get come out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bots;
mod own_paths;
mod receipts;
mod services;
mod stage;
mod upgrade;
mod verdicts;

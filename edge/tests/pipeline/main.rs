//! The whole pipeline against a platform in memory: what each request gets, what HAProxy sees of
//! it, and what the record says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod arms;
mod assertion_keys;
mod bot;
mod bots;
mod bound_tokens;
mod browser;
mod cookies;
mod cors;
mod discovery;
mod exchange;
mod failures;
mod grpc;
mod hostile_tokens;
mod identity;
mod issuer;
mod issuers;
mod keys;
mod list;
mod list_faults;
mod list_keys;
mod listing;
mod login;
mod login_hostile;
mod login_token;
mod logout;
mod modes;
mod never_panics;
mod origins;
mod own_paths;
mod rates;
mod receipts;
mod renewal;
mod routes;
mod scrub;
mod sessions;
mod settings;
mod shielding;
mod websocket;
mod world;

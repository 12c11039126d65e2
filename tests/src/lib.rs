//! The end-to-end harness of Countersign: real HAProxy, the real Compute runtime, real agents.
//!
//! A [`world::World`] is the whole stage in one folder. A [`scene::Scene`] plays one request, or a
//! few, on it and ends as a [`scene::Row`] that says what was seen, what was stated, and what
//! differed. The list of scenes is in [`scenes`]; the tests and `cargo xtask demo` both play it.

pub mod agent;
pub mod application;
pub mod ask;
pub mod bot;
pub mod browser;
pub mod circuit;
pub mod client;
pub mod cluster;
mod command_line;
pub mod curl;
pub mod daemon;
mod der;
pub mod edge;
pub mod example;
pub mod fastly_api;
pub mod fault;
pub mod faulty_provider;
pub mod forge;
pub mod haproxy;
pub mod http_server;
pub mod identity_provider;
pub mod journal;
pub mod listing;
pub mod load;
pub mod memory;
pub mod nghttp;
pub mod node;
pub mod oidc_client;
pub mod oidc_provider;
pub mod page;
pub mod peer;
pub mod pieces;
pub mod pools;
pub mod ports;
pub mod process;
pub mod publisher;
pub mod question;
pub mod readings;
pub mod reaper;
pub mod receipts;
pub mod records;
pub mod runner;
pub mod scene;
pub mod scenes;
pub mod script;
pub mod services;
pub mod site;
pub mod stream_server;
pub mod streams;
pub mod tally;
pub mod tap;
pub mod tls_front;
pub mod trouble;
pub mod viceroy;
pub mod world;

//! Countersign at the edge.
//!
//! A request is scrubbed, looked up in the list, routed, identified and vouched for by a signed
//! assertion, then sent to HAProxy; or it is refused here. [`pipeline`] is that life of a request
//! as one function. Everything in this library is free of the platform, so it is tested natively;
//! what it needs from Fastly Compute is behind the trait of [`platform`].

pub mod answer;
pub mod arm;
pub mod bots;
pub mod certificate;
pub mod cors;
pub mod credential;
pub mod forward;
pub mod grpc;
pub mod identify;
pub mod list;
pub mod login;
pub mod pipeline;
pub mod platform;
pub mod policy;
pub mod provider;
pub mod rate;
pub mod receipt;
pub mod record;
pub mod refusal;
pub mod scrub;
pub mod sealed;
pub mod send;
pub mod session;
pub mod settings;
pub mod shielding;
pub mod signing;
pub mod token;
pub mod vouch;
pub mod websocket;

//! Sessions over sockets, on tokio (feature `server`; TLS with feature `tls`).
//!
//! A [`Listener`] gives connections, and so does [`connect`]; [`run`] drives a
//! [`Session`](super::Session) over one, and tells a [`Handler`] what happens. Which peers are known, and
//! which session is the one with each, is the caller's: see [`Seats`](super::Seats).

mod address;
mod connect;
mod connection;
mod ended;
mod handler;
mod handshakes;
mod inbox;
mod listener;
mod run;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod transfer;

pub use address::{Address, AddressError};
pub use connect::{ConnectError, connect};
pub use connection::Connection;
pub use ended::Ended;
pub use handler::{Fill, Handler};
pub use handshakes::MAX_HANDSHAKES;
pub use listener::{BindError, Listener, TLS_HANDSHAKE};
pub use run::{BATCH, MAX_UNSENT, READ, WRITE_TIMEOUT, run};
pub use tls::{TlsClient, TlsServer};
#[cfg(feature = "tls")]
pub use tls::{TlsError, TlsFiles};

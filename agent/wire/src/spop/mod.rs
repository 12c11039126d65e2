//! SPOP 2.0, the protocol between HAProxy's stream processing offload engine and its agents
//! (HAProxy's `SPOE.txt`, section 3).
//!
//! Decoders borrow from the bytes they are given and check all of it before they hand anything out, so
//! iterating over what was decoded cannot fail. Encoders append to a buffer of the caller.
//! [`Connection`] is the agent's side of one connection without a socket or a clock; `server` (feature
//! `server`) puts it on tokio. What HAProxy sends can be encoded and what an agent answers decoded as well,
//! so that tests can play either side.

mod action;
mod connection;
mod disconnect;
mod error;
mod frame;
mod hello;
mod input;
mod notify;
mod parse;
#[cfg(feature = "server")]
pub mod server;
mod status;
mod value;

pub use action::{Ack, AckActions, Action, Actions, Scope};
pub use connection::{Admission, Connection, Event, Phase, ProtocolError};
pub use disconnect::{Disconnect, Sender};
pub use error::{DecodeError, Expected, TooLarge};
pub use frame::{Flags, Frame, FrameId, FrameType, LENGTH_PREFIX, MaxFrameSize};
pub use hello::{AgentHello, Agreement, HaproxyHello, HelloError, Pipelining, Purpose, VERSION};
pub use notify::{Args, Message, Messages, Notify, NotifyWriter};
pub use status::Status;
pub use value::Value;

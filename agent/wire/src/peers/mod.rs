//! HAProxy's peers protocol 2.1, which carries the entries of stick tables between HAProxy nodes
//! (HAProxy's `peers.txt` and `peers-v2.0.txt`).
//!
//! Decoders borrow from the bytes they are given; an [`Entry`] is checked whole against its table's
//! [`Schema`] before it is handed out, so reading its values cannot fail and allocates nothing. Encoders
//! append to a buffer of the caller. [`Session`] is one session without a socket or a clock, in either role;
//! [`Seats`] tells which session is the one with each peer. With feature `server`, `net` has listeners and
//! sessions over sockets.

mod data_type;
mod definition;
mod dictionary;
mod entry;
mod error;
mod event;
mod hello;
mod key;
mod learn;
mod line;
mod message;
mod phase;
mod reader;
mod schema;
mod seats;
mod session;
mod settings;
mod status;
mod teach;
mod update_id;
mod value;
mod version;

#[cfg(feature = "server")]
pub mod net;

pub use data_type::{Arity, DataType, Shape};
pub use definition::{Definition, MAX_TABLE_NAME, TableId, Unreadable};
pub use dictionary::ServerKey;
pub use entry::{Datum, Entry, Values};
pub use error::{DecodeError, EncodeError, Expected, HelloError, Item};
pub use event::{Completeness, Event, Lifetime, Received, SessionError, Skip};
pub use hello::{BadPeerName, Hello, MAX_PEER_NAME, PeerName};
pub use key::{Key, KeyLength, KeyType, MAX_KEY};
pub use learn::{ForeignReceipt, News, Receipt, RemoteTable};
pub use message::{Ack, Complaint, Control, MaxMessageSize, Message, Update};
pub use phase::{AskError, NotAsked, NotNow, Phase, Refusal};
pub use schema::{BadParameters, Columns, DATA_TYPES, Elements, MAX_ELEMENTS, Parameters, Period, Schema};
pub use seats::{Claim, Leave, RECONNECT, Seats};
pub use session::{Session, Step};
pub use settings::{HANDSHAKE, HEARTBEAT, MAX_TABLES, SILENCE, SessionId, Settings};
pub use status::Status;
pub use teach::{Lesson, LocalTable, OfferError, TeachError};
pub use update_id::UpdateId;
pub use value::{DICTIONARY_ENTRIES, DictionaryId, DictionaryValue, MAX_DICTIONARY_VALUE, Rate, Value};
pub use version::Version;

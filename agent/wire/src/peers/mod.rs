//! HAProxy's peers protocol 2.1, which carries the entries of stick tables between HAProxy nodes
//! (HAProxy's `peers.txt` and `peers-v2.0.txt`).
//!
//! Decoders borrow from the bytes they are given; an [`Entry`] is checked whole against its table's
//! [`Schema`] before it is handed out, so reading its values cannot fail and allocates nothing. Encoders
//! append to a buffer of the caller.

mod data_type;
mod definition;
mod entry;
mod error;
mod hello;
mod key;
mod line;
mod message;
mod reader;
mod schema;
mod status;
mod update_id;
mod value;
mod version;

pub use data_type::{Arity, DataType, Shape};
pub use definition::{Definition, MAX_TABLE_NAME, TableId, Unreadable};
pub use entry::{Datum, Entry, Values};
pub use error::{DecodeError, EncodeError, Expected, HelloError, Item};
pub use hello::{BadPeerName, Hello, MAX_PEER_NAME, PeerName};
pub use key::{Key, KeyLength, KeyType, MAX_KEY};
pub use message::{Ack, Complaint, Control, MaxMessageSize, Message, Update};
pub use schema::{BadParameters, Columns, DATA_TYPES, Elements, MAX_ELEMENTS, Parameters, Period, Schema};
pub use status::Status;
pub use update_id::UpdateId;
pub use value::{DICTIONARY_ENTRIES, DictionaryId, DictionaryValue, MAX_DICTIONARY_VALUE, Rate, Value};
pub use version::Version;

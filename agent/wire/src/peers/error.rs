//! What can be wrong with bytes: incomplete, invalid at an offset, or too large.

use super::status::Status;
use super::version::Version;
use std::fmt;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a message or a line; what is there is fine so far.
    #[error("message is incomplete: at least {needed} more bytes expected")]
    Incomplete {
        /// Bytes that are certainly missing, 1 or more.
        needed: usize,
    },
    /// The bytes cannot become a valid message.
    #[error("message is invalid at byte {offset}: expected {expected}")]
    Invalid {
        /// Where decoding stopped, in bytes from the message's first.
        offset: usize,
        /// What should have been there.
        expected: Expected,
    },
    /// Something announces or has more bytes than are accepted.
    #[error("{item} of {length} bytes is too large: at most {limit} expected")]
    TooLarge {
        /// What it is.
        item: Item,
        /// Its length in bytes; of a line without an end, the bytes that are there.
        length: u64,
        /// Largest length that is accepted, in bytes.
        limit: usize,
    },
}

/// What a decoder expected where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The protocol's name and a blank.
    Protocol,
    /// A version of two numbers with a dot between them.
    Version,
    /// A peer's name: UTF-8, at least one byte, neither blanks nor control bytes.
    PeerName,
    /// A process number in decimal.
    ProcessNumber,
    /// The end of the line.
    LineEnd,
    /// One of the status codes of the protocol.
    StatusCode,
    /// A message class other than the reserved one.
    MessageClass,
    /// More bytes before the end of the message.
    MoreBytes,
    /// An integer of HAProxy's variable-length encoding that fits 64 bits.
    Integer,
    /// A length that ends within the message.
    LengthWithinMessage,
    /// A table name of at least one byte.
    TableName,
    /// A key that is not longer than its table says.
    KeyWithinTable,
    /// An integer that fits 32 bits.
    Integer32,
    /// A dictionary identifier from 1 to the number of cached entries.
    DictionaryId,
    /// A dictionary value that ends where its length says.
    DictionaryEnd,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "`HAProxyS` and a blank",
            Self::Version => "a version such as `2.1`",
            Self::PeerName => "a peer's name without blanks and control bytes",
            Self::ProcessNumber => "a process number in decimal",
            Self::LineEnd => "the end of the line",
            Self::StatusCode => "a status of 200, 300, 501, 502, 503 or 504",
            Self::MessageClass => "a message class other than 255",
            Self::MoreBytes => "more bytes before the end of the message",
            Self::Integer => "an integer of at most 64 bits",
            Self::LengthWithinMessage => "a length that ends within the message",
            Self::TableName => "a table name of at least one byte",
            Self::KeyWithinTable => "a key that is not longer than its table says",
            Self::Integer32 => "an integer of at most 32 bits",
            Self::DictionaryId => "a dictionary identifier of 1 to 128",
            Self::DictionaryEnd => "a dictionary value that ends where its length says",
        })
    }
}

/// What has a largest length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A line of the handshake.
    Line,
    /// A message after its length.
    Message,
    /// The name of a table.
    TableName,
    /// A value of the dictionary, a server's key.
    DictionaryValue,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "line",
            Self::Message => "message",
            Self::TableName => "table name",
            Self::DictionaryValue => "dictionary value",
        })
    }
}

/// Why a hello is refused, or a wait for one goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not a hello, or not a whole one yet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A hello of a version that is not spoken here.
    #[error("version `{0}` is not spoken: expected `{current}`", current = Version::CURRENT)]
    Version(Version),
}

impl HelloError {
    /// The status that tells the peer.
    pub fn status(&self) -> Status {
        match self {
            Self::Decode(_) => Status::ProtocolError,
            Self::Version(_) => Status::BadVersion,
        }
    }
}

/// Why a message was not encoded; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The key is not of the table's type, or longer than the table says.
    #[error("key does not fit its table: expected one of its type and length")]
    Key,
    /// The values are not those of the table: one too few, one too many, or one of another shape.
    #[error("value {index} does not fit its table: expected one of each element, in the order of the types")]
    Value {
        /// Which value, counted from 0 over all elements of all types.
        index: usize,
    },
    /// The name of the table is empty or too long.
    #[error("table name of {length} bytes does not fit: expected 1 to {limit}", limit = super::MAX_TABLE_NAME)]
    TableName {
        /// Its length in bytes.
        length: usize,
    },
    /// The message would be larger than is accepted by the peer.
    #[error("message of {length} bytes is too large: at most {limit} expected")]
    TooLarge {
        /// Its length in bytes, after class, type and length.
        length: usize,
        /// Largest length in bytes.
        limit: usize,
    },
}

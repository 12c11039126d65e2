//! What can be wrong with bytes: incomplete, invalid at an offset, or too large.

use std::fmt;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a frame; what is there is fine so far.
    #[error("frame is incomplete: at least {needed} more bytes expected")]
    Incomplete {
        /// Bytes that are certainly missing, 1 or more.
        needed: usize,
    },
    /// The bytes cannot become a valid frame.
    #[error("frame is invalid at byte {offset}: expected {expected}")]
    Invalid {
        /// Where decoding stopped, in bytes after the frame's length prefix.
        offset: usize,
        /// What should have been there.
        expected: Expected,
    },
    /// The frame announces more bytes than were agreed.
    #[error("frame of {length} bytes is too large: at most {limit} expected")]
    TooLarge {
        /// Announced length in bytes, without the length prefix.
        length: usize,
        /// Largest length that is accepted, in bytes.
        limit: usize,
    },
}

/// What a decoder expected where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A frame has a type, flags, a stream and a frame identifier: 7 bytes or more.
    WholeHeader,
    /// More bytes before the end of the frame.
    MoreBytes,
    /// An integer of HAProxy's variable-length encoding that fits 64 bits.
    Integer,
    /// A length that ends within the frame.
    LengthWithinFrame,
    /// A value type of 0 to 9; 10 to 15 are reserved.
    ValueType,
    /// An integer that fits its announced type of 32 bits.
    Integer32,
    /// A frame of this type.
    Frame(super::FrameType),
    /// The FIN flag wherever the ABORT flag is set.
    FinalAbort,
    /// A payload that is not fragmented.
    Unfragmented,
    /// An action of type 1 (set-var) or 2 (unset-var).
    ActionType,
    /// As many arguments as the action has: 3 for set-var, 2 for unset-var.
    ActionArguments,
    /// A variable scope of 0 to 4.
    Scope,
    /// Stream and frame identifiers that are both zero.
    ZeroIds,
    /// Each known key at most once.
    KeyOnce(&'static str),
    /// A value of another type for this key.
    TypeOf(&'static str),
    /// This key, which is mandatory.
    Key(&'static str),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeHeader => f.write_str("a frame of 7 bytes or more"),
            Self::MoreBytes => f.write_str("more bytes before the end of the frame"),
            Self::Integer => f.write_str("an integer of at most 64 bits"),
            Self::LengthWithinFrame => f.write_str("a length that ends within the frame"),
            Self::ValueType => f.write_str("a value type of 0 to 9"),
            Self::Integer32 => f.write_str("an integer of at most 32 bits"),
            Self::Frame(kind) => write!(f, "a frame of type {kind}"),
            Self::FinalAbort => f.write_str("the flag FIN beside ABORT"),
            Self::Unfragmented => f.write_str("a payload in one frame, flag FIN set"),
            Self::ActionType => f.write_str("an action of type 1 or 2"),
            Self::ActionArguments => f.write_str("3 arguments for set-var or 2 for unset-var"),
            Self::Scope => f.write_str("a variable scope of 0 to 4"),
            Self::ZeroIds => f.write_str("stream and frame identifiers of 0"),
            Self::KeyOnce(key) => write!(f, "`{key}` only once"),
            Self::TypeOf(key) => write!(f, "another type of value for `{key}`"),
            Self::Key(key) => write!(f, "the key `{key}`"),
        }
    }
}

/// An answer or frame that would be larger than agreed; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes are too large: at most {limit} expected")]
pub struct TooLarge {
    /// Length in bytes that was asked for.
    pub length: usize,
    /// Largest length in bytes.
    pub limit: usize,
}

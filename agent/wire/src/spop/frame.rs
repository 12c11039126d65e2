//! Frames: length prefix, type, flags, identifiers, payload (SPOE.txt section 3.2).

use super::error::{DecodeError, Expected, TooLarge};
use super::parse::{self, Fault, Parsed};
use crate::varint;
use bytes::{BufMut, BytesMut};
use nom::Parser;
use std::fmt;

/// Length in bytes of the length prefix, which the length does not count.
pub const LENGTH_PREFIX: usize = 4;

/// Shortest frame without its prefix: type, flags and two identifiers of one byte.
const SHORTEST: usize = 7;

/// Longest header without the prefix: type, flags and two identifiers of ten bytes.
pub(super) const LONGEST_HEADER: usize = 1 + 4 + 2 * varint::MAX_LEN;

/// Largest length of a frame in bytes, prefix not counted; never below 256 as the protocol demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxFrameSize(u32);

impl MaxFrameSize {
    /// The least that every peer must accept.
    pub const FLOOR: Self = Self(256);
    /// HAProxy's own default: `tune.bufsize` of 16384 without the prefix.
    pub const DEFAULT: Self = Self(16_380);

    /// A limit of `bytes`, when that is 256 or more.
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes < Self::FLOOR.0 { None } else { Some(Self(bytes)) }
    }

    /// The limit in bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }

    pub(super) const fn length(self) -> usize {
        self.0 as usize
    }
}

impl Default for MaxFrameSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// 0: a further fragment of a payload.
    Unset,
    /// 1: HAProxy opens a connection or checks the agent's health.
    HaproxyHello,
    /// 2: HAProxy closes a connection.
    HaproxyDisconnect,
    /// 3: HAProxy asks.
    Notify,
    /// 101: the agent accepts a connection.
    AgentHello,
    /// 102: the agent closes a connection.
    AgentDisconnect,
    /// 103: the agent answers.
    Ack,
    /// Any other: may be skipped.
    Other(u8),
}

impl FrameType {
    /// The type of a byte on the wire.
    #[inline]
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Unset,
            1 => Self::HaproxyHello,
            2 => Self::HaproxyDisconnect,
            3 => Self::Notify,
            101 => Self::AgentHello,
            102 => Self::AgentDisconnect,
            103 => Self::Ack,
            other => Self::Other(other),
        }
    }

    /// The byte on the wire.
    #[inline]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Unset => 0,
            Self::HaproxyHello => 1,
            Self::HaproxyDisconnect => 2,
            Self::Notify => 3,
            Self::AgentHello => 101,
            Self::AgentDisconnect => 102,
            Self::Ack => 103,
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("UNSET"),
            Self::HaproxyHello => f.write_str("HAPROXY-HELLO"),
            Self::HaproxyDisconnect => f.write_str("HAPROXY-DISCONNECT"),
            Self::Notify => f.write_str("NOTIFY"),
            Self::AgentHello => f.write_str("AGENT-HELLO"),
            Self::AgentDisconnect => f.write_str("AGENT-DISCONNECT"),
            Self::Ack => f.write_str("ACK"),
            Self::Other(other) => write!(f, "{other}"),
        }
    }
}

/// The flags of a frame; reserved bits are kept and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The whole payload, or its last fragment.
    pub const FIN: Self = Self(1);
    /// The last fragment of a payload whose processing is cancelled: FIN and ABORT.
    pub const FIN_ABORT: Self = Self(3);

    /// Flags as they stand on the wire.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// All 32 bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Is this the final fragment of the payload?
    #[inline]
    pub const fn is_final(self) -> bool {
        self.0 & 1 != 0
    }

    /// Is the processing of the payload to be cancelled?
    #[inline]
    pub const fn is_abort(self) -> bool {
        self.0 & 2 != 0
    }
}

/// Which stream of HAProxy, and which of its frames: an ACK repeats those of its NOTIFY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameId {
    /// The stream's identifier.
    pub stream: u64,
    /// The frame's identifier within the stream.
    pub frame: u64,
}

impl FrameId {
    /// Both zero, as HELLO and DISCONNECT have it.
    pub const ZERO: Self = Self { stream: 0, frame: 0 };
}

/// A frame whose payload was not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its type.
    pub kind: FrameType,
    /// Its flags.
    pub flags: Flags,
    /// Its identifiers.
    pub id: FrameId,
    /// Its payload.
    pub payload: &'a [u8],
    header: usize,
}

impl<'a> Frame<'a> {
    /// Decodes the first frame of a stream of bytes; gives it and the bytes after it.
    ///
    /// Bytes that end inside the frame are [`DecodeError::Incomplete`]. A length beyond `limit` or too short
    /// for a header is refused from the prefix alone.
    #[inline(always)]
    pub fn decode(input: &'a [u8], limit: MaxFrameSize) -> Result<(Self, &'a [u8]), DecodeError> {
        let (rest, body) = body(input, limit)?;
        Ok((Self::parse(body)?, rest))
    }

    /// Parses one whole frame from the bytes after its length prefix.
    #[inline(always)]
    pub fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        match header(body) {
            Ok((payload, (kind, flags, id))) => {
                let header = body.len() - payload.len();
                Ok(Self { kind, flags, id, payload, header })
            }
            Err(error) => Err(parse::invalid(body.len(), error)),
        }
    }

    /// Bytes from the first of the type to the last of the payload.
    pub(super) fn length(&self) -> usize {
        self.header + self.payload.len()
    }

    /// Checks type, flags and wholeness, the same for every payload that is decoded.
    #[inline(always)]
    pub(super) fn expect(&self, kind: FrameType) -> Result<(), DecodeError> {
        if self.kind != kind {
            return Err(DecodeError::Invalid { offset: 0, expected: Expected::Frame(kind) });
        }
        self.unfragmented()
    }

    #[inline(always)]
    pub(super) fn unfragmented(&self) -> Result<(), DecodeError> {
        match (self.flags.is_final(), self.flags.is_abort()) {
            (true, _) => Ok(()),
            (false, true) => Err(DecodeError::Invalid { offset: 1, expected: Expected::FinalAbort }),
            (false, false) => Err(DecodeError::Invalid { offset: 1, expected: Expected::Unfragmented }),
        }
    }

    /// HELLO and DISCONNECT belong to no stream.
    pub(super) fn expect_zero_ids(&self) -> Result<(), DecodeError> {
        if self.id == FrameId::ZERO {
            Ok(())
        } else {
            Err(DecodeError::Invalid { offset: 5, expected: Expected::ZeroIds })
        }
    }

    /// The public error of a fault in this frame's payload.
    #[cold]
    pub(super) fn invalid(&self, error: nom::Err<Fault>) -> DecodeError {
        parse::invalid(self.length(), error)
    }
}

/// Takes the bytes of the first frame off `input`, without its prefix.
#[inline(always)]
pub(super) fn body(input: &[u8], limit: MaxFrameSize) -> Result<(&[u8], &[u8]), DecodeError> {
    let Some((prefix, rest)) = input.split_first_chunk::<LENGTH_PREFIX>() else {
        return Err(DecodeError::Incomplete { needed: LENGTH_PREFIX - input.len() });
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length > limit.length() {
        return Err(DecodeError::TooLarge { length, limit: limit.length() });
    }
    if length < SHORTEST {
        return Err(DecodeError::Invalid { offset: length, expected: Expected::WholeHeader });
    }
    match rest.split_at_checked(length) {
        Some((body, rest)) => Ok((rest, body)),
        None => Err(DecodeError::Incomplete { needed: length - rest.len() }),
    }
}

/// Appends a whole, unfragmented frame to `out`, or nothing when it is larger than `limit`.
#[inline(always)]
pub(super) fn encode(
    kind: FrameType,
    id: FrameId,
    payload: &[u8],
    limit: MaxFrameSize,
    out: &mut BytesMut,
) -> Result<(), TooLarge> {
    let header = 5 + varint::encoded_len(id.stream) + varint::encoded_len(id.frame);
    let length = header.saturating_add(payload.len());
    let (Ok(prefix), true) = (u32::try_from(length), length <= limit.length()) else {
        return Err(TooLarge { length, limit: limit.length() });
    };
    out.reserve(LENGTH_PREFIX + length);
    let [l3, l2, l1, l0] = prefix.to_be_bytes();
    let [f3, f2, f1, f0] = Flags::FIN.bits().to_be_bytes();
    out.put_slice(&[l3, l2, l1, l0, kind.byte(), f3, f2, f1, f0]);
    varint::encode(id.stream, out);
    varint::encode(id.frame, out);
    out.put_slice(payload);
    Ok(())
}

#[inline(always)]
fn header(body: &[u8]) -> Parsed<'_, (FrameType, Flags, FrameId)> {
    let [kind, f3, f2, f1, f0, rest @ ..] = body else {
        return Err(Fault::at(&[], Expected::WholeHeader));
    };
    let flags = Flags(u32::from_be_bytes([*f3, *f2, *f1, *f0]));
    let (rest, (stream, frame)) = (parse::integer, parse::integer).parse(rest)?;
    Ok((rest, (FrameType::from_byte(*kind), flags, FrameId { stream, frame })))
}

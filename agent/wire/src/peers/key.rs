//! Keys of stick tables.

use super::error::{DecodeError, EncodeError, Expected};
use super::reader::Reader;
use crate::varint;
use bytes::{BufMut, BytesMut};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest key of a table in bytes that is accepted; HAProxy's default is 31 for strings, 32 for binary.
pub const MAX_KEY: u16 = 16_383;

/// How long the keys of a table are in bytes: 1 to [`MAX_KEY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyLength(u16);

impl KeyLength {
    /// Takes a length that is possible.
    pub const fn new(length: u16) -> Option<Self> {
        if length >= 1 && length <= MAX_KEY { Some(Self(length)) } else { None }
    }

    /// The length in bytes.
    #[inline]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// What a table's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// An unsigned integer of 32 bits.
    Integer,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address; IPv4 clients are there as `::ffff:a.b.c.d`.
    Ipv6,
    /// A string of at most so many bytes.
    String(KeyLength),
    /// So many bytes; HAProxy pads shorter ones with zeros.
    Binary(KeyLength),
}

impl KeyType {
    /// Its number on the wire (peers-v2.0.txt, "Table Definition Message").
    pub const fn code(self) -> u8 {
        match self {
            Self::Integer => 2,
            Self::Ipv4 => 4,
            Self::Ipv6 => 5,
            Self::String(_) => 6,
            Self::Binary(_) => 7,
        }
    }

    /// The length that a definition names: for strings one more than they can have, as they end in a zero.
    pub const fn wire_length(self) -> usize {
        match self {
            Self::Integer | Self::Ipv4 => 4,
            Self::Ipv6 => 16,
            Self::String(limit) => limit.get() + 1,
            Self::Binary(length) => length.get(),
        }
    }

    /// The type of a number and a length on the wire, if there is one.
    pub(super) fn from_wire(code: u64, length: u64) -> Result<Self, KeyFault> {
        let length = u16::try_from(length).map_err(|_| KeyFault::Length);
        let (kind, length) = match code {
            2 => (Self::Integer, length?),
            4 => (Self::Ipv4, length?),
            5 => (Self::Ipv6, length?),
            6 => {
                let length = length?;
                let limit = length.checked_sub(1).and_then(KeyLength::new).ok_or(KeyFault::Length)?;
                (Self::String(limit), length)
            }
            7 => {
                let length = length?;
                (Self::Binary(KeyLength::new(length).ok_or(KeyFault::Length)?), length)
            }
            _ => return Err(KeyFault::Type),
        };
        if kind.wire_length() == usize::from(length) { Ok(kind) } else { Err(KeyFault::Length) }
    }
}

/// What is wrong with a key in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    Type,
    Length,
}

/// The key of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// Of a table of integers.
    Integer(u32),
    /// Of a table of IPv4 addresses.
    Ipv4(Ipv4Addr),
    /// Of a table of IPv6 addresses.
    Ipv6(Ipv6Addr),
    /// Of a table of strings: bytes, since HAProxy takes them as they come.
    String(&'a [u8]),
    /// Of a table of binary keys: exactly as long as the table says.
    Binary(&'a [u8]),
}

impl<'a> Key<'a> {
    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>, kind: KeyType) -> Result<Self, DecodeError> {
        Ok(match kind {
            KeyType::Integer => Self::Integer(reader.fixed32()?),
            KeyType::Ipv4 => Self::Ipv4(Ipv4Addr::from(reader.chunk::<4>()?)),
            KeyType::Ipv6 => Self::Ipv6(Ipv6Addr::from(reader.chunk::<16>()?)),
            KeyType::String(limit) => {
                let before = *reader;
                let length = reader.length()?;
                if length > limit.get() {
                    return Err(before.expected(Expected::KeyWithinTable));
                }
                Self::String(reader.take(length)?)
            }
            KeyType::Binary(length) => Self::Binary(reader.take(length.get())?),
        })
    }

    /// Appends the key, or nothing when it does not fit the table.
    #[inline]
    pub(super) fn encode(&self, kind: KeyType, out: &mut BytesMut) -> Result<(), EncodeError> {
        match (self, kind) {
            (Self::Integer(value), KeyType::Integer) => out.put_u32(*value),
            (Self::Ipv4(address), KeyType::Ipv4) => out.put_slice(&address.octets()),
            (Self::Ipv6(address), KeyType::Ipv6) => out.put_slice(&address.octets()),
            (Self::String(bytes), KeyType::String(limit)) if bytes.len() <= limit.get() => {
                varint::encode(bytes.len() as u64, out);
                out.put_slice(bytes);
            }
            (Self::Binary(bytes), KeyType::Binary(length)) if bytes.len() == length.get() => {
                out.put_slice(bytes);
            }
            _ => return Err(EncodeError::Key),
        }
        Ok(())
    }
}

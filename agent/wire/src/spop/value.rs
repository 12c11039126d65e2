//! Typed data (SPOE.txt section 3.1).

use super::error::DecodeError;
use super::parse;
use crate::varint;
use bytes::BufMut;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One typed value; text and binary borrow from the frame.
///
/// The layout keeps every payload at the same aligned offset: packed beside the tag, as Rust would put
/// addresses, they cost more to move than all the rest of decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, u8)]
pub enum Value<'a> {
    /// No value: the sample did not exist.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A signed integer of 32 bits.
    Int32(i32),
    /// An unsigned integer of 32 bits.
    Uint32(u32),
    /// A signed integer of 64 bits; HAProxy sends all its integers so.
    Int64(i64),
    /// An unsigned integer of 64 bits.
    Uint64(u64),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A string as HAProxy holds it: bytes that need not be UTF-8.
    Str(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A string value.
    #[inline]
    pub const fn text(text: &'a str) -> Self {
        Self::Str(text.as_bytes())
    }

    /// Decodes one value; gives it and the bytes after it. Offsets in errors count from the first byte.
    ///
    /// ```
    /// use haproxy_wire::spop::Value;
    /// assert_eq!(Value::decode(&[0x08, 2, b'o', b'k', 9]), Ok((Value::text("ok"), &[9][..])));
    /// ```
    pub fn decode(input: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        match parse::value(input) {
            Ok((rest, value)) => Ok((value, rest)),
            Err(error) => Err(parse::invalid(input.len(), error)),
        }
    }

    /// Appends the encoding, [`encoded_len`](Self::encoded_len) bytes, to `out`.
    #[inline(always)]
    pub fn encode<B: BufMut>(&self, out: &mut B) {
        match *self {
            Self::Null => out.put_u8(0),
            Self::Bool(false) => out.put_u8(0x01),
            Self::Bool(true) => out.put_u8(0x11),
            Self::Int32(value) => integer(2, i64::from(value).cast_unsigned(), out),
            Self::Uint32(value) => integer(3, u64::from(value), out),
            Self::Int64(value) => integer(4, value.cast_unsigned(), out),
            Self::Uint64(value) => integer(5, value, out),
            Self::Ipv4(address) => {
                out.put_u8(6);
                out.put_slice(&address.octets());
            }
            Self::Ipv6(address) => {
                out.put_u8(7);
                out.put_slice(&address.octets());
            }
            Self::Str(text) => bytes(8, text, out),
            Self::Binary(binary) => bytes(9, binary, out),
        }
    }

    /// Length of the encoding in bytes, type included.
    #[inline(always)]
    pub fn encoded_len(&self) -> usize {
        1 + match *self {
            Self::Null | Self::Bool(_) => 0,
            Self::Int32(value) => varint::encoded_len(i64::from(value).cast_unsigned()),
            Self::Uint32(value) => varint::encoded_len(u64::from(value)),
            Self::Int64(value) => varint::encoded_len(value.cast_unsigned()),
            Self::Uint64(value) => varint::encoded_len(value),
            Self::Ipv4(_) => 4,
            Self::Ipv6(_) => 16,
            Self::Str(bytes) | Self::Binary(bytes) => {
                varint::encoded_len(bytes.len() as u64).saturating_add(bytes.len())
            }
        }
    }

    /// The text of a string, when it is UTF-8; nothing for any other type.
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        match *self {
            Self::Str(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The bytes of a string or of binary data.
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Str(bytes) | Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Any of the four integer types, when it fits `i64`.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int32(value) => Some(i64::from(value)),
            Self::Uint32(value) => Some(i64::from(value)),
            Self::Int64(value) => Some(value),
            Self::Uint64(value) => i64::try_from(value).ok(),
            _ => None,
        }
    }
}

#[inline(always)]
fn integer<B: BufMut>(kind: u8, value: u64, out: &mut B) {
    if value < 240 {
        // In one go, as nearly all are.
        out.put_slice(&[kind, value as u8]);
    } else {
        out.put_u8(kind);
        varint::encode(value, out);
    }
}

#[inline(always)]
fn bytes<B: BufMut>(kind: u8, bytes: &[u8], out: &mut B) {
    integer(kind, bytes.len() as u64, out);
    out.put_slice(bytes);
}

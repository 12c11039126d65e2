//! The nom parsers that all payloads share; complete, since a payload is parsed once its frame is whole.

use super::error::{DecodeError, Expected};
use super::value::Value;
use crate::varint::{self, VarintError};
use nom::error::{ErrorKind, ParseError};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a parser stopped, by how many bytes were left: the offset needs the whole length, known outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    left: usize,
    expected: Expected,
}

pub(super) type Parsed<'a, T> = nom::IResult<&'a [u8], T, Fault>;

impl Fault {
    #[cold]
    pub(super) fn at(input: &[u8], expected: Expected) -> nom::Err<Self> {
        nom::Err::Error(Self { left: input.len(), expected })
    }
}

impl ParseError<&[u8]> for Fault {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self { left: input.len(), expected: Expected::MoreBytes }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Turns a fault into the public error; `length` is that of the whole frame without its prefix.
#[cold]
pub(super) fn invalid(length: usize, error: nom::Err<Fault>) -> DecodeError {
    match error {
        nom::Err::Incomplete(nom::Needed::Size(needed)) => DecodeError::Incomplete { needed: needed.get() },
        nom::Err::Incomplete(nom::Needed::Unknown) => DecodeError::Incomplete { needed: 1 },
        nom::Err::Error(fault) | nom::Err::Failure(fault) => {
            DecodeError::Invalid { offset: length.saturating_sub(fault.left), expected: fault.expected }
        }
    }
}

#[inline(always)]
pub(super) fn byte(input: &[u8]) -> Parsed<'_, u8> {
    match input {
        [first, rest @ ..] => Ok((rest, *first)),
        [] => Err(Fault::at(input, Expected::MoreBytes)),
    }
}

#[inline(always)]
pub(super) fn integer(input: &[u8]) -> Parsed<'_, u64> {
    match varint::decode(input) {
        Ok((value, rest)) => Ok((rest, value)),
        Err(VarintError::Incomplete) => Err(Fault::at(&[], Expected::MoreBytes)),
        Err(VarintError::TooLarge) => Err(Fault::at(input, Expected::Integer)),
    }
}

/// A length and that many bytes; the length is refused where it stands, not where the bytes end.
#[inline(always)]
pub(super) fn text(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = integer(input)?;
    match usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) {
        Some((text, rest)) => Ok((rest, text)),
        None => Err(Fault::at(input, Expected::LengthWithinFrame)),
    }
}

/// A key (argument name) and its typed value.
#[inline(always)]
pub(super) fn pair(input: &[u8]) -> Parsed<'_, (&[u8], Value<'_>)> {
    let (rest, key) = text(input)?;
    let (rest, value) = value(rest)?;
    Ok((rest, (key, value)))
}

/// One typed value: type in the low half of the first byte, flags in the high half.
///
/// The type is told by its bits, not by a table of jumps, which costs several times as much.
#[inline(always)]
pub(super) fn value(input: &[u8]) -> Parsed<'_, Value<'_>> {
    let (rest, head) = byte(input)?;
    let kind = head & 0x0f;
    if kind & 8 != 0 {
        if kind & 6 != 0 {
            return Err(Fault::at(input, Expected::ValueType));
        }
        let (rest, bytes) = text(rest)?;
        return Ok((rest, if kind & 1 == 0 { Value::Str(bytes) } else { Value::Binary(bytes) }));
    }
    if kind & 6 == 6 {
        return if kind & 1 == 0 { ipv4(rest) } else { ipv6(rest) };
    }
    if kind & 6 != 0 {
        let (after, wide) = integer(rest)?;
        return number(kind, wide)
            .map(|value| (after, value))
            .ok_or_else(|| Fault::at(rest, Expected::Integer32));
    }
    Ok((rest, if kind == 0 { Value::Null } else { Value::Bool(head & 0x10 != 0) }))
}

#[inline(always)]
fn ipv4(input: &[u8]) -> Parsed<'_, Value<'_>> {
    match input.split_first_chunk::<4>() {
        Some((octets, rest)) => Ok((rest, Value::Ipv4(Ipv4Addr::from(*octets)))),
        None => Err(Fault::at(input, Expected::MoreBytes)),
    }
}

#[inline(always)]
fn ipv6(input: &[u8]) -> Parsed<'_, Value<'_>> {
    match input.split_first_chunk::<16>() {
        Some((octets, rest)) => Ok((rest, Value::Ipv6(Ipv6Addr::from(*octets)))),
        None => Err(Fault::at(input, Expected::MoreBytes)),
    }
}

/// An integer of type 2 to 5, if it fits that. HAProxy sign-extends to 64 bits before it encodes.
#[inline(always)]
fn number(kind: u8, wide: u64) -> Option<Value<'static>> {
    match (kind & 4 != 0, kind & 1 != 0) {
        (true, false) => Some(Value::Int64(wide.cast_signed())),
        (true, true) => Some(Value::Uint64(wide)),
        (false, false) => i32::try_from(wide.cast_signed()).ok().map(Value::Int32),
        (false, true) => u32::try_from(wide).ok().map(Value::Uint32),
    }
}

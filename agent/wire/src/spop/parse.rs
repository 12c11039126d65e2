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
#[inline(always)]
pub(super) fn value(input: &[u8]) -> Parsed<'_, Value<'_>> {
    let (rest, head) = byte(input)?;
    match head & 0x0f {
        0 => Ok((rest, Value::Null)),
        1 => Ok((rest, Value::Bool(head & 0x10 != 0))),
        2 => {
            let (after, wide) = integer(rest)?;
            // HAProxy sign-extends to 64 bits before it encodes.
            i32::try_from(wide.cast_signed())
                .map(|value| (after, Value::Int32(value)))
                .map_err(|_| Fault::at(rest, Expected::Integer32))
        }
        3 => {
            let (after, wide) = integer(rest)?;
            u32::try_from(wide)
                .map(|value| (after, Value::Uint32(value)))
                .map_err(|_| Fault::at(rest, Expected::Integer32))
        }
        4 => integer(rest).map(|(rest, wide)| (rest, Value::Int64(wide.cast_signed()))),
        5 => integer(rest).map(|(rest, wide)| (rest, Value::Uint64(wide))),
        6 => match rest.split_first_chunk::<4>() {
            Some((octets, rest)) => Ok((rest, Value::Ipv4(Ipv4Addr::from(*octets)))),
            None => Err(Fault::at(rest, Expected::MoreBytes)),
        },
        7 => match rest.split_first_chunk::<16>() {
            Some((octets, rest)) => Ok((rest, Value::Ipv6(Ipv6Addr::from(*octets)))),
            None => Err(Fault::at(rest, Expected::MoreBytes)),
        },
        8 => text(rest).map(|(rest, text)| (rest, Value::Str(text))),
        9 => text(rest).map(|(rest, bytes)| (rest, Value::Binary(bytes))),
        _ => Err(Fault::at(input, Expected::ValueType)),
    }
}

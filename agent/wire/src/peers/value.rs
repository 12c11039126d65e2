//! Values of entries.

use super::data_type::Shape;
use super::error::{DecodeError, Expected, Item};
use super::reader::Reader;
use super::schema::Period;
use crate::varint;
use bytes::{BufMut, BytesMut};
use std::time::Duration;

/// Entries of the dictionary on the wire: HAProxy's default, which its build alone can change.
pub const DICTIONARY_ENTRIES: u8 = 128;
/// Longest value of the dictionary that is accepted, in bytes.
pub const MAX_DICTIONARY_VALUE: usize = 1024;

/// The number of a dictionary's entry: 1 to [`DICTIONARY_ENTRIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DictionaryId(u8);

impl DictionaryId {
    /// Takes a number that is possible.
    pub const fn new(id: u8) -> Option<Self> {
        if id >= 1 && id <= DICTIONARY_ENTRIES { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A value of the dictionary as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictionaryValue<'a> {
    /// The entry has none.
    Absent,
    /// What was sent before under this number.
    Cached(DictionaryId),
    /// This, and from now on under this number.
    New(DictionaryId, &'a [u8]),
}

impl<'a> DictionaryValue<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = reader.length()?;
        if length == 0 {
            return Ok(Self::Absent);
        }
        let start = *reader;
        let body = reader.take(length)?;
        let mut body = Reader::new(body, start.end() - reader.rest().len());
        let at = body;
        let id = body.integer()?;
        let id = u8::try_from(id).ok().and_then(DictionaryId::new);
        let id = id.ok_or_else(|| at.expected(Expected::DictionaryId))?;
        if body.is_empty() {
            return Ok(Self::Cached(id));
        }
        let length = body.length()?;
        if length > MAX_DICTIONARY_VALUE {
            let (item, limit) = (Item::DictionaryValue, MAX_DICTIONARY_VALUE);
            return Err(DecodeError::TooLarge { item, length: length as u64, limit });
        }
        let value = body.take(length)?;
        if !body.is_empty() {
            return Err(body.expected(Expected::DictionaryEnd));
        }
        Ok(Self::New(id, value))
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Absent => out.put_u8(0),
            Self::Cached(id) => out.put_slice(&[1, id.get()]),
            Self::New(id, value) => {
                let length = value.len() as u64;
                varint::encode(1 + varint::encoded_len(length) as u64 + length, out);
                out.put_u8(id.get());
                varint::encode(length, out);
                out.put_slice(value);
            }
        }
    }
}

/// How often something happened over a period: a counter of the current period and one of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Milliseconds since the current period began, when the message was written. It may be more than
    /// the period: nothing happened since.
    pub elapsed: u32,
    /// Events of the current period.
    pub current: u32,
    /// Events of the period before.
    pub previous: u32,
}

impl Rate {
    /// Events over one period that ends `later` after the message was written: the current period's, and of
    /// the one before the share that is not over yet, as HAProxy estimates it.
    pub fn events(&self, period: Period, later: Duration) -> u64 {
        let period = u64::from(period.as_millis());
        let later = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        let elapsed = u64::from(self.elapsed).saturating_add(later);
        let (current, previous, elapsed) = match elapsed / period {
            0 => (self.current, self.previous, elapsed),
            1 => (0, self.current, elapsed - period),
            _ => return 0,
        };
        // Neither overflows: all of them have 32 bits.
        u64::from(current) + u64::from(previous) * (period - elapsed) / period
    }
}

/// One value of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Of [`Shape::Signed`].
    Signed(i32),
    /// Of [`Shape::Unsigned`].
    Unsigned(u32),
    /// Of [`Shape::Counter`].
    Counter(u64),
    /// Of [`Shape::Rate`].
    Rate(Rate),
    /// Of [`Shape::Dictionary`].
    Dictionary(DictionaryValue<'a>),
}

impl<'a> Value<'a> {
    /// How it looks on the wire.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Signed(_) => Shape::Signed,
            Self::Unsigned(_) => Shape::Unsigned,
            Self::Counter(_) => Shape::Counter,
            Self::Rate(_) => Shape::Rate,
            Self::Dictionary(_) => Shape::Dictionary,
        }
    }

    #[inline(always)]
    pub(super) fn decode(reader: &mut Reader<'a>, shape: Shape) -> Result<Self, DecodeError> {
        Ok(match shape {
            Shape::Unsigned => Self::Unsigned(reader.integer32()?),
            Shape::Rate => Self::Rate(Rate {
                elapsed: reader.integer32()?,
                current: reader.integer32()?,
                previous: reader.integer32()?,
            }),
            Shape::Counter => Self::Counter(reader.integer()?),
            // HAProxy sign-extends to 64 bits before it encodes.
            Shape::Signed => {
                let before = *reader;
                let wide = reader.integer()?.cast_signed();
                Self::Signed(i32::try_from(wide).map_err(|_| before.expected(Expected::Integer32))?)
            }
            Shape::Dictionary => Self::Dictionary(DictionaryValue::decode(reader)?),
        })
    }

    /// Appends the value, which must be of this shape.
    #[inline]
    pub(super) fn encode(&self, shape: Shape, out: &mut BytesMut) -> Result<(), WrongShape> {
        if self.shape() != shape {
            return Err(WrongShape);
        }
        match self {
            Self::Signed(value) => varint::encode(i64::from(*value).cast_unsigned(), out),
            Self::Unsigned(value) => varint::encode(u64::from(*value), out),
            Self::Counter(value) => varint::encode(*value, out),
            Self::Rate(rate) => {
                for part in [rate.elapsed, rate.current, rate.previous] {
                    varint::encode(u64::from(part), out);
                }
            }
            Self::Dictionary(DictionaryValue::New(_, value)) if value.len() > MAX_DICTIONARY_VALUE => {
                return Err(WrongShape);
            }
            Self::Dictionary(value) => value.encode(out),
        }
        Ok(())
    }
}

/// A value that does not belong where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongShape;

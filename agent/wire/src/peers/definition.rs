//! Definitions of tables (peers.txt, "Definition message format").

use super::data_type::{Arity, DataType, Shape};
use super::error::{DecodeError, EncodeError, Expected, Item};
use super::key::{KeyFault, KeyType};
use super::message::{self, Kind, MaxMessageSize};
use super::reader::Reader;
use super::schema::{DATA_TYPES, Elements, Parameters, Period, Schema};
use crate::varint;
use bytes::{BufMut, BytesMut};
use std::fmt;
use std::time::Duration;

/// Longest name of a table that is accepted, in bytes.
pub const MAX_TABLE_NAME: usize = 255;

/// The number that the sender of a definition gave to a table; it has no meaning beyond its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u64);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why updates of a table cannot be read, though its definition is a message like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A key type that is not known.
    #[error("key type {0} is unknown: expected 2, 4, 5, 6 or 7")]
    KeyType(u64),
    /// A key length that is not one of the key's type, or beyond [`MAX_KEY`](super::MAX_KEY).
    #[error("key length {length} does not fit key type {kind}")]
    KeyLength {
        /// The key's type.
        kind: u64,
        /// Its length in bytes, as it was announced.
        length: u64,
    },
    /// Bits beyond the data types that are known.
    #[error("data types {0:#x} are unknown: expected at most the lowest {DATA_TYPES} bits")]
    DataTypes(u64),
    /// The expiry, or what is mandatory for a data type, is missing or not usable.
    #[error("parameters of the table are missing or not usable: expected expiry, then those of `{0}`")]
    Parameters(DataType),
    /// The expiry is missing.
    #[error("expiry of the table is missing or not an integer")]
    Expiry,
}

/// A table as its sender announces it. The updates that follow are of this table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// The sender's number for it.
    pub table: TableId,
    /// Its name: 1 to [`MAX_TABLE_NAME`] bytes. A table that a `peers` section declares has a leading slash.
    pub name: &'a [u8],
    /// What its entries look like, or why that is not understood.
    pub schema: Result<Schema, Unreadable>,
}

impl<'a> Definition<'a> {
    pub(super) fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let table = TableId(reader.integer()?);
        let at = reader;
        let length = reader.length()?;
        if length == 0 {
            return Err(at.expected(Expected::TableName));
        }
        if length > MAX_TABLE_NAME {
            let (item, limit) = (Item::TableName, MAX_TABLE_NAME);
            return Err(DecodeError::TooLarge { item, length: length as u64, limit });
        }
        let name = reader.take(length)?;
        let (kind, length, types) = (reader.integer()?, reader.integer()?, reader.integer()?);
        Ok(Self { table, name, schema: schema(&mut reader, kind, length, types) })
    }

    /// Appends the message that announces a table of one's own.
    pub fn encode(
        table: TableId,
        name: &[u8],
        schema: &Schema,
        limit: MaxMessageSize,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if !(1..=MAX_TABLE_NAME).contains(&name.len()) {
            return Err(EncodeError::TableName { length: name.len() });
        }
        message::encode(Kind::Define, limit, out, |out| {
            varint::encode(table.0, out);
            varint::encode(name.len() as u64, out);
            out.put_slice(name);
            out.put_u8(schema.key().code());
            varint::encode(schema.key().wire_length() as u64, out);
            varint::encode(u64::from(schema.bits()), out);
            varint::encode(u64::try_from(schema.expiry().as_millis()).unwrap_or(u64::MAX), out);
            for data_type in schema.data_types() {
                let (elements, period) = match schema.parameters(data_type) {
                    Parameters::None => continue,
                    Parameters::Period(period) => (None, Some(period)),
                    Parameters::Elements(elements) => (Some(elements), None),
                    Parameters::ElementsAndPeriod(elements, period) => (Some(elements), Some(period)),
                };
                out.put_u8(data_type.code());
                if let Some(elements) = elements {
                    out.put_u8(elements.get());
                }
                if let Some(period) = period {
                    varint::encode(u64::from(period.as_millis()), out);
                }
            }
            Ok(())
        })
    }
}

fn schema(reader: &mut Reader<'_>, kind: u64, length: u64, types: u64) -> Result<Schema, Unreadable> {
    let key = KeyType::from_wire(kind, length).map_err(|fault| match fault {
        KeyFault::Type => Unreadable::KeyType(kind),
        KeyFault::Length => Unreadable::KeyLength { kind, length },
    })?;
    let unknown = types >> DATA_TYPES << DATA_TYPES;
    if unknown != 0 {
        return Err(Unreadable::DataTypes(unknown));
    }
    let expiry = reader.integer().map_err(|_| Unreadable::Expiry)?;
    let mut schema = Schema::new(key, Duration::from_millis(expiry));
    for data_type in DataType::ALL {
        if types & u64::from(data_type.bit()) != 0 {
            let parameters = parameters(reader, data_type).ok_or(Unreadable::Parameters(data_type))?;
            schema = schema.with(data_type, parameters).map_err(|error| Unreadable::Parameters(error.0))?;
        }
    }
    Ok(schema)
}

/// Parameters stand behind the number of their data type.
fn parameters(reader: &mut Reader<'_>, data_type: DataType) -> Option<Parameters> {
    let (array, rate) = (data_type.arity() == Arity::Many, data_type.shape() == Shape::Rate);
    if !array && !rate {
        return Some(Parameters::None);
    }
    if reader.integer().ok()? != u64::from(data_type.code()) {
        return None;
    }
    let elements = match array {
        true => Some(u8::try_from(reader.integer().ok()?).ok().and_then(Elements::new)?),
        false => None,
    };
    let period = match rate {
        true => Some(reader.integer32().ok().and_then(Period::from_millis)?),
        false => None,
    };
    match (elements, period) {
        (Some(elements), Some(period)) => Some(Parameters::ElementsAndPeriod(elements, period)),
        (Some(elements), None) => Some(Parameters::Elements(elements)),
        (None, Some(period)) => Some(Parameters::Period(period)),
        (None, None) => Some(Parameters::None),
    }
}

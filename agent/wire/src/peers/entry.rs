//! One entry of a table: checked whole when it is decoded, so that reading its values cannot fail.

use super::data_type::DataType;
use super::error::{DecodeError, EncodeError};
use super::key::Key;
use super::reader::Reader;
use super::schema::{Columns, Schema};
use super::value::{DictionaryValue, Value};
use bytes::BytesMut;

/// An entry that was checked against its table's schema.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    key: Key<'a>,
    schema: &'a Schema,
    values: &'a [u8],
    dictionary: DictionaryValue<'a>,
}

impl<'a> Entry<'a> {
    /// Checks the body of an update. Bytes after the last value are skipped: the document leaves them to
    /// later versions.
    #[inline]
    pub(super) fn decode(mut reader: Reader<'a>, schema: &'a Schema) -> Result<Self, DecodeError> {
        let key = Key::decode(&mut reader, schema.key())?;
        let values = reader.rest();
        let mut dictionary = DictionaryValue::Absent;
        for data_type in schema.data_types() {
            let shape = data_type.shape();
            for _ in 0..schema.elements(data_type) {
                if let Value::Dictionary(value) = Value::decode(&mut reader, shape)? {
                    dictionary = value;
                }
            }
        }
        Ok(Self { key, schema, values, dictionary })
    }

    /// Its key.
    #[inline]
    pub fn key(&self) -> Key<'a> {
        self.key
    }

    /// Its values in the order of the wire.
    #[inline]
    pub fn values(&self) -> Values<'a> {
        Values { reader: Reader::new(self.values, self.values.len()), columns: self.schema.columns() }
    }

    /// The first value of a data type, if the table stores it.
    pub fn value(&self, data_type: DataType) -> Option<Value<'a>> {
        self.values().find(|datum| datum.data_type == data_type).map(|datum| datum.value)
    }

    /// What stands in the message for the dictionary's value; absent too where the table stores none.
    #[inline]
    pub fn dictionary(&self) -> DictionaryValue<'a> {
        self.dictionary
    }

    /// What its table's entries look like.
    #[inline]
    pub fn schema(&self) -> &'a Schema {
        self.schema
    }
}

/// One value of an entry with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datum<'a> {
    /// Its data type.
    pub data_type: DataType,
    /// Its index, 0 where the data type is no array.
    pub index: u8,
    /// The value.
    pub value: Value<'a>,
}

/// The values of an entry.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    reader: Reader<'a>,
    columns: Columns<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = Datum<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (data_type, index) = self.columns.next()?;
        let value = Value::decode(&mut self.reader, data_type.shape()).ok()?;
        Some(Datum { data_type, index, value })
    }
}

/// Appends key and values, one for each column of the schema.
pub(super) fn encode<'v>(
    schema: &Schema,
    key: &Key<'_>,
    values: impl IntoIterator<Item = Value<'v>>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    key.encode(schema.key(), out)?;
    let mut values = values.into_iter();
    let mut count = 0;
    for (data_type, _) in schema.columns() {
        let encoded = values.next().map(|value| value.encode(data_type.shape(), out));
        if encoded != Some(Ok(())) {
            return Err(EncodeError::Value { index: count });
        }
        count += 1;
    }
    match values.next() {
        Some(_) => Err(EncodeError::Value { index: count }),
        None => Ok(()),
    }
}

//! What one teaches a peer: tables of one's own, how far each was sent, and how far it was acknowledged.

use super::definition::{Definition, MAX_TABLE_NAME, TableId};
use super::dictionary::Sent;
use super::error::EncodeError;
use super::key::Key;
use super::message::{Ack, MaxMessageSize, Update};
use super::phase::Phase;
use super::schema::Schema;
use super::settings::{MAX_TABLES, SessionId};
use super::update_id::UpdateId;
use super::value::{DictionaryValue, Value};
use super::{DataType, Shape};
use bytes::BytesMut;
use std::time::Duration;

/// A table that was offered in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTable {
    session: SessionId,
    slot: usize,
}

/// One entry to teach.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// Its identifier, after that of the update before it in this table and session.
    pub id: UpdateId,
    /// How long it lives; without it as long as the peer's table says. HAProxy from 3.0 on cuts it to that.
    pub expiry: Option<Duration>,
    /// Its key.
    pub key: Key<'a>,
    /// Its values in the order of the schema, without the server key.
    pub values: &'a [Value<'a>],
    /// The server key, where the table has one.
    pub server_key: Option<&'a [u8]>,
}

/// Why a table was not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// There are too many.
    #[error("one table too many: at most {MAX_TABLES} expected")]
    TooMany,
    /// Its name is empty or too long.
    #[error("table name of {length} bytes does not fit: expected 1 to {MAX_TABLE_NAME}")]
    Name {
        /// Its length in bytes.
        length: usize,
    },
}

/// Why an entry was not taught; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeachError {
    /// The session is not open.
    #[error("session is {0}: expected an open one")]
    NotOpen(Phase),
    /// The table was offered in another session.
    #[error("table belongs to another session: expected one that was offered in this session")]
    ForeignTable,
    /// The identifier is not after the last one.
    #[error("update {id} is not after {last}: expected a later one, at most 2^31 ahead")]
    UpdateId {
        /// The identifier that was given.
        id: UpdateId,
        /// The last one of this table and session.
        last: UpdateId,
    },
    /// The entry does not fit its table or a message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

#[derive(Debug)]
struct Table {
    name: Box<[u8]>,
    schema: Schema,
    // The first update that may still be acknowledged, and the last that was sent.
    open: Option<(UpdateId, UpdateId)>,
}

/// The tables that were offered in one session.
#[derive(Debug)]
pub(super) struct LocalTables {
    session: SessionId,
    tables: Vec<Table>,
    announced: Option<usize>,
    dictionary: Sent,
}

impl LocalTables {
    pub(super) fn new(session: SessionId) -> Self {
        Self { session, tables: Vec::new(), announced: None, dictionary: Sent::default() }
    }

    pub(super) fn offer(&mut self, name: &[u8], schema: Schema) -> Result<LocalTable, OfferError> {
        if !(1..=MAX_TABLE_NAME).contains(&name.len()) {
            return Err(OfferError::Name { length: name.len() });
        }
        if self.tables.len() >= MAX_TABLES {
            return Err(OfferError::TooMany);
        }
        self.tables.push(Table { name: name.into(), schema, open: None });
        Ok(LocalTable { session: self.session, slot: self.tables.len() - 1 })
    }

    pub(super) fn teach(
        &mut self,
        table: LocalTable,
        lesson: &Lesson<'_>,
        limit: MaxMessageSize,
        out: &mut BytesMut,
    ) -> Result<(), TeachError> {
        let Self { session, tables, announced, dictionary } = self;
        let slot = table.slot;
        let table = tables.get_mut(slot).filter(|_| table.session == *session);
        let table = table.ok_or(TeachError::ForeignTable)?;
        let id = lesson.id;
        if let Some((_, last)) = table.open.filter(|(_, last)| !id.is_after(*last)) {
            return Err(TeachError::UpdateId { id, last });
        }
        let before = out.len();
        // HAProxy announces again instead of switching, so that is the way its receivers are used to.
        if *announced != Some(slot) {
            Definition::encode(wire_id(slot), &table.name, &table.schema, limit, out)?;
        }
        let server_key = match lesson.server_key {
            Some(text) if table.schema.has(DataType::ServerKey) => dictionary.reference(text),
            _ => DictionaryValue::Absent,
        };
        // A server key for a table that has none is one value too many, and told so.
        let placed = table.schema.has(DataType::ServerKey) || lesson.server_key.is_some();
        let values = placed.then_some(Value::Dictionary(server_key));
        let values = with_server_key(&table.schema, lesson.values, values);
        if let Err(error) =
            Update::encode(Some(id), lesson.expiry, &table.schema, &lesson.key, values, limit, out)
        {
            out.truncate(before);
            return Err(error.into());
        }
        *announced = Some(slot);
        dictionary.sent(server_key);
        let first = table.open.map_or(id, |(first, _)| first);
        table.open = Some((first, id));
        Ok(())
    }

    /// The table of an acknowledgement, if it is of an update that was sent and not acknowledged further.
    pub(super) fn acknowledged(&mut self, ack: Ack) -> Option<LocalTable> {
        let slot = usize::try_from(ack.table.0).ok()?.checked_sub(1)?;
        let table = self.tables.get_mut(slot)?;
        let (first, last) = table.open?;
        if ack.update.is_after(last) || first.is_after(ack.update) {
            return None;
        }
        table.open = Some((ack.update, last));
        Some(LocalTable { session: self.session, slot })
    }
}

/// Numbers on the wire begin at 1: HAProxy takes 0 for a table that was not announced.
fn wire_id(slot: usize) -> TableId {
    TableId(slot as u64 + 1)
}

/// The values of a lesson with the server key put where the schema has it.
fn with_server_key<'a>(
    schema: &Schema,
    values: &'a [Value<'a>],
    server_key: Option<Value<'a>>,
) -> impl Iterator<Item = Value<'a>> {
    let before = schema.columns().take_while(|(data_type, _)| data_type.shape() != Shape::Dictionary).count();
    let (before, after) = values.split_at(before.min(values.len()));
    before.iter().copied().chain(server_key).chain(after.iter().copied())
}

//! What a peer teaches: its tables, how far each was read, and how far it was taken.

use super::definition::{Definition, TableId, Unreadable};
use super::message::Ack;
use super::schema::Schema;
use super::settings::SessionId;
use super::update_id::UpdateId;
use bytes::BytesMut;

/// A table of the peer.
#[derive(Debug)]
pub struct RemoteTable {
    // None once the peer gave its number to another table.
    id: Option<TableId>,
    name: Box<[u8]>,
    schema: Result<Schema, Unreadable>,
    received: UpdateId,
    // Updates that were given to the caller, and how many of them it took.
    given: u64,
    taken: u64,
    ack: Option<UpdateId>,
}

impl RemoteTable {
    /// Its name. A table that a `peers` section declares has a leading slash.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What its entries look like, or why its updates are skipped.
    pub fn schema(&self) -> Result<&Schema, Unreadable> {
        self.schema.as_ref().map_err(|unreadable| *unreadable)
    }

    /// The last update that was read, 0 before the first.
    pub fn received(&self) -> UpdateId {
        self.received
    }

    /// Updates that were given out and not yet taken.
    pub fn untaken(&self) -> u64 {
        self.given - self.taken
    }
}

/// What a message says of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was not announced before in this session.
    New,
    /// Its entries look different from now on.
    Changed,
    /// Nothing: the updates that follow are of it.
    Selected,
}

/// Stands for an update, and all before it of the same table, when it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    session: SessionId,
    slot: usize,
    sequence: u64,
    update: UpdateId,
}

impl Receipt {
    /// The identifier of the update.
    pub fn update(&self) -> UpdateId {
        self.update
    }
}

/// A receipt of another session: what it stands for was not received in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("receipt belongs to another session: expected one of this session")]
pub struct ForeignReceipt;

/// The tables that a peer announced in one session.
#[derive(Debug)]
pub(super) struct RemoteTables {
    session: SessionId,
    limit: usize,
    tables: Vec<RemoteTable>,
    current: Option<usize>,
}

impl RemoteTables {
    pub(super) fn new(session: SessionId, limit: usize) -> Self {
        Self { session, limit, tables: Vec::new(), current: None }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RemoteTable> {
        self.tables.iter()
    }

    /// Makes a table the current one; gives nothing when there are too many.
    pub(super) fn define(&mut self, definition: &Definition<'_>) -> Option<(&RemoteTable, News)> {
        let Definition { table: id, name, schema } = *definition;
        self.current = None;
        let mut found = None;
        for (at, table) in self.tables.iter_mut().enumerate() {
            if *table.name == *name {
                found = Some(at);
            } else if table.id == Some(id) {
                table.id = None;
            }
        }
        let (at, news) = if let Some(at) = found {
            let table = self.tables.get_mut(at)?;
            let news = if table.schema == schema { News::Selected } else { News::Changed };
            (table.id, table.schema) = (Some(id), schema);
            (at, news)
        } else if self.tables.len() < self.limit {
            let (id, name, received) = (Some(id), name.into(), UpdateId(0));
            self.tables.push(RemoteTable { id, name, schema, received, given: 0, taken: 0, ack: None });
            (self.tables.len() - 1, News::New)
        } else {
            return None;
        };
        self.current = Some(at);
        self.tables.get(at).map(|table| (table, news))
    }

    /// Makes a table the current one that was announced before.
    pub(super) fn select(&mut self, id: TableId) -> Option<&RemoteTable> {
        self.current = self.tables.iter().position(|table| table.id == Some(id));
        self.current.and_then(|at| self.tables.get(at))
    }

    /// Counts an update of the current table.
    pub(super) fn receive(&mut self, id: Option<UpdateId>) -> Option<Counted<'_>> {
        let slot = self.current?;
        let table = self.tables.get_mut(slot)?;
        table.received = id.unwrap_or(table.received.following());
        if table.schema.is_ok() {
            table.given += 1;
        }
        let receipt = Receipt { session: self.session, slot, sequence: table.given, update: table.received };
        Some(Counted { table, receipt })
    }

    pub(super) fn take(&mut self, receipt: Receipt) -> Result<(), ForeignReceipt> {
        let table = self.tables.get_mut(receipt.slot).filter(|_| receipt.session == self.session);
        let table = table.ok_or(ForeignReceipt)?;
        if receipt.sequence > table.taken {
            table.taken = receipt.sequence;
            table.ack = Some(receipt.update);
        }
        Ok(())
    }

    /// Were all updates taken that were given out?
    pub(super) fn all_taken(&self) -> bool {
        self.tables.iter().all(|table| table.untaken() == 0)
    }

    /// Appends what is to be acknowledged.
    pub(super) fn acknowledge(&mut self, out: &mut BytesMut) {
        for table in &mut self.tables {
            if let (Some(update), Some(table)) = (table.ack.take(), table.id) {
                Ack { table, update }.encode(out);
            }
        }
    }
}

/// An update that was counted.
pub(super) struct Counted<'a> {
    pub(super) table: &'a RemoteTable,
    pub(super) receipt: Receipt,
}

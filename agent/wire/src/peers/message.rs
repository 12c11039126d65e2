//! Messages after the handshake (peers.txt, "Messages").

use super::definition::{Definition, TableId};
use super::entry::{self, Entry};
use super::error::{DecodeError, EncodeError, Expected, Item};
use super::key::Key;
use super::reader::Reader;
use super::schema::Schema;
use super::update_id::UpdateId;
use super::value::Value;
use crate::varint::{self, VarintError};
use bytes::{BufMut, BytesMut};
use std::time::Duration;

const CONTROL: u8 = 0;
const ERROR: u8 = 1;
const STICK_TABLE: u8 = 10;
const RESERVED: u8 = 255;
/// From this type on a message has a length and a body, whatever its class.
const WITH_LENGTH: u8 = 128;

/// Largest length of a message that is accepted, in bytes after class, type and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxMessageSize(usize);

impl MaxMessageSize {
    /// HAProxy's own limit unless `tune.bufsize` was changed.
    pub const DEFAULT: Self = Self(16_384);
    /// Every control message, and entries of small tables.
    pub const MIN: Self = Self(256);
    /// Far beyond any `tune.bufsize` in use.
    pub const MAX: Self = Self(1 << 20);

    /// Takes a length, pulled into what is possible.
    pub fn clamp(length: usize) -> Self {
        Self(length.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The length in bytes.
    #[inline]
    pub const fn length(self) -> usize {
        self.0
    }
}

impl Default for MaxMessageSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Control messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Asks for everything that the receiver holds.
    ResyncRequest,
    /// Everything was sent, and the sender holds everything.
    ResyncFinished,
    /// Everything was sent, but the sender itself may miss something.
    ResyncPartial,
    /// The answer to either of them.
    ResyncConfirm,
    /// The sender is alive.
    Heartbeat,
}

impl Control {
    /// Every control message, in the order of their types.
    pub const ALL: [Self; 5] = [
        Self::ResyncRequest,
        Self::ResyncFinished,
        Self::ResyncPartial,
        Self::ResyncConfirm,
        Self::Heartbeat,
    ];

    /// Appends the message.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_slice(&[CONTROL, self as u8]);
    }
}

/// Error messages; the sender closes after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// Something that is not of the protocol.
    #[error("the peer met a protocol error")]
    Protocol,
    /// A message that is too large.
    #[error("the peer met a message beyond its limit")]
    SizeLimit,
}

impl Complaint {
    /// Every error message, in the order of their types.
    pub const ALL: [Self; 2] = [Self::Protocol, Self::SizeLimit];

    /// Appends the message.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_slice(&[ERROR, self as u8]);
    }
}

/// Types of the stick table class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Update = 0x80,
    Incremental = 0x81,
    Define = 0x82,
    Switch = 0x83,
    Ack = 0x84,
    Timed = 0x85,
    IncrementalTimed = 0x86,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// About the session.
    Control(Control),
    /// The peer gives up.
    Error(Complaint),
    /// Announces a table; updates that follow are of it.
    Define(Definition<'a>),
    /// Goes back to a table that was announced before.
    Switch(TableId),
    /// An entry of the current table.
    Update(Update<'a>),
    /// Updates that were taken.
    Ack(Ack),
    /// A class or type that is not known: it is skipped.
    Other {
        /// Its class.
        class: u8,
        /// Its type.
        kind: u8,
    },
}

impl<'a> Message<'a> {
    /// Decodes one message; gives it and the bytes after it.
    #[inline]
    pub fn decode(input: &'a [u8], limit: MaxMessageSize) -> Result<(Self, &'a [u8]), DecodeError> {
        let (class, kind, rest) = match input {
            [RESERVED, ..] => {
                return Err(DecodeError::Invalid { offset: 0, expected: Expected::MessageClass });
            }
            [class, kind, rest @ ..] => (*class, *kind, rest),
            _ => return Err(DecodeError::Incomplete { needed: 2 - input.len() }),
        };
        if kind < WITH_LENGTH {
            return Ok((bare(class, kind), rest));
        }
        let (length, body) = match varint::decode(rest) {
            Ok(decoded) => decoded,
            Err(VarintError::Incomplete) => return Err(DecodeError::Incomplete { needed: 1 }),
            Err(VarintError::TooLarge) => {
                return Err(DecodeError::Invalid { offset: 2, expected: Expected::Integer });
            }
        };
        let Some(within) = usize::try_from(length).ok().filter(|length| *length <= limit.0) else {
            return Err(DecodeError::TooLarge { item: Item::Message, length, limit: limit.0 });
        };
        let Some((body, after)) = body.split_at_checked(within) else {
            return Err(DecodeError::Incomplete { needed: within - body.len() });
        };
        let reader = Reader::new(body, input.len() - after.len());
        Ok((Self::body(class, kind, reader)?, after))
    }

    #[inline]
    fn body(class: u8, kind: u8, mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        if class != STICK_TABLE {
            return Ok(Self::Other { class, kind });
        }
        // Types as constants, so that they can be patterns.
        const UPDATE: u8 = Kind::Update as u8;
        const INCREMENTAL: u8 = Kind::Incremental as u8;
        const TIMED: u8 = Kind::Timed as u8;
        const INCREMENTAL_TIMED: u8 = Kind::IncrementalTimed as u8;
        const DEFINE: u8 = Kind::Define as u8;
        const SWITCH: u8 = Kind::Switch as u8;
        const ACK: u8 = Kind::Ack as u8;
        Ok(match kind {
            UPDATE | INCREMENTAL | TIMED | INCREMENTAL_TIMED => {
                let id = match kind {
                    UPDATE | TIMED => Some(UpdateId(reader.fixed32()?)),
                    _ => None,
                };
                let expiry = match kind {
                    TIMED | INCREMENTAL_TIMED => Some(reader.fixed32()?),
                    _ => None,
                };
                Self::Update(Update { id, expiry, body: reader.rest(), end: reader.end() })
            }
            DEFINE => Self::Define(Definition::decode(reader)?),
            SWITCH => Self::Switch(TableId(reader.integer()?)),
            ACK => {
                let table = TableId(reader.integer()?);
                Self::Ack(Ack { table, update: UpdateId(reader.fixed32()?) })
            }
            _ => Self::Other { class, kind },
        })
    }
}

/// A message of two bytes.
fn bare<'a>(class: u8, kind: u8) -> Message<'a> {
    let control = Control::ALL.get(usize::from(kind)).filter(|_| class == CONTROL);
    let complaint = Complaint::ALL.get(usize::from(kind)).filter(|_| class == ERROR);
    match (control, complaint) {
        (Some(control), _) => Message::Control(*control),
        (_, Some(complaint)) => Message::Error(*complaint),
        _ => Message::Other { class, kind },
    }
}

/// An update whose entry is not checked yet: that takes its table's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    id: Option<UpdateId>,
    expiry: Option<u32>,
    body: &'a [u8],
    end: usize,
}

impl<'a> Update<'a> {
    /// Its identifier; without one it is the next after the update before it.
    #[inline]
    pub fn id(&self) -> Option<UpdateId> {
        self.id
    }

    /// How long the entry still lives; without it as long as the table says.
    #[inline]
    pub fn expiry(&self) -> Option<Duration> {
        self.expiry.map(|millis| Duration::from_millis(u64::from(millis)))
    }

    /// Checks the entry.
    #[inline]
    pub fn entry(&self, schema: &'a Schema) -> Result<Entry<'a>, DecodeError> {
        Entry::decode(Reader::new(self.body, self.end), schema)
    }

    /// Appends an update: without `id` an incremental one, with `expiry` a timed one. Milliseconds beyond
    /// 32 bits become the most that fits.
    pub fn encode<'v>(
        id: Option<UpdateId>,
        expiry: Option<Duration>,
        schema: &Schema,
        key: &Key<'_>,
        values: impl IntoIterator<Item = Value<'v>>,
        limit: MaxMessageSize,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let kind = match (id, expiry) {
            (Some(_), None) => Kind::Update,
            (None, None) => Kind::Incremental,
            (Some(_), Some(_)) => Kind::Timed,
            (None, Some(_)) => Kind::IncrementalTimed,
        };
        encode(kind, limit, out, |out| {
            if let Some(id) = id {
                out.put_u32(id.0);
            }
            if let Some(expiry) = expiry {
                out.put_u32(u32::try_from(expiry.as_millis()).unwrap_or(u32::MAX));
            }
            entry::encode(schema, key, values, out)
        })
    }
}

/// Says that an update was taken, and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The number that the sender of the updates gave to the table.
    pub table: TableId,
    /// The last update that was taken.
    pub update: UpdateId,
}

impl Ack {
    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) {
        let length = varint::encoded_len(self.table.0) + 4;
        out.put_slice(&[STICK_TABLE, Kind::Ack as u8, length as u8]);
        varint::encode(self.table.0, out);
        out.put_u32(self.update.0);
    }
}

impl TableId {
    /// Appends the message that goes back to this table, which must have been announced.
    pub fn encode_switch(self, out: &mut BytesMut) {
        let length = varint::encoded_len(self.0);
        out.put_slice(&[STICK_TABLE, Kind::Switch as u8, length as u8]);
        varint::encode(self.0, out);
    }
}

/// Appends one message of the stick table class, or nothing when its body fails or does not fit.
pub(super) fn encode(
    kind: Kind,
    limit: MaxMessageSize,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let before = out.len();
    out.put_slice(&[STICK_TABLE, kind as u8]);
    let start = out.len();
    let written = body(out);
    let length = out.len() - start;
    let fits = if length <= limit.0 { Ok(()) } else { Err(EncodeError::TooLarge { length, limit: limit.0 }) };
    if let Err(error) = written.and(fits) {
        out.truncate(before);
        return Err(error);
    }
    // The length stands in front of a body whose length is known only now: the body moves up.
    let prefix = varint::encoded_len(length as u64);
    out.put_bytes(0, prefix);
    if let Some(moved) = out.get_mut(start..) {
        moved.copy_within(..length, prefix);
        let (mut gap, _) = moved.split_at_mut(prefix);
        varint::encode(length as u64, &mut gap);
    }
    Ok(())
}

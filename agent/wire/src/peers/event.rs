//! What happens in a session.

use super::definition::TableId;
use super::dictionary::ServerKey;
use super::entry::Entry;
use super::error::{DecodeError, HelloError};
use super::hello::Hello;
use super::learn::{News, Receipt, RemoteTable};
use super::message::{Ack, Complaint};
use super::status::Status;
use super::teach::LocalTable;
use super::update_id::UpdateId;
use std::time::Duration;

/// Is what was taught all that there is?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// The teacher holds everything, and taught it.
    Finished,
    /// The teacher taught what it holds, and knows or fears that there is more.
    Partial,
}

/// What happened in a session.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A peer introduces itself: answer with [`Session::welcome`](super::Session::welcome) or
    /// [`Session::refuse`](super::Session::refuse). Nothing more is read before that.
    Hello(Hello<'a>),
    /// The peer accepted our hello; the session is open.
    Open,
    /// The peer refused our hello; the session is over.
    Refused(Status),
    /// Updates that follow are of this table.
    Table {
        /// The table.
        table: &'a RemoteTable,
        /// What is new about it.
        news: News,
    },
    /// An entry; once it is taken, say so with [`Session::taken`](super::Session::taken).
    Update(Received<'a>),
    /// The peer took what was taught, up to this update.
    Acknowledged {
        /// The table.
        table: LocalTable,
        /// The update.
        update: UpdateId,
    },
    /// The peer asks for everything: teach it, then call
    /// [`Session::end_lesson`](super::Session::end_lesson).
    ResyncRequested,
    /// The peer taught everything that it holds.
    ResyncEnded(Completeness),
    /// The peer took a whole lesson of ours.
    ResyncConfirmed,
    /// The peer is alive.
    Heartbeat,
    /// Something that means nothing here; the session goes on.
    Skipped(Skip),
    /// The peer gave up; the session is over.
    Complaint(Complaint),
    /// The session is over; what the peer is to learn of it is written.
    Failed(SessionError),
}

/// How long an entry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is replaced.
    Forever,
    /// So long from now on; zero is over.
    For(Duration),
}

/// An entry that was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its table.
    pub table: &'a RemoteTable,
    /// Stands for it when it is taken.
    pub receipt: Receipt,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Key and values.
    pub entry: Entry<'a>,
    /// The value of the dictionary, looked up.
    pub server_key: ServerKey<'a>,
}

/// What was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// An update before any table was announced, or after one that was skipped.
    NoTable,
    /// An update of a table that cannot be read.
    UnreadableTable,
    /// A switch to a table that was not announced.
    UnknownTable(TableId),
    /// A definition beyond the most tables that are accepted.
    TooManyTables(TableId),
    /// An acknowledgement of what was not sent, or was acknowledged further already.
    StrangeAck(Ack),
    /// A confirmation of a lesson that was not given.
    StrangeConfirm,
    /// A message of a class or type that is not known.
    Message {
        /// Its class.
        class: u8,
        /// Its type.
        kind: u8,
    },
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer's hello is not one, or not of our version.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The peer's hello is meant for somebody else.
    #[error("hello is for another peer: expected our own name")]
    NotForUs,
    /// The peer sent what is not of the protocol.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handshake took too long.
    #[error("handshake took too long")]
    Handshake,
    /// Nothing came for too long.
    #[error("nothing came for too long: expected at least a heartbeat")]
    Silence,
}

//! What a session is for: whoever hears what happens in it, and says what is to be taught.

use crate::peers::{Event, Refusal, Session};
use bytes::BytesMut;
use std::future::Future;
use std::time::Instant;

/// Has there been room for all that is to be said?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// No: ask again as soon as there is room.
    More,
    /// Yes, until something happens.
    Idle,
    /// Yes, until something happens or this time comes.
    Until(Instant),
}

/// Hears what happens in one session, and says what is to be taught. Its methods are called one at a time,
/// on the session's task: none may block.
pub trait Handler: Send {
    /// May this peer speak with us? Asked of a session that was accepted, once the connection
    /// [may be](super::Connection::may_be) that peer's.
    fn admit(&mut self, peer: &str) -> Result<(), Refusal>;

    /// Something happened. An update counts as taken, and will be acknowledged, when this returns.
    ///
    /// In both roles [`Event::Open`] is the first; [`Event::Hello`] never comes, since
    /// [`admit`](Self::admit) answers it.
    fn on_event(&mut self, event: &Event<'_>, now: Instant);

    /// There is room for about `room` bytes, in an open session: append to `out` what is to be said, by
    /// the methods of `session` that teach, ask for a lesson or end one.
    ///
    /// Called after events, after [`wake`](Self::wake), and when the answer of the last call asks for it.
    fn fill(&mut self, session: &mut Session, now: Instant, room: usize, out: &mut BytesMut) -> Fill;

    /// Ends when there is something new to say. The future is dropped and made anew whenever anything else
    /// happens, which must lose nothing: as with `tokio::sync::Notify::notified` after `notify_one`, or
    /// `watch::Receiver::changed`.
    fn wake(&mut self) -> impl Future<Output = ()> + Send;
}

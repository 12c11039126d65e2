//! Which session is the one with each peer: of two the later one, as the document has it.

use super::hello::PeerName;
use super::settings::SessionId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Shortest and longest wait before a peer is connected to again after its session gave way to another: a
/// random one between them, so that two peers do not cut each other's connections for ever (peers.txt,
/// "Handshake").
pub const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(2050));

/// The session with each peer that is known.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    seats: BTreeMap<PeerName, Option<SessionId>>,
}

/// What a peer's new session meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody of that name is known: refuse it.
    Unknown,
    /// The seat was empty.
    Free,
    /// Another session had it: close that one.
    Replaces(SessionId),
}

/// What the end of a session means to its peer's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The peer has no session any more.
    Empty,
    /// Nothing: another session has the seat, or nobody of that name is known.
    Unchanged,
}

impl Seats {
    /// Empty seats for these peers.
    pub fn new(peers: impl IntoIterator<Item = PeerName>) -> Self {
        Self { seats: peers.into_iter().map(|peer| (peer, None)).collect() }
    }

    /// Gives the peer's seat to a session whose handshake succeeded.
    pub fn claim(&mut self, peer: &str, session: SessionId) -> Claim {
        match self.seats.get_mut(peer) {
            None => Claim::Unknown,
            Some(seat) => match seat.replace(session) {
                Some(old) if old != session => Claim::Replaces(old),
                _ => Claim::Free,
            },
        }
    }

    /// Frees the peer's seat, if it is still this session's.
    pub fn leave(&mut self, peer: &str, session: SessionId) -> Leave {
        match self.seats.get_mut(peer) {
            Some(seat) if *seat == Some(session) => {
                *seat = None;
                Leave::Empty
            }
            _ => Leave::Unchanged,
        }
    }

    /// The peer's session.
    pub fn session(&self, peer: &str) -> Option<SessionId> {
        self.seats.get(peer).copied().flatten()
    }
}

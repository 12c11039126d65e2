//! Why a session over a socket is over.

use crate::peers::{Complaint, PeerName, Refusal, SessionError, Status};
use std::fmt;
use std::io;

/// Why a session is over.
#[derive(Debug)]
pub enum Ended {
    /// We were told to stop.
    Stopped,
    /// The peer closed.
    Closed,
    /// The handler did not admit the peer.
    TurnedAway(Refusal),
    /// The peer's certificate is not valid for the name that it gave.
    Impostor(PeerName),
    /// The handshake took so long that it had to give way to newer ones.
    GaveWay,
    /// The peer refused us.
    Refused(Status),
    /// The session failed: by what the peer sent, or by its silence.
    Failed(SessionError),
    /// The peer gave up.
    Complaint(Complaint),
    /// The peer does not read.
    Stalled,
    /// The connection failed.
    Io(io::Error),
}

impl Ended {
    /// Is the peer to be told why?
    pub(super) fn has_last_word(&self) -> bool {
        match self {
            Self::Failed(error) => *error != SessionError::Silence,
            Self::TurnedAway(_) | Self::Impostor(_) => true,
            Self::Stopped
            | Self::Closed
            | Self::GaveWay
            | Self::Refused(_)
            | Self::Complaint(_)
            | Self::Stalled
            | Self::Io(_) => false,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("we stopped"),
            Self::Closed => f.write_str("the peer closed"),
            Self::TurnedAway(refusal) => write!(f, "the peer was refused: {}", refusal.status()),
            Self::Impostor(name) => write!(f, "the peer's certificate is not valid for its name `{name}`"),
            Self::GaveWay => f.write_str("the handshake gave way to newer ones"),
            Self::Refused(status) => write!(f, "the peer refused us: {status}"),
            Self::Failed(error) => error.fmt(f),
            Self::Complaint(complaint) => complaint.fmt(f),
            Self::Stalled => f.write_str("the peer does not read"),
            Self::Io(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

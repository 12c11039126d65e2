//! How far a session is, and what cannot be done there.

use super::status::Status;
use std::fmt;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// We were connected to: the peer's hello is awaited.
    Hello,
    /// The peer's hello came: our answer is awaited.
    Deciding,
    /// We connected and sent our hello: the peer's answer is awaited.
    Status,
    /// Messages flow.
    Open,
    /// Over: send what is written, then close.
    Closed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "awaiting a hello",
            Self::Deciding => "awaiting our answer to a hello",
            Self::Status => "awaiting an answer to our hello",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// Something that is not done in this phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session is {0}: this cannot be done now")]
pub struct NotNow(pub Phase);

/// Why a hello is refused that is well formed and for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer is to try again later.
    TryAgain,
    /// The peer is not known.
    UnknownPeer,
}

impl Refusal {
    /// The status that tells the peer.
    pub fn status(self) -> Status {
        match self {
            Self::TryAgain => Status::TryAgain,
            Self::UnknownPeer => Status::RemoteNameMismatch,
        }
    }
}

/// The end of a lesson that was not asked for, or ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer did not ask for a lesson, or it ended already")]
pub struct NotAsked;

/// Why everything was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The session is not open.
    #[error("session is {0}: expected an open one")]
    NotOpen(Phase),
    /// A lesson is not over, or not all of it was taken.
    #[error("a lesson is under way: expected it to be over and taken first")]
    Pending,
}

//! Who one is, and what a session may cost.

use super::hello::PeerName;
use super::message::MaxMessageSize;
use std::time::Duration;

/// Silence after which a heartbeat is sent (peers.txt, "Control message class").
pub const HEARTBEAT: Duration = Duration::from_secs(3);
/// Silence after which the peer is taken for dead (the same).
pub const SILENCE: Duration = Duration::from_secs(5);
/// How long a handshake may take: as long as HAProxy lets it.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Tables of one session and direction: several times what one `peers` section usually has.
pub const MAX_TABLES: usize = 64;

/// The number of a session among all of the process: it tells an old session's leftovers from a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Who one is, and what a session may cost.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One's own name in the `peers` section.
    pub name: PeerName,
    /// One's own process number, which the hello tells.
    pub process: u32,
    /// Largest message that is accepted and sent.
    pub max_message: MaxMessageSize,
    /// Most tables that the peer may announce; further ones are skipped.
    pub max_tables: usize,
    /// Silence after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// Silence after which the session fails.
    pub silence: Duration,
    /// How long the handshake may take.
    pub handshake: Duration,
}

impl Settings {
    /// The defaults of this module for a peer of this name.
    pub fn new(name: PeerName) -> Self {
        Self {
            name,
            process: 1,
            max_message: MaxMessageSize::DEFAULT,
            max_tables: MAX_TABLES,
            heartbeat: HEARTBEAT,
            silence: SILENCE,
            handshake: HANDSHAKE,
        }
    }
}

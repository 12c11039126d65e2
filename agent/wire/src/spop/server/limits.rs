//! Bounds of a server; whatever arrives from a connection stays within them.

use crate::spop::{MaxFrameSize, Pipelining};
use crate::unix_socket::SocketMode;
use std::time::Duration;

/// Bounds in number, size and time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest frame in either direction; HAProxy's own limit may make it less.
    pub max_frame_size: MaxFrameSize,
    /// [`Later`](super::Answer::Later) answers that may be open on one connection; past that it is not read.
    pub max_in_flight: usize,
    /// Connections that may be open on all listeners together; further ones are refused.
    pub max_connections: usize,
    /// Time that a [`Later`](super::Answer::Later) answer has.
    pub notify_deadline: Duration,
    /// Time that a new connection has to send its HELLO.
    pub hello_timeout: Duration,
    /// Time that a connection may be without a frame.
    pub idle_timeout: Duration,
    /// Time that HAProxy has to take what was written, counted from its last byte of progress.
    pub write_timeout: Duration,
    /// Unsent bytes of a connection past which it is not read.
    pub max_unsent: usize,
    /// Time after the shutdown signal in which NOTIFY frames are still answered.
    pub drain: Duration,
    /// Longest time between two of HAProxy's health checks (`inter`): a drain stops listening right after one,
    /// since HAProxy before 3.1 may cut what is in flight when the next one fails.
    pub check_interval: Duration,
    /// May HAProxy send a NOTIFY before the one ahead was answered? Where it may not, it opens a connection
    /// for each request under way, and a drain costs no request: none can be on its way when leave is taken.
    pub pipelining: Pipelining,
    /// Permissions of Unix socket files.
    pub unix_mode: SocketMode,
}

impl Limits {
    /// HAProxy keeps 20 frames waiting on a connection by default; this leaves room for tuning it.
    pub const MAX_IN_FLIGHT: usize = 1024;
    /// HAProxy opens about one connection for each thread and burst.
    pub const MAX_CONNECTIONS: usize = 1024;
    /// Below HAProxy's usual `timeout processing`, so that it hears of a miss from us.
    pub const NOTIFY_DEADLINE: Duration = Duration::from_millis(200);
    /// HAProxy sends HELLO with the connection.
    pub const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
    /// Above HAProxy's `timeout idle`, so that it closes first and no NOTIFY crosses our DISCONNECT.
    pub const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
    /// HAProxy reads at once unless it is stuck.
    pub const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
    /// Several hundred usual ACKs.
    pub const MAX_UNSENT: usize = 64 * 1024;
    /// HAProxy checks every two seconds by default.
    pub const CHECK_INTERVAL: Duration = Duration::from_millis(2200);
    /// Two of HAProxy's default health check intervals, so that it has noticed.
    pub const DRAIN: Duration = Duration::from_secs(4);
    /// Owner and group may connect.
    pub const UNIX_MODE: SocketMode = SocketMode::GROUP;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_size: MaxFrameSize::DEFAULT,
            max_in_flight: Self::MAX_IN_FLIGHT,
            max_connections: Self::MAX_CONNECTIONS,
            notify_deadline: Self::NOTIFY_DEADLINE,
            hello_timeout: Self::HELLO_TIMEOUT,
            idle_timeout: Self::IDLE_TIMEOUT,
            write_timeout: Self::WRITE_TIMEOUT,
            max_unsent: Self::MAX_UNSENT,
            drain: Self::DRAIN,
            check_interval: Self::CHECK_INTERVAL,
            pipelining: Pipelining::Agreed,
            unix_mode: Self::UNIX_MODE,
        }
    }
}

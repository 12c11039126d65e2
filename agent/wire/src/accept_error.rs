//! What a failed accept means to the listener.

use std::io;
use std::time::Duration;

/// Pause after an accept that failed for want of something: file descriptors do not come back faster for
/// asking more often.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Errors of one connection that ended before it was accepted; the next accept may be well.
pub(crate) fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

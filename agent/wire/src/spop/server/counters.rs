//! What happened on a server, counted since its start.

use crate::spop::{DecodeError, ProtocolError};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counters of a [`Server`](super::Server).
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were accepted and served.
    pub connections: Counter,
    /// Connections of those that have ended.
    pub connections_ended: Counter,
    /// Connections that were refused because too many were open.
    pub connections_refused: Counter,
    /// Failed accepts, such as for want of file descriptors.
    pub accept_errors: Counter,
    /// Connections that exchanged HELLO to send NOTIFY frames.
    pub hellos: Counter,
    /// Health checks that were answered well.
    pub health_checks: Counter,
    /// HELLO frames, health checks included, that were refused while not ready.
    pub hellos_refused: Counter,
    /// NOTIFY frames that were received.
    pub notifies: Counter,
    /// ACK frames that were written, those without actions included.
    pub acks: Counter,
    /// Answers that missed the deadline: ACK without actions.
    pub deadline_misses: Counter,
    /// Handlers that panicked: ACK without actions.
    pub panics: Counter,
    /// Answers that were too large for a frame: ACK without actions.
    pub oversize_answers: Counter,
    /// NOTIFY frames that crossed our AGENT-DISCONNECT and got no answer.
    pub crossed: Counter,
    /// Connections that were closed because HELLO did not come in time.
    pub hello_timeouts: Counter,
    /// Connections that were closed because no frame came in time.
    pub idle_timeouts: Counter,
    /// Connections that were cut because the peer did not read in time.
    pub write_timeouts: Counter,
    /// Connections that the peer closed inside a frame, or with answers open.
    pub broken: Counter,
    /// Connections that were closed because of malformed frames.
    pub invalid_frames: Counter,
    /// Connections that were closed because of frames beyond the limit.
    pub oversize_frames: Counter,
    /// Connections that were closed because of fragmented payloads.
    pub fragmented_frames: Counter,
    /// Connections that were closed because of frames that did not belong there.
    pub unexpected_frames: Counter,
    /// Connections that were closed because nothing could be agreed by HELLO.
    pub invalid_hellos: Counter,
}

impl Counters {
    /// Connections that are open now.
    pub fn open_connections(&self) -> u64 {
        self.connections.get().saturating_sub(self.connections_ended.get())
    }

    pub(super) fn protocol_error(&self, error: &ProtocolError) {
        let fragmented = error.status() == crate::spop::Status::FragmentationNotSupported;
        let counter = match error {
            _ if fragmented => &self.fragmented_frames,
            ProtocolError::Decode(DecodeError::TooLarge { .. }) => &self.oversize_frames,
            ProtocolError::Decode(_) => &self.invalid_frames,
            ProtocolError::Hello(_) => &self.invalid_hellos,
            ProtocolError::Unexpected { .. } => &self.unexpected_frames,
        };
        counter.count();
    }
}

//! Connections whose peer has not introduced itself yet: the oldest gives way when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// Connections of one listener whose handshake, TLS and then the peers protocol's, may be under way. A
/// handshake takes milliseconds, so whoever has the oldest of so many does not mean to end it.
pub const MAX_HANDSHAKES: usize = 256;

/// The handshakes of one listener that are under way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    open: VecDeque<Weak<Notify>>,
}

/// Stands for a handshake as long as it lasts.
#[derive(Debug)]
pub(super) struct Handshake {
    over: Arc<Notify>,
}

impl Handshakes {
    /// Begins one; the oldest is told to end if there are too many.
    pub(super) fn begin(&mut self) -> Handshake {
        if self.open.len() >= MAX_HANDSHAKES {
            self.open.retain(|open| open.strong_count() > 0);
        }
        if self.open.len() >= MAX_HANDSHAKES
            && let Some(oldest) = self.open.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.notify_one();
        }
        let over = Arc::new(Notify::new());
        self.open.push_back(Arc::downgrade(&over));
        Handshake { over }
    }
}

impl Handshake {
    /// Ends when it is to give way to a newer one.
    pub(super) async fn gives_way(&self) {
        self.over.notified().await;
    }
}

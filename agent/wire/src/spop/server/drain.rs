//! The signal that ends a server gently.

use tokio::sync::watch;
use tokio::time::Instant;

/// Waits for the drain; all clones hear of it.
#[derive(Clone, Debug)]
pub(super) struct DrainSignal {
    until: watch::Receiver<Option<Instant>>,
}

/// Begins the drain.
#[derive(Debug)]
pub(super) struct DrainSwitch {
    until: watch::Sender<Option<Instant>>,
}

pub(super) fn drain() -> (DrainSwitch, DrainSignal) {
    let (sender, receiver) = watch::channel(None);
    (DrainSwitch { until: sender }, DrainSignal { until: receiver })
}

impl DrainSwitch {
    /// Nothing new is taken from `until` on.
    pub(super) fn begin(&self, until: Instant) {
        self.until.send_replace(Some(until));
    }
}

impl DrainSignal {
    /// Ends when the drain begins, with the time until which it may last: now if the server was dropped.
    pub(super) async fn begins(&mut self) -> Instant {
        let begun = self.until.wait_for(Option::is_some).await;
        begun.ok().and_then(|until| *until).unwrap_or_else(Instant::now)
    }
}

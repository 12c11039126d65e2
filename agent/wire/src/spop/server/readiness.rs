//! A switch that makes HAProxy send its requests elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether HELLO is accepted; clones share the switch.
///
/// While not ready, HELLO of health checks and of new connections gets AGENT-DISCONNECT with status 13, so
/// that HAProxy takes the server for down. Connections that are open go on being answered.
#[derive(Clone, Debug)]
pub struct Readiness {
    ready: Arc<AtomicBool>,
}

impl Readiness {
    /// A switch that stands at ready.
    pub fn ready() -> Self {
        Self { ready: Arc::new(AtomicBool::new(true)) }
    }

    /// A switch that stands at not ready.
    pub fn not_ready() -> Self {
        Self { ready: Arc::new(AtomicBool::new(false)) }
    }

    /// Accepts HELLO from now on.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Refuses HELLO from now on.
    pub fn set_not_ready(&self) {
        self.ready.store(false, Ordering::Release);
    }

    /// How the switch stands.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::ready()
    }
}

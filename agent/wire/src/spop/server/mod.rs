//! An SPOP agent on tokio: listeners, limits, deadlines, readiness and drain (feature `server`).
//!
//! Implement [`Agent`], [`bind`](Server::bind) a [`Server`], [`run`](Server::run) it. Answers that are ready
//! at once cost no allocation and no task; answers that take time are futures with a deadline, after which
//! HAProxy gets an ACK without actions. The same goes for a handler that panics: HAProxy's rules must take
//! the absence of the expected variable for a refusal.

mod address;
mod counters;
mod drain;
mod later;
mod limits;
mod listener;
mod readiness;
mod session;
mod socket;

pub use crate::unix_socket::SocketMode;
pub use address::{Address, AddressError};
pub use counters::{Counter, Counters};
pub use limits::Limits;
pub use listener::BindError;
pub use readiness::Readiness;

use super::action::Actions;
use super::notify::Notify;
use listener::Listener;
use session::Shared;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Answers HAProxy's NOTIFY frames.
pub trait Agent: Send + Sync + 'static {
    /// Answers one NOTIFY by writing actions, which are empty at the call.
    ///
    /// Called on the connection's task: work that blocks or takes more than some microseconds belongs into
    /// [`Answer::Later`]. Actions written before `Later` is returned are dropped. A panic costs the caller
    /// its actions and nothing else.
    fn notify(&self, notify: &Notify<'_>, actions: &mut Actions) -> Answer;
}

/// How a NOTIFY is answered.
pub enum Answer {
    /// The actions are written: send them.
    Ready,
    /// The actions come when the future ends; past the deadline an ACK without actions is sent instead.
    Later(Pin<Box<dyn Future<Output = Actions> + Send>>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready => "Ready",
            Self::Later(_) => "Later(..)",
        })
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not end in time.
    pub cut: usize,
}

/// Listeners that are bound and an agent that answers on them.
pub struct Server<A> {
    listeners: Vec<Listener>,
    shared: Arc<Shared<A>>,
}

impl<A: Agent> Server<A> {
    /// Binds all addresses or none; connections wait until [`run`](Self::run).
    ///
    /// A Unix socket file on which nobody answers is replaced, any other file is an error. Must be called
    /// within a tokio runtime with I/O and time.
    pub async fn bind(
        addresses: &[Address],
        agent: Arc<A>,
        limits: Limits,
        readiness: Readiness,
    ) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            listeners.push(Listener::bind(address, limits.unix_mode).await?);
        }
        let counters = Arc::new(Counters::default());
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let checked = tokio::sync::Notify::new();
        let shared = Arc::new(Shared { agent, limits, readiness, counters, slots, checked });
        Ok(Self { listeners, shared })
    }

    /// The addresses as bound: a TCP port of 0 is replaced by the real one.
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().map(|listener| listener.address().clone()).collect()
    }

    /// What happens on the server, readable at any time from anywhere.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Serves until `shutdown` ends, then drains.
    ///
    /// Draining takes leave of each connection together with its last answer, or when it is quiet. Meanwhile
    /// health checks and new connections are still answered, until HAProxy has just been told once more that
    /// all is well, or for [`Limits::check_interval`]: only then Unix socket files that are still ours go, and
    /// nothing new is accepted, so that the connections have ended when HAProxy notices. All is over at the
    /// latest after [`Limits::drain`]. Dropping the future cuts all connections at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (switch, signal) = drain::drain();
        let mut acceptors = JoinSet::new();
        for listener in self.listeners {
            acceptors.spawn(listener.accept(Arc::clone(&self.shared), signal.clone()));
        }
        shutdown.await;
        tracing::debug!(seconds = self.shared.limits.drain.as_secs_f64(), "draining");
        switch.begin(Instant::now() + self.shared.limits.drain);
        let mut cut = 0;
        while let Some(ended) = acceptors.join_next().await {
            cut += ended.unwrap_or_default();
        }
        Drained { cut }
    }
}

impl<A> std::fmt::Debug for Server<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

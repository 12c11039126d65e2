//! A stand-in of Fastly's API for the items of config stores and dictionaries.
//!
//! It enforces what Fastly states (token, limits, budget), answers in Fastly's shapes, writes what was
//! published to the file that Viceroy reads, and fails on demand. `tests/tests/fastly_api.rs` holds it
//! against Fastly's real command line. What it cannot know stands in `tests/README.md`.

mod answer;
mod budget;
mod call;
pub mod cli;
mod fault;
mod mirror;
mod record;
mod server;
mod state;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use answer::ErrorShape;
pub use budget::{Budget, Told};
pub use call::{MAX_BODY, MAX_OPERATIONS};
pub use fault::{Fault, Matching, Plan};
pub use record::Recorded;
pub use store::{
    FailingBatch, Kind, MAX_CONFIG_STORE_ITEMS, MAX_DICTIONARY_ITEMS, MAX_KEY, MAX_VALUE, Operation, StoreId,
};

use crate::trouble::Trouble;
use crate::viceroy::Items;

/// The one service, to which every dictionary belongs.
pub const SERVICE_ID: &str = "standinservice00000001";
/// The one token that is taken. Nothing but the API may ever see it: tests look for it in logs.
pub const TOKEN: &str = "stand-in-token-7Qe2xVnB4kLw";

/// What is not Fastly's usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The writes of an hour, and the hour.
    pub budget: Budget,
    /// What becomes of a batch that fails.
    pub failing_batch: FailingBatch,
}

impl Default for Rules {
    fn default() -> Self {
        Self { budget: Budget::default(), failing_batch: FailingBatch::DoesNothing }
    }
}

/// The running stand-in; dropping it ends it and all of its connections.
#[derive(Debug)]
pub struct FastlyApi {
    address: SocketAddr,
    state: Arc<Mutex<state::State>>,
    task: JoinHandle<()>,
}

impl FastlyApi {
    /// Listens on a free port, without any store.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start(rules: Rules) -> Result<Self, Trouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Trouble::io("listen"))?;
        let address = listener.local_addr().map_err(Trouble::io("listen"))?;
        let state = state::State::new(budget::Meter::new(rules.budget), rules.failing_batch);
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn(server::serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as clients are told of it, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty store.
    #[must_use]
    pub fn make(&self, kind: Kind, name: &str) -> StoreId {
        self.state().make(kind, name)
    }

    /// Writes the items of a store to `file` from now on, in the form that Viceroy reads: at once, and
    /// after every change.
    ///
    /// # Errors
    /// [`Trouble::Io`] when the file cannot be written, [`Trouble::Unexpected`] without such a store.
    pub fn mirror(&self, id: &StoreId, file: PathBuf) -> Result<(), Trouble> {
        let mut state = self.state();
        let store = state.stores.get(id).ok_or_else(|| Trouble::unexpected("a store's id", id.text()))?;
        let mirror = mirror::Mirror::start(file, store)?;
        state.mirrors.insert(id.clone(), mirror);
        Ok(())
    }

    /// How long a change takes from the API to the file, from now on. Zero: it is there before the
    /// answer is.
    pub fn propagate_after(&self, delay: Duration) {
        self.state().propagation = delay;
    }

    /// The items as the API has them, whatever has been propagated.
    #[must_use]
    pub fn items(&self, id: &StoreId) -> Items {
        let state = self.state();
        let items = state.stores.get(id).map(|store| store.items.iter());
        items.into_iter().flatten().map(|(key, item)| (key.clone(), item.value.clone())).collect()
    }

    /// Puts an item into the store past the API: no limit, no budget, no record.
    pub fn put_by_hand(&self, id: &StoreId, key: &str, value: &str) {
        self.state().by_hand(id, |items, now| {
            let item =
                store::Item { value: value.to_owned(), created: now.to_owned(), updated: now.to_owned() };
            items.insert(key.to_owned(), item);
        });
    }

    /// Deletes all items of the store past the API.
    pub fn empty_by_hand(&self, id: &StoreId) {
        self.state().by_hand(id, |items, _| items.clear());
    }

    /// Has something go wrong. Of several plans that mean a request, the oldest strikes.
    pub fn plan(&self, plan: Plan) {
        self.state().plans.add(plan);
    }

    /// Forgets the plans that have not struck yet.
    pub fn forget_plans(&self) {
        self.state().plans.clear();
    }

    /// Whether every plan has struck as often as it should.
    #[must_use]
    pub fn all_plans_struck(&self) -> bool {
        self.state().plans.is_empty()
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, state::State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FastlyApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

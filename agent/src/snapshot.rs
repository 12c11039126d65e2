//! What a verdict is made from: policy, keys and expectations, swapped whole.

use std::sync::{Arc, PoisonError, RwLock};

use countersign_contract::assertion::AssertionKeys;
use countersign_contract::name::{Audience, KeyId};
use countersign_contract::receipt::ReceiptKeys;

use crate::policy::Policy;
use crate::trust::Services;

/// Everything that a verdict depends on but the request, the time and the replay log. Never
/// changed: a reload makes a new one and swaps it in, or keeps this one.
#[derive(Debug)]
pub struct Snapshot {
    /// The rules.
    pub policy: Policy,
    /// The edge's public keys.
    pub keys: AssertionKeys,
    /// What each edge service may say.
    pub services: Services,
    /// The keys of receipts, where they are made.
    pub receipts: Option<ReceiptKeys>,
    /// The data centre that this is.
    pub audience: Audience,
    /// How far the clocks of edge and origin may be apart, in seconds.
    pub clock_skew: u64,
    /// The longest life of an assertion that is accepted, in seconds.
    pub longest_lifetime: u64,
}

impl Snapshot {
    /// Keys that no service names: who signs with one is nobody.
    pub fn idle_keys(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.ids().filter(|key| self.services.of_key(key).is_none())
    }
}

/// The snapshot in use.
#[derive(Debug)]
pub struct CurrentSnapshot(RwLock<Arc<Snapshot>>);

impl CurrentSnapshot {
    /// Begins with this one.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(RwLock::new(Arc::new(snapshot)))
    }

    /// The one in use now.
    #[must_use]
    pub fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another one from now on.
    pub fn swap(&self, snapshot: Snapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

//! The log of assertions that were used up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use countersign_contract::assertion::VerifiedAssertion;
use countersign_contract::decision_id::DecisionId;
use countersign_contract::time::UnixSeconds;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use thiserror::Error;

/// Remembers assertions for as long as they could be accepted again, in bounded memory.
///
/// Two generations: new ids go into the current one, both are asked; when the current one is as
/// old as an assertion can get, it becomes the previous one and the one before is dropped. An
/// id is the `txn` with its issuer and key, never a digest of the token: an ECDSA or malleable
/// signature would give one assertion two of those.
///
/// When it is full, nothing more can be remembered, so nothing more is let through: the request is
/// refused with 503, and passes again once a generation has ended.
pub struct ReplayLog {
    generations: RwLock<Generations>,
    capacity: usize,
    /// Seconds after which no assertion of a generation can be accepted any more.
    window: u64,
    hasher: RandomState,
}

struct Generations {
    current: Generation,
    previous: Generation,
    /// The latest time seen: the log's clock never goes back.
    began: UnixSeconds,
}

#[derive(Default)]
struct Generation {
    used: DashMap<Used, ()>,
    count: AtomicUsize,
}

/// Issuer and key in 64 bits, then the id that they made.
type Used = (u64, DecisionId);

/// Why an assertion can't be used now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReplayFault {
    /// It was used before.
    #[error("the assertion was used before")]
    Replayed,
    /// The log is full.
    #[error("the log of used assertions is full")]
    Full,
}

impl std::fmt::Debug for ReplayLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayLog")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl ReplayLog {
    /// A log of at most `capacity` ids, for assertions that are accepted for at most `window`
    /// seconds after they were first seen.
    #[must_use]
    pub fn new(capacity: usize, window: u64, now: UnixSeconds) -> Self {
        let generations =
            Generations { current: Generation::default(), previous: Generation::default(), began: now };
        Self { generations: RwLock::new(generations), capacity, window, hasher: RandomState::new() }
    }

    /// Uses an assertion up.
    ///
    /// # Errors
    /// [`ReplayFault::Replayed`] if it was used before, [`ReplayFault::Full`] if it can't be
    /// remembered.
    pub fn use_up(&self, assertion: &VerifiedAssertion, now: UnixSeconds) -> Result<(), ReplayFault> {
        let claims = assertion.claims();
        let maker = self.hasher.hash_one((claims.iss.as_str(), assertion.key().as_str()));
        self.use_up_id((maker, claims.txn), now)
    }

    fn use_up_id(&self, id: Used, now: UnixSeconds) -> Result<(), ReplayFault> {
        self.turn_over(now);
        // Held until the id is in, so that no turn-over comes between the look and the entry.
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if generations.previous.used.contains_key(&id) {
            return Err(ReplayFault::Replayed);
        }
        match generations.current.used.entry(id) {
            Entry::Occupied(_) => Err(ReplayFault::Replayed),
            Entry::Vacant(vacant) => {
                let others = generations.previous.count.load(Ordering::Relaxed);
                let own = generations.current.count.fetch_add(1, Ordering::Relaxed);
                if own + others >= self.capacity {
                    generations.current.count.fetch_sub(1, Ordering::Relaxed);
                    return Err(ReplayFault::Full);
                }
                vacant.insert(());
                Ok(())
            }
        }
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        generations.current.count.load(Ordering::Relaxed) + generations.previous.count.load(Ordering::Relaxed)
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn turn_over(&self, now: UnixSeconds) {
        let is_due = |generations: &Generations| now.since(generations.began) >= self.window;
        if !is_due(&self.generations.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if is_due(&generations) {
            generations.previous = std::mem::take(&mut generations.current);
            generations.began = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ReplayFault, ReplayLog};
    use countersign_contract::decision_id::DecisionId;
    use countersign_contract::time::UnixSeconds;

    const START: UnixSeconds = UnixSeconds(1_790_000_000);

    fn id(n: u8) -> (u64, DecisionId) {
        (1, DecisionId::from_random([n; 16]))
    }

    #[test]
    fn an_id_is_used_once_and_remembered_through_its_window() {
        let log = ReplayLog::new(10, 70, START);
        assert_eq!(log.use_up_id(id(1), START), Ok(()));
        for second in [0, 1, 69, 70, 71, 139] {
            assert_eq!(log.use_up_id(id(1), START.plus(second)), Err(ReplayFault::Replayed), "{second}");
        }
        assert_eq!(log.use_up_id((2, id(1).1), START.plus(139)), Ok(()), "another issuer's id is another id");
    }

    #[test]
    fn a_full_log_refuses_until_a_generation_has_ended() {
        let log = ReplayLog::new(2, 70, START);
        assert_eq!(log.use_up_id(id(1), START), Ok(()));
        assert_eq!(log.use_up_id(id(2), START), Ok(()));
        assert_eq!(log.use_up_id(id(3), START), Err(ReplayFault::Full));
        assert_eq!(log.use_up_id(id(1), START), Err(ReplayFault::Replayed));
        assert_eq!(log.len(), 2);
        assert_eq!(log.use_up_id(id(3), START.plus(70)), Err(ReplayFault::Full));
        assert_eq!(log.use_up_id(id(3), START.plus(140)), Ok(()));
        assert_eq!(log.len(), 1);
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let log = ReplayLog::new(10, 70, START);
        assert_eq!(log.use_up_id(id(1), START.plus(60)), Ok(()));
        assert_eq!(log.use_up_id(id(1), UnixSeconds(0)), Err(ReplayFault::Replayed));
    }

    #[test]
    fn one_of_many_at_once_gets_through() {
        let log = ReplayLog::new(10_000, 70, START);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..200).filter(|n| log.use_up_id(id(*n), START).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 200);
    }
}

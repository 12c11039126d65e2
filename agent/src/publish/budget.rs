//! How often the store may be written: Fastly counts a token's writes by the hour.

use std::collections::VecDeque;

use countersign_contract::time::UnixMillis;

const HOUR: u64 = 3_600_000;

/// Whether a write takes somebody off the list, who waits for it, or only lists more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It can wait for its turn.
    Ordinary,
    /// Somebody was lifted.
    Lift,
}

/// The writes of the last hour, and what the API says is left.
#[derive(Clone, Debug)]
pub struct Budget {
    per_hour: usize,
    for_lifts: usize,
    written: VecDeque<UnixMillis>,
    told: Option<Told>,
}

/// What the API said of its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Writes that are left.
    pub remaining: u64,
    /// When it counts anew.
    pub reset: UnixMillis,
}

impl Budget {
    /// So many writes an hour, `for_lifts` of them for lifts alone.
    #[must_use]
    pub fn new(per_hour: usize, for_lifts: usize) -> Self {
        Self { per_hour: per_hour.max(1), for_lifts, written: VecDeque::new(), told: None }
    }

    /// When the next write may be, at the earliest.
    ///
    /// A quarter of the budget may be used at once; after that ordinary writes are spread, so that an attack
    /// of a minute does not leave the rest of the hour without any.
    #[must_use]
    pub fn next(&self, urgency: Urgency, now: UnixMillis) -> UnixMillis {
        let open = match urgency {
            Urgency::Ordinary => self.per_hour.saturating_sub(self.for_lifts).max(1),
            Urgency::Lift => self.per_hour,
        };
        let recent: Vec<_> = self.written.iter().filter(|at| at.0 + HOUR > now.0).collect();
        let full = recent.len().checked_sub(open).and_then(|first| recent.get(first)).map(|at| at.0 + HOUR);
        let spread = match (urgency, recent.last()) {
            (Urgency::Ordinary, Some(last)) if recent.len() >= open.div_ceil(4) => {
                Some(last.0 + HOUR / open as u64)
            }
            _ => None,
        };
        let keep = if urgency == Urgency::Lift { 0 } else { self.for_lifts as u64 };
        let told = self.told.filter(|told| told.remaining <= keep).map(|told| told.reset.0);
        UnixMillis(now.0.max(full.unwrap_or(0)).max(spread.unwrap_or(0)).max(told.unwrap_or(0)))
    }

    /// A write went out, whatever came of it.
    pub fn write(&mut self, now: UnixMillis) {
        while self.written.front().is_some_and(|at| at.0 + HOUR <= now.0) {
            self.written.pop_front();
        }
        self.written.push_back(now);
        self.told = self.told.filter(|told| told.reset > now);
    }

    /// The API said what is left.
    pub const fn tell(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// Writes of the last hour.
    #[must_use]
    pub fn used(&self, now: UnixMillis) -> usize {
        self.written.iter().filter(|at| at.0 + HOUR > now.0).count()
    }
}

//! How many writes an hour a token has.
//!
//! Fastly counts every request that is no read; the answer to a write says what is left and when the
//! window ends ("Rate limiting" in Fastly's API reference). In recordings of the real API the window
//! ends on the full hour. Here it starts with its first write, so that a test meets no hour's end by chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many writes a window has.
    pub writes: u32,
    /// How long a window is; counted in whole seconds, since that is how its end is told.
    pub window: Duration,
    /// Who is told what is left.
    pub told: Told,
}

/// On which answers the headers `Fastly-RateLimit-Remaining` and `-Reset` come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// On every write.
    OnWrites,
    /// On writes to dictionaries; in go-fastly's recordings, those to config stores come without.
    OnDictionaryWrites,
    /// Never.
    Never,
}

impl Default for Budget {
    /// Fastly's own: 1000 an hour.
    fn default() -> Self {
        Self { writes: 1000, window: Duration::from_secs(3600), told: Told::OnWrites }
    }
}

/// What a client is told of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Writes left.
    pub(super) remaining: u32,
    /// When it ends, in Unix seconds.
    pub(super) reset: u64,
}

/// Counts the writes of the one token.
#[derive(Debug)]
pub(super) struct Meter {
    budget: Budget,
    window: Option<Window>,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, window: None }
    }

    pub(super) fn told(&self) -> Told {
        self.budget.told
    }

    /// Takes one write; the error is a window without any left, which takes nothing.
    pub(super) fn spend(&mut self, now: SystemTime) -> Result<Window, Window> {
        let window = self.window.filter(|window| unix(now) < window.reset).unwrap_or_else(|| Window {
            remaining: self.budget.writes,
            reset: unix(now).saturating_add(self.budget.window.as_secs()),
        });
        let spent = window.remaining.checked_sub(1).map(|remaining| Window { remaining, ..window });
        self.window = Some(spent.unwrap_or(window));
        spent.ok_or(window)
    }
}

/// Unix seconds.
pub(super) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

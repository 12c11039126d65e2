//! What goes wrong on demand: a plan says what, to which requests, how often. A fault strikes before
//! token and budget are looked at; one that has nothing done spends no write.

use std::time::Duration;

use super::answer::ErrorShape;

/// One way for a request to go wrong. Unless it says otherwise, what was asked for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused with 429 until so many seconds from now; nothing is done.
    TooManyRequests {
        /// Until when, as `Fastly-RateLimit-Reset` tells it.
        reset_in_seconds: u64,
    },
    /// Refused with this status; nothing is done.
    Status {
        /// 500, 503, or any other.
        status: u16,
        /// How the body says it.
        shape: ErrorShape,
    },
    /// The connection is cut before anything is done.
    CutBefore,
    /// Of a batch so many operations are done, then the connection is cut.
    CutAfter {
        /// How many.
        operations: usize,
    },
    /// Everything is done, then the connection is cut in place of the answer.
    CutBeforeAnswer,
    /// Answered as if it were done, and is not: what overlapping writes in one service may come to.
    Lost,
    /// Done at once, answered so much later.
    Slow {
        /// How much later.
        delay: Duration,
    },
    /// Done at once, answered in small pieces.
    Trickle {
        /// Bytes a piece.
        piece: usize,
        /// The pause after each.
        pause: Duration,
    },
    /// Done, and answered with 200 and a body that is no JSON.
    Garbage,
}

/// Which requests a plan means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// All.
    Every,
    /// GET and HEAD.
    Reads,
    /// Everything else.
    Writes,
    /// Batches: PATCH of a path that ends in `/items`.
    Batches,
    /// One method on paths that start with these bytes.
    Request {
        /// In capitals.
        method: &'static str,
        /// Starts with a slash.
        path: String,
    },
}

impl Matching {
    fn takes(&self, method: &str, path: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Reads => is_read(method),
            Self::Writes => !is_read(method),
            Self::Batches => method == "PATCH" && path.ends_with("/items"),
            Self::Request { method: wanted, path: start } => method == *wanted && path.starts_with(start),
        }
    }
}

/// A fault to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What goes wrong.
    pub fault: Fault,
    /// With which requests.
    pub matching: Matching,
    /// How many of them pass unharmed before.
    pub after: u32,
    /// How many of them are struck then.
    pub times: u32,
}

impl Plan {
    /// Strikes the next request of these.
    #[must_use]
    pub fn once(matching: Matching, fault: Fault) -> Self {
        Self { fault, matching, after: 0, times: 1 }
    }

    /// Strikes so many.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Lets so many pass before.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

/// The plans that still have something to do, oldest first.
#[derive(Debug, Default)]
pub(super) struct Plans(Vec<Plan>);

impl Plans {
    pub(super) fn add(&mut self, plan: Plan) {
        if plan.times > 0 {
            self.0.push(plan);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What strikes this request: the oldest plan that means it.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<Fault> {
        let plan = self.0.iter_mut().find(|plan| plan.matching.takes(method, path))?;
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        plan.times = plan.times.saturating_sub(1);
        let fault = plan.fault;
        self.0.retain(|plan| plan.times > 0);
        Some(fault)
    }
}

/// Reads cost nothing of the budget.
pub(super) fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

//! What a program printed, line by line, kept for whoever waits for a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Lines kept for one journal. A load test writes tens of thousands of records; older lines go.
const KEPT_LINES: usize = 200_000;

/// A bounded log of lines that several programs may write into (an agent and its successor).
#[derive(Debug, Default)]
pub struct Journal {
    lines: Mutex<Lines>,
    written: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// How many lines there were before the first kept one.
    gone: usize,
}

/// A place in a journal: what was written before it is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place(usize);

impl Place {
    /// Before the first line.
    pub const START: Self = Self(0);
}

impl Journal {
    /// An empty journal, ready to be shared.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Adds a line and wakes everybody who waits.
    pub fn push(&self, line: String) {
        let mut lines = self.locked();
        if lines.kept.len() == KEPT_LINES {
            lines.kept.pop_front();
            lines.gone += 1;
        }
        lines.kept.push_back(line);
        drop(lines);
        self.written.notify_waiters();
    }

    /// Copies lines of a pipe into the journal on a thread of its own, until the pipe closes.
    pub fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let journal = Arc::clone(self);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                journal.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    /// Where the next line goes.
    #[must_use]
    pub fn end(&self) -> Place {
        let lines = self.locked();
        Place(lines.gone + lines.kept.len())
    }

    /// The newest line from `since` on that `wanted` accepts, if it is there already.
    pub fn find(&self, since: Place, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let lines = self.locked();
        let skipped = since.0.saturating_sub(lines.gone);
        lines.kept.iter().skip(skipped).rev().find(|line| wanted(line)).cloned()
    }

    /// All kept lines from `since` on that `wanted` accepts, oldest first.
    pub fn all(&self, since: Place, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.locked();
        let skipped = since.0.saturating_sub(lines.gone);
        lines.kept.iter().skip(skipped).filter(|line| wanted(line)).cloned().collect()
    }

    /// As [`Journal::find`], waiting for it up to `limit`.
    pub async fn wait_for(
        &self,
        since: Place,
        wanted: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> Option<String> {
        let deadline = Instant::now() + limit;
        loop {
            let written = self.written.notified();
            if let Some(line) = self.find(since, &wanted) {
                return Some(line);
            }
            if timeout_at(deadline, written).await.is_err() {
                return self.find(since, &wanted);
            }
        }
    }

    /// The last `count` lines as one text, for error messages.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.locked();
        let skipped = lines.kept.len().saturating_sub(count);
        lines.kept.iter().skip(skipped).cloned().collect::<Vec<_>>().join("\n")
    }

    fn locked(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

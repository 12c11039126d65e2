//! The bytes of a connection that were read and not yet decoded: bounded by one frame.

use super::frame::{LENGTH_PREFIX, MaxFrameSize};

/// First size of the buffer in bytes: holds several usual NOTIFY frames.
const FIRST_SIZE: usize = 4096;

#[derive(Debug)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
}

impl Input {
    pub(super) const fn new(limit: MaxFrameSize) -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, limit: LENGTH_PREFIX + limit.length() }
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes `length` bytes off the front; they stay in place until more are read.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(length).min(self.end);
        self.buffer.get(from..self.start).unwrap_or_default()
    }

    pub(super) fn discard(&mut self) {
        self.start = self.end;
    }

    /// Room to read into; empty only when a whole frame of the largest size waits.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let tail = self.buffer.len().saturating_sub(self.end);
        if self.start > 0 && tail < self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() && self.buffer.len() < self.limit {
            let larger = self.buffer.len().saturating_mul(2).clamp(FIRST_SIZE.min(self.limit), self.limit);
            self.buffer.resize(larger, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Counts the first `length` bytes of the space as read.
    pub(super) fn filled(&mut self, length: usize) {
        self.end = self.end.saturating_add(length).min(self.buffer.len());
    }
}

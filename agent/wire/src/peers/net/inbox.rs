//! Bytes that were read and not consumed yet.

/// A buffer that is as large as it has to be, and never larger.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// What is there.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes bytes off the front.
    pub(super) fn consume(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
    }

    /// Room behind what is there, in a buffer of this size.
    pub(super) fn space(&mut self, size: usize) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() < size {
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Counts what was put into the room.
    pub(super) fn filled(&mut self, length: usize) {
        self.end = self.bytes.len().min(self.end + length);
    }
}

//! How many bytes passed, and their digest: what is told of a body that is too large to keep.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Bytes in one piece of a [`Stream`].
const PIECE: usize = 64 << 10;

/// Bytes and their digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Counts bytes as they pass.
#[derive(Debug, Clone, Default)]
pub struct Counter {
    bytes: u64,
    digest: Sha256,
}

impl Counter {
    /// Takes the next bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        self.digest.update(bytes);
    }

    /// What passed.
    #[must_use]
    pub fn tally(self) -> Tally {
        let mut sha256 = String::new();
        for byte in self.digest.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Tally { bytes: self.bytes, sha256 }
    }
}

/// A made-up stream of bytes, no two pieces alike, so that one lost, doubled or moved changes the digest.
#[derive(Debug, Clone)]
pub struct Stream {
    left: u64,
    number: u64,
    piece: Vec<u8>,
}

impl Stream {
    /// Of so many bytes.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        // 251 is prime: the pattern meets no power of two.
        let piece = (0..PIECE).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect();
        Self { left: bytes, number: 0, piece }
    }

    /// The next bytes; none at the end.
    pub fn next_piece(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
        for (byte, of_number) in self.piece.iter_mut().zip(self.number.to_be_bytes()) {
            *byte = of_number;
        }
        self.number += 1;
        self.left -= u64::try_from(length).unwrap_or(self.left);
        self.piece.get(..length).filter(|piece| !piece.is_empty())
    }
}

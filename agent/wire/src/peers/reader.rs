//! Reads the body of one message, and knows where in the message it stands.

use super::error::{DecodeError, Expected};
use crate::varint::{self, VarintError};

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads `rest`, which ends `end` bytes after the message's first.
    #[inline]
    pub(super) fn new(rest: &'a [u8], end: usize) -> Self {
        Self { rest, end }
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn end(&self) -> usize {
        self.end
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[cold]
    pub(super) fn expected(&self, expected: Expected) -> DecodeError {
        DecodeError::Invalid { offset: self.end.saturating_sub(self.rest.len()), expected }
    }

    #[inline]
    pub(super) fn integer(&mut self) -> Result<u64, DecodeError> {
        match varint::decode(self.rest) {
            Ok((value, rest)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(VarintError::Incomplete) => {
                Err(DecodeError::Invalid { offset: self.end, expected: Expected::MoreBytes })
            }
            Err(VarintError::TooLarge) => Err(self.expected(Expected::Integer)),
        }
    }

    /// An integer that must fit 32 bits.
    #[inline]
    pub(super) fn integer32(&mut self) -> Result<u32, DecodeError> {
        let before = *self;
        u32::try_from(self.integer()?).map_err(|_| before.expected(Expected::Integer32))
    }

    /// Four bytes, most significant first.
    #[inline]
    pub(super) fn fixed32(&mut self) -> Result<u32, DecodeError> {
        self.chunk().map(u32::from_be_bytes)
    }

    #[inline]
    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => Err(self.expected(Expected::MoreBytes)),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.expected(Expected::MoreBytes)),
        }
    }

    /// A length that must end within the message; it is refused where it stands.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        let before = *self;
        let length = self.integer()?;
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.rest.len())
            .ok_or_else(|| before.expected(Expected::LengthWithinMessage))
    }
}

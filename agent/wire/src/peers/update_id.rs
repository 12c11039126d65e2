//! Identifiers of updates.

use std::fmt;

/// The number of an update in its table at its sender. Numbers go round: of two, the later one is that which
/// is less than 2^31 ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpdateId(pub u32);

impl UpdateId {
    /// The first number. HAProxy never acknowledges 0, which is where it begins.
    pub const FIRST: Self = Self(1);

    /// The number of the next update that one sends; 0 is left out.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.wrapping_add(1) {
            0 => Self::FIRST,
            next => Self(next),
        }
    }

    /// The number that an update without one has after this; 0 is not left out, as HAProxy counts.
    #[must_use]
    pub const fn following(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Does this come after `other`?
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

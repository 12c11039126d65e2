//! Rate limits: how many requests of whom a route takes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many requests of one client a route takes.
///
/// The windows are those that Fastly's rate counters count in, and the penalty's unit is its penalty box's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many requests.
    pub requests: Requests,
    /// In how many seconds.
    pub seconds: Window,
    /// Whose requests are counted together.
    pub by: RateKey,
    /// How long whoever was too fast is refused altogether; none means as long as they are too fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty_seconds: Option<Penalty>,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateKey {
    /// One address, IPv6 by /64: counted before anybody is identified.
    Address,
    /// Who is signed in; the address where nobody is.
    Subject,
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $accepts:expr, $fault:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "u32", try_from = "u32")]
        pub struct $name(u32);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl From<$name> for u32 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = NotARate;

            fn try_from(number: u32) -> Result<Self, NotARate> {
                let accepts: fn(u32) -> bool = $accepts;
                if accepts(number) { Ok(Self(number)) } else { Err(NotARate::$fault(number)) }
            }
        }
    };
}

bounded!(
    /// A number of requests.
    Requests, |n| (1..=1_000_000).contains(&n), Requests
);
bounded!(
    /// A number of seconds that Fastly's counters can count in: 1, or 10 to 60 by tens.
    Window, |n| n == 1 || ((10..=60).contains(&n) && n % 10 == 0), Window
);
bounded!(
    /// Whole minutes up to an hour, in seconds, as Fastly's penalty box keeps somebody.
    Penalty, |n| (60..=3600).contains(&n) && n % 60 == 0, Penalty
);

/// Why a number can't be part of a rate.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum NotARate {
    /// Of requests.
    #[error("{0} is no number of requests: expected 1 to 1000000")]
    Requests(u32),
    /// Of seconds.
    #[error("{0} seconds can't be counted in: expected 1, 10, 20, 30, 40, 50 or 60")]
    Window(u32),
    /// Of a penalty's seconds.
    #[error("{0} seconds is no penalty: expected whole minutes, 60 to 3600")]
    Penalty(u32),
}

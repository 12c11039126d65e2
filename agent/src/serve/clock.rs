//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_contract::time::UnixMillis;

/// The time now. A clock set before 1970 reads as 1970: every assertion is then from the future.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

//! The one place of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, UTC; zero for a clock before that.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the clock"
)]
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

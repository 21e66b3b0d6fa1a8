//! The crate's one look at the clock. Everything else takes time as an argument, or asks here.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, on the clock that never jumps.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Whole seconds since 1970, UTC, as the host believes; zero when it believes an earlier time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

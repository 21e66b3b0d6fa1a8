//! The only place of this crate that reads the clocks.

use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads it; everything else takes `now`"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Time since 1970, UTC; zero if the clock stands before that.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads it; everything else takes the time"
)]
pub fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Milliseconds since 1970, UTC.
#[must_use]
pub fn unix_ms() -> u64 {
    u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX)
}

/// A duration in whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

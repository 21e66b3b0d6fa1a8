//! The only place of this crate that reads the clocks. Everything else is told the time.

use std::time::{Duration, Instant, SystemTime};

use crate::primary_only::Moment;

/// The monotonic clock. Follows the runtime's, so that tests can stop it.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Seconds since 1970, UTC; zero if the clock stands before that.
#[must_use]
pub fn unix_now() -> u64 {
    since_1970().as_secs()
}

/// Milliseconds since 1970, UTC.
#[must_use]
pub fn unix_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

/// What both clocks show.
#[must_use]
pub(crate) fn moment() -> Moment {
    Moment {
        now: now(),
        unix_ms: unix_ms(),
    }
}

/// A duration in whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
fn since_1970() -> Duration {
    #[cfg(test)]
    if let Some(simulated) = crate::simulation::outside::since_1970() {
        return simulated;
    }
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

//! The only place of the harness that reads a clock or sleeps.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long [`poll`] rests between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the monotonic clock shows.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' clock is read here and nowhere else"
)]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970 by the machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' clock is read here and nowhere else"
)]
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Looks at the condition every few milliseconds until it holds.
///
/// For what cannot be waited for otherwise: another process. Never write a sleep in a test instead.
///
/// # Panics
/// When the condition does not hold within `timeout`; `what` says what was waited for.
pub fn wait_until(what: &str, timeout: Duration, condition: impl FnMut() -> bool) {
    assert!(
        poll(timeout, condition),
        "waited {timeout:?} in vain: {what}"
    );
}

/// Like [`wait_until`], but says whether the condition came to hold.
#[must_use]
pub fn poll(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if now() >= end {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

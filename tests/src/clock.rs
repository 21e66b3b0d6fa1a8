//! The only place of the harness that reads a clock or sleeps.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::peers;

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

/// The environment of a program whose wall clock is this many seconds ahead of ours. Durations pass as
/// they do here.
///
/// # Panics
/// When `faketime` is not installed, or says nothing.
#[must_use]
pub fn ahead(seconds: u64) -> Vec<(String, String)> {
    // The command itself would stand between a test and its program: only its library is wanted.
    let said = Command::new(peers::require("faketime", "faketime"))
        .args(["-f", "+0", "sh", "-c", "echo \"$LD_PRELOAD\""])
        .output()
        .unwrap();
    let library = String::from_utf8(said.stdout).unwrap().trim().to_owned();
    assert!(!library.is_empty(), "faketime preloads nothing");
    let fixed = [
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DISABLE_SHM", "1"),
    ];
    fixed
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .chain([
            ("LD_PRELOAD".to_owned(), library),
            ("FAKETIME".to_owned(), format!("+{seconds}s")),
        ])
        .collect()
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

//! The only place of the harness that reads a clock or sleeps.

use std::{
    fs,
    path::PathBuf,
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

/// The environment of a program whose wall clock is this many seconds ahead of ours. Durations pass as
/// they do here.
///
/// # Panics
/// When `faketime`'s library is not installed.
#[must_use]
pub fn ahead(seconds: u64) -> Vec<(String, String)> {
    let library = faketime_library()
        .expect("libfaketime.so.1 is nowhere: install Debian's package faketime")
        .display()
        .to_string();
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

/// A wall clock that is set while programs run by it. Durations pass as they do here.
#[derive(Debug)]
pub struct WallClock(tempfile::TempDir);

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

impl WallClock {
    /// One that shows the right time.
    #[must_use]
    pub fn new() -> Self {
        let clock = Self(tempfile::tempdir().unwrap());
        clock.set(0);
        clock
    }

    /// Sets it so many seconds ahead of the right time, or behind it.
    pub fn set(&self, seconds: i64) {
        let next = self.0.path().join("next");
        fs::write(&next, format!("{seconds:+}s\n")).unwrap();
        fs::rename(next, self.file()).unwrap();
    }

    /// The environment of a program that runs by it.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let of_file = [
            ("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()),
            (
                "FAKETIME_TIMESTAMP_FILE".to_owned(),
                self.file().display().to_string(),
            ),
        ];
        let mut all = ahead(0);
        all.retain(|(name, _)| name != "FAKETIME");
        all.extend(of_file);
        all
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("now")
    }
}

/// Only the library is wanted: the command `faketime` would stand between a test and its program, and fails
/// where an earlier process of its number was killed.
fn faketime_library() -> Option<PathBuf> {
    let of_architectures = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .map(PathBuf::from)
        .into_iter()
        .chain(of_architectures.map(|entry| entry.path()))
        .map(|folder| folder.join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file())
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

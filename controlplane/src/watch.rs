//! Finds out that files changed, by looking at them again and again.
//!
//! Looking sees what notification misses: network folders, a link swapped two folders up, a file
//! that was not there. What is looked at is the file behind all links: its device, number,
//! length and times.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::disk::FileRead;

/// How the files looked at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Look(BTreeMap<PathBuf, Stamp>);

/// How one file looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// It cannot be looked at.
    Missing,
    Present {
        device: u64,
        inode: u64,
        octets: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    /// It may have changed while it was read: unlike anything that is seen later.
    Unsettled,
}

impl Look {
    /// Looks at files. Blocks.
    pub(crate) fn at<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(
            files
                .into_iter()
                .map(|path| (path.to_owned(), Stamp::of(path)))
                .collect(),
        )
    }

    /// Looks at the same files again. Blocks.
    pub(crate) fn again(&self) -> Self {
        Self::at(self.0.keys().map(PathBuf::as_path))
    }

    /// How the files looked when they were read, which began at `began_ms`.
    pub(crate) fn of_read(files: &[FileRead], began_ms: u64) -> Self {
        let mut look = BTreeMap::new();
        for file in files {
            let stamp = match file.stamp {
                Stamp::Present { changed, .. } if since(changed, began_ms) => Stamp::Unsettled,
                _ if file.changing => Stamp::Unsettled,
                stamp => stamp,
            };
            let before = look.insert(file.path.clone(), stamp);
            // Read twice, and not the same both times.
            if before.is_some_and(|before| before != stamp) {
                look.insert(file.path.clone(), Stamp::Unsettled);
            }
        }
        Self(look)
    }
}

/// Decides when changed files are read: once they looked the same twice.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    read: Look,
    last: Look,
    /// Since when all looked as they did last.
    since: Instant,
}

impl Watcher {
    /// Begins with what was read.
    pub(crate) fn new(read: Look, now: Instant) -> Self {
        Self {
            last: read.clone(),
            read,
            since: now,
        }
    }

    /// What was read last.
    pub(crate) const fn read(&self) -> &Look {
        &self.read
    }

    /// Takes what was looked at last as read, though reading it failed.
    pub(crate) fn give_up(&mut self) {
        self.read = self.last.clone();
    }

    /// Takes one look. True when the files are to be read now.
    pub(crate) fn step(&mut self, look: Look, now: Instant) -> bool {
        let settled = look == self.last;
        if !settled {
            self.since = now;
        }
        self.last = look;
        settled && self.last != self.read
    }

    /// For how long a file has looked like this, as far as was looked.
    pub(crate) fn quiet(&self, file: &FileRead, now: Instant) -> Duration {
        if self.last.0.get(&file.path) == Some(&file.stamp) {
            now.saturating_duration_since(self.since)
        } else {
            Duration::ZERO
        }
    }
}

impl Stamp {
    /// Looks at a file. Blocks.
    pub(crate) fn of(path: &Path) -> Self {
        std::fs::metadata(path).map_or(Self::Missing, |found| Self::from(&found))
    }

    /// For how long it was left alone, by the clock that the file's times are of.
    pub(crate) fn age(&self, now_ms: u64) -> Duration {
        match self {
            Self::Present { changed, .. } => u64::try_from(milliseconds(*changed))
                .map_or(Duration::MAX, |changed_ms| {
                    Duration::from_millis(now_ms.saturating_sub(changed_ms))
                }),
            Self::Missing | Self::Unsettled => Duration::ZERO,
        }
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self::Present {
            device: found.dev(),
            inode: found.ino(),
            octets: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

fn milliseconds((seconds, nanoseconds): (i64, i64)) -> i64 {
    seconds
        .saturating_mul(1_000)
        .saturating_add(nanoseconds / 1_000_000)
}

fn since(changed: (i64, i64), began_ms: u64) -> bool {
    let changed_ms = milliseconds(changed);
    u64::try_from(changed_ms).is_ok_and(|changed_ms| changed_ms + COARSE_MS >= began_ms)
}

/// File times are as coarse as the kernel's tick.
const COARSE_MS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn look(octets: u64) -> Look {
        let stamp = Stamp::Present {
            device: 1,
            inode: 2,
            octets,
            modified: (3, 4),
            changed: (5, 6),
        };
        Look(BTreeMap::from([(PathBuf::from("authproxy.cfg"), stamp)]))
    }

    #[test]
    fn reads_once_the_files_looked_the_same_twice() {
        let now = Instant::now();
        let mut watcher = Watcher::new(look(1), now);
        for (index, (octets, want)) in [
            (1, false),
            (2, false),
            (3, false),
            (3, true),
            (3, true),
            (1, false),
            (1, false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(watcher.step(look(octets), now), want, "look {index}");
        }
    }

    #[test]
    fn an_unsettled_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authproxy.cfg");
        std::fs::write(&file, "text").unwrap();
        let (read, _) = FileRead::read(&file);
        let settled = Look::of_read(std::slice::from_ref(&read), u64::MAX);
        assert_eq!(settled, settled.again());
        let changing = FileRead {
            changing: true,
            ..read.clone()
        };
        let other = FileRead {
            stamp: Stamp::Missing,
            ..read.clone()
        };
        for (name, files, began_ms) in [
            ("changed since", vec![read.clone()], 0),
            ("changed meanwhile", vec![changing], u64::MAX),
            ("read twice", vec![read, other], u64::MAX),
        ] {
            let unsettled = Look::of_read(&files, began_ms);
            let now = Instant::now();
            let mut watcher = Watcher::new(unsettled.clone(), now);
            assert!(!watcher.step(unsettled.again(), now), "{name}");
            assert!(watcher.step(unsettled.again(), now), "{name}");
        }
    }

    #[test]
    fn a_file_is_quiet_for_as_long_as_it_looks_the_same() {
        let at = |octets| FileRead {
            path: "authproxy.cfg".into(),
            stamp: look(octets).0.into_values().next().unwrap(),
            changing: false,
            ended: false,
        };
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut watcher = Watcher::new(look(1), begin);
        watcher.step(look(2), after(200));
        watcher.step(look(2), after(400));
        assert_eq!(watcher.quiet(&at(2), after(500)).as_millis(), 300);
        assert_eq!(watcher.quiet(&at(3), after(500)).as_millis(), 0);
        watcher.step(look(3), after(600));
        assert_eq!(watcher.quiet(&at(3), after(700)).as_millis(), 100);
    }

    #[test]
    fn each_way_of_changing_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = at("link");
        std::fs::write(at("a"), "one").unwrap();
        std::fs::write(at("b"), "one").unwrap();
        std::os::unix::fs::symlink(at("a"), &link).unwrap();
        let ways: [(&str, &dyn Fn()); 4] = [
            ("in place", &|| std::fs::write(at("a"), "three").unwrap()),
            ("renamed over", &|| {
                std::fs::write(at("new"), "three").unwrap();
                std::fs::rename(at("new"), at("a")).unwrap();
            }),
            ("link swapped", &|| {
                std::os::unix::fs::symlink(at("b"), at("link2")).unwrap();
                std::fs::rename(at("link2"), &link).unwrap();
            }),
            ("removed", &|| std::fs::remove_file(&link).unwrap()),
        ];
        for (name, change) in ways {
            let before = Look::at([link.as_path()]);
            assert_eq!(before, before.again(), "{name}");
            change();
            assert_ne!(before, before.again(), "{name}");
        }
    }
}

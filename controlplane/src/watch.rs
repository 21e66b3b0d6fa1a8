//! Finds out that files changed, by looking at them again and again.
//!
//! Looking sees what notification misses: network folders, a link swapped two folders up, a file
//! that was not there. What is looked at is the file behind all links: its device, number,
//! length and times.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How the files looked at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Look(BTreeMap<PathBuf, Stamp>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
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
                .map(|path| (path.to_owned(), stamp(path)))
                .collect(),
        )
    }

    /// Looks at the same files again. Blocks.
    pub(crate) fn again(&self) -> Self {
        Self::at(self.0.keys().map(PathBuf::as_path))
    }

    /// How the files looked that were read since `began_ms`: as this look, taken before, has them;
    /// those that it does not have as they are now, if they were left alone since. Blocks.
    pub(crate) fn read_since(&self, files: &[PathBuf], began_ms: u64) -> Self {
        Self(
            files
                .iter()
                .map(|path| {
                    let known = self.0.get(path).copied();
                    let stamp = known.unwrap_or_else(|| match stamp(path) {
                        Stamp::Present { changed, .. } if since(changed, began_ms) => {
                            Stamp::Unsettled
                        }
                        other => other,
                    });
                    (path.clone(), stamp)
                })
                .collect(),
        )
    }
}

/// Decides when changed files are read: once they looked the same twice.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    read: Look,
    last: Look,
}

impl Watcher {
    /// Begins with what was read.
    pub(crate) fn new(read: Look) -> Self {
        Self {
            last: read.clone(),
            read,
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
    pub(crate) fn step(&mut self, look: Look) -> bool {
        let settled = look == self.last;
        self.last = look;
        settled && self.last != self.read
    }
}

fn stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).map_or(Stamp::Missing, |found| Stamp::Present {
        device: found.dev(),
        inode: found.ino(),
        octets: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

fn since((seconds, nanoseconds): (i64, i64), began_ms: u64) -> bool {
    let changed_ms = seconds
        .saturating_mul(1_000)
        .saturating_add(nanoseconds / 1_000_000);
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
        let mut watcher = Watcher::new(look(1));
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
            assert_eq!(watcher.step(look(octets)), want, "look {index}");
        }
    }

    #[test]
    fn an_unsettled_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authproxy.cfg");
        std::fs::write(&file, "text").unwrap();
        let files = [file];
        let settled = Look::default().read_since(&files, u64::MAX);
        assert_eq!(settled, settled.again());
        let unsettled = Look::default().read_since(&files, 0);
        let mut watcher = Watcher::new(unsettled.clone());
        assert!(!watcher.step(unsettled.again()));
        assert!(watcher.step(unsettled.again()));
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

//! The folder of certificates: several files that come into it together, or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A folder that no other of these commands works in.
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
    _lock: Option<Flock<File>>,
}

/// A file that is to be in a folder.
pub(super) struct NewFile<'a> {
    pub(super) name: &'static str,
    pub(super) text: &'a str,
    /// Whether it is for its owner alone.
    pub(super) private: bool,
    /// Whether it takes the place of one that is there, with its owner and permissions.
    pub(super) replaces: bool,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let refused = |error: io::Error| {
            let shown = path.display();
            let text =
                format!("cannot use the folder {shown}; make it, or name another with --dir");
            Failure::new(text, &error)
        };
        let path = path.canonicalize().map_err(refused)?;
        let handle = File::open(&path).map_err(refused)?;
        if !handle.metadata().map_err(refused)?.is_dir() {
            return Err(refused(io::ErrorKind::NotADirectory.into()));
        }
        let locked = handle.try_clone().map_err(refused)?;
        let lock = match Flock::lock(locked, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(Failure::plain(format!(
                    "another 'countersign cert' is at work in {}",
                    path.display()
                )));
            }
            // Some network folders have no locks.
            Err(_) => None,
        };
        Ok(Self {
            path,
            handle,
            _lock: lock,
        })
    }

    /// Where a file of it is, from the root.
    pub(super) fn of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is anything of this name, be it a link to nowhere.
    pub(super) fn has(&self, name: &str) -> bool {
        self.of(name).symlink_metadata().is_ok()
    }

    /// The text of a file; none when there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        if !self.has(name) {
            return Ok(None);
        }
        let path = self.of(name);
        let (_, read) = controlplane::FileRead::read(&path);
        let failed =
            |error: io::Error| Failure::new(format!("cannot read {}", path.display()), &error);
        let octets = read.map_err(failed)?.octets;
        let text = String::from_utf8(octets)
            .map_err(|_| Failure::plain(format!("{} is no text", path.display())))?;
        Ok(Some(Zeroizing::new(text)))
    }

    /// Whether others than owner and group can read a file.
    pub(super) fn others_can_read(&self, name: &str) -> bool {
        let found = self.of(name).metadata();
        found.is_ok_and(|found| found.mode() & 0o004 != 0)
    }

    /// Puts files into the folder, in their order. All are written beforehand, so that only their
    /// renaming is left; where one cannot be put there, those before it are taken back.
    pub(super) fn put(&self, files: &[NewFile<'_>]) -> Result<(), Failure> {
        let done = files
            .iter()
            .try_for_each(|file| self.write_aside(file))
            .and_then(|()| self.move_in(files))
            .and_then(|()| self.handle.sync_all());
        for file in files {
            // Where all went well they are gone.
            drop(std::fs::remove_file(self.aside(file.name, NEW)));
            drop(std::fs::remove_file(self.aside(file.name, OLD)));
        }
        done.map_err(|error| {
            let shown = self.path.display();
            let text = format!(
                "cannot write into {shown}; run it as a user who may, or name another folder with \
                 --dir"
            );
            Failure::new(text, &error)
        })
    }

    fn aside(&self, name: &str, suffix: &str) -> PathBuf {
        self.path.join(format!(".{name}.{suffix}"))
    }

    fn write_aside(&self, new: &NewFile<'_>) -> io::Result<()> {
        let aside = self.aside(new.name, NEW);
        // Left by a run that was cut short.
        absent(std::fs::remove_file(&aside))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if new.private { 0o600 } else { 0o644 })
            .open(&aside)?;
        if new.replaces
            && let Ok(old) = self.of(new.name).metadata()
        {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            // A key loses what others had.
            let kept = if new.private { 0o660 } else { 0o666 };
            file.set_permissions(Permissions::from_mode(old.mode() & kept | 0o400))?;
        }
        file.write_all(new.text.as_bytes())?;
        file.sync_all()
    }

    fn move_in(&self, files: &[NewFile<'_>]) -> io::Result<()> {
        for (place, file) in files.iter().enumerate() {
            if let Err(error) = self.place(file) {
                for before in files.iter().take(place) {
                    self.take_back(before);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn place(&self, file: &NewFile<'_>) -> io::Result<()> {
        let (new, path) = (self.aside(file.name, NEW), self.of(file.name));
        if file.replaces {
            let old = self.aside(file.name, OLD);
            absent(std::fs::remove_file(&old))?;
            absent(std::fs::hard_link(&path, &old))?;
            std::fs::rename(&new, &path)
        } else {
            // Unlike a rename, a link takes the place of nothing.
            std::fs::hard_link(&new, &path)
        }
    }

    fn take_back(&self, file: &NewFile<'_>) {
        let path = self.of(file.name);
        let old = self.aside(file.name, OLD);
        // What cannot be undone is repaired by the next run with --renew.
        if file.replaces && old.exists() {
            drop(std::fs::rename(&old, &path));
        } else {
            drop(std::fs::remove_file(&path));
        }
    }
}

/// What is not there need not be done to.
fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

const NEW: &str = "new";
const OLD: &str = "old";

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &'static str, private: bool, replaces: bool) -> NewFile<'static> {
        NewFile {
            name,
            text: "new",
            private,
            replaces,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let found = std::fs::read_dir(folder).unwrap();
        let name = |one: io::Result<std::fs::DirEntry>| one.unwrap().file_name();
        let mut names: Vec<_> = found.map(|one| name(one).into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_come_together_or_not_at_all() {
        let held = tempfile::tempdir().unwrap();
        let folder = Folder::open(held.path()).unwrap();
        std::fs::write(folder.of("b"), "old").unwrap();
        let wanted = [new("a", true, false), new("b", false, false)];
        let error = folder.put(&wanted).unwrap_err().to_string();
        assert!(error.contains("cannot write into"), "{error}");
        assert_eq!(names(held.path()), ["b"], "the first is taken back");
        assert_eq!(folder.read("b").unwrap().unwrap().as_str(), "old");

        // A folder is no file that could be replaced.
        std::fs::create_dir(folder.of("c")).unwrap();
        let wanted = [new("b", true, true), new("c", false, true)];
        folder.put(&wanted).unwrap_err();
        assert_eq!(names(held.path()), ["b", "c"]);
        assert_eq!(folder.read("b").unwrap().unwrap().as_str(), "old");

        let wanted = [new("a", true, false), new("b", false, true)];
        folder.put(&wanted).unwrap();
        assert_eq!(names(held.path()), ["a", "b", "c"]);
        for name in ["a", "b"] {
            assert_eq!(folder.read(name).unwrap().unwrap().as_str(), "new");
        }
    }

    #[test]
    fn what_replaces_has_the_permissions_of_the_old_and_a_key_fewer() {
        let held = tempfile::tempdir().unwrap();
        let folder = Folder::open(held.path()).unwrap();
        let mode = |name: &str| folder.of(name).metadata().unwrap().mode() & 0o777;
        for (claim, private, old, want) in [
            ("a new key", true, None, 0o600),
            ("a key for a group", true, Some(0o640), 0o640),
            ("a key for all", true, Some(0o644), 0o640),
            ("a certificate for the owner", false, Some(0o600), 0o600),
            ("a certificate", false, Some(0o664), 0o664),
        ] {
            drop(std::fs::remove_file(folder.of("a")));
            if let Some(old) = old {
                std::fs::write(folder.of("a"), "old").unwrap();
                std::fs::set_permissions(folder.of("a"), Permissions::from_mode(old)).unwrap();
            }
            folder.put(&[new("a", private, old.is_some())]).unwrap();
            assert_eq!(mode("a"), want, "{claim}");
        }
    }

    #[test]
    fn what_a_run_that_was_cut_short_left_is_no_hindrance() {
        let held = tempfile::tempdir().unwrap();
        let folder = Folder::open(held.path()).unwrap();
        for left in [".a.new", ".a.old", "a"] {
            std::fs::write(folder.of(left), "left").unwrap();
        }
        folder.put(&[new("a", true, true)]).unwrap();
        assert_eq!(names(held.path()), ["a"]);
        assert_eq!(folder.read("a").unwrap().unwrap().as_str(), "new");
    }

    #[test]
    fn one_at_a_time_is_at_work_in_a_folder() {
        let held = tempfile::tempdir().unwrap();
        let first = Folder::open(held.path()).unwrap();
        let error = Folder::open(held.path()).err().unwrap().to_string();
        assert!(error.contains("another 'countersign cert'"), "{error}");
        drop(first);
        assert!(Folder::open(held.path()).is_ok());
    }
}

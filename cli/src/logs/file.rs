//! A log file: appended to, rotated by size, opened again when somebody moved it. No line is lost or
//! torn on the way; one that the disk does not take is taken back whole.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Which file, and when another is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePlan {
    pub(crate) path: PathBuf,
    /// 0 means that it may grow.
    pub(crate) max_octets: u64,
    /// Files of before, `NAME.1` the newest. 0 means that it is not rotated here.
    pub(crate) max_files: u32,
}

#[derive(Debug)]
pub(crate) struct LogFile {
    plan: FilePlan,
    open: Option<Open>,
    /// Why the last rotation failed: it is not tried with each line, nor said again.
    stuck: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    size: u64,
    /// Not a pipe or a device.
    regular: bool,
}

impl LogFile {
    pub(crate) const fn new(plan: FilePlan) -> Self {
        Self {
            plan,
            open: None,
            stuck: false,
        }
    }

    pub(crate) fn plan(&self) -> &FilePlan {
        &self.plan
    }

    /// Goes on under another plan.
    pub(crate) fn change(&mut self, plan: FilePlan) -> io::Result<()> {
        if plan.path != self.plan.path {
            self.open = None;
        }
        self.stuck = false;
        self.plan = plan;
        self.current().map(|_| ())
    }

    /// Opens it anew, as whoever moved it away asks for.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        self.stuck = false;
        self.current().map(|_| ())
    }

    /// Appends whole lines, all into one file. `Ok` with a text: they are written, and something else
    /// is not as it should be.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<Option<String>> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let FilePlan {
            max_octets,
            max_files,
            ..
        } = self.plan;
        let open = self.current()?;
        let full = open.size > 0 && open.size.saturating_add(length) > max_octets;
        let mut news = None;
        let rotate = open.regular && full && max_octets > 0 && max_files > 0 && !self.stuck;
        if rotate && let Err(error) = self.rotate() {
            self.stuck = true;
            news = Some(format!(
                "{} grows on: it cannot be renamed: {error}",
                self.plan.path.display()
            ));
        }
        let open = self.current()?;
        let written = write_whole(&mut open.file, lines, open.regular);
        match written {
            Ok(()) => {
                open.size = open.size.saturating_add(length);
                Ok(news)
            }
            Err(error) => {
                // What is wrong may be this very file.
                self.open = None;
                Err(error)
            }
        }
    }

    /// The file that has the name now.
    fn current(&mut self) -> io::Result<&mut Open> {
        let there = fs::metadata(&self.plan.path);
        let same = match (&self.open, &there) {
            (Some(open), Ok(there)) => (open.device, open.inode) == (there.dev(), there.ino()),
            _ => false,
        };
        if !same {
            self.open = Some(open(&self.plan.path)?);
        } else if let (Some(open), Ok(there)) = (&mut self.open, there) {
            // Somebody may have emptied it.
            open.size = there.size();
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::Error::other("the file is not open"))
    }

    /// Rotates, unless another process did: roles of one data folder write to one file. Whoever has
    /// the lock of the file that has the name renames it.
    fn rotate(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        // Where the disk knows no locks there is one process.
        drop(open.file.lock());
        let there = fs::metadata(&self.plan.path);
        let ours = there.is_ok_and(|it| (it.dev(), it.ino()) == (open.device, open.inode));
        let shifted = if ours { self.shift() } else { Ok(()) };
        drop(open);
        shifted
    }

    /// `NAME.2` becomes `NAME.3` and so on, `NAME` becomes `NAME.1`.
    fn shift(&self) -> io::Result<()> {
        let path = &self.plan.path;
        let mut last = 0;
        while last < self.plan.max_files && numbered(path, last + 1).symlink_metadata().is_ok() {
            last += 1;
        }
        // Those too many, of a time when more were kept.
        let mut more = self.plan.max_files + 1;
        while numbered(path, more).symlink_metadata().is_ok() {
            fs::remove_file(numbered(path, more))?;
            more += 1;
        }
        for number in (1..=last).rev() {
            let to = number + 1;
            if to > self.plan.max_files {
                fs::remove_file(numbered(path, number))?;
            } else {
                fs::rename(numbered(path, number), numbered(path, to))?;
            }
        }
        fs::rename(path, numbered(path, 1))
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let options = || {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        options
    };
    let file = match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o750)
                    .create(folder)?;
            }
            options().open(path)?
        }
        opened => opened?,
    };
    let about = file.metadata()?;
    Ok(Open {
        device: about.dev(),
        inode: about.ino(),
        size: about.size(),
        regular: about.is_file(),
        file,
    })
}

/// Writes everything or, into a file, nothing.
fn write_whole(file: &mut File, lines: &[u8], regular: bool) -> io::Result<()> {
    let Err((torn, failed)) = write_on(file, lines) else {
        return Ok(());
    };
    if regular && torn > 0 {
        let torn = u64::try_from(torn).unwrap_or(0);
        let size = file.metadata()?.size();
        file.set_len(size.saturating_sub(torn))?;
    }
    Err(failed)
}

/// Writes everything, or says how many octets went before it failed.
fn write_on(file: &mut impl Write, lines: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut rest = lines;
    while !rest.is_empty() {
        let failed = match file.write(rest) {
            Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err((lines.len().saturating_sub(rest.len()), failed));
    }
    Ok(())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn plan(folder: &Path, max_octets: u64, max_files: u32) -> FilePlan {
        FilePlan {
            path: folder.join("log/authproxy.log"),
            max_octets,
            max_files,
        }
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join("log").join(name)).unwrap_or_else(|_| "-".to_owned())
    }

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(plan(folder.path(), 10, 2));
        for number in 0..4 {
            assert_eq!(
                log.append(format!("line {number}\n").as_bytes()).unwrap(),
                None
            );
        }
        let names = [
            "authproxy.log",
            "authproxy.log.1",
            "authproxy.log.2",
            "authproxy.log.3",
        ];
        let found = names.map(|name| read(folder.path(), name));
        assert_eq!(found, ["line 3\n", "line 2\n", "line 1\n", "-"]);
        let mode = |name| {
            fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("log/authproxy.log") & 0o777 & !0o040, 0o600);
        assert_eq!(mode("log") & 0o007, 0);
        // Fewer are kept from now on.
        log.change(plan(folder.path(), 10, 1)).unwrap();
        log.append(b"line 4\n").unwrap();
        let found = names.map(|name| read(folder.path(), name));
        assert_eq!(found, ["line 4\n", "line 3\n", "-", "-"]);
        // None is rotated.
        log.change(plan(folder.path(), 10, 0)).unwrap();
        log.append(b"line 5\n").unwrap();
        assert_eq!(read(folder.path(), names[0]), "line 4\nline 5\n");
        log.change(plan(folder.path(), 0, 2)).unwrap();
        log.append(b"line 6\n").unwrap();
        assert_eq!(read(folder.path(), names[0]), "line 4\nline 5\nline 6\n");
    }

    #[test]
    fn a_file_that_was_moved_removed_or_emptied_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(plan(folder.path(), 0, 0));
        let path = log.plan().path.clone();
        log.append(b"one\n").unwrap();
        fs::rename(&path, path.with_extension("moved")).unwrap();
        log.append(b"two\n").unwrap();
        assert_eq!(read(folder.path(), "authproxy.moved"), "one\n");
        assert_eq!(read(folder.path(), "authproxy.log"), "two\n");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        log.append(b"three\n").unwrap();
        assert_eq!(read(folder.path(), "authproxy.log"), "three\n");
        File::create(&path).unwrap();
        log.append(b"four\n").unwrap();
        assert_eq!(read(folder.path(), "authproxy.log"), "four\n");
        log.reopen().unwrap();
        log.append(b"five\n").unwrap();
        assert_eq!(read(folder.path(), "authproxy.log"), "four\nfive\n");
    }

    #[test]
    fn several_processes_rotate_one_file_and_lose_nothing() {
        const EACH: usize = 300;
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let mut log = LogFile::new(plan(folder.path(), 100, 900));
                scope.spawn(move || {
                    for number in 0..EACH {
                        let line = format!("{writer}-{number}\n");
                        assert_eq!(log.append(line.as_bytes()).unwrap(), None);
                    }
                });
            }
        });
        let files = fs::read_dir(folder.path().join("log")).unwrap();
        let texts: Vec<String> = files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert!(texts.len() > 10, "{} files", texts.len());
        let mut lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 3 * EACH);
        let all: usize = texts.iter().map(|text| text.lines().count()).sum();
        assert_eq!(all, 3 * EACH);
    }

    #[test]
    fn one_that_cannot_be_renamed_grows_and_says_so_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(plan(folder.path(), 10, 1));
        log.append(b"line 0\n").unwrap();
        // A folder has the name, and something is in it.
        fs::create_dir_all(folder.path().join("log/authproxy.log.1/x")).unwrap();
        let news = log.append(b"line 1\n").unwrap().unwrap();
        assert!(news.contains("authproxy.log grows on"), "{news}");
        assert_eq!(log.append(b"line 2\n").unwrap(), None);
        assert_eq!(
            read(folder.path(), "authproxy.log"),
            "line 0\nline 1\nline 2\n"
        );
    }

    #[test]
    fn a_place_that_is_no_folder_fails_and_works_once_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        let mut log = LogFile::new(plan(folder.path(), 10, 1));
        assert!(log.append(b"line 0\n").is_err());
        fs::remove_file(folder.path().join("log")).unwrap();
        assert_eq!(log.append(b"line 1\n").unwrap(), None);
        assert_eq!(read(folder.path(), "authproxy.log"), "line 1\n");
    }

    #[test]
    fn what_a_full_disk_takes_half_is_known() {
        let mut disk = [0; 6];
        let mut room = disk.as_mut_slice();
        write_on(&mut room, b"one\n").unwrap();
        let (torn, error) = write_on(&mut room, b"two\n").unwrap_err();
        assert_eq!((torn, error.kind()), (2, io::ErrorKind::WriteZero));
    }
}

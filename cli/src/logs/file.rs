//! A log file: appended to, rotated by size, opened again when somebody moved it. No line is lost or
//! torn on the way; one that the disk does not take is taken back whole.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::ops::Range;
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
    /// The last rotation failed: it is not tried with each line, nor said again.
    stuck: bool,
    /// So many times in a row somebody else had the lock.
    locked_out: u32,
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
            locked_out: 0,
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
        let rotate = open.regular && full && max_octets > 0 && max_files > 0 && !self.stuck;
        let news = match rotate {
            true => self.make_room(),
            false => None,
        };
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

    /// Rotates, and says what keeps it from that, once.
    fn make_room(&mut self) -> Option<String> {
        let why = match self.rotate() {
            Ok(Rotated::Done) => {
                self.locked_out = 0;
                return None;
            }
            // Another process rotates it, and is done with the next line; or somebody who may read the
            // file keeps its lock, and must not stop the log.
            Ok(Rotated::Locked) => {
                self.locked_out = self.locked_out.saturating_add(1);
                if self.locked_out != LOCKED_OUT {
                    return None;
                }
                "another program keeps it locked (flock)".to_owned()
            }
            Err(error) => {
                self.stuck = true;
                format!("it cannot be renamed: {error}")
            }
        };
        let path = self.plan.path.display();
        Some(format!("{path} grows on: {why}"))
    }

    /// Rotates, unless another process did: roles of one data folder write to one file. Whoever has
    /// the lock of the file that has the name renames it.
    fn rotate(&mut self) -> io::Result<Rotated> {
        let Some(open) = self.open.take() else {
            return Ok(Rotated::Done);
        };
        match open.file.try_lock() {
            // Where the disk knows no locks there is one process.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                self.open = Some(open);
                return Ok(Rotated::Locked);
            }
        }
        let there = fs::metadata(&self.plan.path);
        let ours = there.is_ok_and(|it| (it.dev(), it.ino()) == (open.device, open.inode));
        let shifted = if ours { self.shift() } else { Ok(()) };
        drop(open);
        shifted.map(|()| Rotated::Done)
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

enum Rotated {
    Done,
    /// Somebody else has the lock.
    Locked,
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

/// Writes everything or, into a file, nothing, unless somebody else wrote behind it meanwhile.
fn write_whole(file: &mut File, lines: &[u8], regular: bool) -> io::Result<()> {
    let mut mine = 0..0;
    let wrote = |file: &mut File, count: usize| {
        if regular && let Ok(end) = file.stream_position() {
            mine = joined(&mine, end, count);
        }
    };
    let written = write_on(file, lines, wrote);
    if written.is_err() && regular {
        take_back(file, &mine)?;
    }
    written
}

/// What this process has at the end of the file, with the octets of one more write, which ended there.
/// What it wrote before somebody else did is out of reach.
fn joined(mine: &Range<u64>, end: u64, count: usize) -> Range<u64> {
    let begin = end.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
    match begin == mine.end {
        true => mine.start..end,
        false => begin..end,
    }
}

/// Cuts these octets off, unless there are others behind them.
fn take_back(file: &File, mine: &Range<u64>) -> io::Result<()> {
    if mine.is_empty() || file.metadata()?.size() != mine.end {
        return Ok(());
    }
    file.set_len(mine.start)
}

/// Writes everything, and tells of each part.
fn write_on<W: Write>(
    file: &mut W,
    lines: &[u8],
    mut wrote: impl FnMut(&mut W, usize),
) -> io::Result<()> {
    let mut rest = lines;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                wrote(file, count);
                rest = rest.get(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// It is said when the lock could not be had so many times: a rotation of another process is over by
/// then.
const LOCKED_OUT: u32 = 1_000;

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
    fn whoever_keeps_the_lock_stops_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(plan(folder.path(), 10, 2));
        log.append(b"line 0\n").unwrap();
        let reader = File::open(log.plan().path.clone()).unwrap();
        reader.lock().unwrap();
        let said: Vec<_> = (1..LOCKED_OUT + 10)
            .filter_map(|_| log.append(b"line x\n").unwrap())
            .collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("authproxy.log grows on: another program"));
        let lines = usize::try_from(LOCKED_OUT + 10).unwrap();
        assert_eq!(read(folder.path(), "authproxy.log").lines().count(), lines);
        drop(reader);
        log.append(b"line 1\n").unwrap();
        assert_eq!(read(folder.path(), "authproxy.log"), "line 1\n");
        assert_eq!(
            read(folder.path(), "authproxy.log.1").lines().count(),
            lines
        );
    }

    /// Takes so many octets, then none.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = octets.len().min(self.0);
            self.0 -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_takes_half_is_known() {
        let mut told = Vec::new();
        let mut disk = Full(6);
        write_on(&mut disk, b"one\n", |_, count| told.push(count)).unwrap();
        let error = write_on(&mut disk, b"two\n", |_, count| told.push(count)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(told, [4, 2]);
    }

    #[test]
    fn ones_own_end_is_taken_back_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let append = |text: &str| {
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.stream_position().unwrap()
        };
        // What was there, what this process wrote in two parts, what another one did between and behind.
        for (name, between, behind, left) in [
            ("alone", "", "", "old\n"),
            ("another wrote behind it", "", "new\n", "old\ntornnew\n"),
            ("another wrote between", "new\n", "", "old\ntonew\n"),
        ] {
            fs::write(&path, "old\n").unwrap();
            let mut mine = joined(&(0..0), append("to"), 2);
            append(between);
            mine = joined(&mine, append("rn"), 2);
            append(behind);
            take_back(&OpenOptions::new().append(true).open(&path).unwrap(), &mine).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), left, "{name}");
        }
    }
}

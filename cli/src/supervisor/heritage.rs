//! What a supervisor leaves to the program that takes its place in the same process: open files, by
//! their numbers, and what it knows of its children. They stay its children.
//!
//! Until the next program has taken them on, nothing of it is used up: where it fails before, it becomes
//! the program of before again, which finds all as it left it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::Mode;
use proto::child::Role;
use proto::config::Log;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::{Deserialize, Serialize};

use super::child::Pipe;
use crate::commands::upgrade::Standing;
use crate::failure::Failure;
use crate::program::{Program, execute};

/// As it is written down. A child's words may be secret, so it stands in a file without a name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Will {
    /// Where the program lies, and what it was started with.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) standing: Standing,
    pub(super) wants_second_factor: bool,
    pub(super) admin: RawFd,
    pub(super) lock: RawFd,
    /// Where the configuration says that the log goes; none when it said nothing yet.
    pub(super) log: Option<Log>,
    /// Whether each step is logged.
    pub(super) debug: bool,
    pub(super) children: Vec<Left>,
}

/// A child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) role: Role,
    pub(super) pid: i32,
    /// Where it says its lines.
    pub(super) lines: LeftPipe,
    /// Where it logs.
    pub(super) log: LeftPipe,
    /// Whether another one took over from it.
    pub(super) leaving: bool,
}

/// A pipe of a child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeftPipe {
    pub(super) file: RawFd,
    /// What of it was read and not dealt with.
    pub(super) said: Vec<u8>,
}

/// A child that was left to this process.
#[derive(Debug)]
pub(crate) struct Heir {
    pub(super) role: Role,
    pub(super) pid: i32,
    pub(super) lines: Pipe,
    pub(super) log: Pipe,
    pub(super) leaving: bool,
}

/// What was left to this process; its files are open.
#[derive(Debug)]
pub(crate) struct Heritage {
    pub(super) standing: Standing,
    pub(super) wants_second_factor: bool,
    pub(super) log: Option<Log>,
    pub(super) debug: bool,
    pub(super) children: Vec<Heir>,
    pub(super) open: LeftOpen,
    /// Why the next program became this one again; none when this is the next.
    pub(super) back: Option<String>,
    program: PathBuf,
    admin: Option<OwnedFd>,
    lock: Option<OwnedFd>,
}

/// The numbers under which the program before left its files open, beside those that are taken over.
#[derive(Debug)]
pub(super) struct LeftOpen(Vec<RawFd>);

/// The files that are to stay open. When it is dropped, they are as before.
#[derive(Debug)]
pub(super) struct KeptOpen(Vec<OwnedFd>);

/// Where a will is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    /// The form of the will: [`FORM`].
    form: u32,
    process: u32,
    will: RawFd,
    /// The file of the program that wrote it.
    before: RawFd,
}

impl Heritage {
    /// What a program before left in this process, if one did.
    pub(crate) fn take() -> Result<Option<Self>, Failure> {
        let failed =
            |error: io::Error| Failure::new("cannot go on where the program before stood", &error);
        let Some(note) = Note::of_this_process().map_err(failed)? else {
            return Ok(None);
        };
        if note.form != FORM {
            return Err(Failure::plain(format!(
                "the program before left what it had in form {}, and this one knows form {FORM}",
                note.form
            )));
        }
        let back = std::env::var(WENT_BACK).ok();
        if back.is_some() {
            // Started by a number, it would be called by that in process lists.
            prctl::set_name(c"countersign").map_err(|error| failed(error.into()))?;
        }
        Self::of(note, back).map(Some).map_err(failed)
    }

    fn of(note: Note, back: Option<String>) -> io::Result<Self> {
        let will: Will = serde_json::from_str(&note.text()?)?;
        let mut left = vec![note.will, note.before];
        let mut open = |number| {
            left.push(number);
            adopt(number)
        };
        let admin = open(will.admin)?;
        let lock = open(will.lock)?;
        let mut pipe = |left: LeftPipe| Ok::<_, io::Error>((open(left.file)?, left.said));
        let children = will.children.into_iter().map(|left| {
            Ok(Heir {
                role: left.role,
                pid: left.pid,
                lines: pipe(left.lines)?,
                log: pipe(left.log)?,
                leaving: left.leaving,
            })
        });
        let children = children.collect::<io::Result<_>>()?;
        Ok(Self {
            standing: will.standing,
            wants_second_factor: will.wants_second_factor,
            log: will.log,
            debug: will.debug,
            children,
            open: LeftOpen(left),
            back,
            program: will.program,
            admin: Some(admin),
            lock: Some(lock),
        })
    }

    /// The lock on the data folder, which is held.
    pub(crate) fn take_lock(&mut self) -> Option<File> {
        self.lock.take().map(File::from)
    }

    /// The admin address, which is listened to.
    pub(super) fn take_admin(&mut self) -> Option<OwnedFd> {
        self.admin.take()
    }

    /// Where the program was found when it was started first.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

/// Becomes the program of before again, which serves on, when this one has failed before it took on what
/// was left to it. Returns where there is no way back.
pub(crate) fn go_back(why: &str) {
    // Once: a program that fails where it had served before does so again.
    if TAKEN_ON.load(Ordering::Relaxed) || std::env::var_os(WENT_BACK).is_some() {
        return;
    }
    let Ok(Some(note)) = Note::of_this_process() else {
        return;
    };
    // The one of before has heard them so far, and does again; until then they would end this process.
    if let Err(error) = super::hold_signals() {
        tracing::warn!(%error, "a signal may end this process while it becomes the program of before");
    }
    // What came after this form may say it otherwise; what this process was started with is the same
    // then, unless somebody stands between.
    let said = note.text().ok();
    let said = said.and_then(|text| serde_json::from_str::<StartedWith>(&text).ok());
    let arguments = said.map_or_else(
        || std::env::args_os().skip(1).collect(),
        |said| said.arguments,
    );
    let name = std::env::args_os().next().unwrap_or_default();
    let why: String = why.trim().chars().take(REASON_CHARS).collect();
    let why = format!(
        "version {} cannot go on here: {why}; the program of before does",
        env!("CARGO_PKG_VERSION")
    );
    let path = PathBuf::from(format!("/proc/self/fd/{}", note.before));
    let variables = [(VARIABLE, note.to_string()), (WENT_BACK, why)];
    let error = execute(&path, &name, &arguments, &variables);
    Failure::new("cannot go back to the program of before", &error).report();
}

/// Of a will, what a way back needs.
#[derive(Deserialize)]
struct StartedWith {
    arguments: Vec<OsString>,
}

impl LeftOpen {
    /// From here on there is no way back.
    pub(super) fn close(self) {
        TAKEN_ON.store(true, Ordering::Relaxed);
        for number in self.0 {
            if let Err(error) = nix::unistd::close(number) {
                tracing::warn!(number, %error, "a file of the program before stays open");
            }
        }
    }
}

impl Note {
    fn of_this_process() -> io::Result<Option<Self>> {
        let Ok(said) = std::env::var(VARIABLE) else {
            return Ok(None);
        };
        let note: Self = said.parse()?;
        // A child of such a process may have the variable too.
        Ok(Some(note).filter(|note| note.process == std::process::id()))
    }

    fn text(self) -> io::Result<String> {
        let mut file = File::from(adopt(self.will)?);
        let mut text = String::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(MOST_OCTETS).read_to_string(&mut text)?;
        Ok(text)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            form,
            process,
            will,
            before,
        } = self;
        write!(f, "{form}:{process}:{will}:{before}")
    }
}

impl FromStr for Note {
    type Err = io::Error;

    fn from_str(said: &str) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let number = |word: Option<&str>| word?.parse::<u32>().ok();
        let file = |word| number(word).and_then(|number| RawFd::try_from(number).ok());
        let mut words = said.split(':');
        let note = Self {
            form: number(words.next()).ok_or_else(invalid)?,
            process: number(words.next()).ok_or_else(invalid)?,
            will: file(words.next()).ok_or_else(invalid)?,
            before: file(words.next()).ok_or_else(invalid)?,
        };
        match words.next() {
            None => Ok(note),
            Some(_) => Err(invalid()),
        }
    }
}

impl Will {
    /// Lets this process become the program that lies on the disk. Returns why it cannot.
    pub(super) fn become_next(&self, program: &Program, mut files: Vec<OwnedFd>) -> io::Error {
        let becoming = || {
            let mut will = File::from(memfd_create(c"countersign", MFdFlags::MFD_CLOEXEC)?);
            will.write_all(&serde_json::to_vec(self)?)?;
            // It may have no name any more, and need not be readable.
            let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
            let before = nix::fcntl::open("/proc/self/exe", flags, Mode::empty())?;
            let note = Note {
                form: FORM,
                process: std::process::id(),
                will: will.as_raw_fd(),
                before: before.as_raw_fd(),
            };
            files.extend([OwnedFd::from(will), before]);
            let _kept = KeptOpen::new(files)?;
            Ok(program.execute(&[(VARIABLE, note.to_string())]))
        };
        becoming().unwrap_or_else(|error: io::Error| error)
    }
}

impl KeptOpen {
    /// Lets these files stay open in the program that this process runs next.
    pub(super) fn new(files: Vec<OwnedFd>) -> io::Result<Self> {
        let kept = Self(files);
        kept.set(FdFlag::empty())?;
        Ok(kept)
    }

    fn set(&self, flag: FdFlag) -> io::Result<()> {
        for file in &self.0 {
            fcntl(file.as_fd(), FcntlArg::F_SETFD(flag))?;
        }
        Ok(())
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        if let Err(error) = self.set(FdFlag::FD_CLOEXEC) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files stay open in children"
            );
        }
    }
}

/// An open file of this process by its number: sent to itself, since a number alone is no proof of
/// anything. The number stays open as well.
fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    let (here, there) = UnixStream::pair()?;
    let numbers = [number];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let octet = [IoSlice::new(b"@")];
    sendmsg::<()>(here.as_raw_fd(), &octet, &rights, MsgFlags::empty(), None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut read = [0];
    recvmsg(
        &there,
        &mut [IoSliceMut::new(&mut read)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let found = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    found.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether this process has taken on what was left to it.
static TAKEN_ON: AtomicBool = AtomicBool::new(false);
/// The form of wills. Another number means that this program cannot take on what one of another number
/// left, and is not started in its place.
pub(crate) const FORM: u32 = 1;
/// A [`Note`]. Children do not get it.
const VARIABLE: &str = "COUNTERSIGN_HERITAGE";
/// Why the next program became the one of before again.
const WENT_BACK: &str = "COUNTERSIGN_WENT_BACK";
/// The variables of this process that the next program does not get.
pub(crate) const VARIABLES: [&str; 2] = [VARIABLE, WENT_BACK];
const REASON_CHARS: usize = 2_000;
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn an_open_file_is_known_by_its_number() {
        let (mut reader, writer) = pipe().unwrap();
        let number = writer.into_raw_fd();
        let mut adopted = File::from(adopt(number).unwrap());
        adopted.write_all(b"x").unwrap();
        drop(adopted);
        // It is left open until all is taken on.
        let mut adopted = File::from(adopt(number).unwrap());
        adopted.write_all(b"y").unwrap();
        drop(adopted);
        nix::unistd::close(number).unwrap();
        let mut said = String::new();
        // Only these held it open.
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "xy");
    }

    #[test]
    fn a_note_is_read_whole_or_not_at_all() {
        let note = Note {
            form: 7,
            process: 4_000_000_000,
            will: 12,
            before: 13,
        };
        let text = note.to_string();
        assert_eq!(text.parse::<Note>().unwrap(), note);
        for wrong in [
            "",
            "1",
            "1:2",
            "1:2:3",
            "1:2:3:4:5",
            "1:2:3:",
            "1:2:x:4",
            "-1:2:3:4",
            "1:2:-3:4",
            "1:2:3:4000000000",
        ] {
            assert!(wrong.parse::<Note>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_stay_open_while_they_are_kept() {
        let (_reader, writer) = pipe().unwrap();
        let copy = OwnedFd::from(writer);
        let number = copy.as_raw_fd();
        let flags = |fd: RawFd| {
            let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("flags:"))
                .unwrap();
            let octal = line.split_whitespace().nth(1).unwrap();
            u32::from_str_radix(octal, 8).unwrap() & 0o2_000_000
        };
        assert_ne!(flags(number), 0);
        let kept = KeptOpen::new(vec![copy]).unwrap();
        assert_eq!(flags(number), 0);
        let second = kept.0[0].try_clone().unwrap();
        drop(kept);
        assert_ne!(flags(second.as_raw_fd()), 0);
    }
}

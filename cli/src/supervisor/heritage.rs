//! What a supervisor leaves to the program that takes its place in the same process: open files, by
//! their numbers, and what it knows of its children. They stay its children.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use proto::child::Role;
use proto::config::Log;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::{Deserialize, Serialize};

use super::child::Pipe;
use crate::commands::upgrade::Standing;

/// As it is written down. A child's words may be secret, so it stands in a file without a name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Will {
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
    pub(super) admin: OwnedFd,
    pub(super) log: Option<Log>,
    pub(super) debug: bool,
    pub(super) children: Vec<Heir>,
    lock: Option<OwnedFd>,
}

/// The files that are to stay open. When it is dropped, they are as before.
#[derive(Debug)]
pub(super) struct KeptOpen(Vec<OwnedFd>);

impl Heritage {
    /// What a program before left in this process, if one did.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        let Ok(said) = std::env::var(VARIABLE) else {
            return Ok(None);
        };
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let (pid, number) = said.split_once(':').ok_or_else(invalid)?;
        // A child of such a process may have the variable too.
        if pid != std::process::id().to_string() {
            return Ok(None);
        }
        let mut text = String::new();
        let mut file = File::from(adopt(number.parse().map_err(|_| invalid())?)?);
        file.seek(SeekFrom::Start(0))?;
        file.take(MOST_OCTETS).read_to_string(&mut text)?;
        let will: Will = serde_json::from_str(&text)?;
        let pipe = |left: LeftPipe| Ok::<_, io::Error>((adopt(left.file)?, left.said));
        let children = will.children.into_iter().map(|left| {
            Ok(Heir {
                role: left.role,
                pid: left.pid,
                lines: pipe(left.lines)?,
                log: pipe(left.log)?,
                leaving: left.leaving,
            })
        });
        Ok(Some(Self {
            standing: will.standing,
            wants_second_factor: will.wants_second_factor,
            admin: adopt(will.admin)?,
            log: will.log,
            debug: will.debug,
            children: children.collect::<io::Result<_>>()?,
            lock: Some(adopt(will.lock)?),
        }))
    }

    /// The lock on the data folder, which is held.
    pub(crate) fn take_lock(&mut self) -> Option<File> {
        self.lock.take().map(File::from)
    }
}

impl Will {
    /// Writes it down. Gives the value of the variable that says where, and what keeps it open.
    pub(super) fn write(&self) -> io::Result<(String, OwnedFd)> {
        let mut file = File::from(memfd_create(c"countersign", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&serde_json::to_vec(self)?)?;
        let value = format!("{}:{}", std::process::id(), file.as_raw_fd());
        Ok((value, file.into()))
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
/// anything. The number is free afterwards.
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
    nix::unistd::close(number)?;
    found.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Names the process and the file. Children do not get it.
pub(super) const VARIABLE: &str = "COUNTERSIGN_HERITAGE";
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn an_open_file_is_known_by_its_number_once() {
        let (mut reader, writer) = pipe().unwrap();
        let number = writer.into_raw_fd();
        let mut adopted = File::from(adopt(number).unwrap());
        adopted.write_all(b"x").unwrap();
        drop(adopted);
        let mut said = String::new();
        // Only the adopted one held it open.
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "x");
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

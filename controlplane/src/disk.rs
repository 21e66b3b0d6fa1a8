//! Reads files of the disk, and notes how each looked while it was read.
//!
//! A file that is being written is a file of nobody's: [`FileRead`] says so, and what to make of
//! it is the loader's business.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::authproxy::{FileContent, MAX_OCTETS};
use crate::watch::Stamp;

/// A file that was read or tried, as it looked then.
#[derive(Clone, Debug)]
pub struct FileRead {
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
    /// Whether it changed while it was read.
    pub(crate) changing: bool,
    /// Whether its last line has its end, so that no writer can be in the middle of it.
    pub(crate) ended: bool,
}

impl FileRead {
    /// Which file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file whole.
    ///
    /// # Errors
    /// Those of opening and reading it; what is no regular file is not waited for, and one of more
    /// than [`MAX_OCTETS`] is [`io::ErrorKind::FileTooLarge`].
    pub fn read(path: &Path) -> (Self, io::Result<FileContent>) {
        read(path, || ())
    }

    /// Notes how a file looks that was not read.
    pub(crate) fn look(path: PathBuf) -> Self {
        Self {
            stamp: Stamp::of(&path),
            path,
            changing: false,
            ended: true,
        }
    }
}

/// `meanwhile` runs before the last look at the file.
fn read(path: &Path, meanwhile: impl FnOnce()) -> (FileRead, io::Result<FileContent>) {
    let mut seen = FileRead {
        path: path.to_owned(),
        stamp: Stamp::Missing,
        changing: false,
        ended: true,
    };
    let content = read_into(&mut seen, meanwhile);
    (seen, content)
}

fn read_into(seen: &mut FileRead, meanwhile: impl FnOnce()) -> io::Result<FileContent> {
    // A pipe without a writer would be waited for.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&seen.path)
        .inspect_err(|_| seen.stamp = Stamp::of(&seen.path))?;
    let before = file.metadata()?;
    seen.stamp = Stamp::from(&before);
    if !before.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut octets = Vec::new();
    Read::by_ref(&mut &file)
        .take(LONGEST)
        .read_to_end(&mut octets)?;
    meanwhile();
    seen.changing = changed(&file, seen.stamp)?;
    if octets.len() > MAX_OCTETS {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    seen.ended = matches!(octets.last(), None | Some(b'\n' | b'\r'));
    Ok(FileContent {
        octets,
        mode: Some(before.mode() & 0o777),
    })
}

fn changed(file: &File, before: Stamp) -> io::Result<bool> {
    Ok(Stamp::from(&file.metadata()?) != before)
}

/// One octet more than a file may have.
const LONGEST: u64 = MAX_OCTETS as u64 + 1;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_written_while_it_is_read_is_changing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authproxy.cfg");
        std::fs::write(&path, "one\n").unwrap();
        let (seen, content) = read(&path, || ());
        assert!(!seen.changing && seen.ended);
        assert_eq!(content.unwrap().octets, b"one\n");
        assert_eq!(seen.stamp, Stamp::of(&path));
        let (seen, _) = read(&path, || {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(b"two").unwrap();
        });
        assert!(seen.changing);
        assert_ne!(seen.stamp, Stamp::of(&path));
    }

    #[test]
    fn a_last_line_without_its_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authproxy.cfg");
        for (text, want) in [("", true), ("a\n", true), ("a\r\n", true), ("a\nb", false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(FileRead::read(&path).0.ended, want, "{text:?}");
        }
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (seen, content) = FileRead::read(&path);
        let error = content.err().unwrap();
        assert_eq!(error.to_string(), "it is no regular file");
        assert_eq!(seen.stamp, Stamp::of(&path));
    }
}

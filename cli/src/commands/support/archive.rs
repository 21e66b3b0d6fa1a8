//! A `tar.gz`, written aside and put into its place when it is whole. Of tar no more than a bundle needs:
//! regular files with short names (POSIX.1-2008, pax, "ustar Interchange Format").

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// One that is being written. Dropped before its end, it leaves nothing.
pub(super) struct Archive {
    to: PathBuf,
    aside: PathBuf,
    out: GzEncoder<File>,
    /// In seconds since 1970, of all its files.
    at: u64,
}

impl Archive {
    /// Makes the file that it is written to, for its owner alone.
    pub(super) fn new(to: &Path, at: u64) -> io::Result<Self> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let aside = to.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        Ok(Self {
            to: to.to_owned(),
            aside,
            out: GzEncoder::new(file, Compression::default()),
            at,
        })
    }

    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let header = header(name, content.len(), self.at)
            .ok_or_else(|| io::Error::other(format!("{name} fits no archive")))?;
        self.out.write_all(&header)?;
        self.out.write_all(content)?;
        let rest = content.len() % BLOCK;
        if rest > 0 {
            self.out.write_all(&vec![0; BLOCK - rest])?;
        }
        Ok(())
    }

    /// Ends it, and gives it its name. What has that name already stays.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.try_finish()?;
        self.out.get_ref().sync_all()?;
        put(&self.aside, &self.to, |from, to| {
            std::fs::hard_link(from, to)
        })?;
        match self.to.parent().filter(|one| !one.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Gives a file another name, which nothing has. A rename would replace what has it; disks that know no links
/// (a memory stick, a share) are asked not to.
fn put(
    from: &Path,
    to: &Path,
    link: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let Err(error) = link(from, to) else {
        return Ok(());
    };
    let no_links = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK];
    if !no_links
        .map(|one| Some(one.raw_os_error()))
        .contains(&error.raw_os_error())
    {
        return Err(error);
    }
    let renamed = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    renamed.map_err(|other| match other {
        Errno::INVAL | Errno::NOSYS => error,
        other => other.into(),
    })
}

impl Drop for Archive {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.aside));
    }
}

/// A header block; none where the name or the length does not fit.
fn header(name: &str, octets: usize, at: u64) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |from: usize, text: &[u8], room: usize| {
        let room = block.get_mut(from..from + room)?;
        room.get_mut(..text.len())?.copy_from_slice(text);
        Some(())
    };
    put(0, name.as_bytes(), 100)?;
    put(100, b"0000600\0", 8)?;
    put(108, b"0000000\0", 8)?;
    put(116, b"0000000\0", 8)?;
    put(124, format!("{octets:011o}\0").as_bytes(), 12)?;
    put(136, format!("{at:011o}\0").as_bytes(), 12)?;
    // Of the checksum itself, while it is made.
    put(148, b"        ", 8)?;
    put(156, b"0", 1)?;
    put(257, b"ustar\x0000", 8)?;
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    let room = block.get_mut(148..156)?;
    room.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

const BLOCK: usize = 512;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.tar.gz");
        let mut archive = Archive::new(&to, 1_700_000_000).unwrap();
        let long = vec![b'x'; 1_000];
        archive.add("a/empty", b"").unwrap();
        archive.add("a/block", &[b'y'; BLOCK]).unwrap();
        archive.add("a/long", &long).unwrap();
        assert!(archive.add(&"n".repeat(101), b"").is_err(), "no room");
        assert!(!to.exists(), "not before it is whole");
        archive.end().unwrap();
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = Command::new("tar")
            .arg("-xzf")
            .arg(&to)
            .arg("-C")
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
        assert_eq!(std::fs::read(folder.path().join("a/long")).unwrap(), long);
        let block = std::fs::read(folder.path().join("a/block")).unwrap();
        assert_eq!(block.len(), BLOCK);
        assert_eq!(std::fs::read(folder.path().join("a/empty")).unwrap(), b"");
    }

    #[test]
    fn a_disk_without_links_takes_it_too_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let refused = |errno: Errno| move |_: &Path, _: &Path| Err(errno.into());
        std::fs::write(&from, "one").unwrap();
        put(&from, &to, refused(Errno::PERM)).unwrap();
        assert!(!from.exists());
        assert_eq!(std::fs::read(&to).unwrap(), b"one");
        std::fs::write(&from, "two").unwrap();
        let there = put(&from, &to, refused(Errno::OPNOTSUPP)).unwrap_err();
        assert_eq!(there.kind(), io::ErrorKind::AlreadyExists);
        let full = put(&from, &folder.path().join("new"), refused(Errno::NOSPC)).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&to).unwrap(), b"one");
    }

    #[test]
    fn what_is_there_stays_and_half_a_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.tar.gz");
        drop(Archive::new(&to, 1).unwrap());
        std::fs::write(&to, "mine").unwrap();
        let archive = Archive::new(&to, 1).unwrap();
        assert!(archive.end().is_err());
        assert_eq!(std::fs::read(&to).unwrap(), b"mine");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

//! Files that a configuration names, as something passed in: this part does no I/O of its own.

use std::io;
use std::path::{Path, PathBuf};

/// Where files come from.
pub trait Files {
    /// Reads a whole file.
    ///
    /// # Errors
    /// Those of reading it. A file larger than a configuration may need is refused with
    /// [`io::ErrorKind::FileTooLarge`].
    fn read(&self, path: &Path) -> io::Result<FileContent>;
}

/// One file.
#[derive(Clone, Default)]
pub struct FileContent {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Its permission bits; none where the system has none.
    pub mode: Option<u32>,
}

/// Whether permission bits let others than owner and group read.
pub(crate) fn others_can_read(mode: Option<u32>) -> bool {
    mode.is_some_and(|mode| mode & 0o004 != 0)
}

/// Whether permission bits let others than owner and group write.
pub(crate) fn others_can_write(mode: Option<u32>) -> bool {
    mode.is_some_and(|mode| mode & 0o002 != 0)
}

/// Whether a path is one of Windows: `C:\…`, `C:/…` or `\\server\…`.
pub(crate) fn is_windows(path: &str) -> bool {
    let mut octets = path.bytes();
    let drive = octets
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && octets.next() == Some(b':')
        && matches!(octets.next(), Some(b'\\' | b'/'));
    drive || path.starts_with(r"\\")
}

/// A path of a file, relative to the folder of the file that names it.
pub(crate) fn beside(named_in: &Path, path: &str) -> PathBuf {
    named_in
        .parent()
        .unwrap_or_else(|| Path::new(""))
        .join(path)
}

/// Files held in memory, by path.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct InMemory(pub(crate) std::collections::BTreeMap<PathBuf, FileContent>);

#[cfg(test)]
impl InMemory {
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        let content = FileContent {
            octets: text.as_bytes().to_vec(),
            mode: Some(0o600),
        };
        self.0.insert(path.into(), content);
        self
    }
}

#[cfg(test)]
impl Files for InMemory {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_paths_are_recognised() {
        for (path, want) in [
            (r"C:\certs\ca.pem", true),
            ("c:/certs/ca.pem", true),
            (r"\\server\share", true),
            ("certs/ca.pem", false),
            ("/etc/ca.pem", false),
            ("C:", false),
        ] {
            assert_eq!(is_windows(path), want, "{path}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        for (path, want) in [("ca.pem", "conf/ca.pem"), ("/etc/ca.pem", "/etc/ca.pem")] {
            assert_eq!(
                beside(Path::new("conf/authproxy.cfg"), path),
                Path::new(want)
            );
        }
        assert_eq!(
            beside(Path::new("authproxy.cfg"), "ca.pem"),
            Path::new("ca.pem")
        );
    }

    #[test]
    fn only_the_bit_of_others_counts() {
        for (mode, want) in [
            (None, false),
            (Some(0o600), false),
            (Some(0o640), false),
            (Some(0o644), true),
        ] {
            assert_eq!(others_can_read(mode), want, "{mode:?}");
        }
    }
}

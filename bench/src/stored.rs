//! What is stored, made cold: the machine's cache of files is emptied of it.

use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// The files of a database.
#[derive(Debug)]
pub(crate) struct Files(Vec<PathBuf>);

impl Files {
    /// All files below a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        let (mut found, mut left) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = left.pop() {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => left.push(entry.path()),
                    Ok(kind) if kind.is_file() => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        Self(found)
    }

    /// What they take of the disk, in octets.
    pub(crate) fn octets(&self) -> u64 {
        let blocks = self.0.iter().filter_map(|path| path.metadata().ok());
        blocks.map(|one| one.blocks() * 512).sum()
    }

    /// Has the machine forget what it read of them. What the database's own process keeps stays.
    pub(crate) fn cool(&self) {
        for path in &self.0 {
            // One may be gone by now.
            if let Ok(file) = File::open(path) {
                // What is not on the disk yet cannot be forgotten.
                let _written = file.sync_data();
                let _forgotten = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
            }
        }
    }
}

//! The sealed copy of the last good revision: what a node starts from while the control plane is
//! away.
//!
//! Sealed with a key that lies beside it (mode 0600): it keeps secrets out of backups and of a
//! stray reader's sight, not from who can read the node's own files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use proto::config::raw;
use zeroize::Zeroizing;

/// Where a node keeps its copy. Every method blocks on the disk.
#[derive(Clone, Debug)]
pub(crate) struct LastGood {
    folder: PathBuf,
}

impl LastGood {
    /// In this folder, which must exist.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Replaces the copy: written aside, synced, renamed over.
    ///
    /// # Errors
    /// [`LastGoodError`]; the copy before it stays.
    pub(crate) fn store(&self, snapshot: &raw::Snapshot) -> Result<(), LastGoodError> {
        let clear = Zeroizing::new(serde_json::to_vec(snapshot).map_err(LastGoodError::Json)?);
        let mut nonce = [0; NONCE_OCTETS];
        crate::random::fill(&mut nonce).map_err(|_| LastGoodError::Random)?;
        let sealed = self
            .cipher()?
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &clear,
                    aad: HEADER,
                },
            )
            .map_err(|_| LastGoodError::Opened)?;
        let (path, aside) = (self.path(), self.folder.join("last-good.new"));
        let fail = |source| LastGoodError::Io {
            path: path.clone(),
            source,
        };
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(HEADER)?;
            file.write_all(&nonce)?;
            file.write_all(&sealed)?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(fail)
    }

    /// Opens the copy; none when there is none yet.
    ///
    /// # Errors
    /// [`LastGoodError`] when it cannot be read or was changed.
    pub(crate) fn load(&self) -> Result<Option<raw::Snapshot>, LastGoodError> {
        let path = self.path();
        let mut octets = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_OCTETS).read_to_end(&mut octets)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LastGoodError::Io { path, source }),
            Ok(_) => {}
        }
        let body = octets.strip_prefix(HEADER).ok_or(LastGoodError::Opened)?;
        let (nonce, sealed) = body
            .split_first_chunk::<NONCE_OCTETS>()
            .ok_or(LastGoodError::Opened)?;
        let clear = self
            .cipher()?
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: HEADER,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| LastGoodError::Opened)?;
        serde_json::from_slice(&clear)
            .map(Some)
            .map_err(LastGoodError::Json)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("last-good.sealed")
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305, LastGoodError> {
        let path = self.folder.join("node.key");
        let key = key_at(&path)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

/// Reads the key, or makes it: whole or not at all, so that a crash leaves no half of one.
fn key_at(path: &Path) -> Result<Zeroizing<[u8; KEY_OCTETS]>, LastGoodError> {
    let fail = |source| LastGoodError::Io {
        path: path.to_owned(),
        source,
    };
    let mut key = Zeroizing::new([0; KEY_OCTETS]);
    if !path.exists() {
        crate::random::fill(&mut *key).map_err(|_| LastGoodError::Random)?;
        let aside = path.with_extension("new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(&*key)?;
            file.sync_all()?;
            // Unlike a rename this never replaces a key that another process made meanwhile.
            match fs::hard_link(&aside, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::remove_file(&aside),
            }
        };
        write().map_err(fail)?;
    }
    let mut file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.mode() & 0o077 != 0 {
        return Err(LastGoodError::KeyIsOpen {
            path: path.to_owned(),
        });
    }
    file.read_exact(&mut *key).map_err(fail)?;
    Ok(key)
}

/// Why the copy cannot be kept or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LastGoodError {
    /// The disk refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("{} can be read by others: run chmod 600 on it", path.display())]
    KeyIsOpen {
        /// The key file.
        path: PathBuf,
    },
    /// The copy was changed, or sealed with another key.
    #[error("the sealed copy was changed or belongs to another key; delete it to start without")]
    Opened,
    /// The copy is of another version.
    #[error("the sealed copy is no configuration this version reads")]
    Json(#[source] serde_json::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

const HEADER: &[u8] = b"countersign last good 1\n";
const KEY_OCTETS: usize = 32;
const NONCE_OCTETS: usize = 24;
const MAX_OCTETS: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sample() -> raw::Snapshot {
        serde_json::from_value(serde_json::json!({
            "revision": 7, "settings": {"http_ca_certs": "PLANTED"},
        }))
        .unwrap()
    }

    #[test]
    fn a_copy_comes_back_whole_and_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let copy = LastGood::new(folder.path());
        assert!(copy.load().unwrap().is_none());
        copy.store(&sample()).unwrap();
        assert_eq!(copy.load().unwrap().unwrap(), sample());
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{file:?}"
            );
            let octets = fs::read(file.path()).unwrap();
            assert!(
                !octets.windows(7).any(|window| window == b"PLANTED"),
                "{file:?}"
            );
        }
    }

    #[test]
    fn a_changed_copy_or_an_open_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let copy = LastGood::new(folder.path());
        copy.store(&sample()).unwrap();
        let path = folder.path().join("last-good.sealed");
        let mut octets = fs::read(&path).unwrap();
        *octets.last_mut().unwrap() ^= 1;
        fs::write(&path, &octets).unwrap();
        assert!(matches!(copy.load(), Err(LastGoodError::Opened)));
        let key = folder.path().join("node.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            copy.store(&sample()),
            Err(LastGoodError::KeyIsOpen { .. })
        ));
    }
}

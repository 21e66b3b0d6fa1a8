//! Secrets at rest: boxes of XChaCha20-Poly1305, and keyed hashes. The key lives in a file of
//! mode 0600 beside the database, never in it.

use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::hmac;
use zeroize::Zeroizing;

use crate::clock::{self, NoRandomness};

/// Seals, opens and hashes.
pub(crate) struct Vault {
    cipher: XChaCha20Poly1305,
    hash: hmac::Key,
}

impl Vault {
    /// Takes the key out of its file. It is made when it is not there and neither is the database:
    /// what was sealed with a lost key does not open with another.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn open(path: &Path, database: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let key = match read_key(path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if database.try_exists().map_err(fail)? {
                    return Err(KeyError::Lost {
                        path: path.to_owned(),
                        database: database.to_owned(),
                    });
                }
                let key = Zeroizing::new(clock::random::<KEY_OCTETS>()?);
                write_private(path, &key[..]).map_err(fail)?;
                key
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(match open_to_others(path) {
                    Some(mode) => KeyError::Open {
                        path: path.to_owned(),
                        mode,
                    },
                    None => fail(error),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(KeyError::Length {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(fail(error)),
        };
        Ok(Self::new(&key))
    }

    /// One with a key of its own.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(&clock::random().unwrap())
    }

    fn new(key: &[u8; KEY_OCTETS]) -> Self {
        let derive = |label: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, label)
        };
        // HMAC-SHA256 has the 32 octets that the cipher takes; two labels make two keys.
        let mut sealing = Zeroizing::new([0; KEY_OCTETS]);
        for (octet, derived) in sealing.iter_mut().zip(derive(b"seal").as_ref()) {
            *octet = *derived;
        }
        Self {
            cipher: XChaCha20Poly1305::new((&*sealing).into()),
            hash: hmac::Key::new(hmac::HMAC_SHA256, derive(b"hash").as_ref()),
        }
    }

    /// Seals a secret for one place: the box opens nowhere else.
    ///
    /// # Errors
    /// [`SealError`].
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = clock::random::<NONCE_OCTETS>()?;
        let payload = Payload {
            msg: secret,
            aad: place.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Cipher)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens a box that [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// [`SealError::Cipher`] for another key, place or box.
    pub(crate) fn open_box(
        &self,
        place: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_OCTETS>()
            .ok_or(SealError::Cipher)?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Cipher)
    }

    /// The keyed hash of a code, for looking it up. Without the key a short code cannot be found
    /// by trying.
    pub(crate) fn hash(&self, place: &str, code: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.hash);
        context.update(place.as_bytes());
        context.update(b"\0");
        context.update(code.as_bytes());
        context.sign().as_ref().to_vec()
    }
}

/// Writes a file of mode 0600 that must not be there yet. It is there whole or not at all, also
/// when the power goes meanwhile.
///
/// # Errors
/// Those of the system.
pub(crate) fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = Path::new(&aside);
    // Left by a start that was cut short.
    match std::fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(aside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    // Unlike a rename, a link takes the place of nothing.
    let linked = std::fs::hard_link(aside, path);
    std::fs::remove_file(aside)?;
    linked?;
    std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// A file's permissions, where they let others at it; none where they do not.
fn open_to_others(path: &Path) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

fn read_key(path: &Path) -> io::Result<Zeroizing<[u8; KEY_OCTETS]>> {
    if open_to_others(path).is_some() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut file = std::fs::File::open(path)?;
    let mut key = Zeroizing::new([0; KEY_OCTETS]);
    let short = |_| io::Error::from(io::ErrorKind::InvalidData);
    file.read_exact(&mut key[..]).map_err(short)?;
    match file.read(&mut [0])? {
        0 => Ok(key),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the key file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others may read or write the file.
    #[error("{} is open to others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is a database and no key for it.
    #[error(
        "{} is missing: what {} holds opens with it only. Bring it back, or move the database away \
         to start anew",
        path.display(),
        database.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The file does not hold a key.
    #[error("{} must hold exactly 32 octets", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random octets.
    #[error("the system has no random octets")]
    Randomness,
}

impl From<NoRandomness> for KeyError {
    fn from(_: NoRandomness) -> Self {
        Self::Randomness
    }
}

/// Why a secret was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// Another key, another place, or a box that was changed.
    #[error("a stored secret does not open with this key file")]
    Cipher,
    /// The system gave no random octets.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

const KEY_OCTETS: usize = 32;
const NONCE_OCTETS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_with_its_key_and_at_its_place_only() {
        let vault = Vault::new(&[7; KEY_OCTETS]);
        let sealed = vault.seal("devices/a", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(
            &vault.open_box("devices/a", &sealed).unwrap()[..],
            b"hunter2"
        );
        assert!(vault.open_box("devices/b", &sealed).is_err());
        let other = Vault::new(&[8; KEY_OCTETS]);
        assert!(other.open_box("devices/a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open_box("devices/a", &changed).is_err(), "{at}");
            assert!(vault.open_box("devices/a", &sealed[..at]).is_err(), "{at}");
        }
        assert_ne!(vault.hash("a", "1"), vault.hash("b", "1"));
        assert_ne!(vault.hash("a", "1"), other.hash("a", "1"));
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let database = folder.path().join("secondfactor.db");
        let open = || Vault::open(&path, &database);
        let sealed = open().unwrap().seal("x", b"y").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = open().unwrap();
        assert_eq!(&again.open_box("x", &sealed).unwrap()[..], b"y");
        for octets in [31, 33] {
            std::fs::write(&path, vec![0; octets]).unwrap();
            assert!(matches!(open(), Err(KeyError::Length { .. })), "{octets}");
        }
        std::fs::write(&path, [0; 32]).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = open().err().unwrap().to_string();
            assert!(error.contains("chmod 600"), "{mode:o}: {error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(open().is_ok());
    }

    #[test]
    fn a_database_without_its_key_gets_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let database = folder.path().join("secondfactor.db");
        std::fs::write(&database, b"").unwrap();
        let opened = Vault::open(&path, &database);
        assert!(matches!(opened, Err(KeyError::Lost { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn a_private_file_is_whole_and_takes_nothings_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        std::fs::write(folder.path().join("a.key.new"), b"cut short").unwrap();
        write_private(&path, b"one").unwrap();
        assert!(write_private(&path, b"two").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

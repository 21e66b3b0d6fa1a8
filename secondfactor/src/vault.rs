//! Secrets at rest: boxes of XChaCha20-Poly1305, and keyed hashes. The key lives in a file of
//! mode 0600 beside the database, never in it.

use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
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
    /// Takes the key out of its file, which is made when it is not there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn open(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let key = match read_key(path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Zeroizing::new(clock::random::<KEY_OCTETS>()?);
                let mut file = private_file(path).map_err(fail)?;
                file.write_all(&key[..]).map_err(fail)?;
                file.sync_all().map_err(fail)?;
                key
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

/// Makes a file of mode 0600 that must not be there yet.
///
/// # Errors
/// Those of the system.
pub(crate) fn private_file(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn read_key(path: &Path) -> io::Result<Zeroizing<[u8; KEY_OCTETS]>> {
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
    use std::os::unix::fs::PermissionsExt;

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
        let sealed = Vault::open(&path).unwrap().seal("x", b"y").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = Vault::open(&path).unwrap();
        assert_eq!(&again.open_box("x", &sealed).unwrap()[..], b"y");
        for octets in [31, 33] {
            std::fs::write(&path, vec![0; octets]).unwrap();
            assert!(
                matches!(Vault::open(&path), Err(KeyError::Length { .. })),
                "{octets}"
            );
        }
    }
}

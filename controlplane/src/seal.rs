//! Secrets at rest: XChaCha20-Poly1305, and the key file. Not the State attribute of a login; what a
//! store seals under is in [`crate::keyring`].
//!
//! A sealed value is one octet of version, 24 of nonce, then the ciphertext with its tag. The
//! place it is stored in is bound to it, so that a value moved to another row does not open.
//!
//! The key file has the master key, 32 octets, and after it the ones before it, the newest first:
//! what was written into a file of the user's under one of them still opens, and so does a database
//! whose data keys a rotation, cut short, left under one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::settings::{database_file, key_file};

/// A key. That of a key file is the master key, which the data keys of an installation are under.
#[derive(Clone, Debug)]
pub struct Key {
    octets: Secret<[u8; KEY_OCTETS]>,
    /// The master keys before it, the newest first.
    previous: Vec<Secret<[u8; KEY_OCTETS]>>,
    /// The file it is from.
    path: Option<PathBuf>,
}

impl Key {
    /// Takes 32 random octets.
    #[must_use]
    pub(crate) fn new(octets: [u8; KEY_OCTETS]) -> Self {
        Self::from_secret(Secret::new(octets))
    }

    /// The same, of octets that are kept as a secret already.
    pub(crate) fn from_secret(octets: Secret<[u8; KEY_OCTETS]>) -> Self {
        Self {
            octets,
            previous: Vec::new(),
            path: None,
        }
    }

    /// A new one.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub(crate) fn random() -> Result<Self, SealError> {
        let mut octets = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(octets.as_mut_slice()).map_err(|_| SealError::Random)?;
        Ok(Self::new(*octets))
    }

    /// What it is.
    pub(crate) fn octets(&self) -> &[u8; KEY_OCTETS] {
        self.octets.expose()
    }

    /// The keys that were the master before it, the newest first.
    pub(crate) fn previous(&self) -> impl Iterator<Item = Self> + '_ {
        self.previous.iter().cloned().map(Self::from_secret)
    }

    /// As it is in its file by now; none when it is from no file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn again(&self) -> Option<Result<Self, KeyError>> {
        let path = self.path.as_deref()?;
        let opened = File::open(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        });
        Some(opened.and_then(|file| Self::load(path, file)))
    }

    /// Reads a key file that is there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::load(path, file)
    }

    /// Takes the place of this one in its file, which goes on to have this one behind it. The file has
    /// either at any moment. A link stays one: what it leads to is replaced.
    ///
    /// # Errors
    /// [`KeyError::Full`], [`KeyError::Create`].
    pub(crate) fn succeed(&self, path: &Path, next: &Self) -> Result<Self, KeyError> {
        let fail = |source| KeyError::Create {
            path: path.to_owned(),
            source,
        };
        let mut previous = vec![self.octets.clone()];
        previous.extend(self.previous.iter().cloned());
        if previous.len() >= KEYS {
            return Err(KeyError::Full {
                path: path.to_owned(),
            });
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(KEYS * KEY_OCTETS));
        for key in std::iter::once(&next.octets).chain(&previous) {
            octets.extend_from_slice(key.expose());
        }
        let behind = std::fs::canonicalize(path).map_err(fail)?;
        let owner = std::fs::metadata(&behind).map_err(fail)?;
        let aside = aside(&behind).map_err(fail)?;
        let put = write_aside(&aside, &octets).and_then(|()| {
            // Whoever it is that runs this, the control plane must be able to read it.
            std::os::unix::fs::chown(&aside, Some(owner.uid()), Some(owner.gid()))?;
            std::fs::rename(&aside, &behind)
        });
        if put.is_err() {
            drop(std::fs::remove_file(&aside));
        }
        put.and_then(|()| sync_folder(&behind)).map_err(fail)?;
        Ok(Self {
            octets: next.octets.clone(),
            previous,
            path: Some(path.to_owned()),
        })
    }

    /// Reads the key file; makes one of mode 0600 when there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(KeyError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the key of a control plane's data folder; makes one when there is none yet. This is
    /// the one to call for what a control plane will run with.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when the folder has a database and no key file: a new key would open
    /// nothing of it. Else those of [`Self::load_or_create`].
    pub fn for_data_dir(data_dir: &Path) -> Result<Self, KeyError> {
        let path = key_file(data_dir);
        if database_file(data_dir).exists() && !path.exists() {
            return Err(KeyError::Missing { path });
        }
        Self::load_or_create(&path)
    }

    fn load(path: &Path, mut file: File) -> Result<Self, KeyError> {
        let fail = |source| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        let found = file.metadata().map_err(fail)?;
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let wrong = || KeyError::Length {
            path: path.to_owned(),
            octets: found.size(),
        };
        let length = usize::try_from(found.size()).unwrap_or(usize::MAX);
        if length == 0 || length % KEY_OCTETS != 0 || length > KEYS * KEY_OCTETS {
            return Err(wrong());
        }
        let mut octets = Zeroizing::new(vec![0; length]);
        file.read_exact(&mut octets).map_err(fail)?;
        let (keys, _) = octets.as_chunks::<KEY_OCTETS>();
        let mut keys = keys.iter().map(|key| Secret::new(*key));
        let mut key = Self::from_secret(keys.next().ok_or_else(wrong)?);
        key.previous = keys.collect();
        key.path = Some(path.to_owned());
        Ok(key)
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::Create {
            path: path.to_owned(),
            source,
        };
        let mut octets = Zeroizing::new([0; KEY_OCTETS]);
        getrandom::fill(octets.as_mut_slice())
            .map_err(|_| fail(io::Error::other("the system gives no random octets")))?;
        let aside = aside(path).map_err(fail)?;
        let linked = write_aside(&aside, octets.as_slice()).and_then(|()| {
            // Unlike a rename this leaves a key alone that somebody made meanwhile.
            std::fs::hard_link(&aside, path)
        });
        // Nobody reads it under this name; one that stays is in nobody's way.
        drop(std::fs::remove_file(&aside));
        match linked {
            Ok(()) => {
                sync_folder(path).map_err(fail)?;
                let mut key = Self::new(*octets);
                key.path = Some(path.to_owned());
                Ok(key)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::load(path, File::open(path).map_err(fail)?)
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// A key for one purpose and number, from which this one cannot be found.
    pub(crate) fn derive(&self, purpose: &[u8], number: u64) -> Secret<[u8; KEY_OCTETS]> {
        let keyed = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.octets.expose());
        let mut context = ring::hmac::Context::with_key(&keyed);
        context.update(purpose);
        context.update(&number.to_be_bytes());
        let mut derived = [0; KEY_OCTETS];
        for (to, from) in derived.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Secret::new(derived)
    }

    /// Seals a value for one place.
    ///
    /// # Errors
    /// [`SealError::Random`] when the system has no random octets, [`SealError::TooLong`].
    pub(crate) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_OCTETS];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let payload = Payload {
            msg: value,
            aad: &place.bound(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::TooLong)?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// Opens a value that was sealed for the same place.
    ///
    /// # Errors
    /// [`SealError::Version`] and [`SealError::Refused`].
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Refused)?;
        if version != VERSION {
            return Err(SealError::Version { version });
        }
        let (nonce, msg) = rest
            .split_first_chunk::<NONCE_OCTETS>()
            .ok_or(SealError::Refused)?;
        let payload = Payload {
            msg,
            aad: &place.bound(),
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Refused)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.octets.expose().into())
    }
}

/// A name beside it that nobody has.
fn aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = [0; 8];
    getrandom::fill(&mut number)
        .map_err(|_| io::Error::other("the system gives no random octets"))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{:016x}", u64::from_ne_bytes(number)));
    Ok(path.with_file_name(name))
}

/// Keeps the names in its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn write_aside(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// Where a sealed value is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The table.
    pub(crate) table: &'a str,
    /// The column.
    pub(crate) column: &'a str,
    /// The row's key.
    pub(crate) row: &'a str,
}

impl Place<'_> {
    /// No name of a table or column holds a zero octet, so that two places never look alike.
    fn bound(&self) -> Vec<u8> {
        [DOMAIN, self.table, self.column, self.row]
            .join("\0")
            .into_bytes()
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The system has no random octets.
    #[error("the system gives no random octets")]
    Random,
    /// The value is longer than the cipher takes (256 GiB).
    #[error("the value is too long to be sealed")]
    TooLong,
    /// It was sealed by a newer program.
    #[error("sealed in version {version}, which is not known here")]
    Version {
        /// The version it names.
        version: u8,
    },
    /// It is under a data key that this process has not.
    #[error(
        "sealed under data key {number}, which is not known here; if the master key was rotated on \
         another machine, copy its key file here"
    )]
    Unknown {
        /// The data key.
        number: u32,
    },
    /// It was sealed with another key or for another place, or it was changed.
    #[error("sealed with another key or for another place, or changed since")]
    Refused,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot read the key file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It cannot be made.
    #[error("cannot make the key file {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not there, though there is a database that was made with it.
    #[error(
        "the key file {} is missing, and the database needs it; put it back from a backup",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read it.
    #[error(
        "the key file {} has mode {mode:04o} and others may read it; run: chmod 600 {}",
        path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no key.
    #[error(
        "the key file {} has {octets} octets instead of {KEY_OCTETS} for each key; put the right one \
         back from a backup",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        octets: u64,
    },
    /// It was rotated too often.
    #[error(
        "the key file {} holds {KEYS} keys, and has no room for another", path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
}

const DOMAIN: &str = "countersign controlplane";
const VERSION: u8 = 1;
const KEY_OCTETS: usize = 32;
const NONCE_OCTETS: usize = 24;
/// The most keys in a key file: the master key, and those before it.
const KEYS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PLACE: Place<'_> = Place {
        table: "revisions",
        column: "snapshot",
        row: "7",
    };

    #[test]
    fn opens_what_was_sealed_for_the_same_place_only() {
        let key = Key::new([1; KEY_OCTETS]);
        let sealed = key.seal(&PLACE, b"value").unwrap();
        assert_eq!(key.open(&PLACE, &sealed).unwrap().as_slice(), b"value");
        assert_ne!(
            sealed,
            key.seal(&PLACE, b"value").unwrap(),
            "a fresh nonce each time"
        );
        for (name, key, place) in [
            ("key", Key::new([2; KEY_OCTETS]), PLACE),
            ("row", key.clone(), Place { row: "8", ..PLACE }),
            (
                "column",
                key.clone(),
                Place {
                    column: "source",
                    ..PLACE
                },
            ),
        ] {
            assert_eq!(
                key.open(&place, &sealed).unwrap_err(),
                SealError::Refused,
                "another {name}"
            );
        }
    }

    #[test]
    fn any_changed_octet_is_refused() {
        let key = Key::new([1; KEY_OCTETS]);
        let sealed = key.seal(&PLACE, b"value").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 0x80;
            assert!(key.open(&PLACE, &changed).is_err(), "octet {index}");
            assert!(
                key.open(&PLACE, &sealed[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.key");
        let made = Key::load_or_create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = Key::load_or_create(&path).unwrap();
        let sealed = made.seal(&PLACE, b"value").unwrap();
        assert_eq!(read.open(&PLACE, &sealed).unwrap().as_slice(), b"value");
    }

    #[test]
    fn a_key_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.key");
        // Whoever looks at the name sees nothing or all of it, and all get the same key.
        let keys: Vec<Key> = std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Key::load_or_create(&path).unwrap()))
                .collect();
            tasks.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let sealed = keys[0].seal(&PLACE, b"value").unwrap();
        for key in &keys {
            assert_eq!(key.open(&PLACE, &sealed).unwrap().as_slice(), b"value");
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
    }

    #[test]
    fn no_key_is_made_beside_a_database() {
        let folder = tempfile::tempdir().unwrap();
        drop(Key::for_data_dir(folder.path()).unwrap());
        let key = key_file(folder.path());
        assert!(key.exists(), "made in a new folder");
        std::fs::write(database_file(folder.path()), "").unwrap();
        Key::for_data_dir(folder.path()).unwrap();
        std::fs::remove_file(&key).unwrap();
        let refused = Key::for_data_dir(folder.path());
        assert!(matches!(refused, Err(KeyError::Missing { .. })));
        assert!(!key.exists());
    }

    #[test]
    fn a_rotation_replaces_what_a_link_leads_to_and_leaves_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let (there, path) = (kept.join("the.key"), folder.path().join("controlplane.key"));
        let before = Key::load_or_create(&there).unwrap();
        std::os::unix::fs::symlink("kept/the.key", &path).unwrap();
        let next = Key::new([7; KEY_OCTETS]);
        Key::read(&path).unwrap().succeed(&path, &next).unwrap();
        assert!(path.symlink_metadata().unwrap().is_symlink());
        let octets = std::fs::read(&there).unwrap();
        assert_eq!(octets, [*next.octets(), *before.octets()].concat());
        let left = std::fs::read_dir(&kept).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_file_that_others_read_or_that_is_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.key");
        drop(Key::load_or_create(&path).unwrap());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Key::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("run: chmod 600"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(
            Key::load_or_create(&path),
            Err(KeyError::Length { octets: 31, .. })
        ));
    }
}

//! What a node keeps of its joining: one file, so that key and certificate change together.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::id::NodeId;
use proto::secret::{Secret, on_the_wire};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{JoinError, address_of};

/// A control plane that was joined, and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptJoin {
    /// Where it is: `https://HOST:PORT`.
    pub url: String,
    /// This node's name there.
    pub node: NodeId,
    /// PEM text of this node's certificate.
    pub certificate: String,
    /// PEM text of the authority that signed it and the control plane's.
    pub authority: String,
    /// PEM text of this node's key.
    #[serde(with = "on_the_wire")]
    pub(crate) key: Secret<String>,
}

impl KeptJoin {
    /// What a data plane's folder has of its joining; none when it never joined.
    ///
    /// # Errors
    /// [`JoinError`] when it cannot be read, or others can read it.
    pub fn load(folder: &Path) -> Result<Option<Self>, JoinError> {
        let path = path_in(folder);
        let fail = |source| JoinError::File {
            path: path_in(folder),
            source,
        };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(fail)?,
        };
        if file.metadata().map_err(fail)?.mode() & 0o077 != 0 {
            return Err(JoinError::FileIsOpen { path });
        }
        let mut octets = Zeroizing::new(Vec::new());
        file.take(OCTETS).read_to_end(&mut octets).map_err(fail)?;
        serde_json::from_slice(&octets)
            .map(Some)
            .map_err(|_| JoinError::Unreadable { path })
    }

    /// The same control plane at another address; that it is the same is proven by its authority.
    ///
    /// # Errors
    /// [`JoinError::Url`] when that is no `https://HOST:PORT`.
    pub fn at(self, url: &str) -> Result<Self, JoinError> {
        address_of(url)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, ..self })
    }

    /// Whether the folder still has this one.
    ///
    /// # Errors
    /// [`JoinError::Replaced`] when it has another or none; that it cannot be read.
    pub(crate) fn is_kept(&self, folder: &Path) -> Result<(), JoinError> {
        match Self::load(folder)? {
            Some(kept) if kept.certificate == self.certificate => Ok(()),
            _ => Err(JoinError::Replaced),
        }
    }

    /// Keeps it in place of the one before, if that is what is there still.
    ///
    /// # Errors
    /// As [`KeptJoin::is_kept`], and that it cannot be written.
    pub(crate) fn store_over(&self, before: &Self, folder: &Path) -> Result<(), JoinError> {
        before.is_kept(folder)?;
        self.store(folder)
    }

    /// Keeps it: whole or not at all.
    pub(crate) fn store(&self, folder: &Path) -> Result<(), JoinError> {
        let path = path_in(folder);
        let fail = |source| JoinError::File {
            path: path_in(folder),
            source,
        };
        let octets = serde_json::to_vec(self).map_err(|_| JoinError::Answer)?;
        put(folder, &path, &Zeroizing::new(octets)).map_err(fail)
    }
}

/// Writes a file of the folder for this user alone: whole or not at all.
pub(super) fn put(folder: &Path, path: &Path, octets: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = fresh(folder, &aside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(folder)?.sync_all()
}

/// Whether something can be kept in the folder, which is made when there is none.
pub(super) fn try_folder(folder: &Path) -> Result<(), JoinError> {
    let aside = path_in(folder).with_extension("new");
    let tried = fresh(folder, &aside).and_then(|_| fs::remove_file(&aside));
    tried.map_err(|source| JoinError::File {
        path: aside,
        source,
    })
}

/// A file that was not there before, for this user alone.
fn fresh(folder: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // One that was left behind might have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("node.json")
}

const OCTETS: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_kept_for_this_user_alone_and_shows_no_key() {
        let held = tempfile::tempdir().unwrap();
        let folder = held.path().join("dataplane");
        assert!(KeptJoin::load(&folder).unwrap().is_none());
        let joined = KeptJoin {
            url: "https://cp.example.com:8403".to_owned(),
            node: NodeId::new("b").unwrap(),
            certificate: "certificate".to_owned(),
            authority: "authority".to_owned(),
            key: Secret::new("PLANTED".to_owned()),
        };
        joined.store(&folder).unwrap();
        joined.store(&folder).unwrap();
        let read = KeptJoin::load(&folder).unwrap().unwrap();
        assert_eq!(read.key.expose(), "PLANTED");
        assert!(!format!("{read:?}").contains("PLANTED"));
        // What joined again meanwhile is not written over.
        let renewed = KeptJoin {
            certificate: "renewed".to_owned(),
            ..joined.clone()
        };
        let again = KeptJoin {
            url: "https://other.example.com:8403".to_owned(),
            certificate: "another".to_owned(),
            ..joined.clone()
        };
        renewed.store_over(&joined, &folder).unwrap();
        again.store(&folder).unwrap();
        let late = joined.store_over(&renewed, &folder);
        assert!(matches!(late, Err(JoinError::Replaced)));
        let read = KeptJoin::load(&folder).unwrap().unwrap();
        assert_eq!(read.url, again.url);
        try_folder(&folder).unwrap();
        let path = path_in(&folder);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            KeptJoin::load(&folder),
            Err(JoinError::FileIsOpen { .. })
        ));
    }
}

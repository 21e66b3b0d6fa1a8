//! The key with which a node asks to join, kept until it has joined: should the answer be lost, a later
//! try, of another process too, asks with the same key, and the control plane answers that one again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::secret::Secret;
use zeroize::Zeroizing;

use super::file::put;
use super::{JoinError, tls};

/// The key that an earlier try left in the folder, as PEM text, and a request for it; else another is
/// made and kept there. One that is damaged, or that others could read, is made anew.
pub(super) fn key_and_request(folder: &Path) -> Result<(Secret<String>, String), JoinError> {
    let path = path_in(folder);
    let fail = |source| JoinError::File {
        path: path_in(folder),
        source,
    };
    if let Some(key) = read(&path).map_err(fail)?
        && let Ok(request) = tls::request_of(&key)
    {
        return Ok((key, request));
    }
    let (key, request) = tls::key_and_request()?;
    put(folder, &path, key.expose().as_bytes()).map_err(fail)?;
    Ok((key, request))
}

/// The node has joined. A key that stays for want of a good disk is the one in `node.json`.
pub(super) fn forget(folder: &Path) {
    let path = path_in(folder);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(
            path = %path.display(),
            error = &error as &dyn std::error::Error,
            "cannot remove the key that this node has joined with: remove it by hand, it is in \
             node.json"
        ),
        _ => {}
    }
}

fn read(path: &Path) -> io::Result<Option<Secret<String>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if file.metadata()?.mode() & 0o077 != 0 {
        return Ok(None);
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(OCTETS));
    let most = u64::try_from(OCTETS).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut octets)?;
    let text = std::str::from_utf8(&octets).ok();
    Ok(text.map(|text| Secret::new(text.to_owned())))
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("joining.key")
}

/// A key has about 240.
const OCTETS: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_the_same_until_it_is_forgotten_and_made_anew_when_it_is_no_good() {
        let held = tempfile::tempdir().unwrap();
        let folder = held.path().join("dataplane");
        let ask = || key_and_request(&folder).unwrap().0.expose().clone();
        let path = path_in(&folder);
        for (what, text, mode, same) in [
            ("as it was", None, 0o600, true),
            (
                "half",
                Some(&b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAM"[..]),
                0o600,
                false,
            ),
            ("empty", Some(b""), 0o600, false),
            ("no text", Some(b"\xff\xfe"), 0o600, false),
            ("open to others", None, 0o644, false),
        ] {
            let last = ask();
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = ask();
            assert_eq!(found == last, same, "{what}");
            assert_eq!(ask(), found, "{what}: it is kept");
            let mode = fs::metadata(&path).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{what}");
        }
        let last = ask();
        forget(&folder);
        forget(&folder);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert_ne!(ask(), last);
    }
}

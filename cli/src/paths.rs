//! Where a gateway keeps what: one folder, and short names for its sockets.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use proto::child::Role;

use crate::failure::Failure;

/// The folder of one installation.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    folder: PathBuf,
}

impl DataDir {
    /// The folder asked for, else the default. Nothing is made yet.
    pub(crate) fn new(asked: Option<PathBuf>) -> Result<Self, Failure> {
        let folder = asked.unwrap_or_else(|| {
            if Uid::effective().is_root() {
                PathBuf::from("/var/lib/countersign")
            } else {
                PathBuf::from("countersign-data")
            }
        });
        let folder = std::path::absolute(&folder).map_err(|error| {
            Failure::new(
                format!("cannot use the data folder {}", folder.display()),
                &error,
            )
        })?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// A role's own folder.
    pub(crate) fn of(&self, role: Role) -> PathBuf {
        self.folder.join(role.as_str())
    }

    /// A role's admin socket.
    pub(crate) fn socket(&self, role: Role) -> PathBuf {
        self.sockets().join(format!("{role}.sock"))
    }

    /// The supervisor's own admin socket.
    pub(crate) fn supervisor_socket(&self) -> PathBuf {
        self.sockets().join("supervisor.sock")
    }

    /// Where a role listens for the process that takes its place.
    pub(crate) fn handover_socket(&self, role: Role) -> PathBuf {
        let name = match role {
            Role::ControlPlane => "control.next",
            Role::DataPlane => "data.next",
            Role::SecondFactor => "factor.next",
        };
        self.sockets().join(name)
    }

    /// Where the gateway, or a role that runs by itself, is asked to make place for another program.
    pub(crate) fn upgrade_socket(&self, alone: Option<Role>) -> PathBuf {
        let name = match alone {
            None => "upgrade.sock",
            Some(Role::ControlPlane) => "ctl-upgrade.sock",
            Some(Role::DataPlane) => "data-upgrade.sock",
            Some(Role::SecondFactor) => "2fa-upgrade.sock",
        };
        self.sockets().join(name)
    }

    /// Where the control plane serves what the gateway's admin address hands on.
    pub(crate) fn api_socket(&self) -> PathBuf {
        self.sockets().join("api.sock")
    }

    /// The folder of the sockets: `run` below the data folder, or a short one elsewhere, since the
    /// path of a socket has at most 107 octets (unix(7)).
    pub(crate) fn sockets(&self) -> PathBuf {
        let run = self.folder.join("run");
        if run.as_os_str().len() <= SOCKET_FOLDER_OCTETS {
            return run;
        }
        let digest = ring::digest::digest(
            &ring::digest::SHA256,
            self.folder.as_os_str().as_encoded_bytes(),
        );
        let name: String = digest
            .as_ref()
            .iter()
            .take(8)
            .map(|octet| format!("{octet:02x}"))
            .collect();
        std::env::temp_dir().join(format!("countersign-{}-{name}", Uid::effective()))
    }

    /// A caller of a role's admin socket. Sockets that do not lie in the data folder must be in one
    /// of the same owner: it is to them that passwords are typed.
    pub(crate) fn client(&self, role: Role) -> Result<local::Client, Failure> {
        self.checked()?;
        Ok(local::Client::new(self.socket(role)))
    }

    /// A caller of the supervisor's admin socket.
    pub(crate) fn supervisor(&self) -> Result<local::Client, Failure> {
        self.checked()?;
        Ok(local::Client::new(self.supervisor_socket()))
    }

    /// A caller of who can be asked to make place: [`Self::upgrade_socket`].
    pub(crate) fn upgrade(&self, alone: Option<Role>) -> Result<local::Client, Failure> {
        self.checked()?;
        Ok(local::Client::new(self.upgrade_socket(alone)))
    }

    fn checked(&self) -> Result<(), Failure> {
        let sockets = self.sockets();
        if let (false, Ok(data)) = (sockets.starts_with(&self.folder), self.folder.metadata()) {
            let theirs = sockets.symlink_metadata();
            if theirs.is_ok_and(|found| !found.is_dir() || found.uid() != data.uid()) {
                return Err(Failure::plain(format!(
                    "{} does not belong to the owner of {}",
                    sockets.display(),
                    self.folder.display()
                )));
            }
        }
        Ok(())
    }

    /// Makes the folders, mode 0700, and refuses one of somebody else, and one that a restore was cut
    /// short in.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        self.refuse_half_restored()?;
        self.make_own()
    }

    /// Where a restore has what it did not put into its place yet.
    pub(crate) fn half_restored(&self) -> PathBuf {
        self.folder.join(".restore")
    }

    /// Fails while a restore goes on, or when one was cut short.
    pub(crate) fn refuse_half_restored(&self) -> Result<(), Failure> {
        match self.half_restored().symlink_metadata() {
            Err(_) => Ok(()),
            Ok(_) => Err(Failure::plain(format!(
                "a restore into {} goes on, or was cut short: run `countersign restore` again, with \
                 --replace",
                self.folder.display()
            ))),
        }
    }

    /// The folders alone.
    pub(crate) fn make_own(&self) -> Result<(), Failure> {
        for folder in [self.folder.clone(), self.sockets()] {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder);
            let path = folder.display();
            made.map_err(|error| {
                let text = format!("cannot make the folder {path}; name another with --data-dir");
                Failure::new(text, &error)
            })?;
            let unread = |error| Failure::new(format!("cannot look at the folder {path}"), &error);
            let found = folder.symlink_metadata().map_err(unread)?;
            if let Some(why) = not_ours(&found, Uid::effective(), &self.folder) {
                return Err(Failure::plain(format!(
                    "cannot use the folder {path}: {why}"
                )));
            }
        }
        Ok(())
    }
}

/// What is wrong with a folder, with the remedy: one that another user owns or may write to could be swapped
/// under our feet. Another user's default is another folder, so the remedy names this one.
fn not_ours(found: &Metadata, user: Uid, data: &Path) -> Option<String> {
    let owner = Uid::from_raw(found.uid());
    if !found.is_dir() {
        return Some("it is no folder; name another with --data-dir".to_owned());
    }
    if owner != user {
        let named = User::from_uid(owner).ok().flatten();
        let named = named.map_or_else(|| format!("#{owner}"), |named| named.name);
        // Root needs no sudo, which small systems do not have.
        let before = match user.is_root() {
            true => format!(
                "setpriv --reuid={owner} --regid={} --clear-groups",
                found.gid()
            ),
            false => format!("sudo -u {named}"),
        };
        return Some(format!(
            "it belongs to {named}; run this as that user (`{before} countersign … --data-dir {}`), or name \
             another folder with --data-dir",
            data.display()
        ));
    }
    (found.mode() & 0o022 != 0).then(|| {
        "others may write to it; run chmod go-w on it, or name another with --data-dir".to_owned()
    })
}

/// 107 octets, less the longest socket name and its slash.
const SOCKET_FOLDER_OCTETS: usize = 107 - "/controlplane.sock".len() - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_refused_with_who_may_use_it() {
        let folder = tempfile::tempdir().unwrap();
        let found = folder.path().metadata().unwrap();
        let owner = Uid::from_raw(found.uid());
        assert_eq!(not_ours(&found, owner, folder.path()), None);
        let other = Uid::from_raw(owner.as_raw() + 1);
        let why = not_ours(&found, other, folder.path()).unwrap();
        let name = User::from_uid(owner).unwrap().unwrap().name;
        assert!(
            why.contains(&format!("it belongs to {name}; run this as that user")),
            "{why}"
        );
        assert!(
            why.contains(&format!("sudo -u {name} countersign")),
            "{why}"
        );
        // As root, of a user without a name.
        let gone = std::os::unix::fs::chown(folder.path(), Some(54_321), Some(54_322));
        if Uid::effective().is_root() {
            gone.unwrap();
            let why = not_ours(
                &folder.path().metadata().unwrap(),
                Uid::from_raw(0),
                folder.path(),
            )
            .unwrap();
            assert!(why.contains("belongs to #54321"), "{why}");
            assert!(why.contains("setpriv --reuid=54321 --regid=54322"), "{why}");
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let why = not_ours(&file.metadata().unwrap(), owner, folder.path()).unwrap();
        assert!(why.contains("no folder"), "{why}");
    }

    #[test]
    fn sockets_fit_however_long_the_folder_is() {
        let short = DataDir::new(Some("/srv/cs".into())).unwrap();
        assert_eq!(
            short.socket(Role::DataPlane),
            Path::new("/srv/cs/run/dataplane.sock")
        );
        let long = DataDir::new(Some(format!("/{}", "x".repeat(200)).into())).unwrap();
        let other = DataDir::new(Some(format!("/{}", "y".repeat(200)).into())).unwrap();
        assert!(long.socket(Role::ControlPlane).as_os_str().len() < 108);
        assert_ne!(long.sockets(), other.sockets());
    }
}

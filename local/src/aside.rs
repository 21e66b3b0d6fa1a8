//! A socket that is bound beside the place that it is to have, so that all that can fail comes before
//! whoever has that place is asked to leave it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::serve::file_at;
use crate::{Listener, ServeError};

/// Bound, mode 0600, and not in its place yet. What is not put there is removed.
#[derive(Debug)]
pub struct Aside {
    inner: UnixListener,
    name: Name,
    path: PathBuf,
}

/// Of the socket file, until it has its place.
#[derive(Debug)]
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // Gone, where it has its place.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Aside {
    /// Binds it beside `path`, whatever is there.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind(path: &Path) -> Result<Self, ServeError> {
        let fail = |source| ServeError::Bind {
            path: path.to_owned(),
            source,
        };
        let aside = path.with_extension("new");
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let inner = UnixListener::bind(&aside).map_err(fail)?;
        let name = Name(aside);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&name.0, mode).map_err(fail)?;
        Ok(Self {
            inner,
            name,
            path: path.to_owned(),
        })
    }

    /// Puts it into its place: who calls from now on reaches it. It is too late to fail then: where the
    /// file cannot have its name, that is told in the log, and nobody calls.
    #[must_use]
    pub fn put(self) -> UnixListener {
        if let Err(error) = self.placed() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                path = %self.path.display(),
                "the socket cannot have its place, and is not reached: restart the program"
            );
        }
        self.inner
    }

    /// The same, as a server.
    #[must_use]
    pub fn put_listener(self) -> Listener {
        let path = self.path.clone();
        Listener::of(self.put(), path)
    }

    pub(crate) fn placed(&self) -> io::Result<()> {
        std::fs::rename(&self.name.0, &self.path)
    }

    pub(crate) fn into_inner(self) -> UnixListener {
        self.inner
    }
}

/// The file of a socket that is served.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl SocketFile {
    pub(crate) const fn new(path: PathBuf, file: Option<(u64, u64)>) -> Self {
        Self { path, file }
    }

    /// Removes it, unless another has its place. Not while another process may put its own there: that
    /// one could be removed instead.
    pub fn remove(self) {
        if self.file.is_some() && file_at(&self.path) == self.file {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

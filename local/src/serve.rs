//! The server's side: mode 0600, and the peer's user checked on every connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use nix::unistd::Uid;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::aside::{Aside, SocketFile};

/// Serves a router on a Unix socket until the token is cancelled, then finishes running requests.
///
/// A socket file that nobody answers on is replaced; one that somebody serves is an error. The
/// parent folder must exist.
///
/// # Errors
/// [`ServeError`] when the socket cannot be made; later faults of single connections are logged.
pub async fn serve(
    path: &Path,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    Listener::bind(path).await?.serve(router, shutdown).await;
    Ok(())
}

/// A socket that is bound already, so that its maker can say "ready" before it serves.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    path: PathBuf,
    /// The socket file: another process may have put its own there since.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Binds a socket of mode 0600.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(path: &Path) -> Result<Self, ServeError> {
        let fail = |source| ServeError::Bind {
            path: path.to_owned(),
            source,
        };
        match tokio::fs::symlink_metadata(path).await {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ServeError::NotASocket {
                    path: path.to_owned(),
                });
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(ServeError::Taken {
                    path: path.to_owned(),
                });
            }
            Ok(_) => tokio::fs::remove_file(path).await.map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        let inner = UnixListener::bind(path).map_err(fail)?;
        tokio::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .await
            .map_err(fail)?;
        Ok(Self {
            inner,
            path: path.to_owned(),
            file: file_at(path),
        })
    }

    /// Binds in the place of a process that serves there still, and is about to stop: whoever calls
    /// reaches the one or the other.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind_over(path: &Path) -> Result<Self, ServeError> {
        Ok(Self::of(listen_over(path)?, path.to_owned()))
    }

    /// What is bound there.
    pub(crate) fn of(inner: UnixListener, path: PathBuf) -> Self {
        let file = file_at(&path);
        Self { inner, path, file }
    }

    /// Leaves the socket file to the caller: at the end of [`Listener::serve`] it stays.
    pub fn take_file(&mut self) -> SocketFile {
        SocketFile::new(self.path.clone(), self.file.take())
    }

    /// Goes on with what another process listened on at this path.
    ///
    /// # Errors
    /// When it is no socket of this kind.
    pub fn inherited(socket: OwnedFd, path: &Path) -> io::Result<Self> {
        Ok(Self {
            inner: inherited(socket)?,
            path: path.to_owned(),
            file: file_at(path),
        })
    }

    /// The socket once more, for another process to go on with.
    ///
    /// # Errors
    /// Those of the system.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        self.inner.as_fd().try_clone_to_owned()
    }

    /// Serves until the token is cancelled; removes the socket file at the end.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let (path, file) = (self.path, self.file);
        answer(self.inner, router, shutdown).await;
        remove(&path, file).await;
    }

    /// Serves until the token is cancelled, and may do so again: who connects meanwhile waits, for
    /// this process or for one that has the socket as well.
    ///
    /// # Errors
    /// Those of the system; nothing was served.
    pub async fn serve_for_now(&self, router: Router, until: CancellationToken) -> io::Result<()> {
        answer(inherited(self.copy()?)?, router, until).await;
        Ok(())
    }

    /// Removes the socket file, after the last of it was served.
    pub async fn remove_file(&self) {
        remove(&self.path, self.file).await;
    }
}

async fn answer(inner: UnixListener, router: Router, until: CancellationToken) {
    let served = axum::serve(SameUser(inner), router)
        .with_graceful_shutdown(until.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "local socket failed"
        );
    }
}

/// Removes a socket file, unless another process has put its own there.
async fn remove(path: &Path, file: Option<(u64, u64)>) {
    if file.is_some() && file_at(path) == file {
        drop(tokio::fs::remove_file(path).await);
    }
}

/// Listens on what another process listened on.
///
/// # Errors
/// When it is no Unix socket.
pub fn inherited(socket: OwnedFd) -> io::Result<UnixListener> {
    let socket = std::os::unix::net::UnixListener::from(socket);
    // Fails for a socket of another kind.
    socket.local_addr()?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}

/// Listens on a socket of mode 0600 in the place of whatever was there.
///
/// # Errors
/// [`ServeError`].
pub fn listen_over(path: &Path) -> Result<UnixListener, ServeError> {
    let aside = Aside::bind(path)?;
    aside.placed().map_err(|source| ServeError::Bind {
        path: path.to_owned(),
        source,
    })?;
    Ok(aside.into_inner())
}

/// Whether the other end is this user's, or root's.
#[must_use]
pub fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| may_talk(peer.uid()))
}

pub(crate) fn file_at(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Accepts connections of this user and of root only.
struct SameUser(UnixListener);

impl axum::serve::Listener for SameUser {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
            match stream.peer_cred() {
                Ok(peer) if may_talk(peer.uid()) => return (stream, address),
                Ok(peer) => {
                    tracing::warn!(uid = peer.uid(), "local connection of another user refused")
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "local connection of an unknown user refused"
                ),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn may_talk(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// Why a local socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process serves it.
    #[error("{} is served by another process; stop that one first", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands at its path.
    #[error("{} exists and is no socket; move it away", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot serve on {}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}

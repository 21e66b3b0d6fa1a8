//! The new process's end: it asks for the sockets, takes in what waits, serves, and tells the old one
//! how those pushes end for which somebody waits there.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::Arc;

use local::fds;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::wire::{self, Frame, PROTOCOL};
use super::{AWAY, Files, OFFERS, Sockets, TAKES};
use crate::RunError;
use crate::push::{Exported, TOLD, Txid};
use crate::service::Service;
use crate::store::Store;
use crate::verdict::Verdict;

/// What the old process offered. It serves still.
pub(crate) struct Taken {
    stream: UnixStream,
    pub(crate) address: SocketAddr,
    files: Files,
}

/// What the old process had in memory. It waits.
pub(crate) struct Hearing {
    stream: UnixStream,
    limit: Instant,
    exported: Exported,
}

/// What is left to do with the old process after it was taken over from.
pub(crate) struct Following {
    stream: UnixStream,
    queue: mpsc::Receiver<(Txid, Verdict)>,
}

/// Asks the process that serves. None when there is none.
///
/// # Errors
/// It is another user's, another version's, or says what cannot be understood.
pub(crate) async fn ask(path: &Path) -> Result<Option<Taken>, TakeError> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if !local::is_ours(&stream) {
        return Err(TakeError::Foreign);
    }
    let asked = async {
        let Frame::Offer(offer) = wire::read(&mut stream).await? else {
            return Err(TakeError::Unexpected);
        };
        if offer.protocol != PROTOCOL {
            return Err(TakeError::Version(offer.version));
        }
        let files = Files {
            https: fds::receive(&stream).await?,
            admin: fds::receive(&stream).await?,
            handover: fds::receive(&stream).await?,
        };
        Ok((offer.address, files))
    };
    let (address, files) = timeout(OFFERS, asked)
        .await
        .map_err(|_| TakeError::Io(io::ErrorKind::TimedOut.into()))??;
    Ok(Some(Taken {
        stream,
        address,
        files,
    }))
}

impl Taken {
    /// Refuses what was to listen elsewhere.
    ///
    /// # Errors
    /// [`TakeError::Elsewhere`].
    pub(crate) fn at(self, wanted: SocketAddr) -> Result<Self, TakeError> {
        let same = wanted == self.address || (wanted.ip(), 0) == (self.address.ip(), wanted.port());
        match same {
            true => Ok(self),
            false => Err(TakeError::Elsewhere {
                wanted,
                served: self.address,
            }),
        }
    }

    /// Makes the sockets ready for use, and asks for what waits. From here on nobody serves, until
    /// [`Hearing::serves`], or until this process or its connection ends.
    ///
    /// # Errors
    /// The old process serves on.
    pub(crate) async fn take(self, admin_path: &Path) -> Result<(Sockets, Hearing), TakeError> {
        let Self {
            mut stream, files, ..
        } = self;
        let https = StdListener::from(files.https);
        https.local_addr()?;
        https.set_nonblocking(true)?;
        let sockets = Sockets {
            https: Arc::new(TcpListener::from_std(https)?),
            admin: Arc::new(local::Listener::inherited(files.admin, admin_path)?),
            handover: Some(Arc::new(local::inherited(files.handover)?)),
        };
        let limit = Instant::now() + TAKES;
        let mut exported = Exported::default();
        let heard = async {
            wire::write(&mut stream, [Frame::Take]).await?;
            let mut from = tokio::io::BufReader::new(&mut stream);
            loop {
                // No more than a process can have is taken in; see `serves`.
                match wire::read(&mut from).await? {
                    Frame::Waits(one) if exported.waiting.len() <= TOLD => {
                        exported.waiting.push(*one);
                    }
                    Frame::Ended(one) if exported.ended.len() <= TOLD => exported.ended.push(one),
                    Frame::Complete => return Ok(()),
                    _ => return Err(TakeError::Unexpected),
                }
            }
        };
        timeout_at(limit, heard)
            .await
            .map_err(|_| TakeError::Late)??;
        let hearing = Hearing {
            stream,
            limit,
            exported,
        };
        Ok((sockets, hearing))
    }
}

impl Hearing {
    /// Brings the database's schema up to date: nobody writes to it now.
    ///
    /// # Errors
    /// [`RunError`]; the old process serves on. That it waits has its end, and after it nothing may be
    /// changed.
    pub(crate) async fn migrate(&self, store: &Store) -> Result<(), RunError> {
        let migrated = timeout_at(self.limit, store.migrate()).await;
        if !matches!(migrated, Ok(Ok(()))) {
            // What was begun is undone before the old process hears that this one ends.
            drop(timeout(AWAY - TAKES, store.close()).await);
        }
        Ok(migrated.map_err(|_| TakeError::Schema)??)
    }

    /// Takes over.
    ///
    /// # Errors
    /// The old process serves on.
    pub(crate) async fn serves(self, service: &Service) -> Result<Following, TakeError> {
        let Self {
            mut stream,
            limit,
            exported,
        } = self;
        let (waiting, ended) = (exported.waiting.len(), exported.ended.len());
        let (told, queue) = mpsc::channel(TOLD);
        if !service.pushes.take_in(exported, Instant::now(), told) {
            return Err(TakeError::Unexpected);
        }
        // It says nothing before it was told that this one serves.
        match timeout_at(limit, wire::write(&mut stream, [Frame::Serving])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if Instant::now() < limit => return Err(error.into()),
            Ok(Err(_)) | Err(_) => return Err(TakeError::Late),
        }
        tracing::info!(waiting, ended, "took over from the old process");
        Ok(Following { stream, queue })
    }
}

impl Following {
    /// Tells the old process how pushes end, until it has ended.
    pub(crate) async fn run(self, service: &Service) {
        let Self { stream, mut queue } = self;
        let (mut read, mut write) = stream.into_split();
        let telling = async {
            let mut ends = Vec::new();
            while queue.recv_many(&mut ends, AT_ONCE).await > 0 {
                let told = ends.drain(..);
                let frames = told.map(|(txid, verdict)| Frame::Told { txid, verdict });
                wire::write(&mut write, frames).await?;
            }
            std::future::pending::<io::Result<()>>().await
        };
        let ended = tokio::select! {
            ended = telling => ended,
            // It has nothing more to say.
            frame = wire::read(&mut read) => match frame {
                Ok(_) => Err(io::ErrorKind::InvalidData.into()),
                Err(error) => Err(error),
            },
        };
        service.pushes.forget_predecessor();
        match ended {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the old process is no longer heard of"
            ),
            _ => tracing::info!("the old process has ended"),
        }
    }
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The other process is of somebody else.
    #[error("the program that serves is another user's")]
    Foreign,
    /// It speaks another version.
    #[error(
        "the program that serves, version {0}, hands over in a way that this one does not know; \
         restart it"
    )]
    Version(String),
    /// It listens elsewhere than this one was to.
    #[error(
        "the program that serves listens on {served}, and this one was to listen on {wanted}; \
         restart it for another address"
    )]
    Elsewhere {
        /// What this one was started with.
        wanted: SocketAddr,
        /// What the other one listens on.
        served: SocketAddr,
    },
    /// The database is not what this program needs soon enough.
    #[error(
        "the database's schema could not be changed within {} s, and is as it was; restart the \
         second factor for it",
        TAKES.as_secs()
    )]
    Schema,
    /// It took too long, while nobody served.
    #[error(
        "it took longer than {} s, in which nobody is served; the program that serves goes on; \
         try it again when this machine has less to do, or restart the second factor",
        TAKES.as_secs()
    )]
    Late,
    /// It said what was not its turn.
    #[error("the program that serves said what is not understood")]
    Unexpected,
    /// The socket failed, or the other process ended.
    #[error("the program that serves did not hand over")]
    Io(#[from] io::Error),
}

const AT_ONCE: usize = 256;

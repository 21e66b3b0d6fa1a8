//! The old process's end: it offers its sockets, lets nothing change, tells what waits, and answers
//! those who hold a connection open.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use local::fds;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::wire::{self, Frame, Offer, PROTOCOL};
use super::{AWAY, PREPARES, QUIET, Sockets};
use crate::service::Service;
use crate::store::StoreError;
use crate::verdict::Verdict;

/// A process that was taken over from.
pub(crate) struct Given(UnixStream);

/// Waits until another process has taken over; none when the shutdown comes first. What comes in
/// between is only told in the log.
///
/// # Errors
/// [`StoreError`]: nobody took over, and the database is not this program's any more.
pub(crate) async fn given(
    service: &Arc<Service>,
    sockets: &Sockets,
) -> Result<Option<Given>, StoreError> {
    let Some(handover) = &sockets.handover else {
        service.shutdown.cancelled().await;
        return Ok(None);
    };
    loop {
        let accepted = tokio::select! {
            () = service.shutdown.cancelled() => return Ok(None),
            accepted = handover.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a program that would take over could not be let in"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !local::is_ours(&stream) {
            tracing::warn!("a program of another user would take over: refused");
            continue;
        }
        let given = tokio::select! {
            () = service.shutdown.cancelled() => return Ok(None),
            given = give(service, sockets, stream) => given,
        };
        let error = match given {
            Ok(given) => return Ok(Some(given)),
            Err(error) => error,
        };
        // Where it is busy it is nobody else's.
        if let Err(error @ StoreError::Newer { .. }) = service.store.known().await {
            return Err(error);
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the program that would take over did not; this one serves on"
        );
    }
}

async fn give(
    service: &Arc<Service>,
    sockets: &Sockets,
    mut stream: UnixStream,
) -> io::Result<Given> {
    let offer = Offer {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: sockets.https.local_addr()?,
    };
    let admin = sockets.admin.copy()?;
    let offered = async {
        wire::write(&mut stream, [Frame::Offer(offer)]).await?;
        fds::send(&stream, sockets.https.as_fd()).await?;
        fds::send(&stream, admin.as_fd()).await?;
        if let Some(handover) = &sockets.handover {
            fds::send(&stream, handover.as_fd()).await?;
        }
        wire::read(&mut stream).await
    };
    match timeout(PREPARES, offered).await {
        Ok(Ok(Frame::Take)) => {}
        Ok(Ok(_)) => return Err(io::ErrorKind::InvalidData.into()),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    }
    let socket = stream.as_fd().try_clone_to_owned()?;
    let mut frozen = Frozen {
        service,
        thaws: true,
    };
    let until = Instant::now() + AWAY;
    service.gate.leave();
    if timeout(QUIET, service.traffic.quiet()).await.is_err() {
        tracing::warn!("connections did not end in time; what comes on them has to come again");
    }
    if timeout_at(until, service.gate.close()).await.is_err() {
        let why = format!(
            "changes that were under way did not end within {} s",
            AWAY.as_secs()
        );
        return Err(io::Error::new(io::ErrorKind::TimedOut, why));
    }
    let exported = service.pushes.export(Instant::now());
    let (waiting, ended) = (exported.waiting.len(), exported.ended.len());
    let state = exported
        .waiting
        .into_iter()
        .map(|one| Frame::Waits(Box::new(one)));
    let state = state.chain(exported.ended.into_iter().map(Frame::Ended));
    let taken = async {
        wire::write(&mut stream, state.chain([Frame::Complete])).await?;
        wire::read(&mut stream).await
    };
    match local::last_word(&socket, until, taken).await {
        Ok(Frame::Serving) => {
            frozen.thaws = false;
            service.gate.gone();
            tracing::info!(waiting, ended, "another program has taken over");
            Ok(Given(stream))
        }
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(_) if Instant::now() >= until => {
            let why = format!("it did not serve within {} s", AWAY.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
        Err(error) => Err(error),
    }
}

/// Nothing changes, until this is dropped.
struct Frozen<'a> {
    service: &'a Service,
    thaws: bool,
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.thaws {
            self.service.pushes.resume();
            self.service.gate.open();
        }
    }
}

impl Given {
    /// Answers who waits here as the new process says, until nobody does and the process before this one
    /// has ended (`alone`), which hears of it by this one; or until the shutdown. False when the new process is gone before.
    pub(crate) async fn run(mut self, service: &Service, alone: &CancellationToken) -> bool {
        let hearing = async {
            loop {
                match wire::read(&mut self.0).await? {
                    Frame::Told { txid, verdict } => {
                        service.pushes.told(txid, verdict, Instant::now());
                    }
                    _ => return Err::<(), _>(io::Error::from(io::ErrorKind::InvalidData)),
                }
            }
        };
        let released = async {
            service.traffic.released().await;
            alone.cancelled().await;
        };
        tokio::select! {
            () = released => true,
            () = service.shutdown.cancelled() => true,
            ended = hearing => {
                if let Err(error) = ended {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the program that took over is gone: who waits here for a person is told that \
                         nobody answered"
                    );
                }
                service.pushes.end_all(Verdict::Timeout, Instant::now(), |_| true);
                false
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(100);

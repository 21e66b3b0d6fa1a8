//! The data plane: answers RADIUS requests by a flow, a primary and a second factor. It owns
//! nothing that must outlive a restart, and needs no control plane to answer a login.
//!
//! Read first: [`flow`] (what decides), [`server`] (what performs the decisions) and
//! [`radius::Packet`] (what came in).

pub mod admin;
mod causes;
pub mod check;
pub mod clock;
mod control;
#[cfg(any(test, feature = "counting"))]
pub mod counting;
pub mod duo;
mod eap;
pub mod flow;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod joined;
pub mod metrics;
mod node;
pub mod primary;
mod primary_only;
pub mod radius;
mod random;
mod rustls_tunnel;
pub mod server;
pub mod settings;
#[cfg(test)]
mod simulation;
mod state;
pub mod supplicant;
mod term;

pub use crate::server::handover::TakeError;

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use proto::config::raw;

use crate::control::last_good::LastGood;
pub use crate::control::last_good::LastGoodError;
use crate::control::report::Reports;
use crate::duo::client::DuoClients;
use crate::metrics::Metrics;
use crate::node::{After, LAST_WORDS, Node};
use crate::server::eap::EapThreads;
use crate::server::handover;
use crate::server::interface::Interface;
use crate::server::threads::ReceiveThreads;
use crate::settings::Settings;
use crate::term::{Places, PlacesAside, Term, link};

/// Serves until `shutdown` is cancelled, then lets logins in flight finish within the grace period.
/// `ready` is called once the admin socket is bound; a configuration may still be on its way.
///
/// # Errors
/// [`RunError`] when it cannot start. Once it runs it serves on, whatever happens around it.
pub async fn run(
    settings: Settings,
    ready: impl FnOnce(),
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings.data_dir)
        .map_err(|source| RunError::DataDir {
            path: settings.data_dir.clone(),
            source,
        })?;
    let metrics = Metrics::new().map_err(RunError::Metrics)?;
    let (reports, queue) = Reports::new(Arc::clone(&metrics));
    let max_logins = settings.max_logins_in_flight;
    let shared = node::shared(
        settings.node.clone(),
        Arc::clone(&metrics),
        reports,
        max_logins,
        EapThreads::start(settings.eap_threads).map_err(RunError::Threads)?,
    )
    .map_err(|_| RunError::Random)?;
    let threads = ReceiveThreads::start(settings.receive_threads).map_err(RunError::Threads)?;
    let primary_parts = primary::Shared::with(TaskTracker::new(), metrics.primaries.clone());
    let second_factors = DuoClients::new(settings.max_connections);
    let interface = Interface::new(settings.interface);
    let node = Arc::new(Node::new(
        shared,
        interface,
        threads,
        second_factors,
        primary_parts,
        settings.applied,
    ));
    if settings.joined.is_some() {
        node.start.joined_in(settings.data_dir.clone());
    }
    // All that can fail comes before another process is asked to let go of its sockets.
    let (control, renewal) = link(&settings, settings.joined.clone())?;
    let taken = match settings.handover_socket.as_deref() {
        Some(path) if settings.take_over => handover::ask(path).await?,
        _ => None,
    };
    let (places, following) = match taken {
        None => (Places::bind(&settings).await?, None),
        Some(taken) => {
            let aside = PlacesAside::bind(&settings)?;
            let following = node.take_over(taken).await?;
            (aside.put(), Some(following))
        }
    };
    ready();
    let reporting = control::report::run(
        queue,
        settings.login_lines,
        settings.node.clone(),
        control.clone(),
        Arc::clone(&metrics),
        settings.handed_over.subscribe(),
    );
    let serving = async {
        let ended = CancellationToken::new();
        let terms = async {
            let mut term = Term {
                node: Arc::clone(&node),
                settings: &settings,
                checks: Arc::new(Semaphore::new(1)),
                places,
                control,
                renewal,
            };
            let left = loop {
                match term.serve(&shutdown).await {
                    (_, After::Ended(left)) => break left,
                    (served, After::TakenBack) => {
                        settings.handed_over.send_replace(false);
                        term = served.again(&shutdown).await;
                    }
                }
            };
            ended.cancel();
            if left > 0 {
                tracing::warn!(
                    left,
                    "logins were still waiting at the end of the grace period"
                );
            }
        };
        let following = async {
            if let Some(following) = following {
                let over = async {
                    ended.cancelled().await;
                    if shutdown.is_cancelled() {
                        // The process before has as long for its last logins.
                        tokio::time::sleep(settings.grace + LAST_WORDS).await;
                    }
                };
                tokio::select! {
                    () = following.run(node.shared(), &shutdown) => {}
                    () = over => {}
                }
            }
        };
        tokio::join!(terms, following);
        // The reports end when the last of their senders is gone, which the node holds.
        drop(node);
    };
    tokio::join!(serving, reporting);
    Ok(())
}

/// The configuration that a data plane with this folder would start from without its control plane; none
/// when it has none. It holds secrets. Reads files, and makes none.
///
/// # Errors
/// [`LastGoodError`].
pub fn last_good(folder: &Path) -> Result<Option<raw::Snapshot>, LastGoodError> {
    if !folder.join("node.key").exists() {
        return Ok(None);
    }
    LastGood::new(folder).load()
}

/// Why a data plane cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Its folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its admin socket cannot be made.
    #[error("the admin socket, or that of a handover, cannot be made")]
    Admin(#[from] local::ServeError),
    /// It was to take the place of another process, and did not.
    #[error("it cannot take over")]
    TakeOver(#[from] TakeError),
    /// What it joined with is no good.
    #[error("cannot speak to the control plane that this node joined")]
    Joined(#[from] joined::JoinError),
    /// The receive threads cannot be started.
    #[error("the receive threads cannot be started")]
    Threads(#[source] io::Error),
    /// The metrics contradict each other: a fault of ours.
    #[error("the metrics cannot be made")]
    Metrics(#[source] prometheus::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

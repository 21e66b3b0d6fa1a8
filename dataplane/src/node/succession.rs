//! A node's part in a handover between two of its processes: what it offers, and how it takes over.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::config::raw;
use proto::rpc::ConfigSource;
use tokio::sync::OwnedMutexGuard;

use super::{Node, Running};
use crate::causes::with_causes;
use crate::server::handover::{Estate, Following, TakeError, Taken, Taking};
use crate::server::served::Site;
use crate::server::sites::Place;

/// What is served, and stays so while this is held.
#[derive(Debug)]
pub(crate) struct Held {
    running: OwnedMutexGuard<Running>,
    raw: Option<Arc<raw::Snapshot>>,
    source: ConfigSource,
}

impl Estate for Held {
    fn snapshot(&self) -> (Option<raw::Snapshot>, ConfigSource) {
        (self.raw.as_deref().cloned(), self.source)
    }

    fn sites(&self) -> Vec<(Place, Arc<Site>)> {
        self.running.sites.all()
    }
}

impl Held {
    /// Closes the sockets here; the other process has them too.
    pub(super) fn stop_reading(&self) {
        self.running.sites.stop();
    }
}

impl Node {
    /// Applies nothing else while what this gives is held.
    pub(crate) async fn hold(&self) -> Held {
        let running = Arc::clone(&self.applying).lock_owned().await;
        let facts = self.facts();
        Held {
            running,
            raw: facts.raw.clone(),
            source: facts.source,
        }
    }

    /// Serves what another process of this node serves, in its place.
    ///
    /// # Errors
    /// [`TakeError`]: the other process serves on.
    pub(crate) async fn take_over(self: &Arc<Self>, taken: Taken) -> Result<Following, TakeError> {
        let (offer, sockets, taking) = taken.split();
        let shared = &self.shared;
        offer.keys_to(shared);
        self.set_primary_only(offer.grants);
        shared.draining.store(offer.draining, Ordering::Relaxed);
        shared.gate.close().await;
        self.applying.lock().await.sites.inherit(sockets);
        if let Some(snapshot) = offer.snapshot {
            let revision = snapshot.revision;
            let applied = self.apply(snapshot, offer.source).await;
            applied.map_err(|faults| TakeError::Refused(revision, faults.to_string()))?;
        }
        self.begin(taking).await
    }

    async fn begin(&self, taking: Taking) -> Result<Following, TakeError> {
        let sites: HashMap<SocketAddr, Arc<Site>> = {
            let mut running = self.applying.lock().await;
            running.sites.inherited(&self.shared, &self.threads)?
        };
        let following = taking.take(&self.shared, sites).await;
        if let Err(error) = &following {
            tracing::error!(why = with_causes(error), "nothing was taken over");
        }
        following
    }
}

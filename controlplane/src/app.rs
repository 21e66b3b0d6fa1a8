//! What the routes share, and what they ask of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::config::raw;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{
    AdminCertificateEnd, DatabaseHealth, EventCounts, LastLoad, NodeReport, Readiness, Reload,
    RevisionInfo, Status,
};
use crate::admin_tls::AdminCertificate;
use crate::api::based_on;
use crate::api::guesses::SignIns;
use crate::api::masked::{self, Fingerprints};
use crate::api::problem::{Kind, Problem};
use crate::api::setup::Setup;
use crate::clock::now_ms;
use crate::diff::Difference;
use crate::drafts::Drafts;
use crate::edit::{Change, Edit, Edited, Wanted, aside};
use crate::events::Events;
use crate::loader::Request;
use crate::metrics::{Metrics, Now};
use crate::node_link::{NodeAuthority, NodeAuthorityError};
use crate::nodes::Nodes;
use crate::overview::Overviews;
use crate::primary_only::PrimaryOnly;
use crate::provider::{Flows, Providers};
use crate::revisions::Watch;
use crate::seal::Key;
use crate::settings::Settings;
use crate::store::{AppliedDraft, DraftVersion, Store};

/// What the routes share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    /// What the admin addresses are served with, whoever holds them.
    pub(crate) admin_certificates: Vec<AdminCertificate>,
    pub(crate) store: Store,
    pub(crate) key: Key,
    pub(crate) fingerprints: Arc<Fingerprints>,
    pub(crate) drafts: Drafts,
    pub(crate) revisions: Watch,
    pub(crate) last_load: watch::Receiver<Option<LastLoad>>,
    pub(crate) reloads: mpsc::Sender<Request>,
    pub(crate) edits: mpsc::Sender<Edit>,
    pub(crate) nodes: Arc<Nodes>,
    /// Made at first use.
    pub(crate) node_authority: OnceCell<Arc<NodeAuthority>>,
    pub(crate) primary_only: Arc<PrimaryOnly>,
    pub(crate) events: Events,
    pub(crate) overviews: Overviews,
    pub(crate) metrics: Metrics,
    /// Whether the database is whole; none with a server.
    pub(crate) health: watch::Receiver<Option<DatabaseHealth>>,
    pub(crate) sign_ins: SignIns,
    /// Who writes the file that is the truth.
    pub(crate) file_writes: tokio::sync::Mutex<()>,
    /// Who has a file looked at now.
    pub(crate) file_looks: Arc<Semaphore>,
    /// The link for the first administrator; none when there was somebody at the start.
    pub(crate) setup: Option<Setup>,
    /// Ways of browsers to the provider and back.
    pub(crate) flows: Flows,
    pub(crate) providers: Providers,
    /// Held while the provider's settings are changed.
    pub(crate) provider_writes: tokio::sync::Mutex<()>,
    /// Who hashes a password now.
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) subscribers: Arc<Semaphore>,
    /// The same for nodes of this machine: those of others take none of these places.
    pub(crate) local_subscribers: Arc<Semaphore>,
    pub(crate) event_readers: Arc<Semaphore>,
    /// Who tries a login, or asks for a second factor, now.
    pub(crate) logins: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) started_ms: u64,
}

impl App {
    fn current(&self) -> Option<RevisionInfo> {
        let current = self.revisions.borrow();
        current.as_ref().map(|current| current.info.clone())
    }

    /// The newest configuration that is served; an empty one when there is none.
    pub(crate) fn newest(&self) -> Arc<raw::Snapshot> {
        let current = self.revisions.borrow();
        match &*current {
            Some(current) => Arc::clone(&current.snapshot),
            None => Arc::default(),
        }
    }

    /// Says in a masked document since when secrets are what they are.
    pub(crate) fn date(&self, document: &mut Value) {
        let current = self.revisions.borrow().clone();
        if let Some(current) = current {
            masked::date(document, &current.since);
        }
    }

    /// The authority of the nodes' certificates; made when there is none yet.
    pub(crate) async fn node_authority(&self) -> Result<Arc<NodeAuthority>, NodeAuthorityError> {
        let now = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
        let open = async || NodeAuthority::open(&self.store, now).await.map(Arc::new);
        self.node_authority.get_or_try_init(open).await.cloned()
    }

    /// How everything is.
    pub(crate) fn status(&self) -> Status {
        let (nodes, dropped_by_nodes) = self.nodes.list();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: now_ms().saturating_sub(self.started_ms) / 1_000,
            revision: self.current(),
            source: self
                .settings
                .source
                .as_ref()
                .map(|source| PathBuf::from(source.path())),
            last_load: self.last_load.borrow().clone(),
            primary_only: self.primary_only.list(now_ms()),
            nodes,
            events: EventCounts {
                stored: self.metrics.events_stored.get(),
                dropped: self.metrics.events_dropped.get(),
                dropped_by_nodes,
                reports_refused: self.metrics.reports_refused.get(),
            },
            database: self.health.borrow().clone(),
            admin_certificates: self
                .admin_certificates
                .iter()
                .map(|one| AdminCertificateEnd {
                    address: one.address.to_string(),
                    not_after: one.not_after,
                })
                .collect(),
        }
    }

    /// What is missing before logins can be served as the current revision says.
    pub(crate) fn readiness(&self) -> Readiness {
        let missing: Vec<String> = match self.current() {
            None => vec![self.why_no_revision()],
            Some(current) => match &self.settings.local_node {
                None => Vec::new(),
                Some(node) => not_serving(self.nodes.fetch(node).as_ref(), &current)
                    .map(|fault| format!("node {node} {fault}"))
                    .into_iter()
                    .collect(),
            },
        };
        Readiness {
            ready: missing.is_empty(),
            missing,
        }
    }

    fn why_no_revision(&self) -> String {
        let last = self.last_load.borrow();
        let faults = last.iter().flat_map(|last| &last.reload.diagnostics);
        match faults.last() {
            Some(fault) => format!("there is no revision yet: {fault}"),
            None => "there is no revision yet".to_owned(),
        }
    }

    /// The metrics in Prometheus' text form.
    pub(crate) async fn metrics(self: &Arc<Self>) -> Result<String, prometheus::Error> {
        // They are shown all the same when the store is away.
        let asked = tokio::time::timeout(STORE_LIMIT, self.store.list_certificates()).await;
        let node_certificates = asked.ok().and_then(Result::ok);
        let app = Arc::clone(self);
        let render = move || {
            let now = Now {
                current: app.current(),
                nodes: app.nodes.watched(),
                admin_certificates: &app.admin_certificates,
                node_certificates,
            };
            app.metrics.render(&now)
        };
        let rendered = tokio::task::spawn_blocking(render).await;
        rendered.unwrap_or_else(|error| Err(prometheus::Error::Msg(error.to_string())))
    }

    /// Has the configuration changed, and waits for what came of it.
    pub(crate) async fn edit(&self, change: Change, wanted: Wanted) -> Result<Edited, Problem> {
        self.edit_as(change, wanted, None).await
    }

    /// The same for a change that is a draft: it goes with the change, or stays as it is.
    pub(crate) async fn edit_as(
        &self,
        change: Change,
        wanted: Wanted,
        draft: Option<AppliedDraft>,
    ) -> Result<Edited, Problem> {
        let busy = || {
            Problem::new(
                Kind::Unavailable,
                "too many changes wait; try again in a moment",
            )
        };
        let (answer, outcome) = oneshot::channel();
        let edit = Edit {
            change: Arc::from(change),
            wanted,
            draft,
            answer,
        };
        self.edits.try_send(edit).map_err(|_| busy())?;
        outcome.await.map_err(|_| busy())?
    }

    /// What a change came to, as it is shown: on what it was based, and what it changes.
    pub(crate) async fn compared(
        &self,
        edited: &Edited,
        draft: Option<DraftVersion>,
    ) -> Result<(String, Vec<Difference>), Problem> {
        let (before, after) = (Arc::clone(&edited.before), Arc::clone(&edited.after));
        let prints = Arc::clone(&self.fingerprints);
        aside(move || {
            let based_on = based_on::tag(&before, draft, &prints)?;
            Ok((based_on, masked::changes(&before, &after, &prints)?))
        })
        .await
    }

    /// Has the file read again. None when too many wait for that already, or at the end.
    pub(crate) async fn reload(&self) -> Option<Reload> {
        let (request, answer) = oneshot::channel();
        self.reloads.try_send(request).ok()?;
        answer.await.ok()
    }
}

/// How long the metrics wait for the store.
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// Why a node does not serve a revision; none when it does.
fn not_serving(node: Option<&NodeReport>, current: &RevisionInfo) -> Option<String> {
    let number = current.number;
    let Some(node) = node else {
        return Some("never asked for its configuration".to_owned());
    };
    if !node.connected {
        return Some("is not connected".to_owned());
    }
    if node.applied == Some(number) {
        return None;
    }
    match &node.refused {
        Some(refused) if refused.revision == number => {
            Some(format!("refused revision {number}: {}", faults(refused)))
        }
        _ => Some(format!("did not apply revision {number} yet")),
    }
}

fn faults(refused: &crate::admin::Refusal) -> String {
    proto::config::Faults(refused.faults.clone()).to_string()
}

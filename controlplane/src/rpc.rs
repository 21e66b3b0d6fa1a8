//! The methods of `proto::rpc`, for data planes. Decides nothing: it reads, asks and answers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::StatusCode;
use proto::command::Finished;
use proto::id::NodeId;
use proto::join::{Joined, Renew};
use proto::rpc::{
    Acknowledge, EVENTS_PER_REPORT, Empty, MESSAGE_OCTETS, PROTOCOL_VERSION, ReportEvents,
    ReportStatus, RpcCode, RpcError, SERVICE, StateKeys, Subscribe, ToNode, UNDERSTANDS_COMMANDS,
    UNDERSTANDS_LOGINS, UNDERSTANDS_PRIMARY_ONLY,
};
use serde::de::DeserializeOwned;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock::now_ms;
use crate::events::Busy;
use crate::node_link::{self, NodePeer};
use crate::nodes::{Full, NodeError, Subscription, Understands};
use crate::primary_only;
use crate::revisions::Watch;
use crate::seal::Key;
use crate::state_keys;
use crate::store::StoreError;
use crate::stream::{self, Gone, Lines};

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(&format!("{SERVICE}/Subscribe"), post(subscribe))
        .route(&format!("{SERVICE}/Acknowledge"), post(acknowledge))
        .route(&format!("{SERVICE}/ReportEvents"), post(report_events))
        .route(&format!("{SERVICE}/ReportStatus"), post(report_status))
        .route(&format!("{SERVICE}/Finished"), post(finished))
        .route(&format!("{SERVICE}/Renew"), post(renew))
        .with_state(app)
}

async fn subscribe(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Response, Failure> {
    let asked: Subscribe = read(request, WORD_OCTETS).await?;
    let stays = app.nodes.stay().await;
    peer.speaks_for(&app, &asked.node).await?;
    if asked.protocol != PROTOCOL_VERSION {
        let message = format!(
            "node {} speaks protocol version {}, this control plane speaks {PROTOCOL_VERSION}",
            asked.node, asked.protocol
        );
        tracing::error!(node = %asked.node, version = asked.version, message, "node refused");
        return Err(Failure::new(RpcCode::FailedPrecondition, message));
    }
    let places = match &peer {
        NodePeer::Socket => &app.local_subscribers,
        NodePeer::Node(_) => &app.subscribers,
    };
    // A node that listens already leaves its place.
    app.nodes.cut(&asked.node);
    let place = Arc::clone(places);
    let place = tokio::time::timeout(LEAVING, place.acquire_owned()).await;
    let place = place
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| Failure::new(RpcCode::ResourceExhausted, "too many nodes listen already"))?;
    let knows = |word: &str| asked.understands.iter().any(|known| known == word);
    let understands = Understands {
        commands: knows(UNDERSTANDS_COMMANDS),
        logins: knows(UNDERSTANDS_LOGINS),
    };
    let address = peer.address();
    let subscription = app
        .nodes
        .subscribe(&asked.node, asked.serving, understands, address)?;
    drop(stays);
    let cut = subscription.cut();
    tracing::info!(
        node = %asked.node,
        version = asked.version,
        serving = asked.serving.map(|revision| revision.0),
        "node listens"
    );
    let (lines, response) = stream::open(place, stream::LINES);
    let heartbeat = stream::line(&ToNode::Heartbeat)
        .map_err(|error| Failure::new(RpcCode::Internal, error.to_string()))?;
    let primary_only = knows(UNDERSTANDS_PRIMARY_ONLY).then(|| app.primary_only.watch());
    if primary_only.is_none() {
        tracing::warn!(
            node = %asked.node,
            version = asked.version,
            "node knows no primary-only: it asks for the second factor whatever is granted"
        );
    }
    let feed = Feed {
        lines,
        key: app.store.lasting_key(),
        revisions: app.revisions.clone(),
        primary_only,
        heartbeat,
        every: app.settings.heartbeat,
        subscription,
    };
    let stop = app.stop.clone();
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        let node = asked.node;
        tokio::select! {
            Gone = feed.run() => {}
            () = cut.cancelled() => {}
            () = refused(&app, &peer, &node) => {}
            () = stop.cancelled() => {}
        }
        tracing::info!(%node, "node listens no more");
    });
    Ok(response)
}

/// What one subscriber is fed.
struct Feed {
    lines: Lines,
    /// What the keys of States are made from.
    key: Key,
    revisions: Watch,
    /// None for a node that knows no such message.
    primary_only: Option<primary_only::Watch>,
    heartbeat: Bytes,
    every: Duration,
    /// Counts as connected for as long as it is fed.
    subscription: Subscription,
}

impl Feed {
    async fn run(mut self) -> Gone {
        // What is served already counts as news to this subscriber.
        self.revisions.mark_changed();
        if let Some(grants) = &mut self.primary_only {
            grants.mark_changed();
        }
        let mut ticks = tokio::time::interval(self.every.max(SHORTEST));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut sent = None;
        let mut keys = None;
        loop {
            if let Some(line) = self.new_keys(&mut keys)
                && let Err(gone) = self.lines.send(line).await
            {
                return gone;
            }
            let line = tokio::select! {
                biased;
                () = self.lines.closed() => return Gone,
                message = self.subscription.next() => stream::line(&message).ok(),
                line = new_grants(self.primary_only.as_mut()) => Some(line),
                changed = self.revisions.changed() => {
                    if changed.is_err() {
                        return Gone;
                    }
                    let current = self.revisions.borrow_and_update();
                    let number = current.as_ref().map(|current| current.info.number);
                    // One that is served on is sent again to those who could not apply it.
                    let again = number.is_some_and(|number| self.subscription.has_refused(number));
                    let news = number != sent || again;
                    sent = number;
                    current.as_ref().filter(|_| news).map(|current| current.line.clone())
                }
                _ = ticks.tick() => Some(self.heartbeat.clone()),
            };
            if let Some(line) = line
                && let Err(gone) = self.lines.send(line).await
            {
                return gone;
            }
        }
    }
}

/// Who may pass on the primary alone, once that is news to the subscriber.
async fn new_grants(grants: Option<&mut primary_only::Watch>) -> Bytes {
    if let Some(grants) = grants
        && grants.changed().await.is_ok()
    {
        return grants.borrow_and_update().line.clone();
    }
    std::future::pending().await
}

impl Feed {
    /// The keys of States, when they are others than were sent: looked at with each line, and so
    /// with each heartbeat.
    fn new_keys(&self, sent: &mut Option<StateKeys>) -> Option<Bytes> {
        let keys = state_keys::at(&self.key, now_ms() / 1_000);
        if sent.as_ref() == Some(&keys) {
            return None;
        }
        *sent = Some(keys.clone());
        stream::line(&ToNode::StateKeys { keys })
            .inspect_err(|error| tracing::error!(%error, "the keys of States are not sent"))
            .ok()
    }
}

async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Json<Empty>, Failure> {
    let asked: Acknowledge = read(request, WORD_OCTETS).await?;
    let _stays = app.nodes.stay().await;
    peer.speaks_for(&app, &asked.node).await?;
    app.nodes
        .acknowledge(&asked.node, peer.serial(), asked.revision, asked.verdict)
        .await?;
    Ok(Json(Empty {}))
}

async fn report_events(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Json<Empty>, Failure> {
    let asked: ReportEvents = read(request, MESSAGE_OCTETS).await?;
    let of_another = |peer: &NodePeer| {
        let mut events = asked.events.iter();
        matches!(peer, NodePeer::Node(_)) && events.any(|event| event.node != asked.node)
    };
    if of_another(&peer) {
        let message = "an event is of another node than the one that reports it";
        return Err(Failure::new(RpcCode::PermissionDenied, message));
    }
    if asked.events.len() > EVENTS_PER_REPORT {
        let message = format!(
            "a report holds at most {EVENTS_PER_REPORT} events, this one {}",
            asked.events.len()
        );
        return Err(Failure::new(RpcCode::InvalidArgument, message));
    }
    {
        let _stays = app.nodes.stay().await;
        peer.speaks_for(&app, &asked.node).await?;
        app.nodes.dropped(&asked.node, asked.dropped)?;
    }
    app.events.store(asked.events).await?;
    Ok(Json(Empty {}))
}

async fn report_status(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Json<Empty>, Failure> {
    let asked: ReportStatus = read(request, WORD_OCTETS).await?;
    let _stays = app.nodes.stay().await;
    peer.speaks_for(&app, &asked.node).await?;
    app.nodes
        .report(&asked.node, peer.serial(), asked.status)
        .await?;
    Ok(Json(Empty {}))
}

async fn finished(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Json<Empty>, Failure> {
    let asked: Finished = read(request, FINISHED_OCTETS).await?;
    peer.speaks_for(&app, &asked.node).await?;
    if app.nodes.finished(&asked.node, asked.number, asked.outcome) {
        Ok(Json(Empty {}))
    } else {
        let message = "nobody waits for the end of that command";
        Err(Failure::new(RpcCode::NotFound, message))
    }
}

async fn renew(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
) -> Result<Json<Joined>, Failure> {
    let asked: Renew = read(request, WORD_OCTETS).await?;
    node_link::renew(&app, &peer, asked).await
}

/// Until a node may listen no more: looked at with each heartbeat, since another control plane may
/// have been told so.
async fn refused(app: &App, peer: &NodePeer, node: &NodeId) {
    loop {
        tokio::time::sleep(app.settings.heartbeat.max(SHORTEST)).await;
        if let Err(error) = peer.speaks_for(app, node).await
            && error.code == RpcCode::Unauthenticated
        {
            tracing::warn!(%node, why = error.message, "a node listens no more");
            return;
        }
    }
}

/// Reads a whole message, of bounded length and in bounded time.
pub(crate) async fn read<T: DeserializeOwned>(
    request: Request,
    longest: usize,
) -> Result<T, Failure> {
    let wrong = |message: String| Failure::new(RpcCode::InvalidArgument, message);
    let body = axum::body::to_bytes(request.into_body(), longest);
    let octets = tokio::time::timeout(WHOLE, body)
        .await
        .map_err(|_| wrong(format!("the message did not come within {WHOLE:?}")))?
        .map_err(|_| {
            wrong(format!(
                "the message broke off, or is longer than {longest} octets"
            ))
        })?;
    serde_json::from_slice(&octets).map_err(|error| wrong(error.to_string()))
}

/// An error on its way out.
pub(crate) struct Failure(RpcError);

impl Failure {
    pub(crate) fn new(code: RpcCode, message: impl Into<String>) -> Self {
        Self(RpcError {
            code,
            message: message.into(),
        })
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        NodeError::Store(error).into()
    }
}

impl From<Full> for Failure {
    fn from(full: Full) -> Self {
        Self::new(RpcCode::ResourceExhausted, full.to_string())
    }
}

impl From<Busy> for Failure {
    fn from(busy: Busy) -> Self {
        let code = match busy {
            Busy::Full => RpcCode::ResourceExhausted,
            Busy::Failed => RpcCode::Unavailable,
        };
        Self::new(code, busy.to_string())
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let code = match &error {
            NodeError::Full(_) => RpcCode::ResourceExhausted,
            NodeError::NoSuchRevision { .. } => RpcCode::NotFound,
            NodeError::Removed => RpcCode::Unauthenticated,
            NodeError::Store(source) => {
                tracing::error!(
                    error = source as &dyn std::error::Error,
                    "a node's word was not stored"
                );
                RpcCode::Unavailable
            }
        };
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

/// The longest message that holds no events.
const WORD_OCTETS: usize = 4 * 1024 * 1024;

/// What came of a command: the people of a directory, at most [`proto::command::MOST_LISTED_OCTETS`] of
/// their texts.
const FINISHED_OCTETS: usize = 48 * 1024 * 1024;
/// How long a message may take to come in.
const WHOLE: Duration = Duration::from_secs(30);
/// How long a subscription that was ended may take to leave its place.
const LEAVING: Duration = Duration::from_millis(200);
/// An interval of zero is none.
const SHORTEST: Duration = Duration::from_millis(10);

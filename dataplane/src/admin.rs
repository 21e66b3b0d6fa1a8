//! The admin socket: how this node is, its metrics, and `countersign login`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proto::event::{AuthEvent, Outcome};
use proto::id::IntegrationId;
use proto::rpc::{NodeState, NodeStatus};
use proto::secret::{Secret, on_the_wire};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::node::Node;

/// Where a login can go: `GET /login/targets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTarget {
    /// The integration.
    pub integration: IntegrationId,
    /// Its mode.
    pub mode: String,
    /// Where to send requests from this machine.
    pub address: SocketAddr,
}

/// `POST /login/admit`: lets requests from a loopback source in as the client named `login`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admit {
    /// For which integration.
    pub integration: IntegrationId,
    /// The exact source of the requests. Must be a loopback address.
    pub source: SocketAddr,
}

/// The answer: good for ten minutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// The shared secret for this source.
    #[serde(with = "on_the_wire")]
    pub secret: Secret<String>,
}

/// `GET /login/finished?source=…`: the next login from that source, from its admission on. Waits
/// for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The source that was admitted.
    pub source: SocketAddr,
}

/// What the routes need: the node, and who waits for which login.
#[derive(Clone)]
struct Routes {
    node: Arc<Node>,
    /// Since their admission, so that a login that ends at once is not missed.
    watches: Arc<Mutex<VecDeque<Watch>>>,
}

struct Watch {
    source: SocketAddr,
    logins: broadcast::Receiver<Arc<AuthEvent>>,
}

impl Routes {
    fn watch(&self, source: SocketAddr, logins: broadcast::Receiver<Arc<AuthEvent>>) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|one| one.source != source);
        if watches.len() >= MAX_WATCHES {
            watches.pop_front();
        }
        watches.push_back(Watch { source, logins });
    }

    fn take(&self, source: SocketAddr) -> Option<broadcast::Receiver<Arc<AuthEvent>>> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let at = watches.iter().position(|one| one.source == source)?;
        watches.remove(at).map(|one| one.logins)
    }
}

pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/login/targets", get(targets))
        .route("/login/admit", post(admit))
        .route("/login/finished", get(finished))
        .with_state(Routes {
            node,
            watches: Arc::default(),
        })
}

async fn ready(State(Routes { node, .. }): State<Routes>) -> (StatusCode, Json<NodeStatus>) {
    let status = node.status();
    let code = match status.state {
        NodeState::Serving => StatusCode::OK,
        NodeState::Starting | NodeState::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(status))
}

async fn status(State(Routes { node, .. }): State<Routes>) -> Json<NodeStatus> {
    Json(node.status())
}

async fn metrics(State(Routes { node, .. }): State<Routes>) -> String {
    node.metrics()
}

async fn targets(State(Routes { node, .. }): State<Routes>) -> Json<Vec<LoginTarget>> {
    let target = |one: crate::node::Target| {
        let bound = one.site.socket.address();
        let ip = match bound.ip() {
            ip if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            ip => ip,
        };
        LoginTarget {
            integration: one.served.config.id.clone(),
            mode: one.served.config.mode.to_string(),
            address: SocketAddr::new(ip, bound.port()),
        }
    };
    Json(node.targets().into_iter().map(target).collect())
}

async fn admit(
    State(routes): State<Routes>,
    Json(request): Json<Admit>,
) -> Result<Json<Admitted>, (StatusCode, &'static str)> {
    if !request.source.ip().is_loopback() {
        return Err((
            StatusCode::BAD_REQUEST,
            "the source must be a loopback address",
        ));
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|_| {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system gives no random numbers",
        )
    })?;
    let secret = Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random));
    if routes
        .node
        .admit(&request.integration, request.source, secret.expose())
    {
        routes.watch(request.source, routes.node.shared().reports.watch());
        Ok(Json(Admitted { secret }))
    } else {
        Err((
            StatusCode::NOT_FOUND,
            "this node does not serve that integration, or is too busy",
        ))
    }
}

async fn finished(
    State(routes): State<Routes>,
    Query(which): Query<Finished>,
) -> Result<Json<AuthEvent>, StatusCode> {
    let mut logins = routes.take(which.source).ok_or(StatusCode::NOT_FOUND)?;
    let found = async {
        loop {
            match logins.recv().await {
                Ok(event) if event.client == which.source => return Ok(Json((*event).clone())),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    };
    // The end of the node does not wait for one who waits here.
    let found = tokio::select! {
        found = tokio::time::timeout(LONGEST_LOGIN, found) => {
            found.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
        }
        () = routes.node.shared().abandoned.cancelled() => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    // A challenge is answered from the same source; after any other end nobody asks again.
    if found
        .as_ref()
        .is_ok_and(|event| event.outcome == Outcome::Challenge)
    {
        routes.watch(which.source, logins);
    }
    found
}

/// Longer than any login takes.
const LONGEST_LOGIN: Duration = Duration::from_secs(330);
/// Logins of this machine that are watched at a time; the oldest gives way.
const MAX_WATCHES: usize = 64;

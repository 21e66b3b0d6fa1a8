//! The admin socket: how this node is, its metrics, `countersign login` and `countersign check`.

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
use proto::check::CheckRow;
use proto::event::{AuthEvent, Outcome};
use proto::id::IntegrationId;
use proto::rpc::{NodeState, NodeStatus};
use proto::secret::{Secret, on_the_wire};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
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
/// for it; after 330 seconds the answer is 408, and may be asked for again.
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
    /// One check at a time, whoever asks.
    checks: Arc<Semaphore>,
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

pub(crate) fn router(node: Arc<Node>, checks: Arc<Semaphore>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/check", post(check))
        .route("/login/targets", get(targets))
        .route("/login/admit", post(admit))
        .route("/login/finished", get(finished))
        .with_state(Routes {
            node,
            watches: Arc::default(),
            checks,
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

async fn metrics(State(Routes { node, .. }): State<Routes>) -> Result<String, StatusCode> {
    // The system is asked about this process.
    tokio::task::spawn_blocking(move || node.metrics())
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// `POST /check`: tries what is served. One at a time: service accounts are not to be shown to
/// directories by the dozen.
async fn check(
    State(routes): State<Routes>,
) -> Result<Json<Vec<CheckRow>>, (StatusCode, &'static str)> {
    let _turn = routes
        .checks
        .try_acquire()
        .map_err(|_| (StatusCode::CONFLICT, "a check is running already"))?;
    // The end of the node does not wait for it.
    tokio::select! {
        rows = routes.node.check() => Ok(Json(rows)),
        () = routes.node.shared().abandoned.cancelled() => {
            Err((StatusCode::SERVICE_UNAVAILABLE, "this node stops"))
        }
    }
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
    crate::random::fill(&mut random).map_err(|_| {
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
    // A challenge is answered from the same source, and a conversation may take longer than one wait;
    // after any other end nobody asks again.
    let goes_on = match &found {
        Ok(event) => event.outcome == Outcome::Challenge,
        Err(status) => *status == StatusCode::REQUEST_TIMEOUT,
    };
    if goes_on {
        routes.watch(which.source, logins);
    }
    found
}

/// Longer than a login takes, but for the time that a person types for.
const LONGEST_LOGIN: Duration = Duration::from_secs(330);
/// Logins of this machine that are watched at a time; the oldest gives way.
const MAX_WATCHES: usize = 64;

#[cfg(test)]
mod tests {
    use proto::id::NodeId;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::control::report::Reports;
    use crate::duo::client::DuoClients;
    use crate::metrics::Metrics;
    use crate::primary;
    use crate::server::eap::EapThreads;
    use crate::server::interface::Interface;
    use crate::server::receive::Shared;
    use crate::server::threads::ReceiveThreads;

    fn routes() -> Routes {
        let metrics = Metrics::new().unwrap();
        let (reports, _) = Reports::new(Arc::clone(&metrics));
        let (id, threads) = (NodeId::new("here").unwrap(), EapThreads::start(1).unwrap());
        let shared = Shared::new(id, Arc::clone(&metrics), reports, 10, threads).unwrap();
        let node = Node::new(
            Arc::new(shared),
            Interface::new(None),
            ReceiveThreads::start(1).unwrap(),
            DuoClients::new(1),
            primary::Shared::with(TaskTracker::new(), metrics.primaries.clone()),
            |_| (),
        );
        Routes {
            node: Arc::new(node),
            watches: Arc::default(),
            checks: Arc::new(Semaphore::new(1)),
        }
    }

    fn event(source: SocketAddr, outcome: &str) -> AuthEvent {
        serde_json::from_value(serde_json::json!({
            "id": "0".repeat(32), "at_ms": 0, "node": "here", "revision": 1,
            "integration": "radius_server_eap", "ikey": "DI", "client": source,
            "outcome": outcome, "reason": "approved", "elapsed_us": 5, "timeline": [],
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_login_may_ask_until_it_has_ended() {
        let routes = routes();
        let [source, other] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let reports = &routes.node.shared().reports;
        routes.watch(source, reports.watch());
        let wait = || async {
            let answer = finished(State(routes.clone()), Query(Finished { source })).await;
            answer.map(|Json(event)| event.outcome)
        };
        // Nothing comes: somebody types for long. What came meanwhile is not lost.
        assert_eq!(wait().await, Err(StatusCode::REQUEST_TIMEOUT));
        reports.send(event(other, "reject"));
        reports.send(event(source, "challenge"));
        reports.send(event(source, "accept"));
        assert_eq!(wait().await, Ok(Outcome::Challenge));
        assert_eq!(wait().await, Ok(Outcome::Accept));
        assert_eq!(wait().await, Err(StatusCode::NOT_FOUND), "it has ended");
    }
}

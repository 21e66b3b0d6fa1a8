//! The admin socket: how this node is, its metrics, and `countersign login`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proto::event::AuthEvent;
use proto::id::IntegrationId;
use proto::rpc::{NodeState, NodeStatus};
use proto::secret::{Secret, on_the_wire};
use serde::{Deserialize, Serialize};
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

/// `GET /login/finished?source=…`: waits for the next login from that source to finish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// The source that was admitted.
    pub source: SocketAddr,
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
        .with_state(node)
}

async fn ready(State(node): State<Arc<Node>>) -> (StatusCode, Json<NodeStatus>) {
    let status = node.status();
    let code = match status.state {
        NodeState::Serving => StatusCode::OK,
        NodeState::Starting | NodeState::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(status))
}

async fn status(State(node): State<Arc<Node>>) -> Json<NodeStatus> {
    Json(node.status())
}

async fn metrics(State(node): State<Arc<Node>>) -> String {
    node.shared().metrics.render()
}

async fn targets(State(node): State<Arc<Node>>) -> Json<Vec<LoginTarget>> {
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
    State(node): State<Arc<Node>>,
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
    if node.admit(&request.integration, request.source, secret.expose()) {
        Ok(Json(Admitted { secret }))
    } else {
        Err((
            StatusCode::NOT_FOUND,
            "this node does not serve that integration, or is too busy",
        ))
    }
}

async fn finished(
    State(node): State<Arc<Node>>,
    Query(which): Query<Finished>,
) -> Result<Json<AuthEvent>, StatusCode> {
    let mut logins = node.shared().reports.watch();
    let found = async {
        loop {
            match logins.recv().await {
                Ok(event) if event.client == which.source => return Ok(Json((*event).clone())),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    };
    tokio::time::timeout(LONGEST_LOGIN, found)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

/// Longer than any login takes.
const LONGEST_LOGIN: Duration = Duration::from_secs(330);

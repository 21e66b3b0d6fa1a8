//! The gateway's one admin address: `/healthz`, `/readyz` and `/metrics`, put together from the
//! roles' own sockets; all else, which is the dashboard and `/api`, is handed on. It answers also
//! while a role is being restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Json, Router};
use controlplane::AdminListener;
use proto::child::Role;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::api::{self, Api};
use super::merge;
use super::metrics::Metrics;
use crate::admin_address::METRICS_TYPE;
use crate::paths::DataDir;

/// What the routes need to know.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) data: DataDir,
    /// Whether the configuration uses the built-in second factor.
    pub(crate) second_factor: Arc<AtomicBool>,
    /// What the supervisor itself measures.
    pub(crate) metrics: Metrics,
    /// Where all else is handed on to.
    pub(crate) api: Api,
}

pub(crate) async fn serve(listener: AdminListener, gateway: Gateway, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback_service(any(api::hand_on).with_state(gateway.api.clone()))
        .with_state(gateway);
    listener.serve(router, stop).await;
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// The role that is asked alone.
    role: Option<String>,
}

/// Ready when the control plane says that its revision is served here, and the data plane takes
/// logins; the built-in second factor too, where it runs. Or when the one role is that is asked for.
async fn ready(
    State(Gateway {
        data,
        second_factor,
        ..
    }): State<Gateway>,
    Query(asked): Query<Asked>,
) -> impl IntoResponse {
    let all = [Role::ControlPlane, Role::DataPlane, Role::SecondFactor];
    let mut wanted = all.to_vec();
    match &asked.role {
        None => {
            let runs = second_factor.load(Ordering::Relaxed);
            wanted.retain(|role| runs || *role != Role::SecondFactor);
        }
        Some(named) => wanted.retain(|role| role.as_str() == named),
    }
    if wanted.is_empty() {
        let why = "role: write controlplane, dataplane or secondfactor";
        let body = json!({ "ready": false, "why": why });
        return (StatusCode::BAD_REQUEST, Json(body));
    }
    let mut roles = Map::new();
    let mut all = true;
    for role in wanted {
        let client = client(&data, role);
        let asked = match role {
            // It has nothing to wait for.
            Role::SecondFactor => client
                .get_octets("/healthz", CALL_LIMIT)
                .await
                .map(|_| json!("ok")),
            Role::ControlPlane | Role::DataPlane => client.get("/readyz", CALL_LIMIT).await,
        };
        all &= asked.is_ok();
        roles.insert(role.to_string(), verdict(asked));
    }
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": all, "roles": roles })))
}

fn verdict(asked: Result<Value, local::CallError>) -> Value {
    match asked {
        Ok(_) => json!({ "ready": true }),
        // A refusal's body says what is missing.
        Err(local::CallError::Refused { body, .. }) => {
            let why = serde_json::from_str(&body).unwrap_or(Value::String(body));
            json!({ "ready": false, "why": why })
        }
        Err(error) => json!({ "ready": false, "why": error.to_string() }),
    }
}

/// All roles at once: one that does not answer costs its own series, and is shown as away.
async fn metrics(State(gateway): State<Gateway>) -> impl IntoResponse {
    let ask = async |role| {
        let asked = client(&gateway.data, role)
            .get_octets("/metrics", CALL_LIMIT)
            .await;
        let text = asked.map(|octets| String::from_utf8_lossy(&octets).into_owned());
        // The built-in second factor is away where no section uses it.
        if role != Role::SecondFactor || gateway.second_factor.load(Ordering::Relaxed) {
            gateway.metrics.role_is(role, text.is_ok());
        }
        text.ok()
    };
    let roles = tokio::join!(
        ask(Role::ControlPlane),
        ask(Role::DataPlane),
        ask(Role::SecondFactor)
    );
    let of_roles = [roles.0, roles.1, roles.2];
    let metrics = gateway.metrics.clone();
    // The system is asked about this process.
    let own = tokio::task::spawn_blocking(move || metrics.text()).await;
    let own = own.ok().and_then(Result::ok);
    let texts: Vec<String> = of_roles.into_iter().chain([own]).flatten().collect();
    (
        [(header::CONTENT_TYPE, METRICS_TYPE)],
        merge::metrics(&texts),
    )
}

fn client(data: &DataDir, role: Role) -> local::Client {
    local::Client::new(data.socket(role))
}

const CALL_LIMIT: Duration = Duration::from_secs(5);

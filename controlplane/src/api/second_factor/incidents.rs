//! What an administrator should look at.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{Incident, IncidentKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{Listing, Narrowed, Paging, PartOf};
use crate::app::App;

/// Their route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/second-factor/incidents", get(list))
}

/// What the OpenAPI document says of it.
pub(super) fn document(api: &mut Api) {
    let (path, id) = ("/second-factor/incidents", "listIncidents");
    api.route(&Method::GET, path, id, "Incidents, newest first")
        .about(
            "Frauds that were reported, lock-outs, pushes that nobody approved; the newest 10,000.",
        )
        .query::<Paging>()
        .query::<IncidentFilter>()
        .answers::<PartOf<Incident>>(StatusCode::OK, "A page of the list.")
        .problems(&[Kind::Conflict]);
}

/// Which incidents.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a query; the one below reads it")]
struct IncidentFilter {
    /// Of this kind.
    kind: Option<IncidentKind>,
    /// Of this user.
    user: Option<String>,
}

/// Which, and which page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    limit: Option<u32>,
    cursor: Option<u64>,
    kind: Option<IncidentKind>,
    user: Option<String>,
}

async fn list(
    State(app): State<Arc<App>>,
    Narrowed(which): Narrowed<Which>,
) -> Result<Json<Value>, Problem> {
    let paging = Paging {
        limit: which.limit,
        cursor: which.cursor.map(|before| before.to_string()),
    };
    let narrowed = [
        ("kind", which.kind.map(IncidentKind::as_str)),
        ("user", which.user.as_deref()),
    ];
    INCIDENTS.answer(&app, &paging, &narrowed).await
}

const INCIDENTS: Listing = Listing {
    path: "/incidents",
    items: "incidents",
    after: "before",
};

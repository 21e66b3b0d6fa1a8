//! Pushes that wait for their answer.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::WaitingPush;
use serde_json::{Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{AllOf, Asks, Deed, at, encoded, nothing, read};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    let push = "/second-factor/approvals/{txid}";
    Router::new()
        .route("/second-factor/approvals", get(approvals))
        .route(&format!("{push}/approve"), post(approve))
        .route(&format!("{push}/deny"), post(deny))
        .route(&format!("{push}/fraud"), post(fraud))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let path = "/second-factor/approvals";
    api.route(&Method::GET, path, "listApprovals", "Pushes that wait")
        .answers::<AllOf<WaitingPush>>(StatusCode::OK, "Those that nobody answered yet.")
        .problems(&[Kind::Conflict]);
    for (path, id, summary) in [
        (
            "/second-factor/approvals/{txid}/approve",
            "approvePush",
            "Push: approve in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/deny",
            "denyPush",
            "Push: deny in its user's place",
        ),
        (
            "/second-factor/approvals/{txid}/fraud",
            "reportPush",
            "Push: deny, and report a fraud",
        ),
    ] {
        api.route(&Method::POST, path, id, summary)
            .query::<HowToTry>()
            .answers_nothing("It is answered.")
            .problems(&[Kind::Conflict, Kind::BadRequest]);
    }
}

async fn approvals(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let waiting = read(&app, "/pushes").await?;
    Ok(Json(json!({ "items": waiting })))
}

async fn approve(
    asks: Asks,
    dry: DryRun,
    Named(txid): Named<String>,
) -> Result<StatusCode, Problem> {
    decide(&asks, &txid, "approve", dry).await
}

async fn deny(asks: Asks, dry: DryRun, Named(txid): Named<String>) -> Result<StatusCode, Problem> {
    decide(&asks, &txid, "deny", dry).await
}

async fn fraud(asks: Asks, dry: DryRun, Named(txid): Named<String>) -> Result<StatusCode, Problem> {
    decide(&asks, &txid, "fraud", dry).await
}

/// Answers a push in its user's place.
async fn decide(asks: &Asks, txid: &str, answer: &str, dry: DryRun) -> Result<StatusCode, Problem> {
    let waiting = asks.read("/pushes").await?;
    let mut all = waiting.as_array().into_iter().flatten();
    let push = all.find(|push| at(push, "/txid") == txid);
    let path = format!("/pushes/{}/{answer}", encoded(txid));
    let (nothing, action) = (nothing(), format!("push.{answer}"));
    let deed = Deed::new(path, &nothing, &action, format!("push {txid}"));
    asks.ends(deed, dry, &json!({ "push": push })).await
}

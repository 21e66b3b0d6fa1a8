//! Approvals that let in again.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{delete, get};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::Remembered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{Asks, Deed, Listing, Narrowed, Paging, PartOf, encoded, nothing};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/second-factor/remembered", get(list))
        .route("/second-factor/remembered/{id}", delete(forget))
        .route("/second-factor/users/{name}/remembered", delete(forget_all))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (path, id) = ("/second-factor/remembered", "listRemembered");
    api.route(&Method::GET, path, id, "Remembered approvals, newest first")
        .query::<Paging>()
        .query::<OfUser>()
        .answers::<PartOf<Remembered>>(StatusCode::OK, "A page of the list.")
        .problems(&[Kind::Conflict, Kind::NotFound]);
    let (path, id) = ("/second-factor/remembered/{id}", "deleteRemembered");
    api.route(&Method::DELETE, path, id, "Remembered approval: forget")
        .query::<HowToTry>()
        .answers_nothing("The next login there asks again.")
        .problems(conflict);
    let path = "/second-factor/users/{name}/remembered";
    let id = "deleteRememberedOfUser";
    api.route(&Method::DELETE, path, id, "User: forget all approvals")
        .query::<HowToTry>()
        .answers_nothing("Their next login asks again, wherever it is.")
        .problems(conflict);
}

/// Whose.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes a query; the one below reads it")]
struct OfUser {
    /// Of this user.
    user: Option<String>,
}

/// Whose, and which page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    limit: Option<u32>,
    cursor: Option<String>,
    user: Option<String>,
}

async fn list(
    State(app): State<Arc<App>>,
    Narrowed(which): Narrowed<Which>,
) -> Result<Json<Value>, Problem> {
    let paging = Paging {
        limit: which.limit,
        cursor: which.cursor,
    };
    let narrowed = [("user", which.user.as_deref())];
    REMEMBERED.answer(&app, &paging, &narrowed).await
}

async fn forget(asks: Asks, dry: DryRun, Named(id): Named<String>) -> Result<StatusCode, Problem> {
    let missing = format!("there is no remembered approval '{id}'");
    let found = REMEMBERED.find(&asks.app, "id", &id, missing).await?;
    let path = format!("/remembered/{}/delete", encoded(&id));
    let nothing = nothing();
    let target = format!("remembered approval {id}");
    let deed = Deed::new(path, &nothing, "remembered.delete", target);
    asks.ends(deed, dry, &json!({ "before": found })).await
}

async fn forget_all(
    asks: Asks,
    dry: DryRun,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    let nothing = nothing();
    let deed = Deed::of(&name, "/remembered/delete", &nothing, "remembered.delete");
    asks.ends(deed, dry, &json!({})).await
}

const REMEMBERED: Listing = Listing {
    path: "/remembered",
    items: "remembered",
    after: "after",
};

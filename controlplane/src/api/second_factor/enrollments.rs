//! Invitations to set up a device.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::second_factor::{InviteUsers, InvitedUsers, WaitingEnrollment};
use serde_json::{Map, Value, json};

use super::super::extract::{DryRun, HowToTry, Named};
use super::super::openapi::Api;
use super::super::problem::{Kind, Problem};
use super::{
    Asked, Asks, Deed, Listing, Narrowed, Paging, PartOf, TRY, at, count, encoded, nothing, sent,
    shown_once,
};
use crate::app::App;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/second-factor/enrollments", get(list).post(invite))
        .route("/second-factor/enrollments/{id}", delete(take_back))
}

/// What the OpenAPI document says of them.
pub(super) fn document(api: &mut Api) {
    let conflict = &[Kind::Conflict];
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let (path, id) = ("/second-factor/enrollments", "listEnrollments");
    api.route(&Method::GET, path, id, "Invitations, newest first")
        .about("Those that were begun and are not over, without their addresses.")
        .query::<Paging>()
        .answers::<PartOf<WaitingEnrollment>>(ok, "A page of the list.")
        .problems(&[Kind::Conflict, Kind::NotFound]);
    let id = "inviteUsers";
    api.route(&Method::POST, path, id, "Invitations: make many")
        .about(
            "Users by name, at most 1,000, or all of a group who have no device. Whoever has an address \
             adds a device; it is in this answer, or goes by e-mail, and nowhere else.",
        )
        .query::<HowToTry>()
        .body::<InviteUsers>()
        .answers::<Map<String, Value>>(ok, "They would be made.")
        .answers::<InvitedUsers>(created, "Who is invited, and who is not.")
        .problems(&[Kind::Conflict, Kind::NotFound]);
    let (path, id) = ("/second-factor/enrollments/{id}", "deleteEnrollment");
    api.route(&Method::DELETE, path, id, "Invitation: take it back")
        .query::<HowToTry>()
        .answers_nothing("Its address opens nothing any more.")
        .problems(conflict);
}

async fn list(
    State(app): State<Arc<App>>,
    Narrowed(paging): Narrowed<Paging>,
) -> Result<Json<Value>, Problem> {
    ENROLLMENTS.answer(&app, &paging, &[]).await
}

async fn invite(asks: Asks, DryRun(dry): DryRun, asked: Asked) -> Result<Response, Problem> {
    let asked = sent(asked)?;
    if dry {
        let path = format!("/enrollments{TRY}");
        let tried = asks.post_many(&path, &asked).await?;
        return Ok(shown_once(StatusCode::OK, &tried));
    }
    let made = asks.post_many("/enrollments", &asked).await?;
    let invited = at(&made, "/invited").as_array().into_iter().flatten();
    let names: Vec<&Value> = invited.map(|one| at(one, "/user")).collect();
    let detail = json!({
        "group": at(&asked, "/group"), "by_email": at(&asked, "/by_email") == true,
        "invited": names, "refused": count(&made, "/refused"),
    });
    let target = format!("{} users", names.len());
    asks.note("second-factor.enrollments.create", target, &detail)
        .await?;
    Ok(shown_once(StatusCode::CREATED, &made))
}

async fn take_back(
    asks: Asks,
    dry: DryRun,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let missing = format!("there is no invitation '{id}'");
    let found = ENROLLMENTS.find(&asks.app, "id", &id, missing).await?;
    let path = format!("/enrollments/{}/delete", encoded(&id));
    let nothing = nothing();
    let deed = Deed::new(
        path,
        &nothing,
        "enrollment.delete",
        format!("invitation {id}"),
    );
    asks.ends(deed, dry, &json!({ "before": found })).await
}

const ENROLLMENTS: Listing = Listing {
    path: "/enrollments",
    items: "enrollments",
    after: "after",
};

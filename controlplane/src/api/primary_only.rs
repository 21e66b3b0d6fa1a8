//! Primary-only: seen, started and ended. Starting is asked for twice.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::id::IntegrationId;
use serde_json::json;

use super::caller::{By, Caller};
use super::extract::{DryRun, HowToTry};
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::tokens::refused;
use crate::admin::{
    PrimaryOnlyAnswer, PrimaryOnlyGrants, PrimaryOnlyRequest, PrimaryOnlyStop, PrimaryOnlyView,
};
use crate::app::App;
use crate::clock::now_ms;
use crate::primary_only::PrimaryOnlyError;

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/primary-only", get(list).post(start).delete(stop))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "primary-only",
        "Logins that pass on the primary alone for a time, while the second factor is away.",
        &[],
    );
    let path = "/primary-only";
    let (id, shown) = ("listPrimaryOnly", "What is in force.");
    api.route(&Method::GET, path, id, "Primary-only: what is in force")
        .answers::<PrimaryOnlyGrants>(StatusCode::OK, shown);
    let id = "startPrimaryOnly";
    api.route(&Method::POST, path, id, "Primary-only: start")
        .about(
            "Asked for twice: without `confirm` nothing is done, and the answer has the token to come \
             back with, within 60 seconds, at the same control plane, with the same request.",
        )
        .query::<HowToTry>()
        .body::<PrimaryOnlyRequest>()
        .answers::<PrimaryOnlyAnswer>(StatusCode::OK, "What is to be confirmed, or was done.")
        .problems(&[Kind::NotFound, Kind::Conflict]);
    let id = "stopPrimaryOnly";
    api.route(&Method::DELETE, path, id, "Primary-only: end")
        .query::<PrimaryOnlyStop>()
        .answers::<PrimaryOnlyGrants>(StatusCode::OK, "What has ended with it.")
        .problems(&[Kind::NotFound, Kind::Conflict, Kind::Invalid]);
}

async fn list(State(app): State<Arc<App>>) -> Json<PrimaryOnlyGrants> {
    let grants = app.primary_only.list(now_ms());
    Json(PrimaryOnlyGrants { grants })
}

async fn start(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    asked: Result<Json<PrimaryOnlyRequest>, JsonRejection>,
) -> Result<Json<PrimaryOnlyAnswer>, Problem> {
    let Json(mut asked) = asked.map_err(|error| refused(&error))?;
    asked.by = who(&caller, asked.by)?;
    if dry {
        return Ok(Json(app.primary_only.try_start(asked, now_ms())?));
    }
    let answer = app.primary_only.start(asked, now_ms()).await?;
    if let PrimaryOnlyAnswer::Started { grant } = &answer {
        note(&app, &caller, "primary-only.start", grant, &grant.by).await?;
    }
    Ok(Json(answer))
}

async fn stop(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    which: Result<axum::extract::Query<PrimaryOnlyStop>, QueryRejection>,
) -> Result<Json<PrimaryOnlyGrants>, Problem> {
    let which = which.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let mut which = which.0;
    which.by = who(&caller, which.by)?;
    if which.dry_run {
        let grants = app.primary_only.try_stop(&which, now_ms())?;
        return Ok(Json(PrimaryOnlyGrants { grants }));
    }
    let grants = app.primary_only.stop(&which, now_ms()).await?;
    for grant in &grants {
        note(&app, &caller, "primary-only.stop", grant, &which.by).await?;
    }
    Ok(Json(PrimaryOnlyGrants { grants }))
}

/// Who does it: whoever is signed in. Over the admin socket the caller says who runs the command.
fn who(caller: &Caller, said: String) -> Result<String, Problem> {
    match (&caller.by, said.is_empty()) {
        (By::Socket, false) => Ok(said),
        (_, true) => Ok(caller.author()),
        (_, false) => Err(Problem::invalid(vec![FieldError {
            path: "by".to_owned(),
            message: "is who is signed in, and not said here".to_owned(),
        }])),
    }
}

async fn note(
    app: &App,
    caller: &Caller,
    action: &str,
    grant: &PrimaryOnlyView,
    by: &str,
) -> Result<(), Problem> {
    let integration = grant.integration.as_ref();
    let target = integration.map_or("all integrations", IntegrationId::as_str);
    let detail = json!({ "by": by, "grant": grant });
    caller.audit(&app.store, action, target, &detail).await
}

impl From<PrimaryOnlyError> for Problem {
    fn from(error: PrimaryOnlyError) -> Self {
        if let PrimaryOnlyError::Store(source) = &error {
            tracing::error!(
                error = source as &dyn std::error::Error,
                "primary-only was not stored"
            );
        }
        Self::new(error.kind(), error.to_string())
    }
}

//! Drafts over REST: writes with `?draft=ID` go into one, and are applied as one revision.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use proto::config::{Snapshot, raw};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::config::{HowToWrite, given, message, wanted};
use super::extract::Named;
use super::masked;
use super::problem::{FieldError, Problem};
use crate::admin::RevisionInfo;
use crate::app::App;
use crate::diff::{Difference, differences};
use crate::store::DraftRow;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/drafts", get(list).post(create))
        .route("/drafts/{id}", get(one).delete(remove))
        .route("/drafts/{id}/apply", post(apply))
}

/// What is known of a draft.
#[derive(Debug, Serialize)]
struct Facts {
    id: u64,
    author: String,
    message: String,
    created_at_ms: u64,
    /// How many writes it has.
    writes: u64,
}

impl Facts {
    fn of(draft: &DraftRow) -> Self {
        Self {
            id: draft.id,
            author: draft.author.clone(),
            message: draft.message.clone(),
            created_at_ms: draft.created_at_ms,
            writes: draft.writes,
        }
    }
}

async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<Facts>>, Problem> {
    let drafts = app.drafts.list().await?;
    Ok(Json(drafts.iter().map(Facts::of).collect()))
}

/// What a draft is for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default)]
    message: String,
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    new: Result<Json<serde_json::Value>, JsonRejection>,
) -> Result<Response, Problem> {
    let new: New = serde_json::from_value(given(new)?).map_err(|error| {
        Problem::invalid(vec![FieldError {
            path: String::new(),
            message: error.to_string(),
        }])
    })?;
    let draft = app
        .drafts
        .create(&caller, message(Some(new.message))?)
        .await?;
    Ok((StatusCode::CREATED, Json(Facts::of(&draft))).into_response())
}

/// A draft, and what it would come to now.
#[derive(Debug, Serialize)]
struct One {
    #[serde(flatten)]
    facts: Facts,
    /// What it would change, secrets masked.
    differences: Vec<Difference>,
    /// Why it cannot be applied as it is; none when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

async fn one(State(app): State<Arc<App>>, Named(id): Named<u64>) -> Result<Json<One>, Problem> {
    let draft = app.drafts.find(id).await?;
    let before = app.newest();
    let mut after = (*before).clone();
    let applied = draft.apply(&mut after, &app.fingerprints);
    after.revision = 1;
    let problem = match applied {
        Ok(()) => Snapshot::try_from(after.clone()).err().map(Problem::from),
        Err(problem) => Some(problem),
    };
    let shown = |snapshot: &raw::Snapshot| masked::configuration(snapshot, &app.fingerprints);
    Ok(Json(One {
        facts: Facts::of(&draft.known),
        differences: differences(&shown(&before)?, &shown(&after)?),
        problem,
    }))
}

/// What applying a draft came to.
#[derive(Debug, Serialize)]
struct Applied {
    /// The new revision; none when nothing changes, or it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<RevisionInfo>,
    differences: Vec<Difference>,
}

async fn apply(
    State(app): State<Arc<App>>,
    Named(id): Named<u64>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<HowToWrite>, QueryRejection>,
) -> Result<Json<Applied>, Problem> {
    let draft = app.drafts.find(id).await?;
    let mut wanted = wanted(&caller, how)?;
    if wanted.message.is_empty() {
        wanted.message.clone_from(&draft.known.message);
    }
    let (applied, prints) = (draft.applied(), Arc::clone(&app.fingerprints));
    let change = move |snapshot: &mut raw::Snapshot| draft.apply(snapshot, &prints);
    let edited = app.edit_as(Box::new(change), wanted, Some(applied)).await?;
    let shown = |snapshot: &raw::Snapshot| masked::configuration(snapshot, &app.fingerprints);
    Ok(Json(Applied {
        revision: edited.revision,
        differences: differences(&shown(&edited.before)?, &shown(&edited.after)?),
    }))
}

async fn remove(
    State(app): State<Arc<App>>,
    Named(id): Named<u64>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, Problem> {
    app.drafts.remove(id, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

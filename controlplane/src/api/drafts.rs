//! Drafts over REST: writes with `?draft=ID` go into one, and are applied as one revision.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::config::{Snapshot, raw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::config::{HowToWrite, given, message, wanted};
use super::extract::Named;
use super::masked;
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{FieldError, Kind, Problem};
use crate::admin::RevisionInfo;
use crate::app::App;
use crate::diff::Difference;
use crate::drafts::Draft;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/drafts", get(list).post(create))
        .route("/drafts/{id}", get(one).delete(remove))
        .route("/drafts/{id}/apply", post(apply))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "drafts",
        "Several writes that are applied as one: those with `?draft=ID` go into one.",
        &[("id", "The draft's number.")],
    );
    api.route(&Method::GET, "/drafts", "listDrafts", "Drafts")
        .lists::<DraftFilter, Facts>(ORDERS);
    api.route(&Method::POST, "/drafts", "createDraft", "Draft: make one")
        .body::<New>()
        .answers::<Facts>(StatusCode::CREATED, "It is made.")
        .problems(&[Kind::Conflict]);
    let one = "/drafts/{id}";
    api.route(&Method::GET, one, "getDraft", "Draft: read")
        .answers::<One>(StatusCode::OK, "The draft, and what it would change now.");
    api.route(&Method::DELETE, one, "deleteDraft", "Draft: drop")
        .answers_nothing("It is gone, and nothing is changed.");
    api.route(
        &Method::POST,
        "/drafts/{id}/apply",
        "applyDraft",
        "Draft: apply",
    )
    .about("All of it becomes one revision, or nothing does.")
    .query::<HowToWrite>()
    .answers::<Applied>(StatusCode::OK, "What applying it came to.")
    .problems(&[Kind::Conflict, Kind::FileIsTruth, Kind::Invalid]);
}

/// What is known of a draft.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DraftFacts")]
struct Facts {
    id: u64,
    author: String,
    message: String,
    created_at_ms: u64,
    /// How many writes it has.
    writes: usize,
}

impl Facts {
    fn of(draft: &Draft) -> Self {
        Self {
            id: draft.id,
            author: draft.author.clone(),
            message: draft.message.clone(),
            created_at_ms: draft.created_at_ms,
            writes: draft.writes.len(),
        }
    }
}

/// Which drafts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DraftFilter {
    /// Made by: `token ci`, `admin alice`.
    author: Option<String>,
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<DraftFilter>,
) -> Result<Json<Page<Facts>>, Problem> {
    let drafts = app.drafts.list().await?;
    let author = filter.author.as_deref();
    let found = drafts
        .iter()
        .filter(|one| author.is_none_or(|author| one.author == author));
    let items = found.map(|one| Listed {
        id: padded(one.id),
        texts: vec![one.author.clone(), one.message.clone()],
        item: Facts::of(one),
    });
    ask.page(items, ORDERS).map(Json)
}

/// What a draft is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewDraft")]
struct New {
    /// What it is for, which becomes the message of the revision.
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
        .create(caller.author(), message(Some(new.message))?)
        .await?;
    Ok((StatusCode::CREATED, Json(Facts::of(&draft))).into_response())
}

/// A draft, and what it would come to now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Draft")]
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
    Ok(Json(One {
        facts: Facts::of(&draft),
        differences: masked::changes(&before, &after, &app.fingerprints)?,
        problem,
    }))
}

/// What applying a draft came to.
#[derive(Debug, Serialize, JsonSchema)]
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
    let dry_run = wanted.dry_run;
    if wanted.message.is_empty() {
        wanted.message.clone_from(&draft.message);
    }
    let prints = Arc::clone(&app.fingerprints);
    let change = move |snapshot: &mut raw::Snapshot| draft.apply(snapshot, &prints);
    let edited = app.edit(Box::new(change), wanted).await?;
    if !dry_run {
        app.drafts.remove(id).await?;
    }
    Ok(Json(Applied {
        revision: edited.revision,
        differences: masked::changes(&edited.before, &edited.after, &app.fingerprints)?,
    }))
}

async fn remove(State(app): State<Arc<App>>, Named(id): Named<u64>) -> Result<StatusCode, Problem> {
    app.drafts.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

const ORDERS: Orders<Facts> = &[
    ("id", |one| padded(one.id)),
    ("author", |one| one.author.clone()),
    ("created_at_ms", |one| padded(one.created_at_ms)),
    ("writes", |one| format!("{:020}", one.writes)),
];

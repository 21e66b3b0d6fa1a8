//! Drafts over REST: writes with `?draft=ID` go into one, and are applied as one revision.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, Method, StatusCode};
use proto::config::raw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::based_on;
use super::caller::Caller;
use super::config::{HowToWrite, based, given, message, precondition, wanted};
use super::extract::{DryRun, HowToTry, Named};
use super::masked;
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{FieldError, Kind, Problem};
use crate::admin::RevisionInfo;
use crate::app::App;
use crate::clock::now_ms;
use crate::diff::Difference;
use crate::edit::{self, SharedChange, aside};
use crate::store::DraftRow;

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
        .query::<HowToTry>()
        .body::<New>()
        .answers::<Would>(StatusCode::OK, "It was only tried (`dry_run`).")
        .answers::<Facts>(StatusCode::CREATED, "It is made.")
        .problems(&[Kind::Conflict]);
    let one = "/drafts/{id}";
    api.route(&Method::GET, one, "getDraft", "Draft: read")
        .answers::<One>(StatusCode::OK, "The draft, and what it would change now.");
    api.route(&Method::DELETE, one, "deleteDraft", "Draft: drop")
        .query::<HowToTry>()
        .answers_nothing("It is gone, and nothing is changed.");
    let apply = api.route(
        &Method::POST,
        "/drafts/{id}/apply",
        "applyDraft",
        "Draft: apply",
    );
    let apply = apply
        .about(
            "All of it becomes one revision, or nothing does. `If-Match` takes `based_on` of the draft or \
             of a dry run.",
        )
    .query::<HowToWrite>()
    .answers::<Applied>(StatusCode::OK, "What applying it came to.")
    .problems(&[Kind::Conflict, Kind::FileIsTruth, Kind::Invalid]);
    based(apply);
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

/// A draft that was only tried to make, and has no number.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DraftThatWouldBe")]
struct Would {
    author: String,
    message: String,
    created_at_ms: u64,
    /// None yet.
    writes: u64,
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
    DryRun(dry): DryRun,
    new: Result<Json<serde_json::Value>, JsonRejection>,
) -> Result<Response, Problem> {
    let new: New = serde_json::from_value(given(new)?).map_err(|error| {
        Problem::invalid(vec![FieldError {
            path: String::new(),
            message: error.to_string(),
        }])
    })?;
    let message = message(Some(new.message))?;
    if dry {
        app.drafts.room().await?;
        let would = Would {
            author: caller.author(),
            message,
            created_at_ms: now_ms(),
            writes: 0,
        };
        return Ok(Json(would).into_response());
    }
    let draft = app.drafts.create(&caller, message).await?;
    Ok((StatusCode::CREATED, Json(Facts::of(&draft))).into_response())
}

/// A draft, and what it would come to now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Draft")]
struct One {
    #[serde(flatten)]
    facts: Facts,
    /// The entity tag of what this was found for: `If-Match` with it applies what is shown here, or
    /// nothing.
    based_on: String,
    /// What it would change, secrets masked.
    differences: Vec<Difference>,
    /// Why it cannot be applied as it is; none when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

async fn one(State(app): State<Arc<App>>, Named(id): Named<u64>) -> Result<Json<One>, Problem> {
    let draft = Arc::new(app.drafts.find(id).await?);
    let facts = Facts::of(&draft.known);
    let before = app.newest();
    let (does, prints) = (Arc::clone(&draft), Arc::clone(&app.fingerprints));
    let change: SharedChange = Arc::new(move |snapshot| does.apply(snapshot, &prints));
    // As applying it would: nothing is made, so that nothing is needed.
    let tried = edit::changed(&before, &change, true, &app.settings, &mut |_| ()).await;
    let prints = Arc::clone(&app.fingerprints);
    let (based_on, differences, problem) = aside(move || {
        let (after, problem) = match tried {
            Ok(after) => (after, None),
            Err(problem) => {
                // As far as it goes.
                let mut after = (*before).clone();
                drop(draft.apply(&mut after, &prints));
                (after, Some(problem))
            }
        };
        let based_on = based_on::tag(&before, Some(draft.version()), &prints)?;
        let found = masked::changes(&before, &after, &prints)?;
        Ok((based_on, found, problem))
    })
    .await?;
    Ok(Json(One {
        facts,
        based_on,
        differences,
        problem,
    }))
}

/// What applying a draft came to.
#[derive(Debug, Serialize, JsonSchema)]
struct Applied {
    /// The new revision; none when nothing changes, or it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<RevisionInfo>,
    /// The entity tag of what it was applied to: after a dry run, `If-Match` with it makes sure that
    /// what was shown is what is done.
    based_on: String,
    differences: Vec<Difference>,
}

async fn apply(
    State(app): State<Arc<App>>,
    Named(id): Named<u64>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<HowToWrite>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Applied>, Problem> {
    let based = precondition(&headers)?;
    let draft = app.drafts.find(id).await?;
    let mut wanted = wanted(&caller, how)?;
    if wanted.message.is_empty() {
        wanted.message.clone_from(&draft.known.message);
    }
    let (applied, prints) = (draft.applied(), Arc::clone(&app.fingerprints));
    let version = draft.version();
    let change = move |snapshot: &mut raw::Snapshot| {
        based_on::hold(&based, snapshot, Some(version), &prints)?;
        draft.apply(snapshot, &prints)
    };
    let edited = app.edit_as(Box::new(change), wanted, Some(applied)).await?;
    let (based_on, differences) = app.compared(&edited, Some(version)).await?;
    Ok(Json(Applied {
        revision: edited.revision,
        based_on,
        differences,
    }))
}

async fn remove(
    State(app): State<Arc<App>>,
    Named(id): Named<u64>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
) -> Result<StatusCode, Problem> {
    if dry {
        app.drafts.find(id).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    app.drafts.remove(id, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

const ORDERS: Orders<Facts> = &[
    ("id", |one| padded(one.id)),
    ("author", |one| one.author.clone()),
    ("created_at_ms", |one| padded(one.created_at_ms)),
    ("writes", |one| format!("{:020}", one.writes)),
];

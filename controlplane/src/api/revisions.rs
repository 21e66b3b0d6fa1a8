//! Revisions: what each configured, who made it and why, what the nodes said of it; and back to one.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, header};
use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::rpc::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::based_on;
use super::caller::Caller;
use super::config::{HowToWrite, precondition, wanted};
use super::extract::Named;
use super::file_back::FileBack;
use super::masked::{self, masked_differences};
use super::problem::{Kind, Problem};
use crate::admin::{Reload, RevisionInfo};
use crate::app::App;
use crate::diff::Difference;
use crate::edit::aside;
use crate::store::StoredRevision;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/revisions", get(list))
        .route("/revisions/{number}", get(one))
        .route("/revisions/{number}/diff", get(diff))
        .route("/revisions/{number}/rollback", post(rollback))
}

/// Which revisions.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// How many, 1 to 1,000; default 100.
    limit: Option<u32>,
    /// Those with smaller numbers than this; default all.
    before: Option<u64>,
}

/// Some of them, the newest first.
#[derive(Debug, Serialize)]
struct Listed {
    items: Vec<RevisionInfo>,
    /// For `before` of the next page; none when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

async fn list(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let Query(which) = which.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let limit = which.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit is 1 to {MAX_LIMIT}, not {limit}");
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let below = which.before.unwrap_or(u64::MAX);
    let found = app
        .store
        .list_revisions(below, limit.saturating_add(1))
        .await;
    let mut items = found?;
    let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|last| last.number.0);
    Ok(Json(Listed { items, next }))
}

/// One revision.
#[derive(Debug, Serialize)]
struct One {
    #[serde(flatten)]
    info: RevisionInfo,
    /// Whether it is the one that is served.
    served: bool,
    /// What the nodes said of it.
    nodes: Vec<OfNode>,
    /// What it configures, its secrets masked.
    configuration: Value,
}

/// What a node said of a revision.
#[derive(Debug, Serialize)]
struct OfNode {
    node: NodeId,
    /// When: milliseconds since 1970, UTC.
    at_ms: u64,
    #[serde(flatten)]
    verdict: Verdict,
}

async fn one(State(app): State<Arc<App>>, Named(number): Named<u64>) -> Result<Json<One>, Problem> {
    let StoredRevision { info, snapshot } = find(&app, number).await?;
    let verdicts = app.store.list_verdicts(info.number).await;
    let nodes = verdicts?.into_iter().map(|(node, verdict, at_ms)| OfNode {
        node,
        at_ms,
        verdict,
    });
    let current = app
        .revisions
        .borrow()
        .as_ref()
        .map(|current| current.info.number);
    let prints = Arc::clone(&app.fingerprints);
    Ok(Json(One {
        served: current == Some(info.number),
        nodes: nodes.collect(),
        configuration: aside(move || masked::configuration(&snapshot, &prints)).await?,
        info,
    }))
}

/// With which revision one is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct With {
    /// The earlier one; default the one before.
    with: Option<u64>,
}

/// What one revision changed.
#[derive(Debug, Serialize)]
struct Differences {
    from: u64,
    to: u64,
    differences: Vec<Difference>,
}

async fn diff(
    State(app): State<Arc<App>>,
    Named(number): Named<u64>,
    with: Result<Query<With>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(with) = with.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let to = find(&app, number).await?;
    let from = with.with.unwrap_or_else(|| number.saturating_sub(1));
    // Before the first there is nothing.
    let before = match from {
        0 => raw::Snapshot::default(),
        from => find(&app, from).await?.snapshot,
    };
    let prints = Arc::clone(&app.fingerprints);
    let found = aside(move || masked_differences(&before, &to.snapshot, &prints)).await?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.starts_with("text/plain")) {
        let text: String = found.iter().map(|one| format!("{one}\n")).collect();
        return Ok(text.into_response());
    }
    let document = Differences {
        from,
        to: number,
        differences: found,
    };
    Ok(Json(document).into_response())
}

async fn rollback(
    State(app): State<Arc<App>>,
    Named(number): Named<u64>,
    Extension(caller): Extension<Caller>,
    how: Result<Query<HowToWrite>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<RolledBack>, Problem> {
    let based = precondition(&headers)?;
    let old = find(&app, number).await?;
    let mut wanted = wanted(&caller, how)?;
    if wanted.message.is_empty() {
        wanted.message = format!("back to revision {number}");
    }
    if let Some(source) = &app.settings.source {
        let path = source.path().to_owned();
        let back = FileBack { path, old, based };
        return back.write(&app, wanted).await.map(Json);
    }
    let prints = Arc::clone(&app.fingerprints);
    let change = move |snapshot: &mut raw::Snapshot| {
        based_on::hold(&based, snapshot, None, &prints)?;
        *snapshot = old.snapshot.clone();
        Ok(())
    };
    let edited = app.edit(Box::new(change), wanted).await?;
    let (based_on, differences) = app.compared(&edited, None).await?;
    Ok(Json(RolledBack {
        revision: edited.revision,
        based_on,
        differences,
        reload: None,
    }))
}

/// What going back came to.
#[derive(Debug, Serialize)]
pub(super) struct RolledBack {
    /// The new revision; none when nothing changes, or it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<RevisionInfo>,
    /// The entity tag of what was there before: after a dry run, `If-Match` with it makes sure that what
    /// was shown is what is done.
    pub(super) based_on: String,
    pub(super) differences: Vec<Difference>,
    /// Where a file is the truth: what reading it again gave; none when it was only tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reload: Option<Reload>,
}

async fn find(app: &App, number: u64) -> Result<StoredRevision, Problem> {
    let found = app.store.fetch_revision(Revision(number)).await;
    found?.ok_or_else(|| {
        let detail = format!("there is no revision {number}, or it is too old to be kept");
        Problem::new(Kind::NotFound, detail)
    })
}

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1_000;

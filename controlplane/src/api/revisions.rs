//! Revisions: what each configured, who made it and why, what the nodes said of it; and back to one.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, Method, StatusCode, header};
use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::rpc::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::based_on;
use super::caller::Caller;
use super::config::{HowToWrite, based, precondition, wanted};
use super::extract::Named;
use super::file_back::FileBack;
use super::masked;
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{Kind, Problem};
use crate::admin::{Reload, RevisionInfo};
use crate::app::App;
use crate::diff::Difference;
use crate::edit::aside;
use crate::moment::Moment;
use crate::store::{REVISIONS, StoredRevision};

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/revisions", get(list))
        .route("/revisions/{number}", get(one))
        .route("/revisions/{number}/diff", get(diff))
        .route("/revisions/{number}/rollback", post(rollback))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "revisions",
        "What was configured when, by whom and why, and what the nodes said of it.",
        &[("number", "The revision's number.")],
    );
    api.route(
        &Method::GET,
        "/revisions",
        "listRevisions",
        "Revisions, the newest first",
    )
    .lists::<RevisionFilter, RevisionInfo>(ORDERS);
    let one = "/revisions/{number}";
    api.route(&Method::GET, one, "getRevision", "Revision: read")
        .answers::<One>(StatusCode::OK, "The revision, its secrets masked.");
    let (text, id) = (json!({"type": "string"}), "diffRevision");
    let diff = api.route(
        &Method::GET,
        "/revisions/{number}/diff",
        id,
        "Revision: what it changed",
    );
    diff.query::<With>()
        .asks(
            "Accept",
            "`text/plain`: for people, a line for each difference. Default: JSON.",
        )
        .answers::<Differences>(StatusCode::OK, "The differences.")
        .also("text/plain", &text);
    let (path, id) = ("/revisions/{number}/rollback", "rollbackRevision");
    let back = api.route(&Method::POST, path, id, "Revision: go back to it");
    let back = back
        .about(
            "What it configured becomes a new revision; where a file is the truth, it is written. \
             `If-Match` takes `based_on` of a dry run.",
        )
        .query::<HowToWrite>()
        .answers::<RolledBack>(StatusCode::OK, "What going back came to.")
        .problems(&[Kind::Conflict, Kind::FileIsTruth, Kind::Invalid]);
    based(back);
}

/// Which revisions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevisionFilter {
    /// Made by: `token ci`, `admin alice`.
    author: Option<String>,
    /// Made at this moment or later.
    from: Option<Moment>,
    /// Made before this moment.
    to: Option<Moment>,
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(mut ask, filter): Asked<RevisionFilter>,
) -> Result<Json<Page<RevisionInfo>>, Problem> {
    // All that are kept: their number is bounded.
    let found = app.store.list_revisions(u64::MAX, REVISIONS).await?;
    let author = filter.author.as_deref();
    let found = found.into_iter().filter(|one| {
        author.is_none_or(|author| one.author == author)
            && filter.from.is_none_or(|from| one.created_at_ms >= from.0)
            && filter.to.is_none_or(|to| one.created_at_ms < to.0)
    });
    let items = found.map(|one| Listed {
        id: padded(one.number.0),
        texts: vec![one.author.clone(), one.message.clone()],
        item: one,
    });
    ask.sort.get_or_insert_with(|| "-number".to_owned());
    ask.page(items, ORDERS).map(Json)
}

/// One revision.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Revision")]
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
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RevisionOfNode")]
struct OfNode {
    node: NodeId,
    /// When: milliseconds since 1970, UTC.
    at_ms: u64,
    #[serde(flatten)]
    verdict: Verdict,
}

async fn one(State(app): State<Arc<App>>, Named(number): Named<u64>) -> Result<Json<One>, Problem> {
    let StoredRevision {
        info,
        snapshot,
        since,
    } = find(&app, number).await?;
    let prints = Arc::clone(&app.fingerprints);
    let masked = aside(move || {
        let mut configuration = masked::configuration(&snapshot, &prints)?;
        masked::date(&mut configuration, &since);
        Ok(configuration)
    });
    let configuration = masked.await?;
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
    Ok(Json(One {
        served: current == Some(info.number),
        nodes: nodes.collect(),
        configuration,
        info,
    }))
}

/// With which revision one is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct With {
    /// The earlier one; default the one before.
    with: Option<u64>,
}

/// What one revision changed.
#[derive(Debug, Serialize, JsonSchema)]
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
    let found = aside(move || masked::changes(&before, &to.snapshot, &prints)).await?;
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
#[derive(Debug, Serialize, JsonSchema)]
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

const ORDERS: Orders<RevisionInfo> = &[
    ("number", |one| padded(one.number.0)),
    ("author", |one| one.author.clone()),
    ("created_at_ms", |one| padded(one.created_at_ms)),
];

//! The audit: read, and proven to be whole.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::openapi::Api;
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::audit::{Entry, Head, Walk};
use crate::moment::Moment;
use crate::store::{AuditFilter, StoreError};

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/verify", get(verify))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "audit",
        "Who did what, when, from where: entries that are only added.",
        &[],
    );
    api.route(
        &Method::GET,
        "/audit",
        "listAudit",
        "Audit, the newest first",
    )
    .query::<Which>()
    .answers::<Listed>(StatusCode::OK, "A page of the list.");
    api.route(
        &Method::GET,
        "/audit/verify",
        "verifyAudit",
        "Audit: prove that it is whole",
    )
    .answers::<Verified>(StatusCode::OK, "What looking at all entries came to.");
}

/// Which entries.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// How many entries a page holds, 1 to 1,000; default 100.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Where the page begins: `next` of the one before.
    #[schemars(regex(pattern = "^[0-9]{1,18}$"))]
    cursor: Option<String>,
    /// `-seq` (default): the newest first. `seq`: the oldest first.
    sort: Option<Order>,
    /// By this actor: `token ci`, `admin alice`.
    actor: Option<String>,
    /// From this address.
    source: Option<String>,
    /// What was done: `configuration`.
    action: Option<String>,
    /// To what: `revision 7`.
    target: Option<String>,
    /// At this moment or later.
    from: Option<Moment>,
    /// Before this moment.
    to: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Order {
    #[serde(rename = "seq")]
    OldestFirst,
    #[default]
    #[serde(rename = "-seq")]
    NewestFirst,
}

/// A page of entries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOfAudit")]
struct Listed {
    items: Vec<Entry>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

async fn list(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let bad = |detail: String| Problem::new(Kind::BadRequest, detail);
    let Query(which) = which.map_err(|error| bad(error.body_text()))?;
    let limit = which.limit.unwrap_or(100);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad(format!("limit is 1 to {MAX_LIMIT}, not {limit}")));
    }
    let cursor = which.cursor.as_deref().map(str::parse).transpose();
    let beyond: Option<u64> = cursor.map_err(|_| {
        bad("the cursor is none of a list; take 'next' of the page before as it is".to_owned())
    })?;
    let asked = AuditFilter {
        actor: which.actor,
        source: which.source,
        action: which.action,
        target: which.target,
        from_ms: which.from.map(|moment| moment.0),
        to_ms: which.to.map(|moment| moment.0),
    };
    let more = limit.saturating_add(1);
    let found = match which.sort.unwrap_or_default() {
        Order::NewestFirst => app.store.list_audit_before(beyond, &asked, more).await,
        Order::OldestFirst => app.store.list_audit_from(beyond, &asked, more).await,
    };
    let mut items = found.map_err(|error| unavailable(&error))?;
    let is_more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if is_more {
        items.pop();
    }
    let next = items.last().filter(|_| is_more);
    let next = next.map(|last| last.seq.to_string());
    Ok(Json(Listed { items, next }))
}

/// What looking at all entries came to.
#[derive(Debug, Serialize, JsonSchema)]
struct Verified {
    /// Whether each is the one that was written after those before.
    whole: bool,
    /// How many there are, up to the first that is not.
    entries: u64,
    /// The link of the last of these, in hexadecimal. Whoever keeps it elsewhere can tell later that the
    /// whole database was not put back to an earlier one.
    link: String,
    /// What is wrong; none when it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

async fn verify(State(app): State<Arc<App>>) -> Result<Json<Verified>, Problem> {
    let chain = app.store.chain();
    let noted = async || {
        let noted = app.store.fetch_audit_head().await;
        noted.map_err(|error| unavailable(&error))
    };
    let mut walk = Walk::new(chain, noted().await?);
    let outcome = loop {
        let some = app.store.list_audit_after(walk.at().seq, MAX_LIMIT).await;
        let some = some.map_err(|error| unavailable(&error))?;
        if some.is_empty() {
            break walk.end(noted().await?);
        }
        if let Err(broken) = some.iter().try_for_each(|entry| walk.step(entry)) {
            break Err(broken);
        }
    };
    let fault = outcome.err().map(|broken| broken.to_string());
    let Head { seq, link } = walk.at();
    Ok(Json(Verified {
        whole: fault.is_none(),
        entries: seq,
        link: data_encoding::HEXLOWER.encode(&link),
        fault,
    }))
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the audit cannot be read"
    );
    Problem::new(
        Kind::Unavailable,
        "the database does not answer; the log has the cause",
    )
}

const MAX_LIMIT: u32 = 1_000;

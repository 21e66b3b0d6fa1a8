//! The audit: read, and proven to be whole.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};
use crate::app::App;
use crate::audit::{Chain, Entry, Head, Walk};
use crate::store::StoreError;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/verify", get(verify))
}

/// Which entries.
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
    items: Vec<Entry>,
    /// For `before` of the next page; none when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

async fn list(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let Query(which) = which.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let limit = which.limit.unwrap_or(100);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit is 1 to {MAX_LIMIT}, not {limit}");
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let before = which.before.unwrap_or(u64::MAX);
    let items = app.store.list_audit_before(before, limit).await;
    let items = items.map_err(|error| unavailable(&error))?;
    let next = items.last().map(|last| last.seq).filter(|seq| *seq > 1);
    Ok(Json(Listed { items, next }))
}

/// What looking at all entries came to.
#[derive(Debug, Serialize)]
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
    let chain = Chain::new(&app.key);
    let noted = async || {
        let noted = app.store.fetch_audit_head().await;
        noted.map_err(|error| unavailable(&error))
    };
    let mut walk = Walk::new(&chain, noted().await?);
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

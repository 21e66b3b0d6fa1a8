//! The audit: read, and proven to be whole.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};
use crate::app::App;
use crate::audit::{BEGINNING, Entry};
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
    /// The link of the last of these, in hexadecimal: whoever kept one of earlier finds it in the entry
    /// of that number, unless the end was taken away and written anew with the installation's key.
    link: String,
    /// What is wrong; none when it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

async fn verify(State(app): State<Arc<App>>) -> Result<Json<Verified>, Problem> {
    let chain = app.store.chain();
    let (mut entries, mut link) = (0, BEGINNING);
    let fault = loop {
        let some = app.store.list_audit_after(entries, MAX_LIMIT).await;
        let some = some.map_err(|error| unavailable(&error))?;
        if some.is_empty() {
            break None;
        }
        let mut broken = None;
        for entry in &some {
            match chain.follow(entry, entries.saturating_add(1), &link) {
                Ok(next) => (entries, link) = (entries.saturating_add(1), next),
                Err(fault) => {
                    broken = Some(fault.to_string());
                    break;
                }
            }
        }
        if broken.is_some() {
            break broken;
        }
    };
    Ok(Json(Verified {
        whole: fault.is_none(),
        entries,
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

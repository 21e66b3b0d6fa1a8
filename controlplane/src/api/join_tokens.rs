//! Join tokens that wait to be used: which there are, and taking one back. Making one is in
//! [`super::nodes`].

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use http::StatusCode;

use super::caller::Caller;
use super::extract::{DryRun, Named};
use super::page::{Ask, Listed, Orders, Page};
use super::problem::{Kind, Problem};
use crate::access::token::TokenId;
use crate::admin::JoinTokenView;
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{JoinToken, StoreError};

pub(super) async fn list(
    State(app): State<Arc<App>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<JoinTokenView>>, Problem> {
    const ORDERS: Orders<JoinTokenView> =
        &[("expires_at_ms", |one| format!("{:020}", one.expires_at_ms))];
    let Query(ask) = ask.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let kept = app.store.list_join_tokens(now_ms()).await.map_err(failed)?;
    let items = kept.into_iter().map(|one| Listed {
        id: one.id.to_string(),
        texts: one.node.iter().map(ToString::to_string).collect(),
        item: shown(one),
    });
    ask.page(items, ORDERS).map(Json)
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Named(id): Named<String>,
) -> Result<Json<JoinTokenView>, Problem> {
    let found = match TokenId::read(&id) {
        Some(id) => app.store.fetch_join_token(id).await.map_err(failed)?,
        None => None,
    };
    let good = found.filter(|kept| kept.expires_at_ms > now_ms());
    good.map(|kept| Json(shown(kept)))
        .ok_or_else(|| missing(&id))
}

pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let gone = match TokenId::read(&id) {
        Some(id) if dry => {
            let found = app.store.fetch_join_token(id).await.map_err(failed)?;
            found.is_some()
        }
        Some(id) => app.store.delete_join_token(id).await.map_err(failed)?,
        None => false,
    };
    if !gone {
        return Err(missing(&id));
    }
    if !dry {
        tracing::info!(token = id, by = %caller.by, "join token taken back");
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn shown(kept: JoinToken) -> JoinTokenView {
    JoinTokenView {
        id: kept.id.to_string(),
        node: kept.node,
        expires_at_ms: kept.expires_at_ms,
    }
}

fn missing(id: &str) -> Problem {
    let detail = format!("there is no join token '{id}': it was used, taken back or has expired");
    Problem::new(Kind::NotFound, detail)
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failed(error: StoreError) -> Problem {
    Problem::internal(&error)
}

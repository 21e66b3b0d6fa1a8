//! Join tokens that wait to be used: which there are, and taking one back. Making one is in
//! [`super::nodes`].

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use proto::id::NodeId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::caller::Caller;
use super::extract::{DryRun, HowToTry, Named};
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{Kind, Problem};
use crate::access::token::TokenId;
use crate::admin::{JoinTokenMade, JoinTokenRequest, JoinTokenView};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{JoinToken, StoreError};

/// What the OpenAPI document says of them. They are in the group of [`super::nodes`].
pub(super) fn document(api: &mut Api) {
    let all = "/join-tokens";
    let id = "listJoinTokens";
    api.route(&Method::GET, all, id, "Join tokens that wait to be used")
        .lists::<JoinTokenFilter, JoinTokenView>(ORDERS);
    let id = "createJoinToken";
    api.route(&Method::POST, all, id, "Join token: make one")
        .about(
            "With it a node of another machine joins, once. It is in this answer and nowhere else.",
        )
        .query::<HowToTry>()
        .body::<JoinTokenRequest>()
        .answers::<JoinTokenView>(StatusCode::OK, "It would be made.")
        .answers::<JoinTokenMade>(StatusCode::CREATED, "It is made.");
    let one = "/join-tokens/{id}";
    api.route(&Method::GET, one, "getJoinToken", "Join token: read")
        .answers::<JoinTokenView>(StatusCode::OK, "The token, without its secret.");
    let id = "deleteJoinToken";
    api.route(&Method::DELETE, one, id, "Join token: take it back")
        .query::<HowToTry>()
        .answers_nothing("Nobody joins with it any more.");
}

/// Which join tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinTokenFilter {
    /// For a node of this name; those that are for any name are not among them.
    node: Option<NodeId>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<JoinTokenFilter>,
) -> Result<Json<Page<JoinTokenView>>, Problem> {
    let kept = app.store.list_join_tokens(now_ms()).await.map_err(failed)?;
    let found = kept
        .into_iter()
        .filter(|one| filter.node.is_none() || one.node == filter.node);
    let items = found.map(|one| Listed {
        id: one.id.to_string(),
        texts: std::iter::once(one.id.to_string())
            .chain(one.node.iter().map(ToString::to_string))
            .collect(),
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
        let target = format!("join token {id}");
        caller
            .audit(&app.store, "node.join_token.take_back", target, &json!({}))
            .await?;
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

const ORDERS: Orders<JoinTokenView> = &[
    ("expires_at_ms", |one| padded(one.expires_at_ms)),
    ("id", |one| one.id.clone()),
    ("node", |one| {
        one.node
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    }),
];

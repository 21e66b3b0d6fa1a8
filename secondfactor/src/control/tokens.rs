//! The routes of generators and hardware tokens.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::refusal::Refusal;
use super::{Answered, Control, Try, find, user_of};
use crate::admin::{
    AssignToken, Done, ImportTokens, ImportedTokens, Resynchronize, Token, Tokens, User,
};
use crate::service::{ResyncError, TokenError};

pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/users/{name}/devices/{id}/resync", post(resynchronize))
        .route("/tokens", get(tokens))
        .route(
            "/tokens/import",
            post(import).layer(DefaultBodyLimit::max(IMPORT_OCTETS)),
        )
        .route("/tokens/{serial}/assign", post(assign))
        .route("/tokens/{serial}/unassign", post(unassign))
        .route("/tokens/{serial}/delete", post(delete))
}

async fn resynchronize(
    State(control): State<Control>,
    Path((name, id)): Path<(String, String)>,
    Query(try_it): Query<Try>,
    Json(given): Json<Resynchronize>,
) -> Answered<User> {
    let account = find(&control, &name).await?;
    let passcodes = (given.first.expose().trim(), given.second.expose().trim());
    control
        .service
        .resynchronize(&account, &id, passcodes, try_it.attempt())
        .await?;
    Ok(Json(user_of(&find(&control, &name).await?)))
}

#[derive(Deserialize)]
struct Paging {
    after: Option<String>,
    limit: Option<u32>,
}

async fn tokens(State(control): State<Control>, Query(paging): Query<Paging>) -> Answered<Tokens> {
    let after = paging.after.unwrap_or_default();
    let limit = paging.limit.unwrap_or(100).clamp(1, 500);
    // One more than is shown says whether there is a next page.
    let mut tokens = control.service.store.tokens(&after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = tokens.len() > limit;
    tokens.truncate(limit);
    Ok(Json(Tokens {
        next: tokens
            .last()
            .filter(|_| more)
            .map(|last| last.serial.clone()),
        tokens,
    }))
}

async fn import(
    State(control): State<Control>,
    Json(file): Json<ImportTokens>,
) -> Answered<ImportedTokens> {
    Ok(Json(control.service.import_tokens(file).await?))
}

async fn assign(
    State(control): State<Control>,
    Path(serial): Path<String>,
    Query(try_it): Query<Try>,
    Json(to): Json<AssignToken>,
) -> Answered<Token> {
    let account = find(&control, &to.user).await?;
    let token = control
        .service
        .assign_token(&serial, &account, try_it.attempt())
        .await?;
    Ok(Json(token))
}

async fn unassign(
    State(control): State<Control>,
    Path(serial): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Token> {
    let service = &control.service;
    let token = service.unassign_token(&serial, try_it.attempt()).await?;
    Ok(Json(token))
}

async fn delete(
    State(control): State<Control>,
    Path(serial): Path<String>,
    Query(try_it): Query<Try>,
) -> Answered<Done> {
    let service = &control.service;
    service.delete_token(&serial, try_it.attempt()).await?;
    Ok(Json(Done {}))
}

impl From<ResyncError> for Refusal {
    fn from(error: ResyncError) -> Self {
        match error {
            ResyncError::Missing => Self::Missing("device"),
            ResyncError::Store(error) => error.into(),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(text) => Self::Invalid(text),
            TokenError::Missing(what) => Self::Missing(what),
            TokenError::Conflict(text) => Self::Conflict(text),
            TokenError::Store(error) => error.into(),
        }
    }
}

/// A file of 4 MiB, in JSON.
const IMPORT_OCTETS: usize = 8 * 1024 * 1024;

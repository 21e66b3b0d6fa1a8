//! Bearer tokens: who has one, making one, and taking it back. A token is shown once, in the answer
//! that made it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::caller::Caller;
use super::extract::{DryRun, HowToTry};
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{FieldError, Kind, Problem};
use crate::access::role::Role;
use crate::access::token::{TOKENS, Token, TokenId};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{InsertedToken, StoreError, TokenRow};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/tokens", get(list).post(create))
        .route("/tokens/{id}", get(read).delete(delete))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "tokens",
        "Bearer tokens, for programs.",
        &[("id", "The token's id: the second part of the token.")],
    );
    api.route(&Method::GET, "/tokens", "listTokens", "Tokens")
        .lists::<TokenFilter, TokenView>(ORDERS);
    api.route(&Method::POST, "/tokens", "createToken", "Token: make one")
        .about("The token itself is in this answer and nowhere else.")
        .query::<HowToTry>()
        .body::<NewToken>()
        .answers::<MadeToken>(StatusCode::OK, "It was only tried (`dry_run`).")
        .answers::<MadeToken>(StatusCode::CREATED, "It is made.")
        .problems(&[Kind::Conflict]);
    let one = "/tokens/{id}";
    api.route(&Method::GET, one, "getToken", "Token: read")
        .answers::<TokenView>(StatusCode::OK, "The token, without its secret.");
    api.route(&Method::DELETE, one, "deleteToken", "Token: take it back")
        .query::<HowToTry>()
        .answers_nothing("It opens nothing any more.");
}

/// What a token is to be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// For people, to know it by: 1 to 64 characters, and no other token's.
    name: String,
    /// What its holder may.
    role: Role,
    /// How long it is good for; default 90 days, at least a minute, at most ten years.
    #[serde(default = "ninety_days")]
    expires_in_seconds: u64,
}

/// Which tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenFilter {
    /// Of this role.
    role: Option<Role>,
    /// Past their end, or not.
    expired: Option<bool>,
}

/// A token, without its secret.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TokenView {
    /// What it is called in addresses; also the second part of the token itself.
    id: String,
    name: String,
    role: Role,
    created_by: String,
    created_at_ms: u64,
    expires_at_ms: u64,
    /// Whether it is past its end.
    expired: bool,
    /// Exact to the minute; none when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at_ms: Option<u64>,
}

/// A token as it is shown once.
#[derive(Serialize, JsonSchema)]
struct MadeToken {
    #[serde(flatten)]
    view: TokenView,
    /// What its holder sends as `Authorization: Bearer`; none after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl TokenView {
    fn of(row: TokenRow, now_ms: u64) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            role: row.role,
            created_by: row.created_by,
            created_at_ms: row.created_at_ms,
            expires_at_ms: row.expires_at_ms,
            expired: row.expires_at_ms <= now_ms,
            last_used_at_ms: row.last_used_at_ms,
        }
    }
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<TokenFilter>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let now_ms = now_ms();
    let rows = app.store.list_tokens().await.map_err(failed)?;
    let views = rows.into_iter().map(|row| TokenView::of(row, now_ms));
    let found = views.filter(|one| {
        filter.role.is_none_or(|role| one.role == role)
            && filter.expired.is_none_or(|expired| one.expired == expired)
    });
    let items = found.map(|one| Listed {
        id: one.id.clone(),
        texts: vec![one.id.clone(), one.name.clone(), one.created_by.clone()],
        item: one,
    });
    ask.page(items, ORDERS).map(Json)
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    wanted: Result<Json<NewToken>, JsonRejection>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let Json(wanted) = wanted.map_err(|error| refused(&error))?;
    check(&wanted)?;
    let token = Token::make().map_err(|error| Problem::internal(&error))?;
    let now_ms = now_ms();
    let row = TokenRow {
        id: token.id(),
        name: wanted.name,
        role: wanted.role,
        hash: token.hash(),
        created_by: caller.author(),
        created_at_ms: now_ms,
        expires_at_ms: now_ms.saturating_add(wanted.expires_in_seconds.saturating_mul(1_000)),
        last_used_at_ms: None,
    };
    let after = json!({ "name": row.name, "role": row.role, "expires_at_ms": row.expires_at_ms });
    let deed = caller.deed(
        "token.create",
        format!("token {}", row.id),
        &json!({ "after": after }),
    );
    let stored = if dry {
        let all = app.store.list_tokens().await.map_err(failed)?;
        match all.iter().any(|one| one.name == row.name) {
            _ if all.len() >= TOKENS => InsertedToken::Full,
            true => InsertedToken::NameTaken,
            false => InsertedToken::Stored,
        }
    } else {
        app.store.insert_token(&row, &deed).await.map_err(failed)?
    };
    match stored {
        InsertedToken::Stored => {}
        InsertedToken::NameTaken => {
            let detail = format!("another token is called '{}'", row.name);
            return Err(Problem::new(Kind::Conflict, detail));
        }
        InsertedToken::Full => {
            let detail = format!("there are {TOKENS} tokens; delete one that nobody needs");
            return Err(Problem::new(Kind::Conflict, detail));
        }
    }
    let status = if dry {
        StatusCode::OK
    } else {
        tracing::info!(id = %row.id, name = row.name, role = %row.role, by = row.created_by, "token made");
        StatusCode::CREATED
    };
    let made = MadeToken {
        view: TokenView::of(row, now_ms),
        token: (!dry).then(|| token.written().expose().clone()),
    };
    Ok((status, Json(made)))
}

async fn read(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    let found = match TokenId::read(&id) {
        Some(id) => app.store.fetch_token(id).await.map_err(failed)?,
        None => None,
    };
    let row = found.ok_or_else(|| missing(&id))?;
    Ok(Json(TokenView::of(row, now_ms())))
}

async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let found = match TokenId::read(&id) {
        Some(id) => app.store.fetch_token(id).await.map_err(failed)?,
        None => None,
    };
    let was = found.ok_or_else(|| missing(&id))?;
    if dry {
        return Ok(StatusCode::NO_CONTENT);
    }
    let before = json!({ "name": was.name, "role": was.role, "expires_at_ms": was.expires_at_ms });
    let detail = json!({ "before": before });
    let deed = caller.deed("token.revoke", format!("token {id}"), &detail);
    let deleted = app.store.delete_token(was.id, &deed).await;
    if !deleted.map_err(failed)? {
        return Err(missing(&id));
    }
    tracing::info!(id, by = caller.author(), "token revoked");
    Ok(StatusCode::NO_CONTENT)
}

fn check(wanted: &NewToken) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let name = &wanted.name;
    let characters = name.chars().count();
    if !(1..=NAME_CHARACTERS).contains(&characters)
        || name.contains(char::is_control)
        || name.trim() != name
    {
        errors.push(FieldError {
            path: "name".to_owned(),
            message: format!(
                "has 1 to {NAME_CHARACTERS} characters in one line, no blanks around them"
            ),
        });
    }
    if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&wanted.expires_in_seconds) {
        errors.push(FieldError {
            path: "expires_in_seconds".to_owned(),
            message: format!("is {SHORTEST_SECONDS} to {LONGEST_SECONDS}"),
        });
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid(errors)),
    }
}

pub(super) fn refused(error: &JsonRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::TooLarge, error.body_text()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(Kind::MediaType, error.body_text()),
        StatusCode::UNPROCESSABLE_ENTITY => Problem::new(Kind::Invalid, error.body_text()),
        _ => Problem::new(Kind::BadRequest, error.body_text()),
    }
}

fn missing(id: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no token '{id}'"))
}

/// The cause is for the log alone.
#[expect(
    clippy::needless_pass_by_value,
    reason = "stands where errors are mapped"
)]
pub(super) fn failed(error: StoreError) -> Problem {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "who may do what was not reached"
    );
    Problem::new(
        Kind::Unavailable,
        "the database does not answer as it should",
    )
}

const fn ninety_days() -> u64 {
    90 * 86_400
}

const ORDERS: Orders<TokenView> = &[
    ("id", |one| one.id.clone()),
    ("name", |one| one.name.clone()),
    ("role", |one| padded(one.role as u8)),
    ("created_at_ms", |one| padded(one.created_at_ms)),
    ("expires_at_ms", |one| padded(one.expires_at_ms)),
    ("last_used_at_ms", |one| {
        padded(one.last_used_at_ms.unwrap_or(0))
    }),
];
const NAME_CHARACTERS: usize = 64;
const SHORTEST_SECONDS: u64 = 60;
const LONGEST_SECONDS: u64 = 3_650 * 86_400;

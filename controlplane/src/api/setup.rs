//! The set-up link of an installation that is nobody's yet: who has it invites the first administrator.
//! It is kept in memory alone, and a start makes another.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::admins::{Invitation, Invited, invite_one};
use super::door::From;
use super::extract::NoParameters;
use super::guesses::Guest;
use super::openapi::Api;
use super::problem::{Kind, Problem};
use super::tokens::{failed, refused};
use crate::access::admin::SETUP_LINK;
use crate::access::role::Role;
use crate::access::token::{Token, TokenHash, TokenId};
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::store::{Store, StoreError};

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/setup", post(set_up))
}

/// What the OpenAPI document says of it. It is in the group of [`super::admins`].
pub(crate) fn document(api: &mut Api) {
    let id = "setUp";
    api.route(&Method::POST, "/setup", id, "Set-up link: invite oneself")
        .about(
            "Of an installation that is nobody's yet: whoever has the link that a start prints becomes \
             the first administrator, with the invitation in this answer. It is nowhere else.",
        )
        .body::<SetUp>()
        .answers::<Invitation>(StatusCode::CREATED, "They are invited.")
        .problems(&[Kind::Unauthenticated, Kind::Conflict]);
}

/// What is kept of a link.
#[derive(Debug)]
pub(crate) struct Setup {
    id: TokenId,
    hash: TokenHash,
    until_ms: u64,
}

impl Setup {
    /// One for an installation that is nobody's, with what its holder needs; none when it is
    /// somebody's already, or the system has no random octets.
    pub(crate) async fn offer(
        store: &Store,
        now_ms: u64,
    ) -> Result<Option<(Self, Secret<String>)>, StoreError> {
        if !store.is_nobodys().await? {
            return Ok(None);
        }
        let Ok(token) = Token::make() else {
            return Ok(None);
        };
        let kept = Self {
            id: token.id(),
            hash: token.hash(),
            until_ms: now_ms.saturating_add(GOOD_MS),
        };
        Ok(Some((kept, token.written())))
    }

    fn is(&self, given: &Secret<String>, now_ms: u64) -> bool {
        let token = Token::read(given.expose());
        token.is_some_and(|token| token.id() == self.id && token.is(&self.hash))
            && now_ms < self.until_ms
    }
}

/// Who sets up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// What stands behind the `#` of the link.
    setup: Secret<String>,
    /// What the first administrator signs in with: 1 to 64 letters, digits and `-_.@`.
    name: String,
}

async fn set_up(
    State(app): State<Arc<App>>,
    Extension(from): Extension<From>,
    NoParameters: NoParameters,
    given: Result<Json<SetUp>, JsonRejection>,
) -> Result<(StatusCode, Json<Invitation>), Problem> {
    let Json(given) = given.map_err(|error| refused(&error))?;
    let now = now_ms();
    let good = app
        .setup
        .as_ref()
        .is_some_and(|kept| kept.is(&given.setup, now));
    if !good {
        return Err(Guest::unnamed(from).refused(&app, over(), now).await);
    }
    if !app.store.is_nobodys().await.map_err(failed)? {
        return Err(over());
    }
    // Whoever came this far before and went no further.
    app.store
        .delete_invited_by(SETUP_LINK)
        .await
        .map_err(failed)?;
    let deed = Deed {
        at_ms: now,
        actor: SETUP_LINK.to_owned(),
        source: from.0.to_canonical().to_string(),
        action: "admin.invite".to_owned(),
        target: format!("admin {}", given.name),
        detail: String::new(),
    };
    let invited = Invited {
        name: given.name,
        role: Role::Admin,
        integration: None,
    };
    let made = invite_one(&app, invited, deed, false).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

fn over() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "the link is none, is past its end, or the first administrator is there already",
    )
}

/// How long a link is good: a day.
const GOOD_MS: u64 = 24 * 60 * 60 * 1_000;

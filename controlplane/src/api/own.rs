//! What administrators change of themselves, with what they had before: the password, and the secret of
//! their passcodes. Whoever else was signed in as them is signed out by it.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use http::{HeaderMap, Method, StatusCode};
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::caller::{By, Caller};
use super::door::{From, session_of};
use super::extract::{DryRun, HowToTry};
use super::guesses::Guest;
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::session::{Proof, hashing, prove};
use super::tokens::{failed, refused};
use crate::access::admin;
use crate::access::token::TokenId;
use crate::app::App;
use crate::clock::now_ms;

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/session/password", put(change_password))
        .route("/session/totp", post(make_totp).put(confirm_totp))
}

/// What the OpenAPI document says of them. They are in the group of [`super::session`].
pub(crate) fn document(api: &mut Api) {
    let changes = &[Kind::Conflict];
    let (path, id) = ("/session/password", "changeOwnPassword");
    api.route(&Method::PUT, path, id, "Own password: change")
        .about(
            "For administrators who signed in with a password here. All their other sessions end. A \
             wrong password or passcode is answered with 401.",
        )
        .query::<HowToTry>()
        .body::<NewPassword>()
        .answers_nothing("It is changed.")
        .problems(changes);
    let (path, id) = ("/session/totp", "makeOwnPasscodeSecret");
    api.route(
        &Method::POST,
        path,
        id,
        "Own passcodes: ask for another secret",
    )
    .about(
        "The secret is in this answer and nowhere else. The present one is good until a passcode \
             of the new one confirms it.",
    )
    .query::<HowToTry>()
    .body::<WantTotp>()
    .answers::<NextTotp>(StatusCode::OK, "The secret.")
    .problems(changes);
    let id = "confirmOwnPasscodeSecret";
    api.route(
        &Method::PUT,
        path,
        id,
        "Own passcodes: confirm the new secret",
    )
    .about("From now on it is the one. All other sessions of whoever asks end.")
    .query::<HowToTry>()
    .body::<ConfirmTotp>()
    .answers_nothing("It is changed.")
    .problems(changes);
}

/// Another password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The present one.
    password: Secret<String>,
    /// One that was not used yet; as at a sign-in where an integration asks for the second factor.
    #[serde(default)]
    passcode: String,
    /// Of 12 to 256 characters.
    new_password: Secret<String>,
}

/// What another secret of passcodes is asked for with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantPasscodeSecret")]
struct WantTotp {
    /// The present one.
    password: Secret<String>,
    /// By the present secret; one that was not used yet.
    passcode: String,
}

/// The secret that takes the place of the present one once a passcode shows that it is kept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewPasscodeSecret")]
struct NextTotp {
    /// In base 32, for an application that makes passcodes: SHA-1, six digits, 30 seconds. None after
    /// a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    totp_secret: Option<String>,
}

/// Shows that the secret is kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfirmPasscodeSecret")]
struct ConfirmTotp {
    /// By the new secret.
    passcode: String,
}

/// Whose session it is; others have neither password nor passcode here.
fn own(caller: &Caller, headers: &HeaderMap) -> Result<(String, TokenId), Problem> {
    match (&caller.by, session_of(headers)) {
        (By::Admin(name), Some(token)) => Ok((name.clone(), token.id())),
        _ => Err(Problem::new(
            Kind::Conflict,
            "this is for administrators who signed in with a password here",
        )),
    }
}

async fn change_password(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(from): Extension<From>,
    DryRun(dry): DryRun,
    headers: HeaderMap,
    given: Result<Json<NewPassword>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(given) = given.map_err(|error| refused(&error))?;
    let (name, session) = own(&caller, &headers)?;
    if let Some(fault) = admin::fault(&given.new_password, &name) {
        return Err(Problem::invalid(vec![FieldError {
            path: "new_password".to_owned(),
            message: fault.to_owned(),
        }]));
    }
    let now = now_ms();
    let guest = Guest::named(&app, from, &name, &headers, now);
    let proof = Proof {
        name: &name,
        password: given.password,
        passcode: &given.passcode,
        dry,
    };
    prove(&app, &guest, proof, now).await?;
    if dry {
        return Ok(StatusCode::NO_CONTENT);
    }
    let place = hashing(&app).await?;
    let hash = spawn_blocking(move || {
        let _place = place;
        admin::hash(&given.new_password)
    });
    let hash = hash.await.map_err(|error| Problem::internal(&error))?;
    let hash = hash.map_err(|error| Problem::internal(&error))?;
    let deed = caller.deed("admin.password", caller.author(), &json!({}));
    let done = app.store.update_password(&name, &hash, session, &deed);
    if !done.await.map_err(failed)? {
        return Err(gone());
    }
    tracing::info!(name, "password changed");
    Ok(StatusCode::NO_CONTENT)
}

async fn make_totp(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(from): Extension<From>,
    DryRun(dry): DryRun,
    headers: HeaderMap,
    given: Result<Json<WantTotp>, JsonRejection>,
) -> Result<Json<NextTotp>, Problem> {
    let Json(given) = given.map_err(|error| refused(&error))?;
    let (name, _) = own(&caller, &headers)?;
    has_passcodes(&app, &name).await?;
    let now = now_ms();
    let guest = Guest::named(&app, from, &name, &headers, now);
    let proof = Proof {
        name: &name,
        password: given.password,
        passcode: &given.passcode,
        dry,
    };
    prove(&app, &guest, proof, now).await?;
    if dry {
        return Ok(Json(NextTotp { totp_secret: None }));
    }
    let totp = admin::make_totp().map_err(|error| Problem::internal(&error))?;
    app.store
        .put_next_totp(&name, &totp)
        .await
        .map_err(failed)?;
    let totp_secret = Some(data_encoding::BASE32_NOPAD.encode(&totp));
    Ok(Json(NextTotp { totp_secret }))
}

/// Refuses whose second factor is an integration's.
async fn has_passcodes(app: &App, name: &str) -> Result<(), Problem> {
    let known = app.store.fetch_admin_secrets(name).await.map_err(failed)?;
    match known.and_then(|known| known.integration) {
        None => Ok(()),
        Some(integration) => {
            let detail =
                format!("your second factor is asked through the integration '{integration}'");
            Err(Problem::new(Kind::Conflict, detail))
        }
    }
}

async fn confirm_totp(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(from): Extension<From>,
    DryRun(dry): DryRun,
    headers: HeaderMap,
    given: Result<Json<ConfirmTotp>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(given) = given.map_err(|error| refused(&error))?;
    let (name, session) = own(&caller, &headers)?;
    let now = now_ms();
    let guest = Guest::named(&app, from, &name, &headers, now);
    guest.enough(&app, now)?;
    let known = app.store.fetch_admin_secrets(&name).await;
    let next = known.map_err(failed)?.and_then(|known| known.totp_next);
    let Some(next) = next else {
        let detail = "ask for a new secret first: POST /api/v1/session/totp";
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let Some(step) = admin::step(&next, &given.passcode, now) else {
        guest.guessed(&app, true, now).await;
        return Err(Problem::invalid(vec![FieldError {
            path: "passcode".to_owned(),
            message: "is not the present one of the new secret; is the clock right?".to_owned(),
        }]));
    };
    if dry {
        return Ok(StatusCode::NO_CONTENT);
    }
    let deed = caller.deed("admin.passcode", caller.author(), &json!({}));
    let done = app.store.confirm_totp(&name, (&next, step), session, &deed);
    if !done.await.map_err(failed)? {
        return Err(gone());
    }
    tracing::info!(name, "secret of passcodes changed");
    Ok(StatusCode::NO_CONTENT)
}

fn gone() -> Problem {
    Problem::new(Kind::Conflict, "it was changed meanwhile; sign in again")
}

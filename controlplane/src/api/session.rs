//! Signing in with a password and a passcode, for browsers: the session is a cookie that scripts and
//! foreign pages cannot use.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::caller::{By, Caller};
use super::door::{COOKIE, From, enough, good, guess, own_page, session_of};
use super::openapi::Api;
use super::problem::{Kind, Problem};
use super::tokens::{failed, refused};
use crate::access::admin;
use crate::access::role::Role;
use crate::access::token::Token;
use crate::app::App;
use crate::clock::now_ms;

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/session", get(show).post(sign_in).delete(sign_out))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "session",
        "Who is signed in, and signing in with a browser.",
        &[],
    );
    api.route(&Method::GET, "/session", "getSession", "Who is signed in")
        .answers::<Who>(StatusCode::OK, "Whoever sends the request.");
    api.route(&Method::POST, "/session", "signIn", "Sign in")
        .about(
            "The answer sets a cookie that no script reads. A browser sends `countersign-page: 1` from \
             a page of this address; others are refused.",
        )
        .asks("Countersign-Page", "`1`, which no foreign page can send.")
        .body::<SignIn>()
        .answers::<Who>(StatusCode::CREATED, "Signed in.")
        .header("Set-Cookie")
        .problems(&[Kind::Unauthenticated, Kind::Forbidden]);
    api.route(&Method::DELETE, "/session", "signOut", "Sign out")
        .query::<How>()
        .answers_nothing("Signed out.")
        .header("Set-Cookie")
        .problems(&[Kind::Conflict]);
}

/// What somebody signs in with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    password: Secret<String>,
    /// Six digits.
    passcode: String,
}

/// Who is signed in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Who {
    /// `token NAME`, `admin NAME` or `command line`.
    caller: String,
    role: Role,
}

/// How to sign out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Ends all sessions of the administrator, not only this one; default false.
    #[serde(default)]
    everywhere: bool,
}

async fn show(Extension(caller): Extension<Caller>) -> Json<Who> {
    Json(Who {
        caller: caller.author(),
        role: caller.role,
    })
}

async fn sign_in(
    State(app): State<Arc<App>>,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    given: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    own_page(&headers)?;
    let Json(given) = given.map_err(|error| refused(&error))?;
    let now = now_ms();
    enough(&app, from, &given.name, now)?;
    let known = app.store.fetch_admin_secrets(&given.name).await;
    let known = known.map_err(failed)?;
    let place = hashing(&app).await?;
    let (password, kept) = (
        given.password,
        known.as_ref().and_then(|known| known.password.clone()),
    );
    let is = spawn_blocking(move || {
        let _place = place;
        admin::is(&password, kept.as_deref())
    });
    let is = is.await.map_err(|error| Problem::internal(&error))?;
    let step = known
        .as_ref()
        .and_then(|known| admin::step(&known.totp, &given.passcode, now));
    let used = match step.filter(|_| is) {
        Some(step) => {
            let noted = app.store.use_totp_step(&given.name, step).await;
            noted.map_err(failed)?
        }
        None => false,
    };
    let Some(known) = known.filter(|_| used) else {
        guess(&app, from, &given.name, now);
        // Not which of them: that would help nobody but who guesses.
        let detail = "name, password or passcode is wrong; a passcode is good once";
        return Err(Problem::new(Kind::Unauthenticated, detail));
    };
    good(&app, from, &given.name);
    let token = Token::make().map_err(|error| Problem::internal(&error))?;
    let until = now.saturating_add(SESSION_SECONDS * 1_000);
    let (id, hash) = (token.id(), token.hash());
    let stored = app.store.insert_session(id, &hash, &given.name, now, until);
    stored.await.map_err(failed)?;
    tracing::info!(name = given.name, from = %from.0, "signed in");
    let cookie = cookie(token.written().expose(), SESSION_SECONDS)?;
    let who = Who {
        caller: By::Admin(given.name).to_string(),
        role: known.role,
    };
    Ok((
        StatusCode::CREATED,
        [(header::SET_COOKIE, cookie)],
        Json(who),
    )
        .into_response())
}

async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let By::Admin(name) = &caller.by else {
        let detail = "this is no session; a token is taken back at /api/v1/tokens";
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let this = session_of(&headers).map(|token| token.id());
    let which = this.filter(|_| !how.everywhere);
    let ended = app.store.delete_sessions(name, which).await;
    ended.map_err(failed)?;
    tracing::info!(name, everywhere = how.everywhere, "signed out");
    let cookie = cookie("", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// A cookie that goes to this origin alone, in no foreign page's requests, and to no script.
fn cookie(value: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let text =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    let mut cookie = HeaderValue::from_str(&text).map_err(|error| Problem::internal(&error))?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

/// A place among those who hash passwords, which takes memory and time.
pub(super) async fn hashing(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&app.hashing).acquire_owned();
    match tokio::time::timeout(HASHING_WAIT, place).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(Problem::new(
            Kind::Unavailable,
            "too many sign in now; try again in a moment",
        )),
    }
}

/// A working day.
const SESSION_SECONDS: u64 = 12 * 60 * 60;
const HASHING_WAIT: Duration = Duration::from_secs(5);

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
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::admin_factor;
use super::caller::{By, Caller};
use super::cookies::{Cookie, Way};
use super::door::{From, own_page, session_of};
use super::extract::{NeverDry, NoParameters};
use super::guesses::Guest;
use super::openapi::Api;
use super::problem::{Kind, Problem};
use super::tokens::{failed, refused};
use crate::access::admin;
use crate::access::role::Role;
use crate::access::token::Token;
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::store::{AdminSecrets, Holder, NewSession, Which};

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
        .problems(&[Kind::Unauthenticated, Kind::Forbidden, Kind::Conflict]);
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
    /// Six digits. Of an administrator whose second factor is an integration's: a passcode of that
    /// service, `push` or `phone`; left out, `push`. The answer comes when the person gave theirs.
    #[serde(default)]
    passcode: String,
}

/// Who is signed in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Who {
    /// `token NAME`, `admin NAME`, `oidc NAME` or `command line`.
    caller: String,
    role: Role,
}

/// How to sign out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Ends all sessions of whoever asks, not only this one; default false.
    #[serde(default)]
    everywhere: bool,
    /// Ends all of them but this one; default false.
    #[serde(default)]
    elsewhere: bool,
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
    NoParameters: NoParameters,
    headers: HeaderMap,
    given: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    own_page(&headers)?;
    let Json(given) = given.map_err(|error| refused(&error))?;
    let (now, way) = (now_ms(), Way::of(&headers));
    let guest = Guest::named(&app, from, &given.name, &headers, now);
    let proof = Proof {
        name: &given.name,
        password: given.password,
        passcode: &given.passcode,
        dry: false,
    };
    let known = prove(&app, &guest, proof, now).await?;
    // A person may have taken a while.
    let now = now_ms();
    let mark = guest.good(&app, way, now)?;
    let holder = Holder::Admin(given.name);
    let by = By::Admin(match &holder {
        Holder::Admin(name) | Holder::Person(name, _) => name.clone(),
    });
    let caller = by.to_string();
    let deed = Deed {
        at_ms: now,
        actor: caller.clone(),
        source: from.0.to_canonical().to_string(),
        action: "session.create".to_owned(),
        target: caller.clone(),
        detail: match &known.integration {
            None => json!({ "with": "password and passcode" }),
            Some(id) => json!({ "with": "password and second factor", "integration": id }),
        }
        .to_string(),
    };
    let cookie = begin(&app, &holder, way, &deed).await?;
    tracing::info!(caller, from = %from.0, "signed in");
    let who = Who {
        caller,
        role: known.role,
    };
    let mut response = (StatusCode::CREATED, Json(who)).into_response();
    for cookie in std::iter::once(cookie).chain(mark) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Stores a session of an administrator; gives the cookie that it is.
pub(super) async fn begin(
    app: &App,
    holder: &Holder,
    way: Way,
    deed: &Deed,
) -> Result<HeaderValue, Problem> {
    begin_under(app, (holder, None), way, deed).await
}

/// The same, and of a person, who signed in under these settings of the provider: refused when they
/// are others by now.
pub(super) async fn begin_under(
    app: &App,
    (holder, provider): (&Holder, Option<&[u8]>),
    way: Way,
    deed: &Deed,
) -> Result<HeaderValue, Problem> {
    let token = Token::make().map_err(|error| Problem::internal(&error))?;
    let new = NewSession {
        id: token.id(),
        hash: token.hash(),
        holder,
        provider,
        now_ms: deed.at_ms,
        expires_at_ms: deed.at_ms.saturating_add(SESSION_SECONDS * 1_000),
    };
    if !app.store.insert_session(new, deed).await.map_err(failed)? {
        let detail = "the provider's settings changed meanwhile; begin again";
        return Err(Problem::new(Kind::Unauthenticated, detail));
    }
    Cookie::Session.set(token.written().expose(), SESSION_SECONDS, way)
}

/// What an administrator shows that they are themselves with.
pub(super) struct Proof<'a> {
    pub(super) name: &'a str,
    pub(super) password: Secret<String>,
    pub(super) passcode: &'a str,
    /// Only tried: no passcode is used up, and nobody is asked for a second factor.
    pub(super) dry: bool,
}

/// What is known of an administrator who showed that they are themselves. Slow, and as slow for a
/// name that is nobody's.
pub(super) async fn prove(
    app: &App,
    guest: &Guest<'_>,
    proof: Proof<'_>,
    now: u64,
) -> Result<AdminSecrets, Problem> {
    guest.enough(app, now)?;
    let typed = admin_factor::typed(proof.passcode)?;
    let known = match admin::is_name(proof.name) {
        true => app.store.fetch_admin_secrets(proof.name).await,
        false => Ok(None),
    };
    let known = known.map_err(failed)?;
    let place = hashing(app).await?;
    // Those that were asked at the same time and waited before this one may all have been wrong.
    guest.enough(app, now_ms())?;
    let kept = known.as_ref().and_then(|known| known.password.clone());
    let password = proof.password;
    let is = spawn_blocking(move || {
        let _place = place;
        admin::is(&password, kept.as_deref())
    });
    let is = is.await.map_err(|error| Problem::internal(&error))?;
    if let Some(known) = known.as_ref().filter(|_| is)
        && let Some(integration) = &known.integration
    {
        let asked = (integration.as_str(), typed);
        admin_factor::ask(app, guest, proof.name, asked, proof.dry).await?;
        return unchanged(app, proof.name, known).await;
    }
    let step = known
        .as_ref()
        .and_then(|known| admin::step(&known.totp, proof.passcode, now));
    let used = match step.filter(|_| is) {
        Some(step) if proof.dry => known.as_ref().is_some_and(|known| step > known.totp_step),
        Some(step) => {
            let noted = app.store.use_totp_step(proof.name, step).await;
            noted.map_err(failed)?
        }
        None => false,
    };
    let is_somebody = known.is_some();
    match known.filter(|_| used) {
        Some(known) => Ok(known),
        None => {
            // From now on, not from when it was asked: this took its time.
            guest.guessed(app, is_somebody, now_ms()).await;
            // Not which of them: that would help nobody but who guesses.
            let detail = "name, password or passcode is wrong; a passcode is good once";
            Err(Problem::new(Kind::Unauthenticated, detail))
        }
    }
}

/// An administrator as they are now, if they sign in as they did when they were asked.
async fn unchanged(app: &App, name: &str, was: &AdminSecrets) -> Result<AdminSecrets, Problem> {
    let known = app.store.fetch_admin_secrets(name).await.map_err(failed)?;
    let same = known
        .filter(|known| (&known.password, &known.integration) == (&was.password, &was.integration));
    same.ok_or_else(|| Problem::new(Kind::Conflict, "it was changed meanwhile; sign in again"))
}

async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    NeverDry: NeverDry,
    headers: HeaderMap,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let holder = match &caller.by {
        By::Admin(name) => Holder::Admin(name.clone()),
        By::Person(name) => Holder::Person(name.clone(), caller.role),
        By::Token(_) | By::Socket => {
            let detail = "this is no session; a token is taken back at /api/v1/tokens";
            return Err(Problem::new(Kind::Conflict, detail));
        }
    };
    let this = session_of(&headers).map(|token| token.id());
    let (which, said) = match (how.everywhere, how.elsewhere, this) {
        (true, true, _) => {
            let detail = "everywhere or elsewhere, not both";
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        (false, true, Some(this)) => (Which::AllBut(this), "elsewhere"),
        (false, false, Some(this)) => (Which::This(this), "here"),
        (true, false, _) | (_, _, None) => (Which::All, "everywhere"),
    };
    let deed = caller.deed("session.delete", caller.author(), &json!({ "where": said }));
    let ended = app.store.delete_sessions(&holder, which, &deed).await;
    ended.map_err(failed)?;
    tracing::info!(caller = caller.author(), said, "signed out");
    let mut response = StatusCode::NO_CONTENT.into_response();
    if !how.elsewhere {
        for way in [Way::Tls, Way::Plain] {
            let cookie = Cookie::Session.set("", 0, way)?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

/// A place among those who hash passwords, which takes memory and time.
pub(super) async fn hashing(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&app.hashing).acquire_owned();
    match tokio::time::timeout(HASHING_WAIT, place).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(Problem::new(
            Kind::Unavailable,
            "too many sign in now; try again in a moment",
        )
        .again_in(1)),
    }
}

/// A working day.
const SESSION_SECONDS: u64 = 12 * 60 * 60;
const HASHING_WAIT: Duration = Duration::from_secs(5);

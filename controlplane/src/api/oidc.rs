//! The provider at which administrators sign in: its settings, and the way there and back.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::caller::{By, Caller};
use super::config::{Document, based, given, precondition};
use super::cookies::{Cookie, Way};
use super::door::From;
use super::frame::REQUEST_ID;
use super::guesses::Guest;
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::resource::{Precondition, entity_tag};
use super::session::begin_under;
use super::tokens::failed;
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::provider::{Exchange, Expected, GOOD_SECONDS, Provider, Settings, person};
use crate::store::{Holder, PROVIDER};
use crate::web::{has_dashboard, is_browser};

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/oidc", get(read).put(write).delete(forget))
        .route("/session/oidc", get(start))
        .route(
            "/session/oidc/callback",
            get(come_back).layer(from_fn(shown_to_people)),
        )
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group("oidc", "Signing in at a provider of OpenID Connect.", &[]);
    let (path, shown) = ("/oidc", "The settings, their secret masked.");
    api.route(&Method::GET, path, "getProvider", "Provider: read")
        .answers::<Settings>(StatusCode::OK, shown)
        .header("ETag")
        .problems(&[Kind::NotFound]);
    let put = api.route(&Method::PUT, path, "putProvider", "Provider: write whole");
    let put = put
        .about(
            "A secret that is left out stays as it is, if the issuer does. With `dry_run` the provider \
             is asked too: 503 when it is of no use.",
        )
        .query::<How>()
        .body::<Settings>()
        .answers::<Settings>(StatusCode::OK, shown)
        .header("ETag");
    based(put);
    let delete = api.route(&Method::DELETE, path, "deleteProvider", "Provider: forget");
    let delete = delete
        .query::<How>()
        .answers_nothing("Nobody signs in there any more.")
        .problems(&[Kind::NotFound]);
    based(delete);
    let (path, id) = ("/session/oidc", "beginSignIn");
    api.route(&Method::GET, path, id, "Sign in at the provider")
        .about("For browsers, which are sent there with a cookie.")
        .answers_as(StatusCode::SEE_OTHER, "To the provider.", &[])
        .header("Location")
        .header("Set-Cookie")
        .problems(&[Kind::NotFound]);
    let (path, id) = ("/session/oidc/callback", "endSignIn");
    api.route(&Method::GET, path, id, "Back from the provider")
        .about(
            "Where the provider sends browsers. 401 says why nobody is signed in. Who accepts `text/html` \
             is sent to the dashboard's sign-in page in its place, with `provider`, the kind of the \
             problem, and `request`, the id under which the log has it.",
        )
        .query::<Back>()
        .answers_as(StatusCode::SEE_OTHER, "Signed in: to the start page.", &[])
        .header("Location")
        .header("Set-Cookie")
        .problems(&[Kind::Unauthenticated, Kind::NotFound]);
}

/// Whether a write is only tried.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Changes nothing, and asks the provider whether it is there; default false.
    #[serde(default)]
    dry_run: bool,
}

/// What a provider sends a browser back with (RFC 6749 section 4.1.2), among other things.
#[derive(Deserialize, JsonSchema)]
struct Back {
    /// What it was given.
    state: Option<String>,
    /// What tokens are fetched with.
    code: Option<String>,
    /// What it says instead of a code.
    error: Option<String>,
    /// Which provider it is (RFC 9207).
    iss: Option<String>,
}

async fn stored(app: &App) -> Result<Option<Value>, Problem> {
    let found = app.store.fetch_document(PROVIDER).await.map_err(failed)?;
    let parsed = found.map(|octets| serde_json::from_slice(&octets));
    parsed
        .transpose()
        .map_err(|error| Problem::internal(&error))
}

fn none() -> Problem {
    Problem::new(
        Kind::NotFound,
        "no provider is named; an administrator does that at PUT /api/v1/oidc",
    )
}

/// As it is shown.
fn masked(app: &App, document: &Value) -> Value {
    let mut shown = document.clone();
    app.fingerprints.mask(&mut shown);
    shown
}

fn shown(document: Value) -> Response {
    let tag = [(header::ETAG, entity_tag(&document))];
    (tag, Json(document)).into_response()
}

async fn read(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let document = stored(&app).await?.ok_or_else(none)?;
    Ok(shown(masked(&app, &document)))
}

/// Refuses a write that is based on another version than there is.
fn agreed(wanted: &Precondition, was: Option<&Value>) -> Result<(), Problem> {
    let good = match (wanted, was) {
        (Precondition::None, _) | (Precondition::Absent, None) => true,
        (Precondition::Match(tags), Some(was)) => {
            let tag = entity_tag(was);
            tags.iter().any(|one| *one == tag || one == "*")
        }
        (Precondition::Absent, Some(_)) | (Precondition::Match(_), None) => false,
    };
    match good {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Changed,
            "read it again and change that; If-Match is of another version",
        )),
    }
}

async fn write(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    how: Result<Query<How>, QueryRejection>,
    document: Document,
) -> Result<Response, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let wanted = precondition(&headers)?;
    let mut document = given(document)?;
    // One at a time: what is compared here is what is replaced.
    let _alone = app.provider_writes.lock().await;
    let was = stored(&app).await?;
    let before = was.as_ref().map(|was| masked(&app, was));
    agreed(&wanted, before.as_ref())?;
    let is_new = document.get("client_secret").is_some_and(Value::is_string);
    let strange = app.fingerprints.unmask(&mut document, was.as_ref());
    if let Err(paths) = strange {
        let wrong = |path| FieldError {
            path,
            message: "stands for another secret than the one that is kept".to_owned(),
        };
        return Err(Problem::invalid(paths.into_iter().map(wrong).collect()));
    }
    let settings: Settings = serde_path_to_error::deserialize(&document).map_err(|error| {
        Problem::invalid(vec![FieldError {
            path: error.path().to_string(),
            message: error.inner().to_string(),
        }])
    })?;
    let mut faults = settings.faults();
    let moved = was.as_ref().is_some_and(|was| {
        let text = |name| was.get(name).and_then(Value::as_str);
        text("issuer") != Some(settings.issuer.as_str())
            || text("ca_certs") != settings.ca_certs.as_deref()
    });
    if moved && settings.client_secret.is_some() && !is_new {
        // Else whoever may write here could have the secret sent to themselves.
        faults.push(FieldError {
            path: "client_secret".to_owned(),
            message: "is given anew for another issuer, or other ca_certs".to_owned(),
        });
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let octets = serde_json::to_vec(&document).map_err(|error| Problem::internal(&error))?;
    let after = masked(&app, &document);
    if how.dry_run {
        provider(&app, &settings, &octets).await?;
        return Ok(shown(after));
    }
    let detail = json!({ "before": before, "after": after });
    let deed = caller.deed("oidc.change", "oidc", &detail);
    let stored = app.store.put_provider(Some(&octets), &deed).await;
    stored.map_err(failed)?;
    tracing::info!(issuer = settings.issuer, by = %caller.by, "provider of sign-ins changed");
    Ok(shown(after))
}

async fn forget(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    how: Result<Query<How>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let wanted = precondition(&headers)?;
    let _alone = app.provider_writes.lock().await;
    let was = stored(&app).await?.ok_or_else(none)?;
    let before = masked(&app, &was);
    agreed(&wanted, Some(&before))?;
    if !how.dry_run {
        let deed = caller.deed("oidc.change", "oidc", &json!({ "before": before }));
        let stored = app.store.put_provider(None, &deed).await;
        stored.map_err(failed)?;
        tracing::info!(by = %caller.by, "provider of sign-ins forgotten");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The settings, as they are stored too, with the provider.
async fn opened(app: &App) -> Result<(Settings, Zeroizing<Vec<u8>>, Arc<Provider>), Problem> {
    let octets = app.store.fetch_document(PROVIDER).await.map_err(failed)?;
    let octets = octets.ok_or_else(none)?;
    let settings: Settings =
        serde_json::from_slice(&octets).map_err(|error| Problem::internal(&error))?;
    let provider = provider(app, &settings, &octets).await?;
    Ok((settings, octets, provider))
}

async fn provider(app: &App, settings: &Settings, octets: &[u8]) -> Result<Arc<Provider>, Problem> {
    let provider = app.providers.open(settings, octets, now_ms()).await;
    provider.map_err(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the provider of sign-ins is of no use"
        );
        Problem::new(Kind::Unavailable, error.to_string()).again_in(AGAIN_SECONDS)
    })
}

fn way(settings: &Settings) -> Way {
    match settings.public_url.starts_with("https:") {
        true => Way::Tls,
        false => Way::Plain,
    }
}

async fn start(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (settings, _, provider) = opened(&app).await?;
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| Problem::internal(&error))?;
    let flow = app.flows.begin(&settings, seed, now_ms() / 1_000);
    let cookie = Cookie::Provider.set(&flow.cookie(), GOOD_SECONDS, way(&settings))?;
    redirected(
        &provider.authorization(&settings, &flow),
        [Some(cookie), None],
    )
}

fn redirected(to: &str, cookies: [Option<HeaderValue>; 2]) -> Result<Response, Problem> {
    let to = HeaderValue::from_str(to).map_err(|error| Problem::internal(&error))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, to);
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A person looks at what this answers: a failure goes to the page on which they can begin again. The
/// page gets a word of ours and no text, so that a link to it shows nobody's words but its own.
async fn shown_to_people(request: Request, next: Next) -> Response {
    let page = has_dashboard() && is_browser(request.headers());
    let id = request.headers().get(REQUEST_ID).cloned();
    let response = next.run(request).await;
    match page {
        true => to_sign_in(response, id.as_ref()),
        false => response,
    }
}

fn to_sign_in(response: Response, id: Option<&HeaderValue>) -> Response {
    let Some(kind) = response.extensions().get::<Kind>() else {
        return response;
    };
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let to = format!("/sign-in?provider={}&request={id}", kind.word());
    redirected(&to, [None, None]).unwrap_or(response)
}

async fn come_back(
    State(app): State<Arc<App>>,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(back) = back.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let now = now_ms();
    let guest = Guest::unnamed(from);
    let (settings, octets, provider) = opened(&app).await?;
    let cookie = Cookie::Provider.read(&headers);
    let flow = cookie.and_then(|cookie| app.flows.read(&settings, cookie, now / 1_000));
    let state = back.state.as_deref().unwrap_or_default();
    let Some(flow) = flow.filter(|flow| flow.is_state(state)) else {
        let detail = "this browser did not begin this sign-in, or too long ago; begin again";
        return Err(Problem::new(Kind::BadRequest, detail));
    };
    if app.store.is_used_state(state, now).await.map_err(failed)? {
        return Err(used());
    }
    let code = match (&back.code, &back.error) {
        _ if !provider.is_issuer(back.iss.as_deref()) => {
            Err("the answer is another provider's".to_owned())
        }
        (Some(code), None) if !code.is_empty() => Ok(code),
        (_, Some(error)) => Err(format!("the provider says: {}", word(error))),
        _ => Err("the provider sent no code".to_owned()),
    };
    let code = match code {
        Ok(code) => code,
        Err(detail) => {
            let problem = Problem::new(Kind::BadRequest, detail);
            return Err(guest.refused(&app, problem, now).await);
        }
    };
    // A good code passes whoever failed at the same address; the provider is asked whether it is
    // one for a few of those at a time.
    let _turn = match guest.enough(&app, now) {
        Ok(()) => None,
        Err(waits) => Some(app.providers.turn().await.ok_or(waits)?),
    };
    let exchange = Exchange {
        settings: &settings,
        flow: &flow,
        code,
    };
    let claims = match provider.claims(exchange).await {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(
                from = %from.0,
                error = &error as &dyn std::error::Error,
                "sign-in at the provider failed"
            );
            let problem = Problem::new(Kind::Unauthenticated, error.to_string());
            return Err(guest.refused(&app, problem, now_ms()).await);
        }
    };
    let expected = Expected {
        settings: &settings,
        nonce: &flow.nonce(),
        began_s: flow.began_s,
        now_s: now_ms() / 1_000,
    };
    let person = match person(&claims, &expected) {
        Ok(person) => person,
        Err(fault) => {
            tracing::warn!(from = %from.0, error = %fault, "sign-in at the provider failed");
            let problem = Problem::new(Kind::Unauthenticated, fault.to_string());
            return Err(guest.refused(&app, problem, now_ms()).await);
        }
    };
    // Not before: anybody can come back with a state that is good, and those of a while are bounded.
    // The provider takes a code once, and the nonce binds what it signed to this state.
    let until = now.saturating_add(GOOD_SECONDS * 1_000);
    let first = app.store.use_state(state, now, until).await;
    if !first.map_err(failed)? {
        return Err(used());
    }
    let caller = By::Person(person.name.clone()).to_string();
    let detail = json!({
        "with": "oidc", "issuer": settings.issuer, "subject": person.subject, "role": person.role,
    });
    let deed = Deed {
        at_ms: now,
        actor: caller.clone(),
        source: from.0.to_canonical().to_string(),
        action: "session.create".to_owned(),
        target: caller.clone(),
        detail: detail.to_string(),
    };
    let way = way(&settings);
    let holder = Holder::Person(person.name, person.role);
    let session = begin_under(&app, (&holder, Some(&octets)), way, &deed).await?;
    tracing::info!(caller, role = %person.role, from = %from.0, "signed in");
    let over = Cookie::Provider.set("", 0, way)?;
    redirected("/", [Some(session), Some(over)])
}

fn used() -> Problem {
    Problem::new(
        Kind::BadRequest,
        "this sign-in came back before; begin again",
    )
}

/// What another one wrote, as a word of theirs: no more than a code (RFC 6749 section 4.1.2.1).
fn word(text: &str) -> String {
    let good = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.chars().filter(good).take(64).collect()
}

const AGAIN_SECONDS: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leads_to_the_sign_in_page_in_words_of_ours() {
        let id = HeaderValue::from_static("4f0c");
        let problem = Problem::new(Kind::Unauthenticated, "the provider says: <b>");
        let sent = to_sign_in(problem.into_response(), Some(&id));
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        let to = "/sign-in?provider=unauthenticated&request=4f0c";
        assert_eq!(sent.headers()[header::LOCATION], to);
        assert!(!sent.headers().contains_key(header::WWW_AUTHENTICATE));
        let good = to_sign_in(StatusCode::SEE_OTHER.into_response(), Some(&id));
        assert!(!good.headers().contains_key(header::LOCATION), "as it was");
    }
}

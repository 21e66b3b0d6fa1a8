//! What a page asks first: how one signs in here, and, for who is signed in, what this installation is.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::id::Revision;
use schemars::JsonSchema;
use serde::Serialize;

use super::caller::{Caller, Pass};
use super::door::IDLE_MS;
use super::openapi::Api;
use super::problem::Problem;
use super::second_factor;
use super::tokens::failed;
use crate::app::App;
use crate::clock::now_ms;
use crate::store::PROVIDER;

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in", get(sign_in))
        .route("/about", get(about))
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group("about", "What a page asks before anything else.", &[]);
    let (path, id) = ("/sign-in", "getSignIn");
    api.route(&Method::GET, path, id, "How one signs in here")
        .about("It says nothing else of the installation.")
        .answers::<SignInWays>(StatusCode::OK, "How.");
    let id = "getAbout";
    api.route(&Method::GET, "/about", id, "What this installation is")
        .answers::<About>(StatusCode::OK, "What it is, at this control plane.");
}

/// How one signs in.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("examples" = [
    {"set_up": false, "provider": false},
    {"set_up": true, "provider": true},
]))]
struct SignInWays {
    /// Whether anybody may use the API yet. False: no administrator took an invitation, there is no
    /// token and no provider; the link that the last start printed makes the first administrator.
    set_up: bool,
    /// Whether administrators can sign in at a provider of OpenID Connect, at
    /// `GET /api/v1/session/oidc`.
    provider: bool,
}

/// What this installation is.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("examples" = [
    {
        "version": "0.1.0",
        "configuration": {"kind": "file", "path": "/etc/countersign/authproxy.cfg"},
        "revision": 12,
        "built_in_second_factor": false,
        "database": "sqlite",
        "now_ms": 1_763_822_487_123_u64,
        "session": null,
    },
    {
        "version": "0.1.0",
        "configuration": {"kind": "database"},
        "revision": 12,
        "built_in_second_factor": true,
        "database": "postgresql",
        "now_ms": 1_763_822_487_123_u64,
        "session": {"ends_at_ms": 1_763_865_600_000_u64, "unused_ends_at_ms": 1_763_826_087_123_u64},
    },
]))]
struct About {
    /// Of the control plane that answers.
    version: String,
    configuration: Truth,
    /// The number of the newest revision that is served; null when there is none yet.
    revision: Option<Revision>,
    /// Whether an integration uses the built-in second factor, which then runs.
    built_in_second_factor: bool,
    database: Database,
    /// The clock of this control plane: milliseconds since 1970, in UTC.
    now_ms: u64,
    /// The session that the request came with; null for a token.
    session: Option<SessionEnd>,
}

/// Where the configuration is changed.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "WhereConfigured")]
enum Truth {
    /// In a file. Other writes than `PUT /api/v1/config` are refused: 409, `file-is-truth`.
    File {
        /// Where it is on the machine of this control plane; null when it is the file of another
        /// control plane on this database, and is changed there.
        path: Option<String>,
    },
    /// In the database, through this API.
    Database,
}

/// What the database is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DatabaseKind")]
enum Database {
    Sqlite,
    Postgresql,
}

/// When a session ends, in milliseconds since 1970.
#[derive(Serialize, JsonSchema)]
struct SessionEnd {
    /// At the latest.
    ends_at_ms: u64,
    /// If no other request comes with it. A use is noted once a minute.
    unused_ends_at_ms: u64,
}

async fn sign_in(State(app): State<Arc<App>>) -> Result<Json<SignInWays>, Problem> {
    let provider = app.store.fetch_document(PROVIDER).await.map_err(failed)?;
    let provider = provider.is_some();
    Ok(Json(SignInWays {
        set_up: provider || !app.store.is_nobodys().await.map_err(failed)?,
        provider,
    }))
}

async fn about(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<About>, Problem> {
    let revision = app.revisions.borrow().as_ref().map(|one| one.info.number);
    Ok(Json(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        configuration: truth(&app).await?,
        revision,
        built_in_second_factor: second_factor::is_used(&app),
        database: match app.settings.database {
            None => Database::Sqlite,
            Some(_) => Database::Postgresql,
        },
        session: session_end(&app, &caller).await?,
        now_ms: now_ms(),
    }))
}

async fn truth(app: &App) -> Result<Truth, Problem> {
    let shown = |path: &Path| path.display().to_string();
    if let Some(source) = &app.settings.source {
        let path = Some(shown(source.path()));
        return Ok(Truth::File { path });
    }
    match app.store.is_file_elsewhere().await? {
        true => Ok(Truth::File { path: None }),
        false => Ok(Truth::Database),
    }
}

async fn session_end(app: &App, caller: &Caller) -> Result<Option<SessionEnd>, Problem> {
    let Pass::Session(id) = caller.pass else {
        return Ok(None);
    };
    let row = app.store.fetch_session(id).await.map_err(failed)?;
    Ok(row.map(|row| SessionEnd {
        ends_at_ms: row.expires_at_ms,
        unused_ends_at_ms: row
            .last_used_at_ms
            .saturating_add(IDLE_MS)
            .min(row.expires_at_ms),
    }))
}

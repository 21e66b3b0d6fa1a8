//! Logins that are tried at a node, and second factors that are asked for there.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode, header};
use proto::command::{AskFactor, Command, Outcome, TestLogin};
use proto::event::AuthEvent;
use proto::id::{IntegrationId, NodeId};
use proto::secret::Secret;
use serde_json::json;

use super::caller::Caller;
use super::checks::not_done;
use super::extract::NoParameters;
use super::openapi::Api;
use super::problem::{FieldError, Kind, Problem};
use super::tokens::refused;
use crate::admin::{LoginRequest, LoginTried};
use crate::app::App;
use crate::nodes::SecondFactor;
use crate::shown_attribute;

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/logins", post(login))
}

/// What the OpenAPI document says of it.
pub(crate) fn document(api: &mut Api) {
    let id = "tryLogin";
    api.route(&Method::POST, "/logins", id, "Login: try one at a node")
        .about(
            "Primary and second factor are asked, and a push is real; nobody is let in anywhere. It \
             takes as long as a person does, up to 180 seconds, and ends when the caller goes.",
        )
        .body::<LoginRequest>()
        .answers::<LoginTried>(StatusCode::OK, "The login, explained.")
        .problems(&[Kind::NotFound, Kind::Conflict]);
}

async fn login(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    NoParameters: NoParameters,
    asked: Result<Json<LoginRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let typed = check(&app, &asked)?;
    let _place = app.logins.try_acquire().map_err(|_| {
        let detail = "too many logins are tried at once; try again when some have ended";
        Problem::new(Kind::TooMany, detail)
    })?;
    let (node, state) = place(&app, &asked)?;
    // What was typed is in no field of it.
    let detail = json!({
        "user": AuthEvent::shown_user(&asked.user), "node": node, "answer": state.is_some(),
        "client": asked.client, "calling_station_id": asked.calling_station_id,
    });
    let target = format!("integration {}", asked.integration);
    caller
        .audit(&app.store, "login.test", target, &detail)
        .await?;
    let command = Command::Login {
        login: Box::new(TestLogin {
            integration: asked.integration,
            user: asked.user,
            typed,
            state,
            client: asked.client,
            calling_station: asked.calling_station_id,
            by: caller.author(),
        }),
    };
    let login = match app.nodes.command(&node, command).await {
        Ok(Outcome::LoggedIn { login }) => login,
        outcome => return Err(not_done(&node, outcome)),
    };
    let newest = app.newest();
    let shown = login
        .attributes
        .iter()
        .map(|one| shown_attribute::shown(one, &newest));
    let tried = LoginTried {
        attributes: shown.collect(),
        state: login.state.map(|state| format!("{node}:{state}")),
        event: login.event,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(tried)).into_response())
}

/// What was typed, once all of it is as it must be.
fn check(app: &App, asked: &LoginRequest) -> Result<Secret<String>, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |path: &str, message: &str| {
        errors.push(FieldError {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    };
    let newest = app.newest();
    let mut integrations = newest.integrations.iter();
    if !integrations.any(|one| one.id == asked.integration.as_str()) {
        wrong("integration", "there is no integration of this name");
    }
    if !(1..=USER_OCTETS).contains(&asked.user.len()) {
        wrong("user", "has 1 to 253 octets");
    }
    let long = |text: &Option<String>, most: usize| {
        text.as_ref()
            .is_some_and(|text| text.len() > most || text.contains(char::is_control))
    };
    if long(&asked.calling_station_id, USER_OCTETS) {
        wrong("calling_station_id", "has at most 253 octets on one line");
    }
    if long(&asked.state, STATE_OCTETS) {
        wrong("state", "is none that came with a question");
    }
    let typed = match (&asked.password, &asked.answer, &asked.state) {
        (Some(typed), None, None) => Some(("password", typed)),
        (None, Some(typed), Some(_)) => Some(("answer", typed)),
        (None, Some(_), None) => {
            wrong(
                "state",
                "an answer needs the state that came with its question",
            );
            None
        }
        _ => {
            wrong(
                "password",
                "give a password, or an answer with the state of its question",
            );
            None
        }
    };
    if let Some((path, typed)) = typed
        && typed.expose().len() > TYPED_OCTETS
    {
        wrong(path, "has at most 128 octets (RFC 2865 section 5.2)");
    }
    match typed {
        Some((_, typed)) if errors.is_empty() => Ok(typed.clone()),
        _ => Err(Problem::invalid(errors)),
    }
}

/// At which node, and the State that it gets.
fn place(app: &App, asked: &LoginRequest) -> Result<(NodeId, Option<String>), Problem> {
    let (before, state) = match asked.state.as_deref().map(|state| state.rsplit_once(':')) {
        None => (None, None),
        Some(Some((node, state))) => (NodeId::new(node).ok(), Some(state.to_owned())),
        Some(None) => {
            return Err(Problem::invalid(vec![FieldError {
                path: "state".to_owned(),
                message: "is none that came with a question".to_owned(),
            }]));
        }
    };
    // A question is best answered where it was asked, and can be answered anywhere.
    let before = before.filter(|node| app.nodes.takes_logins(node));
    let node = asked.node.clone().or(before).or_else(|| best(app));
    node.map(|node| (node, state)).ok_or_else(|| {
        let detail = "no node that is connected here can try a login";
        Problem::new(Kind::Unavailable, detail)
    })
}

/// The node that is best asked; none when none that is connected here knows how.
pub(super) fn best(app: &App) -> Option<NodeId> {
    let newest = app.revisions.borrow().as_ref().map(|one| one.info.number);
    let local = app.settings.local_node.as_ref();
    app.nodes.for_login(newest, local)
}

/// Asks a user's second factor through an integration, without a password: `typed` is a passcode, or
/// `push`, `phone`. Takes as long as a person does, up to `proto::command::LOGIN_SECONDS`; dropped, it
/// ends. Whoever calls says in the audit what it was for: this does not.
pub(crate) async fn second_factor(
    app: &App,
    integration: IntegrationId,
    user: String,
    typed: Secret<String>,
    by: String,
) -> SecondFactor {
    let unavailable = |message: &str| SecondFactor::Unavailable {
        message: message.to_owned(),
    };
    let Ok(_place) = app.logins.try_acquire() else {
        return unavailable("too many logins are tried at once");
    };
    let Some(node) = best(app) else {
        return unavailable("no node that is connected here can ask");
    };
    let factor = AskFactor {
        integration,
        user,
        typed,
        by,
    };
    app.nodes.second_factor(&node, factor).await
}

/// RFC 2865 sections 5.1 and 5.31.
const USER_OCTETS: usize = 253;
const TYPED_OCTETS: usize = 128;
/// A node's name and a State of 253 octets in base64.
const STATE_OCTETS: usize = 1_024;

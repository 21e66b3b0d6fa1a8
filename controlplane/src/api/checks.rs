//! Checks of connectivity: what a node serves is tried there.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use proto::check::CheckRow;
use proto::command::{Command, Outcome};
use proto::id::NodeId;
use serde_json::json;
use tokio::task::JoinSet;

use super::caller::Caller;
use super::extract::NoParameters;
use super::openapi::Api;
use super::problem::{Kind, Problem};
use super::tokens::refused;
use crate::admin::{CheckReport, CheckRequest, NodeChecked};
use crate::app::App;
use crate::nodes::CommandError;

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/checks", post(check))
}

/// What the OpenAPI document says of it.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "checks",
        "What the nodes serve is tried there: what it names, and logins.",
        &[],
    );
    api.route(
        &Method::POST,
        "/checks",
        "checkNodes",
        "Check: try what nodes serve",
    )
    .about("As `countersign check` does at each; nobody is logged in. Takes up to two minutes.")
    .body::<CheckRequest>()
    .answers::<CheckReport>(StatusCode::OK, "What each node found.")
    .problems(&[Kind::NotFound, Kind::Conflict]);
}

async fn check(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    NoParameters: NoParameters,
    asked: Result<Json<CheckRequest>, JsonRejection>,
) -> Result<Json<CheckReport>, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let target = match &asked.node {
        Some(node) => format!("node {node}"),
        None => "all nodes".to_owned(),
    };
    caller
        .audit(&app.store, "node.check", target, &json!({}))
        .await?;
    let nodes = match asked.node {
        Some(node) => {
            let rows = check_one(&app, &node).await?;
            let checked = NodeChecked {
                node,
                rows,
                error: None,
            };
            vec![checked]
        }
        None => check_all(&app).await,
    };
    Ok(Json(CheckReport { nodes }))
}

/// Every node that is connected, some at a time.
async fn check_all(app: &Arc<App>) -> Vec<NodeChecked> {
    let (known, _) = app.nodes.list();
    let mut waiting = known
        .into_iter()
        .filter(|one| one.connected)
        .map(|one| one.node);
    // Ends with whoever asked.
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(node) = waiting.next()
        {
            let app = Arc::clone(app);
            running.spawn(async move {
                let (rows, error) = match check_one(&app, &node).await {
                    Ok(rows) => (rows, None),
                    Err(problem) => (Vec::new(), Some(problem.detail().to_owned())),
                };
                NodeChecked { node, rows, error }
            });
        }
        match running.join_next().await {
            Some(Ok(checked)) => done.push(checked),
            Some(Err(_)) => {}
            None => break,
        }
    }
    done.sort_by(|a, b| a.node.cmp(&b.node));
    done
}

async fn check_one(app: &App, node: &NodeId) -> Result<Vec<CheckRow>, Problem> {
    match app.nodes.command(node, Command::Check).await {
        Ok(Outcome::Checked { rows }) => Ok(rows),
        outcome => Err(not_done(node, outcome)),
    }
}

/// What a node said that did not do what it was told.
pub(super) fn not_done(node: &NodeId, outcome: Result<Outcome, CommandError>) -> Problem {
    match outcome {
        Ok(Outcome::Refused { message }) => Problem::new(Kind::Conflict, message),
        Ok(_) => Problem::new(
            Kind::Unavailable,
            format!("node {node} answered with something else"),
        ),
        Err(error) => {
            let kind = match error {
                CommandError::NoSuchNode => Kind::NotFound,
                CommandError::Busy | CommandError::NotUnderstood => Kind::Conflict,
                CommandError::NotConnected | CommandError::NoAnswer => Kind::Unavailable,
            };
            Problem::new(kind, format!("{node}: {error}"))
        }
    }
}

/// The most nodes that are checked at once for one who asks.
const AT_ONCE: usize = 16;

//! The nodes: how each is, what it is told to do, and tokens with which others join.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{StatusCode, header};
use proto::command::{Command, Outcome};
use proto::id::NodeId;

use super::caller::Caller;
use super::extract::Named;
use super::join_tokens;
use super::page::{Ask, Listed, Orders, Page};
use super::problem::{FieldError, Kind, Problem};
use crate::access::token::Token;
use crate::admin::{JoinTokenMade, JoinTokenRequest, NodeCheck, NodeDrain, NodeView};
use crate::app::App;
use crate::clock::now_ms;
use crate::node_link;
use crate::nodes::CommandError;
use crate::store::JoinToken;

/// Their routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/{node}", get(one).delete(remove))
        .route("/nodes/{node}/drain", post(drain))
        // No node's name is beside these.
        .route("/join-tokens", get(join_tokens::list).post(make_token))
        .route(
            "/join-tokens/{id}",
            get(join_tokens::one).delete(join_tokens::take_back),
        )
        .route("/nodes/{node}/check", post(check))
}

/// Every node that was heard of or has a certificate, by name.
async fn views(app: &App) -> Result<Vec<NodeView>, Problem> {
    let failed = |error| Problem::internal(&error);
    let certificates = app.store.list_certificates().await.map_err(failed)?;
    let (known, _) = app.nodes.list();
    let until = |node: &NodeId| {
        let found = certificates.binary_search_by(|(one, _)| one.cmp(node));
        found
            .ok()
            .and_then(|at| certificates.get(at))
            .map(|one| one.1)
    };
    let mut views: Vec<NodeView> = known
        .into_iter()
        .map(|report| NodeView {
            certificate_until_ms: until(&report.node),
            report,
        })
        .collect();
    for (node, not_after) in &certificates {
        if !views.iter().any(|one| one.report.node == *node) {
            views.push(NodeView::silent(node.clone(), *not_after));
        }
    }
    views.sort_by(|a, b| a.report.node.cmp(&b.report.node));
    Ok(views)
}

async fn view(app: &App, node: &NodeId) -> Result<NodeView, Problem> {
    let mut views = views(app).await?;
    let found = views.binary_search_by(|one| one.report.node.cmp(node));
    found
        .map(|at| views.swap_remove(at))
        .map_err(|_| no_such(node))
}

fn no_such(node: &NodeId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no node '{node}'"))
}

async fn list(
    State(app): State<Arc<App>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<NodeView>>, Problem> {
    let Query(ask) = ask.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let listed = views(&app).await?.into_iter().map(|one| Listed {
        id: one.report.node.to_string(),
        texts: one.report.address.iter().map(ToString::to_string).collect(),
        item: one,
    });
    ask.page(listed, ORDERS).map(Json)
}

async fn one(
    State(app): State<Arc<App>>,
    Named(node): Named<NodeId>,
) -> Result<Json<NodeView>, Problem> {
    view(&app, &node).await.map(Json)
}

/// Revokes its certificates, ends its subscription and forgets it. What it was is answered.
async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Named(node): Named<NodeId>,
) -> Result<Json<NodeView>, Problem> {
    let was = view(&app, &node).await?;
    if app.settings.local_node.as_ref() == Some(&was.report.node) {
        let detail =
            format!("{node} is the node of this machine: it comes and goes with the gateway");
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let removed = app.nodes.remove(&was.report.node).await;
    if !removed.map_err(|error| Problem::internal(&error))? {
        return Err(no_such(&node));
    }
    tracing::info!(%node, by = %caller.by, "node removed");
    Ok(Json(was))
}

async fn drain(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Named(node): Named<NodeId>,
    asked: Result<Json<NodeDrain>, JsonRejection>,
) -> Result<Json<NodeView>, Problem> {
    let Json(asked) = asked.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let was = view(&app, &node).await?;
    let done = app.nodes.drain(&was.report.node, asked.drain).await;
    done.map_err(|error| Problem::internal(&error))?;
    tracing::info!(%node, drain = asked.drain, by = %caller.by, "node told whether to take logins");
    view(&app, &node).await.map(Json)
}

async fn check(
    State(app): State<Arc<App>>,
    Named(node): Named<NodeId>,
) -> Result<Json<NodeCheck>, Problem> {
    let was = view(&app, &node).await?;
    match app.nodes.command(&was.report.node, Command::Check).await {
        Ok(Outcome::Checked { rows }) => Ok(Json(NodeCheck { rows })),
        Ok(Outcome::Refused { message }) => Err(Problem::new(Kind::Conflict, message)),
        Err(error) => {
            let kind = match error {
                CommandError::NoSuchNode => Kind::NotFound,
                CommandError::Busy | CommandError::NotUnderstood => Kind::Conflict,
                CommandError::NotConnected | CommandError::NoAnswer => Kind::Unavailable,
            };
            Err(Problem::new(kind, error.to_string()))
        }
    }
}

/// The token is in this answer and nowhere else.
async fn make_token(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    asked: Result<Json<JoinTokenRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let seconds = asked.seconds.unwrap_or(DEFAULT_SECONDS);
    if !(1..=MOST_SECONDS).contains(&seconds) {
        return Err(Problem::invalid(vec![FieldError {
            path: "seconds".to_owned(),
            message: format!("is 1 to {MOST_SECONDS}, not {seconds}"),
        }]));
    }
    let authority = app.node_authority().await;
    let authority = authority.map_err(|error| Problem::internal(&error))?;
    let token = Token::make().map_err(|error| Problem::internal(&error))?;
    let now = now_ms();
    let kept = JoinToken {
        id: token.id(),
        hash: token.hash(),
        node: asked.node.clone(),
        expires_at_ms: now.saturating_add(seconds.saturating_mul(1_000)),
    };
    let stored = app.store.insert_join_token(&kept, now).await;
    if !stored.map_err(|error| Problem::internal(&error))? {
        let detail = "too many join tokens wait to be used; they go when they expire";
        return Err(Problem::new(Kind::TooMany, detail));
    }
    tracing::info!(token = %token.id(), by = %caller.by, seconds, "join token made");
    let made = JoinTokenMade {
        id: token.id().to_string(),
        token: node_link::written(&token, &authority),
        node: asked.node,
        expires_at_ms: kept.expires_at_ms,
        listens: app.settings.node_listen,
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(made)).into_response())
}

impl NodeView {
    /// One that has a certificate and was never heard of.
    fn silent(node: NodeId, until_ms: u64) -> Self {
        Self {
            report: crate::admin::NodeReport {
                node,
                connected: false,
                last_seen_ms: 0,
                applied: None,
                refused: None,
                status: None,
                address: None,
                draining: false,
            },
            certificate_until_ms: Some(until_ms),
        }
    }
}

const ORDERS: Orders<NodeView> = &[("last_seen_ms", |one| {
    format!("{:020}", one.report.last_seen_ms)
})];
/// An hour.
const DEFAULT_SECONDS: u64 = 3_600;
/// Thirty days.
const MOST_SECONDS: u64 = 30 * 86_400;

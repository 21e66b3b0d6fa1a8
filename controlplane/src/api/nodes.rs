//! The nodes: how each is, what it is told to do, and tokens with which others join.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode, header};
use proto::id::NodeId;
use proto::rpc::NodeState;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::caller::Caller;
use super::extract::{DryRun, HowToTry, Named};
use super::join_tokens;
use super::openapi::Api;
use super::page::{Asked, Listed, Orders, Page, padded};
use super::problem::{FieldError, Kind, Problem};
use super::tokens::refused;
use crate::access::token::Token;
use crate::admin::{JoinTokenMade, JoinTokenRequest, NodeDrain, NodeReport, NodeView};
use crate::app::App;
use crate::clock::now_ms;
use crate::node_link;
use crate::store::{JOIN_TOKENS, JoinToken};

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
}

/// What the OpenAPI document says of them.
pub(crate) fn document(api: &mut Api) {
    api.group(
        "nodes",
        "The data planes, and the tokens with which others join.",
        &[("node", "The node's name."), ("id", "The join token's id.")],
    );
    api.route(&Method::GET, "/nodes", "listNodes", "Nodes")
        .lists::<NodeFilter, NodeView>(ORDERS);
    let one = "/nodes/{node}";
    api.route(&Method::GET, one, "getNode", "Node: read")
        .answers::<NodeView>(StatusCode::OK, "How it is.");
    api.route(&Method::DELETE, one, "removeNode", "Node: remove")
        .about("Its certificates are revoked, its subscription ends, and it is forgotten.")
        .query::<HowToTry>()
        .answers::<NodeView>(StatusCode::OK, "What it was.")
        .problems(&[Kind::Conflict]);
    api.route(
        &Method::POST,
        "/nodes/{node}/drain",
        "drainNode",
        "Node: take no new logins, or again",
    )
    .query::<HowToTry>()
    .body::<NodeDrain>()
    .answers::<NodeView>(StatusCode::OK, "How it is.");
    join_tokens::document(api);
}

/// Every node that was heard of or has a certificate, by name.
async fn views(app: &App) -> Result<Vec<NodeView>, Problem> {
    let failed = |error| Problem::internal(&error);
    let certificates = app.store.list_certificates().await.map_err(failed)?;
    let awaited = app.store.list_awaited().await.map_err(failed)?;
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
            awaited: false,
            report,
        })
        .collect();
    for (node, not_after) in &certificates {
        if !views.iter().any(|one| one.report.node == *node) {
            views.push(NodeView::silent(node.clone(), *not_after));
        }
    }
    for view in &mut views {
        view.awaited = awaited.binary_search(&view.report.node).is_ok();
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

/// Which nodes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NodeFilter {
    /// That said of themselves last that they do this.
    state: Option<NodeState>,
    /// That listen for revisions now, or do not.
    connected: Option<bool>,
    /// That shall take no new logins, or shall.
    draining: Option<bool>,
    /// That serve this revision.
    applied: Option<u64>,
    /// That refused the last revision they were sent, or did not.
    refused: Option<bool>,
}

impl NodeFilter {
    fn matches(&self, one: &NodeReport) -> bool {
        fn is<T: PartialEq>(wanted: Option<T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == *found)
        }
        let state = one.status.as_ref().map(|status| status.state);
        (self.state.is_none() || self.state == state)
            && is(self.connected, &one.connected)
            && is(self.draining, &one.draining)
            && (self.applied.is_none() || self.applied == one.applied.map(|number| number.0))
            && is(self.refused, &one.refused.is_some())
    }
}

async fn list(
    State(app): State<Arc<App>>,
    Asked(ask, filter): Asked<NodeFilter>,
) -> Result<Json<Page<NodeView>>, Problem> {
    let views = views(&app).await?.into_iter();
    let listed = views.filter(|one| filter.matches(&one.report)).map(|one| {
        let mut texts = vec![one.report.node.to_string()];
        texts.extend(one.report.address.map(|address| address.to_string()));
        Listed {
            id: one.report.node.to_string(),
            texts,
            item: one,
        }
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
    DryRun(dry): DryRun,
    Named(node): Named<NodeId>,
) -> Result<Json<NodeView>, Problem> {
    let was = view(&app, &node).await?;
    if app.settings.local_node.as_ref() == Some(&was.report.node) {
        let detail =
            format!("{node} is the node of this machine: it comes and goes with the gateway");
        return Err(Problem::new(Kind::Conflict, detail));
    }
    if dry {
        return Ok(Json(was));
    }
    let removed = app.nodes.remove(&was.report.node).await;
    if !removed.map_err(|error| Problem::internal(&error))? {
        return Err(no_such(&node));
    }
    tracing::info!(%node, by = %caller.by, "node removed");
    let detail = json!({ "last_seen_ms": was.report.last_seen_ms });
    let target = format!("node {node}");
    caller
        .audit(&app.store, "node.remove", target, &detail)
        .await?;
    Ok(Json(was))
}

async fn drain(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    Named(node): Named<NodeId>,
    asked: Result<Json<NodeDrain>, JsonRejection>,
) -> Result<Json<NodeView>, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let mut was = view(&app, &node).await?;
    if dry {
        was.report.draining = asked.drain;
        return Ok(Json(was));
    }
    let done = app.nodes.drain(&was.report.node, asked.drain).await;
    done.map_err(|error| Problem::internal(&error))?;
    tracing::info!(%node, drain = asked.drain, by = %caller.by, "node told whether to take logins");
    let action = match asked.drain {
        true => "node.drain",
        false => "node.undrain",
    };
    let target = format!("node {node}");
    caller.audit(&app.store, action, target, &json!({})).await?;
    view(&app, &node).await.map(Json)
}

/// The token is in this answer and nowhere else.
async fn make_token(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    DryRun(dry): DryRun,
    asked: Result<Json<JoinTokenRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|error| refused(&error))?;
    let seconds = asked.seconds.unwrap_or(DEFAULT_SECONDS);
    if !(1..=MOST_SECONDS).contains(&seconds) {
        return Err(Problem::invalid(vec![FieldError {
            path: "seconds".to_owned(),
            message: format!("is 1 to {MOST_SECONDS}, not {seconds}"),
        }]));
    }
    let token = Token::make().map_err(|error| Problem::internal(&error))?;
    let now = now_ms();
    let kept = JoinToken {
        id: token.id(),
        hash: token.hash(),
        node: asked.node.clone(),
        expires_at_ms: now.saturating_add(seconds.saturating_mul(1_000)),
    };
    // The first token makes the authority that it names.
    let authority = match dry {
        true => None,
        false => {
            let authority = app.node_authority().await;
            Some(authority.map_err(|error| Problem::internal(&error))?)
        }
    };
    let stored = if dry {
        let all = app.store.list_join_tokens(now).await;
        all.map(|all| all.len() < JOIN_TOKENS)
    } else {
        app.store.insert_join_token(&kept, now).await
    };
    if !stored.map_err(|error| Problem::internal(&error))? {
        let detail = "too many join tokens wait to be used; they go when they expire";
        return Err(Problem::new(Kind::TooMany, detail));
    }
    let headers = [(header::CACHE_CONTROL, "no-store")];
    let Some(authority) = authority else {
        return Ok((headers, Json(join_tokens::shown(kept))).into_response());
    };
    tracing::info!(token = %token.id(), by = %caller.by, seconds, "join token made");
    let detail = json!({ "node": asked.node, "expires_at_ms": kept.expires_at_ms });
    let target = format!("join token {}", token.id());
    caller
        .audit(&app.store, "node.join_token", target, &detail)
        .await?;
    let made = JoinTokenMade {
        id: token.id().to_string(),
        token: node_link::written(&token, &authority),
        node: asked.node,
        expires_at_ms: kept.expires_at_ms,
        listens: app.settings.node_listen,
    };
    Ok((StatusCode::CREATED, headers, Json(made)).into_response())
}

impl NodeView {
    /// One that has a certificate and was never heard of.
    fn silent(node: NodeId, until_ms: u64) -> Self {
        Self {
            report: NodeReport {
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
            awaited: false,
        }
    }
}

const ORDERS: Orders<NodeView> = &[
    ("node", |one| one.report.node.to_string()),
    ("last_seen_ms", |one| padded(one.report.last_seen_ms)),
    ("applied", |one| {
        padded(one.report.applied.map_or(0, |number| number.0))
    }),
];
/// An hour.
const DEFAULT_SECONDS: u64 = 3_600;
/// Thirty days.
const MOST_SECONDS: u64 = 30 * 86_400;

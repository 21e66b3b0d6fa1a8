//! How a node joins: a token that is good once, against a certificate. An answer that was lost is
//! given again to the same key.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Extension, Json, Router};
use proto::id::NodeId;
use proto::join::{JOIN_PREFIX, Join, Joined, Renew};
use proto::rpc::{RpcCode, SERVICE};
use proto::secret::Secret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::peer::revoked;
use super::{NodeAuthority, NodePeer};
use crate::access::token::Token;
use crate::app::App;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::issue::{NodeCertificate, NodeFault};
use crate::rpc::{Failure, read};
use crate::store::{GivenCertificate, Redeemed};

/// From where one calls who has no certificate yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joins(pub(super) SocketAddr);

/// What may be asked without a certificate.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(&format!("{SERVICE}/Join"), post(join))
        .with_state(app)
}

/// A token as the node gets it: with what it knows the control plane by.
pub(crate) fn written(token: &Token, authority: &NodeAuthority) -> Secret<String> {
    let token = token.written();
    let text = Zeroizing::new(format!(
        "{JOIN_PREFIX}{}_{}",
        authority.pin(),
        token.expose()
    ));
    Secret::new((*text).clone())
}

async fn join(
    State(app): State<Arc<App>>,
    Extension(Joins(from)): Extension<Joins>,
    request: Request,
) -> Result<Json<Joined>, Failure> {
    let asked: Join = read(request, OCTETS).await?;
    let refused = || {
        Failure::new(
            RpcCode::Unauthenticated,
            "the join token is none, was used, or has expired; make another with \
             'countersign node token'",
        )
    };
    let token = Token::read(asked.token.expose()).ok_or_else(refused)?;
    let kept = app.store.fetch_token_to_join(token.id()).await?;
    let now = now_ms();
    let kept = match kept.filter(|kept| token.is(&kept.hash)) {
        Some(kept) if kept.expires_at_ms > now => kept,
        found => {
            let why = found.map_or("unknown or used", |_| "expired");
            tracing::warn!(token = %token.id(), why, "a join token was refused");
            return Err(refused());
        }
    };
    let node = match named(&app, kept.node.as_ref(), asked.node) {
        Ok(node) => node,
        // Of one that was used nobody is told for whom.
        Err(_) if app.store.fetch_join_token(token.id()).await?.is_none() => {
            tracing::warn!(token = %token.id(), why = "used", "a join token was refused");
            return Err(refused());
        }
        Err(fault) => return Err(fault),
    };
    let authority = app
        .node_authority()
        .await
        .map_err(|error| no_authority(&error))?;
    let made = sign(&app, &authority, &asked.request, &node)?;
    let given = given(&made, &node);
    let hush = app.nodes.hush().await;
    let redeemed = app
        .store
        .redeem_join_token(token.id(), &given, &made.key, now);
    let again = match redeemed.await? {
        Redeemed::Joined => false,
        Redeemed::Again => true,
        Redeemed::Used => {
            tracing::warn!(token = %token.id(), why = "used", "a join token was refused");
            return Err(refused());
        }
        Redeemed::Taken => return Err(taken(&node)),
    };
    // What it had before is revoked with that.
    app.nodes.cut(&node);
    drop(hush);
    tracing::info!(%node, serial = made.serial, again, "node joined");
    let detail = json!({
        "token": token.id().to_string(),
        "serial": made.serial,
        "again": again,
    });
    audit(&app, "node.join", &node, Some(from), &detail).await;
    Ok(answer(node, made, &authority))
}

/// A further certificate for a node that has one.
pub(crate) async fn renew(
    app: &App,
    peer: &NodePeer,
    asked: Renew,
) -> Result<Json<Joined>, Failure> {
    peer.speaks_for(app, &asked.node).await?;
    let NodePeer::Node(certified) = peer else {
        return Err(Failure::new(
            RpcCode::FailedPrecondition,
            "a node of this machine needs no certificate",
        ));
    };
    let now = now_ms();
    if now / 1_000 < certified.renewed_from {
        return Err(Failure::new(
            RpcCode::FailedPrecondition,
            "the certificate has lived less than half of its life: it is too early for another",
        ));
    }
    let authority = app
        .node_authority()
        .await
        .map_err(|error| no_authority(&error))?;
    let made = sign(app, &authority, &asked.request, &asked.node)?;
    let given = given(&made, &asked.node);
    let shown = &certified.serial;
    if !app.store.renew_certificate(shown, &given, now).await? {
        return Err(revoked(&asked.node).into());
    }
    tracing::info!(node = %asked.node, serial = made.serial, "certificate renewed");
    let detail = json!({ "serial": made.serial });
    audit(app, "node.renew", &asked.node, peer.address(), &detail).await;
    Ok(answer(asked.node, made, &authority))
}

/// Notes what a node did of itself. It has its certificate already: a failure is for the log.
async fn audit(app: &App, action: &str, node: &NodeId, from: Option<SocketAddr>, detail: &Value) {
    let deed = Deed {
        at_ms: now_ms(),
        actor: format!("node {node}"),
        source: from.map(|from| from.ip().to_string()).unwrap_or_default(),
        action: action.to_owned(),
        target: format!("node {node}"),
        detail: detail.to_string(),
    };
    if let Err(error) = app.store.insert_audit(&deed).await {
        tracing::error!(
            %node,
            action,
            error = &error as &dyn std::error::Error,
            "the audit was not written"
        );
    }
}

/// The name that a node gets.
fn named(app: &App, token: Option<&NodeId>, asked: Option<NodeId>) -> Result<NodeId, Failure> {
    let node = match (token, asked) {
        (Some(token), Some(asked)) if *token != asked => {
            return Err(Failure::new(
                RpcCode::PermissionDenied,
                format!("the token is for node {token}, not {asked}"),
            ));
        }
        (Some(token), _) => token.clone(),
        (None, Some(asked)) => {
            // Of the others the store knows, once the token is used up.
            if app.nodes.fetch(&asked).is_some() {
                return Err(taken(&asked));
            }
            asked
        }
        (None, None) => {
            return Err(Failure::new(
                RpcCode::InvalidArgument,
                "the token is for no node in particular: give the node's name",
            ));
        }
    };
    if app.settings.local_node.as_ref() == Some(&node) {
        return Err(Failure::new(
            RpcCode::PermissionDenied,
            format!("{node} is the node on the control plane's machine"),
        ));
    }
    Ok(node)
}

fn taken(node: &NodeId) -> Failure {
    Failure::new(
        RpcCode::PermissionDenied,
        format!(
            "there is a node {node} already: take another name, remove that one, or make a token \
             with --node {node}"
        ),
    )
}

fn sign(
    app: &App,
    authority: &NodeAuthority,
    request: &str,
    node: &NodeId,
) -> Result<NodeCertificate, Failure> {
    let now = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
    let seconds = app.settings.node_certificate_seconds;
    authority
        .authority()
        .sign_node(request, node, now, seconds)
        .map_err(|fault| match fault {
            NodeFault::Issue(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no certificate for a node"
                );
                Failure::new(RpcCode::Internal, error.to_string())
            }
            fault => Failure::new(RpcCode::InvalidArgument, fault.to_string()),
        })
}

fn given(made: &NodeCertificate, node: &NodeId) -> GivenCertificate {
    let not_after = u64::try_from(made.not_after).unwrap_or_default();
    GivenCertificate {
        serial: made.serial.clone(),
        node: node.clone(),
        not_after_ms: not_after.saturating_mul(1_000),
    }
}

fn answer(node: NodeId, made: NodeCertificate, authority: &NodeAuthority) -> Json<Joined> {
    Json(Joined {
        node,
        certificate: made.pem,
        authority: authority.authority().pem().to_owned(),
    })
}

fn no_authority(error: &super::NodeAuthorityError) -> Failure {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "there is no authority for nodes"
    );
    Failure::new(RpcCode::Internal, error.to_string())
}

/// The longest message.
const OCTETS: usize = 64 * 1024;

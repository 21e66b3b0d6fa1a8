//! Who speaks on a connection, and for which node.

use std::net::SocketAddr;
use std::sync::Arc;

use proto::id::NodeId;
use proto::rpc::{RpcCode, RpcError};

use crate::app::App;

/// Who speaks.
#[derive(Clone, Debug)]
pub(crate) enum NodePeer {
    /// A process of this user on this machine: any node.
    Socket,
    /// A node of another machine.
    Node(Arc<Certified>),
}

/// A node that showed a certificate of the authority.
#[derive(Debug)]
pub(crate) struct Certified {
    pub(crate) node: NodeId,
    pub(crate) serial: String,
    pub(crate) address: SocketAddr,
}

impl NodePeer {
    /// Whether it may speak for a node, now.
    ///
    /// # Errors
    /// It is another, its certificate is revoked, or the store failed.
    pub(crate) async fn speaks_for(&self, app: &App, node: &NodeId) -> Result<(), RpcError> {
        let Self::Node(certified) = self else {
            return Ok(());
        };
        if certified.node != *node {
            tracing::warn!(
                certificate = %certified.node,
                said = %node,
                address = %certified.address,
                "a node speaks for another; refused"
            );
            return Err(RpcError {
                code: RpcCode::PermissionDenied,
                message: format!("the certificate is of node {}, not {node}", certified.node),
            });
        }
        match app.store.is_certificate_good(&certified.serial, node).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(RpcError {
                code: RpcCode::Unauthenticated,
                message: format!("the certificate of node {node} is revoked; let it join again"),
            }),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a node's certificate was not looked up"
                );
                Err(RpcError {
                    code: RpcCode::Unavailable,
                    message: "the store failed".to_owned(),
                })
            }
        }
    }

    /// Where it is; none on this machine.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket => None,
            Self::Node(certified) => Some(certified.address),
        }
    }
}

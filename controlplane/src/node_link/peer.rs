//! Who speaks on a connection, and for which node.

use std::net::SocketAddr;
use std::sync::Arc;

use proto::id::NodeId;
use proto::rpc::{RpcCode, RpcError};

use crate::app::App;
use crate::clock::now_ms;
use crate::store::Standing;

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
    /// From when on it gets another, in seconds since 1970: half of its life.
    pub(crate) renewed_from: u64,
    pub(crate) address: SocketAddr,
}

impl NodePeer {
    /// Whether it may speak for a node, now.
    ///
    /// # Errors
    /// It is another, its certificate is revoked or has expired, or the store failed.
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
        let serial = &certified.serial;
        match app.store.fetch_standing(serial, node, now_ms()).await {
            Ok(Standing::Good) => Ok(()),
            Ok(Standing::Revoked) => Err(revoked(node)),
            Ok(Standing::Expired) => Err(RpcError {
                code: RpcCode::Unauthenticated,
                message: format!("the certificate of node {node} has expired"),
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

    /// The serial number of its certificate; none on this machine.
    pub(crate) fn serial(&self) -> Option<&str> {
        match self {
            Self::Socket => None,
            Self::Node(certified) => Some(&certified.serial),
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

/// What a node is told whose certificate was taken back.
pub(super) fn revoked(node: &NodeId) -> RpcError {
    RpcError {
        code: RpcCode::Unauthenticated,
        message: format!("the certificate of node {node} is revoked; let it join again"),
    }
}

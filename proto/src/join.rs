//! How a data plane of another machine becomes a node: it shows a join token, and gets a certificate
//! for a key that it made itself. Messages and names; no cryptography.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::secret::{Secret, on_the_wire};

/// The application protocol (RFC 7301) of a connection that has no certificate yet: it may join, and
/// nothing else. Any other connection must show a certificate.
pub const JOIN_PROTOCOL: &[u8] = b"countersign-join/1";

/// The name in the control plane's certificate for nodes, whatever its machine is called: its
/// authority signs one server, this one, and nodes, which may not be servers.
pub const SERVER_NAME: &str = "controlplane.countersign.internal";

/// What the URI in a node's certificate begins with; the rest is the node's name.
pub const NODE_URI: &str = "urn:countersign:node:";

/// Certificates are good from so many seconds before they were made, since clocks differ.
pub const BACK_SECONDS: u64 = 600;

/// What a written join token begins with: `csj_` and SHA-256 of the authority in 64 hexadecimal
/// digits, `_`, and the token.
pub const JOIN_PREFIX: &str = "csj_";

/// `Join`: a certificate for a new node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The token, without the authority's digest.
    #[serde(with = "on_the_wire")]
    pub token: Secret<String>,
    /// The name it wants; none takes the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// PEM text of the request (PKCS #10): only its key counts.
    pub request: String,
}

/// `Renew`: a further certificate for a node that has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// Who asks.
    pub node: NodeId,
    /// PEM text of the request (PKCS #10): only its key counts.
    pub request: String,
}

/// The answer to both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The node's name.
    pub node: NodeId,
    /// PEM text of its certificate.
    pub certificate: String,
    /// PEM text of the authority.
    pub authority: String,
}

//! Documents of data planes: how each is, how others join, and what is tried at them.

use std::net::{IpAddr, SocketAddr};

use proto::check::CheckRow;
use proto::config::Fault;
use proto::event::AuthEvent;
use proto::id::{IntegrationId, NodeId, Revision};
use proto::rpc::NodeStatus;
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a data plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeReport {
    /// Its name.
    pub node: NodeId,
    /// Whether it listens for revisions now.
    pub connected: bool,
    /// When it was last heard of: milliseconds since 1970, UTC.
    pub last_seen_ms: u64,
    /// The newest revision that it is known to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Revision>,
    /// Its last refusal, until it applies a revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// What it said of itself last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeStatus>,
    /// From where it listens; none for one of the control plane's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Whether it shall take no new logins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// A node in `/api/v1/nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    /// How it is.
    #[serde(flatten)]
    pub report: NodeReport,
    /// Until when its newest certificate is good: milliseconds since 1970, UTC; none for a node of
    /// the control plane's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_until_ms: Option<u64>,
    /// Whether it was given a certificate when it joined and has not come with it yet: the answer may
    /// have been lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaited: bool,
}

/// A page of `GET /api/v1/nodes`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NodeListPage {
    /// The nodes.
    pub items: Vec<NodeView>,
    /// Where the next page begins; none when this is the last.
    #[serde(default)]
    pub next: Option<String>,
}

/// `POST /api/v1/join-tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenRequest {
    /// The name of the node that it is for, which takes the place of one of that name; none is for
    /// any name that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// For how long it is good, in seconds: 1 to 2,592,000; default 3,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinTokenMade {
    /// What it is called in addresses; no secret.
    pub id: String,
    /// The token; never shown again.
    #[serde(with = "proto::secret::on_the_wire")]
    #[schemars(with = "String")]
    pub token: Secret<String>,
    /// The name that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Until when it is good: milliseconds since 1970, UTC.
    pub expires_at_ms: u64,
    /// Where nodes are listened for; none means that the control plane does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listens: Option<SocketAddr>,
}

/// A join token that waits to be used, without its secret: in `GET /api/v1/join-tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinTokenView {
    /// What it is called in addresses.
    pub id: String,
    /// The name that it is for; none is for any that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Until when it is good: milliseconds since 1970, UTC.
    pub expires_at_ms: u64,
}

/// A page of `GET /api/v1/join-tokens`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JoinTokenListPage {
    /// The tokens; an installation has 1,000 at most, which is a page.
    pub items: Vec<JoinTokenView>,
}

/// `POST /api/v1/nodes/{node}/drain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDrain {
    /// True: it takes no new logins and finishes those it has. False: it takes them again.
    pub drain: bool,
}

/// `POST /api/v1/checks`: has nodes try what they serve, as `countersign check` does there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Which; none is every node that is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// By name.
    pub nodes: Vec<NodeChecked>,
}

/// What came of the check of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeChecked {
    /// The node.
    pub node: NodeId,
    /// As `countersign check` shows them; none when there was no check.
    #[serde(default)]
    pub rows: Vec<CheckRow>,
    /// Why there was no check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `POST /api/v1/logins`: logs a user in at a node, as a device would, to see what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"integration": "radius_server_auto", "user": "alice", "password": "any"}]))]
pub struct LoginRequest {
    /// Through which integration.
    pub integration: IntegrationId,
    /// Whom: 1 to 253 octets.
    pub user: String,
    /// The password, at most 128 octets. This, or `answer`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_secret"
    )]
    pub password: Option<Secret<String>>,
    /// The answer to the question of a login before, with its `state`: an option's number, a passcode.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_secret"
    )]
    pub answer: Option<Secret<String>>,
    /// What came with that question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// At which node; none is the one that asked the question, or any that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// As which device: an address that is a client of the integration; none is no device at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Where the user is, as a device says it in Calling-Station-Id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_station_id: Option<String>,
}

/// Its answer: the login, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoginTried {
    /// As in `/api/v1/events`, marked as a test: outcome, reason, what the user reads, the revision
    /// and the timeline.
    pub event: AuthEvent,
    /// What the answer says to the device besides.
    #[serde(default)]
    pub attributes: Vec<ShownAttribute>,
    /// With which the question in `event.reply_message` is answered; none when nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An attribute of an answer, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownAttribute {
    /// Its name, or its vendor and number where no dictionary has one: `26.9.1`.
    pub name: String,
    /// Its value; none when it is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

fn optional_secret<S: serde::Serializer>(
    secret: &Option<Secret<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// A revision that a node refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Which.
    pub revision: Revision,
    /// When: milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// Why.
    pub faults: Vec<Fault>,
}

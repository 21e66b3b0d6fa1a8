//! The methods between the planes, as `POST /countersign.v1.DataPlane/<Method>` with JSON bodies.
//!
//! No transport here. `Subscribe` answers with a stream: one [`ToNode`] document a line. The other
//! methods answer with one document, or with an [`RpcError`] and its HTTP status.

use serde::{Deserialize, Serialize};

use crate::check::StartCheck;
use crate::command::Command;
use crate::config::{Fault, raw};
use crate::event::AuthEvent;
use crate::id::{IntegrationId, NodeId, Revision};
use crate::secret::{Secret, on_the_wire};

/// The version of these messages. A node of another version is refused by name.
pub const PROTOCOL_VERSION: u32 = 2;

/// The path below which the methods live.
pub const SERVICE: &str = "/countersign.v1.DataPlane";

/// How often `Subscribe` sends a heartbeat, in seconds. Three missed ones mean a dead stream.
pub const HEARTBEAT_SECONDS: u64 = 5;

/// The most events in one [`ReportEvents`].
pub const EVENTS_PER_REPORT: usize = 1_000;

/// The longest message either side reads, in octets.
pub const MESSAGE_OCTETS: usize = 64 * 1024 * 1024;

/// `Subscribe`: revisions and commands from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Who asks.
    pub node: NodeId,
    /// The node's [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The node's program version.
    pub version: String,
    /// The revision it serves; none when it serves nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Revision>,
    /// Which messages it knows that not every node of this protocol version knows:
    /// [`UNDERSTANDS_PRIMARY_ONLY`], [`UNDERSTANDS_COMMANDS`], [`UNDERSTANDS_LOGINS`]. Others are not sent to it; unknown words are for a later
    /// control plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub understands: Vec<String>,
}

/// The word of [`Subscribe::understands`] for [`ToNode::PrimaryOnly`].
pub const UNDERSTANDS_PRIMARY_ONLY: &str = "primary_only";

/// The word of [`Subscribe::understands`] for [`ToNode::Drain`] and [`ToNode::Command`].
pub const UNDERSTANDS_COMMANDS: &str = "commands";

/// The word of [`Subscribe::understands`] for [`ToNode::Cancel`] and the commands that log somebody in.
pub const UNDERSTANDS_LOGINS: &str = "logins";

/// Octets of a [`StateKeys`] key.
pub const STATE_KEY_OCTETS: usize = 32;

/// One line of `Subscribe`'s answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToNode {
    /// With what the State of a challenge is sealed. Comes first, and again when keys change.
    /// Never part of a revision: they are not rolled back with one.
    StateKeys {
        /// The keys.
        keys: StateKeys,
    },
    /// Who may pass on the primary alone: the whole list each time, also when it is empty. Comes
    /// after the keys, and again when it changes, to nodes that say [`UNDERSTANDS_PRIMARY_ONLY`].
    /// Never part of a revision: nothing brings one back that has ended.
    PrimaryOnly {
        /// At most [`PRIMARY_ONLY_GRANTS`].
        grants: Vec<PrimaryOnlyGrant>,
    },
    /// A whole configuration. The first line after these is one, when there is one.
    Snapshot {
        /// Unchecked: the node checks it for itself.
        snapshot: Box<raw::Snapshot>,
    },
    /// Whether the node takes new logins: sent once in each subscription, since the node may remember
    /// another word, and whenever that changes, to nodes that say [`UNDERSTANDS_COMMANDS`].
    Drain {
        /// False: it takes them again.
        drain: bool,
    },
    /// Something to do now, whose end is told with `Finished`. To the same nodes.
    Command {
        /// Never twice in one run of the control plane.
        number: u64,
        /// What.
        command: Command,
    },
    /// Nobody waits for the end of this command any more: it is broken off. To nodes that say
    /// [`UNDERSTANDS_LOGINS`].
    Cancel {
        /// The command's number.
        number: u64,
    },
    /// The stream lives.
    Heartbeat,
    /// A message of a later version; it is passed over. Never sent.
    #[serde(other)]
    Unknown,
}

/// The most grants of [`ToNode::PrimaryOnly`]: one for each integration, and one for all.
pub const PRIMARY_ONLY_GRANTS: usize = 256;

/// The longest that one grant lasts, in seconds: a day.
pub const PRIMARY_ONLY_SECONDS: u64 = 86_400;

/// For the outage of a second factor: logins that the primary accepts pass without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryOnlyGrant {
    /// Where; none means every integration whose primary checks a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// Until when, by the node's own clock: milliseconds since 1970, UTC.
    pub until_ms: u64,
    /// Why: 1 to 500 characters on one line.
    pub reason: String,
    /// Who granted it.
    pub by: String,
}

/// The keys of States, the same for every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateKeys {
    /// Seals and opens. [`STATE_KEY_OCTETS`] octets in base64, as all of them.
    pub current: StateKey,
    /// Open only: the one before, for as long as States of it may be about, and the next one
    /// shortly before its time, since not every node hears of it in the same moment.
    #[serde(default)]
    pub others: Vec<StateKey>,
}

/// One key of States.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateKey(#[serde(with = "on_the_wire")] pub Secret<String>);

/// `Acknowledge`: what became of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Who answers.
    pub node: NodeId,
    /// Which revision.
    pub revision: Revision,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a node made of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Verdict {
    /// It is served now.
    Applied,
    /// The revision before it is served on.
    Refused {
        /// Why, with the path of each fault: `integrations[2].port: address in use`.
        faults: Vec<Fault>,
    },
}

/// `ReportEvents`: logins that finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportEvents {
    /// Who reports.
    pub node: NodeId,
    /// At most [`EVENTS_PER_REPORT`].
    pub events: Vec<AuthEvent>,
    /// How many were dropped since the node started, because the queue was full.
    pub dropped: u64,
}

/// `ReportStatus`: how a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportStatus {
    /// Who reports.
    pub node: NodeId,
    /// How it is.
    pub status: NodeStatus,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeStatus {
    /// Its program version.
    pub version: String,
    /// What it does.
    pub state: NodeState,
    /// The revision it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Where that came from.
    pub source: ConfigSource,
    /// Whether its subscription is up.
    pub connected: bool,
    /// Logins that wait for something.
    pub logins_in_flight: u64,
    /// Events dropped since it started.
    pub events_dropped: u64,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Its sockets.
    pub listeners: Vec<ListenerStatus>,
    /// The certificates of its integrations in mode `eap`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
    /// The last revision that it refused, until it applies one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedRevision>,
    /// Where logins pass on the primary alone now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_only: Vec<PrimaryOnlyStatus>,
    /// What the check at its start found; none where `test_connectivity_on_startup` asks for none, or
    /// it is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_check: Option<StartCheck>,
}

/// A grant that is in force at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrimaryOnlyStatus {
    /// The integrations of this node that it opens.
    pub integrations: Vec<String>,
    /// Until when: milliseconds since 1970, UTC.
    pub until_ms: u64,
    /// The same for people: `2026-11-22T15:00:00Z`.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who granted it.
    pub by: String,
}

/// A revision that a node refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedRevision {
    /// Which.
    pub revision: Revision,
    /// Why, with the path of each fault.
    pub faults: Vec<Fault>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It has no configuration yet and answers nothing.
    Starting,
    /// It serves.
    Serving,
    /// It takes no new logins and finishes those it has.
    Draining,
}

/// Where a node's configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigSource {
    /// There is none yet.
    None,
    /// The sealed copy of the last good revision.
    SealedCopy,
    /// The control plane.
    ControlPlane,
}

/// One socket of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListenerStatus {
    /// Where it listens: `0.0.0.0:1812`.
    pub address: String,
    /// The integrations it serves.
    pub integrations: Vec<String>,
}

/// The certificate that an integration shows to supplicants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CertificateStatus {
    /// The integration.
    pub integration: String,
    /// Until when it is good, in seconds since 1970.
    pub not_after: i64,
    /// The day of that, in UTC: `2027-01-15`.
    pub until: String,
}

/// An empty answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A method's error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RpcError {
    /// What kind.
    pub code: RpcCode,
    /// For a person.
    pub message: String,
}

/// gRPC's names of errors, as far as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RpcCode {
    /// The request is wrong; the same one will fail again.
    InvalidArgument,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not.
    PermissionDenied,
    /// What it names is not there.
    NotFound,
    /// It cannot be done in the present state, such as another protocol version.
    FailedPrecondition,
    /// A bound was reached; later it may do.
    ResourceExhausted,
    /// It cannot be reached now; trying again later makes sense.
    Unavailable,
    /// A fault of the callee.
    Internal,
}

impl RpcCode {
    /// The HTTP status it travels with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::ResourceExhausted => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl std::fmt::Display for RpcCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::FailedPrecondition => "failed_precondition",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        })
    }
}

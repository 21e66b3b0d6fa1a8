//! The JSON documents of the admin socket, for the server and its callers. No transport here.
//!
//! `GET /healthz`, [`Readiness`] of `/readyz`, `GET /metrics`, [`Status`] of `/status`, [`Reload`]
//! of `POST /reload`, [`EventPage`] of `/events?`[`EventFilter`], and one [`LiveEvent`] a line from
//! `/events/stream`. The other documents are of `/api/v1`, which is on that socket too.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use proto::check::CheckRow;
use proto::config::Fault;
use proto::event::AuthEvent;
use proto::id::{IntegrationId, NodeId, Revision};
use proto::rpc::NodeStatus;
use proto::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The header of the API socket with the address of the caller, which is its own admin address's
/// word: `192.0.2.1:50000`.
pub const PEER_HEADER: &str = "countersign-peer";
pub use crate::event_filter::{
    EVENTS_PER_PAGE, EventCursor, EventFilter, EventFormat, NoCursor, TEXT_CHARACTERS,
};
pub use crate::moment::{Moment, NoMoment};

/// `GET /status`: how the control plane is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The revision it serves; none when there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionInfo>,
    /// The file that is the truth; none when the database is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The last time the file was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_load: Option<LastLoad>,
    /// Where logins may pass on the primary alone now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_only: Vec<PrimaryOnlyView>,
    /// The data planes, by name.
    pub nodes: Vec<NodeReport>,
    /// Events.
    pub events: EventCounts,
    /// Whether the database in the data folder is whole; none when it is on a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseHealth>,
}

/// Whether a database is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatabaseHealth {
    /// It was read whole, and no fault found.
    Whole,
    /// It is long, and still read.
    BeingRead,
    /// Parts of it are not what was written.
    Damaged {
        /// What was found first, and what helps.
        detail: String,
    },
    /// It could not be read to its end.
    Unread {
        /// Why.
        detail: String,
    },
}

/// What is known of a revision besides its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionInfo {
    /// Its number.
    pub number: Revision,
    /// When it was made: milliseconds since 1970, UTC.
    pub created_at_ms: u64,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
}

/// The last time the file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLoad {
    /// When: milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// What came of it.
    #[serde(flatten)]
    pub reload: Reload,
}

/// `POST /reload`, always with status 200: what reading the file again gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reload {
    /// What came of it.
    pub result: LoadResult,
    /// The revision that is served now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Errors and warnings, at most [`DIAGNOSTICS`].
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
}

/// The most diagnostics that are kept and answered.
pub const DIAGNOSTICS: usize = 1_000;

/// What came of reading the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadResult {
    /// A new revision.
    Applied,
    /// The configuration is the one that is served already.
    Unchanged,
    /// It is bad; the revision before it is served on.
    Refused,
    /// It is good, but something that it needs cannot be reached now; tried again by itself.
    Unavailable,
}

impl LoadResult {
    /// Every variant.
    pub const ALL: &'static [Self] = &[
        Self::Applied,
        Self::Unchanged,
        Self::Refused,
        Self::Unavailable,
    ];

    /// Its name in JSON and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One error or warning of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none when it is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The section's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// The option's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong; never a secret.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is served all the same.
    Warning,
}

impl Diagnostic {
    /// An error about a whole file.
    #[must_use]
    pub fn error(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            section: None,
            option: None,
            severity: Severity::Error,
            message: message.into(),
            remedy: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// `FILE:LINE: error: [section] option: what is wrong; what to write`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        f.write_str(match self.severity {
            Severity::Error => " error:",
            Severity::Warning => " warning:",
        })?;
        match (&self.section, &self.option) {
            (Some(section), Some(option)) => write!(f, " [{section}] {option}:")?,
            (Some(section), None) => write!(f, " [{section}]:")?,
            (None, Some(option)) => write!(f, " {option}:")?,
            (None, None) => {}
        }
        write!(f, " {}", self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

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

/// Counts of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Stored since the start.
    pub stored: u64,
    /// Dropped here since the start, because one alone was too long to keep.
    pub dropped: u64,
    /// Dropped by the nodes since they started, because their queues were full.
    pub dropped_by_nodes: u64,
    /// Reports sent back since the start, because the queue was full or the store failed; the
    /// nodes send them again.
    pub reports_refused: u64,
}

/// `GET /readyz`: status 200 when nothing is missing, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether all is there.
    pub ready: bool,
    /// What is missing, for a person.
    pub missing: Vec<String>,
}

/// `GET /events`: the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events, at most as many as were asked for. Fewer, even none, while there are more, when
    /// those that match are far between.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EventCursor>,
}

/// An event in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredEvent {
    /// Its number in order of storing; never used again.
    pub seq: u64,
    /// What happened.
    pub event: AuthEvent,
}

/// One line of `GET /events/stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveEvent {
    /// An event, once it is stored.
    Event(Box<StoredEvent>),
    /// The reader was too slow and missed so many; they can be asked for with `GET /events`.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The stream lives.
    Heartbeat,
}

/// `POST /api/v1/primary-only`: lets logins pass on the primary alone for a time. Asked for twice: without
/// `confirm` nothing is done, and the answer has the token to come back with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"integration": "radius_server_auto", "seconds": 600, "reason": "the second factor is away"}]))]
pub struct PrimaryOnlyRequest {
    /// Where. This, or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// Every integration whose primary checks a password.
    #[serde(default)]
    pub all: bool,
    /// For how long, in seconds: 1 to 86,400.
    pub seconds: u64,
    /// Why: 1 to 500 characters, none of them a control character.
    pub reason: String,
    /// Who asks: 1 to 128 characters, none of them a control character. Over the admin socket alone,
    /// where nobody else says it.
    #[serde(default)]
    pub by: String,
    /// The token of the answer before. Good once, for the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// The answer of `POST /api/v1/primary-only`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PrimaryOnlyAnswer {
    /// Nothing was done yet.
    Confirm {
        /// What to send as `confirm`.
        token: String,
        /// For how many seconds that is good.
        good_for_seconds: u64,
        /// What would be done, if it were now.
        would: PrimaryOnlyView,
        /// What it would take the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<PrimaryOnlyView>,
    },
    /// It was only tried: with `dry_run=true`, confirmed or not.
    Would {
        /// What would be done, if it were now and confirmed.
        would: PrimaryOnlyView,
        /// What it would take the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<PrimaryOnlyView>,
    },
    /// It is in force.
    Started {
        /// What was done.
        grant: PrimaryOnlyView,
    },
}

/// A grant as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrimaryOnlyView {
    /// Where; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// The integrations of the present revision that it opens.
    pub opens: Vec<String>,
    /// Those that stay closed under a grant for all: nobody checks a password there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays_closed: Vec<String>,
    /// Since when: milliseconds since 1970, UTC.
    pub since_ms: u64,
    /// Until when: milliseconds since 1970, UTC.
    pub until_ms: u64,
    /// The same for people: `2026-11-22T15:00:00Z`.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who granted it.
    pub by: String,
}

/// `GET /api/v1/primary-only`: what is in force. Of `DELETE`: what has ended with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrimaryOnlyGrants {
    /// The grant for all first, then by integration.
    pub grants: Vec<PrimaryOnlyView>,
}

/// The query of `DELETE /api/v1/primary-only`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrimaryOnlyStop {
    /// The grant for this integration alone; none ends every grant, that for all too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// Who asks, as in [`PrimaryOnlyRequest::by`].
    #[serde(default)]
    pub by: String,
    /// Ends nothing, and answers what it would end.
    #[serde(default)]
    pub dry_run: bool,
}

/// An answer with a status other than 200 or 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_reads_as_editors_and_people_expect() {
        let whole = Diagnostic::error("authproxy.cfg", "the file is empty");
        let one = Diagnostic {
            line: Some(7),
            section: Some("radius_server_auto".to_owned()),
            option: Some("port".to_owned()),
            severity: Severity::Warning,
            message: "'x' is no port".to_owned(),
            remedy: Some("write 1 to 65535".to_owned()),
            ..whole.clone()
        };
        for (diagnostic, want) in [
            (whole, "authproxy.cfg: error: the file is empty"),
            (
                one,
                "authproxy.cfg:7: warning: [radius_server_auto] port: 'x' is no port; write 1 to 65535",
            ),
        ] {
            assert_eq!(diagnostic.to_string(), want);
        }
    }

    #[test]
    fn a_label_is_what_json_says() {
        for result in LoadResult::ALL {
            let json = serde_json::to_value(result).unwrap();
            assert_eq!(json, result.as_str());
        }
    }
}

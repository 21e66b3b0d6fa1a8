//! The JSON documents of the admin socket, for the server and its callers. No transport here.
//!
//! `GET /healthz`, [`Readiness`] of `/readyz`, `GET /metrics`, [`Status`] of `/status`, [`Reload`]
//! of `POST /reload`, [`EventPage`] of `/events?`[`EventFilter`], and one [`LiveEvent`] a line from
//! `/events/stream`. The other documents are of `/api/v1`, which is on that socket too.

mod events;
mod nodes;
mod primary_only;

use std::fmt;
use std::path::PathBuf;

use proto::id::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The header of the API socket with the address of the caller, which is its own admin address's
/// word: `192.0.2.1:50000`.
pub const PEER_HEADER: &str = "countersign-peer";
pub use crate::event_filter::{
    EVENTS_PER_PAGE, EventCursor, EventFilter, EventFormat, NoCursor, TEXT_CHARACTERS,
};
pub use crate::moment::{Moment, NoMoment};
pub use events::{EventPage, LiveEvent, StoredEvent};
pub use nodes::{
    CheckReport, CheckRequest, JoinTokenListPage, JoinTokenMade, JoinTokenRequest, JoinTokenView,
    LoginRequest, LoginTried, NodeChecked, NodeDrain, NodeListPage, NodeReport, NodeView, Refusal,
    ShownAttribute,
};
pub use primary_only::{
    PrimaryOnlyAnswer, PrimaryOnlyGrants, PrimaryOnlyRequest, PrimaryOnlyStop, PrimaryOnlyView,
};

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
    /// What the admin addresses are served with, where that is TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin_certificates: Vec<AdminCertificateEnd>,
}

/// Until when the certificate of an admin address is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCertificateEnd {
    /// The address.
    pub address: String,
    /// Its last second, since 1970.
    pub not_after: i64,
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

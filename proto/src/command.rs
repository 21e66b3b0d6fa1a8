//! What a control plane has a node do, and what came of it. Commands travel on the subscription, the
//! answers as `Finished`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::check::CheckRow;
use crate::event::{AuthEvent, Reason};
use crate::id::{IntegrationId, NodeId};
use crate::secret::{Secret, on_the_wire};

/// One command to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Try what is served, as `countersign check` does at the node.
    Check,
    /// Log a user in as a RADIUS request would, to see what comes of it. To nodes that say
    /// [`crate::rpc::UNDERSTANDS_LOGINS`].
    Login {
        /// Whom, where, with what.
        login: Box<TestLogin>,
    },
    /// Ask for a second factor alone. To the same nodes.
    Factor {
        /// Whose.
        factor: Box<AskFactor>,
    },
    /// List the people of a directory that is served. To the same nodes; one of an older program
    /// answers that it does not know it.
    List {
        /// Which.
        list: Box<ListPeople>,
    },
    /// A command of a later version; it is answered as not understood. Never sent.
    #[serde(other)]
    Unknown,
}

impl Command {
    /// How long a node may work on it, in seconds; its control plane waits a little longer.
    #[must_use]
    pub const fn seconds(&self) -> u64 {
        match self {
            Self::Check | Self::Unknown => COMMAND_SECONDS,
            Self::Login { .. } | Self::Factor { .. } => LOGIN_SECONDS,
            Self::List { .. } => LIST_SECONDS,
        }
    }
}

/// Asks for the people of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPeople {
    /// The section of the directory, such as `ad_client` or `ad_client2`.
    pub directory: String,
    /// Only members of this group; none for all that the section's groups and filter let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_dn: Option<String>,
    /// Who asks.
    pub by: String,
}

/// The people of a directory, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPeople {
    /// The host that said so.
    pub host: String,
    /// In the order of the directory, at most [`MOST_LISTED`].
    pub people: Vec<crate::second_factor::DirectoryUser>,
    /// Entries whose name to log in with is blank or no text.
    #[serde(default)]
    pub nameless: u64,
}

/// A login that somebody tries from the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestLogin {
    /// Through which integration.
    pub integration: IntegrationId,
    /// Whom.
    pub user: String,
    /// What a user types: a password, or the answer to the question that `state` belongs to.
    #[serde(with = "on_the_wire")]
    pub typed: Secret<String>,
    /// What came with the question that is answered, in base64; none begins a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// As which device it comes; none as none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Where the user is, as a device would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_station: Option<String>,
    /// Who tries it.
    pub by: String,
}

/// Asks for somebody's second factor, without a password before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskFactor {
    /// Whose application and service.
    pub integration: IntegrationId,
    /// Whose factor.
    pub user: String,
    /// A passcode, or the name of a factor, such as `push`.
    #[serde(with = "on_the_wire")]
    pub typed: Secret<String>,
    /// For what.
    pub by: String,
}

/// `Finished`: what came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Who answers.
    pub node: NodeId,
    /// The command's number.
    pub number: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// The rows of a check.
    Checked {
        /// As `countersign check` prints them.
        rows: Vec<CheckRow>,
    },
    /// What came of a login.
    LoggedIn {
        /// All of it.
        login: Box<TestedLogin>,
    },
    /// What a second factor said.
    Factor {
        /// Yes, no, or nothing.
        verdict: FactorVerdict,
        /// Why.
        reason: Reason,
        /// What the user is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The people of a directory.
    Listed {
        /// All of them.
        listed: Box<ListedPeople>,
    },
    /// It was not done.
    Refused {
        /// Why, for a person.
        message: String,
    },
}

/// What came of a login that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedLogin {
    /// The login as it is told of any, marked as a test.
    pub event: AuthEvent,
    /// What the answer says to the device besides: attributes of a RADIUS primary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AnswerAttribute>,
    /// What must come back with the answer to a question, in base64; none when nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An attribute of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerAttribute {
    /// The vendor's number; none for a standard attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<u32>,
    /// Its type.
    pub number: u8,
    /// Its value in base64; none when it travels encrypted, since it is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What a second factor said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorVerdict {
    /// A person or a passcode proved it.
    Allowed,
    /// It was refused, or nothing was asked for.
    Denied,
    /// Nobody could be asked.
    Unavailable,
}

/// How long a node may work on a login, in seconds: a person is waited for.
pub const LOGIN_SECONDS: u64 = 180;

/// How long a node may work on a list of people, in seconds.
pub const LIST_SECONDS: u64 = 300;

/// The most people of a directory that are listed.
pub const MOST_LISTED: usize = 100_000;

/// The most octets that the texts of a list have together.
pub const MOST_LISTED_OCTETS: usize = 24 * 1024 * 1024;

/// How many commands a node works on at a time; one more is answered as refused.
pub const COMMANDS_AT_ONCE: usize = 4;

/// How long a node may work on one command of another kind, in seconds; its control plane waits a
/// little longer.
pub const COMMAND_SECONDS: u64 = 120;

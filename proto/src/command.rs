//! What a control plane has a node do, and what came of it. Commands travel on the subscription, the
//! answers as `Finished`.

use serde::{Deserialize, Serialize};

use crate::check::CheckRow;
use crate::id::NodeId;

/// One command to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Try what is served, as `countersign check` does at the node.
    Check,
    /// A command of a later version; it is answered as not understood. Never sent.
    #[serde(other)]
    Unknown,
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
    /// It was not done.
    Refused {
        /// Why, for a person.
        message: String,
    },
}

/// How long a node may work on one command, in seconds; its control plane waits a little longer.
pub const COMMAND_SECONDS: u64 = 120;

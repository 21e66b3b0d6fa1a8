//! What a role says to the supervisor that started it: one JSON document a line, on its standard
//! output. Its log goes to standard error.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::Log;
use crate::secret::Secret;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromChild {
    /// Its sockets are bound.
    Ready,
    /// It cannot work without another role.
    Need(Role),
    /// Nobody may use the REST API yet: what the first administrator needs, to be shown to a person
    /// and kept nowhere.
    Setup {
        /// What stands behind the `#` of the link.
        #[serde(with = "crate::secret::on_the_wire")]
        token: Secret<String>,
    },
    /// The log settings of the revision that is served from now on.
    Log {
        /// Where the log goes.
        log: Log,
        /// Whether each step of each login is logged.
        debug: bool,
    },
    /// A login finished: an [`AuthEvent`](crate::event::AuthEvent), encoded once for all readers.
    Login(Box<RawValue>),
}

/// A role of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Configuration, events, administration.
    ControlPlane,
    /// RADIUS.
    DataPlane,
    /// The built-in second factor.
    SecondFactor,
}

impl Role {
    /// Its name: of the command that runs it, of its socket, in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "controlplane",
            Self::DataPlane => "dataplane",
            Self::SecondFactor => "secondfactor",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Who called: what a revision and the audit have as the author.

use std::fmt;
use std::net::SocketAddr;

use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::access::role::Role;
use crate::access::token::TokenId;
use crate::audit::Deed;
use crate::clock::now_ms;
use crate::store::Store;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// By what.
    pub(crate) by: By,
    /// What they may.
    pub(crate) role: Role,
    /// From where; none over the admin socket.
    pub(crate) from: Option<SocketAddr>,
    /// What lets them in.
    pub(crate) pass: Pass,
}

/// What lets somebody in, to be looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Token(TokenId),
    Session(TokenId),
    /// The admin socket, as long as the gateway runs.
    Socket,
}

/// By what somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A bearer token, by its name.
    Token(String),
    /// An administrator's session, by their name.
    Admin(String),
    /// The session of a person whom a provider named.
    Person(String),
    /// The admin socket, which only the gateway's own user reaches.
    Socket,
}

impl Caller {
    /// As a revision has it.
    pub(crate) fn author(&self) -> String {
        self.by.to_string()
    }

    /// What they do now, for the audit: `detail` says what before and after, without a secret.
    pub(crate) fn deed(&self, action: &str, target: impl Into<String>, detail: &Value) -> Deed {
        Deed {
            at_ms: now_ms(),
            actor: self.author(),
            source: self.origin(),
            action: action.to_owned(),
            target: target.into(),
            detail: detail.to_string(),
        }
    }

    /// Notes in the audit what this one did. `detail` has no secret.
    ///
    /// # Errors
    /// It could not be stored.
    pub(crate) async fn audit(
        &self,
        store: &Store,
        action: &str,
        target: impl Into<String>,
        detail: &Value,
    ) -> Result<(), Problem> {
        let deed = self.deed(action, target, detail);
        store.insert_audit(&deed).await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                action,
                "the audit was not written"
            );
            Problem::new(
                Kind::Unavailable,
                "the audit could not be written; try again",
            )
        })
    }

    /// From which address; empty for this machine.
    pub(crate) fn origin(&self) -> String {
        self.from
            .map(|from| from.ip().to_string())
            .unwrap_or_default()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(name) => write!(f, "token {name}"),
            Self::Admin(name) => write!(f, "admin {name}"),
            Self::Person(name) => write!(f, "oidc {name}"),
            Self::Socket => f.write_str("command line"),
        }
    }
}

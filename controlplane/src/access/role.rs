//! Roles, and the one table that says which of them each route wants.

use std::fmt;
use std::str::FromStr;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do; each may what those before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees everything but secrets.
    Viewer,
    /// Runs what is there: test logins, checks, drain, users and approvals of the second factor.
    Operator,
    /// Changes what is there: the configuration, who may do what, primary-only.
    Admin,
}

impl Role {
    /// Its name in JSON and on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let all = [Self::Viewer, Self::Operator, Self::Admin];
        let found = all.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator or admin, not '{0}'")]
pub(crate) struct UnknownRole(String);

/// What a route wants of its caller; each more than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wants {
    /// Nothing: signing in, and what needs no secret.
    Nobody,
    /// At least this role.
    Role(Role),
}

/// One route: method, path as the router has it, what it wants.
pub(crate) type Route = (Method, &'static str, Wants);

/// Whether a caller with this role (none: not signed in) may use a route that wants this.
pub(crate) fn may(role: Option<Role>, wants: Wants) -> bool {
    match (role, wants) {
        (_, Wants::Nobody) => true,
        (Some(role), Wants::Role(least)) => role >= least,
        (None, Wants::Role(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_before_it_may() {
        use Role::{Admin, Operator, Viewer};
        for (role, want) in [
            (None, [true, false, false, false]),
            (Some(Viewer), [true, true, false, false]),
            (Some(Operator), [true, true, true, false]),
            (Some(Admin), [true, true, true, true]),
        ] {
            let wants = [
                Wants::Nobody,
                Wants::Role(Viewer),
                Wants::Role(Operator),
                Wants::Role(Admin),
            ];
            assert_eq!(wants.map(|wants| may(role, wants)), want, "{role:?}");
        }
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            assert_eq!(role.to_string().parse(), Ok(role));
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{role}\""));
        }
        assert!("Admin".parse::<Role>().is_err() && "".parse::<Role>().is_err());
    }
}

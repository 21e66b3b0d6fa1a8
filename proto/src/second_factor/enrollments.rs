//! Invitations to set up a device.

use serde::{Deserialize, Serialize};

use super::optional_secret;
use crate::secret::Secret;

/// An enrollment that was begun and is not over: one of `GET /enrollments?after=ID&limit=N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitingEnrollment {
    /// Its id: `EN` and 18 letters or digits. Not the code of the address.
    pub id: String,
    /// Whom it is for.
    pub user: String,
    /// Whether an administrator made it, so that it may add to devices that are there.
    pub invited: bool,
    /// Seconds since 1970, UTC.
    pub since: u64,
    /// Seconds since 1970, UTC.
    pub until: u64,
}

/// A page of them, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitingEnrollments {
    /// At most `limit`, at most 500; 100 when no limit is given.
    pub enrollments: Vec<WaitingEnrollment>,
    /// The `after` of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Invites many users to set up a device: `POST /enrollments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteUsers {
    /// Their names, at most 1,000; or all of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// All users of this group who have no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether each is told by e-mail; the addresses are answered else.
    #[serde(default)]
    pub by_email: bool,
    /// How long they can be used, in seconds, up to 30 days; none is a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u32>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvitedUsers {
    /// Those who were invited.
    pub invited: Vec<InvitedUser>,
    /// Those who were not.
    pub refused: Vec<super::RefusedUser>,
}

/// One who was invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvitedUser {
    /// The user.
    pub user: String,
    /// The address of the page; none when it went by e-mail.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub url: Option<Secret<String>>,
    /// Seconds since 1970, UTC.
    pub until: u64,
}

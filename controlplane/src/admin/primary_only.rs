//! Documents of logins that pass on the primary alone for a time.

use proto::id::IntegrationId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

//! What is asked of whom: policies, what is remembered of approvals, and what went wrong.

use serde::{Deserialize, Serialize};

use super::NewUserPolicy;

words! {
    /// What a person may use.
    AllowedFactor {
        /// An approval on a phone or with a security key.
        Push = "push",
        /// A passcode of an app or of a token.
        Passcode = "passcode",
        /// A passcode by SMS.
        Sms = "sms",
        /// A passcode by e-mail.
        Email = "email",
        /// A call.
        Phone = "phone",
        /// A bypass code.
        BypassCode = "bypass_code",
    }
}

words! {
    /// When a person who approves must type the number that the login shows.
    NumberMatching {
        /// Never.
        Off = "off",
        /// After too many pushes in a row that nobody approved.
        Risk = "risk",
        /// Always. A login that cannot show a number has no pushes.
        Always = "always",
    }
}

/// A policy. What is absent is what the next wider one says: that of a group goes before that of an
/// application, and that before the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What may be used; at least one. By default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_factors: Option<Vec<AllowedFactor>>,
    /// What becomes of users without a device. By default what the application says
    /// ([`super::NewApplication::new_user_policy`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_users: Option<NewUserPolicy>,
    /// For how many hours an approval lets the same user in again from the same RADIUS client and the
    /// same Calling-Station-Id without another one; 0 to 720. By default 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remember_hours: Option<u32>,
    /// Networks in CIDR notation from which no second factor is asked, at most 100. By default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_networks: Option<Vec<String>>,
    /// When a number must be typed. By default `risk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_matching: Option<NumberMatching>,
    /// How many pushes in a row, denied or left without an answer, are too many; 1 to 100. By default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_fatigue_after: Option<u32>,
    /// How long they count, in minutes, 1 to 1,440. By default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_fatigue_minutes: Option<u32>,
}

words! {
    /// Whom a policy is for.
    PolicyScope {
        /// Everybody.
        Default = "default",
        /// Logins through one application.
        Application = "application",
        /// Members of one group.
        Group = "group",
    }
}

/// A policy and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScopedPolicy {
    /// Whom it is for.
    pub scope: PolicyScope,
    /// The application or group; empty for everybody.
    pub name: String,
    /// Of a user in several groups, what the group with the lowest rank says goes first; 0 elsewhere.
    pub rank: u32,
    /// What it says.
    pub policy: Policy,
}

/// Puts a policy in the place of the one that is there: `POST /policies/default`,
/// `/policies/applications/{name}`, `/policies/groups/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SetPolicy {
    /// 0 to 1,000, for a group; none keeps what it is, 100 for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// What it says.
    pub policy: Policy,
}

/// What holds for a user at an application, with all defaults: `GET /users/{name}/policy?application=NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EffectivePolicy {
    /// Every field is set.
    pub policy: Policy,
    /// Where each comes from: the field, and `default`, `application NAME`, `group NAME` or `built in`.
    pub from: std::collections::BTreeMap<String, String>,
    /// Pushes in a row that nobody approved and that still count.
    pub unanswered_pushes: u32,
    /// Whether a number must be typed at the next push.
    pub number_matching_now: bool,
}

/// An approval that lets in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remembered {
    /// Its id: `RM` and 18 letters or digits.
    pub id: String,
    /// The user.
    pub user: String,
    /// The application.
    pub application: String,
    /// The RADIUS client, as the application names it.
    pub client: String,
    /// The Calling-Station-Id.
    pub station: String,
    /// Seconds since 1970, UTC.
    pub since: u64,
    /// Seconds since 1970, UTC.
    pub until: u64,
}

/// A page of them, newest first: `GET /remembered?user=NAME&after=ID&limit=N`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RememberedPage {
    /// At most `limit`, at most 500; 100 when no limit is given.
    pub remembered: Vec<Remembered>,
    /// The `after` of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

words! {
    /// What an administrator should look at.
    IncidentKind {
        /// A person reported a login as a fraud.
        Fraud = "fraud",
        /// Too many pushes in a row were not approved.
        PushFatigue = "push_fatigue",
        /// A wrong number was typed.
        WrongNumber = "wrong_number",
        /// A user was locked out.
        LockedOut = "locked_out",
        /// A passcode came a second time.
        Replay = "replay",
        /// A person added or removed a device by themselves.
        SelfService = "self_service",
        /// A passkey's counter went back: there may be a copy of it.
        ClonedPasskey = "cloned_passkey",
    }
}

/// Something that an administrator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incident {
    /// Counts up.
    pub id: u64,
    /// Seconds since 1970, UTC.
    pub at: u64,
    /// What happened.
    pub kind: IncidentKind,
    /// The user.
    pub user: String,
    /// The application; empty when there was none.
    pub application: String,
    /// Where the login came from, as the application said; may be empty.
    pub ip: String,
    /// More of it, for a person; may be empty.
    pub detail: String,
}

/// A page of them, newest first: `GET /incidents?before=ID&limit=N&kind=WORD&user=NAME`. The newest 10,000 are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Incidents {
    /// At most `limit`, at most 500; 100 when no limit is given.
    pub incidents: Vec<Incident>,
    /// The `before` of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What holds when no policy says anything.
pub mod built_in {
    /// [`super::Policy::push_fatigue_after`].
    pub const PUSH_FATIGUE_AFTER: u32 = 3;
    /// [`super::Policy::push_fatigue_minutes`].
    pub const PUSH_FATIGUE_MINUTES: u32 = 60;
}

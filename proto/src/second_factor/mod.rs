//! What crosses the admin socket of the built-in second factor: the request and answer of each route.
//! The command line asks there, and the control plane, whose REST API has the same documents. No
//! transport, no decisions.
//!
//! | route | request | answer |
//! |---|---|---|
//! | `POST /applications` | [`NewApplication`] | [`Application`]; the same one for the same name. Tried only: [`ApplicationSummary`] |
//! | `GET /applications` | | `Vec<`[`ApplicationSummary`]`>` |
//! | `POST /applications/{name}/delete` | `{}` | [`Done`] |
//! | `GET /users` | [`UserQuery`] in the address | [`Users`] |
//! | `POST /users` | [`NewUser`] | [`CreatedUser`] |
//! | `POST /users/import` | [`ImportUsers`] | [`UserChanges`] |
//! | `POST /users/sync` | [`SyncUsers`] | [`UserChanges`] |
//! | `POST /users/sync/failed` | [`FailedSync`] | [`Done`] |
//! | `GET /users/{name}` | | [`User`] |
//! | `POST /users/{name}` | [`ChangeUser`] | [`User`] |
//! | `POST /users/{name}/delete` | `{}` | [`Done`] |
//! | `POST /users/{name}/lock`, `/unlock` | `{}` | [`User`] |
//! | `GET /users/{name}/policy?application=NAME` | | [`EffectivePolicy`] |
//! | `POST /users/{name}/devices` | [`NewDevice`] | [`CreatedDevice`] |
//! | `POST /users/{name}/devices/{id}` | [`ChangeDevice`] | [`User`] |
//! | `POST /users/{name}/devices/{id}/delete` | `{}` | [`Done`] |
//! | `POST /users/{name}/devices/{id}/resync` | [`Resynchronize`] | [`User`] |
//! | `POST /users/{name}/bypass-codes` | [`NewBypassCodes`] | [`BypassCodes`] |
//! | `GET /users/{name}/sms-codes` | | `Vec<`[`SmsCodes`]`>` |
//! | `POST /users/{name}/enroll` | [`NewEnrollment`] | [`Enrollment`] |
//! | `POST /users/{name}/remembered/delete` | `{}` | [`Done`] |
//! | `GET /groups` | | `Vec<`[`Group`]`>` |
//! | `GET /tokens?after=SERIAL&limit=N` | | [`Tokens`] |
//! | `POST /tokens/import` | [`ImportTokens`] | [`ImportedTokens`] |
//! | `POST /tokens/{serial}/assign` | [`AssignToken`] | [`Token`] |
//! | `POST /tokens/{serial}/unassign` | `{}` | [`Token`] |
//! | `POST /tokens/{serial}/delete` | `{}` | [`Done`] |
//! | `GET /policies` | | `Vec<`[`ScopedPolicy`]`>` |
//! | `POST /policies/default`, `/policies/applications/{name}`, `/policies/groups/{name}` | [`SetPolicy`] | [`ScopedPolicy`] |
//! | the same with `/delete` | `{}` | [`Done`] |
//! | `GET /remembered?user=NAME&after=ID&limit=N` | | [`RememberedPage`] |
//! | `POST /remembered/{id}/delete` | `{}` | [`Done`] |
//! | `GET /incidents?before=ID&limit=N&kind=WORD&user=NAME` | | [`Incidents`] |
//! | `GET /enrollments?after=ID&limit=N` | | [`WaitingEnrollments`] |
//! | `POST /enrollments` | [`InviteUsers`] | [`InvitedUsers`] |
//! | `POST /enrollments/{id}/delete` | `{}` | [`Done`] |
//! | `GET /delivery` | | [`Delivery`] |
//! | `POST /delivery` | [`ChangeDelivery`] | [`Delivery`] |
//! | `POST /delivery/test` | [`TestDelivery`] | [`Done`] |
//! | `GET /pushes` | | `Vec<`[`WaitingPush`]`>` |
//! | `POST /pushes/{txid}/approve`, `/deny`, `/fraud` | `{}` | [`Done`] |
//! | `GET /status` | | [`Status`] |
//! | `GET /healthz` | | the text `ok` |
//! | `GET /metrics` | | Prometheus' text format |
//!
//! Each `POST` is only tried with `?dry_run=true`, but for imports and syncs, whose requests say so: it is
//! checked as if it were done, answered with what would be, without secrets, and nothing changes.
//!
//! Every error is an [`AdminError`] with HTTP status 400, 404, 409, 429 or 500. `{name}` is
//! percent-encoded and found whatever its case and blanks.

use std::net::SocketAddr;

use crate::secret::Secret;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in JSON, in the database and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads that name; none for another text.
            #[must_use]
            pub fn from_name(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|found| found.as_str() == text)
            }
        }
    };
}

mod applications;
mod delivery;
mod devices;
mod enrollments;
mod people;
mod policy;
mod tokens;

pub use applications::{Application, ApplicationKeys, ApplicationSummary, NewApplication};
pub use delivery::{
    ChangeDelivery, Channel, Delivery, DeliveryFailure, Gateway, GatewayFormat, Set, Smtp,
    SmtpSecurity, TestDelivery, WebPush,
};
pub use devices::{Capabilities, ChangeDevice, CreatedDevice, Device, NewDevice};
pub use enrollments::{
    InviteUsers, InvitedUser, InvitedUsers, WaitingEnrollment, WaitingEnrollments,
};
pub use people::{
    ChangedUser, DirectoryUser, FailedSync, ImportUsers, LastSync, RefusedUser, SyncDirectory,
    SyncOutcome, SyncUsers, UserChanges, UserQuery, WhenMissing,
};
pub use policy::{
    AllowedFactor, EffectivePolicy, Incident, IncidentKind, Incidents, NumberMatching, Policy,
    PolicyScope, Remembered, RememberedPage, ScopedPolicy, SetPolicy, built_in,
};
pub use tokens::{
    AssignToken, ImportTokens, ImportedTokens, RefusedToken, Resynchronize, TakenToken, Token,
    Tokens,
};

words! {
    /// What a user may do.
    UserStatus {
        /// Must pass the second factor.
        Active = "active",
        /// Is let in without it.
        Bypass = "bypass",
        /// Is refused.
        Disabled = "disabled",
        /// Is refused, after too many wrong passcodes, until unlocked.
        LockedOut = "locked_out",
    }
}

words! {
    /// What becomes of a user that is not known, or has no device.
    NewUserPolicy {
        /// Is not let in. A user whom an administrator made is shown where to enroll; an unknown
        /// name only with [`NewApplication::open_enrollment`], and is refused else: one entry of
        /// a directory answers to many names, and each would enroll as a new user.
        Enroll = "enroll",
        /// Is let in without a second factor.
        Allow = "allow",
        /// Is refused.
        Deny = "deny",
    }
}

words! {
    /// What is done to a user's name before it is looked up. Case never counts, nor do blanks
    /// around a name or how many are between two words.
    UsernameNormalization {
        /// Nothing.
        None = "none",
        /// `DOMAIN\` before it and `@domain` behind it are dropped, unless somebody has the whole
        /// name, or has it as an alias.
        Simple = "simple",
    }
}

words! {
    /// A device's kind.
    DeviceKind {
        /// Answers pushes on its approval page; may have a number.
        Phone = "phone",
        /// Makes passcodes from the time (RFC 6238).
        Totp = "totp",
        /// Makes passcodes from a counter (RFC 4226).
        Hotp = "hotp",
        /// Answers pushes in a browser with a security key.
        SecurityKey = "security_key",
        /// Gets passcodes by e-mail.
        Email = "email",
    }
}

words! {
    /// The hash below a one-time passcode.
    OtpAlgorithm {
        /// HMAC-SHA-1, which every app knows.
        Sha1 = "SHA1",
        /// HMAC-SHA-256.
        Sha256 = "SHA256",
        /// HMAC-SHA-512.
        Sha512 = "SHA512",
    }
}

words! {
    /// What a script answers.
    ScriptAnswer {
        /// The person approves.
        Approve = "approve",
        /// The person denies.
        Deny = "deny",
        /// The person reports a fraud.
        Fraud = "fraud",
        /// The person does nothing; the push times out.
        Ignore = "ignore",
    }
}

/// Answers a user's pushes in place of a person: for tests and demonstrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The answer.
    pub answer: ScriptAnswer,
    /// When it comes, in milliseconds after the push; 0 is at once. Not used by
    /// [`ScriptAnswer::Ignore`].
    #[serde(default)]
    pub after_ms: u32,
}

/// Makes a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 256 characters, none of them a control character or one that is not seen. Differs from
    /// others by more than case and blanks.
    pub name: String,
    /// None is `active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
    /// How they are called, up to 256 characters; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub full_name: String,
    /// The e-mail address for invitations and notices; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Other names that are this user, at most 20; nobody else may have them as a name or alias.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Groups that policies are for, at most 100, each of 1 to 128 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// None leaves the answers to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// Devices made with the user, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<NewDevice>,
}

impl NewUser {
    /// An active one without anything.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: None,
            full_name: String::new(),
            email: String::new(),
            aliases: Vec::new(),
            groups: Vec::new(),
            script: None,
            devices: Vec::new(),
        }
    }
}

/// A new user and what its devices need, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatedUser {
    /// The user.
    pub user: User,
    /// Its devices, in the order asked for.
    pub devices: Vec<CreatedDevice>,
}

/// Changes a user; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// The status. Any but `locked_out` also forgets wrong passcodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
    /// With the status `bypass`: when it is over and the user is active again, in seconds since 1970,
    /// UTC. Without, it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_until: Option<u64>,
    /// How they are called; empty for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The e-mail address; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The aliases from now on, instead of those that are there. Those of a directory must be among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<String>>,
    /// The groups from now on, instead of those that are there. Those of a directory must be among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptChange>,
}

/// A change of a user's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScriptChange {
    /// Answers like this from now on.
    Set(Script),
    /// Leaves the answers to a person.
    Clear,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// `DU` and 18 letters or digits.
    pub id: String,
    /// The name, as it was given.
    pub name: String,
    /// What it may do.
    pub status: UserStatus,
    /// When the bypass is over, in seconds since 1970, UTC; none when it lasts, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_until: Option<u64>,
    /// How they are called; may be empty.
    #[serde(default)]
    pub full_name: String,
    /// The e-mail address; may be empty.
    #[serde(default)]
    pub email: String,
    /// Other names that are this user.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The directory it comes from ([`SyncUsers::directory`]); none when an administrator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Seconds since 1970, UTC, of the last login that this service let through; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<u64>,
    /// Who answers its pushes, if no person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// Wrong passcodes since the last good one.
    pub failures: u32,
    /// Bypass codes that can still be used.
    pub bypass_codes: u32,
    /// Its devices, oldest first.
    pub devices: Vec<Device>,
}

/// A group that users are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Group {
    /// Its name. Case does not count.
    pub name: String,
    /// How many users are in it.
    pub users: u64,
    /// Whether there is a policy for it.
    pub policy: bool,
}

/// One page of users, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Users {
    /// At most `limit`, at most 500; 100 when no limit is given.
    pub users: Vec<User>,
    /// The `after` of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Makes bypass codes; those that were there go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewBypassCodes {
    /// 1 to 100; none is 10.
    pub count: Option<u32>,
    /// How long they live, in seconds, 1 at the least; none is for ever.
    pub valid_seconds: Option<u32>,
}

/// Bypass codes, shown once. Each is good once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BypassCodes {
    /// 9 digits each.
    #[serde(with = "secrets")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub codes: Vec<Secret<String>>,
}

/// The passcodes recorded for a phone in place of an SMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SmsCodes {
    /// The phone.
    pub device: String,
    /// Those not used yet, the next one first.
    #[serde(with = "secrets")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub codes: Vec<Secret<String>>,
}

/// Asks for an enrollment by an administrator; unlike the API's it may add to a user's devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewEnrollment {
    /// How long it can be used, in seconds, up to 30 days; none is a day.
    pub valid_seconds: Option<u32>,
    /// Whether the address goes to the user by e-mail instead of being answered only here.
    pub by_email: bool,
}

/// An enrollment, for the person to open once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrollment {
    /// The address of the page: 40 characters at the most besides the public address.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub url: Secret<String>,
    /// Seconds since 1970, UTC.
    pub expires_at: u64,
}

/// A push that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitingPush {
    /// Its id.
    pub txid: String,
    /// The user.
    pub user: String,
    /// The device's id.
    pub device: String,
    /// The application's name.
    pub application: String,
    /// Where the person is, as the application said; may be empty.
    pub ip: String,
    /// The RADIUS client, as the application names it; may be empty.
    #[serde(default)]
    pub client: String,
    /// Whether the person must type a number. Who answers here need not.
    #[serde(default)]
    pub number_matching: bool,
    /// Seconds since it was sent.
    pub age_seconds: u64,
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "SecondFactorStatus")
)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What people open in their browsers.
    pub public_url: String,
    /// What people cannot do there, for who set it up; none when nothing is known to be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Users in the database.
    pub users: u64,
    /// Pushes that wait for an answer.
    pub pushes_waiting: u64,
    /// Open connections.
    pub connections: u64,
    /// Lists of directories that users come from, by the list.
    #[serde(default)]
    pub syncs: Vec<LastSync>,
}

/// It was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Done {}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{error}")]
pub struct AdminError {
    /// For a person.
    pub error: String,
}

mod optional_secret {
    use super::{Deserialize, Secret, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        secret: &Option<Secret<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret<String>>, D::Error> {
        Option::deserialize(deserializer)
    }
}

mod secrets {
    use super::{Deserialize, Secret};

    pub(super) fn serialize<S: serde::Serializer>(
        secrets: &[Secret<String>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(secrets.iter().map(Secret::expose))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Secret<String>>, D::Error> {
        Vec::deserialize(deserializer)
    }
}

//! What crosses the admin socket of the built-in second factor: the request and answer of each route.
//! The command line asks there, and the control plane, whose REST API has the same documents. No
//! transport, no decisions.
//!
//! | route | request | answer |
//! |---|---|---|
//! | `POST /applications` | [`NewApplication`] | [`Application`]; the same one for the same name |
//! | `GET /applications` | | `Vec<`[`ApplicationSummary`]`>` |
//! | `POST /applications/{name}/delete` | `{}` | [`Done`] |
//! | `GET /users?after=NAME&limit=N` | | [`Users`] |
//! | `POST /users` | [`NewUser`] | [`CreatedUser`] |
//! | `GET /users/{name}` | | [`User`] |
//! | `POST /users/{name}` | [`ChangeUser`] | [`User`] |
//! | `POST /users/{name}/delete` | `{}` | [`Done`] |
//! | `POST /users/{name}/unlock` | `{}` | [`User`] |
//! | `POST /users/{name}/devices` | [`NewDevice`] | [`CreatedDevice`] |
//! | `POST /users/{name}/devices/{id}/delete` | `{}` | [`Done`] |
//! | `POST /users/{name}/bypass-codes` | [`NewBypassCodes`] | [`BypassCodes`] |
//! | `GET /users/{name}/sms-codes` | | `Vec<`[`SmsCodes`]`>` |
//! | `POST /users/{name}/enroll` | [`NewEnrollment`] | [`Enrollment`] |
//! | `GET /pushes` | | `Vec<`[`WaitingPush`]`>` |
//! | `POST /pushes/{txid}/approve`, `/deny`, `/fraud` | `{}` | [`Done`] |
//! | `GET /status` | | [`Status`] |
//! | `GET /healthz` | | the text `ok` |
//! | `GET /metrics` | | Prometheus' text format |
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
        /// `DOMAIN\` before it and `@domain` behind it are dropped. Where nobody has that name,
        /// a user of the whole name is taken.
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

/// Asks for an application: a pair of keys for one or more integrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// Its name, 1 to 128 characters. Asking again for a name gives the same application, and so
    /// does asking by another one for both of its keys.
    pub name: String,
    /// None keeps what it is; `enroll` for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_user_policy: Option<NewUserPolicy>,
    /// None keeps what it is; `simple` for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_normalization: Option<UsernameNormalization>,
    /// Whether names that no administrator made may enroll, where the policy is `enroll`. Whoever
    /// has a password and an alias that the directory takes can then enroll a device of theirs.
    /// None keeps what it is; no for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_enrollment: Option<bool>,
    /// None keeps what they are, and makes some for a new one. With others than before, those
    /// before are good for 10 minutes more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ApplicationKeys>,
}

impl NewApplication {
    /// Asks for the application of a name as it is, or with all defaults.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            new_user_policy: None,
            username_normalization: None,
            open_enrollment: None,
            keys: None,
        }
    }
}

/// Keys that an operator chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApplicationKeys {
    /// The integration key: 1 to 128 printable ASCII characters, without blanks and `:`.
    pub ikey: String,
    /// The secret key: 1 to 256 characters.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub skey: Secret<String>,
}

/// An application, with all that a caller needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Application {
    /// Its name.
    pub name: String,
    /// The integration key: `DI` and 18 letters or digits.
    pub ikey: String,
    /// The secret key: 40 letters or digits.
    #[serde(with = "crate::secret::on_the_wire")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub skey: Secret<String>,
    /// Where callers on this machine find the service: an address that its certificate names.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// The only certificate to trust there, in PEM.
    pub ca_pem: String,
}

/// An application without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplicationSummary {
    /// Its name.
    pub name: String,
    /// The integration key.
    pub ikey: String,
    /// What becomes of unknown users.
    pub new_user_policy: NewUserPolicy,
    /// What is done to names.
    pub username_normalization: UsernameNormalization,
    /// Whether names that no administrator made may enroll.
    pub open_enrollment: bool,
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
    /// None leaves the answers to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// Devices made with the user, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<NewDevice>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// The status. Any but `locked_out` also forgets wrong passcodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
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

/// Makes a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewDevice {
    /// A phone: a browser that opens its approval page.
    Phone {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// A telephone number, shown masked; may be empty.
        #[serde(default)]
        number: String,
        /// What it can do; none is pushes only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capabilities: Option<Capabilities>,
    },
    /// A generator of passcodes from the time.
    Totp {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// None is SHA-1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithm: Option<OtpAlgorithm>,
        /// 6 to 8; none is 6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<u32>,
        /// Seconds, 15 to 300; none is 30.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period: Option<u32>,
        /// In base32, 128 to 1,024 bits; none makes one of 160 bits.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_secret"
        )]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Secret<String>>"))]
        secret: Option<Secret<String>>,
    },
    /// A generator of passcodes from a counter.
    Hotp {
        /// Free text, up to 64 characters; may be empty.
        #[serde(default)]
        name: String,
        /// 6 to 8; none is 6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<u32>,
        /// The next counter; none is 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter: Option<u32>,
        /// In base32, 128 to 1,024 bits; none makes one of 160 bits.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_secret"
        )]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Secret<String>>"))]
        secret: Option<Secret<String>>,
    },
}

/// What a phone can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Takes pushes.
    pub push: bool,
    /// Takes calls. No call is placed: the answer comes as for a push.
    pub phone: bool,
    /// Takes passcodes by SMS. None is sent: they are read with `GET /users/{name}/sms-codes`.
    pub sms: bool,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// `DP` (phone) or `DH` (generator) and 18 letters or digits.
    pub id: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// Free text.
    pub name: String,
    /// The number, masked; empty when there is none.
    pub number: String,
    /// What it can do. A generator can do nothing by itself.
    pub capabilities: Capabilities,
}

/// A new device and what its owner needs, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatedDevice {
    /// The device.
    pub device: Device,
    /// Phone: the address of its approval page. Whoever has it can approve.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub approval_url: Option<Secret<String>>,
    /// Generator: the `otpauth://` address for an app.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub otpauth_uri: Option<Secret<String>>,
    /// Generator: the secret, in base32.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_secret"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub secret: Option<Secret<String>>,
}

/// Makes bypass codes; those that were there go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewBypassCodes {
    /// 1 to 100; none is 10.
    pub count: Option<u32>,
    /// How long they live, in seconds; none is for ever.
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
}

/// An enrollment, for the person to open once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Enrollment {
    /// The address of the page.
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
    /// Seconds since it was sent.
    pub age_seconds: u64,
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What people open in their browsers.
    pub public_url: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Users in the database.
    pub users: u64,
    /// Pushes that wait for an answer.
    pub pushes_waiting: u64,
    /// Open connections.
    pub connections: u64,
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

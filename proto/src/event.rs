//! One login as one record, with its timeline. No field can hold a secret.
//!
//! Fields that are not known are passed over, so that a node may be one release ahead of the
//! control plane that it tells its logins, and one control plane ahead of another on its database.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{AuthenticatorId, IntegrationId, LoginId, NodeId, Revision};

/// A finished login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthEvent {
    /// Its id.
    pub id: LoginId,
    /// The id of the login's first request, when this one answers a challenge: the record of each
    /// request of one login but the first has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<LoginId>,
    /// When its request arrived: milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// The data plane that served it.
    pub node: NodeId,
    /// The configuration it ran under.
    pub revision: Revision,
    /// The integration that served it.
    pub integration: IntegrationId,
    /// The integration's key at the second factor, which the replaced product's logs carry.
    pub ikey: Arc<str>,
    /// The authenticator that was asked, when one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticator: Option<AuthenticatorId>,
    /// Where the request came from; of a test the device that it was tried as, or `0.0.0.0:0`.
    pub client: SocketAddr,
    /// Whether the request had a Message-Authenticator, which was verified; always in EAP. None of a
    /// test, and of a data plane that does not say. A request that is not believed for want of one
    /// (`message_authenticator` is `require`) has no event at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<bool>,
    /// Whether an administrator tried it from the control plane: no device asked, and nobody was
    /// let in anywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The user's name as typed, cut at 64 characters; none when it never parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the user is, as the client says (Calling-Station-Id or `client_ip_attr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_station: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The second factor used, when one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Factor>,
    /// What the user was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_message: Option<String>,
    /// From the request's arrival to the answer, in microseconds.
    pub elapsed_us: u64,
    /// What happened, in order.
    pub timeline: Vec<Step>,
}

/// One step of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// Which stage.
    pub stage: Stage,
    /// When it began: microseconds after the request's arrival.
    pub at_us: u64,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// What came of it, for a person: `accepted by 192.0.2.1:1812`.
    pub detail: String,
    /// What was asked of other machines in it, 16 at most; none of a data plane that does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
}

/// What one host was asked in a step, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Call {
    /// What was asked.
    pub ask: Ask,
    /// Whom, as the configuration names it, with the port: `ldap1.example.com:636`.
    pub host: String,
    /// When it began: microseconds after the request's arrival.
    pub at_us: u64,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// What came of it, one word for programs: `accepted`, `rejected`, `asked`, `auth`, `allow`, `deny`,
    /// `enroll`, `started`, `waiting`, or how it failed, as the metrics have it: `timed_out`.
    pub result: String,
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Their names, in the same order: the closed set of a metric's label.
            pub const LABELS: &'static [&'static str] = &[$($text),+];

            /// Its name in events, logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use labels;

labels! {
    /// A stage of a login.
    Stage {
        /// The datagram was read and verified.
        Packet = "packet",
        /// Its client and integration were found.
        Client = "client",
        /// The password was checked.
        Primary = "primary",
        /// The second factor was asked what the user can do.
        Preauth = "preauth",
        /// The second factor was asked to decide.
        Factor = "factor",
        /// The answer was sent.
        Answer = "answer",
    }
}

labels! {
    /// What a host is asked.
    Ask {
        /// A directory, whether the password is right.
        Ldap = "ldap",
        /// An upstream RADIUS server, the same.
        Radius = "radius",
        /// The second factor, what the user can do.
        Preauth = "preauth",
        /// The second factor, to decide.
        Auth = "auth",
        /// The second factor, what the person has decided.
        AuthStatus = "auth_status",
        /// Something of a later version.
        #[serde(other)]
        Unknown = "unknown",
    }
}

labels! {
    /// How a login ended.
    Outcome {
        /// Access-Accept.
        Accept = "accept",
        /// Access-Reject.
        Reject = "reject",
        /// Access-Challenge: the login goes on with another request.
        Challenge = "challenge",
        /// No answer: the node stopped first, or a bound was reached.
        Unanswered = "unanswered",
    }
}

labels! {
    /// A second factor, as used.
    Factor {
        /// The service picked.
        Auto = "auto",
        /// A push.
        Push = "push",
        /// A phone call.
        Phone = "phone",
        /// Passcodes by SMS were asked for.
        Sms = "sms",
        /// A passcode was typed.
        Passcode = "passcode",
    }
}

labels! {
    /// Why a login ended as it did.
    Reason {
        /// The second factor said yes.
        Approved = "approved",
        /// The second factor asks nothing of this user.
        Bypassed = "bypassed",
        /// `exempt_username_N` names the user.
        ExemptUser = "exempt_user",
        /// The second factor was unavailable and `failmode` is `safe`.
        FailModeSafe = "fail_mode_safe",
        /// The primary said yes, and an administrator lets that be enough for a time.
        PrimaryOnly = "primary_only",
        /// A prompt was sent.
        Prompted = "prompted",
        /// The request lacks a user name or password, or holds an impossible value.
        BadRequest = "bad_request",
        /// The request asks for a way of authentication that cannot be served here.
        UnsupportedMethod = "unsupported_method",
        /// The password was empty.
        EmptyPassword = "empty_password",
        /// The mode needs a factor appended and there was none.
        FactorMissing = "factor_missing",
        /// The primary refused the password.
        WrongPassword = "wrong_password",
        /// The primary knows no such user.
        UnknownUser = "unknown_user",
        /// The name matches more than one user.
        AmbiguousUser = "ambiguous_user",
        /// The user is in no group that may log in, or does not match the filter.
        NotPermitted = "not_permitted",
        /// The account is locked at the primary.
        AccountLocked = "account_locked",
        /// The account is disabled at the primary.
        AccountDisabled = "account_disabled",
        /// The account has expired at the primary.
        AccountExpired = "account_expired",
        /// The password has expired.
        PasswordExpired = "password_expired",
        /// The password is to be changed before the first login with it.
        PasswordMustChange = "password_must_change",
        /// The primary refused and gave no reason we know.
        PrimaryRejected = "primary_rejected",
        /// The primary asked a question of its own, which was passed on.
        PrimaryChallenge = "primary_challenge",
        /// No primary host answered.
        PrimaryUnavailable = "primary_unavailable",
        /// The primary's settings are wrong: service account, group or base not found.
        PrimaryMisconfigured = "primary_misconfigured",
        /// The second factor refuses this user.
        SecondFactorRefused = "second_factor_refused",
        /// The user is to enrol first.
        NotEnrolled = "not_enrolled",
        /// No device of the user can do what `factors` or the user asks for.
        NoUsableFactor = "no_usable_factor",
        /// The person, or the service, denied the login.
        Denied = "denied",
        /// The person reported the login as fraud.
        Fraud = "fraud",
        /// Nobody answered in time.
        TimedOut = "timed_out",
        /// The user is locked out at the second factor.
        LockedOut = "locked_out",
        /// Passcodes were sent; the user is to log in again with one.
        PasscodesSent = "passcodes_sent",
        /// The second factor was unavailable.
        SecondFactorUnavailable = "second_factor_unavailable",
        /// The second factor refused our request (its 4xx): a wrong key, clock or parameter.
        SecondFactorError = "second_factor_error",
        /// The second factor's answer could not be read.
        SecondFactorUnreadable = "second_factor_unreadable",
        /// A prompt was answered too often with what could not be used.
        TooManyAnswers = "too_many_answers",
        /// An EAP conversation failed: TLS, its framing, or what goes on inside.
        EapFailed = "eap_failed",
        /// The State attribute is none of ours, or no longer good.
        UnknownState = "unknown_state",
        /// The node has no room for another login.
        Overloaded = "overloaded",
        /// The node is stopping.
        Stopping = "stopping",
        /// A fault of ours.
        Internal = "internal",
    }
}

impl AuthEvent {
    /// Where the request came from, for people: `test` for a test.
    #[must_use]
    pub fn shown_client(&self) -> String {
        match (self.test, self.client.ip()) {
            (true, ip) if ip.is_unspecified() => "test".to_owned(),
            (true, ip) => format!("test as {ip}"),
            (false, ip) => ip.to_string(),
        }
    }

    /// Cuts a user name for logs and events: people type passwords there.
    #[must_use]
    pub fn shown_user(user: &str) -> String {
        user.chars().take(USER_CHARACTERS).collect()
    }
}

/// The most calls in [`Step::calls`]: an authenticator may have any number of hosts.
pub const CALLS_PER_STEP: usize = 16;

/// The most characters of a user name that events and logs show.
pub const USER_CHARACTERS: usize = 64;

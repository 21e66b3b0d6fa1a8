//! Where a password is checked. Knows nothing of second factors.
//!
//! The types here are pure and all that a flow sees; [`Primary`] is what the driver asks.

mod check;
mod hop;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! What must hold for what a primary says.
    pub use super::ldap::fuzzing::ldap_answer;
    #[cfg(test)]
    pub(crate) use super::ldap::fuzzing::seeds;
}
mod ldap;
mod radius;
pub mod reply_attributes;
pub mod request_attributes;
pub(crate) mod trial;

pub use check::{BuildError, Primary, Shared};

use std::time::{Duration, Instant};

use proto::event::{Ask, Reason};
use proto::secret::Secret;

use crate::radius::AttributeType;

/// What a primary is asked.
#[derive(Clone, Debug)]
pub struct PrimaryRequest {
    /// The user's name, exactly as typed.
    pub user: String,
    /// What is to be checked.
    pub credential: Credential,
    /// Where the user is (Calling-Station-Id, or the value of `client_ip_attr` in its place).
    pub calling_station: Option<String>,
    /// Framed attributes of the client's request that go on to a RADIUS upstream.
    pub pass_through: Vec<u8>,
    /// The question of a RADIUS upstream that the credential answers.
    pub answers: Option<Asked>,
}

/// What a user offers as proof of who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A password in clear (PAP). Empty only where an upstream asked for an answer.
    Password(Secret<String>),
    /// The proof of a method that hides the password. Only a RADIUS upstream can check it.
    Relayed(Relayed),
}

/// A proof that goes to the upstream as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The method.
    pub method: Method,
    /// Its framed attributes: CHAP-Password with CHAP-Challenge, or those of RFC 2548 section 2.
    pub attributes: Secret<Vec<u8>>,
}

/// Methods that are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// CHAP (RFC 2865 section 2.2).
    Chap,
    /// MS-CHAP, version 1 or 2, or a change of password by one of them (RFC 2548 section 2).
    MsChap,
}

/// What an upstream must be told again with the answer to its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which host asked: its place among the authenticator's hosts, from 0.
    pub host: u8,
    /// Its State (RFC 2865 section 5.24), where it had one.
    pub state: Option<Vec<u8>>,
}

/// One host that was asked, for the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAsked {
    /// In which way.
    pub ask: Ask,
    /// Which, as events and metrics name it.
    pub host: String,
    /// Since when.
    pub began: Instant,
    /// For how long.
    pub elapsed: Duration,
    /// What came of it, as metrics name it.
    pub result: &'static str,
}

/// A primary's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Accepted(Acceptance),
    /// It is not, or the user may not log in.
    Rejected(Rejection),
    /// A RADIUS upstream wants to know more (Access-Challenge).
    Asked(Question),
}

impl Verdict {
    /// Its name in metrics and events.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Asked(_) => "asked",
        }
    }
}

/// A RADIUS upstream's question of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What must come back with the answer.
    pub asked: Asked,
    /// What the user reads, for events: its Reply-Messages, joined.
    pub message: Option<String>,
    /// What its Access-Challenge carried, Reply-Messages included.
    pub attributes: Vec<UpstreamAttribute>,
    /// For the timeline.
    pub detail: String,
}

/// The password is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// For the timeline: `bound as uid=… at ldap1:636`.
    pub detail: String,
    /// What a RADIUS upstream answered with; empty for a directory.
    pub attributes: Vec<UpstreamAttribute>,
}

/// An attribute of an upstream's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamAttribute {
    /// The vendor's number; none for a standard attribute.
    pub vendor: Option<u32>,
    /// Its type.
    pub number: u8,
    /// Its value.
    pub value: UpstreamValue,
    /// Whether it goes to the client without a rule that names it, as a part of the method or of
    /// the question: MS-CHAP2-Success and the keys that come with it, MS-CHAP-Error, the
    /// Reply-Messages of a question.
    pub always: bool,
}

impl UpstreamAttribute {
    /// Whether it is a text that goes to the user in any case.
    pub(crate) fn is_text(&self) -> bool {
        let number = AttributeType(self.number);
        self.always && self.vendor.is_none() && number == AttributeType::REPLY_MESSAGE
    }
}

/// A value, readable here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamValue {
    /// Octets as they were.
    Plain(Vec<u8>),
    /// It was encrypted for our hop (RFC 2868 section 3.5, RFC 2548 section 2.4.2) and must be
    /// encrypted again for the client's.
    Salted {
        /// The tag octet before the salt, where the attribute has one.
        tag: Option<u8>,
        /// The value in clear.
        clear: Secret<Vec<u8>>,
    },
    /// It was hidden for our hop like a User-Password: MS-CHAP-MPPE-Keys (RFC 2548 section
    /// 2.4.1).
    Hidden(Secret<Vec<u8>>),
}

/// The user does not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why. Closed set: the part of [`Reason`] that primaries use.
    pub reason: Reason,
    /// What the upstream says to the user: its first Reply-Message.
    pub message: Option<String>,
    /// What else a RADIUS upstream's reject says to the client: MS-CHAP-Error.
    pub attributes: Vec<UpstreamAttribute>,
    /// For the timeline.
    pub detail: String,
}

impl Rejection {
    /// One for this reason, with nothing to say to the user or the client.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            message: None,
            attributes: Vec::new(),
            detail: detail.into(),
        }
    }
}

/// A primary that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryFailure {
    /// What kind.
    pub kind: PrimaryFailureKind,
    /// For the timeline and the log: which host, and the remedy. No secret.
    pub detail: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrimaryFailureKind {
    /// No host answered.
    Unavailable,
    /// Settings are wrong: service account, search base, certificate.
    Misconfigured,
    /// A fault of ours, or a bound was reached.
    Internal,
}

impl PrimaryFailureKind {
    /// Its name in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
        }
    }
}

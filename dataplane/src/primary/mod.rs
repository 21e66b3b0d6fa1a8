//! Where a password is checked. Knows nothing of second factors.
//!
//! The types here are pure and all that a flow sees; [`Primary`] is what the driver asks.

mod check;
mod hop;
mod ldap;
mod radius;
pub mod reply_attributes;
pub mod request_attributes;

pub use check::{BuildError, Primary, Shared};

use proto::event::Reason;
use proto::secret::Secret;

/// What a primary is asked.
#[derive(Clone, Debug)]
pub struct PrimaryRequest {
    /// The user's name, exactly as typed.
    pub user: String,
    /// Never empty.
    pub password: Secret<String>,
    /// Where the user is (Calling-Station-Id, or the value of `client_ip_attr` in its place).
    pub calling_station: Option<String>,
    /// Framed attributes of the client's request that go on to a RADIUS upstream.
    pub pass_through: Vec<u8>,
}

/// A primary's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Accepted(Acceptance),
    /// It is not, or the user may not log in.
    Rejected(Rejection),
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
}

/// The user does not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why. Closed set: the part of [`Reason`] that primaries use.
    pub reason: Reason,
    /// What the upstream says to the user: its first Reply-Message.
    pub message: Option<String>,
    /// For the timeline.
    pub detail: String,
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

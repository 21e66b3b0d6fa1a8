//! What can go wrong with a call, and what that means for a login. Pure.

/// A call that gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// For the timeline and the log; no secret, at most a few hundred octets.
    pub detail: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The name was not found, no connection, the proxy refused, or TLS failed (certificates too):
    /// the request was certainly not seen.
    Connect,
    /// No answer before the deadline.
    TimedOut,
    /// The connection broke after the request was sent and before its answer was whole.
    Closed,
    /// HTTP status 5xx.
    Server,
    /// HTTP status 429, still after waiting it out within the deadline.
    RateLimited,
    /// HTTP status 401: a wrong key or clock.
    Credentials,
    /// HTTP status 400, or `stat: FAIL` with a 400xx code.
    BadRequest,
    /// Another status of 3xx or 4xx.
    Refused,
    /// The body is too long, no JSON, lacks a member, or holds an unknown `result`.
    Unreadable,
    /// Our own fault: a bound was reached or a request could not be written down.
    Internal,
}

impl FailureKind {
    /// Every kind, in the order of the table of metrics.
    pub const ALL: &'static [Self] = &[
        Self::Connect,
        Self::TimedOut,
        Self::Closed,
        Self::Server,
        Self::RateLimited,
        Self::Credentials,
        Self::BadRequest,
        Self::Refused,
        Self::Unreadable,
        Self::Internal,
    ];

    /// Its name in metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Server => "server_error",
            Self::RateLimited => "rate_limited",
            Self::Credentials => "credentials",
            Self::BadRequest => "bad_request",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::Internal => "internal",
        }
    }
}

/// Which call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `/auth/v2/preauth`.
    Preauth,
    /// `/auth/v2/auth`.
    Auth,
    /// `/auth/v2/auth_status`.
    Poll,
}

/// What a failure means for the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// `failmode` decides.
    FailMode,
    /// The same transaction is asked for again, until there was no good answer for 10 s.
    PollAgain,
    /// Reject: the service cannot be reached, and `failmode` no longer applies.
    Unavailable,
    /// Reject: the service refused our request.
    Refused,
    /// Reject: its answer makes no sense.
    Unreadable,
    /// Reject: our own fault.
    Internal,
}

/// The one place that says what a failure means.
///
/// `failmode` covers what is unavailable before a push can be out: everything of the kind at
/// preauth; at the auth request only what certainly reached nobody, or a 5xx. An auth request whose
/// answer was lost may have sent a push, so it is neither repeated nor forgiven.
#[must_use]
pub const fn reaction(call: Call, kind: FailureKind) -> Reaction {
    use {Call as C, FailureKind as K};
    match (call, kind) {
        (_, K::Internal) => Reaction::Internal,
        // The service may answer a poll whose hold ran out with 400 (duo-auth-api 2.5).
        (C::Poll, K::BadRequest | K::Unreadable) => Reaction::PollAgain,
        (_, K::Unreadable) => Reaction::Unreadable,
        (_, K::RateLimited | K::Credentials | K::BadRequest | K::Refused) => Reaction::Refused,
        (C::Poll, K::Connect | K::TimedOut | K::Closed | K::Server) => Reaction::PollAgain,
        (C::Preauth, K::Connect | K::TimedOut | K::Closed | K::Server) => Reaction::FailMode,
        (C::Auth, K::Connect | K::Server) => Reaction::FailMode,
        (C::Auth, K::TimedOut | K::Closed) => Reaction::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::{Call as C, FailureKind as K, Reaction as R, *};

    #[test]
    fn fail_mode_covers_exactly_what_is_unavailable_before_a_push() {
        let table = [
            (K::Connect, [R::FailMode, R::FailMode, R::PollAgain]),
            (K::TimedOut, [R::FailMode, R::Unavailable, R::PollAgain]),
            (K::Closed, [R::FailMode, R::Unavailable, R::PollAgain]),
            (K::Server, [R::FailMode, R::FailMode, R::PollAgain]),
            (K::RateLimited, [R::Refused, R::Refused, R::Refused]),
            (K::Credentials, [R::Refused, R::Refused, R::Refused]),
            (K::BadRequest, [R::Refused, R::Refused, R::PollAgain]),
            (K::Refused, [R::Refused, R::Refused, R::Refused]),
            (K::Unreadable, [R::Unreadable, R::Unreadable, R::PollAgain]),
            (K::Internal, [R::Internal, R::Internal, R::Internal]),
        ];
        for (kind, wants) in table {
            for (call, want) in [C::Preauth, C::Auth, C::Poll].into_iter().zip(wants) {
                assert_eq!(reaction(call, kind), want, "{call:?} {kind:?}");
            }
        }
    }
}

//! Decides, never does.
//!
//! A flow takes one [`Event`] and gives one [`Action`]; the driver performs it and comes back with
//! the next event. The list of both *is* the explanation of a login, and the script of a unit test.
//!
//! Pure: no sockets, files, clock, randomness or async. Knows no HTTP and no LDAP.

use std::time::Instant;

use proto::event::{Factor, Reason};
use proto::secret::Secret;

use crate::duo::failure::Failure;
use crate::duo::message::{AuthReply, AuthRequest, Decision, Preauth, PreauthRequest, Txid};
use crate::primary::{PrimaryFailure, UpstreamAttribute, Verdict};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The login begins. Comes once, first.
    Begin,
    /// The primary answered, or did not.
    Primary(Result<Verdict, PrimaryFailure>),
    /// The second factor said what the user can do.
    Preauth(Result<Preauth, Failure>),
    /// It answered the auth request.
    Auth(Result<AuthReply, Failure>),
    /// It answered a poll.
    Poll(Result<Decision, Failure>),
    /// The last action's deadline passed first.
    TimedOut,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the primary.
    Primary {
        /// Never empty.
        password: Secret<String>,
        /// Until when.
        deadline: Instant,
    },
    /// Ask the second factor what the user can do.
    Preauth {
        /// The request.
        request: PreauthRequest,
        /// Until when.
        deadline: Instant,
    },
    /// Ask it to decide. With `async=1` when the factor waits for a person. Sent once at most.
    Auth {
        /// The request.
        request: AuthRequest,
        /// Until when.
        deadline: Instant,
    },
    /// Ask how a transaction stands.
    Poll {
        /// Which.
        txid: Txid,
        /// Not before this moment, when an earlier poll failed.
        not_before: Option<Instant>,
        /// Until when.
        deadline: Instant,
    },
    /// Answer the client. Comes once, last.
    Answer(Answer),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which packet.
    pub code: AnswerCode,
    /// Why, for events and metrics.
    pub reason: Reason,
    /// What the user reads.
    pub reply_message: Option<String>,
    /// The factor used, when one was.
    pub factor: Option<Factor>,
    /// What the upstream's accept carried; the driver filters it by the pass-through rules.
    pub attributes: Vec<UpstreamAttribute>,
}

/// Which packet answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerCode {
    /// Access-Accept.
    Accept,
    /// Access-Reject.
    Reject,
}

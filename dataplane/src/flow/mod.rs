//! Decides, never does.
//!
//! A flow takes one [`Event`] and gives one [`Action`]; the driver performs it and comes back with
//! the next event. The list of both *is* the explanation of a login, and the script of a unit test.
//!
//! Pure: no sockets, files, clock, randomness or async. Knows no HTTP and no LDAP.

mod challenge;
pub mod explain;
mod factor;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod password;
mod prompt;
pub mod request;
mod second;
pub(crate) mod texts;

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::{Integration, Mode};
use proto::event::{Factor, Reason};
use proto::secret::Secret;

use self::challenge::{Refusal, Round};
pub use self::factor::MenuDigest;
use self::factor::Typed;
use self::request::Request;
use self::second::{Polling, Sent};
use crate::duo::failure::{Call, Failure, FailureKind};
use crate::duo::message::{
    AuthReply, AuthRequest, Decision, Preauth, PreauthRequest, PushNumber, Txid,
};
use crate::primary::{Asked, Credential, PrimaryFailure, UpstreamAttribute, Verdict};

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
        /// What to check.
        credential: Credential,
        /// The upstream's question that it answers.
        answers: Option<Asked>,
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
        /// Not before this moment, when an earlier poll failed or answers come without being held.
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
    /// What the upstream's answer carried; the driver filters it by the pass-through rules.
    pub attributes: Vec<UpstreamAttribute>,
    /// What goes into the State of a challenge; the driver seals it. None for the other packets.
    pub pending: Option<Pending>,
}

/// What a login needs to go on when its challenge is answered: all of it, since another node may
/// be the one that is asked then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The upstream asked a question of its own.
    Upstream {
        /// What it must be told again.
        asked: Asked,
        /// What was typed after the password's delimiter.
        typed: Option<Secret<String>>,
    },
    /// The user was asked for a factor.
    Prompt(Prompted),
    /// The user was shown where to enrol.
    Enrolment,
    /// The user was shown why the second factor does not let it in.
    Refusal,
}

/// A question for a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompted {
    /// Stands for the list that was shown: an option's number means nothing in another one.
    pub menu: MenuDigest,
    /// Wrong passcodes so far.
    pub wrong: u8,
    /// How often the login was asked again for another reason.
    pub repeats: u8,
    /// The number for a push that the prompt showed; few prompts show one.
    pub number: Option<Box<PushNumber>>,
    /// What the upstream's accept carried, for the login's own.
    pub attributes: Vec<UpstreamAttribute>,
}

/// Which packet answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerCode {
    /// Access-Accept.
    Accept,
    /// Access-Reject.
    Reject,
    /// Access-Challenge.
    Challenge,
}

impl Answer {
    /// A reject with the text we have for the reason.
    #[must_use]
    pub fn reject(reason: Reason) -> Self {
        Self::reject_with(reason, texts::of(reason))
    }

    /// A reject with a text of its own, cut to fit one Reply-Message.
    #[must_use]
    pub fn reject_with(reason: Reason, text: &str) -> Self {
        Self {
            code: AnswerCode::Reject,
            reason,
            reply_message: texts::quoted(text),
            factor: None,
            attributes: Vec::new(),
            pending: None,
        }
    }
}

/// What an integration's authenticator is, as far as a flow must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimaryUse {
    /// There is none. For mode `duo_only`, which looks at none in any case.
    None,
    /// `duo_only_client`: any password that is not empty passes, and nobody is asked.
    AnyPassword,
    /// A directory or an upstream server is asked.
    Ask {
        /// How long it may take, over all hosts and tries.
        budget: Duration,
        /// Whether it is an upstream: it can check what hides the password (CHAP, MS-CHAP), and ask
        /// questions of its own.
        relays: bool,
    },
}

/// Why there is no flow for a request. A fault of the driver or of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The mode checks a password and there is nothing to check it with.
    #[error("mode {0} needs an authenticator")]
    NoAuthenticator(Mode),
}

/// One login, or the part of it from one request to its answer.
///
/// Takes [`Event::Begin`] first and then, for each action, what came of it or
/// [`Event::TimedOut`]. After [`Action::Answer`] it is done; an event that does not belong to the
/// last action ends the login with [`Reason::Internal`].
#[derive(Debug)]
pub struct Flow {
    integration: Arc<Integration>,
    request: Request,
    primary: PrimaryUse,
    state: State,
    /// What the request goes on with.
    resumed: Option<Pending>,
    /// The prompt that it answers.
    round: Option<Round>,
    /// What the second factor has just refused, while the user is asked again.
    refusal: Option<Refusal>,
    /// The client that the request came from.
    client: Option<IpAddr>,
    /// What a push wants to be approved with, as the second factor said last.
    number: Option<PushNumber>,
    /// Octets that the Reply-Message attributes of a prompt may take, framing included.
    reply_room: usize,
    /// Whether the user can be asked anything.
    asks: bool,
    /// Whether an administrator lets the primary be enough now.
    primary_only: bool,
    /// The factor that goes with the password that was accepted.
    typed: Option<Typed>,
    /// What the upstream's accept carried.
    attributes: Vec<UpstreamAttribute>,
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    New,
    Primary {
        /// The whole string, to be tried when the part before the delimiter is refused.
        whole: Option<Secret<String>>,
    },
    Preauth,
    Auth(Sent),
    Polling(Polling),
    Done,
}

impl Flow {
    /// Prepares a login.
    ///
    /// # Errors
    /// [`FlowError`]: the mode checks passwords, and `primary` is nobody who does.
    pub fn new(
        integration: Arc<Integration>,
        request: Request,
        primary: PrimaryUse,
    ) -> Result<Self, FlowError> {
        match (integration.mode, primary) {
            (Mode::DuoOnly, _)
            | (
                Mode::Auto | Mode::Challenge | Mode::Concat,
                PrimaryUse::AnyPassword | PrimaryUse::Ask { .. },
            ) => {}
            (Mode::Eap, PrimaryUse::Ask { .. }) => {}
            (mode @ (Mode::Auto | Mode::Challenge | Mode::Concat), PrimaryUse::None)
            | (mode @ Mode::Eap, PrimaryUse::AnyPassword | PrimaryUse::None) => {
                return Err(FlowError::NoAuthenticator(mode));
            }
        }
        Ok(Self {
            integration,
            request,
            primary,
            state: State::New,
            resumed: None,
            round: None,
            refusal: None,
            client: None,
            number: None,
            reply_room: ONE_REPLY_MESSAGE,
            asks: true,
            primary_only: false,
            typed: None,
            attributes: Vec::new(),
        })
    }

    /// Prepares the rest of a login, whose challenge the request answers.
    ///
    /// # Errors
    /// As [`Flow::new`].
    pub fn resume(
        integration: Arc<Integration>,
        request: Request,
        primary: PrimaryUse,
        pending: Pending,
    ) -> Result<Self, FlowError> {
        Ok(Self {
            resumed: Some(pending),
            ..Self::new(integration, request, primary)?
        })
    }

    /// Says how many octets the Reply-Message attributes of a prompt may take, framing included. One
    /// attribute of full length when it is not said.
    #[must_use]
    pub fn with_reply_room(self, reply_room: usize) -> Self {
        Self { reply_room, ..self }
    }

    /// Says which client the request came from.
    #[must_use]
    pub fn from_client(self, client: Option<IpAddr>) -> Self {
        Self { client, ..self }
    }

    /// Says that the user can be asked nothing, because the device or the method has no way to. It
    /// is so in modes `concat` and `duo_only` in any case.
    #[must_use]
    pub fn without_questions(self) -> Self {
        Self {
            asks: false,
            ..self
        }
    }

    /// Says whether an administrator lets the primary be enough from now on: then nobody whose
    /// password it accepts is asked for a factor. Changes nothing where no primary checks a
    /// password, and nothing for the answer to a prompt, which goes on with the second factor.
    pub fn set_primary_only(&mut self, granted: bool) {
        self.primary_only = granted;
    }

    /// Whose login it is.
    pub(crate) const fn request(&self) -> &Request {
        &self.request
    }

    /// Ends it; gives back whose login it was.
    pub(crate) fn into_request(self) -> Request {
        self.request
    }

    /// Takes what happened and says what to do.
    pub fn step(&mut self, now: Instant, event: Event) -> Action {
        match (std::mem::replace(&mut self.state, State::Done), event) {
            (State::New, Event::Begin) => self.begin(now),
            (State::Primary { whole }, Event::Primary(Ok(verdict))) => {
                self.primary_answered(now, verdict, whole)
            }
            (State::Primary { .. }, Event::Primary(Err(failure))) => {
                Self::primary_failed(failure.kind)
            }
            (State::Primary { .. }, Event::TimedOut) => reject(Reason::PrimaryUnavailable),
            (State::Preauth, Event::Preauth(Ok(preauth))) => self.preauth_answered(now, preauth),
            (State::Preauth, Event::Preauth(Err(failure))) => self.preauth_failed(failure.kind),
            (State::Preauth, Event::TimedOut) => self.preauth_failed(FailureKind::TimedOut),
            (State::Auth(sent), Event::Auth(Ok(reply))) => self.auth_answered(now, &sent, reply),
            (State::Auth(sent), Event::Auth(Err(failure))) => {
                self.call_failed(Call::Auth, failure.kind, Some(sent.factor))
            }
            (State::Auth(sent), Event::TimedOut) => {
                self.call_failed(Call::Auth, FailureKind::TimedOut, Some(sent.factor))
            }
            (State::Polling(polling), Event::Poll(Ok(decision))) => {
                self.poll_answered(now, polling, &decision)
            }
            (State::Polling(polling), Event::Poll(Err(failure))) => {
                self.poll_failed(now, polling, failure.kind)
            }
            (State::Polling(polling), Event::TimedOut) => {
                self.poll_failed(now, polling, FailureKind::TimedOut)
            }
            _ => reject(Reason::Internal),
        }
    }
}

/// A Reply-Message of full length with its type and length.
const ONE_REPLY_MESSAGE: usize = texts::REPLY_OCTETS + 2;

fn reject(reason: Reason) -> Action {
    Action::Answer(Answer::reject(reason))
}

/// A moment later than now. A span no clock can hold counts as a day.
fn after(now: Instant, span: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(86_400);
    now.checked_add(span.min(DAY)).unwrap_or(now)
}

//! What a conversation knows from one request to the next.

use std::time::{Duration, Instant};

use proto::event::{AuthEvent, Outcome as EventOutcome, Reason, Stage};
use proto::secret::Secret;
use ring::digest;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::sessions::{self, Standing};
use super::tunnel::{Broken, RustlsTunnel};
use crate::clock;
use crate::eap::Offered;
use crate::eap::conversation::{Conversation, Method, Surroundings};
use crate::eap::tunnel::{Tunnel, TunnelVersion};
use crate::flow::{Answer, AnswerCode, Pending};
use crate::server::exchange::Exchange;
use crate::server::receive::Shared;
use crate::server::record::Record;
use crate::server::served::Served;

/// What changes from request to request.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) conversation: Conversation,
    pub(super) record: Record,
    pub(super) began: Instant,
    /// The outer name, which counts where the tunnel's other end gives none.
    pub(super) outer: String,
    /// Framed attributes of the request that offered something, for a RADIUS primary.
    pub(super) pass_through: Vec<u8>,
    pub(super) calling_station: Option<String>,
    pub(super) fragment_octets: usize,
    /// What was typed first.
    pub(super) password: Secret<Vec<u8>>,
    /// The question that what comes next answers.
    pub(super) pending: Option<Pending>,
    /// What was decided, while the supplicant is told.
    pub(super) verdict: Option<Verdict>,
    /// The response that was taken last.
    pub(super) heard: ResponseDigest,
    /// What it was answered with, unless that is still being decided.
    pub(super) said: Option<Said>,
    /// The request that waits for a decision: the newest that brought what was heard.
    pub(super) waiting: Option<Exchange>,
    pub(super) agreed: bool,
    /// It was told how it ended. Whoever found it just before goes on with nothing.
    pub(super) over: bool,
}

/// A request of ours, to be sent again as it is.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) packet: Vec<u8>,
    /// How long the device gives the supplicant before it repeats it, where a person has to type.
    pub(super) patience: Option<Duration>,
}

/// What was decided. A node that stops waits for the supplicant to be told.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    /// By when the supplicant has to confirm it.
    pub(super) by: Instant,
    _telling: TaskTrackerToken,
}

impl Verdict {
    pub(super) fn new(shared: &Shared, answer: Answer) -> Self {
        Self {
            answer,
            by: clock::now() + sessions::MACHINE_ANSWERS,
            _telling: shared.telling.token(),
        }
    }
}

/// What tells one response from another.
pub(super) type ResponseDigest = [u8; 32];

impl Talk {
    /// A step of the conversation; none when something of ours is missing for it.
    pub(super) fn surrounded<T>(
        &mut self,
        served: &Served,
        step: impl FnOnce(&mut Conversation, &Surroundings<'_>) -> T,
    ) -> Option<T> {
        let config = served.eap.as_ref()?;
        let mut nonce = [0; 32];
        crate::random::fill(&mut nonce).ok()?;
        let tunnel = || -> Box<dyn Tunnel> {
            match RustlsTunnel::new(config) {
                Ok(tunnel) => Box::new(tunnel),
                Err(error) => Box::new(Broken(error.to_string())),
            }
        };
        let around = Surroundings {
            tunnel: &tunnel,
            fragment_octets: self.fragment_octets,
            nonce,
        };
        Some(step(&mut self.conversation, &around))
    }

    /// Whether a question is answered with the password: a supplicant that keeps it gives it at each
    /// prompt. It must not go to the second factor, which would take it for a wrong passcode and lock
    /// the user out in the end.
    pub(super) fn knows_again(&mut self, offered: &Offered) -> bool {
        match &self.pending {
            None => {
                self.password = Secret::new(offered.octets.expose().clone());
                false
            }
            Some(Pending::Prompt(_)) if self.password == offered.octets => {
                let detail = "the supplicant answers the question with the password, which it \
                              keeps: write factors=auto, so that nothing is asked";
                self.record.note(
                    Stage::Client,
                    clock::now(),
                    Duration::ZERO,
                    detail.to_owned(),
                );
                true
            }
            Some(_) => false,
        }
    }

    /// Tells that it ended without an answer, unless it was told already. A request that waits is let
    /// go of, so that its repeat is served anew.
    pub(super) fn tell_unanswered(
        &mut self,
        shared: &Shared,
        stage: Stage,
        detail: &str,
        reason: Reason,
    ) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.waiting = None;
        let now = clock::now();
        // What was decided counts, though the end was not confirmed: who guesses passwords is not to
        // hide by going away.
        let verdict = self.verdict.take().map(|verdict| verdict.answer);
        let factor = verdict.as_ref().and_then(|verdict| verdict.factor);
        let (outcome, reason, detail, text) = match verdict {
            Some(verdict) if verdict.code == AnswerCode::Reject => (
                EventOutcome::Reject,
                verdict.reason,
                "refused, and the supplicant did not confirm it",
                verdict.reply_message,
            ),
            Some(_) => (
                EventOutcome::Unanswered,
                reason,
                "accepted, but the supplicant did not confirm it",
                None,
            ),
            None => (EventOutcome::Unanswered, reason, detail, None),
        };
        self.record
            .note(stage, now, Duration::ZERO, detail.to_owned());
        self.record.tell(shared, now, outcome, reason, factor, text);
    }

    /// Notes who it is, as soon as that is known inside: whoever breaks off after is told by name.
    pub(super) fn note_inner_name(&mut self) {
        if let Some(user) = self.conversation.inner_name().map(str::to_owned) {
            self.note_user(&user);
        }
    }

    /// Notes who it is, and what it is called outside, once.
    pub(super) fn note_user(&mut self, user: &str) {
        if self.record.user.as_deref() == Some(user) {
            return;
        }
        self.record.user = Some(user.to_owned());
        let detail = format!("outer name {}", AuthEvent::shown_user(&self.outer));
        self.record
            .note(Stage::Client, clock::now(), Duration::ZERO, detail);
    }

    /// Counts that it ended without an answer, where there are too many of the kind to be told each.
    pub(super) fn count_unanswered(&mut self, shared: &Shared, reason: Reason) {
        if !std::mem::replace(&mut self.over, true) {
            self.record
                .count(shared, clock::now(), EventOutcome::Unanswered, reason, None);
        }
    }

    /// What is sent, and how long the device should give the supplicant for it.
    pub(super) fn says(&self, packet: Vec<u8>) -> Said {
        let patience = self.conversation.awaits_typing().then_some(TYPING);
        Said { packet, patience }
    }

    /// Notes the method and the version of TLS, once.
    pub(super) fn note_agreement(&mut self) {
        if self.agreed {
            return;
        }
        let Some((method, Some(version))) = self.conversation.agreed() else {
            return;
        };
        self.agreed = true;
        let version = match version {
            TunnelVersion::Tls12 => "TLS 1.2",
            TunnelVersion::Tls13 => "TLS 1.3",
        };
        let detail = format!("{} with {version}", Method::as_str(method));
        self.record
            .note(Stage::Client, clock::now(), Duration::ZERO, detail);
    }

    pub(super) fn standing(&self) -> Standing {
        use super::sessions::{
            DECIDING, HANDSHAKE, LONGEST, MACHINE_ANSWERS, PASSWORD_ANSWERS, PERSON_ANSWERS,
            UNPROVEN,
        };
        let now = clock::now();
        let within = |patience: Duration, all: Duration| (now + patience).min(self.began + all);
        let expires = match (&self.waiting, &self.verdict, &self.pending) {
            (Some(_), ..) => now + DECIDING,
            (None, Some(verdict), _) => verdict.by,
            (None, None, Some(_)) => within(PERSON_ANSWERS, LONGEST),
            (None, None, None) if self.agreed => within(PASSWORD_ANSWERS, UNPROVEN),
            (None, None, None) => within(MACHINE_ANSWERS, HANDSHAKE),
        };
        Standing {
            expires,
            handshake: !self.agreed,
            answered: self.conversation.is_answered(),
            octets: sessions::SESSION_OCTETS + self.conversation.octets(),
        }
    }
}

pub(super) fn digest(octets: &[u8]) -> ResponseDigest {
    let digest = digest::digest(&digest::SHA256, octets);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// How long a device should give a person to type before it repeats the question. A supplicant that
/// shows the question goes on showing it, so this is no limit; but a device that repeats it every few
/// seconds, as many do of themselves, gives up after a few times.
const TYPING: Duration = Duration::from_secs(60);

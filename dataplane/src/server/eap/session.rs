//! One conversation between its requests, and what is done with each of them.
//!
//! A request is taken on a thread for TLS; a login that waits for somebody is a task of the main
//! runtime. Both lock the conversation for a moment, and never across a wait.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::event::{AuthEvent, Outcome as EventOutcome, Reason, Stage};
use proto::secret::Secret;
use ring::digest;

use super::sessions::{self, Standing, Token};
use super::state::EapState;
use super::tunnel::RustlsTunnel;
use crate::clock;
use crate::eap::Offered;
use crate::eap::conversation::{Conversation, Method, Outcome, Step, Surroundings};
use crate::eap::packet::Response;
use crate::eap::tunnel::{KeyingMaterial, Tunnel, TunnelVersion};
use crate::flow::request::Request;
use crate::flow::{Action, Answer, AnswerCode, Event, Flow, Pending, explain};
use crate::primary::{UpstreamAttribute, UpstreamValue};
use crate::radius::salted::{MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, VENDOR_MICROSOFT};
use crate::radius::{AttributeType, Packet};
use crate::server::exchange::Exchange;
use crate::server::perform::{InFlight, Performer};
use crate::server::receive::Shared;
use crate::server::record::Record;
use crate::server::reply::{self, EapReply};
use crate::server::served::Served;

/// A conversation, as the table has it.
#[derive(Debug)]
pub(crate) struct Session {
    token: Token,
    /// Whoever else brings its State is somebody else.
    client: IpAddr,
    talk: Mutex<Talk>,
}

/// What changes from request to request.
#[derive(Debug)]
struct Talk {
    conversation: Conversation,
    record: Record,
    began: Instant,
    /// The outer name, which counts where the tunnel's other end gives none.
    outer: String,
    /// Framed attributes of the request that offered something, for a RADIUS primary.
    pass_through: Vec<u8>,
    calling_station: Option<String>,
    fragment_octets: usize,
    /// What was typed first.
    password: Secret<Vec<u8>>,
    /// The question that what comes next answers.
    pending: Option<Pending>,
    /// What was decided, while the supplicant is told.
    verdict: Option<Answer>,
    /// The request that waits for a decision.
    waiting: Option<Waiting>,
    /// The last response, and what it was answered with.
    last: Option<(ResponseDigest, Vec<u8>)>,
    agreed: bool,
    /// It was told how it ended. Whoever found it just before goes on with nothing.
    over: bool,
}

/// A request that waits, and what it brought.
#[derive(Debug)]
struct Waiting {
    response: ResponseDigest,
    exchange: Exchange,
}

type ResponseDigest = [u8; 32];

impl Session {
    /// Begins one with a supplicant's name. Gives it with what is to be sent.
    pub(super) fn begin(
        token: Token,
        exchange: &Exchange,
        packet: &Packet<'_>,
        response: &Response<'_>,
        octets: &[u8],
        outer: String,
    ) -> (Arc<Self>, Vec<u8>) {
        let mut record = Record::new(exchange, packet);
        record.user = Some(outer.clone());
        let served = &exchange.client.served;
        record.calling_station = crate::flow::request::calling_station(packet, &served.config);
        let (conversation, first) = Conversation::begin(response);
        let talk = Talk {
            conversation,
            calling_station: record.calling_station.clone(),
            record,
            began: exchange.arrival.now,
            outer,
            pass_through: Vec::new(),
            fragment_octets: super::fragment_octets(packet, exchange.reply_to.challenge_room()),
            password: Secret::default(),
            pending: None,
            verdict: None,
            waiting: None,
            last: Some((digest(octets), first.clone())),
            agreed: false,
            over: false,
        };
        let session = Self {
            token,
            client: exchange.arrival.source.ip(),
            talk: Mutex::new(talk),
        };
        (Arc::new(session), first)
    }

    /// Takes a request that brought this conversation's State.
    pub(super) fn receive(
        self: &Arc<Self>,
        exchange: Exchange,
        packet: &Packet<'_>,
        response: &Response<'_>,
        octets: &[u8],
    ) {
        let mut talk = self.talk();
        let served = Arc::clone(talk.record.served());
        if self.client != exchange.arrival.source.ip()
            || served.config.id != exchange.client.served.config.id
        {
            drop(talk);
            return super::reject(
                exchange,
                packet,
                "the State is of a conversation with another client",
            );
        }
        if talk.over {
            drop(talk);
            return super::reject(exchange, packet, super::IS_OVER);
        }
        let response_digest = digest(octets);
        if let Some(waiting) = &mut talk.waiting {
            // The same again with another id or from another port: the newest is answered. It is
            // neither another login nor a reason to end this one.
            if waiting.response == response_digest {
                waiting.exchange = exchange;
            }
            return;
        }
        if let Some((last, answer)) = &talk.last
            && *last == response_digest
        {
            let answer = answer.clone();
            drop(talk);
            return self.challenge(exchange, &answer);
        }
        let room = exchange.reply_to.challenge_room();
        talk.fragment_octets = super::fragment_octets(packet, room);
        let step = match talk.surrounded(&served, |conversation, around| {
            conversation.receive(response, around)
        }) {
            Some(Ok(step)) => step,
            // Answers nothing that was asked: as if it had not come.
            Some(Err(stray)) => {
                tracing::debug!(client = %exchange.arrival.source, %stray, "EAP response ignored");
                return;
            }
            None => return self.over(talk, exchange, Answer::reject(Reason::Internal), None),
        };
        if let Some(primary) = &served.primary
            && primary.is_radius()
            && matches!(step, Step::Decide(_))
        {
            let rule = &served.config.pass_through;
            talk.pass_through = crate::primary::request_attributes::select(packet, rule);
        }
        self.act(talk, exchange, step, response_digest);
    }

    /// Does what the conversation says.
    fn act(
        self: &Arc<Self>,
        mut talk: MutexGuard<'_, Talk>,
        exchange: Exchange,
        step: Step,
        response: ResponseDigest,
    ) {
        talk.note_agreement();
        match step {
            Step::Send(packet) => {
                talk.last = Some((response, packet.clone()));
                let standing = talk.standing();
                drop(talk);
                let room = exchange.shared.sessions().note(&self.token, standing);
                match room {
                    true => self.challenge(exchange, &packet),
                    false => {
                        let talk = self.talk();
                        self.over(talk, exchange, Answer::reject(Reason::Overloaded), None);
                    }
                }
            }
            Step::Decide(offered) if talk.knows_again(&offered) => {
                let answer = Answer::reject(Reason::EapFailed);
                self.decided(talk, exchange, answer, response);
            }
            Step::Decide(offered) => self.decide(talk, exchange, offered, response),
            Step::End(packet, outcome) => self.end(talk, exchange, packet, outcome),
        }
    }

    /// Decides on what was typed, at once or in a task that waits.
    fn decide(
        self: &Arc<Self>,
        mut talk: MutexGuard<'_, Talk>,
        exchange: Exchange,
        offered: Offered,
        response: ResponseDigest,
    ) {
        let served = Arc::clone(talk.record.served());
        let Offered { user, octets } = offered;
        let user = user.unwrap_or_else(|| talk.outer.clone());
        if user != talk.outer && talk.record.user.as_ref() != Some(&user) {
            let detail = format!("outer name {}", AuthEvent::shown_user(&talk.outer));
            talk.record
                .note(Stage::Client, clock::now(), Duration::ZERO, detail);
        }
        talk.record.user = Some(user.clone());
        let calling_station = talk.calling_station.clone();
        let request = Request::typed(user.clone(), &octets, calling_station, &served.config);
        let request = match request {
            Ok(request) => request,
            Err(answer) => return self.decided(talk, exchange, answer, response),
        };
        let config = Arc::clone(&served.config);
        let flow = match talk.pending.take() {
            None => Flow::new(config, request, served.primary_use),
            Some(pending) => Flow::resume(config, request, served.primary_use, pending),
        };
        let mut flow = match flow {
            Ok(flow) if talk.conversation.can_ask() => flow,
            Ok(flow) => flow.without_questions(),
            Err(error) => {
                tracing::error!(
                    integration = %served.config.id,
                    error = &error as &dyn std::error::Error,
                    "no flow for this integration"
                );
                let answer = Answer::reject(Reason::Internal);
                return self.decided(talk, exchange, answer, response);
            }
        };
        let action = match flow.step(clock::now(), Event::Begin) {
            Action::Answer(answer) => return self.decided(talk, exchange, answer, response),
            action => action,
        };
        let shared = Arc::clone(&exchange.shared);
        let performer = Performer {
            shared: Arc::clone(&shared),
            served: Arc::clone(&served),
            user,
            calling_station: talk.calling_station.clone(),
            pass_through: std::mem::take(&mut talk.pass_through),
        };
        talk.waiting = Some(Waiting { response, exchange });
        // It waits for as long as the flow says, and then for the supplicant again.
        let mut standing = talk.standing();
        standing.expires = clock::now() + sessions::LONGEST;
        let mut steps = talk.record.aside();
        drop(talk);
        shared.sessions().note(&self.token, standing);
        let guard = InFlight::begin(Arc::clone(&shared), served);
        let mut undecided = Undecided {
            session: Arc::clone(self),
            shared: Arc::clone(&shared),
            decided: false,
        };
        let run = Box::pin(async move {
            let answer = performer.run(&mut flow, action, &mut steps).await;
            undecided.decided = true;
            let session = &undecided.session;
            let mut talk = session.talk();
            talk.record.take_in(steps);
            if let Some(Waiting { response, exchange }) = talk.waiting.take() {
                session.decided(talk, exchange, answer, response);
            }
        });
        let abandoned = shared.abandoned.clone();
        shared.logins.spawn_on(
            async move {
                tokio::select! {
                    () = run => {}
                    () = abandoned.cancelled() => {}
                }
                drop(guard);
            },
            &shared.runtime,
        );
    }

    /// Goes on with what the login came to: another question, or the end.
    fn decided(
        self: &Arc<Self>,
        mut talk: MutexGuard<'_, Talk>,
        exchange: Exchange,
        mut answer: Answer,
        response: ResponseDigest,
    ) {
        let served = Arc::clone(talk.record.served());
        let step = match answer.code {
            AnswerCode::Challenge => {
                talk.pending = answer.pending.take();
                let detail = explain::asked(&answer);
                let question = answer.reply_message.unwrap_or_default();
                talk.record
                    .note(Stage::Answer, clock::now(), Duration::ZERO, detail);
                talk.surrounded(&served, |conversation, around| {
                    conversation.ask(&question, around)
                })
            }
            AnswerCode::Accept | AnswerCode::Reject => {
                let success = answer.code == AnswerCode::Accept;
                talk.verdict = Some(answer);
                talk.surrounded(&served, |conversation, around| {
                    conversation.conclude(success, around)
                })
            }
        };
        match step {
            Some(step) => self.act(talk, exchange, step, response),
            None => self.over(talk, exchange, Answer::reject(Reason::Internal), None),
        }
    }

    /// The conversation is over, in whatever way.
    fn end(
        self: &Arc<Self>,
        mut talk: MutexGuard<'_, Talk>,
        exchange: Exchange,
        packet: Vec<u8>,
        outcome: Outcome,
    ) {
        let verdict = talk.verdict.take();
        let answer = match (outcome, verdict) {
            (Outcome::Success(keys), Some(mut verdict)) if verdict.code == AnswerCode::Accept => {
                verdict.attributes.retain(|one| !is_session_key(one));
                verdict.attributes.extend(session_keys(&keys));
                if let Some(user) = talk.record.user.as_deref()
                    && user != talk.outer
                {
                    verdict.attributes.retain(|one| !is_user_name(one));
                    verdict.attributes.push(user_name(user));
                }
                verdict
            }
            (Outcome::Failure, Some(verdict)) if verdict.code == AnswerCode::Reject => verdict,
            (Outcome::Fault(fault), verdict) => {
                let detail = fault.to_string();
                talk.record
                    .note(Stage::Client, clock::now(), Duration::ZERO, detail);
                match verdict {
                    // Who was refused was refused, whatever came after.
                    Some(verdict) if verdict.code == AnswerCode::Reject => verdict,
                    verdict => Answer {
                        factor: verdict.and_then(|verdict| verdict.factor),
                        ..Answer::reject(fault.reason())
                    },
                }
            }
            _ => Answer::reject(Reason::Internal),
        };
        self.over(talk, exchange, answer, Some(packet));
    }

    /// Answers for the last time, and tells.
    fn over(
        &self,
        mut talk: MutexGuard<'_, Talk>,
        mut exchange: Exchange,
        answer: Answer,
        packet: Option<Vec<u8>>,
    ) {
        // Told already: the request is dropped, and its repeat hears that there is nothing to go on with.
        if std::mem::replace(&mut talk.over, true) {
            return;
        }
        let shared = Arc::clone(&exchange.shared);
        let packet = packet.unwrap_or_else(|| talk.conversation.failure());
        let reply = EapReply {
            packet: &packet,
            state: None,
        };
        let client = Arc::clone(&exchange.client);
        let served = Arc::clone(talk.record.served());
        let (octets, answer) =
            reply::encode_eap(answer, reply, &exchange.reply_to, &client.secret, &served);
        let now = exchange.answer(octets);
        let (name, outcome) = match answer.code {
            AnswerCode::Accept => ("Access-Accept", EventOutcome::Accept),
            AnswerCode::Reject | AnswerCode::Challenge => ("Access-Reject", EventOutcome::Reject),
        };
        let detail = format!("{name} ({})", answer.reason);
        talk.record.note(Stage::Answer, now, Duration::ZERO, detail);
        talk.record.tell(
            &shared,
            now,
            outcome,
            answer.reason,
            answer.factor,
            answer.reply_message,
        );
        drop(talk);
        shared.sessions().end(&self.token);
    }

    /// Sends a request of EAP.
    pub(super) fn challenge(&self, mut exchange: Exchange, packet: &[u8]) {
        let state = EapState::new(&exchange.shared.node, self.token).octets();
        let answer = Answer {
            code: AnswerCode::Challenge,
            ..Answer::reject(Reason::Prompted)
        };
        let reply = EapReply {
            packet,
            state: Some(&state),
        };
        let client = Arc::clone(&exchange.client);
        let (octets, _) = reply::encode_eap(
            answer,
            reply,
            &exchange.reply_to,
            &client.secret,
            &client.served,
        );
        exchange.answer(octets);
    }

    /// Tells that nobody went on with it.
    pub(super) fn abandoned(&self, shared: &Shared) {
        let mut talk = self.talk();
        let (detail, reason) = match (talk.conversation.failing(), talk.agreed, &talk.pending) {
            (Some(fault), ..) => (fault.to_string(), fault.reason()),
            (None, _, Some(_)) => (
                "the question was not answered in time".to_owned(),
                Reason::TimedOut,
            ),
            (None, true, None) => (
                "the supplicant did not go on inside the tunnel".to_owned(),
                Reason::TimedOut,
            ),
            (None, false, None) => (
                "the supplicant did not go on: does it trust the certificate, and is PEAP or TTLS \
                 set there?"
                    .to_owned(),
                Reason::TimedOut,
            ),
        };
        talk.tell_unanswered(shared, Stage::Client, &detail, reason);
    }

    /// Tells that nobody decided: the node stopped, or a task died.
    fn undecided(&self, shared: &Shared) {
        let (detail, reason) = match shared.draining.load(Ordering::Relaxed) {
            true => ("the node stopped before it was decided", Reason::Stopping),
            false => ("nobody decided", Reason::Internal),
        };
        self.talk()
            .tell_unanswered(shared, Stage::Answer, detail, reason);
        shared.sessions().end(&self.token);
    }

    pub(super) fn standing(&self) -> Standing {
        self.talk().standing()
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk {
    /// A step of the conversation; none when something of ours is missing for it.
    fn surrounded<T>(
        &mut self,
        served: &Served,
        step: impl FnOnce(&mut Conversation, &Surroundings<'_>) -> T,
    ) -> Option<T> {
        let config = served.eap.as_ref()?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).ok()?;
        let tunnel = || -> Box<dyn Tunnel> {
            match RustlsTunnel::new(config) {
                Ok(tunnel) => Box::new(tunnel),
                Err(error) => Box::new(super::tunnel::Broken(error.to_string())),
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
    fn knows_again(&mut self, offered: &Offered) -> bool {
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
    fn tell_unanswered(&mut self, shared: &Shared, stage: Stage, detail: &str, reason: Reason) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.waiting = None;
        let now = clock::now();
        // What was decided counts, though the end was not confirmed: who guesses passwords is not to
        // hide by going away.
        let verdict = self.verdict.take();
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

    /// Notes the method and the version of TLS, once.
    fn note_agreement(&mut self) {
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

    fn standing(&self) -> Standing {
        let patience = match (self.agreed, &self.pending) {
            (false, _) => sessions::MACHINE_ANSWERS,
            (true, None) => sessions::PASSWORD_ANSWERS,
            (true, Some(_)) => sessions::PERSON_ANSWERS,
        };
        Standing {
            expires: (clock::now() + patience).min(self.began + sessions::LONGEST),
            handshake: !self.agreed,
            answered: self.conversation.is_answered(),
            octets: sessions::SESSION_OCTETS + self.conversation.octets(),
        }
    }
}

/// A login of a conversation that waits to be decided. One that never is is told all the same.
#[derive(Debug)]
struct Undecided {
    session: Arc<Session>,
    shared: Arc<Shared>,
    decided: bool,
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if !self.decided {
            self.session.undecided(&self.shared);
        }
    }
}

/// Who was let in, for a device that knows the outer name only: it must not take the session for
/// that one's (RFC 2865 section 5.1).
fn user_name(user: &str) -> UpstreamAttribute {
    UpstreamAttribute {
        vendor: None,
        number: AttributeType::USER_NAME.0,
        value: UpstreamValue::Plain(user.as_bytes().to_vec()),
        always: true,
    }
}

fn is_user_name(attribute: &UpstreamAttribute) -> bool {
    attribute.vendor.is_none() && attribute.number == AttributeType::USER_NAME.0
}

/// MS-MPPE-Recv-Key and MS-MPPE-Send-Key (RFC 2548 section 2.4.2): the halves of the MSK.
fn session_keys(keys: &KeyingMaterial) -> Vec<UpstreamAttribute> {
    let halves = keys.expose().chunks(32);
    [MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY]
        .into_iter()
        .zip(halves)
        .map(|(number, half)| UpstreamAttribute {
            vendor: Some(VENDOR_MICROSOFT),
            number,
            value: UpstreamValue::Salted {
                tag: None,
                clear: Secret::new(half.to_vec()),
            },
            always: true,
        })
        .collect()
}

/// Keys of the upstream's own would be those of another session.
const fn is_session_key(attribute: &UpstreamAttribute) -> bool {
    matches!(
        (attribute.vendor, attribute.number),
        (Some(VENDOR_MICROSOFT), MS_MPPE_RECV_KEY | MS_MPPE_SEND_KEY)
    )
}

fn digest(octets: &[u8]) -> ResponseDigest {
    let digest = digest::digest(&digest::SHA256, octets);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

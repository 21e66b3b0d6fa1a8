//! One conversation between its requests, and what is done with each of them.
//!
//! A request is taken on a thread for TLS; a login that waits for somebody is a task of the main
//! runtime. Both lock the conversation for a moment, and never across a wait.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::event::{Outcome as EventOutcome, Reason, Stage};
use proto::secret::Secret;

use super::accept;
use super::last_words::LastWord;
use super::sessions::{Noted, Standing, Token};
use super::state::EapState;
use super::talk::{Said, Talk, Verdict, digest};
use crate::clock;
use crate::eap::Offered;
use crate::eap::conversation::{Conversation, Outcome, Step};
use crate::eap::packet::{self, Response};
use crate::flow::request::Request;
use crate::flow::{Action, Answer, AnswerCode, Flow, explain};
use crate::radius::Packet;
use crate::server::exchange::Exchange;
use crate::server::perform::{InFlight, Performer};
use crate::server::receive::Shared;
use crate::server::record::Record;
use crate::server::reply::{self, EapReply};

/// A conversation, as the table has it.
#[derive(Debug)]
pub(crate) struct Session {
    token: Token,
    /// Whoever else brings its State is somebody else.
    client: IpAddr,
    talk: Mutex<Talk>,
}

impl Session {
    /// Begins one with a supplicant's name. Gives it with what is to be sent.
    pub(super) fn begin(
        token: Token,
        exchange: &Exchange,
        packet: &Packet<'_>,
        response: &Response<'_>,
        octets: &[u8],
        outer: String,
    ) -> (Arc<Self>, Said) {
        let mut record = Record::new(exchange, packet);
        record.user = Some(outer.clone());
        let served = &exchange.client.served;
        record.calling_station = crate::flow::request::calling_station(packet, &served.config);
        let (conversation, first) = Conversation::begin(response);
        let first = Said {
            packet: first,
            patience: None,
        };
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
            heard: digest(octets),
            said: Some(first.clone()),
            waiting: None,
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
        let heard = digest(octets);
        if talk.over {
            drop(talk);
            return super::is_over(exchange, packet, &self.token, &heard);
        }
        let again = talk.heard == heard;
        if let Some(waiting) = &mut talk.waiting {
            // The same again with another id or from another port: the newest is answered. It is
            // neither another login nor a reason to end this one.
            if again {
                *waiting = exchange;
            }
            return;
        }
        if let Some(said) = &talk.said
            && again
        {
            let said = said.clone();
            drop(talk);
            return self.challenge(exchange, &said);
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
        talk.heard = heard;
        talk.said = None;
        if let Some(primary) = &served.primary
            && primary.is_radius()
            && matches!(step, Step::Decide(_))
        {
            let rule = &served.config.pass_through;
            talk.pass_through = crate::primary::request_attributes::select(packet, rule);
        }
        self.act(talk, exchange, step);
    }

    /// Does what the conversation says.
    fn act(self: &Arc<Self>, mut talk: MutexGuard<'_, Talk>, exchange: Exchange, step: Step) {
        talk.note_agreement();
        talk.note_inner_name();
        match step {
            Step::Send(packet) => {
                let said = talk.says(packet);
                talk.said = Some(said.clone());
                match self.note(&talk, &exchange.shared) {
                    Noted::Fits => {
                        drop(talk);
                        self.challenge(exchange, &said);
                    }
                    Noted::Full => {
                        self.over(talk, exchange, Answer::reject(Reason::Overloaded), None);
                    }
                    Noted::Gone => {}
                }
            }
            Step::Decide(offered) if talk.knows_again(&offered) => {
                let answer = Answer::reject(Reason::EapFailed);
                self.decided(talk, exchange, answer);
            }
            Step::Decide(offered) => self.decide(talk, exchange, offered),
            Step::End(packet, outcome) => self.end(talk, exchange, packet, outcome),
        }
    }

    /// Decides on what was typed, at once or in a task that waits.
    fn decide(
        self: &Arc<Self>,
        mut talk: MutexGuard<'_, Talk>,
        exchange: Exchange,
        offered: Offered,
    ) {
        let served = Arc::clone(talk.record.served());
        let Offered { user, octets } = offered;
        let user = user.unwrap_or_else(|| talk.outer.clone());
        talk.note_user(&user);
        let calling_station = talk.calling_station.clone();
        let request = Request::typed(user.clone(), &octets, calling_station, &served.config);
        let request = match request {
            Ok(request) => request,
            Err(answer) => return self.decided(talk, exchange, answer),
        };
        let config = Arc::clone(&served.config);
        let flow = match talk.pending.take() {
            None => Flow::new(config, request, served.primary_use),
            Some(pending) => Flow::resume(config, request, served.primary_use, pending),
        };
        let client = exchange.arrival.source.ip();
        let flow = flow.map(|flow| flow.from_client(Some(client)));
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
                return self.decided(talk, exchange, answer);
            }
        };
        let shared = Arc::clone(&exchange.shared);
        let mut performer = Performer {
            shared: Arc::clone(&shared),
            served: Arc::clone(&served),
            user,
            calling_station: talk.calling_station.clone(),
            pass_through: Vec::new(),
        };
        let action = match performer.begin(&mut flow, clock::now()) {
            Action::Answer(answer) => return self.decided(talk, exchange, answer),
            action => action,
        };
        performer.pass_through = std::mem::take(&mut talk.pass_through);
        let device = Arc::clone(&exchange.client);
        if shared.room_for(&device).is_err() {
            let answer = Answer::reject(Reason::Overloaded);
            return self.decided(talk, exchange, answer);
        }
        talk.waiting = Some(exchange);
        // Not asked of anybody when it is over already: nobody would hear what comes of it.
        if self.note(&talk, &shared) == Noted::Gone {
            talk.waiting = None;
            return;
        }
        let mut steps = talk.record.aside();
        drop(talk);
        let guard = InFlight::begin(Arc::clone(&shared), served, Some(&device));
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
            if let Some(exchange) = talk.waiting.take() {
                session.decided(talk, exchange, answer);
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
                talk.verdict = Some(Verdict::new(&exchange.shared, answer));
                talk.surrounded(&served, |conversation, around| {
                    conversation.conclude(success, around)
                })
            }
        };
        match step {
            Some(step) => self.act(talk, exchange, step),
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
        let verdict = talk.verdict.take().map(|verdict| verdict.answer);
        let answer = match (outcome, verdict) {
            (Outcome::Success(keys), Some(mut verdict)) if verdict.code == AnswerCode::Accept => {
                let user = talk.record.user.as_deref();
                let user = user.filter(|&user| user != talk.outer);
                accept::complete(&mut verdict.attributes, &keys, user);
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
        // Told already: the request is dropped, and its repeat hears that it is over.
        if std::mem::replace(&mut talk.over, true) {
            return;
        }
        let shared = Arc::clone(&exchange.shared);
        let mut packet = packet.unwrap_or_else(|| talk.conversation.failure());
        // What was decided counts, where there was no room to tell it.
        let answer = match talk.verdict.take().map(|verdict| verdict.answer) {
            Some(verdict) if verdict.code == AnswerCode::Reject => verdict,
            Some(verdict) => Answer {
                factor: verdict.factor,
                ..answer
            },
            None => answer,
        };
        let success = answer.code == AnswerCode::Accept;
        let reply = EapReply::end(&packet);
        let client = Arc::clone(&exchange.client);
        let served = Arc::clone(talk.record.served());
        let (octets, answer) =
            reply::encode_eap(answer, reply, &exchange.reply_to, &client.secret, &served);
        if success && answer.code == AnswerCode::Reject {
            // It did not fit, and the supplicant was told so.
            let identifier = packet.get(1).copied().unwrap_or_default();
            packet = packet::end(identifier, false);
        }
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
            answer.reply_message.clone(),
        );
        let word = LastWord {
            client: self.client,
            heard: talk.heard,
            served,
            answer,
            packet,
        };
        // Before anybody else can find it over.
        shared.sessions().end_with(now, &self.token, word);
    }

    /// Sends a request of EAP.
    pub(super) fn challenge(&self, mut exchange: Exchange, said: &Said) {
        let state = EapState::new(&exchange.shared.node, self.token).octets();
        let answer = Answer {
            code: AnswerCode::Challenge,
            ..Answer::reject(Reason::Prompted)
        };
        let reply = EapReply {
            packet: &said.packet,
            state: Some(&state),
            patience: said.patience,
        };
        let client = Arc::clone(&exchange.client);
        let (octets, answer) = reply::encode_eap(
            answer,
            reply,
            &exchange.reply_to,
            &client.secret,
            &client.served,
        );
        if answer.code == AnswerCode::Challenge {
            exchange.answer(octets);
        } else {
            // It does not fit beside a Proxy-State that has grown.
            self.over(self.talk(), exchange, answer, None);
        }
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
            (None, false, None) => {
                let Some(untold) = shared.sessions().tells_silence(clock::now()) else {
                    return talk.count_unanswered(shared, Reason::TimedOut);
                };
                (format!("{NO_HANDSHAKE}{untold}"), Reason::TimedOut)
            }
        };
        talk.tell_unanswered(shared, Stage::Client, &detail, reason);
    }

    /// Tells that the node stopped before the end.
    pub(super) fn stopped(&self, shared: &Shared) {
        let mut talk = self.talk();
        if !talk.agreed && talk.verdict.is_none() {
            return talk.count_unanswered(shared, Reason::Stopping);
        }
        let detail = "the node stopped before the end";
        talk.tell_unanswered(shared, Stage::Client, detail, Reason::Stopping);
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

    /// Notes in the table where it stands, while nobody else can.
    fn note(&self, talk: &Talk, shared: &Shared) -> Noted {
        shared.sessions().note(&self.token, talk.standing())
    }

    pub(super) fn standing(&self) -> Standing {
        self.talk().standing()
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What a conversation comes to that ends before there is a tunnel.
const NO_HANDSHAKE: &str = "the supplicant did not go on: does it trust the certificate, and is PEAP or TTLS \
     set there?";

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

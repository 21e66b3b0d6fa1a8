//! A login whose request has all of it: name, and password or answer.
//!
//! One that needs nobody else runs to its end on the receive thread. One that waits becomes a task of
//! the main runtime, from its first wait on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proto::event::{Outcome, Reason, Stage};

use super::exchange::Exchange;
use super::perform::{self, InFlight, Performer};
use super::record::{Record, written};
use super::reply::{self, EapReply};
use crate::clock;
use crate::eap;
use crate::flow::request::{Request, calling_station, shown_user};
use crate::flow::{Action, Answer, AnswerCode, Flow};
use crate::primary::request_attributes;
use crate::radius::{AttributeType, Packet};
use crate::state::{Context, Scope};

/// One login, from its request to its answer.
#[derive(Debug)]
pub(crate) struct Login {
    exchange: Exchange,
    record: Record,
    /// Whether the request carried a Message-Authenticator, which was verified.
    signed: bool,
    /// What ends the EAP that the request carried, which is not served in this mode.
    eap_failure: Option<Vec<u8>>,
}

impl Login {
    /// Starts a login and, where nothing has to be waited for, ends it.
    pub(crate) fn begin(exchange: Exchange, packet: &Packet<'_>) {
        let served = Arc::clone(&exchange.client.served);
        let mut login = Self {
            record: Record::new(&exchange, packet),
            signed: packet.has_message_authenticator(),
            eap_failure: packet.eap_message().map(|eap| {
                let identifier = eap.get(1).copied().unwrap_or_default();
                eap::packet::end(identifier, false)
            }),
            exchange,
        };
        let request = match Request::read(packet, &login.exchange.client.secret, &served.config) {
            Ok(request) => request,
            Err(answer) => {
                login.record.user = shown_user(packet);
                if login.eap_failure.is_some() {
                    let at = login.exchange.arrival.now;
                    let detail = "the request carries EAP, which [radius_server_eap] serves and this \
                                  section does not";
                    login
                        .record
                        .note(Stage::Client, at, Duration::ZERO, detail.to_owned());
                }
                return login.finish(answer);
            }
        };
        let context = match login.opened(packet, &request) {
            Ok(context) => context,
            Err(answer) => {
                login.record.of(request);
                return login.finish(answer);
            }
        };
        let (config, primary) = (Arc::clone(&served.config), served.primary_use);
        let flow = match context {
            None => Flow::new(config, request, primary),
            Some(context) => Flow::resume(config, request, primary, context.pending),
        };
        let mut flow = match flow {
            Ok(flow) => flow
                .with_reply_room(login.exchange.reply_to.challenge_room())
                .from_client(Some(login.exchange.arrival.source.ip())),
            Err(error) => {
                login.record.user = shown_user(packet);
                login.record.calling_station = calling_station(packet, &served.config);
                tracing::error!(
                    integration = %served.config.id,
                    error = &error as &dyn std::error::Error,
                    "no flow for this integration"
                );
                return login.finish(Answer::reject(Reason::Internal));
            }
        };
        let now = login.exchange.arrival.now;
        match perform::begin(&login.exchange.shared, &served, &mut flow, now) {
            // Most of what a login needs only while it waits is not made for one that does not.
            Action::Answer(answer) => {
                login.record.of(flow.into_request());
                login.finish(answer);
            }
            action => {
                let performer = Performer {
                    shared: Arc::clone(&login.exchange.shared),
                    user: flow.request().user.clone(),
                    calling_station: flow.request().calling_station.clone(),
                    pass_through: match &served.primary {
                        Some(primary) if primary.is_radius() => {
                            request_attributes::select(packet, &served.config.pass_through)
                        }
                        _ => Vec::new(),
                    },
                    served,
                };
                login.record.user = Some(performer.user.clone());
                login
                    .record
                    .calling_station
                    .clone_from(&performer.calling_station);
                login.spawn(performer, flow, action);
            }
        }
    }

    /// What the State holds that the client brought; none when it brought none.
    fn opened(
        &mut self,
        packet: &Packet<'_>,
        request: &Request,
    ) -> Result<Option<Context>, Answer> {
        let Some(octets) = packet.first(AttributeType::STATE) else {
            return Ok(None);
        };
        let now = clock::unix_now();
        let states = &self.exchange.shared.states;
        let opened = states.open(now, self.scope(&request.user), octets);
        let detail = match &opened {
            Ok(context) => {
                self.record.first = Some(context.first);
                format!("goes on with login {}", context.first)
            }
            Err(fault) => fault.to_string(),
        };
        let at = self.exchange.arrival.now;
        self.record.note(Stage::Client, at, Duration::ZERO, detail);
        opened
            .map(Some)
            .map_err(|fault| Answer::reject_with(Reason::UnknownState, fault.said()))
    }

    fn scope<'a>(&'a self, user: &'a str) -> Scope<'a> {
        let config = &self.exchange.client.served.config;
        let authenticator = config.authenticator.as_ref();
        Scope {
            integration: config.id.as_str(),
            authenticator: authenticator.map_or("", |id| id.as_str()),
            client: self.exchange.arrival.source.ip(),
            user,
            signed: self.signed,
        }
    }

    /// The State of a challenge; none for other answers. A challenge that cannot have one becomes a
    /// reject.
    fn sealed(&self, answer: &mut Answer) -> Option<Vec<u8>> {
        let context = Context {
            first: self.record.first.unwrap_or(self.record.id),
            pending: answer.pending.take()?,
        };
        let user = self.record.user.as_deref().unwrap_or_default();
        let states = &self.exchange.shared.states;
        match states.seal(clock::unix_now(), self.scope(user), &context) {
            Ok(state) => Some(state),
            Err(error) => {
                tracing::error!(
                    integration = %self.record.served().config.id,
                    error = &error as &dyn std::error::Error,
                    "no challenge can be sent; rejecting"
                );
                *answer = Answer::reject(Reason::Internal);
                None
            }
        }
    }

    fn spawn(mut self, performer: Performer, mut flow: Flow, action: Action) {
        let shared = Arc::clone(&self.exchange.shared);
        let guard = InFlight::begin(
            Arc::clone(&shared),
            Arc::clone(self.record.served()),
            Some(&self.exchange.client),
        );
        // Boxed, so that the task does not hold it twice: before and while it runs.
        let run = Box::pin(async move {
            let answer = performer.run(&mut flow, action, &mut self.record).await;
            self.finish(answer);
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

    fn finish(mut self, mut answer: Answer) {
        let client = Arc::clone(&self.exchange.client);
        let state = self.sealed(&mut answer);
        let (to, secret, served) = (&self.exchange.reply_to, &client.secret, &client.served);
        let (octets, answer) = match &self.eap_failure {
            // RFC 3579 section 2.6.3. Such a login is never anything but rejected.
            Some(packet) if answer.code == AnswerCode::Reject => {
                reply::encode_eap(answer, EapReply::end(packet), to, secret, served)
            }
            _ => reply::encode(answer, state.as_deref(), to, secret, served),
        };
        let now = self.exchange.answer(octets);
        let (name, outcome) = match answer.code {
            AnswerCode::Accept => ("Access-Accept", Outcome::Accept),
            AnswerCode::Reject => ("Access-Reject", Outcome::Reject),
            AnswerCode::Challenge => ("Access-Challenge", Outcome::Challenge),
        };
        let detail = written(format_args!("{name} ({})", answer.reason));
        self.record.note(Stage::Answer, now, Duration::ZERO, detail);
        self.record.tell(
            &self.exchange.shared,
            now,
            outcome,
            answer.reason,
            answer.factor,
            answer.reply_message,
        );
    }
}

impl Drop for Login {
    /// A login that ends without an answer (the node stopped, or a task died) is told as unanswered.
    fn drop(&mut self) {
        if self.exchange.is_answered() {
            return;
        }
        let shared = &self.exchange.shared;
        let reason = if shared.draining.load(Ordering::Relaxed) {
            Reason::Stopping
        } else {
            Reason::Internal
        };
        self.record.tell(
            shared,
            clock::now(),
            Outcome::Unanswered,
            reason,
            None,
            None,
        );
    }
}

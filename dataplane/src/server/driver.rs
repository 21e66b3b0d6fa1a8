//! Performs what a flow decides: asks the primary and the second factor, answers, and writes down
//! what happened.
//!
//! A login that needs nobody else runs to its end on the receive thread. One that waits becomes a
//! task of the main runtime, from its first wait on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use proto::event::{AuthEvent, Factor, Outcome, Reason, Stage, Step};
use proto::id::LoginId;

use super::dedup::Key;
use super::receive::{Arrival, Shared, send};
use super::reply;
use super::served::{ServedClient, Site};
use crate::clock::{self, micros};
use crate::duo::failure::Failure;
use crate::flow::request::{Request, shown_user};
use crate::flow::{Action, Answer, AnswerCode, Event, Flow, explain, texts};
use crate::primary::{PrimaryRequest, Verdict, reply_attributes, request_attributes};
use crate::radius::{AttributeType, Packet, ReplyTo};
use crate::state::{Context, Scope};

/// What the receive thread knows of a new login.
#[derive(Debug)]
pub(crate) struct LoginStart {
    pub(crate) id: LoginId,
    pub(crate) client: Arc<ServedClient>,
    pub(crate) key: Key,
    pub(crate) reply_to: ReplyTo,
    pub(crate) arrival: Arrival,
}

/// One login, from its request to its answer.
#[derive(Debug)]
pub(crate) struct Login {
    shared: Arc<Shared>,
    site: Arc<Site>,
    start: LoginStart,
    at_ms: u64,
    /// The login's first request, when this one answers a challenge.
    first: Option<LoginId>,
    user: Option<String>,
    calling_station: Option<String>,
    pass_through: Vec<u8>,
    timeline: Vec<Step>,
    /// Whether the request carried a Message-Authenticator, which was verified.
    signed: bool,
    /// Whether the answer was sent: a login dropped before that is told as unanswered.
    answered: bool,
}

impl Login {
    /// Starts a login and, where nothing has to be waited for, ends it.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        site: Arc<Site>,
        start: LoginStart,
        packet: &Packet<'_>,
    ) {
        let served = Arc::clone(&start.client.served);
        let mut login = Self {
            at_ms: clock::unix_ms(),
            first: None,
            user: None,
            calling_station: None,
            pass_through: Vec::new(),
            timeline: Vec::with_capacity(TYPICAL_STEPS),
            signed: packet.has_message_authenticator(),
            answered: false,
            shared,
            site,
            start,
        };
        login.note_packet(packet);
        let request = match Request::read(packet, &login.start.client.secret, &served.config) {
            Ok(request) => request,
            Err(answer) => {
                login.user = shown_user(packet);
                return login.finish(answer);
            }
        };
        login.user = Some(request.user.clone());
        login.calling_station.clone_from(&request.calling_station);
        if served
            .primary
            .as_ref()
            .is_some_and(|primary| primary.is_radius())
        {
            login.pass_through = request_attributes::select(packet, &served.config.pass_through);
        }
        let context = match login.opened(packet, &request) {
            Ok(context) => context,
            Err(answer) => return login.finish(answer),
        };
        let (config, primary) = (Arc::clone(&served.config), served.primary_use);
        let flow = match context {
            None => Flow::new(config, request, primary),
            Some(context) => Flow::resume(config, request, primary, context.pending),
        };
        let mut flow = match flow {
            Ok(flow) => flow.with_reply_room(login.start.reply_to.challenge_room()),
            Err(error) => {
                tracing::error!(
                    integration = %served.config.id,
                    error = &error as &dyn std::error::Error,
                    "no flow for this integration"
                );
                return login.finish(Answer::reject(Reason::Internal));
            }
        };
        match flow.step(login.start.arrival.now, Event::Begin) {
            Action::Answer(answer) => login.finish(answer),
            action => login.spawn(flow, action),
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
        let opened = self
            .shared
            .states
            .open(now, self.scope(&request.user), octets);
        let detail = match &opened {
            Ok(context) => {
                self.first = Some(context.first);
                format!("goes on with login {}", context.first)
            }
            Err(fault) => fault.to_string(),
        };
        self.note(Stage::Client, Duration::ZERO, Duration::ZERO, detail);
        opened
            .map(Some)
            .map_err(|fault| Answer::reject_with(Reason::UnknownState, fault.said()))
    }

    fn scope<'a>(&'a self, user: &'a str) -> Scope<'a> {
        let config = &self.start.client.served.config;
        let authenticator = config.authenticator.as_ref();
        Scope {
            integration: config.id.as_str(),
            authenticator: authenticator.map_or("", |id| id.as_str()),
            client: self.start.arrival.source.ip(),
            user,
            signed: self.signed,
        }
    }

    /// The State of a challenge; none for other answers. A challenge that cannot have one becomes a
    /// reject.
    fn sealed(&self, answer: &mut Answer) -> Option<Vec<u8>> {
        let context = Context {
            first: self.first.unwrap_or(self.start.id),
            pending: answer.pending.take()?,
        };
        let user = self.user.as_deref().unwrap_or_default();
        match self
            .shared
            .states
            .seal(clock::unix_now(), self.scope(user), &context)
        {
            Ok(state) => Some(state),
            Err(error) => {
                tracing::error!(
                    integration = %self.start.client.served.config.id,
                    error = &error as &dyn std::error::Error,
                    "no challenge can be sent; rejecting"
                );
                *answer = Answer::reject(Reason::Internal);
                None
            }
        }
    }

    fn note_packet(&mut self, packet: &Packet<'_>) {
        let signed = if self.signed {
            "Message-Authenticator verified"
        } else {
            "no Message-Authenticator"
        };
        let arrival = self.start.arrival;
        let detail = format!(
            "{} id {} from {}, {} octets, {signed}",
            packet.code(),
            packet.identifier(),
            arrival.source,
            packet.octets().len(),
        );
        self.note(Stage::Packet, Duration::ZERO, Duration::ZERO, detail);
        let client = &self.start.client;
        let detail = format!("client {} of {}", client.name, client.served.config.id);
        self.note(Stage::Client, Duration::ZERO, Duration::ZERO, detail);
    }

    fn note(&mut self, stage: Stage, at: Duration, elapsed: Duration, detail: String) {
        if self.start.client.served.debug {
            let elapsed_ms = elapsed.as_millis();
            tracing::info!(login = %self.start.id, %stage, elapsed_ms, detail, "step");
        }
        if self.timeline.len() < MAX_STEPS {
            let (at_us, elapsed_us) = (micros(at), micros(elapsed));
            self.timeline.push(Step {
                stage,
                at_us,
                elapsed_us,
                detail,
            });
        }
    }

    fn spawn(self, flow: Flow, action: Action) {
        let shared = Arc::clone(&self.shared);
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        self.start.client.served.series.in_flight.inc();
        let guard = InFlight {
            shared: Arc::clone(&shared),
            client: Arc::clone(&self.start.client),
        };
        // Boxed, so that the task does not hold it twice: before and while it runs.
        let run = Box::pin(self.run(flow, action));
        shared.logins.spawn_on(
            async move {
                tokio::select! {
                    () = run => {}
                    () = guard.shared.abandoned.cancelled() => {}
                }
                drop(guard);
            },
            &shared.runtime,
        );
    }

    async fn run(mut self, mut flow: Flow, mut action: Action) {
        loop {
            let stage = explain::stage(&action);
            let began = clock::now();
            let event = match action {
                Action::Answer(answer) => return self.finish(answer),
                action => self.perform(action).await,
            };
            let now = clock::now();
            let elapsed = now.saturating_duration_since(began);
            if let Some(stage) = stage {
                if let Some(histogram) = self.start.client.served.series.stage_time(stage) {
                    histogram.observe(elapsed.as_secs_f64());
                }
                let at = began.saturating_duration_since(self.start.arrival.now);
                self.note(stage, at, elapsed, explain::detail(&event));
            }
            action = flow.step(now, event);
        }
    }

    /// Performs one action. Each kind of call has its own short-lived allocation, so that a login
    /// that waits for a person holds no room for the calls it is not making.
    async fn perform(&self, action: Action) -> Event {
        let served = &self.start.client.served;
        let duo = &served.duo;
        match action {
            Action::Primary {
                credential,
                answers,
                deadline,
            } => {
                let Some(primary) = &served.primary else {
                    return Event::TimedOut;
                };
                let request = PrimaryRequest {
                    user: self.user.clone().unwrap_or_default(),
                    credential,
                    calling_station: self.calling_station.clone(),
                    pass_through: self.pass_through.clone(),
                    answers,
                };
                let check = Box::pin(async move { primary.check(&request, deadline).await });
                let mut result = within(deadline, check).await;
                // What never goes to the client takes no room in a State.
                if let Some(Ok(Verdict::Accepted(acceptance))) = &mut result {
                    let rules: Vec<_> = served.reply_rules().collect();
                    let attributes = &mut acceptance.attributes;
                    attributes.retain(|one| reply_attributes::passes(one, &rules));
                }
                result.map_or(Event::TimedOut, Event::Primary)
            }
            Action::Preauth { request, deadline } => {
                let call = Box::pin(async move { duo.preauth(&request, deadline).await });
                let result = within(deadline, call).await;
                self.count("preauth", result.as_ref());
                result.map_or(Event::TimedOut, Event::Preauth)
            }
            Action::Auth { request, deadline } => {
                let call = Box::pin(async move { duo.auth(&request, deadline).await });
                let result = within(deadline, call).await;
                self.count("auth", result.as_ref());
                result.map_or(Event::TimedOut, Event::Auth)
            }
            Action::Poll {
                txid,
                not_before,
                deadline,
            } => {
                if let Some(moment) = not_before {
                    tokio::time::sleep_until(moment.into()).await;
                }
                let call = Box::pin(async move { duo.auth_status(&txid, deadline).await });
                let result = within(deadline, call).await;
                self.count("auth_status", result.as_ref());
                result.map_or(Event::TimedOut, Event::Poll)
            }
            // `run` answers by itself.
            Action::Answer(_) => Event::TimedOut,
        }
    }

    fn count<T>(&self, endpoint: &str, result: Option<&Result<T, Failure>>) {
        let result = match result {
            Some(Ok(_)) => "ok",
            Some(Err(failure)) => failure.kind.as_str(),
            None => "timed_out",
        };
        self.shared
            .metrics
            .duo_requests
            .with_label_values(&[endpoint, result])
            .inc();
    }

    fn finish(mut self, mut answer: Answer) {
        let client = Arc::clone(&self.start.client);
        let state = self.sealed(&mut answer);
        let (octets, answer) = reply::encode(
            answer,
            state.as_deref(),
            &self.start.reply_to,
            &client.secret,
            &client.served,
        );
        let octets: Arc<[u8]> = octets.into();
        let now = clock::now();
        // Kept before it is sent: a repeat that crosses the answer is not to find the login running.
        self.shared
            .duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finish(
                now,
                &self.start.key,
                self.start.reply_to.authenticator(),
                Arc::clone(&octets),
            );
        send(&self.site, &octets, self.start.arrival);
        self.answered = true;
        let outcome = match answer.code {
            AnswerCode::Accept => Outcome::Accept,
            AnswerCode::Reject => Outcome::Reject,
            AnswerCode::Challenge => Outcome::Challenge,
        };
        let at = now.saturating_duration_since(self.start.arrival.now);
        let detail = format!("{} ({})", packet_name(answer.code), answer.reason);
        self.note(Stage::Answer, at, Duration::ZERO, detail);
        self.tell(
            now,
            outcome,
            answer.reason,
            answer.factor,
            match answer.reason {
                // The link that the user reads lets its reader enrol as the user.
                Reason::NotEnrolled => {
                    answer.reply_message.map(|text| match text.contains("://") {
                        true => texts::NO_LINK.to_owned(),
                        false => text,
                    })
                }
                _ => answer.reply_message,
            },
        );
    }

    fn tell(
        &mut self,
        now: Instant,
        outcome: Outcome,
        reason: Reason,
        factor: Option<Factor>,
        reply_message: Option<String>,
    ) {
        let served = &self.start.client.served;
        let metrics = &self.shared.metrics;
        let integration = served.config.id.as_str();
        let factor_label = factor.map_or("none", Factor::as_str);
        metrics
            .logins
            .with_label_values(&[integration, outcome.as_str(), factor_label])
            .inc();
        metrics
            .login_reasons
            .with_label_values(&[integration, reason.as_str()])
            .inc();
        let elapsed = now.saturating_duration_since(self.start.arrival.now);
        served.series.total_time.observe(elapsed.as_secs_f64());
        if matches!(
            reason,
            Reason::FailModeSafe | Reason::SecondFactorUnavailable
        ) {
            metrics
                .fail_mode
                .with_label_values(&[integration, served.config.fail_mode.as_str()])
                .inc();
        }
        self.shared.reports.send(AuthEvent {
            id: self.start.id,
            first: self.first,
            at_ms: self.at_ms,
            node: self.shared.node.clone(),
            revision: served.revision,
            integration: served.config.id.clone(),
            ikey: served.config.application.ikey.clone(),
            authenticator: served.config.authenticator.clone(),
            client: self.start.arrival.source,
            user: self.user.as_deref().map(AuthEvent::shown_user),
            calling_station: self.calling_station.take(),
            outcome,
            reason,
            factor,
            reply_message,
            elapsed_us: micros(elapsed),
            timeline: std::mem::take(&mut self.timeline),
        });
    }
}

impl Drop for Login {
    /// A login that ends without an answer (the node stopped, or a task died) leaves the duplicate
    /// cache, so that its repeat is served anew, and is told as unanswered.
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        self.shared
            .duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abandon(&self.start.key, self.start.reply_to.authenticator());
        let reason = if self.shared.draining.load(Ordering::Relaxed) {
            Reason::Stopping
        } else {
            Reason::Internal
        };
        self.tell(clock::now(), Outcome::Unanswered, reason, None, None);
    }
}

/// Counts a login that waits, until it ends in whatever way.
struct InFlight {
    shared: Arc<Shared>,
    client: Arc<ServedClient>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.client.served.series.in_flight.dec();
    }
}

/// The result, or none when the deadline passed. Callees keep to the deadline themselves, since
/// they know best what was under way: this is the bound that holds if one does not.
async fn within<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at((deadline + GRACE).into(), future)
        .await
        .ok()
}

const fn packet_name(code: AnswerCode) -> &'static str {
    match code {
        AnswerCode::Accept => "Access-Accept",
        AnswerCode::Reject => "Access-Reject",
        AnswerCode::Challenge => "Access-Challenge",
    }
}

/// What the steps of an ordinary login need.
const TYPICAL_STEPS: usize = 8;
/// The most steps a timeline holds: a login that is polled on and on keeps its first ones.
const MAX_STEPS: usize = 64;
/// How much longer than its deadline a call may take before it is given up from outside.
const GRACE: Duration = Duration::from_millis(250);

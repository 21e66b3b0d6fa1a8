//! A login, or a second factor alone, that the control plane asks for: decided by the flow that decides
//! on the requests of devices, without a packet. Who is in a tunnel elsewhere types outside of one here.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::command::{AnswerAttribute, AskFactor, FactorVerdict, TestLogin, TestedLogin};
use proto::config::{FailMode, Integration, Mode};
use proto::event::{AuthEvent, Outcome, Reason, Stage};

use super::perform::{InFlight, Performer};
use super::receive::Shared;
use super::record::Record;
use super::room::Waiting;
use super::served::Served;
use crate::clock;
use crate::flow::request::Request;
use crate::flow::{Action, Answer, AnswerCode, Flow, PrimaryUse};
use crate::primary::{UpstreamAttribute, UpstreamValue, reply_attributes};
use crate::state::{Context, Scope};

/// Logs a user in through an integration. Dropped, the login is told as unanswered.
pub(crate) async fn login(
    shared: &Arc<Shared>,
    served: &Arc<Served>,
    asked: TestLogin,
) -> TestedLogin {
    let mut test = Test {
        shared: Arc::clone(shared),
        record: Record::of_test(shared, served, asked.client),
        told: false,
    };
    test.note(Stage::Packet, format!("no packet: a test by {}", asked.by));
    let answer = test.decide(served, asked).await;
    test.end(served, answer)
}

/// Whether somebody's second factor says yes, with no password before it. Nobody is let through
/// because the service is away, asks nothing of the user, or because the user is exempt here.
pub(crate) async fn factor(
    shared: &Arc<Shared>,
    served: &Arc<Served>,
    asked: AskFactor,
) -> (FactorVerdict, Reason, Option<String>) {
    let mut config = Integration::clone(&served.config);
    config.mode = Mode::DuoOnly;
    config.fail_mode = FailMode::Secure;
    let mut record = Record::of_test(shared, served, None);
    let request = Request::tested(asked.user, asked.typed, None);
    let flow = request.and_then(|request| {
        let performer = performer(shared, served, &request);
        flow(Arc::new(config), request, PrimaryUse::None, None).map(|flow| (performer, flow))
    });
    let answer = match flow {
        Ok((performer, flow)) => run(shared, performer, flow, &mut record).await,
        Err(answer) => answer,
    };
    let verdict = match (answer.code, answer.reason) {
        (AnswerCode::Accept, Reason::Approved) => FactorVerdict::Allowed,
        (
            _,
            Reason::SecondFactorUnavailable
            | Reason::SecondFactorError
            | Reason::SecondFactorUnreadable
            | Reason::Overloaded
            | Reason::Internal,
        ) => FactorVerdict::Unavailable,
        _ => FactorVerdict::Denied,
    };
    // The link of an invitation to enrol is for the user alone.
    let message = answer
        .reply_message
        .filter(|_| answer.reason != Reason::NotEnrolled);
    (verdict, answer.reason, message)
}

/// A login that is under way.
struct Test {
    shared: Arc<Shared>,
    record: Record,
    told: bool,
}

impl Test {
    fn note(&mut self, stage: Stage, detail: String) {
        self.record
            .note(stage, clock::now(), Duration::ZERO, detail);
    }

    async fn decide(&mut self, served: &Arc<Served>, asked: TestLogin) -> Answer {
        self.record.user = Some(AuthEvent::shown_user(&asked.user));
        self.record
            .calling_station
            .clone_from(&asked.calling_station);
        let request = match Request::tested(asked.user, asked.typed, asked.calling_station) {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        self.record.user = Some(request.user.clone());
        let context = match self.opened(served, &request.user, asked.state.as_deref()) {
            Ok(context) => context,
            Err(answer) => return answer,
        };
        let performer = performer(&self.shared, served, &request);
        let config = Arc::clone(&served.config);
        match flow(config, request, served.primary_use, context) {
            Ok(flow) => run(&self.shared, performer, flow, &mut self.record).await,
            Err(answer) => answer,
        }
    }

    /// What the State holds that came back; none when the login begins.
    fn opened(
        &mut self,
        served: &Served,
        user: &str,
        state: Option<&str>,
    ) -> Result<Option<Context>, Answer> {
        let Some(state) = state else {
            return Ok(None);
        };
        // What is no base64 is no State of ours either, and is told like one.
        let octets = STANDARD.decode(state).unwrap_or_default();
        let states = &self.shared.states;
        let opened = states.open(clock::unix_now(), scope(served, user), &octets);
        let detail = match &opened {
            Ok(context) => {
                self.record.first = Some(context.first);
                format!("goes on with login {}", context.first)
            }
            Err(fault) => fault.to_string(),
        };
        self.note(Stage::Client, detail);
        opened
            .map(Some)
            .map_err(|fault| Answer::reject_with(Reason::UnknownState, fault.said()))
    }

    fn end(&mut self, served: &Served, mut answer: Answer) -> TestedLogin {
        let state = self.sealed(served, &mut answer);
        let (name, outcome) = match answer.code {
            AnswerCode::Accept => ("Access-Accept", Outcome::Accept),
            AnswerCode::Reject => ("Access-Reject", Outcome::Reject),
            AnswerCode::Challenge => ("Access-Challenge", Outcome::Challenge),
        };
        let detail = format!("would be {name} ({})", answer.reason);
        self.note(Stage::Answer, detail);
        let attributes = shown(&answer, served);
        let event = self.tell(outcome, answer);
        TestedLogin {
            event,
            attributes,
            state,
        }
    }

    fn tell(&mut self, outcome: Outcome, answer: Answer) -> AuthEvent {
        self.told = true;
        let Answer {
            reason,
            factor,
            reply_message,
            ..
        } = answer;
        let now = clock::now();
        let record = &mut self.record;
        let event = record.event(&self.shared, now, outcome, reason, factor, reply_message);
        self.shared.reports.send(event.clone());
        event
    }

    fn sealed(&self, served: &Served, answer: &mut Answer) -> Option<String> {
        let context = Context {
            first: self.record.first.unwrap_or(self.record.id),
            pending: answer.pending.take()?,
        };
        let user = self.record.user.as_deref().unwrap_or_default();
        let states = &self.shared.states;
        match states.seal(clock::unix_now(), scope(served, user), &context) {
            Ok(state) => Some(STANDARD.encode(state)),
            Err(error) => {
                tracing::error!(
                    integration = %served.config.id,
                    error = &error as &dyn std::error::Error,
                    "no question can be asked in a test; rejecting"
                );
                *answer = Answer::reject(Reason::Internal);
                None
            }
        }
    }
}

impl Drop for Test {
    /// Nobody waits for it any more, or it took too long.
    fn drop(&mut self) {
        if !self.told {
            self.note(Stage::Answer, "the test was broken off".to_owned());
            let answer = Answer::reject(Reason::TimedOut);
            drop(self.tell(Outcome::Unanswered, answer));
        }
    }
}

/// Of no device: a State of a test is good in tests alone, and one of a device is not.
fn scope<'a>(served: &'a Served, user: &'a str) -> Scope<'a> {
    let authenticator = served.config.authenticator.as_ref();
    Scope {
        integration: served.config.id.as_str(),
        authenticator: authenticator.map_or("", |id| id.as_str()),
        client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        user,
        signed: true,
    }
}

fn performer(shared: &Arc<Shared>, served: &Arc<Served>, request: &Request) -> Performer {
    Performer {
        shared: Arc::clone(shared),
        served: Arc::clone(served),
        user: request.user.clone(),
        calling_station: request.calling_station.clone(),
        pass_through: Vec::new(),
    }
}

fn flow(
    config: Arc<Integration>,
    request: Request,
    primary: PrimaryUse,
    context: Option<Context>,
) -> Result<Flow, Answer> {
    let (mode, id) = (config.mode, config.id.clone());
    let flow = match context {
        None => Flow::new(config, request, primary),
        Some(context) => Flow::resume(config, request, primary, context.pending),
    };
    match flow {
        // Within a tunnel a question has its own bound.
        Ok(flow) if mode == Mode::Eap => Ok(flow),
        Ok(flow) => Ok(flow.with_reply_room(REPLY_ROOM)),
        Err(error) => {
            tracing::error!(
                integration = %id,
                error = &error as &dyn std::error::Error,
                "no flow for this integration"
            );
            Err(Answer::reject(Reason::Internal))
        }
    }
}

async fn run(
    shared: &Arc<Shared>,
    performer: Performer,
    mut flow: Flow,
    record: &mut Record,
) -> Answer {
    let all = shared.in_flight.load(Ordering::Relaxed);
    if shared.room.check(all, &Waiting::default()).is_err() {
        return Answer::reject(Reason::Overloaded);
    }
    let _guard = InFlight::begin(Arc::clone(shared), Arc::clone(&performer.served), None);
    match performer.begin(&mut flow, clock::now()) {
        Action::Answer(answer) => answer,
        action => performer.run(&mut flow, action, record).await,
    }
}

/// What of an answer a device would get besides the text, secrets without their values.
fn shown(answer: &Answer, served: &Served) -> Vec<AnswerAttribute> {
    let rules: Vec<_> = match answer.code {
        AnswerCode::Reject => Vec::new(),
        AnswerCode::Accept | AnswerCode::Challenge => served.reply_rules().collect(),
    };
    let passing = answer
        .attributes
        .iter()
        .filter(|one| reply_attributes::passes(one, &rules) && !one.is_text());
    passing
        .map(|one: &UpstreamAttribute| AnswerAttribute {
            vendor: one.vendor,
            number: one.number,
            value: match &one.value {
                UpstreamValue::Plain(octets) => Some(STANDARD.encode(octets)),
                UpstreamValue::Salted { .. } | UpstreamValue::Hidden(_) => None,
            },
        })
        .collect()
}

/// What an answer to a request without Proxy-State has for prompts: a packet less its header, a
/// Message-Authenticator and a State of full length.
const REPLY_ROOM: usize = 4_096 - 20 - 18 - 255;

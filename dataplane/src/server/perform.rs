//! Performs what a flow decides: asks the primary and the second factor, until there is an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proto::event::{Reason, Stage};
use proto::rpc::PrimaryOnlyGrant;

use super::receive::Shared;
use super::record::Record;
use super::room::Waits;
use super::served::{Served, ServedClient};
use crate::clock;
use crate::duo::failure::Failure;
use crate::flow::{Action, Answer, Event, Flow, explain};
use crate::primary::{HostAsked, PrimaryRequest, Verdict, reply_attributes};

/// Whom a flow's actions reach, and with what.
#[derive(Debug)]
pub(super) struct Performer {
    pub(super) shared: Arc<Shared>,
    pub(super) served: Arc<Served>,
    /// Whose password is checked.
    pub(super) user: String,
    pub(super) calling_station: Option<String>,
    /// Framed attributes of the request that go on to a RADIUS primary.
    pub(super) pass_through: Vec<u8>,
}

/// Takes a flow's first step, which may wait for nobody.
pub(super) fn begin(shared: &Shared, served: &Served, flow: &mut Flow, now: Instant) -> Action {
    flow.set_primary_only(grant(shared, served).is_some());
    flow.step(now, Event::Begin)
}

fn grant(shared: &Shared, served: &Served) -> Option<Arc<PrimaryOnlyGrant>> {
    shared.primary_only.of(clock::moment(), &served.config.id)
}

impl Performer {
    /// Goes on from an action to the answer, noting each step.
    pub(super) async fn run(
        &self,
        flow: &mut Flow,
        mut action: Action,
        record: &mut Record,
    ) -> Answer {
        loop {
            let stage = explain::stage(&action);
            let ask = explain::ask(&action);
            let began = clock::now();
            let mut asked = Vec::new();
            let event = match action {
                Action::Answer(answer) => return answer,
                action => self.perform(action, &mut asked).await,
            };
            let now = clock::now();
            let elapsed = now.saturating_duration_since(began);
            if let Some(stage) = stage {
                if let Some(histogram) = self.served.series.stage_time(stage) {
                    histogram.observe(elapsed.as_secs_f64());
                }
                if let Some(ask) = ask {
                    asked.push(HostAsked {
                        ask,
                        host: second_factor(&self.served),
                        began,
                        elapsed,
                        result: explain::result(&event),
                    });
                }
                record.note_asked(stage, began, elapsed, explain::detail(&event), asked);
            }
            // Looked at anew for each step: what has been revoked meanwhile lets nobody pass.
            let grant = self.grant();
            flow.set_primary_only(grant.is_some());
            action = flow.step(now, event);
            if let Action::Answer(answer) = &action
                && answer.reason == Reason::PrimaryOnly
                && let Some(grant) = &grant
            {
                let detail = explain::primary_only(grant);
                record.note(Stage::Preauth, now, Duration::ZERO, detail);
            }
        }
    }

    /// The grant that is in force for the login's integration.
    fn grant(&self) -> Option<Arc<PrimaryOnlyGrant>> {
        grant(&self.shared, &self.served)
    }

    /// Takes the first step, which may wait for nobody.
    pub(super) fn begin(&self, flow: &mut Flow, now: Instant) -> Action {
        begin(&self.shared, &self.served, flow, now)
    }

    /// Performs one action. Each kind of call has its own short-lived allocation, so that a login
    /// that waits for a person holds no room for the calls it is not making.
    async fn perform(&self, action: Action, asked: &mut Vec<HostAsked>) -> Event {
        let served = &self.served;
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
                    user: self.user.clone(),
                    credential,
                    calling_station: self.calling_station.clone(),
                    pass_through: self.pass_through.clone(),
                    answers,
                };
                let check = Box::pin(async move { primary.check(&request, deadline, asked).await });
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
}

/// Whom the second factor's calls go to, as events name it.
fn second_factor(served: &Served) -> String {
    let application = &served.config.application;
    format!("{}:{}", application.host, application.port)
}

/// Counts a login that waits, until it ends in whatever way.
#[derive(Debug)]
pub(super) struct InFlight {
    shared: Arc<Shared>,
    served: Arc<Served>,
    /// Nothing for a login that no client asked for.
    _of_client: Option<Waits>,
}

impl InFlight {
    pub(super) fn begin(
        shared: Arc<Shared>,
        served: Arc<Served>,
        client: Option<&ServedClient>,
    ) -> Self {
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        served.series.in_flight.inc();
        Self {
            shared,
            served,
            _of_client: client.map(|one| Arc::clone(&one.waiting).one()),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.served.series.in_flight.dec();
    }
}

/// The result, or none when the deadline passed. Callees keep to the deadline themselves, since
/// they know best what was under way: this is the bound that holds if one does not.
async fn within<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at((deadline + GRACE).into(), future)
        .await
        .ok()
}

/// How much longer than its deadline a call may take before it is given up from outside.
const GRACE: Duration = Duration::from_millis(250);

//! What happened in a login, step by step, until it is told as one event.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::FailMode;
use proto::event::{
    AuthEvent, CALLS_PER_STEP, Call, Factor, Outcome, Reason, Stage, Step, USER_CHARACTERS,
};
use proto::id::LoginId;

use super::exchange::Exchange;
use super::receive::Shared;
use super::served::{NO_FACTOR, Served};
use crate::clock::{self, micros};
use crate::flow::request::Request;
use crate::flow::texts;
use crate::primary::HostAsked;
use crate::radius::Packet;

/// A login's record. Says nothing by itself: [`Record::tell`] does.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: LoginId,
    /// The login's first request, when this one answers a challenge.
    pub(super) first: Option<LoginId>,
    pub(super) user: Option<String>,
    pub(super) calling_station: Option<String>,
    at_ms: u64,
    began: Instant,
    client: SocketAddr,
    signed: Option<bool>,
    test: bool,
    served: Arc<Served>,
    timeline: Vec<Step>,
}

impl Record {
    /// Of a login that no device asked for.
    pub(super) fn of_test(shared: &Shared, served: &Arc<Served>, client: Option<IpAddr>) -> Self {
        Self {
            id: shared.next_login(),
            first: None,
            user: None,
            calling_station: None,
            at_ms: clock::unix_ms(),
            began: clock::now(),
            client: SocketAddr::new(client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0),
            signed: None,
            test: true,
            served: Arc::clone(served),
            timeline: Vec::with_capacity(TYPICAL_STEPS),
        }
    }

    /// Begins with the request itself.
    pub(super) fn new(exchange: &Exchange, packet: &Packet<'_>) -> Self {
        let client = &exchange.client;
        let mut record = Self {
            id: exchange.shared.next_login(),
            first: None,
            user: None,
            calling_station: None,
            at_ms: clock::unix_ms(),
            began: exchange.arrival.now,
            client: exchange.arrival.source,
            signed: Some(packet.has_message_authenticator()),
            test: false,
            served: Arc::clone(&client.served),
            timeline: Vec::with_capacity(TYPICAL_STEPS),
        };
        let signed = if packet.has_message_authenticator() {
            "Message-Authenticator verified"
        } else {
            "no Message-Authenticator"
        };
        let detail = written(format_args!(
            "{} id {} from {}, {} octets, {signed}",
            packet.code(),
            packet.identifier(),
            exchange.arrival.source,
            packet.octets().len(),
        ));
        record.note(Stage::Packet, record.began, Duration::ZERO, detail);
        let id = &record.served.config.id;
        let detail = written(format_args!("client {} of {id}", client.name));
        record.note(Stage::Client, record.began, Duration::ZERO, detail);
        record
    }

    /// Notes whose login it is.
    pub(super) fn of(&mut self, request: Request) {
        self.user = Some(request.user);
        self.calling_station = request.calling_station;
    }

    /// The configuration that the login runs under, from its first request to its end.
    pub(super) const fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// Notes a step that asked nobody, and when it began.
    pub(super) fn note(&mut self, stage: Stage, at: Instant, elapsed: Duration, detail: String) {
        self.note_asked(stage, at, elapsed, detail, Vec::new());
    }

    /// Notes a step, when it began, and who was asked in it.
    pub(super) fn note_asked(
        &mut self,
        stage: Stage,
        at: Instant,
        elapsed: Duration,
        detail: String,
        asked: Vec<HostAsked>,
    ) {
        if self.served.debug {
            let elapsed_ms = elapsed.as_millis();
            tracing::info!(login = %self.id, %stage, elapsed_ms, detail, "step");
        }
        if self.timeline.len() < MAX_STEPS {
            let began = self.began;
            let after = |at: Instant| micros(at.saturating_duration_since(began));
            let asked = asked.into_iter().take(CALLS_PER_STEP);
            let calls = asked.map(|one| Call {
                ask: one.ask,
                host: one.host,
                at_us: after(one.began),
                elapsed_us: micros(one.elapsed),
                result: one.result.to_owned(),
            });
            self.timeline.push(Step {
                stage,
                at_us: after(at),
                elapsed_us: micros(elapsed),
                detail,
                calls: calls.collect(),
            });
        }
    }

    /// A record that steps are noted in while this one is kept elsewhere, for [`Record::take_in`].
    pub(super) fn aside(&self) -> Self {
        Self {
            id: self.id,
            first: self.first,
            user: None,
            calling_station: None,
            at_ms: self.at_ms,
            began: self.began,
            client: self.client,
            signed: self.signed,
            test: self.test,
            served: Arc::clone(&self.served),
            timeline: Vec::with_capacity(TYPICAL_STEPS),
        }
    }

    /// Takes in the steps of a record that was [`Record::aside`].
    pub(super) fn take_in(&mut self, aside: Self) {
        let room = MAX_STEPS.saturating_sub(self.timeline.len());
        self.timeline.extend(aside.timeline.into_iter().take(room));
    }

    /// Counts how it ended, in the metrics.
    pub(super) fn count(
        &self,
        shared: &Shared,
        now: Instant,
        outcome: Outcome,
        reason: Reason,
        factor: Option<Factor>,
    ) {
        let served = &self.served;
        let metrics = &shared.metrics;
        let integration = served.config.id.as_str();
        let factor_label = factor.map_or(NO_FACTOR, Factor::as_str);
        metrics
            .logins
            .with_label_values(&[integration, outcome.as_str(), factor_label])
            .inc();
        metrics
            .login_reasons
            .with_label_values(&[integration, reason.as_str()])
            .inc();
        let elapsed = now.saturating_duration_since(self.began);
        served.series.took(elapsed);
        // What became of the login counts, and not what the section says: `failmode=safe` lets nobody
        // pass once a push may be out.
        let without = match reason {
            Reason::FailModeSafe => Some(FailMode::Safe),
            Reason::SecondFactorUnavailable => Some(FailMode::Secure),
            _ => None,
        };
        if let Some(mode) = without {
            metrics
                .fail_mode
                .with_label_values(&[integration, mode.as_str()])
                .inc();
        }
    }

    /// Tells how it ended: in the metrics, and as an event.
    pub(super) fn tell(
        &mut self,
        shared: &Shared,
        now: Instant,
        outcome: Outcome,
        reason: Reason,
        factor: Option<Factor>,
        reply_message: Option<String>,
    ) {
        self.count(shared, now, outcome, reason, factor);
        let event = self.event(shared, now, outcome, reason, factor, reply_message);
        shared.reports.send(event);
    }

    /// How it ended, as an event. The timeline is in this one and in no other.
    pub(super) fn event(
        &mut self,
        shared: &Shared,
        now: Instant,
        outcome: Outcome,
        reason: Reason,
        factor: Option<Factor>,
        reply_message: Option<String>,
    ) -> AuthEvent {
        let served = &self.served;
        let elapsed = now.saturating_duration_since(self.began);
        AuthEvent {
            id: self.id,
            first: self.first,
            at_ms: self.at_ms,
            node: shared.node.clone(),
            revision: served.revision,
            integration: served.config.id.clone(),
            ikey: served.config.application.ikey.clone(),
            authenticator: served.config.authenticator.clone(),
            client: self.client,
            signed: self.signed,
            test: self.test,
            user: self.user.take().map(shown),
            calling_station: self.calling_station.take(),
            outcome,
            reason,
            factor,
            reply_message: match reason {
                // The link that the user reads lets its reader enrol as the user.
                Reason::NotEnrolled => reply_message.map(|text| match text.contains("://") {
                    true => texts::NO_LINK.to_owned(),
                    false => text,
                }),
                _ => reply_message,
            },
            elapsed_us: micros(elapsed),
            timeline: std::mem::take(&mut self.timeline),
        }
    }
}

/// A detail, in room enough for an ordinary one: growing is another allocation.
pub(super) fn written(detail: fmt::Arguments<'_>) -> String {
    let mut text = String::with_capacity(TYPICAL_OCTETS);
    // A text takes whatever is written to it.
    let _ = text.write_fmt(detail);
    text
}

/// As [`AuthEvent::shown_user`], without a copy of what need not be cut.
fn shown(user: String) -> String {
    match user.char_indices().nth(USER_CHARACTERS) {
        None => user,
        Some(_) => AuthEvent::shown_user(&user),
    }
}

/// What the detail of an ordinary step needs.
const TYPICAL_OCTETS: usize = 112;
/// What the steps of an ordinary login need.
const TYPICAL_STEPS: usize = 8;
/// The most steps a timeline holds: a login that is polled on and on keeps its first ones.
const MAX_STEPS: usize = 64;

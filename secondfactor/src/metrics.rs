//! Every metric of the service, made of its table ([`proto::metric::secondfactor`]).

use std::net::SocketAddr;

use prometheus::{IntCounter, IntCounterVec, IntGauge};
use proto::metric::process::CERTIFICATE_EXPIRY;
use proto::metric::secondfactor as table;
use series::{Maker, Series};

use crate::admin::Channel;
use crate::admin::{IncidentKind, SyncOutcome};
use crate::outbound::Outcome;
use crate::verdict::Verdict;

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Ping,
    Check,
    Logo,
    Enroll,
    EnrollStatus,
    Preauth,
    Auth,
    AuthStatus,
    Page,
    Voice,
    Unknown,
}

impl Endpoint {
    const ALL: [Self; 11] = [
        Self::Ping,
        Self::Check,
        Self::Logo,
        Self::Enroll,
        Self::EnrollStatus,
        Self::Preauth,
        Self::Auth,
        Self::AuthStatus,
        Self::Page,
        Self::Voice,
        Self::Unknown,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Check => "check",
            Self::Logo => "logo",
            Self::Enroll => "enroll",
            Self::EnrollStatus => "enroll_status",
            Self::Preauth => "preauth",
            Self::Auth => "auth",
            Self::AuthStatus => "auth_status",
            Self::Page => "page",
            Self::Voice => "voice",
            Self::Unknown => "unknown",
        }
    }
}

/// What a person used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factor {
    Push,
    Phone,
    Passcode,
    Sms,
}

impl Factor {
    /// Its name in requests, logs and labels.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Phone => "phone",
            Self::Passcode => "passcode",
            Self::Sms => "sms",
        }
    }
}

/// Why a passcode was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasscodeBound {
    /// Its user had too many of them lately.
    User,
    /// Too many wait, or too many users had one lately.
    Service,
}

impl PasscodeBound {
    const fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

const PASSCODE_BOUNDS: [PasscodeBound; 2] = [PasscodeBound::User, PasscodeBound::Service];

/// Counters and gauges, resolved once.
pub(crate) struct Metrics {
    series: Series,
    requests: Vec<(Endpoint, [IntCounter; RESULTS.len()])>,
    authentications: IntCounterVec,
    messages: IntCounterVec,
    pub(crate) pushes_waiting: IntGauge,
    pub(crate) pushes_refused: IntCounter,
    pub(crate) numbered_pushes: IntCounter,
    pub(crate) remembered_logins: IntCounter,
    pub(crate) exempt_logins: IntCounter,
    incidents: IntCounterVec,
    pub(crate) notes_dropped: IntCounter,
    pub(crate) lockouts: IntCounter,
    /// Passcodes that were not looked at.
    passcodes_refused: [IntCounter; PASSCODE_BOUNDS.len()],
    pub(crate) guesses_refused: IntCounter,
    syncs: IntCounterVec,
    /// When users were brought in line with the list for which that is longest ago.
    pub(crate) oldest_sync: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) connections_refused: IntCounter,
    pub(crate) handshakes_failed: IntCounter,
    pub(crate) cached_users: IntGauge,
    /// When the certificate served is at its end.
    pub(crate) certificate_expiry: IntGauge,
}

impl Metrics {
    /// Makes them, for a service that calls itself by this address.
    ///
    /// # Errors
    /// When they are not those of the table, which the tests rule out.
    pub(crate) fn new(address: SocketAddr) -> Result<Self, prometheus::Error> {
        let mut make = Maker::new("secondfactor", table::TABLE)?;
        let requests = make.counters(&table::REQUESTS)?;
        let refused = make.counters(&table::PASSCODES_REFUSED)?;
        let expiry = make.gauges(&CERTIFICATE_EXPIRY)?;
        Ok(Self {
            requests: Endpoint::ALL
                .into_iter()
                .map(|endpoint| {
                    let child = |result| requests.with_label_values(&[endpoint.label(), result]);
                    (endpoint, RESULTS.map(child))
                })
                .collect(),
            authentications: make.counters(&table::AUTHENTICATIONS)?,
            messages: make.counters(&table::MESSAGES)?,
            pushes_waiting: make.gauge(&table::PUSHES_WAITING)?,
            pushes_refused: make.counter(&table::PUSHES_REFUSED)?,
            numbered_pushes: make.counter(&table::NUMBERED_PUSHES)?,
            remembered_logins: make.counter(&table::REMEMBERED_LOGINS)?,
            exempt_logins: make.counter(&table::EXEMPT_LOGINS)?,
            incidents: make.counters(&table::INCIDENTS)?,
            notes_dropped: make.counter(&table::NOTES_DROPPED)?,
            lockouts: make.counter(&table::LOCKOUTS)?,
            passcodes_refused: PASSCODE_BOUNDS
                .map(|bound| refused.with_label_values(&[bound.label()])),
            guesses_refused: make.counter(&table::GUESSES_REFUSED)?,
            syncs: make.counters(&table::SYNCS)?,
            oldest_sync: make.gauge(&table::OLDEST_SYNC)?,
            connections: make.gauge(&table::CONNECTIONS)?,
            connections_refused: make.counter(&table::CONNECTIONS_REFUSED)?,
            handshakes_failed: make.counter(&table::HANDSHAKES_FAILED)?,
            cached_users: make.gauge(&table::CACHED_USERS)?,
            certificate_expiry: expiry.with_label_values(&["second_factor", &address.to_string()]),
            series: make.finish()?,
        })
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, endpoint: Endpoint, status: u16) {
        let column = match status {
            200..=399 => 0,
            401 => 2,
            429 => 3,
            500..=599 => 4,
            _ => 1,
        };
        let row = self.requests.iter().find(|(found, _)| *found == endpoint);
        if let Some(counter) = row.and_then(|(_, row)| row.get(column)) {
            counter.inc();
        }
    }

    /// Counts an authentication that ended.
    pub(crate) fn ended(&self, factor: Factor, verdict: Verdict) {
        let (_, status, _) = verdict.words();
        self.authentications
            .with_label_values(&[factor.as_str(), status])
            .inc();
    }

    /// Counts a passcode that was not looked at.
    pub(crate) fn passcode_refused(&self, bound: PasscodeBound) {
        let mut counters = PASSCODE_BOUNDS.iter().zip(&self.passcodes_refused);
        if let Some((_, counter)) = counters.find(|(found, _)| **found == bound) {
            counter.inc();
        }
    }

    /// Counts an incident.
    pub(crate) fn incident(&self, kind: IncidentKind) {
        self.incidents.with_label_values(&[kind.as_str()]).inc();
    }

    /// Counts a synchronization with a directory.
    pub(crate) fn synchronized(&self, outcome: SyncOutcome) {
        self.syncs.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Counts a message to a person.
    pub(crate) fn message(&self, channel: Channel, outcome: Outcome) {
        self.messages
            .with_label_values(&[channel.as_str(), outcome.label()])
            .inc();
    }

    /// Prometheus' text format. Asks the system how the process is, so it belongs on a thread that may
    /// block.
    pub(crate) fn text(&self) -> String {
        // It fails for inconsistent families only, which `new` rules out.
        self.series.text().unwrap_or_default()
    }
}

const RESULTS: [&str; 5] = ["ok", "refused", "unauthorized", "too_many", "failed"];

#[cfg(test)]
mod tests {
    use super::*;

    /// The sets of the table are written there, since the page of the book is made of them. They are
    /// those of the code.
    #[test]
    fn closed_sets_of_the_table_are_those_of_the_code() {
        assert_eq!(table::ENDPOINTS, Endpoint::ALL.map(Endpoint::label));
        assert_eq!(table::RESULTS, RESULTS);
        let bounds = PASSCODE_BOUNDS.map(PasscodeBound::label);
        assert_eq!(table::PASSCODE_BOUNDS, bounds);
        let kinds = IncidentKind::ALL.iter().map(|kind| kind.as_str());
        assert!(kinds.eq(table::INCIDENT_KINDS.iter().copied()));
        let outcomes = SyncOutcome::ALL.iter().map(|found| found.as_str());
        assert!(outcomes.eq(table::SYNC_OUTCOMES.iter().copied()));
        assert_eq!(table::SENT, Outcome::ALL.map(Outcome::label));
        let channels: Vec<_> = Channel::ALL.iter().map(|found| found.as_str()).collect();
        assert_eq!(table::CHANNELS, channels);
        let factors = [Factor::Push, Factor::Phone, Factor::Passcode, Factor::Sms];
        assert_eq!(table::FACTORS, factors.map(Factor::as_str));
        for verdict in [
            Verdict::Allow,
            Verdict::Bypass,
            Verdict::Deny,
            Verdict::WrongPasscode,
            Verdict::UsedPasscode,
            Verdict::TooManyPasscodes,
            Verdict::Fraud,
            Verdict::Timeout,
            Verdict::LockedOut,
            Verdict::Disabled,
            Verdict::SmsSent,
            Verdict::SmsRecorded,
            Verdict::FactorRefused,
            Verdict::NothingAllowed,
            Verdict::TooManyPushes,
            Verdict::NumberNeeded,
            Verdict::NumberOver,
            Verdict::MailSent,
            Verdict::NotSent,
            Verdict::NotReached,
            Verdict::TooManyMessages,
        ] {
            assert!(table::STATUSES.contains(&verdict.words().1), "{verdict:?}");
        }
    }

    #[test]
    fn they_are_those_of_the_table() {
        let metrics = Metrics::new(([127, 0, 0, 1], 8_402).into()).unwrap();
        metrics.answered(Endpoint::Ping, 200);
        let text = metrics.text();
        let sample = "countersign_secondfactor_requests_total{endpoint=\"ping\",result=\"ok\"} 1\n";
        assert!(text.contains(sample), "{text}");
        let sample = "countersign_certificate_expiry_timestamp_seconds{kind=\"second_factor\",name=\"127.0.0.1:8402\"}";
        assert!(text.contains(sample), "{text}");
    }
}

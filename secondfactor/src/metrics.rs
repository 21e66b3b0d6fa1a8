//! Every metric of the service, with its labels, in one place.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

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
    Unknown,
}

impl Endpoint {
    const ALL: [Self; 10] = [
        Self::Ping,
        Self::Check,
        Self::Logo,
        Self::Enroll,
        Self::EnrollStatus,
        Self::Preauth,
        Self::Auth,
        Self::AuthStatus,
        Self::Page,
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

/// Counters and gauges, resolved once.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Vec<(Endpoint, [IntCounter; RESULTS.len()])>,
    authentications: IntCounterVec,
    pub(crate) pushes_waiting: IntGauge,
    pub(crate) pushes_refused: IntCounter,
    pub(crate) lockouts: IntCounter,
    pub(crate) connections: IntGauge,
    pub(crate) connections_refused: IntCounter,
    pub(crate) handshakes_failed: IntCounter,
    pub(crate) cached_users: IntGauge,
    pub(crate) certificate_seconds_left: IntGauge,
}

impl Metrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// Those of the library: a name that is not possible or used twice.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            options(
                "requests_total",
                "Requests, by endpoint and HTTP status class.",
            ),
            &["endpoint", "result"],
        )?;
        let authentications = IntCounterVec::new(
            options(
                "authentications_total",
                "Authentications that ended, by factor and status.",
            ),
            &["factor", "status"],
        )?;
        let build_info = IntGauge::with_opts(
            Opts::new(
                "countersign_build_info",
                "Always 1; the role and its version as labels.",
            )
            .const_label("role", "secondfactor")
            .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build_info.set(1);
        registry.register(Box::new(build_info))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(authentications.clone()))?;
        let counter = |name, help| {
            let counter = IntCounter::with_opts(options(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name, help| {
            let gauge = IntGauge::with_opts(options(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            requests: Endpoint::ALL
                .into_iter()
                .map(|endpoint| {
                    let child = |result| requests.with_label_values(&[endpoint.label(), result]);
                    (endpoint, RESULTS.map(child))
                })
                .collect(),
            authentications,
            pushes_waiting: gauge("pushes_waiting", "Pushes that wait for an answer.")?,
            pushes_refused: counter("pushes_refused_total", "Pushes refused at the bound.")?,
            lockouts: counter("lockouts_total", "Users locked out after wrong passcodes.")?,
            connections: gauge("connections", "Open connections.")?,
            connections_refused: counter(
                "connections_refused_total",
                "Connections refused at the bound.",
            )?,
            handshakes_failed: counter(
                "tls_handshakes_failed_total",
                "TLS handshakes that failed.",
            )?,
            cached_users: gauge("cached_users", "Users kept in memory.")?,
            certificate_seconds_left: gauge(
                "certificate_seconds_left",
                "Seconds until the certificate served is at its end. It is renewed 60 days before.",
            )?,
            registry,
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

    /// Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help)
        .namespace("countersign")
        .subsystem("secondfactor")
}

const RESULTS: [&str; 5] = ["ok", "refused", "unauthorized", "too_many", "failed"];

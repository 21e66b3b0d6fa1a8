//! Every metric of a data plane, with its labels. Label values come from closed sets and from
//! configured names, never from a user.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// The metrics of one data plane.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) registry: Registry,
    /// `radius_requests_total{integration,code}`: requests that were verified.
    pub radius_requests: IntCounterVec,
    /// `radius_discards_total{reason}`: datagrams that got no answer.
    pub radius_discards: IntCounterVec,
    /// `duplicates_total{kind}`: `in_progress` and `replayed`.
    pub duplicates: IntCounterVec,
    /// `duplicate_answers_evicted_total`: stored answers dropped before their time, for room.
    pub duplicate_evictions: IntCounter,
    /// `requests_without_message_authenticator_total{integration}`.
    pub unsigned_requests: IntCounterVec,
    /// `logins_total{integration,outcome,factor}`.
    pub logins: IntCounterVec,
    /// `login_reasons_total{integration,reason}`.
    pub login_reasons: IntCounterVec,
    /// `login_duration_seconds{integration,stage}`: a stage's time, and `total`.
    pub login_duration: HistogramVec,
    /// `logins_in_flight{integration}`.
    pub logins_in_flight: IntGaugeVec,
    /// `fail_mode_total{integration,mode}`: each time `failmode` decided.
    pub fail_mode: IntCounterVec,
    /// `duo_requests_total{endpoint,result}`.
    pub duo_requests: IntCounterVec,
    /// `states_total{result}`: States of challenges, by what became of them.
    pub states: IntCounterVec,
    /// `state_spills_total`: contexts that did not fit into a State.
    pub state_spills: IntCounter,
    /// `eap_sessions`: EAP conversations under way.
    pub eap_sessions: IntGauge,
    /// `eap_refused_total{limit}`: conversations that could not begin, by the bound that was
    /// reached.
    pub eap_refused: IntCounterVec,
    /// `certificate_expiry_timestamp_seconds{integration}`: when the certificate that supplicants
    /// are shown expires, in seconds since 1970.
    pub certificate_expiry: IntGaugeVec,
    /// `serving_revision`: the revision served. The control plane has `config_revision{node}`.
    pub serving_revision: IntGauge,
    /// `config_applies_total{result}`: `applied` and `refused`.
    pub config_applies: IntCounterVec,
    /// `events_dropped_total`.
    pub events_dropped: IntCounter,
    /// `primary_only{integration}`: 1 while logins pass on the primary alone there, else 0.
    pub primary_only: IntGaugeVec,
    /// `control_connected`: 1 while the subscription is up.
    pub control_connected: IntGauge,
}

impl Metrics {
    /// Makes all of them.
    ///
    /// # Errors
    /// Only when two share a name, which the tests rule out.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new_custom(Some(NAMESPACE.to_owned()), None)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            kept(&registry, IntCounterVec::new(options(name, help), labels))
        };
        let counter =
            |name: &str, help: &str| kept(&registry, IntCounter::with_opts(options(name, help)));
        let gauge =
            |name: &str, help: &str| kept(&registry, IntGauge::with_opts(options(name, help)));
        let login_duration = HistogramOpts::new(
            "login_duration_seconds",
            "How long the stages of a login take, and the whole (stage total).",
        )
        .buckets(DURATION_BUCKETS.to_vec());
        let metrics = Self {
            radius_requests: counters(
                "radius_requests_total",
                "RADIUS requests of known clients that were verified.",
                &["integration", "code"],
            )?,
            radius_discards: counters(
                "radius_discards_total",
                "Datagrams that got no answer, by reason.",
                &["reason"],
            )?,
            duplicates: counters(
                "duplicates_total",
                "Repeated requests: in_progress ones are ignored, replayed ones get the stored answer.",
                &["kind"],
            )?,
            duplicate_evictions: counter(
                "duplicate_answers_evicted_total",
                "Stored answers dropped before their time, because the cache was full.",
            )?,
            unsigned_requests: counters(
                "requests_without_message_authenticator_total",
                "Requests that carried no Message-Authenticator.",
                &["integration"],
            )?,
            logins: counters(
                "logins_total",
                "Finished logins.",
                &["integration", "outcome", "factor"],
            )?,
            login_reasons: counters(
                "login_reasons_total",
                "Finished logins by why they ended so.",
                &["integration", "reason"],
            )?,
            login_duration: kept(
                &registry,
                HistogramVec::new(login_duration, &["integration", "stage"]),
            )?,
            logins_in_flight: kept(
                &registry,
                IntGaugeVec::new(
                    options("logins_in_flight", "Logins that wait for something."),
                    &["integration"],
                ),
            )?,
            fail_mode: counters(
                "fail_mode_total",
                "Logins decided by failmode, because the second factor was unavailable.",
                &["integration", "mode"],
            )?,
            duo_requests: counters(
                "duo_requests_total",
                "Calls of the second factor by endpoint and result.",
                &["endpoint", "result"],
            )?,
            states: counters(
                "states_total",
                "States of challenges: sealed and opened ones, and those that were refused or forgotten, by reason.",
                &["result"],
            )?,
            eap_sessions: gauge("eap_sessions", "EAP conversations under way.")?,
            eap_refused: counters(
                "eap_refused_total",
                "EAP conversations that could not begin, by the bound that was reached.",
                &["limit"],
            )?,
            certificate_expiry: kept(
                &registry,
                IntGaugeVec::new(
                    options(
                        "certificate_expiry_timestamp_seconds",
                        "When the certificate shown to supplicants expires, in seconds since 1970.",
                    ),
                    &["integration"],
                ),
            )?,
            primary_only: kept(
                &registry,
                IntGaugeVec::new(
                    options(
                        "primary_only",
                        "1 while an administrator lets logins pass without the second factor.",
                    ),
                    &["integration"],
                ),
            )?,
            state_spills: counter(
                "state_spills_total",
                "Challenges whose context did not fit into a State, and was kept on the node.",
            )?,
            serving_revision: gauge("serving_revision", "The configuration revision served.")?,
            config_applies: counters(
                "config_applies_total",
                "Revisions received, by what became of them.",
                &["result"],
            )?,
            events_dropped: counter(
                "events_dropped_total",
                "Login events dropped, because the report queue was full.",
            )?,
            control_connected: gauge(
                "control_connected",
                "1 while the subscription to the control plane is up.",
            )?,
            registry,
        };
        let build = kept(
            &metrics.registry,
            IntGaugeVec::new(
                options(
                    "build_info",
                    "Always 1; the role and its version as labels.",
                ),
                &["role", "version"],
            ),
        )?;
        build
            .with_label_values(&["dataplane", env!("CARGO_PKG_VERSION")])
            .set(1);
        Ok(metrics.into())
    }

    /// Forgets the series of integrations that are gone, so that names do not pile up.
    pub fn forget_integration(&self, integration: &str) {
        let family = |all: Vec<prometheus::proto::MetricFamily>| -> Vec<Vec<String>> {
            all.iter()
                .flat_map(prometheus::proto::MetricFamily::get_metric)
                .map(|metric| {
                    metric
                        .get_label()
                        .iter()
                        .map(|pair| pair.value().to_owned())
                        .collect()
                })
                .collect()
        };
        // Labels come sorted by name; each of these vectors has the integration among two or three.
        let counters: [(&IntCounterVec, &[&str]); 5] = [
            (&self.radius_requests, &["integration", "code"]),
            (&self.unsigned_requests, &["integration"]),
            (&self.logins, &["integration", "outcome", "factor"]),
            (&self.login_reasons, &["integration", "reason"]),
            (&self.fail_mode, &["integration", "mode"]),
        ];
        for (counter, names) in counters {
            for values in family(counter.collect()) {
                forget(integration, names, &values, |labels| {
                    counter.remove_label_values(labels)
                });
            }
        }
        for values in family(self.login_duration.collect()) {
            forget(integration, &["integration", "stage"], &values, |labels| {
                self.login_duration.remove_label_values(labels)
            });
        }
        drop(self.logins_in_flight.remove_label_values(&[integration]));
        drop(self.primary_only.remove_label_values(&[integration]));
    }

    /// The Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Writing into memory fails for inconsistent families only, which `new` rules out.
        drop(TextEncoder::new().encode(&self.registry.gather(), &mut text));
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Removes one series if it is the integration's. `values` are in the order of sorted names.
fn forget(
    integration: &str,
    names: &[&str],
    values: &[String],
    remove: impl Fn(&[&str]) -> prometheus::Result<()>,
) {
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    let value_of = |name: &&str| {
        let at = sorted.iter().position(|other| other == name)?;
        values.get(at).map(String::as_str)
    };
    let labels: Vec<&str> = names.iter().filter_map(value_of).collect();
    if labels.first() == Some(&integration) {
        drop(remove(&labels));
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help)
}

fn kept<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let made = made?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

const NAMESPACE: &str = "countersign";

/// A primary answers in milliseconds, a person in seconds.
const DURATION_BUCKETS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0,
    60.0, 90.0, 120.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integration_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new().unwrap();
        for integration in ["gone", "kept"] {
            metrics
                .radius_requests
                .with_label_values(&[integration, "Access-Request"])
                .inc();
            metrics
                .logins
                .with_label_values(&[integration, "accept", "push"])
                .inc();
            metrics
                .login_duration
                .with_label_values(&[integration, "total"])
                .observe(0.1);
            metrics
                .logins_in_flight
                .with_label_values(&[integration])
                .inc();
            metrics
                .primary_only
                .with_label_values(&[integration])
                .set(0);
        }
        metrics.forget_integration("gone");
        let text = metrics.render();
        assert!(!text.contains("gone"), "{text}");
        assert!(text.contains(
            r#"countersign_logins_total{factor="push",integration="kept",outcome="accept"} 1"#
        ));
        assert!(text.contains("countersign_build_info"));
    }
}

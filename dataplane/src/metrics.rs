//! Every metric of a data plane, made of its table ([`proto::metric::dataplane`]). Label values come from
//! closed sets and from configured names, never from a user.

use std::collections::HashSet;
use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use proto::config::Snapshot;
use proto::metric::dataplane as table;
use proto::metric::process::CERTIFICATE_EXPIRY;
use series::{Histograms, Maker, Series, keep};

/// The metrics of one data plane.
#[derive(Debug)]
pub struct Metrics {
    series: Series,
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
    pub login_duration: Histograms,
    /// `logins_in_flight{integration}`.
    pub logins_in_flight: IntGaugeVec,
    /// `fail_mode_total{integration,mode}`: a login decided without an answer of the second factor.
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
    /// `certificate_expiry_timestamp_seconds{kind,name}`: when a certificate ends, in seconds since 1970.
    pub certificate_expiry: IntGaugeVec,
    /// `serving_revision`: the revision served. The control plane has `config_revision{node}`.
    pub serving_revision: IntGauge,
    /// `config_applies_total{result}`: `applied` and `refused`.
    pub config_applies: IntCounterVec,
    /// `events_dropped_total`.
    pub events_dropped: IntCounter,
    /// `primary_only{integration}`: 1 while logins pass on the primary alone there, else 0.
    pub primary_only: IntGaugeVec,
    /// Those of the hosts of primaries.
    pub primaries: PrimaryCounters,
    /// `control_connected`: 1 while the subscription is up.
    pub control_connected: IntGauge,
}

/// What is counted of the hosts of primaries.
#[derive(Clone, Debug)]
pub struct PrimaryCounters {
    /// `primary_requests_total{authenticator,host,result}`.
    pub requests: IntCounterVec,
    /// `primary_discards_total{authenticator,host,reason}`.
    pub discards: IntCounterVec,
    /// `primary_unsigned_answers_total{authenticator,host}`.
    pub unsigned: IntCounterVec,
}

impl PrimaryCounters {
    /// Those that nobody is shown, such as of a check.
    ///
    /// # Errors
    /// When the table is not good, which the tests rule out.
    pub fn apart() -> prometheus::Result<Self> {
        Ok(Self {
            requests: series::counters_apart(&table::PRIMARY_REQUESTS)?,
            discards: series::counters_apart(&table::PRIMARY_DISCARDS)?,
            unsigned: series::counters_apart(&table::PRIMARY_UNSIGNED)?,
        })
    }
}

impl Metrics {
    /// Makes all of them.
    ///
    /// # Errors
    /// Only when they are not those of the table, which the tests rule out.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let mut make = Maker::new("dataplane", table::TABLE)?;
        let metrics = Self {
            radius_requests: make.counters(&table::RADIUS_REQUESTS)?,
            radius_discards: make.counters(&table::RADIUS_DISCARDS)?,
            duplicates: make.counters(&table::DUPLICATES)?,
            duplicate_evictions: make.counter(&table::DUPLICATE_EVICTIONS)?,
            unsigned_requests: make.counters(&table::UNSIGNED_REQUESTS)?,
            logins: make.counters(&table::LOGINS)?,
            login_reasons: make.counters(&table::LOGIN_REASONS)?,
            login_duration: make.histograms(&table::LOGIN_DURATION)?,
            logins_in_flight: make.gauges(&table::LOGINS_IN_FLIGHT)?,
            fail_mode: make.counters(&table::FAIL_MODE)?,
            duo_requests: make.counters(&table::DUO_REQUESTS)?,
            states: make.counters(&table::STATES)?,
            state_spills: make.counter(&table::STATE_SPILLS)?,
            eap_sessions: make.gauge(&table::EAP_SESSIONS)?,
            eap_refused: make.counters(&table::EAP_REFUSED)?,
            certificate_expiry: make.gauges(&CERTIFICATE_EXPIRY)?,
            serving_revision: make.gauge(&table::SERVING_REVISION)?,
            config_applies: make.counters(&table::CONFIG_APPLIES)?,
            events_dropped: make.counter(&table::EVENTS_DROPPED)?,
            primary_only: make.gauges(&table::PRIMARY_ONLY)?,
            primaries: PrimaryCounters {
                requests: make.counters(&table::PRIMARY_REQUESTS)?,
                discards: make.counters(&table::PRIMARY_DISCARDS)?,
                unsigned: make.counters(&table::PRIMARY_UNSIGNED)?,
            },
            control_connected: make.gauge(&table::CONTROL_CONNECTED)?,
            series: make.finish()?,
        };
        Ok(metrics.into())
    }

    /// Forgets the series of integrations that are not served, so that names do not pile up. A login
    /// that ends after its integration has gone makes some anew, which the next call forgets.
    pub fn keep_integrations(&self, served: impl Fn(&str) -> bool) {
        for counters in [
            &self.radius_requests,
            &self.unsigned_requests,
            &self.logins,
            &self.login_reasons,
            &self.fail_mode,
        ] {
            keep(counters, INTEGRATION, &served);
        }
        self.login_duration.keep(INTEGRATION, &served);
        keep(&self.logins_in_flight, INTEGRATION, &served);
        keep(&self.primary_only, INTEGRATION, &served);
    }

    /// The same for those of a snapshot.
    pub(crate) fn keep_those_of(&self, snapshot: &Snapshot) {
        let integrations = snapshot.integrations.iter();
        let served: HashSet<&str> = integrations.map(|one| one.id.as_str()).collect();
        self.keep_integrations(|name| served.contains(name));
    }

    /// The Prometheus text. Asks the system how the process is, so it belongs on a thread that may
    /// block.
    #[must_use]
    pub fn render(&self) -> String {
        // It fails for inconsistent families only, which `new` rules out.
        self.series.text().unwrap_or_default()
    }
}

const INTEGRATION: &str = "integration";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duo::failure::FailureKind;
    use crate::radius::DiscardReason;

    #[test]
    fn an_integration_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new().unwrap();
        let count = || {
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
                    .of(&[integration], "total")
                    .unwrap()
                    .observe(0.1);
                let [in_flight, primary_only] = [&metrics.logins_in_flight, &metrics.primary_only]
                    .map(|gauge| gauge.with_label_values(&[integration]));
                in_flight.inc();
                primary_only.set(0);
            }
        };
        count();
        metrics.keep_integrations(|name| name == "kept");
        let text = metrics.render();
        assert!(!text.contains("gone"), "{text}");
        assert!(text.contains(
            r#"countersign_logins_total{factor="push",integration="kept",outcome="accept"} 1"#
        ));
        assert!(text.contains("countersign_build_info"));
        // A login that ends late makes them anew.
        count();
        assert!(metrics.render().contains("gone"));
        metrics.keep_integrations(|name| name == "kept");
        assert!(!metrics.render().contains("gone"));
    }

    /// The sets of the table are written there, since the page of the book is made of them. They are
    /// those of the code.
    #[test]
    fn closed_sets_of_the_table_are_those_of_the_code() {
        assert_eq!(table::DISCARD_REASONS, DiscardReason::LABELS);
        let (ok, failures) = table::DUO_RESULTS.split_first().unwrap();
        assert_eq!(*ok, "ok");
        let kinds: Vec<_> = FailureKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(failures, kinds);
    }
}

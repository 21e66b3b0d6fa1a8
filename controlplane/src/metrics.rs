//! Every metric of the control plane, made of its table ([`proto::metric::controlplane`]).

use std::sync::Arc;

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use proto::id::NodeId;
use proto::metric::controlplane as table;
use proto::metric::process::CERTIFICATE_EXPIRY;
use series::{Maker, Series, forget, keep};

use crate::admin::{LoadResult, NodeReport, RevisionInfo};
use crate::admin_tls::AdminCertificate;
use crate::traces::TraceMetrics;

/// The counters; what is a state is brought when the metrics are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) revisions: IntCounter,
    pub(crate) events_stored: IntCounter,
    pub(crate) events_dropped: IntCounter,
    pub(crate) events_lagged: IntCounter,
    pub(crate) reports_refused: IntCounter,
    pub(crate) clients_forgotten: IntCounter,
    pub(crate) database_damaged: IntGauge,
    pub(crate) node_connections_refused: IntCounterVec,
    pub(crate) traces: TraceMetrics,
    reloads: IntCounterVec,
    latest_revision: IntGauge,
    nodes_connected: IntGauge,
    node: OfNodes,
    certificate_expiry: IntGaugeVec,
    series: Arc<Series>,
}

/// The series that each node has.
#[derive(Clone, Debug)]
struct OfNodes {
    revision: IntGaugeVec,
    connected: IntGaugeVec,
    last_seen: IntGaugeVec,
    events_dropped: IntCounterVec,
}

/// How things are, as the metrics show it.
#[derive(Debug)]
pub(crate) struct Now<'a> {
    pub(crate) current: Option<RevisionInfo>,
    pub(crate) nodes: Vec<NodeReport>,
    pub(crate) admin_certificates: &'a [AdminCertificate],
    /// Of each node of another machine, until when its newest certificate is good: milliseconds since
    /// 1970. None when the store did not say: then what it said before is shown.
    pub(crate) node_certificates: Option<Vec<(NodeId, u64)>>,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut make = Maker::new("controlplane", table::TABLE)?;
        Ok(Self {
            revisions: make.counter(&table::REVISIONS)?,
            events_stored: make.counter(&table::EVENTS_STORED)?,
            events_dropped: make.counter(&table::EVENTS_DROPPED)?,
            events_lagged: make.counter(&table::EVENTS_LAGGED)?,
            reports_refused: make.counter(&table::REPORTS_REFUSED)?,
            clients_forgotten: make.counter(&table::CLIENTS_FORGOTTEN)?,
            database_damaged: make.gauge(&table::DATABASE_DAMAGED)?,
            node_connections_refused: make.counters(&table::NODE_CONNECTIONS_REFUSED)?,
            traces: TraceMetrics::new(&mut make)?,
            reloads: make.counters(&table::RELOADS)?,
            latest_revision: make.gauge(&table::LATEST_REVISION)?,
            nodes_connected: make.gauge(&table::NODES_CONNECTED)?,
            node: OfNodes {
                revision: make.gauges(&table::CONFIG_REVISION)?,
                connected: make.gauges(&table::NODE_CONNECTED)?,
                last_seen: make.gauges(&table::NODE_LAST_SEEN)?,
                events_dropped: make.counters(&table::NODE_EVENTS_DROPPED)?,
            },
            certificate_expiry: make.gauges(&CERTIFICATE_EXPIRY)?,
            series: Arc::new(make.finish()?),
        })
    }

    pub(crate) fn reloaded(&self, result: LoadResult) {
        self.reloads.with_label_values(&[result.as_str()]).inc();
    }

    /// Prometheus' text form. Asks the system how the process is, so it belongs on a thread that may
    /// block.
    pub(crate) fn render(&self, now: &Now<'_>) -> Result<String, Error> {
        let current = now.current.as_ref();
        let latest = current.map_or(0, |info| gauge(info.number.0));
        self.latest_revision.set(latest);
        let connected = now.nodes.iter().filter(|report| report.connected).count();
        self.nodes_connected
            .set(i64::try_from(connected).unwrap_or(i64::MAX));
        for report in &now.nodes {
            self.node.show(report);
        }
        self.node
            .keep(|name| now.nodes.iter().any(|report| report.node.as_str() == name));
        self.show_certificates(now);
        self.series.text()
    }

    fn show_certificates(&self, now: &Now<'_>) {
        for one in now.admin_certificates {
            self.certificate_expiry
                .with_label_values(&[ADMIN, &one.address.to_string()])
                .set(one.not_after);
        }
        let Some(of_nodes) = &now.node_certificates else {
            return;
        };
        forget(&self.certificate_expiry, |labels| {
            labels.get("kind") == Some(&NODE)
                && of_nodes
                    .iter()
                    .all(|(node, _)| labels.get("name") != Some(&node.as_str()))
        });
        for (node, not_after_ms) in of_nodes {
            self.certificate_expiry
                .with_label_values(&[NODE, node.as_str()])
                .set(gauge(not_after_ms / 1_000));
        }
    }
}

impl OfNodes {
    fn show(&self, report: &NodeReport) {
        let node = [report.node.as_str()];
        let revision = report.applied.map_or(0, |revision| gauge(revision.0));
        self.revision.with_label_values(&node).set(revision);
        let connected = i64::from(report.connected);
        self.connected.with_label_values(&node).set(connected);
        let seen = gauge(report.last_seen_ms / 1_000);
        self.last_seen.with_label_values(&node).set(seen);
        let dropped = report.status.as_ref().map_or(0, |one| one.events_dropped);
        let counter = self.events_dropped.with_label_values(&node);
        // A node that was started again counts anew.
        if dropped < counter.get() {
            counter.reset();
        }
        counter.inc_by(dropped.saturating_sub(counter.get()));
    }

    fn keep(&self, known: impl Fn(&str) -> bool) {
        for gauges in [&self.revision, &self.connected, &self.last_seen] {
            keep(gauges, "node", &known);
        }
        keep(&self.events_dropped, "node", &known);
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The kinds of certificates that are shown here.
const ADMIN: &str = "admin";
const NODE: &str = "node";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::node_link::Why;

    fn report(node: &str, more: &Value) -> NodeReport {
        let mut whole =
            json!({"node": node, "connected": true, "last_seen_ms": 5_000, "applied": 7});
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn status(events_dropped: u64) -> Value {
        json!({"status": {
            "version": "1", "state": "serving", "revision": 7, "source": "control_plane",
            "connected": true, "logins_in_flight": 0, "events_dropped": events_dropped,
            "uptime_seconds": 1, "listeners": [],
        }})
    }

    fn now(nodes: Vec<NodeReport>) -> Now<'static> {
        Now {
            current: None,
            nodes,
            admin_certificates: &[],
            node_certificates: Some(Vec::new()),
        }
    }

    #[test]
    fn nodes_are_shown_as_they_are_and_go_when_they_are_gone() {
        let metrics = Metrics::new().unwrap();
        let away = json!({"connected": false, "applied": null});
        let one = now(vec![report("a", &status(3)), report("b", &away)]);
        let text = metrics.render(&one).unwrap();
        for sample in [
            "countersign_config_revision{node=\"a\"} 7\n",
            "countersign_config_revision{node=\"b\"} 0\n",
            "countersign_node_connected{node=\"a\"} 1\n",
            "countersign_node_connected{node=\"b\"} 0\n",
            "countersign_node_last_seen_timestamp_seconds{node=\"a\"} 5\n",
            "countersign_node_events_dropped_total{node=\"a\"} 3\n",
            "countersign_nodes_connected 1\n",
            "countersign_config_latest_revision 0\n",
        ] {
            assert!(text.contains(sample), "{sample}: {text}");
        }
        let text = metrics.render(&now(vec![report("a", &status(1))])).unwrap();
        assert!(!text.contains("node=\"b\""), "{text}");
        let sample = "countersign_node_events_dropped_total{node=\"a\"} 1\n";
        assert!(text.contains(sample), "it counts anew: {text}");
    }

    #[test]
    fn certificates_are_shown_until_they_are_gone() {
        let metrics = Metrics::new().unwrap();
        let served = [AdminCertificate {
            address: "192.0.2.1:8400".parse().unwrap(),
            not_after: 60,
        }];
        let mut shown = Now {
            admin_certificates: &served,
            node_certificates: Some(vec![(NodeId::new("b").unwrap(), 90_000)]),
            ..now(Vec::new())
        };
        let name = "countersign_certificate_expiry_timestamp_seconds";
        let admin = format!("{name}{{kind=\"admin\",name=\"192.0.2.1:8400\"}} 60\n");
        let node = format!("{name}{{kind=\"node\",name=\"b\"}} 90\n");
        let text = metrics.render(&shown).unwrap();
        assert!(text.contains(&admin) && text.contains(&node), "{text}");
        shown.node_certificates = None;
        assert!(metrics.render(&shown).unwrap().contains(&node), "unknown");
        shown.node_certificates = Some(Vec::new());
        let text = metrics.render(&shown).unwrap();
        assert!(text.contains(&admin) && !text.contains(&node), "{text}");
    }

    #[test]
    fn closed_sets_of_the_table_are_those_of_the_code() {
        let results: Vec<_> = LoadResult::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(table::RELOAD_RESULTS, results);
        assert_eq!(table::REFUSALS, Why::ALL.map(Why::as_str));
    }
}

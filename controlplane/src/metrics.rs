//! Every metric name and label of the control plane, in one place.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::admin::{LoadResult, NodeReport, RevisionInfo};
use crate::node_link::Why;
use crate::traces::TraceMetrics;

/// The counters; what is a state is read when the metrics are asked for.
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
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let reloads = IntCounterVec::new(
            Opts::new(
                "countersign_reloads_total",
                "Times the configuration was read, by what came of it",
            ),
            &["result"],
        )?;
        for result in LoadResult::ALL {
            reloads.with_label_values(&[result.as_str()]).inc_by(0);
        }
        let node_connections_refused = IntCounterVec::new(
            Opts::new(
                "countersign_controlplane_node_connections_refused_total",
                "Connections to the address for nodes that were refused, by why",
            ),
            &["reason"],
        )?;
        for why in Why::ALL {
            node_connections_refused
                .with_label_values(&[why.as_str()])
                .inc_by(0);
        }
        Ok(Self {
            revisions: IntCounter::new(
                "countersign_config_revisions_total",
                "Revisions made since the start",
            )?,
            events_stored: IntCounter::new(
                "countersign_controlplane_events_stored_total",
                "Events stored since the start",
            )?,
            events_dropped: IntCounter::new(
                "countersign_controlplane_events_dropped_total",
                "Events too long to be stored",
            )?,
            events_lagged: IntCounter::new(
                "countersign_controlplane_events_lagged_total",
                "Events that readers of the live stream were too slow for",
            )?,
            reports_refused: IntCounter::new(
                "countersign_controlplane_event_reports_refused_total",
                "Reports of events sent back to their node, which sends them again",
            )?,
            clients_forgotten: IntCounter::new(
                "countersign_controlplane_seen_clients_forgotten_total",
                "Clients of the list of those that were seen that made room for others",
            )?,
            database_damaged: IntGauge::new(
                "countersign_controlplane_database_damaged",
                "1 when the database was found damaged",
            )?,
            node_connections_refused,
            traces: TraceMetrics::new()?,
            reloads,
        })
    }

    pub(crate) fn reloaded(&self, result: LoadResult) {
        self.reloads.with_label_values(&[result.as_str()]).inc();
    }

    /// Prometheus' text form.
    pub(crate) fn render(
        &self,
        current: Option<&RevisionInfo>,
        nodes: &[NodeReport],
    ) -> Result<String, prometheus::Error> {
        let registry = Registry::new();
        let collectors: [Box<dyn Collector>; 9] = [
            Box::new(self.revisions.clone()),
            Box::new(self.events_stored.clone()),
            Box::new(self.events_dropped.clone()),
            Box::new(self.events_lagged.clone()),
            Box::new(self.reports_refused.clone()),
            Box::new(self.clients_forgotten.clone()),
            Box::new(self.database_damaged.clone()),
            Box::new(self.node_connections_refused.clone()),
            Box::new(self.reloads.clone()),
        ];
        for collector in collectors.into_iter().chain(self.traces.collectors()) {
            registry.register(collector)?;
        }
        let build = IntGaugeVec::new(
            Opts::new("countersign_build_info", "Always 1; the version is a label"),
            &["role", "version"],
        )?;
        build
            .with_label_values(&["controlplane", env!("CARGO_PKG_VERSION")])
            .set(1);
        let latest = IntGauge::new(
            "countersign_config_latest_revision",
            "The revision that nodes are to serve; 0 when there is none",
        )?;
        latest.set(current.map_or(0, |info| gauge(info.number.0)));
        let applied = IntGaugeVec::new(
            Opts::new(
                "countersign_config_revision",
                "The revision that a node serves; 0 when it serves none",
            ),
            &["node"],
        )?;
        let connected = IntGauge::new(
            "countersign_nodes_connected",
            "Nodes that listen for revisions",
        )?;
        for report in nodes {
            applied
                .with_label_values(&[report.node.as_str()])
                .set(report.applied.map_or(0, |revision| gauge(revision.0)));
            if report.connected {
                connected.inc();
            }
        }
        registry.register(Box::new(build))?;
        registry.register(Box::new(latest))?;
        registry.register(Box::new(applied))?;
        registry.register(Box::new(connected))?;
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

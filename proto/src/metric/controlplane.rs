//! The metrics of a control plane.

use super::process::CERTIFICATE_EXPIRY;
use super::{Label, Metric, NODE, Table};

/// Readings of the configuration.
pub const RELOADS: Metric = Metric::counter(
    "countersign_reloads_total",
    &[Label::of("result", RELOAD_RESULTS)],
    "Times the configuration was read, by what came of it.",
    "",
);

/// New revisions.
pub const REVISIONS: Metric = Metric::counter(
    "countersign_config_revisions_total",
    &[],
    "Revisions made since the start.",
    "",
);

/// The newest revision.
pub const LATEST_REVISION: Metric = Metric::gauge(
    "countersign_config_latest_revision",
    &[],
    "The revision that nodes are to serve; 0 when there is none.",
    "",
);

/// What a node serves.
pub const CONFIG_REVISION: Metric = Metric::gauge(
    "countersign_config_revision",
    &[NODE],
    "The revision that a node serves; 0 when it serves none.",
    "",
);

/// How many nodes listen.
pub const NODES_CONNECTED: Metric = Metric::gauge(
    "countersign_nodes_connected",
    &[],
    "Nodes that listen for revisions at this control plane.",
    "",
);

/// Whether a node listens.
pub const NODE_CONNECTED: Metric = Metric::gauge(
    "countersign_node_connected",
    &[NODE],
    "1 while a node listens for revisions at this control plane, else 0.",
    "",
);

/// When a node was heard of.
pub const NODE_LAST_SEEN: Metric = Metric::gauge(
    "countersign_node_last_seen_timestamp_seconds",
    &[NODE],
    "When a node was last heard of by any control plane of the database, in seconds since 1970.",
    "",
);

/// What a node lost.
pub const NODE_EVENTS_DROPPED: Metric = Metric::counter(
    "countersign_node_events_dropped_total",
    &[NODE],
    "Login events that a node says it has dropped since its start.",
    "",
);

/// Refused connections of nodes.
pub const NODE_CONNECTIONS_REFUSED: Metric = Metric::counter(
    "countersign_controlplane_node_connections_refused_total",
    &[Label::of("reason", REFUSALS)],
    "Connections to the address for nodes that were refused, by why.",
    "of the address for [nodes](nodes.md): `handshakes` (1,024 agree on TLS at once, 32 of one address), `tls`, `late` \
     (10 s), `joining` (64 at once, 4 of one address), `connections` (4,096, 32 of one node), `no_node`",
);

/// Spans that were exported.
pub const TRACES_EXPORTED: Metric = Metric::counter(
    "countersign_traces_exported_spans_total",
    &[],
    "Spans of logins that the collector of traces took.",
    "see [Traces](traces.md)",
);

/// Spans that wait.
pub const TRACES_QUEUED: Metric = Metric::gauge(
    "countersign_traces_queued_spans",
    &[],
    "Spans of logins that wait for the collector of traces.",
    "",
);

/// Spans that are lost.
pub const TRACES_DROPPED: Metric = Metric::counter(
    "countersign_traces_dropped_spans_total",
    &[Label::of("reason", TRACES_DROPPED_WHY)],
    "Spans of logins that no collector has, by why.",
    "[what each means](traces.md#when-the-collector-is-away)",
);

/// Requests in vain.
pub const TRACES_FAILED: Metric = Metric::counter(
    "countersign_traces_failed_requests_total",
    &[Label::of("reason", TRACES_FAILED_WHY)],
    "Requests to the collector of traces that were in vain, by why.",
    "`headers`: the file of headers cannot be read",
);

/// Stored events.
pub const EVENTS_STORED: Metric = Metric::counter(
    "countersign_controlplane_events_stored_total",
    &[],
    "Events stored since the start.",
    "",
);

/// Events that were too long.
pub const EVENTS_DROPPED: Metric = Metric::counter(
    "countersign_controlplane_events_dropped_total",
    &[],
    "Events too long to be stored.",
    "",
);

/// Events that readers missed.
pub const EVENTS_LAGGED: Metric = Metric::counter(
    "countersign_controlplane_events_lagged_total",
    &[],
    "Events that readers of the live stream were too slow for.",
    "",
);

/// Reports sent back.
pub const REPORTS_REFUSED: Metric = Metric::counter(
    "countersign_controlplane_event_reports_refused_total",
    &[],
    "Reports of events sent back to their node, which sends them again.",
    "",
);

/// Seen clients that made room.
pub const CLIENTS_FORGOTTEN: Metric = Metric::counter(
    "countersign_controlplane_seen_clients_forgotten_total",
    &[],
    "Clients of the list of those that were seen that made room for others.",
    "",
);

/// A damaged database.
pub const DATABASE_DAMAGED: Metric = Metric::gauge(
    "countersign_controlplane_database_damaged",
    &[],
    "1 when the database was found damaged.",
    "",
);

/// All of them.
pub const TABLE: Table = Table {
    title: "Control plane",
    metrics: &[
        RELOADS,
        REVISIONS,
        LATEST_REVISION,
        CONFIG_REVISION,
        NODES_CONNECTED,
        NODE_CONNECTED,
        NODE_LAST_SEEN,
        NODE_EVENTS_DROPPED,
        NODE_CONNECTIONS_REFUSED,
        EVENTS_STORED,
        EVENTS_DROPPED,
        EVENTS_LAGGED,
        REPORTS_REFUSED,
        CLIENTS_FORGOTTEN,
        DATABASE_DAMAGED,
        CERTIFICATE_EXPIRY,
        TRACES_EXPORTED,
        TRACES_QUEUED,
        TRACES_DROPPED,
        TRACES_FAILED,
    ],
};

/// Why spans were dropped.
pub const TRACES_DROPPED_WHY: &[&str] =
    &["queue_full", "expired", "refused", "rejected", "stopped"];

/// Why a request to the collector was in vain.
pub const TRACES_FAILED_WHY: &[&str] = &["headers", "connect", "timed_out", "closed", "status"];

/// What comes of reading the configuration.
pub const RELOAD_RESULTS: &[&str] = &["applied", "unchanged", "refused", "unavailable"];

/// Why a connection of a node is refused.
pub const REFUSALS: &[&str] = &[
    "handshakes",
    "tls",
    "late",
    "joining",
    "connections",
    "no_node",
];

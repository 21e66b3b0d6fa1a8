//! The metrics of a supervisor: `countersign run`.

use super::{Label, Metric, Table};

const CHILD: Label = Label::of("child", CHILDREN);

/// Whether a role answers.
pub const ROLE_UP: Metric = Metric::gauge(
    "countersign_role_up",
    &[CHILD],
    "1 when a role of this gateway gave its metrics just now, else 0.",
    "the built-in second factor is started when a section uses it",
);

/// Ends of roles.
pub const ROLE_RESTARTS: Metric = Metric::counter(
    "countersign_role_restarts_total",
    &[CHILD],
    "Roles that ended by themselves and were to be started again.",
    "",
);

/// All of them.
pub const TABLE: Table = Table {
    title: "Supervisor (`countersign run`)",
    metrics: &[ROLE_UP, ROLE_RESTARTS],
};

/// The roles that it runs.
pub const CHILDREN: &[&str] = &["controlplane", "dataplane", "secondfactor"];

//! The metrics of the built-in second factor.

use super::process::CERTIFICATE_EXPIRY;
use super::{Label, Metric, Table};

/// Requests.
pub const REQUESTS: Metric = Metric::counter(
    "countersign_secondfactor_requests_total",
    &[
        Label::of("endpoint", ENDPOINTS),
        Label::of("result", RESULTS),
    ],
    "Requests, by endpoint and HTTP status class.",
    "`unauthorized` means a wrong key or clock",
);

/// Authentications.
pub const AUTHENTICATIONS: Metric = Metric::counter(
    "countersign_secondfactor_authentications_total",
    &[Label::of("factor", FACTORS), Label::of("status", STATUSES)],
    "Authentications that ended, by factor and status.",
    "",
);

/// Lock-outs.
pub const LOCKOUTS: Metric = Metric::counter(
    "countersign_secondfactor_lockouts_total",
    &[],
    "Users locked out after wrong passcodes.",
    "",
);

/// Waiting pushes.
pub const PUSHES_WAITING: Metric = Metric::gauge(
    "countersign_secondfactor_pushes_waiting",
    &[],
    "Pushes that wait for an answer.",
    "",
);

/// Refused pushes.
pub const PUSHES_REFUSED: Metric = Metric::counter(
    "countersign_secondfactor_pushes_refused_total",
    &[],
    "Pushes refused at the bound.",
    "the bound is 50,000",
);

/// Connections.
pub const CONNECTIONS: Metric = Metric::gauge(
    "countersign_secondfactor_connections",
    &[],
    "Open connections.",
    "",
);

/// Refused connections.
pub const CONNECTIONS_REFUSED: Metric = Metric::counter(
    "countersign_secondfactor_connections_refused_total",
    &[],
    "Connections refused at the bound.",
    "",
);

/// Failed handshakes.
pub const HANDSHAKES_FAILED: Metric = Metric::counter(
    "countersign_secondfactor_tls_handshakes_failed_total",
    &[],
    "TLS handshakes that failed.",
    "",
);

/// Users in memory.
pub const CACHED_USERS: Metric = Metric::gauge(
    "countersign_secondfactor_cached_users",
    &[],
    "Users kept in memory.",
    "",
);

/// All of them.
pub const TABLE: Table = Table {
    title: "Built-in second factor",
    metrics: &[
        REQUESTS,
        AUTHENTICATIONS,
        LOCKOUTS,
        PUSHES_WAITING,
        PUSHES_REFUSED,
        CONNECTIONS,
        CONNECTIONS_REFUSED,
        HANDSHAKES_FAILED,
        CACHED_USERS,
        CERTIFICATE_EXPIRY,
    ],
};

/// What can be called.
pub const ENDPOINTS: &[&str] = &[
    "ping",
    "check",
    "logo",
    "enroll",
    "enroll_status",
    "preauth",
    "auth",
    "auth_status",
    "page",
    "unknown",
];

/// How a request is answered.
pub const RESULTS: &[&str] = &["ok", "refused", "unauthorized", "too_many", "failed"];

/// What a person uses.
pub const FACTORS: &[&str] = &["push", "phone", "passcode", "sms"];

/// How an authentication ends.
pub const STATUSES: &[&str] = &[
    "allow",
    "bypass",
    "deny",
    "fraud",
    "timeout",
    "locked_out",
    "sent",
];

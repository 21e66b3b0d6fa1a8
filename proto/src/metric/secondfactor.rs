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

/// Messages.
pub const MESSAGES: Metric = Metric::counter(
    "countersign_secondfactor_messages_total",
    &[Label::of("channel", CHANNELS), Label::of("result", SENT)],
    "Messages to people, by how they go and what became of them.",
    "`limited` had no place under the bounds of a user or of an hour, `dropped` none in the queue",
);

/// Lock-outs.
pub const LOCKOUTS: Metric = Metric::counter(
    "countersign_secondfactor_lockouts_total",
    &[],
    "Users locked out after wrong passcodes.",
    "",
);

/// Passcodes that were not looked at.
pub const PASSCODES_REFUSED: Metric = Metric::counter(
    "countersign_secondfactor_passcodes_refused_total",
    &[Label::of("bound", PASSCODE_BOUNDS)],
    "Passcodes refused without a look, by the bound that was reached.",
    "`user` means after ten wrong ones of one user at once, with one more every 3 s; `service` means \
     that too many wait",
);

/// Refused guesses.
pub const GUESSES_REFUSED: Metric = Metric::counter(
    "countersign_secondfactor_guesses_refused_total",
    &[],
    "Requests of the enrolment and sign-in pages that were refused, because too many wrong codes had come from their address, or from all.",
    "the bounds are 20 of an address, 200 of this machine and 20,000 of all in ten minutes",
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

/// Remembered logins.
pub const REMEMBERED_LOGINS: Metric = Metric::counter(
    "countersign_secondfactor_remembered_logins_total",
    &[],
    "Logins let in by a remembered approval.",
    "",
);

/// Exempt logins.
pub const EXEMPT_LOGINS: Metric = Metric::counter(
    "countersign_secondfactor_exempt_logins_total",
    &[],
    "Logins let in from a network that a policy exempts.",
    "",
);

/// Pushes with a number.
pub const NUMBERED_PUSHES: Metric = Metric::counter(
    "countersign_secondfactor_numbered_pushes_total",
    &[],
    "Pushes for which a number must be typed.",
    "",
);

/// Incidents.
pub const INCIDENTS: Metric = Metric::counter(
    "countersign_secondfactor_incidents_total",
    &[Label::of("kind", INCIDENT_KINDS)],
    "What an administrator should look at.",
    "",
);

/// Notes dropped.
pub const NOTES_DROPPED: Metric = Metric::counter(
    "countersign_secondfactor_notes_dropped_total",
    &[],
    "Ends of pushes and incidents that were not written down.",
    "65,536 may wait",
);

/// Synchronizations.
pub const SYNCS: Metric = Metric::counter(
    "countersign_secondfactor_syncs_total",
    &[Label::of("outcome", SYNC_OUTCOMES)],
    "Synchronizations of users with a directory, by what came of them.",
    "`partly` left out what was not possible; `refused` would have shut out more than half",
);

/// The list that was left alone for longest.
pub const OLDEST_SYNC: Metric = Metric::gauge(
    "countersign_secondfactor_oldest_sync_timestamp_seconds",
    &[],
    "When users were last brought in line with a directory, of the list for which that is longest ago.",
    "0 without any; `factor sync --forget` takes off one that is not synchronized any more",
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
        MESSAGES,
        LOCKOUTS,
        PASSCODES_REFUSED,
        GUESSES_REFUSED,
        PUSHES_WAITING,
        PUSHES_REFUSED,
        NUMBERED_PUSHES,
        REMEMBERED_LOGINS,
        EXEMPT_LOGINS,
        INCIDENTS,
        NOTES_DROPPED,
        SYNCS,
        OLDEST_SYNC,
        CONNECTIONS,
        CONNECTIONS_REFUSED,
        HANDSHAKES_FAILED,
        CACHED_USERS,
        CERTIFICATE_EXPIRY,
    ],
};

/// What came of a synchronization.
pub const SYNC_OUTCOMES: &[&str] = &["done", "partly", "refused", "failed"];

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
    "voice",
    "unknown",
];

/// How messages go.
pub const CHANNELS: &[&str] = &["email", "sms", "voice", "web_push"];

/// What became of a message.
pub const SENT: &[&str] = &["sent", "failed", "dropped", "limited"];

/// How a request is answered.
pub const RESULTS: &[&str] = &["ok", "refused", "unauthorized", "too_many", "failed"];

/// What a person uses.
pub const FACTORS: &[&str] = &["push", "phone", "passcode", "sms"];

/// What is bounded of passcodes.
pub const PASSCODE_BOUNDS: &[&str] = &["user", "service"];

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

/// What happened.
pub const INCIDENT_KINDS: &[&str] = &[
    "fraud",
    "push_fatigue",
    "wrong_number",
    "locked_out",
    "replay",
    "self_service",
    "cloned_passkey",
];

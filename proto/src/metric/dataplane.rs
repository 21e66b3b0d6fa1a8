//! The metrics of a data plane.

use super::process::CERTIFICATE_EXPIRY;
use super::{AUTHENTICATOR, Buckets, HOST, INTEGRATION, Label, Metric, Table};
use crate::event::{Outcome, Reason};

/// Verified requests.
pub const RADIUS_REQUESTS: Metric = Metric::counter(
    "countersign_radius_requests_total",
    &[INTEGRATION, Label::of("code", REQUEST_CODES)],
    "RADIUS requests of known clients that were verified.",
    "",
);

/// Silence.
pub const RADIUS_DISCARDS: Metric = Metric::counter(
    "countersign_radius_discards_total",
    &[Label::of("reason", DISCARD_REASONS)],
    "Datagrams that got no answer, by reason.",
    "[each reason](troubleshooting.md#no-answer-discards-by-label)",
);

/// Requests without Message-Authenticator.
pub const UNSIGNED_REQUESTS: Metric = Metric::counter(
    "countersign_requests_without_message_authenticator_total",
    &[INTEGRATION],
    "Requests that carried no Message-Authenticator.",
    "when it stands still, `message_authenticator_N=require` can be set",
);

/// Repeated requests.
pub const DUPLICATES: Metric = Metric::counter(
    "countersign_duplicates_total",
    &[Label::of("kind", &["in_progress", "replayed"])],
    "Repeated requests: in_progress ones are ignored, replayed ones get the stored answer.",
    "",
);

/// Answers that made room.
pub const DUPLICATE_EVICTIONS: Metric = Metric::counter(
    "countersign_duplicate_answers_evicted_total",
    &[],
    "Stored answers dropped before their time, because the cache was full.",
    "",
);

/// Finished logins.
pub const LOGINS: Metric = Metric::counter(
    "countersign_logins_total",
    &[
        INTEGRATION,
        Label::of("outcome", Outcome::LABELS),
        Label::of("factor", FACTORS),
    ],
    "Finished logins.",
    "each request of one with a [prompt](challenge.md#reading-the-log) counts by itself, with outcome `challenge` until \
     the last",
);

/// Why they ended so.
pub const LOGIN_REASONS: Metric = Metric::counter(
    "countersign_login_reasons_total",
    &[INTEGRATION, Label::of("reason", Reason::LABELS)],
    "Finished logins by why they ended so.",
    "[each reason](troubleshooting.md#answered-logins-by-reason)",
);

/// How long stages take.
pub const LOGIN_DURATION: Metric = Metric::histogram(
    "countersign_login_duration_seconds",
    &[INTEGRATION, Label::of("stage", STAGES)],
    &[
        Buckets {
            of: "primary",
            bounds: MACHINE,
        },
        Buckets {
            of: "preauth",
            bounds: MACHINE,
        },
        Buckets {
            of: "factor",
            bounds: PERSON,
        },
        Buckets {
            of: "total",
            bounds: WHOLE,
        },
    ],
    "How long the stages of a login take, and the whole (stage total).",
    "a primary answers within milliseconds, a person within seconds: each stage has buckets of its own",
);

/// Logins that wait.
pub const LOGINS_IN_FLIGHT: Metric = Metric::gauge(
    "countersign_logins_in_flight",
    &[INTEGRATION],
    "Logins that wait for something.",
    "",
);

/// The second factor was unavailable, and a login was decided without it.
pub const FAIL_MODE: Metric = Metric::counter(
    "countersign_fail_mode_total",
    &[INTEGRATION, Label::of("mode", &["safe", "secure"])],
    "Logins that were decided without an answer of the second factor.",
    "`safe`: `failmode=safe` let them pass; `secure`: rejected, by `failmode=secure` or because the answer to a request that \
     may have sent a push was lost",
);

/// The primary alone.
pub const PRIMARY_ONLY: Metric = Metric::gauge(
    "countersign_primary_only",
    &[INTEGRATION],
    "1 while an administrator lets logins pass without the second factor, else 0.",
    "see [primary-only](primary_only.md)",
);

/// Calls of the second factor.
pub const DUO_REQUESTS: Metric = Metric::counter(
    "countersign_duo_requests_total",
    &[
        Label::of("endpoint", &["preauth", "auth", "auth_status"]),
        Label::of("result", DUO_RESULTS),
    ],
    "Calls of the second factor by endpoint and result.",
    "",
);

/// Passwords asked of a host.
pub const PRIMARY_REQUESTS: Metric = Metric::counter(
    "countersign_primary_requests_total",
    &[AUTHENTICATOR, HOST, Label::of("result", PRIMARY_RESULTS)],
    "Passwords asked of a primary's host, by what came of it.",
    "",
);

/// Datagrams of an upstream that were no answer.
pub const PRIMARY_DISCARDS: Metric = Metric::counter(
    "countersign_primary_discards_total",
    &[AUTHENTICATOR, HOST, Label::of("reason", UPSTREAM_DISCARDS)],
    "Datagrams from a RADIUS upstream that were no answer to a request of ours.",
    "",
);

/// Answers of an upstream without Message-Authenticator.
pub const PRIMARY_UNSIGNED: Metric = Metric::counter(
    "countersign_primary_unsigned_answers_total",
    &[AUTHENTICATOR, HOST],
    "Answers of a RADIUS upstream without Message-Authenticator, accepted.",
    "when it stands still, `force_message_authenticator=true` can be set",
);

/// States of challenges.
pub const STATES: Metric = Metric::counter(
    "countersign_states_total",
    &[Label::of("result", STATE_RESULTS)],
    "States of challenges: sealed and opened ones, and those that were refused or forgotten, by reason.",
    "refused: `foreign`, `tampered`, `expired`, `replayed`, `lost`; forgotten before their time, for room: `evicted`; never \
     made: `too_long`, `no_random`",
);

/// Contexts kept in memory.
pub const STATE_SPILLS: Metric = Metric::counter(
    "countersign_state_spills_total",
    &[],
    "Challenges whose context did not fit into a State, and was kept on the node.",
    "",
);

/// Conversations.
pub const EAP_SESSIONS: Metric = Metric::gauge(
    "countersign_eap_sessions",
    &[],
    "EAP conversations under way.",
    "",
);

/// Conversations that could not begin.
pub const EAP_REFUSED: Metric = Metric::counter(
    "countersign_eap_refused_total",
    &[Label::of("limit", EAP_LIMITS)],
    "EAP conversations that could not begin, by the bound that was reached.",
    "`sessions` (20,000 at a time), `handshakes` (10,000 whose tunnel is not there yet), `client` (10,000 of one device), \
     `client_handshakes` (5,000 of these without their tunnel), `octets` (512 MiB)",
);

/// What is served.
pub const SERVING_REVISION: Metric = Metric::gauge(
    "countersign_serving_revision",
    &[],
    "The configuration revision that this node serves; 0 when it serves none.",
    "",
);

/// Revisions received.
pub const CONFIG_APPLIES: Metric = Metric::counter(
    "countersign_config_applies_total",
    &[Label::of("result", &["applied", "refused"])],
    "Revisions received, by what became of them.",
    "",
);

/// Lost events.
pub const EVENTS_DROPPED: Metric = Metric::counter(
    "countersign_events_dropped_total",
    &[],
    "Login events dropped, because the report queue was full.",
    "",
);

/// The link to the control plane.
pub const CONTROL_CONNECTED: Metric = Metric::gauge(
    "countersign_control_connected",
    &[],
    "1 while the subscription to the control plane is up.",
    "",
);

/// All of them.
pub const TABLE: Table = Table {
    title: "Data plane",
    metrics: &[
        RADIUS_REQUESTS,
        RADIUS_DISCARDS,
        UNSIGNED_REQUESTS,
        DUPLICATES,
        DUPLICATE_EVICTIONS,
        LOGINS,
        LOGIN_REASONS,
        LOGIN_DURATION,
        LOGINS_IN_FLIGHT,
        FAIL_MODE,
        PRIMARY_ONLY,
        DUO_REQUESTS,
        PRIMARY_REQUESTS,
        PRIMARY_DISCARDS,
        PRIMARY_UNSIGNED,
        STATES,
        STATE_SPILLS,
        EAP_SESSIONS,
        EAP_REFUSED,
        SERVING_REVISION,
        CONFIG_APPLIES,
        EVENTS_DROPPED,
        CONTROL_CONNECTED,
        CERTIFICATE_EXPIRY,
    ],
};

/// What a request may be.
pub const REQUEST_CODES: &[&str] = &["Access-Request", "Status-Server"];

/// Every reason for silence.
pub const DISCARD_REASONS: &[&str] = &[
    "short_datagram",
    "length_too_small",
    "length_too_large",
    "length_past_end",
    "attribute_cut",
    "attribute_length",
    "attribute_past_end",
    "unknown_client",
    "message_authenticator_missing",
    "message_authenticator_missing_proxy_state",
    "message_authenticator_missing_eap",
    "message_authenticator_missing_status_server",
    "message_authenticator_repeated",
    "message_authenticator_length",
    "message_authenticator_wrong",
    "accounting",
    "unserved_code",
    "proxy_state_too_long",
    "overloaded",
    "client_overloaded",
    "draining",
    "no_configuration",
];

/// Second factors as used, and `none`.
pub const FACTORS: &[&str] = &["none", "auto", "push", "phone", "sms", "passcode"];

/// The stages that wait for another machine, and the whole.
pub const STAGES: &[&str] = &["primary", "preauth", "factor", "total"];

/// What comes of a call of the second factor.
pub const DUO_RESULTS: &[&str] = &[
    "ok",
    "connect",
    "timed_out",
    "closed",
    "server_error",
    "rate_limited",
    "credentials",
    "bad_request",
    "refused",
    "unreadable",
    "internal",
];

/// What comes of asking a primary's host.
pub const PRIMARY_RESULTS: &[&str] = &[
    "accepted",
    "rejected",
    "asked",
    "unavailable",
    "timed_out",
    "misconfigured",
    "busy",
    "internal",
];

/// Why a datagram of an upstream is no answer.
pub const UPSTREAM_DISCARDS: &[&str] = &[
    "short_datagram",
    "length_too_small",
    "length_too_large",
    "length_past_end",
    "attribute_cut",
    "attribute_length",
    "attribute_past_end",
    "message_authenticator_missing",
    "message_authenticator_missing_proxy_state",
    "message_authenticator_missing_eap",
    "message_authenticator_missing_status_server",
    "message_authenticator_repeated",
    "message_authenticator_length",
    "message_authenticator_wrong",
    "response_authenticator_wrong",
    "code",
    "identifier",
    "late",
];

/// What becomes of States.
pub const STATE_RESULTS: &[&str] = &[
    "sealed",
    "opened",
    "foreign",
    "tampered",
    "expired",
    "replayed",
    "lost",
    "evicted",
    "too_long",
    "no_random",
];

/// The bounds of EAP conversations.
pub const EAP_LIMITS: &[&str] = &[
    "sessions",
    "handshakes",
    "client",
    "client_handshakes",
    "octets",
];

/// For what a machine answers.
const MACHINE: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// For what a person answers.
const PERSON: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0,
];

/// For a whole login.
const WHOLE: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
    90.0, 120.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Factor;

    #[test]
    fn factors_are_those_of_events_and_none() {
        let (none, factors) = FACTORS.split_first().unwrap();
        assert_eq!((*none, factors), ("none", Factor::LABELS));
    }
}

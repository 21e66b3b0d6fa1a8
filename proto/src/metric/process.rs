//! What every process of the program has, and what several roles share.

use super::{Label, LogSink, Metric, ROLE, Table};

/// Always 1.
pub const BUILD_INFO: Metric = Metric::gauge(
    "countersign_build_info",
    &[ROLE, Label::named("version", "the program's version, one")],
    "Always 1; the role and its version as labels.",
    "",
);

/// When the process began.
pub const START_TIME: Metric = Metric::gauge(
    "countersign_process_start_time_seconds",
    &[ROLE],
    "When the process was started, in seconds since 1970.",
    "",
);

/// How long it runs.
pub const UPTIME: Metric = Metric::gauge(
    "countersign_process_uptime_seconds",
    &[ROLE],
    "How long the process runs.",
    "",
);

/// Its open files.
pub const OPEN_FDS: Metric = Metric::gauge(
    "countersign_process_open_fds",
    &[ROLE],
    "Files and sockets that the process has open.",
    "",
);

/// Its limit of open files.
pub const MAX_FDS: Metric = Metric::gauge(
    "countersign_process_max_fds",
    &[ROLE],
    "Files and sockets that the process may have open.",
    "",
);

/// Its memory.
pub const RESIDENT_MEMORY: Metric = Metric::gauge(
    "countersign_process_resident_memory_bytes",
    &[ROLE],
    "Memory of the machine that the process holds.",
    "",
);

/// Its threads.
pub const THREADS: Metric = Metric::gauge(
    "countersign_process_threads",
    &[ROLE],
    "Threads of the process.",
    "",
);

/// Its time on processors.
pub const CPU: Metric = Metric::counter(
    "countersign_process_cpu_seconds_total",
    &[ROLE],
    "Time that the process has spent on processors, its own and the system's for it.",
    "",
);

/// Lost lines of the log.
pub const LOG_LINES_LOST: Metric = Metric::counter(
    "countersign_log_lines_lost_total",
    &[ROLE, Label::of("sink", LogSink::LABELS)],
    "Lines of logs that were lost, because where they go was too slow or failed.",
    "",
);

/// The end of a certificate.
pub const CERTIFICATE_EXPIRY: Metric = Metric::gauge(
    "countersign_certificate_expiry_timestamp_seconds",
    &[
        Label::of("kind", &["admin", "eap", "node", "file", "second_factor"]),
        Label::named(
            "name",
            "an address, a section or a node; as many as there are of these",
        ),
    ],
    "When a certificate ends, in seconds since 1970.",
    "`admin`: of the admin address that `name` is; `eap`: what [supplicants are shown](eap.md#certificates) by the \
     section; `node`: of a [node](nodes.md); renewed by itself; `file`: the last to end of the `ssl_ca_certs_file` of \
     the section, or of `http_ca_certs_file` of `main`; `second_factor`: of the built-in one; renewed 60 days before",
);

/// All of them.
pub const TABLE: Table = Table {
    title: "Every process",
    metrics: &[
        BUILD_INFO,
        START_TIME,
        UPTIME,
        CPU,
        RESIDENT_MEMORY,
        OPEN_FDS,
        MAX_FDS,
        THREADS,
        LOG_LINES_LOST,
    ],
};

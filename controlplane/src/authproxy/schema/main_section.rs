//! The options of `[main]`.

use super::{Kind, Numbering, OptionSpec, SectionKind};

/// The words of [`proto::config::SyslogFacility`].
const FACILITIES: &[&str] = &[
    "LOG_USER",
    "LOG_MAIL",
    "LOG_DAEMON",
    "LOG_AUTH",
    "LOG_SYSLOG",
    "LOG_LPR",
    "LOG_NEWS",
    "LOG_UUCP",
    "LOG_CRON",
    "LOG_AUTHPRIV",
    "LOG_FTP",
    "LOG_LOCAL0",
    "LOG_LOCAL1",
    "LOG_LOCAL2",
    "LOG_LOCAL3",
    "LOG_LOCAL4",
    "LOG_LOCAL5",
    "LOG_LOCAL6",
    "LOG_LOCAL7",
];

const MAIN: &[SectionKind] = &[SectionKind::Main];

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new(
        "debug",
        MAIN,
        Kind::Boolean,
        "Logs each step of each login as it happens, and Countersign's own targets at debug.",
    )
    .default("false"),
    OptionSpec::new(
        "log_dir",
        MAIN,
        Kind::Path,
        "The folder of the log files, made when missing; relative to this file's folder. When unset, log in the data folder.",
    ),
    OptionSpec::new(
        "log_auth_events",
        MAIN,
        Kind::Boolean,
        "Writes logins to authevents.log, one JSON document a line.",
    )
    .default("false"),
    OptionSpec::new(
        "log_sso_events",
        MAIN,
        Kind::Boolean,
        "Logged single sign-on; it has no effect, as there is none.",
    )
    .default("false"),
    OptionSpec::new(
        "log_max_files",
        MAIN,
        Kind::Integer(0, proto::config::MAX_LOG_FILES),
        "How many log files of before are kept, NAME.1 the newest; 0 means no rotation.",
    )
    .default("6"),
    OptionSpec::new(
        "log_max_size",
        MAIN,
        Kind::Integer(0, u32::MAX),
        "The size in octets that a log file does not outgrow: another is begun; 0 means that it may.",
    )
    .default("10485760"),
    OptionSpec::new("log_file", MAIN, Kind::Boolean, "Writes authproxy.log.").default("true"),
    OptionSpec::new(
        "log_stdout",
        MAIN,
        Kind::Boolean,
        "Writes the log to standard output; false leaves only what is wrong with the log there.",
    )
    .default("true"),
    OptionSpec::new(
        "log_syslog",
        MAIN,
        Kind::Boolean,
        "Sends the log to the local syslog, without its times.",
    )
    .default("false"),
    OptionSpec::new(
        "syslog_facility",
        MAIN,
        Kind::Choice(FACILITIES),
        "What syslog files the log under.",
    )
    .default("LOG_USER"),
    OptionSpec::new(
        "http_ca_certs_file",
        MAIN,
        Kind::Path,
        "The only trust roots for the second factor, in PEM; the system's when unset.",
    ),
    OptionSpec::new(
        "http_proxy_host",
        MAIN,
        Kind::Host,
        "The HTTP CONNECT proxy for calls to the second factor.",
    ),
    OptionSpec::new(
        "http_proxy_port",
        MAIN,
        Kind::Integer(1, 65_535),
        "Its TCP port.",
    )
    .default("80"),
    OptionSpec::new(
        "interface",
        MAIN,
        Kind::Address,
        "The listen address of server sections that name none.",
    ),
    OptionSpec::new(
        "test_connectivity_on_startup",
        MAIN,
        Kind::Boolean,
        "Checks all connections at start and logs the outcome.",
    )
    .default("false"),
    OptionSpec::new(
        "fips_mode",
        MAIN,
        Kind::Boolean,
        "Restricted cryptography to FIPS algorithms; it has no effect.",
    )
    .default("false"),
    OptionSpec::new(
        "client",
        MAIN,
        Kind::SectionName,
        "The client section of server sections that name none.",
    ),
    OptionSpec::new(
        "server",
        MAIN,
        Kind::SectionName,
        "Named the only server section of a very old file; it has no effect, as every section is served.",
    ),
    OptionSpec::new(
        "dictionary",
        MAIN,
        Kind::Path,
        "A dictionary in FreeRADIUS' format with further RADIUS attributes.",
    )
    .numbered(Numbering::FromTwo)
    .ours(),
];

//! The command line: names, defaults and help. No decisions.

mod factor;
mod factor_sets;
mod factor_sync;
mod manage;
mod parse;
mod roles;
mod tools;

pub(crate) use factor::{ApplicationArgs, DeviceArgs, FactorArgs, FactorCommand, UserChangeArgs};
pub(crate) use factor_sets::{
    DeliveryCommand, GatewayArgs, PolicyArgs, PolicyCommand, RememberedCommand, TokensCommand,
    WayCommand, WhoseArgs,
};
pub(crate) use factor_sync::SyncArgs;
pub(crate) use manage::{
    AdminArgs, AdminCommand, NodeArgs, NodeCommand, PrimaryOnlyArgs, PrimaryOnlyCommand, TokenArgs,
    TokenCommand,
};
pub(crate) use roles::{
    ControlplaneArgs, DatabaseArgs, DataplaneArgs, DemoArgs, NodeListenArgs, RunArgs,
    SecondFactorPublicArgs, SecondfactorArgs, SupervisedArgs, WatchArgs,
};
pub(crate) use tools::{
    AuditArgs, AuditCommand, BackupArgs, CertArgs, CheckArgs, EventsArgs, ExportArgs, GenerateArgs,
    HealthcheckArgs, ImportArgs, LogLevelArgs, LoginArgs, LoginEapArgs, MasterKeyArgs,
    MasterKeyCommand, RestoreArgs, SealArgs, StatusArgs, SupportArgs, UpgradeArgs, ValidateArgs,
};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A second factor in front of everything that speaks RADIUS.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How to log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What this program logs itself")]
pub(crate) struct LogArgs {
    /// What to log: a level, or targets with levels (`info`, `dataplane=debug,info`). A level alone
    /// is for Countersign's own targets: libraries log more than `info` only when they are named
    /// (`trace,hyper=trace`), as they log what they carry.
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
    /// Log as JSON, one document a line.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG_JSON")]
    pub(crate) log_json: bool,
    /// The socket of the machine's syslog, for `log_syslog` of the configuration.
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_SYSLOG_SOCKET",
        default_value = "/dev/log",
        value_name = "PATH"
    )]
    pub(crate) syslog_socket: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole gateway on this machine.
    Run(RunArgs),
    /// Run a gateway with sample users and a scratch folder, and print logins to paste.
    Demo(DemoArgs),
    /// Run the control plane alone.
    Controlplane(ControlplaneArgs),
    /// Run a data plane alone.
    Dataplane(DataplaneArgs),
    /// Run the built-in second factor alone.
    Secondfactor(SecondfactorArgs),
    /// Check an authproxy.cfg: every fault with file, line, option and remedy.
    Validate(ValidateArgs),
    /// Make a CA and a certificate for `[radius_server_eap]`, or renew the certificate.
    Cert(CertArgs),
    /// Try what a configuration names: second factor, directories, upstream RADIUS, ports, certificates.
    ///
    /// The running gateway's, from where it runs, or with --config a file's from here. Nobody logs in, and no
    /// push is sent. Exit code 0: nothing failed; 1: a row failed, or no gateway runs; 2: the file is bad.
    Check(CheckArgs),
    /// Log in through a running node with real RADIUS packets, explained step by step.
    Login(LoginArgs),
    /// Show the state of the running gateway.
    Status(StatusArgs),
    /// Show finished logins, or follow them as they come.
    Events(EventsArgs),
    /// Make a running gateway read its configuration file again.
    Reload(StatusArgs),
    /// Show and change how much a running gateway logs, without a restart.
    LogLevel(LogLevelArgs),
    /// Let the program on the disk take over from the one that runs, without a lost login.
    Upgrade(UpgradeArgs),
    /// Exit 0 when the running gateway is ready, for containers and monitors.
    Healthcheck(HealthcheckArgs),
    /// Data planes on other machines: let them join, list, drain, check and remove them.
    Node(NodeArgs),
    /// For an outage of the second factor: let logins pass on the primary alone for a while.
    PrimaryOnly(PrimaryOnlyArgs),
    /// Manage users, devices, policies and approvals of the built-in second factor.
    Factor(FactorArgs),
    /// Bring an authproxy.cfg, with the files that it names, into a running control plane.
    ///
    /// Its database has to be the truth (it was started without a file). Shows what it changes first.
    Import(ImportArgs),
    /// Write what a running control plane serves as an authproxy.cfg.
    Export(ExportArgs),
    /// Who changed what, and whether all of it is there.
    Audit(AuditArgs),
    /// Invite, list and remove administrators, who sign in to the REST API with a password and a
    /// passcode.
    Admin(AdminArgs),
    /// Make, list and revoke tokens for the REST API; needs no other token.
    Token(TokenArgs),
    /// Turn a secret, read from standard input, into a value for a `_protected` option that only
    /// this installation can open.
    Seal(SealArgs),
    /// Change the key that everything stored is under, while the gateway runs or not.
    MasterKey(MasterKeyArgs),
    /// Copy databases, keys and certificates into a new folder, while the gateway runs or not.
    Backup(BackupArgs),
    /// Put a backup into an empty data folder. The gateway must not run.
    Restore(RestoreArgs),
    /// Put what helps to find a fault into one file, without secrets, while the gateway runs or not.
    Support(SupportArgs),
    /// Print the version.
    Version(JsonArgs),
    /// Write manual pages and completions, for packages.
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Where a gateway keeps its files and sockets.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataDirArgs {
    /// Folder of databases, keys and sockets [default: /var/lib/countersign as root, else
    /// ./countersign-data].
    #[arg(long, global = true, env = "COUNTERSIGN_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Output for programs.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Which gateway a tool is for, and how it prints what it found.
#[derive(Clone, Debug, Args)]
pub(crate) struct ToolArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Where the password of a login is read.
#[derive(Clone, Debug, Args)]
pub(crate) struct PasswordArgs {
    /// A file whose first line is the password [default: asked for, or the first line of standard
    /// input].
    #[arg(long, env = "COUNTERSIGN_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// The admin address of `run`.
pub(crate) const DEFAULT_ADMIN: &str = "127.0.0.1:8400";
const DEFAULT_SECOND_FACTOR: &str = "127.0.0.1:8402";
/// The name of the data plane of `run`, unless it is told another.
pub(crate) const DEFAULT_NODE: &str = "local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_only_names_where_it_is_for() {
        let read = |extra: &[&str]| {
            let fixed = [
                "countersign",
                "primary-only",
                "start",
                "--for",
                "30m",
                "--reason",
                "x",
            ];
            Cli::try_parse_from(fixed.iter().chain(extra)).is_ok()
        };
        assert!(read(&["--all"]) && read(&["--integration", "radius_server_auto"]));
        assert!(!read(&[]), "nowhere");
        assert!(!read(&["--all", "--integration", "radius_server_auto"]));
        assert!(!read(&["--integration", "a b"]));
    }

    #[test]
    fn events_are_asked_for_in_words_that_events_have() {
        let read = |extra: &[&str]| {
            let line = ["countersign", "events"].iter().chain(extra);
            Cli::try_parse_from(line).is_ok()
        };
        let id = "0".repeat(32);
        for (extra, want) in [
            (&[][..], true),
            (&["--user", "alice", "--since", "7d", "--follow"], true),
            (&["--outcome", "reject", "--reason", "wrong_password"], true),
            (&["--factor", "push", "--client", "2001:db8::1"], true),
            (
                &["--from", "2026-11-22", "--to", "2026-11-23", "--csv"],
                true,
            ),
            (&["--login", &id, "--steps"], true),
            (&["--outcome", "perhaps"], false),
            (&["--reason", "Wrong_Password"], false),
            (&["--client", "gate"], false),
            (&["--login", "7"], false),
            (&["--from", "yesterday"], false),
            (&["--since", "1h", "--from", "2026-11-22"], false),
            (&["--csv", "--json"], false),
            (&["--csv", "--follow"], false),
            (&["--limit", "0"], false),
        ] {
            assert_eq!(read(extra), want, "{extra:?}");
        }
    }

    #[test]
    fn the_second_factor_has_its_public_url_and_names() {
        let read = |extra: &[&str]| {
            let line = ["countersign", "run"].iter().chain(extra);
            Cli::try_parse_from(line).map(|cli| match cli.command {
                Command::Run(args) => args.public,
                other => panic!("{other:?}"),
            })
        };
        let public = read(&[
            "--second-factor-public-url",
            "https://gate.example:8402/",
            "--second-factor-name",
            "gate.example",
            "--second-factor-name",
            "192.0.2.1",
        ])
        .unwrap();
        assert!(
            !public.second_factor_approve_by_link,
            "off unless asked for"
        );
        let url = public.second_factor_public_url.as_deref();
        assert_eq!(url, Some("https://gate.example:8402"));
        assert_eq!(public.second_factor_names, ["gate.example", "192.0.2.1"]);
        assert!(!public.second_factor_legacy_api, "off unless asked for");
        let public = read(&["--second-factor-legacy-api"]).unwrap();
        assert!(public.second_factor_legacy_api);
        assert!(!public.second_factor_no_self_service, "on unless asked for");
        let public = read(&["--second-factor-no-self-service"]).unwrap();
        assert!(public.second_factor_no_self_service);
        assert!(
            public.second_factor_trusted_proxies.is_empty(),
            "nobody unless named"
        );
        for (wrong, says) in [
            ("proxy.example", "write an address, or a network"),
            ("192.0.2.0/40", "write an address, or a network"),
            ("0.0.0.0/0", "nearly everybody"),
            ("::/0", "nearly everybody"),
        ] {
            let error = read(&["--second-factor-trusted-proxy", wrong]).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        let proxies = [
            "--second-factor-trusted-proxy",
            "::1,192.0.2.0/28,fd00::/16",
        ];
        let public = read(&proxies).unwrap();
        assert_eq!(
            format!("{:?}", public.second_factor_trusted_proxies),
            "[::1, 192.0.2.0/28, fd00::/16]"
        );
        for wrong in [
            "http://gate",
            "gate",
            "https://",
            "https:///x",
            "https://a/<b",
        ] {
            let read = read(&["--second-factor-public-url", wrong]);
            assert!(read.is_err(), "{wrong}");
        }
    }
}

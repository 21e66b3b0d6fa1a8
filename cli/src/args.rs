//! The command line: names, defaults and help. No decisions.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use controlplane::admin::Moment;
use controlplane::{CertificateFiles, Retention};
use proto::event::{Factor, Outcome, Reason};
use proto::id::{IntegrationId, LoginId, NodeId};
use proto::secret::Secret;

use crate::span;

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
pub(crate) struct LogArgs {
    /// What to log: a level, or targets with levels (`info`, `dataplane=debug,info`).
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
    /// Try what a configuration names: second factor, directories, upstream RADIUS, ports,
    /// certificates. The running gateway's, from where it runs, or with --config a file's from here.
    Check(CheckArgs),
    /// Log in through a running node with real RADIUS packets, explained step by step.
    Login(LoginArgs),
    /// Show how the running gateway is.
    Status(StatusArgs),
    /// Show logins that are over, or follow them as they come.
    Events(EventsArgs),
    /// Make a running gateway read its configuration file again.
    Reload(StatusArgs),
    /// Exit 0 when the running gateway is ready, for containers and monitors.
    Healthcheck(HealthcheckArgs),
    /// Data planes on other machines: let them join, list, drain, check and remove them.
    Node(NodeArgs),
    /// For an outage of the second factor: let logins pass on the primary alone for a while.
    PrimaryOnly(PrimaryOnlyArgs),
    /// Manage users, devices and approvals of the built-in second factor.
    Factor(FactorArgs),
    /// Bring an authproxy.cfg, with the files that it names, into a running control plane whose
    /// database is the truth; shows what it changes first.
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
    /// Print the version.
    Version(JsonArgs),
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

/// Given by a supervisor to its children; not for people.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SupervisedArgs {
    /// The supervisor's process id: the role ends with it and speaks to it on standard output.
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) supervised: Option<i32>,
}

/// Where a control plane keeps its data, if not in the data folder.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DatabaseArgs {
    /// A PostgreSQL database, postgres://USER@HOST/NAME, in place of SQLite in the data folder;
    /// several control planes may share it. A URL with a password is for --database-url-file, or
    /// for the variable `COUNTERSIGN_DATABASE`: everybody on the machine can read this one.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub(crate) database: Option<Secret<String>>,
    /// A file whose first line is the URL of a PostgreSQL database [env:
    /// `COUNTERSIGN_DATABASE_FILE`].
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    pub(crate) database_url_file: Option<PathBuf>,
}

/// Where data planes of other machines are listened for.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct NodeListenArgs {
    /// Listen on this address for data planes of other machines, by mutual TLS [default: not at
    /// all]. They join with a token of `countersign node token`.
    #[arg(long, env = "COUNTERSIGN_NODE_LISTEN", value_name = "ADDR")]
    pub(crate) node_listen: Option<SocketAddr>,
    /// How long the certificate of a node is good.
    #[arg(long, hide = true, default_value_t = 7_776_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) node_certificate_seconds: u32,
}

/// How long events are kept: until one of the bounds is passed. A gateway's control plane takes the
/// variables of the gateway.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RetentionArgs {
    /// Days that events are kept.
    #[arg(
        long,
        env = "COUNTERSIGN_EVENT_DAYS",
        default_value_t = Retention::default().days,
        value_name = "DAYS"
    )]
    pub(crate) event_days: u32,
    /// Events that are kept.
    #[arg(
        long,
        env = "COUNTERSIGN_EVENT_COUNT",
        default_value_t = Retention::default().events,
        value_name = "COUNT"
    )]
    pub(crate) event_count: u32,
    /// Octets of events that are kept, as JSON; the database has about as much again for indexes.
    #[arg(
        long,
        env = "COUNTERSIGN_EVENT_OCTETS",
        default_value_t = Retention::default().octets,
        value_name = "OCTETS"
    )]
    pub(crate) event_octets: u64,
}

/// How people reach the built-in second factor from their phones.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SecondFactorPublicArgs {
    /// What approval and enrollment links begin with, as a phone reaches it
    /// [default: https://NAME:PORT with the first name, or localhost].
    #[arg(
        long,
        env = "COUNTERSIGN_SECOND_FACTOR_PUBLIC_URL",
        value_name = "URL",
        value_parser = https_url
    )]
    pub(crate) second_factor_public_url: Option<String>,
    /// A name or address for its certificate, besides localhost and the address listened on; may
    /// be given several times.
    #[arg(
        long = "second-factor-name",
        env = "COUNTERSIGN_SECOND_FACTOR_NAMES",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(crate) second_factor_names: Vec<String>,
}

/// What the admin address serves TLS with.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AdminTlsArgs {
    /// The admin address's certificate (PEM), with those that sign it [default: none on loopback,
    /// which means plain HTTP; elsewhere a self-made one].
    #[arg(
        long,
        env = "COUNTERSIGN_ADMIN_TLS_CERT",
        value_name = "FILE",
        requires = "admin_tls_key"
    )]
    pub(crate) admin_tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM), not encrypted.
    #[arg(
        long,
        env = "COUNTERSIGN_ADMIN_TLS_KEY",
        value_name = "FILE",
        requires = "admin_tls_cert"
    )]
    pub(crate) admin_tls_key: Option<PathBuf>,
}

impl AdminTlsArgs {
    /// The files, when they are named.
    pub(crate) fn files(self) -> Option<CertificateFiles> {
        Some(CertificateFiles {
            certificate: self.admin_tls_cert?,
            key: self.admin_tls_key?,
        })
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// An authproxy.cfg, which is then the truth: watched, and reloaded live. Without it the
    /// database is.
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The name of the data plane on this machine [default: local]. Gateways that share a database
    /// need one each.
    #[arg(long, env = "COUNTERSIGN_NODE", value_name = "NAME", value_parser = node)]
    pub(crate) node: Option<NodeId>,
    /// Where /api/v1, /healthz, /readyz and /metrics are served; with TLS when that is not on
    /// loopback.
    #[arg(long, env = "COUNTERSIGN_ADMIN_LISTEN", default_value = DEFAULT_ADMIN, value_name = "ADDR")]
    pub(crate) admin_listen: SocketAddr,
    #[command(flatten)]
    pub(crate) admin_tls: AdminTlsArgs,
    /// Where the built-in second factor is served, when a section uses it.
    #[arg(
        long,
        env = "COUNTERSIGN_SECOND_FACTOR_LISTEN",
        default_value = DEFAULT_SECOND_FACTOR,
        value_name = "ADDR"
    )]
    pub(crate) second_factor_listen: SocketAddr,
    #[command(flatten)]
    pub(crate) public: SecondFactorPublicArgs,
    #[command(flatten)]
    pub(crate) nodes: NodeListenArgs,
    /// Seconds that logins in flight get to finish when the gateway is told to stop.
    #[arg(
        long,
        env = "COUNTERSIGN_GRACE",
        default_value_t = 10,
        value_name = "SECONDS"
    )]
    pub(crate) grace: u64,
    /// With a bad file: serve the last good revision and say so, instead of stopping with exit
    /// code 2.
    #[arg(long, env = "COUNTERSIGN_LAST_GOOD")]
    pub(crate) last_good: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where /api/v1, /healthz, /readyz and /metrics are served; with TLS when that is not on
    /// loopback.
    #[arg(long, default_value = DEFAULT_ADMIN, value_name = "ADDR")]
    pub(crate) admin_listen: SocketAddr,
    /// The RADIUS port; that of the section with a menu is 10 above it, where it is free.
    #[arg(long, default_value_t = 1812, value_name = "PORT")]
    pub(crate) port: u16,
    /// Where the built-in second factor is served.
    #[arg(long, default_value = DEFAULT_SECOND_FACTOR, value_name = "ADDR")]
    pub(crate) second_factor_listen: SocketAddr,
    /// The scratch folder, emptied first [default: one under the system's folder for such].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ControlplaneArgs {
    /// An authproxy.cfg, which is then the truth.
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where /api/v1, /healthz, /readyz and /metrics are served [default: not at all]; with TLS when
    /// that is not on loopback.
    #[arg(long, env = "COUNTERSIGN_ADMIN_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) admin_tls: AdminTlsArgs,
    /// With a bad file: serve the last good revision.
    #[arg(long, env = "COUNTERSIGN_LAST_GOOD")]
    pub(crate) last_good: bool,
    #[command(flatten)]
    pub(crate) nodes: NodeListenArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    /// Read the URL of the database from standard input: a supervisor's way of handing it on.
    #[arg(long, hide = true)]
    pub(crate) database_from_stdin: bool,
    /// The name of the data plane that the supervisor runs.
    #[arg(long, hide = true, default_value = DEFAULT_NODE, value_parser = node)]
    pub(crate) local_node: NodeId,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DataplaneArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    /// This node's name [default: the one it joined with, or local].
    #[arg(long, env = "COUNTERSIGN_NODE", value_name = "NAME", value_parser = node)]
    pub(crate) node: Option<NodeId>,
    /// The control plane's socket [default: the control plane that was joined with `countersign
    /// node join`, else the socket of the data folder].
    #[arg(long, env = "COUNTERSIGN_CONTROL_SOCKET", value_name = "PATH")]
    pub(crate) control_socket: Option<PathBuf>,
    /// Listen on this address of this machine, whatever the sections' `interface` says.
    #[arg(long, env = "COUNTERSIGN_INTERFACE", value_name = "ADDRESS")]
    pub(crate) interface: Option<IpAddr>,
    /// Seconds that logins in flight get to finish when the node is told to stop.
    #[arg(
        long,
        env = "COUNTERSIGN_GRACE",
        default_value_t = 10,
        value_name = "SECONDS"
    )]
    pub(crate) grace: u64,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SecondfactorArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    /// Where HTTPS is served.
    #[arg(
        long,
        env = "COUNTERSIGN_SECOND_FACTOR_LISTEN",
        default_value = DEFAULT_SECOND_FACTOR,
        value_name = "ADDR"
    )]
    pub(crate) second_factor_listen: SocketAddr,
    #[command(flatten)]
    pub(crate) public: SecondFactorPublicArgs,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take warnings for errors.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CertArgs {
    /// The server's names: a DNS name that supplicants are told (it need not resolve), and further
    /// names or addresses. With --renew those of the certificate that is there, when none is given.
    #[arg(value_name = "NAME", required_unless_present = "renew")]
    pub(crate) names: Vec<String>,
    /// The folder for ca.pem, ca.key, radius.pem and radius.key. A CA that is there is used.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Days that the certificate is good for.
    #[arg(long, default_value_t = 365, value_name = "DAYS", value_parser = days())]
    pub(crate) days: u32,
    /// Days that a new CA is good for.
    #[arg(long, default_value_t = 3_650, value_name = "DAYS", value_parser = days())]
    pub(crate) ca_days: u32,
    /// Replace radius.pem and radius.key; a running gateway shows the new ones by itself.
    #[arg(long)]
    pub(crate) renew: bool,
    /// Make no CA: supplicants must then have radius.pem itself, and anew with each renewal.
    #[arg(long, conflicts_with = "ca_days")]
    pub(crate) self_signed: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// An authproxy.cfg to try in place of what the running gateway serves; no gateway need run.
    // Not from the environment, where a container names the file that its gateway serves.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// The user's name.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// The integration to log in through; needed when there are several.
    #[arg(long, value_name = "ID", value_parser = integration)]
    pub(crate) integration: Option<IntegrationId>,
    /// A file whose first line is the password [default: asked for, or the first line of standard
    /// input].
    #[arg(long, env = "COUNTERSIGN_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) eap: LoginEapArgs,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// How a supplicant logs in, where the integration is of mode eap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "EAP")]
pub(crate) struct LoginEapArgs {
    /// The name outside of the tunnel, which is no secret [default: USER].
    #[arg(long, value_name = "NAME")]
    pub(crate) outer: Option<String>,
    /// A file of CA certificates (PEM): the server's must be signed by one of them [default: any is
    /// taken].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The name or address that the server's certificate must be for [default: any].
    #[arg(long, requires = "ca", value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// The only version of TLS to offer [default: both].
    #[arg(long, value_parser = ["1.2", "1.3"], value_name = "VERSION")]
    pub(crate) tls: Option<String>,
    /// The highest version of PEAP to speak [default: 1].
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1), value_name = "VERSION")]
    pub(crate) peap: Option<u8>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArgs {
    /// Of this user, as it was typed.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Through this integration: the name of its section.
    #[arg(long, value_name = "ID", value_parser = integration)]
    pub(crate) integration: Option<IntegrationId>,
    /// Through this data plane.
    #[arg(long, value_name = "NAME", value_parser = node)]
    pub(crate) node: Option<NodeId>,
    /// That ended so: accept, reject, challenge or unanswered.
    #[arg(long, value_name = "WORD", value_parser = outcome)]
    pub(crate) outcome: Option<Outcome>,
    /// For this reason, as the log has it.
    #[arg(long, value_name = "WORD", value_parser = reason)]
    pub(crate) reason: Option<Reason>,
    /// With this second factor: auto, push, phone, sms or passcode.
    #[arg(long, value_name = "WORD", value_parser = factor)]
    pub(crate) factor: Option<Factor>,
    /// From this address of a client.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client: Option<IpAddr>,
    /// With this in one of their texts, whatever the case; the steps count too.
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// All requests of the login whose first request has this id.
    #[arg(long, value_name = "ID", value_parser = login_id)]
    pub(crate) login: Option<LoginId>,
    /// Of the last 90s, 30m, 1h30m, 7d.
    #[arg(long, value_name = "TIME", value_parser = span::read, conflicts_with = "from")]
    pub(crate) since: Option<Duration>,
    /// From this moment on: 2026-11-22, 2026-11-22T15:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) from: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    pub(crate) to: Option<Moment>,
    /// The newest so many [default: 100; with --json or --csv all].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print a table for spreadsheets.
    #[arg(long, conflicts_with_all = ["follow", "json"])]
    pub(crate) csv: bool,
    /// Show the steps of each login.
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub(crate) steps: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// The gateway's admin address.
    #[arg(long, env = "COUNTERSIGN_ADMIN_LISTEN", default_value = DEFAULT_ADMIN, value_name = "ADDR")]
    pub(crate) admin_listen: SocketAddr,
    /// The certificate that it serves TLS with (PEM), if it is not the self-made one in the data
    /// folder.
    #[arg(long, env = "COUNTERSIGN_ADMIN_TLS_CERT", value_name = "FILE")]
    pub(crate) admin_tls_cert: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Add to what there is, and replace nothing.
    #[arg(long)]
    pub(crate) merge: bool,
    /// Only show what would change.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Write authproxy.cfg and the files that it names into this folder [default: the text alone, on
    /// standard output].
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Write secrets as `_protected` values that only this installation opens [default: as
    /// placeholders]. Private keys are never written.
    #[arg(long)]
    pub(crate) sealed: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the newest entries.
    List {
        /// How many, 1,000 at most.
        #[arg(long, default_value_t = 50, value_name = "NUMBER")]
        limit: u32,
    },
    /// Prove that no entry was changed, put in or taken out. Exit 1 when one was.
    Verify,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SealArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MasterKeyArgs {
    #[command(subcommand)]
    pub(crate) command: MasterKeyCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Put a new master key into the key file, and the data keys under it. What is sealed stays as it
    /// is, `_protected` values in files too.
    Rotate {
        /// Also make a new data key, for what is sealed from now on. Where several control planes
        /// share a database, only once all of them have the new key file.
        #[arg(long)]
        new_data_key: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    /// The folder; it must not be there yet.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The folder of a backup.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where the data folder is not empty: keep what is there aside, in a folder within it.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: NodeCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Print a token with which one machine joins, once.
    Token {
        /// The name that the node gets, also if there is one of that name, whose place it takes
        /// [default: any that is free].
        #[arg(long, value_name = "NAME", value_parser = node)]
        node: Option<NodeId>,
        /// For how long it is good: 90s, 30m, 1h30m.
        #[arg(long = "for", value_name = "TIME", value_parser = span::read, default_value = "1h")]
        span: Duration,
    },
    /// List the tokens that nobody has used yet, or take one back.
    Tokens {
        /// The token's id, as the list has it.
        #[arg(long, value_name = "ID")]
        take_back: Option<String>,
    },
    /// On the new machine: join a control plane.
    Join {
        /// Where it listens for nodes: https://HOST:PORT.
        #[arg(value_name = "URL")]
        url: String,
        /// A file with the token; - is standard input.
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        /// The name of the node [default: that of the token].
        #[arg(long, value_name = "NAME", value_parser = node)]
        name: Option<NodeId>,
    },
    /// List the nodes and how they are.
    List,
    /// Have a node take no new logins; those that wait go on. Lasts until --undo.
    Drain {
        /// The node.
        #[arg(value_parser = node)]
        name: NodeId,
        /// Take new logins again.
        #[arg(long)]
        undo: bool,
    },
    /// Have a node try what it serves, as `countersign check` does there.
    Check {
        /// The node [default: every node that is connected].
        #[arg(value_parser = node)]
        name: Option<NodeId>,
    },
    /// Have a node log a user in as a device would, and show what comes of it. Nobody is let in
    /// anywhere.
    Login {
        /// The user's name.
        #[arg(value_name = "USER")]
        user: String,
        /// The integration to log in through.
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: IntegrationId,
        /// The node [default: one that serves the newest revision].
        #[arg(long, value_name = "NAME", value_parser = node)]
        node: Option<NodeId>,
        /// As this device, which must be a client of the integration.
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
        /// Where the user is, as a device says it in Calling-Station-Id.
        #[arg(long, value_name = "TEXT")]
        calling_station_id: Option<String>,
        /// A file whose first line is the password [default: asked for, or the first line of standard
        /// input].
        #[arg(long, env = "COUNTERSIGN_PASSWORD_FILE", value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Revoke a node's certificate and forget it. Stop its process as well: what it has, it serves.
    Remove {
        /// The node.
        #[arg(value_parser = node)]
        name: NodeId,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PrimaryOnlyArgs {
    #[command(subcommand)]
    pub(crate) command: PrimaryOnlyCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PrimaryOnlyCommand {
    /// Let logins pass on the primary alone, after asking whether that is meant.
    Start {
        /// In this integration: the name of its section.
        #[arg(
            long,
            value_name = "ID",
            value_parser = integration,
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        integration: Option<IntegrationId>,
        /// In every integration whose primary checks a password.
        #[arg(long)]
        all: bool,
        /// For how long, 24h at most: 90s, 30m, 1h30m. It ends by itself then.
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Duration,
        /// Why, for the log and for whoever looks: 500 characters at most.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Ask for the second factor again, at once.
    Stop {
        /// In this integration alone [default: end every grant].
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: Option<IntegrationId>,
    },
    /// Show where logins pass on the primary alone.
    Show,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Invite an administrator and print the invitation, once.
    Invite {
        /// What they sign in with: letters, digits and -_.@
        name: String,
        /// What they may: viewer sees, operator runs what is there, admin changes it.
        #[arg(long, value_name = "ROLE", default_value = "admin", value_parser = ["viewer", "operator", "admin"])]
        role: String,
        /// Ask the second factor through this integration, under their name [default: passcodes of
        /// this installation].
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: Option<IntegrationId>,
    },
    /// List administrators, and who has yet to take the invitation.
    List,
    /// Remove an administrator and end all sessions.
    Remove {
        /// The name.
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: it is kept nowhere.
    Create {
        /// What to know it by: whose it is, or what for.
        name: String,
        /// What it may: viewer sees, operator runs what is there, admin changes it.
        #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = ["viewer", "operator", "admin"])]
        role: String,
        /// Days that it is good for.
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
    },
    /// List tokens: who has one, until when, and when it was used last.
    List,
    /// Take a token back, at once.
    Revoke {
        /// Its name or id.
        token: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct FactorArgs {
    #[command(subcommand)]
    pub(crate) command: FactorCommand,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FactorCommand {
    /// List users.
    Users,
    /// Show one user.
    Show {
        /// The user's name.
        user: String,
    },
    /// Make a user.
    Add {
        /// The user's name.
        user: String,
    },
    /// Delete a user with all devices and codes.
    Delete {
        /// The user's name.
        user: String,
    },
    /// Set what a user may do.
    SetStatus {
        /// The user's name.
        user: String,
        /// active, bypass, disabled or `locked_out`.
        status: String,
    },
    /// Let a user in again who was locked out.
    Unlock {
        /// The user's name.
        user: String,
    },
    /// Add a device to a user; prints what its owner needs, once.
    AddDevice {
        /// The user's name.
        user: String,
        /// phone, totp or hotp.
        kind: String,
        /// What to call it.
        #[arg(long, default_value = "")]
        name: String,
        /// A phone's number.
        #[arg(long, default_value = "")]
        number: String,
    },
    /// Delete a device.
    DeleteDevice {
        /// The user's name.
        user: String,
        /// The device's id.
        device: String,
    },
    /// Make codes that let a user in once each; prints them, once.
    BypassCodes {
        /// The user's name.
        user: String,
        /// How many.
        #[arg(long, default_value_t = 10)]
        count: u32,
    },
    /// Make a link with which a user sets up a phone.
    Enroll {
        /// The user's name.
        user: String,
    },
    /// Answer a user's pushes automatically, for tests: approve, deny, fraud, ignore or none.
    Script {
        /// The user's name.
        user: String,
        /// approve, deny, fraud, ignore or none.
        answer: String,
        /// Milliseconds until the answer comes.
        #[arg(long, default_value_t = 0)]
        after_ms: u32,
    },
    /// List the applications, with what each does with unknown users and names.
    Applications,
    /// Show or change what an application does with unknown users and names.
    Application {
        /// The application's name, as `factor applications` shows it.
        name: String,
        /// What becomes of a user without a device: enroll, allow or deny.
        #[arg(long, value_name = "WORD")]
        new_users: Option<String>,
        /// Whether names that no administrator made may enroll too. Whoever has a password and
        /// an alias that the directory takes could then enroll a device of their own.
        #[arg(long, value_name = "BOOL")]
        open_enrollment: Option<bool>,
        /// What is done to names: simple (without domain) or none.
        #[arg(long, value_name = "WORD")]
        names: Option<String>,
    },
    /// List the pushes that wait for an answer.
    Pushes,
    /// Approve a push: by its id, or the only one of a user.
    Approve {
        /// The push's id, or a user's name.
        which: String,
    },
    /// Deny a push: by its id, or the only one of a user.
    Deny {
        /// The push's id, or a user's name.
        which: String,
    },
    /// Report a push as fraud: by its id, or the only one of a user.
    Fraud {
        /// The push's id, or a user's name.
        which: String,
    },
}

/// The admin address of `run`.
pub(crate) const DEFAULT_ADMIN: &str = "127.0.0.1:8400";
const DEFAULT_SECOND_FACTOR: &str = "127.0.0.1:8402";
/// The name of the data plane of `run`, unless it is told another.
pub(crate) const DEFAULT_NODE: &str = "local";

/// Any text; what is wrong with it is said without repeating it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn secret(text: &str) -> Result<Secret<String>, std::convert::Infallible> {
    Ok(Secret::from(text))
}

/// A hundred years at most.
fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

fn https_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").unwrap_or_default();
    let good = |c: char| c.is_ascii_graphic() && !"\"'<>?#@".contains(c);
    if host.is_empty() || host.starts_with('/') || !host.chars().all(good) {
        return Err("write https://NAME or https://NAME:PORT".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A word of a list, as events have it.
fn word<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        format!("write one of {}", words.join(", "))
    })
}

fn outcome(text: &str) -> Result<Outcome, String> {
    word(Outcome::ALL, Outcome::as_str, text)
}

fn reason(text: &str) -> Result<Reason, String> {
    word(Reason::ALL, Reason::as_str, text)
}

fn factor(text: &str) -> Result<Factor, String> {
    word(Factor::ALL, Factor::as_str, text)
}

fn login_id(text: &str) -> Result<LoginId, String> {
    let wrong = |_| "a login's id is 32 hexadecimal digits".to_owned();
    serde_json::from_value(text.into()).map_err(wrong)
}

fn node(text: &str) -> Result<NodeId, proto::id::NameError> {
    NodeId::new(text)
}

fn integration(text: &str) -> Result<IntegrationId, proto::id::NameError> {
    IntegrationId::new(text)
}

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
        let url = public.second_factor_public_url.as_deref();
        assert_eq!(url, Some("https://gate.example:8402"));
        assert_eq!(public.second_factor_names, ["gate.example", "192.0.2.1"]);
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

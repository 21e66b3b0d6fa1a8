//! Arguments of the roles, and of what runs all of them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use controlplane::{
    AdminCertificate, CertificateFiles, OtlpEndpoint, Retention, TraceError, TraceSettings,
};
use proto::address::AddressRange;
use proto::id::NodeId;
use proto::secret::Secret;

use super::parse::{admin_certificate, https_url, node, secret, trusted_proxy};
use super::{DEFAULT_ADMIN, DEFAULT_NODE, DEFAULT_SECOND_FACTOR, DataDirArgs};
use crate::failure::Failure;

/// Given by a supervisor to its children; not for people.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SupervisedArgs {
    /// The supervisor's process id: the role ends with it and speaks to it on standard output.
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) supervised: Option<i32>,
    /// Take the place of the process of this role that runs.
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
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

/// How long events are kept: until one of the bounds is passed.
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

impl RetentionArgs {
    /// The bounds.
    pub(crate) fn retention(self) -> Retention {
        Retention {
            days: self.event_days,
            events: self.event_count,
            octets: self.event_octets,
            ..Retention::default()
        }
    }
}

/// The file that is the truth, where one is.
#[derive(Clone, Debug, Args)]
pub(crate) struct SourceArgs {
    /// An authproxy.cfg, which is then the truth: watched, and reloaded live. Without it the
    /// database is.
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// With a bad file: serve the last good revision and say so, instead of stopping with exit
    /// code 2.
    #[arg(long, env = "COUNTERSIGN_LAST_GOOD")]
    pub(crate) last_good: bool,
}

/// Where a data plane or a second factor that runs by itself can be watched. The variables are not those
/// of a control plane, which may be set for all roles of a machine and name an address that one can have.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WatchArgs {
    /// Where /healthz, /readyz and /metrics are served [default: not at all]; with TLS when that is
    /// not on loopback. Who reaches it needs no token.
    #[arg(long, env = "COUNTERSIGN_WATCH_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The certificate of that address (PEM), with those that sign it [default: none on loopback,
    /// which means plain HTTP; elsewhere a self-made one].
    #[arg(
        long,
        env = "COUNTERSIGN_WATCH_TLS_CERT",
        value_name = "FILE",
        requires = "admin_tls_key"
    )]
    pub(crate) admin_tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM), not encrypted.
    #[arg(
        long,
        env = "COUNTERSIGN_WATCH_TLS_KEY",
        value_name = "FILE",
        requires = "admin_tls_cert"
    )]
    pub(crate) admin_tls_key: Option<PathBuf>,
}

impl WatchArgs {
    /// The files of its certificate, when they are named.
    pub(crate) fn files(&self) -> Option<CertificateFiles> {
        Some(CertificateFiles {
            certificate: self.admin_tls_cert.clone()?,
            key: self.admin_tls_key.clone()?,
        })
    }
}

/// How a data plane stops.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct GraceArgs {
    /// Seconds that logins in flight get to finish at the end.
    #[arg(
        long,
        env = "COUNTERSIGN_GRACE",
        default_value_t = 10,
        value_name = "SECONDS"
    )]
    pub(crate) grace: u64,
}

/// Where the built-in second factor listens.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SecondFactorListenArgs {
    /// Where the built-in second factor is served, by HTTPS; it runs when a section uses it.
    #[arg(
        long,
        env = "COUNTERSIGN_SECOND_FACTOR_LISTEN",
        default_value = DEFAULT_SECOND_FACTOR,
        value_name = "ADDR"
    )]
    pub(crate) second_factor_listen: SocketAddr,
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
    /// Let who opens a phone's address approve by that alone, as long as no passkey binds the phone:
    /// for demonstrations, since whoever sees the address can approve too.
    #[arg(
        long = "second-factor-approve-by-link",
        env = "COUNTERSIGN_SECOND_FACTOR_APPROVE_BY_LINK"
    )]
    pub(crate) second_factor_approve_by_link: bool,
    /// A name or address for its certificate, besides localhost and the address listened on; may
    /// be given several times.
    #[arg(
        long = "second-factor-name",
        env = "COUNTERSIGN_SECOND_FACTOR_NAMES",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(crate) second_factor_names: Vec<String>,
    /// Serve version 1 of the API too, below /rest/v1, for clients such as login_duo 1.11. Its
    /// signatures have no date: whoever sees a request can send it again.
    #[arg(
        long = "second-factor-legacy-api",
        env = "COUNTERSIGN_SECOND_FACTOR_LEGACY_API"
    )]
    pub(crate) second_factor_legacy_api: bool,
    /// Do not let people look after their own devices, at /me of its address: administrators do.
    #[arg(
        long = "second-factor-no-self-service",
        env = "COUNTERSIGN_SECOND_FACTOR_NO_SELF_SERVICE"
    )]
    pub(crate) second_factor_no_self_service: bool,
    /// A reverse proxy's address or network, whose X-Forwarded-For says who asks
    /// [default: the proxy does]; may be given several times.
    #[arg(
        long = "second-factor-trusted-proxy",
        env = "COUNTERSIGN_SECOND_FACTOR_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "ADDRESS",
        value_parser = trusted_proxy
    )]
    pub(crate) second_factor_trusted_proxies: Vec<AddressRange>,
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

/// Where traces of logins are sent.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OtlpArgs {
    /// Send a trace of each login to this collector of OpenTelemetry, by OTLP over HTTP
    /// [default: nowhere]. /v1/traces is added to the URL: http://127.0.0.1:4318.
    #[arg(long, env = "COUNTERSIGN_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub(crate) otlp_endpoint: Option<Secret<String>>,
    /// A file with headers for the collector, `NAME: VALUE` a line, such as Authorization.
    #[arg(
        long,
        env = "COUNTERSIGN_OTLP_HEADER_FILE",
        value_name = "FILE",
        requires = "otlp_endpoint"
    )]
    pub(crate) otlp_header_file: Option<PathBuf>,
    /// The authorities (PEM) that the collector's certificate must be of [default: the system's].
    #[arg(
        long,
        env = "COUNTERSIGN_OTLP_CA",
        value_name = "FILE",
        requires = "otlp_endpoint"
    )]
    pub(crate) otlp_ca: Option<PathBuf>,
    /// Name users in traces, and say where they are.
    #[arg(long, env = "COUNTERSIGN_OTLP_USER", requires = "otlp_endpoint")]
    pub(crate) otlp_user: bool,
}

impl OtlpArgs {
    /// What they ask for, with all that they name looked at.
    pub(crate) fn settings(self) -> Result<Option<TraceSettings>, Failure> {
        let Some(url) = self.otlp_endpoint else {
            return Ok(None);
        };
        let bad = |error: TraceError| Failure::new("--otlp-endpoint", &error).into_usage();
        let settings = TraceSettings {
            endpoint: OtlpEndpoint::parse(url.expose()).map_err(bad)?,
            header_file: self.otlp_header_file,
            ca: self.otlp_ca,
            user: self.otlp_user,
        };
        settings.check().map_err(bad)?;
        Ok(Some(settings))
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
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
    #[command(flatten)]
    pub(crate) second_factor: SecondFactorListenArgs,
    #[command(flatten)]
    pub(crate) public: SecondFactorPublicArgs,
    #[command(flatten)]
    pub(crate) nodes: NodeListenArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    #[command(flatten)]
    pub(crate) traces: OtlpArgs,
    #[command(flatten)]
    pub(crate) stopping: GraceArgs,
    /// Look at all that is named here, say whether this program could serve with it in the place of
    /// the one that does, and end.
    #[arg(long, hide = true)]
    pub(crate) self_test: bool,
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
    #[command(flatten)]
    pub(crate) source: SourceArgs,
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
    #[command(flatten)]
    pub(crate) nodes: NodeListenArgs,
    #[command(flatten)]
    pub(crate) traces: OtlpArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    /// Read the URL of the database from standard input: a supervisor's way of handing it on.
    #[arg(long, hide = true)]
    pub(crate) database_from_stdin: bool,
    /// What the supervisor's admin address is served with: the address, and its certificate's last
    /// second since 1970.
    #[arg(long, hide = true, value_name = "ADDR=SECONDS", value_parser = admin_certificate)]
    pub(crate) admin_certificate: Option<AdminCertificate>,
    /// The name of the data plane that the supervisor runs.
    #[arg(long, hide = true, default_value = DEFAULT_NODE, value_parser = node)]
    pub(crate) local_node: NodeId,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

/// The control plane of another machine that a data plane joins when it starts.
#[derive(Clone, Debug, Args)]
pub(crate) struct JoinArgs {
    /// Join the control plane that listens for nodes at https://HOST:PORT, unless this node has
    /// joined before: then this is where that control plane is now.
    #[arg(
        long,
        env = "COUNTERSIGN_JOIN",
        value_name = "URL",
        requires = "join_token_file",
        conflicts_with = "control_socket"
    )]
    pub(crate) join: Option<String>,
    /// The file with the token of `countersign node token`, which may come later and may stay: it is
    /// waited for, and not looked at by a node that has joined.
    #[arg(
        long,
        env = "COUNTERSIGN_JOIN_TOKEN_FILE",
        value_name = "FILE",
        requires = "join"
    )]
    pub(crate) join_token_file: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) joining: JoinArgs,
    #[command(flatten)]
    pub(crate) stopping: GraceArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SecondfactorArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
    #[command(flatten)]
    pub(crate) second_factor: SecondFactorListenArgs,
    #[command(flatten)]
    pub(crate) public: SecondFactorPublicArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) supervised: SupervisedArgs,
}

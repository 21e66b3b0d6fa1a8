//! What a control plane is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::id::NodeId;
use proto::secret::Secret;

use crate::admin_tls::{AdminCertificate, CertificateFiles};
use crate::source::ConfigSource;
use crate::store::PostgresUrl;
use crate::traces::TraceSettings;

/// What a control plane is started with.
#[derive(Clone)]
pub struct Settings {
    /// The folder of `controlplane.db` and `controlplane.key`; made with mode 0700 if missing.
    pub data_dir: PathBuf,
    /// A PostgreSQL database in place of `controlplane.db`, which several control planes with the
    /// same key may share; none means the file.
    pub database: Option<PostgresUrl>,
    /// The socket for data planes and the command line. Its folder is made if missing.
    pub socket: PathBuf,
    /// The file that is the truth; none means that the database is.
    pub source: Option<Arc<dyn ConfigSource>>,
    /// With a bad file at start: serve the newest revision that the local node applied (any node
    /// when none is named; the newest of all when none was applied) instead of stopping. Default
    /// false.
    pub last_good: bool,
    /// The built-in second factor's socket, asked when an application of its is configured.
    pub second_factor: Option<PathBuf>,
    /// The node on this machine, which `/readyz` waits for; none means that none is waited for.
    pub local_node: Option<NodeId>,
    /// A TCP address for `/api/v1`, `/healthz`, `/readyz` and `/metrics`. None means no
    /// TCP.
    pub admin_listen: Option<SocketAddr>,
    /// The certificate of that address; none means plain HTTP on loopback, and a self-made one
    /// elsewhere.
    pub admin_certificate: Option<CertificateFiles>,
    /// A socket where `/api/v1` is served to whoever holds the admin address: each request says who
    /// calls as over TCP, and from where in [`crate::admin::PEER_HEADER`]. None means none.
    pub api_socket: Option<PathBuf>,
    /// The certificate of the address that hands on to `api_socket`, to tell of it. None means plain HTTP,
    /// or no such address.
    pub api_certificate: Option<AdminCertificate>,
    /// A TCP address for nodes of other machines, by mutual TLS. None means no such nodes.
    pub node_listen: Option<SocketAddr>,
    /// How long the certificate of a node is good, in seconds; default 90 days. Nodes renew theirs at
    /// two thirds of that.
    pub node_certificate_seconds: u32,
    /// How long events are kept.
    pub retention: Retention,
    /// Where traces of logins are sent; none means nowhere.
    pub traces: Option<TraceSettings>,
    /// How often streams send a heartbeat; default [`proto::rpc::HEARTBEAT_SECONDS`].
    pub heartbeat: Duration,
    /// How often the source's files are looked at; default 200 ms. A change is read once the files
    /// were the same twice.
    pub watch_every: Duration,
    /// How long the built-in second factor may take to answer, all applications together; default
    /// 15 s, since it may be starting.
    pub second_factor_deadline: Duration,
    /// What the socket serves besides its own, to this user and root alone. Default: nothing.
    pub admin_routes: axum::Router,
}

impl Settings {
    /// The defaults for a folder: database as the truth, no TCP, socket `run/controlplane.sock`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            socket: data_dir.join("run").join("controlplane.sock"),
            data_dir,
            database: None,
            source: None,
            last_good: false,
            second_factor: None,
            local_node: None,
            admin_listen: None,
            admin_certificate: None,
            api_socket: None,
            api_certificate: None,
            node_listen: None,
            node_certificate_seconds: 90 * 86_400,
            retention: Retention::default(),
            traces: None,
            heartbeat: Duration::from_secs(proto::rpc::HEARTBEAT_SECONDS),
            watch_every: Duration::from_millis(200),
            second_factor_deadline: Duration::from_secs(15),
            admin_routes: axum::Router::new(),
        }
    }
}

/// The key file of a data folder.
#[must_use]
pub fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("controlplane.key")
}

/// The database of a data folder.
pub(crate) fn database_file(data_dir: &Path) -> PathBuf {
    data_dir.join("controlplane.db")
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("data_dir", &self.data_dir)
            .field("database", &self.database)
            .field("socket", &self.socket)
            .field("source", &self.source.as_ref().map(|source| source.path()))
            .field("second_factor", &self.second_factor)
            .field("local_node", &self.local_node)
            .field("admin_listen", &self.admin_listen)
            .field("node_listen", &self.node_listen)
            .field("retention", &self.retention)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}

/// How long events are kept: until one of the bounds is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days after the login; default 30. Zero keeps none.
    pub days: u32,
    /// Events; default 1,000,000. Zero keeps none.
    pub events: u32,
    /// Octets of the events as JSON; default 4 GiB. Zero keeps none. The database has about as much
    /// again for its indexes.
    pub octets: u64,
    /// How often old ones are looked for; default 60 s.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: 30,
            events: 1_000_000,
            octets: 4 * 1024 * 1024 * 1024,
            every: Duration::from_secs(60),
        }
    }
}

/// A role that this one cannot work without. A supervisor starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The built-in second factor: the configuration uses it.
    SecondFactor,
}

/// What a control plane tells its starter.
pub struct Hooks {
    /// Called for each need, perhaps more than once. Must not block.
    pub needs: Box<dyn FnMut(Need) + Send>,
    /// Called once at a start where nobody may use the API yet, before `ready`: what the first
    /// administrator needs at `POST /api/v1/setup`. To be shown to whoever started this, and kept
    /// nowhere. With the URL of the admin address, where there is one.
    pub setup: Box<dyn FnOnce(Secret<String>, Option<String>) + Send>,
    /// Called with the settings of each revision that is served from now on. Must not block.
    pub applied: Box<dyn Fn(&proto::config::Settings) + Send + Sync>,
    /// Called once, when the sockets are bound and a file, if there is one, was accepted.
    pub ready: Box<dyn FnOnce(Ready) + Send>,
}

impl Default for Hooks {
    /// Tells nobody.
    fn default() -> Self {
        Self {
            needs: Box::new(drop),
            setup: Box::new(|_, _| ()),
            applied: Box::new(|_| ()),
            ready: Box::new(drop),
        }
    }
}

/// What is bound now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ready {
    /// The TCP address, with its port when 0 was asked for.
    pub admin: Option<SocketAddr>,
    /// The same for nodes of other machines.
    pub nodes: Option<SocketAddr>,
}

//! What a gateway is started with, and how it tells of finished logins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use controlplane::{CertificateFiles, PostgresUrl, Retention, TraceSettings};
use proto::event::AuthEvent;
use proto::id::NodeId;
use serde_json::value::RawValue;

use crate::args::{NodeListenArgs, SecondFactorPublicArgs};
use crate::explain;
use crate::logs;
use crate::paths::DataDir;
use crate::program::Program;

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) data: DataDir,
    pub(crate) config: Option<PathBuf>,
    /// A file that an empty database begins with, before anything is served. It names no other files.
    pub(crate) seed: Option<PathBuf>,
    /// The control plane's database; none means SQLite in the data folder.
    pub(crate) database: Option<PostgresUrl>,
    /// The data plane's name; none means the usual one.
    pub(crate) node: Option<NodeId>,
    pub(crate) admin_listen: SocketAddr,
    /// The certificate of that address; none means plain HTTP on loopback, a self-made one elsewhere.
    pub(crate) admin_certificate: Option<CertificateFiles>,
    pub(crate) second_factor_listen: SocketAddr,
    pub(crate) second_factor_public: SecondFactorPublicArgs,
    pub(crate) nodes: NodeListenArgs,
    /// How long the control plane keeps events.
    pub(crate) retention: Retention,
    /// Where the control plane sends traces of logins.
    pub(crate) traces: Option<TraceSettings>,
    pub(crate) grace: Duration,
    pub(crate) last_good: bool,
    pub(crate) log: String,
    /// What may take its place; none where nothing may.
    pub(crate) program: Option<Program>,
}

/// How finished logins are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// In the log.
    Log,
    /// There, and the whole timeline on standard output, for the demo.
    Timeline,
}

impl Teller {
    pub(super) fn login(self, event: &RawValue) {
        logs::login(event);
        if self == Self::Timeline {
            match serde_json::from_str::<AuthEvent>(event.get()) {
                Ok(event) => explain::print(&event),
                Err(_) => tracing::warn!("a finished login cannot be read"),
            }
        }
    }
}

//! What the process itself needs to know; what it serves comes from the control plane.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use proto::id::NodeId;
use tokio::sync::watch;

use crate::joined::KeptJoin;

pub use crate::control::report::LoginLines;

/// A data plane's own settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, unique among the nodes of one control plane.
    pub node: NodeId,
    /// The address that all integrations are served on, in place of what each says. Default: none,
    /// which is what each says.
    pub interface: Option<IpAddr>,
    /// A folder of its own, for the sealed copy and its key. Made, mode 0700, when missing.
    pub data_dir: PathBuf,
    /// The control plane's socket, for a node that joined none of another machine.
    pub control_socket: PathBuf,
    /// The control plane of another machine that it joined; see [`KeptJoin::load`]. Default: none.
    pub joined: Option<KeptJoin>,
    /// Where its own admin socket goes. The folder must exist.
    pub admin_socket: PathBuf,
    /// Where it listens for a process that takes its place. The folder must exist. Default: nowhere.
    pub handover_socket: Option<PathBuf>,
    /// Whether to take the place of the process that listens there, if one does. Default: no.
    pub take_over: bool,
    /// Told true once another process has taken over: from then on this one only ends its logins. Told
    /// false when that process is gone before, and this one serves again.
    pub handed_over: watch::Sender<bool>,
    /// Where finished logins are told besides the control plane.
    pub login_lines: LoginLines,
    /// Told the settings of each revision that is served from now on. Must not wait.
    pub applied: fn(&proto::config::Settings),
    /// What its admin socket serves besides its own. Default: nothing.
    pub admin_routes: axum::Router,
    /// How long logins in flight may take to finish once it is told to stop. Default 10 s.
    pub grace: Duration,
    /// Receive threads; sockets are spread over them. Default: the number of cores, at most 4.
    pub receive_threads: usize,
    /// Threads for the cryptography of EAP. Default: half the number of cores, at least 1.
    pub eap_threads: usize,
    /// Logins that wait for something at a time; further ones are discarded as `overloaded`.
    /// Default 20,000, or what the limit on open files allows.
    pub max_logins_in_flight: usize,
    /// Open connections to second factors, all together. Default 20,000, or what the limit on open
    /// files allows.
    pub max_connections: usize,
}

impl Settings {
    /// The default of [`Settings::grace`].
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

    /// The default of [`Settings::max_logins_in_flight`] and of [`Settings::max_connections`].
    pub const DEFAULT_BOUND: usize = 20_000;

    /// The default of [`Settings::eap_threads`] on this machine.
    #[must_use]
    pub fn default_eap_threads() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
    }

    /// The default of [`Settings::receive_threads`] on this machine.
    #[must_use]
    pub fn default_receive_threads() -> usize {
        std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(4)
    }
}

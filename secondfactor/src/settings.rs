//! What the process itself needs to know. No file is read here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use proto::address::AddressRange;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How the service is started.
#[derive(Debug)]
pub struct Settings {
    /// A folder of its own, made with mode 0700 when it is not there. It will hold
    /// `secondfactor.db`, `secret.key`, `ca.pem`, `ca.key`, `leaf.pem`, `leaf.key`, `leaf.json`.
    pub data_dir: PathBuf,
    /// Where HTTPS is served. Default `127.0.0.1:8402`; port 0 takes any.
    pub listen: SocketAddr,
    /// The admin socket. Its folder must exist.
    pub admin_socket: PathBuf,
    /// Where another process may ask to take over. None is: nobody may. Its folder must exist.
    pub handover_socket: Option<PathBuf>,
    /// Whether to take the place of the process that listens there, if one does. Default no.
    pub take_over: bool,
    /// Cancelled when another process has taken over.
    pub handed_over: CancellationToken,
    /// The key for secrets at rest: 32 octets. None is `secret.key` in the data folder, made at
    /// the first start.
    pub key_file: Option<PathBuf>,
    /// Names and addresses in the certificate, besides `localhost`, `127.0.0.1`, `::1` and the
    /// address listened on.
    pub public_names: Vec<String>,
    /// What people open in their browsers, without a slash at the end. None is
    /// `https://NAME:PORT` with the first public name, or `localhost`.
    pub public_url: Option<String>,
    /// Whether signatures of version 1, which can be replayed for ever, are taken. Default no.
    pub signature_version_1: bool,
    /// Whether version 1 of the API is served below `/rest/v1`, for clients of its age. There
    /// signatures of version 1 are taken. Default no.
    pub legacy_api: bool,
    /// How long a push waits for its answer. Default 60 s. An answer that a caller waits for
    /// without polling comes within 55 s.
    pub push_lifetime: Duration,
    /// How long `auth_status` waits for a change. Default 25 s.
    pub poll_hold: Duration,
    /// After how many wrong passcodes in a row a user is locked out. Default 10.
    pub lockout_after: u32,
    /// Whether who has the address of a phone that no passkey binds approves by that alone. Default no:
    /// opening it binds the phone.
    pub approve_by_link: bool,
    /// Whether people may look after their own devices under `/me`. Default yes.
    pub self_service: bool,
    /// Reverse proxies whose `X-Forwarded-For` says who asks. Default none: the peer does.
    pub trusted_proxies: Vec<AddressRange>,
    /// How long connections may take to finish at the end. Default 10 s.
    pub shutdown_grace: Duration,
    /// Told the address once everything is bound. Default none.
    pub ready: Option<oneshot::Sender<SocketAddr>>,
    /// What the admin socket serves besides its own. Default: nothing.
    pub admin_routes: axum::Router,
}

impl Settings {
    /// The defaults, with a data folder and an admin socket.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, admin_socket: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            admin_socket: admin_socket.into(),
            handover_socket: None,
            take_over: false,
            handed_over: CancellationToken::new(),
            key_file: None,
            public_names: Vec::new(),
            public_url: None,
            signature_version_1: false,
            legacy_api: false,
            push_lifetime: Duration::from_secs(60),
            poll_hold: Duration::from_secs(25),
            lockout_after: 10,
            approve_by_link: false,
            self_service: true,
            trusted_proxies: Vec::new(),
            shutdown_grace: Duration::from_secs(10),
            ready: None,
            admin_routes: axum::Router::new(),
        }
    }
}

/// The port that the service listens on when nothing else is said.
pub const DEFAULT_PORT: u16 = 8402;

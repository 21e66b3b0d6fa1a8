//! Puts the control plane together, runs it, and takes it apart again.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use local::{Listener, ServeError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, OnceCell, Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Diagnostic, LoadResult};
use crate::admin_tls::{AdminTls, AdminTlsError};
use crate::api;
use crate::api::door::SignIns;
use crate::api::masked::Fingerprints;
use crate::app::App;
use crate::clock::now_ms;
use crate::drafts::Drafts;
use crate::events;
use crate::issue::About;
use crate::listener::{AdminListener, Peer};
use crate::loader::Loader;
use crate::metrics::Metrics;
use crate::node_link::{self, NodeAuthorityError, NodePeer};
use crate::nodes::Nodes;
use crate::primary_only::{self, PrimaryOnly};
use crate::revisions::{PublishError, Revisions};
use crate::seal::{Key, KeyError};
use crate::settings::{Hooks, Ready, Settings, database_file};
use crate::store::{Store, StoreError};
use crate::{routes, rpc};

/// Runs a control plane until the token is cancelled; running requests get 10 s then.
///
/// # Errors
/// [`RunError`]; after the start only [`RunError::Died`].
pub async fn run(
    settings: Settings,
    hooks: Hooks,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let started_ms = now_ms();
    make_folder(&settings.data_dir)?;
    if let Some(folder) = settings.socket.parent() {
        make_folder(folder)?;
    }
    // Bound before the database is opened: a second control plane on the folder stops here.
    let listener = Listener::bind(&settings.socket).await?;
    let handed_on = match &settings.api_socket {
        Some(path) => Some(Listener::bind(path).await?),
        None => None,
    };
    let tcp = match settings.admin_listen {
        Some(address) => {
            let tls = admin_tls(address, &settings).await?;
            Some(AdminListener::new(bind(address).await?, tls))
        }
        None => None,
    };
    let admin = tcp
        .as_ref()
        .and_then(|tcp| axum::serve::Listener::local_addr(tcp).ok());
    let for_nodes = match settings.node_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let nodes_at = for_nodes.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let database = database_file(&settings.data_dir);
    let data_dir = settings.data_dir.clone();
    let key = spawn_blocking(move || Key::for_data_dir(&data_dir))
        .await
        .map_err(|_| RunError::Died)??;
    let store = match &settings.database {
        Some(url) => Store::connect(url, key.clone()).await?,
        None => Store::open(&database, key.clone()).await?,
    };
    let metrics = Metrics::new()?;
    let nodes = Arc::new(Nodes::open(store.clone()).await?);
    let revisions = Revisions::open(store.clone()).await?;
    let watch = revisions.watch();
    let grants = PrimaryOnly::open(store.clone(), watch.clone(), now_ms()).await?;
    let primary_only = Arc::new(grants);
    let mut loader = Loader::new(
        settings.clone(),
        revisions,
        Arc::clone(&nodes),
        hooks.needs,
        metrics.clone(),
    );
    let first = tokio::select! {
        first = loader.start() => first,
        () = shutdown.cancelled() => {
            leave(&store, &settings.socket).await;
            return Ok(());
        }
    };
    if first.result == LoadResult::Refused
        && !(settings.last_good && loader.serve_last_good().await?)
    {
        leave(&store, &settings.socket).await;
        return Err(RunError::BadConfiguration {
            diagnostics: first.diagnostics,
        });
    }
    let (reloads, asked) = mpsc::channel(RELOADS);
    let (edits, edited) = mpsc::channel(EDITS);
    let (events, writer) = events::channel(store.clone(), metrics.clone());
    // Ends what runs in the background of requests, whichever way the end comes.
    let stop = shutdown.child_token();
    let app = Arc::new(App {
        store: store.clone(),
        fingerprints: Arc::new(Fingerprints::new(&key)),
        drafts: Drafts::new(store.clone()),
        key,
        revisions: watch,
        last_load: loader.last(),
        reloads,
        edits,
        nodes,
        node_authority: OnceCell::new(),
        primary_only: Arc::clone(&primary_only),
        events,
        metrics,
        sign_ins: SignIns::default(),
        hashing: Arc::new(Semaphore::new(HASHING)),
        subscribers: Arc::new(Semaphore::new(SUBSCRIBERS)),
        local_subscribers: Arc::new(Semaphore::new(SUBSCRIBERS)),
        event_readers: Arc::new(Semaphore::new(EVENT_READERS)),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        started_ms,
        settings,
    });
    let authority = match &for_nodes {
        Some(_) => Some(app.node_authority().await?),
        None => None,
    };
    let mut servers = JoinSet::new();
    let for_local = rpc::router(Arc::clone(&app)).layer(Extension(NodePeer::Socket));
    if let (Some(tcp), Some(authority)) = (for_nodes, authority) {
        servers.spawn(node_link::serve(
            Arc::clone(&app),
            authority,
            tcp,
            stop.clone(),
        ));
    }
    servers.spawn(refresh_nodes(Arc::clone(&app), stop.clone()));
    let router = for_local.merge(routes::router(Arc::clone(&app)));
    servers.spawn(listener.serve(router, stop.clone()));
    if let Some(handed_on) = handed_on {
        let router = api::for_handed_on(Arc::clone(&app));
        servers.spawn(handed_on.serve(router, stop.clone()));
    }
    if let Some(tcp) = tcp {
        let router = routes::probes(Arc::clone(&app)).merge(api::for_strangers(Arc::clone(&app)));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let stop = stop.clone();
        servers.spawn(async move {
            let served = axum::serve(tcp, service)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "admin listener failed"
                );
            }
        });
    }
    let news = Arc::new(Notify::new());
    servers.spawn(loader.run(asked, edited, Arc::clone(&news), stop.clone()));
    let (follower, until) = (store.clone(), stop.clone());
    servers.spawn(async move { follower.follow(&news, until).await });
    servers.spawn(primary_only::expire(primary_only, stop.clone()));
    servers.spawn(events::retain(
        store.clone(),
        app.settings.retention,
        stop.clone(),
    ));
    // The writer outlives the servers, since their last requests wait for it.
    let written = CancellationToken::new();
    let mut writing = JoinSet::new();
    writing.spawn(writer.run(written.clone()));
    (hooks.ready)(Ready {
        admin,
        nodes: nodes_at,
    });

    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        _ = servers.join_next() => Err(RunError::Died),
        _ = writing.join_next() => Err(RunError::Died),
    };
    // A server that saw the token first has ended well.
    let outcome = if shutdown.is_cancelled() {
        Ok(())
    } else {
        outcome
    };
    stop.cancel();
    app.tasks.close();
    let ending = async {
        while servers.join_next().await.is_some() {}
        app.tasks.wait().await;
    };
    if tokio::time::timeout(GRACE, ending).await.is_err() {
        tracing::warn!("requests were still running at the end");
        servers.shutdown().await;
    }
    written.cancel();
    while writing.join_next().await.is_some() {}
    store.close().await;
    outcome
}

/// What the admin address is served with; none is plain HTTP.
async fn admin_tls(
    address: SocketAddr,
    settings: &Settings,
) -> Result<Option<Arc<rustls::ServerConfig>>, RunError> {
    let own = settings.admin_certificate.clone();
    let folder = settings.data_dir.clone();
    let now_s = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
    let opened = spawn_blocking(move || AdminTls::open(address, own.as_ref(), &folder, now_s))
        .await
        .map_err(|_| RunError::Died)?
        .map_err(|source| RunError::AdminTls { address, source })?;
    if let Some(about) = opened.as_ref().and_then(|tls| tls.self_made.as_ref()) {
        let About { sha256, until, .. } = about;
        tracing::info!(%address, sha256, until, "the admin address has a self-made certificate");
    }
    Ok(opened.map(|tls| tls.config))
}

/// Hears of what another control plane of the same database was told about nodes.
async fn refresh_nodes(app: Arc<App>, stop: CancellationToken) {
    let every = app.settings.heartbeat.max(SHORTEST);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = app.nodes.refresh().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what nodes shall do was not read"
            );
        }
    }
}

/// Ends before anything was served.
async fn leave(store: &Store, socket: &Path) {
    store.close().await;
    // A socket file that stays is replaced at the next start.
    drop(tokio::fs::remove_file(socket).await);
}

fn make_folder(path: &Path) -> Result<(), RunError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| RunError::Folder {
            path: path.to_owned(),
            source,
        })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })
}

/// Why a control plane does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The file is bad. Exit code 2.
    #[error("the configuration is bad")]
    BadConfiguration {
        /// What is wrong, and what is only odd.
        diagnostics: Vec<Diagnostic>,
    },
    /// The admin address has no TLS and needs it.
    #[error("the admin address {address} cannot be served")]
    AdminTls {
        /// The address.
        address: SocketAddr,
        /// Why there is none.
        source: AdminTlsError,
    },
    /// There is no authority for the certificates of nodes.
    #[error("nodes of other machines cannot be served")]
    Nodes(#[from] NodeAuthorityError),
    /// A folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The TCP address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The socket cannot be made, such as when another control plane serves it.
    #[error(transparent)]
    Socket(#[from] ServeError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database cannot be used.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// The newest revision cannot be read.
    #[error("cannot read the newest revision")]
    Revision(#[from] PublishError),
    /// The metrics cannot be made, which is a fault of ours.
    #[error("cannot make the metrics")]
    Metrics(#[from] prometheus::Error),
    /// A part of it ended by itself, which is a fault of ours.
    #[error("a part of the control plane ended by itself")]
    Died,
}

/// The most subscriptions at once, of this machine and of others each.
const SUBSCRIBERS: usize = 256;
/// The most passwords that are hashed at once: 19 MiB each.
const HASHING: usize = 2;
/// The most readers of the live events at once.
const EVENT_READERS: usize = 64;
/// The most requests to read the file again that wait.
const RELOADS: usize = 16;
/// The most changes of the configuration that wait.
const EDITS: usize = 64;
/// An interval of zero is none.
const SHORTEST: Duration = Duration::from_millis(10);
/// How long running requests get at the end.
const GRACE: Duration = Duration::from_secs(10);

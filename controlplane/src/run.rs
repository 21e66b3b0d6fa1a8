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
use tokio::sync::{Notify, OnceCell, Semaphore, mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{DatabaseHealth, Diagnostic, LoadResult};
use crate::admin_tls::{AdminTls, AdminTlsError};
use crate::api;
use crate::api::guesses::SignIns;
use crate::api::setup::Setup;
use crate::app::App;
use crate::clock::now_ms;
use crate::drafts::Drafts;
use crate::events;
use crate::issue::About;
use crate::listener::AdminListener;
use crate::loader::{self, Loader};
use crate::metrics::Metrics;
use crate::node_link::{self, NodeAuthorityError, NodePeer};
use crate::nodes::Nodes;
use crate::overview::Overviews;
use crate::primary_only::{self, PrimaryOnly};
use crate::provider::{Flows, Providers};
use crate::revisions::{Current, PublishError, Revisions};
use crate::seal::{Key, KeyError};
use crate::settings::{Hooks, Ready, Settings, database_file};
use crate::store::{FileTruth, Store, StoreError};
use crate::traces::{self, TraceError};
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
    let (tcp, tls) = match settings.admin_listen {
        Some(address) => {
            let tls = admin_tls(address, &settings).await?;
            let config = tls.as_ref().map(|tls| Arc::clone(&tls.config));
            let tcp = AdminListener::new(bind(address).await?, config);
            (Some(tcp), tls)
        }
        None => (None, None),
    };
    let admin = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let own = tls.and_then(|tls| Some(tls.certificate_of(admin?)));
    let admin_certificates = own.into_iter().chain(settings.api_certificate).collect();
    let url = tcp.as_ref().and_then(AdminListener::url);
    let metrics = Metrics::new()?;
    let traces = traces::open(
        settings.traces.clone(),
        settings.local_node.clone(),
        metrics.traces.clone(),
    );
    let (traces, exporter) = traces.await?.unzip();
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
    let mut truth = store.file_truth();
    if settings.source.is_some() {
        // Before the file is read: what is stored without knowing it is stored before it.
        truth.hold().await?;
    }
    let nodes = Arc::new(Nodes::open(store.clone()).await?);
    let revisions = Revisions::open(store.clone()).await?;
    let watch = revisions.watch();
    let served = watch.clone();
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
    let (health, seen) = watch::channel(match (&settings.database, store.is_unseen()) {
        (Some(_), _) => None,
        (None, true) => Some(DatabaseHealth::BeingRead),
        (None, false) => Some(DatabaseHealth::Whole),
    });
    let (events, writer) = events::channel(store.clone(), traces, metrics.clone());
    // Ends what runs in the background of requests, whichever way the end comes.
    let stop = shutdown.child_token();
    let setup = Setup::offer(&store, now_ms()).await?;
    let (setup, link) = setup.unzip();
    let app = Arc::new(App {
        store: store.clone(),
        setup,
        fingerprints: Arc::new(store.fingerprints()),
        drafts: Drafts::new(store.clone()),
        sign_ins: SignIns::new(&store.lasting_key()),
        flows: Flows::new(&store.lasting_key().derive(b"sign-ins at a provider", 0)),
        providers: Providers::default(),
        provider_writes: tokio::sync::Mutex::default(),
        key,
        revisions: watch,
        last_load: loader.last(),
        reloads,
        edits,
        nodes,
        node_authority: OnceCell::new(),
        primary_only: Arc::clone(&primary_only),
        events,
        overviews: Overviews::default(),
        metrics: metrics.clone(),
        health: seen,
        file_writes: tokio::sync::Mutex::new(()),
        file_looks: Arc::new(Semaphore::new(api::FILE_LOOKS)),
        hashing: Arc::new(Semaphore::new(HASHING)),
        subscribers: Arc::new(Semaphore::new(SUBSCRIBERS)),
        local_subscribers: Arc::new(Semaphore::new(SUBSCRIBERS)),
        event_readers: Arc::new(Semaphore::new(EVENT_READERS)),
        logins: Arc::new(Semaphore::new(LOGINS)),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        started_ms,
        admin_certificates,
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
    if app.settings.source.is_some() {
        servers.spawn(hold_truth(truth, stop.clone()));
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
        servers.spawn(tcp.serve(router, stop.clone()));
    }
    servers.spawn(tell_applied(served, hooks.applied, stop.clone()));
    let news = Arc::new(Notify::new());
    let for_loader = Arc::new(Notify::new());
    servers.spawn(loader.run(asked, edited, Arc::clone(&for_loader), stop.clone()));
    let (follower, until, heard) = (store.clone(), stop.clone(), Arc::clone(&news));
    servers.spawn(async move { follower.follow(&heard, until).await });
    let (app_there, until) = (Arc::clone(&app), stop.clone());
    servers.spawn(async move {
        tokio::select! {
            () = until.cancelled() => {}
            () = hear(&app_there, &news, &for_loader) => {}
        }
    });
    servers.spawn(primary_only::expire(primary_only, stop.clone()));
    servers.spawn(look_over(store.clone(), health, metrics, stop.clone()));
    servers.spawn(events::retain(
        store.clone(),
        app.settings.retention,
        stop.clone(),
    ));
    // The writer outlives the servers, since their last requests wait for it.
    let written = CancellationToken::new();
    let mut writing = JoinSet::new();
    writing.spawn(writer.run(written.clone()));
    // And what sends traces outlives the writer, which has the way in.
    let mut exporting = JoinSet::new();
    let exported = CancellationToken::new();
    if let Some(exporter) = exporter {
        exporting.spawn(exporter.run(exported.clone()));
    }
    if let Some(link) = link {
        (hooks.setup)(link, url);
    }
    (hooks.ready)(Ready {
        admin,
        nodes: nodes_at,
    });

    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        _ = servers.join_next() => Err(RunError::Died),
        _ = writing.join_next() => Err(RunError::Died),
        Some(_) = exporting.join_next() => Err(RunError::Died),
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
    exported.cancel();
    let ending = async { while exporting.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_TRACES, ending).await.is_err() {
        tracing::warn!("the last traces were not taken in time");
    }
    store.close().await;
    outcome
}

/// Tells what each revision that is served says of the log.
async fn tell_applied(
    mut served: watch::Receiver<Option<Arc<Current>>>,
    tell: Box<dyn Fn(&proto::config::Settings) + Send + Sync>,
    stop: CancellationToken,
) {
    loop {
        if let Some(current) = served.borrow_and_update().as_ref() {
            tell(&current.snapshot().settings);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = served.changed() => if changed.is_err() {
                stop.cancelled().await;
                return;
            },
        }
    }
}

/// What the admin address is served with; none is plain HTTP.
async fn admin_tls(address: SocketAddr, settings: &Settings) -> Result<Option<AdminTls>, RunError> {
    let own = settings.admin_certificate.clone();
    let folder = settings.data_dir.clone();
    let now_s = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
    let opened = spawn_blocking(move || AdminTls::open(address, own.as_ref(), &folder, now_s))
        .await
        .map_err(|_| RunError::Died)?
        .map_err(|source| RunError::AdminTls { address, source })?;
    if let Some(tls) = opened.as_ref().filter(|tls| tls.self_made) {
        let About { sha256, until, .. } = &tls.about;
        tracing::info!(%address, sha256, until, "the admin address has a self-made certificate");
    }
    Ok(opened)
}

/// Hears of what another control plane of the same database has stored.
async fn hear(app: &App, news: &Notify, for_loader: &Notify) {
    loop {
        news.notified().await;
        for_loader.notify_one();
        refresh_primary_only(app).await;
    }
}

async fn refresh_primary_only(app: &App) {
    if let Err(error) = app.primary_only.refresh(now_ms()).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "who may pass on the primary alone was not read"
        );
    }
}

/// Hears of what another control plane of the same database was told about nodes, and of new data
/// keys, also where no word comes of it.
async fn refresh_nodes(app: Arc<App>, stop: CancellationToken) {
    let every = app.settings.heartbeat.max(SHORTEST);
    for round in 1_u64.. {
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
        if round.is_multiple_of(ELSEWHERE)
            && let Err(error) = app.nodes.catch_up().await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how nodes are that follow another control plane was not read"
            );
        }
        if let Err(error) = app.store.refresh_keys().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "new data keys were not read"
            );
        }
        refresh_primary_only(&app).await;
    }
}

/// Reads a long database whole, which takes its time, and says what came of it. Goes on until told to
/// stop.
async fn look_over(
    store: Store,
    health: watch::Sender<Option<DatabaseHealth>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    match store.look_over(stop.clone()).await {
        None => {}
        Some(Ok(())) => {
            tracing::info!("the database was read whole and has no fault");
            health.send_replace(Some(DatabaseHealth::Whole));
        }
        Some(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the database was looked over"
            );
            let detail = loader::chain(&error);
            let damaged = matches!(error, StoreError::Damaged { .. });
            metrics.database_damaged.set(i64::from(damaged));
            health.send_replace(Some(match damaged {
                true => DatabaseHealth::Damaged { detail },
                false => DatabaseHealth::Unread { detail },
            }));
        }
    }
    stop.cancelled().await;
}

/// Goes on saying to the other control planes of the same database that a file is the truth.
async fn hold_truth(mut truth: FileTruth, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TRUTH) => {}
        }
        if let Err(error) = truth.hold().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "other control planes do not know that a file is the truth"
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
    /// Traces cannot be sent.
    #[error("traces cannot be sent")]
    Traces(#[from] TraceError),
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
/// The most logins that are tried at once, second factors of administrators among them.
const LOGINS: usize = 64;
/// The most requests to read the file again that wait.
const RELOADS: usize = 16;
/// The most changes of the configuration that wait.
const EDITS: usize = 64;
/// How often it is looked whether the database still knows that a file is the truth.
const TRUTH: Duration = Duration::from_secs(5);
/// An interval of zero is none.
const SHORTEST: Duration = Duration::from_millis(10);
/// How many heartbeats what other control planes heard of their nodes may be old: half a minute, as
/// alerts look at minutes.
const ELSEWHERE: u64 = 6;
/// How long the last traces get at the end.
const LAST_TRACES: Duration = Duration::from_secs(3);
/// How long running requests get at the end.
const GRACE: Duration = Duration::from_secs(10);

//! The built-in second factor: a server of Duo's Auth API v2 with its own users and devices.
//!
//! Read first: [`run`] (the door), [`Settings`], and [`admin`] (what the command line and the
//! control plane may ask over the admin socket). Inside, `api` speaks HTTP, `service` decides,
//! `store` keeps, `push` holds what waits for a person.

mod settings;

mod account;
mod api;
mod app;
mod certificate;
mod clock;
mod control;
mod date;
mod doors;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gate;
mod guesses;
mod handover;
mod holdings;
mod linger;
mod looks;
mod metrics;
mod otp;
mod outbound;
mod pages;
mod params;
mod proxies;
mod push;
mod rate;
mod server;
mod service;
mod short_code;
mod sign;
mod store;
mod vault;
mod verdict;
mod webauthn;

#[cfg(test)]
#[path = "../tests/api/double.rs"]
#[allow(dead_code, reason = "the tests of the API use the rest")]
mod double;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use certificate::CertificateError;
pub use handover::TakeError;
pub use proto::second_factor as admin;
pub use settings::{DEFAULT_PORT, Settings};
pub use store::StoreError;
pub use vault::KeyError;

use certificate::{Identity, Renewal, ServedLeaf};
use gate::Talk;
use handover::{Following, Sockets};
use metrics::Metrics;
use proxies::Proxies;
use service::{Parts, Rules, Service};
use sign::VersionOne;
use store::Store;
use vault::Vault;

/// Runs the service until the token is cancelled or another process has taken over; then who waits is
/// answered, and it returns.
///
/// [`Settings::ready`] is told the address once the listener and the admin socket are bound, or taken
/// over.
///
/// # Errors
/// [`RunError`] when it cannot start. Later faults are answered and logged, but for
/// [`RunError::Store`]: a process that would take over has changed the database and not served; and
/// [`RunError::Gone`].
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), RunError> {
    let shutdown = shutdown.child_token();
    let Begun {
        service,
        sockets,
        following,
        tls,
        address,
    } = begin(&settings, &shutdown).await?;
    let Settings {
        admin_routes,
        shutdown_grace,
        handed_over,
        ready,
        ..
    } = settings;
    let control = control::Control {
        service: Arc::clone(&service),
        address,
    };
    let routes = control::router(control).merge(admin_routes);
    tracing::info!(%address, "second factor serves");
    tell_unbound(&service).await;
    if let Some(ready) = ready
        && ready.send(address).is_err()
    {
        tracing::debug!("nobody waits for the address any more");
    }
    let gone = shutdown.child_token();
    let alone = CancellationToken::new();
    let https = Arc::clone(&sockets.https);
    let admin = Arc::clone(&sockets.admin);
    let giving = async {
        let given = handover::given(&service, &sockets).await;
        // Who was taken over from listens no more.
        drop(sockets);
        match given {
            Ok(Some(given)) => {
                handed_over.cancel();
                gone.cancel();
                match given.run(&service, &alone).await {
                    true => Ok(()),
                    false => Err(RunError::Gone),
                }
            }
            Ok(None) => Ok(()),
            Err(error) => {
                shutdown.cancel();
                Err(RunError::Store(error))
            }
        }
    };
    let following = async {
        if let Some(following) = following {
            tokio::select! {
                () = following.run(&service) => {}
                () = shutdown.cancelled() => {}
            }
        }
        alone.cancel();
    };
    // To the end: whoever is answered last may have a passcode checked.
    let (mut checking, ended) = (JoinSet::new(), CancellationToken::new());
    checking.spawn({
        let (service, ended) = (Arc::clone(&service), ended.clone());
        async move { service.check_passcodes(ended).await }
    });
    let (gave, _, _, _, _, _, _, unwritten) = tokio::join!(
        giving,
        following,
        server::serve(https, tls, Arc::clone(&service), shutdown_grace),
        administer(admin, routes, &service),
        renew_daily(&service.leaf, &gone),
        outbound::run(&service, &gone),
        service.pushes.run(gone.clone(), |push, verdict| service
            .push_ended(push, verdict)),
        service.write_notes(&gone),
    );
    service.tasks.close();
    service.tasks.wait().await;
    ended.cancel();
    while checking.join_next().await.is_some() {}
    if let Some(unwritten) = unwritten {
        service.write_rest(unwritten).await;
    }
    service.store.close().await;
    gave
}

/// A service that is about to serve.
struct Begun {
    service: Arc<Service>,
    sockets: Sockets,
    following: Option<Following>,
    tls: Arc<rustls::ServerConfig>,
    address: SocketAddr,
}

/// Opens all that is needed, and takes over where that is asked for: the last thing that can fail.
async fn begin(settings: &Settings, shutdown: &CancellationToken) -> Result<Begun, RunError> {
    let folder = settings.data_dir.clone();
    let key_file = settings.key_file.clone();
    let names = certificate::names(&settings.public_names, settings.listen.ip());
    let (vault, identity) = tokio::task::spawn_blocking(move || files(&folder, key_file, &names))
        .await
        .map_err(|_| RunError::Stopped)??;
    let database = settings.data_dir.join(DATABASE);
    let taken = match &settings.handover_socket {
        Some(path) if settings.take_over => handover::ask(path).await?,
        _ => None,
    };
    let tls = Arc::clone(&identity.tls);
    if let Some(taken) = taken {
        let taken = taken.at(settings.listen)?;
        let address = taken.address;
        let store = Store::open_as_it_is(&database).await?;
        let metrics = Metrics::new(address)?;
        let (sockets, hearing) = taken.take(&settings.admin_socket).await?;
        hearing.migrate(&store).await?;
        let parts = parts(
            settings,
            (store, vault, metrics),
            identity,
            address,
            shutdown,
        );
        let service = Arc::new(Service::new(parts).await?);
        let following = Some(hearing.serves(&service).await?);
        return Ok(Begun {
            service,
            sockets,
            following,
            tls,
            address,
        });
    }
    let listen = |source| RunError::Listen {
        address: settings.listen,
        source,
    };
    let https = TcpListener::bind(settings.listen).await.map_err(listen)?;
    let address = https.local_addr().map_err(listen)?;
    let admin = local::Listener::bind(&settings.admin_socket).await?;
    let handover = settings.handover_socket.as_deref();
    let handover = handover.map(local::listen_over).transpose()?;
    // No other process listens, so none uses it.
    let store = Store::open(&database).await?;
    let metrics = Metrics::new(address)?;
    let parts = parts(
        settings,
        (store, vault, metrics),
        identity,
        address,
        shutdown,
    );
    let service = Arc::new(Service::new(parts).await?);
    // Whoever lets phones approve by their address alone knows; `check` and the status go on saying so.
    if let Some(lacks) = service.lacks().filter(|_| !service.rules.approve_by_link) {
        tracing::warn!(
            public_url = service.public_url,
            "{lacks}; --second-factor-public-url (COUNTERSIGN_SECOND_FACTOR_PUBLIC_URL) names what people open"
        );
    }
    Ok(Begun {
        service,
        sockets: Sockets {
            https: Arc::new(https),
            admin: Arc::new(admin),
            handover: handover.map(Arc::new),
        },
        following: None,
        tls,
        address,
    })
}

/// Tells of phones that approved by their address alone with an older program, and cannot any more.
async fn tell_unbound(service: &Service) {
    if service.rules.approve_by_link {
        return;
    }
    let counted = service.store.count_unbound(clock::unix_ms()).await;
    if let Ok((phones @ 1.., over)) = counted {
        tracing::warn!(
            phones,
            over,
            "phones that no passkey binds approve no push: open the address of each on it once; those whose \
             address is over get no pushes any more: have their owners enroll anew; \
             --second-factor-approve-by-link lets them all approve by their address alone"
        );
    }
}

fn parts(
    settings: &Settings,
    (store, vault, metrics): (Store, Vault, Metrics),
    identity: Identity,
    address: SocketAddr,
    shutdown: &CancellationToken,
) -> Parts {
    let public_url = settings.public_url.clone().unwrap_or_else(|| {
        let name = settings.public_names.first();
        let name = name.map_or("localhost", String::as_str);
        format!("https://{name}:{}", address.port())
    });
    Parts {
        store,
        vault,
        metrics,
        rules: Rules {
            version_one: if settings.signature_version_1 {
                VersionOne::Accepted
            } else {
                VersionOne::Refused
            },
            legacy_api: settings.legacy_api,
            push_lifetime: settings.push_lifetime,
            poll_hold: settings.poll_hold,
            lockout_after: settings.lockout_after,
            approve_by_link: settings.approve_by_link,
            self_service: settings.self_service,
        },
        proxies: Proxies::new(settings.trusted_proxies.clone()),
        ca_pem: identity.ca_pem,
        leaf: identity.leaf,
        public_url: public_url.trim_end_matches('/').to_owned(),
        shutdown: shutdown.clone(),
    }
}

/// Serves the admin socket until the shutdown, or until another process does.
async fn administer(admin: Arc<local::Listener>, routes: axum::Router, service: &Service) {
    loop {
        let leaving = service.gate.leaving();
        // All who are connected are answered before anything is handed over.
        let talk = Talk::new(&service.traffic);
        if let Err(error) = admin.serve_for_now(routes.clone(), leaving.clone()).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the admin socket is not served"
            );
            leaving.cancelled().await;
        }
        drop(talk);
        if !service.gate.goes_on().await {
            break;
        }
    }
    if service.shutdown.is_cancelled() {
        admin.remove_file().await;
    }
}

/// Looks at the certificate once a day, until the shutdown. Sleep does not count the time that a
/// machine sleeps, but the clock that is then looked at does.
async fn renew_daily(leaf: &Arc<ServedLeaf>, shutdown: &CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEWAL_PAUSE) => {}
            () = shutdown.cancelled() => return,
        }
        let leaf = Arc::clone(leaf);
        match tokio::task::spawn_blocking(move || leaf.renew(clock::unix_s())).await {
            Ok(Ok(Renewal::Renewed)) => tracing::info!("certificate renewed"),
            Ok(Ok(Renewal::NotYet)) | Err(_) => {}
            Ok(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "certificate not renewed; the old one is served"
            ),
        }
    }
}

/// Opens or makes the files of the data folder, but for the database.
fn files(
    folder: &Path,
    key_file: Option<PathBuf>,
    names: &[String],
) -> Result<(Vault, Identity), RunError> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    let database = folder.join(DATABASE);
    // Made by somebody else perhaps, and readable by others then.
    made.and_then(|()| set_mode(folder, 0o700))
        .map_err(|source| RunError::Folder {
            path: folder.to_owned(),
            source,
        })?;
    let key_file = key_file.unwrap_or_else(|| folder.join("secret.key"));
    let vault = Vault::open(&key_file, &database)?;
    // SQLite gives its other files the permissions of this one.
    private_database(&database).map_err(|source| RunError::Folder {
        path: database,
        source,
    })?;
    let identity = certificate::open(folder, names, clock::unix_s())?;
    Ok((vault, identity))
}

fn private_database(path: &Path) -> io::Result<()> {
    let open = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    open.and_then(|_| set_mode(path, 0o600))
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The newest schema of the database that this program knows: SQLite's `user_version`.
#[must_use]
pub fn schema() -> i64 {
    store::schema()
}

const DATABASE: &str = "secondfactor.db";

/// How often it is looked whether the certificate is near its end.
const RENEWAL_PAUSE: Duration = Duration::from_hours(24);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data folder or the database in it cannot be made for this user alone.
    #[error("cannot make {} for this user alone", path.display())]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The runtime ended while the service started.
    #[error("the start was cut short")]
    Stopped,
    /// There is no key for secrets at rest.
    #[error("cannot open the second factor's key")]
    Key(#[from] KeyError),
    /// There is no certificate.
    #[error("cannot open the second factor's certificates")]
    Certificate(#[from] CertificateError),
    /// The database cannot be used.
    #[error("cannot open the second factor's database")]
    Store(#[from] StoreError),
    /// The process that serves was not taken over from; it serves on.
    #[error("cannot take over")]
    Take(#[from] TakeError),
    /// The process that had taken over is gone, while callers waited in this one: nobody serves.
    #[error("the program that had taken over is gone, and nobody serves")]
    Gone,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The admin socket cannot be made.
    #[error("cannot serve the admin socket")]
    Socket(#[from] local::ServeError),
    /// A metric cannot be registered.
    #[error("cannot register the metrics")]
    Metrics(#[from] prometheus::Error),
}

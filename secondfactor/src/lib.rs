//! The built-in second factor: a server of Duo's Auth API v2 with its own users and devices.
//!
//! Read first: [`run`] (the door), [`Settings`], and [`admin`] (what the command line and the
//! control plane may ask over the admin socket). Inside, `api` speaks HTTP, `service` decides,
//! `store` keeps, `push` holds what waits for a person.

mod settings;

mod account;
mod api;
mod certificate;
mod clock;
mod control;
mod date;
mod doors;
mod metrics;
mod otp;
mod pages;
mod params;
mod push;
mod server;
mod service;
mod sign;
mod store;
mod vault;
mod verdict;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use certificate::CertificateError;
pub use proto::second_factor as admin;
pub use settings::{DEFAULT_PORT, Settings};
pub use store::StoreError;
pub use vault::KeyError;

use certificate::{Renewal, ServedLeaf};
use metrics::Metrics;
use service::{Parts, Rules, Service};
use sign::VersionOne;
use store::Store;
use vault::Vault;

/// Runs the service until the token is cancelled; then who waits is answered, and it returns.
///
/// [`Settings::ready`] is told the address once the listener and the admin socket are bound.
///
/// # Errors
/// [`RunError`] when it cannot start. Later faults are answered and logged.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), RunError> {
    let folder = settings.data_dir.clone();
    let key_file = settings.key_file.clone();
    let names = certificate::names(&settings.public_names, settings.listen.ip());
    let (vault, identity) = tokio::task::spawn_blocking(move || files(&folder, key_file, &names))
        .await
        .map_err(|_| RunError::Stopped)??;
    let store = Store::open(&settings.data_dir.join(DATABASE)).await?;
    let listen = |source| RunError::Listen {
        address: settings.listen,
        source,
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let socket = local::Listener::bind(&settings.admin_socket).await?;
    let public_url = settings.public_url.unwrap_or_else(|| {
        let name = settings.public_names.first();
        let name = name.map_or("localhost", String::as_str);
        format!("https://{name}:{}", address.port())
    });
    let service = Arc::new(
        Service::new(Parts {
            store,
            vault,
            metrics: Metrics::new(address)?,
            rules: Rules {
                version_one: if settings.signature_version_1 {
                    VersionOne::Accepted
                } else {
                    VersionOne::Refused
                },
                push_lifetime: settings.push_lifetime,
                poll_hold: settings.poll_hold,
                lockout_after: settings.lockout_after,
            },
            ca_pem: identity.ca_pem,
            leaf: Arc::clone(&identity.leaf),
            public_url: public_url.trim_end_matches('/').to_owned(),
            shutdown: shutdown.clone(),
        })
        .await?,
    );
    let control = control::Control {
        service: Arc::clone(&service),
        address,
    };
    tracing::info!(%address, "second factor serves");
    if let Some(ready) = settings.ready
        && ready.send(address).is_err()
    {
        tracing::debug!("nobody waits for the address any more");
    }
    tokio::join!(
        server::serve(
            listener,
            identity.tls,
            Arc::clone(&service),
            settings.shutdown_grace
        ),
        socket.serve(
            control::router(control).merge(settings.admin_routes),
            shutdown.clone()
        ),
        renew_daily(&identity.leaf, &shutdown),
        service.pushes.run(shutdown.clone(), |push, verdict| service
            .push_ended(push, verdict)),
    );
    service.tasks.close();
    service.tasks.wait().await;
    service.store.close().await;
    Ok(())
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
) -> Result<(Vault, certificate::Identity), RunError> {
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

//! What is done to the files of a control plane from beside it, running or not: its master key is
//! rotated, its database copied, a copy looked over. The command line's; nothing here serves.

use std::path::Path;

use proto::config::raw;
use proto::id::NodeId;
use proto::rpc::NodeStatus;
use serde::Serialize;

use crate::admin::{EventFilter, RevisionInfo, StoredEvent};
use crate::seal::Key;
use crate::settings::{database_file, key_file};
use crate::store::{self, PostgresUrl, Rotated, Store, StoreError};

/// Puts a new master key into the key file of a data folder, and the data keys of its database under
/// it. Cut short at any moment, the key file opens the database. A control plane that runs goes on.
///
/// `with_data_key` makes a new data key as well, for what is sealed from now on: of several control
/// planes all must have the new key file by then.
///
/// # Errors
/// [`StoreError`]; nothing was changed, or only the key file, which then opens the database as it is.
pub async fn rotate_master_key(
    data_dir: &Path,
    database: Option<&PostgresUrl>,
    with_data_key: bool,
) -> Result<Rotated, StoreError> {
    let path = key_file(data_dir);
    let key = Key::read(&path)?;
    let store = match database {
        Some(url) => Store::connect(url, key).await?,
        None => Store::open_unseen(&database_file(data_dir), key).await?,
    };
    let rotated = store.rotate(&path, with_data_key, |_| Ok(())).await;
    store.close().await;
    rotated
}

/// Copies a database of SQLite, as it is at one moment, into a new file with mode 0600, while others
/// read and write it. What is sealed stays sealed.
///
/// # Errors
/// [`StoreError`]; there is no new file then.
pub async fn copy_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    store::copy(from, to).await
}

/// The schema of a copied database of a control plane, whose key file this is.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::WrongKey`], and those of a file that is none.
pub async fn look_at_copy(database: &Path, key: &Path) -> Result<i64, StoreError> {
    store::look_at_copy(database, &Key::read(key)?).await
}

/// What a database has of how its installation was.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stored {
    /// Its revisions, the newest first, `STORED_REVISIONS` at most.
    pub revisions: Vec<RevisionInfo>,
    /// The newest of them. It holds secrets.
    pub newest: Option<raw::Snapshot>,
    /// Its data planes, as they were last.
    pub nodes: Vec<KeptNode>,
    /// Its last logins, the newest first.
    pub events: Vec<StoredEvent>,
}

/// A data plane, as it was last.
#[derive(Clone, Debug, Serialize)]
pub struct KeptNode {
    /// Its name.
    pub node: NodeId,
    /// When it spoke: milliseconds since 1970, UTC.
    pub last_seen_ms: u64,
    /// What it said.
    pub status: Option<NodeStatus>,
}

/// Reads a copy of a control plane's database, whose key file this is. The copy is brought up to date,
/// and is of no other use afterwards.
///
/// # Errors
/// [`StoreError`].
pub async fn look_into_copy(
    database: &Path,
    key: &Path,
    events: u32,
) -> Result<Stored, StoreError> {
    let store = Store::open_unseen(database, Key::read(key)?).await?;
    let looked = looked_into(&store, events).await;
    store.close().await;
    looked
}

async fn looked_into(store: &Store, events: u32) -> Result<Stored, StoreError> {
    let newest = store.fetch_latest_revision().await?;
    let filter = EventFilter {
        limit: Some(events),
        ..EventFilter::default()
    };
    let nodes = store.list_nodes().await?.into_iter();
    Ok(Stored {
        revisions: store
            .list_revisions(u64::MAX >> 1, STORED_REVISIONS)
            .await?,
        newest: newest.map(|one| one.snapshot),
        nodes: nodes
            .map(|one| KeptNode {
                node: one.id,
                last_seen_ms: one.last_seen_ms,
                status: one.status,
            })
            .collect(),
        events: store.list_events(&filter).await?.events,
    })
}

/// The most revisions that are told of.
const STORED_REVISIONS: u32 = 1_000;

//! What the control plane keeps: one type over SQLite or PostgreSQL. Only this folder knows SQL.
//!
//! No decisions here: rows go in and come out. What holds a secret is sealed before it is written,
//! with either engine.

mod admins;
mod audit;
mod documents;
mod drafts;
mod engine;
mod events;
mod joining;
mod keys;
mod leader;
mod migrations;
mod nodes;
mod overview;
mod postgres;
mod postgres_url;
mod revisions;
mod seen;
mod sessions;
mod sqlite;
mod tokens;
mod truth;

pub(crate) use admins::{AdminRow, AdminSecrets, InsertedAdmin};
pub(crate) use audit::AuditFilter;
pub(crate) use drafts::{AppliedDraft, DraftRow, DraftVersion, DraftWrite, target as draft_target};
pub(crate) use events::NewEvent;
pub(crate) use joining::{GivenCertificate, JOIN_TOKENS, JoinToken, Redeemed, Standing};
pub use keys::Rotated;
pub(crate) use nodes::{NodeRow, Noted};
pub(crate) use overview::{Ended, EventRow};
pub use postgres_url::{PostgresUrl, PostgresUrlError};
pub(crate) use revisions::{NewRevision, REVISIONS, StoredRevision};
pub(crate) use seen::{CLIENTS_FORGOTTEN_MS, SeenClient, unsigned_since};
pub(crate) use sessions::{Holder, NewSession, PROVIDER, SessionRow, Which};
pub(crate) use sqlite::{copy, look_at_copy};
pub(crate) use tokens::{InsertedToken, TokenRow};
pub(crate) use truth::FileTruth;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use sqlx::migrate::MigrateError;
use tokio_util::sync::CancellationToken;

use crate::api::masked::Fingerprints;
use crate::audit::Chain;
use crate::keyring::Keyring;
use crate::seal::{Key, KeyError, SealError};
use engine::Db;

/// The database and the keys that its secrets are under.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Db,
    master: Key,
    keys: Arc<RwLock<Arc<Keyring>>>,
    chain: Chain,
    /// The file, when it was too long to be looked over at the start.
    unseen: Option<PathBuf>,
    /// Clients that made room for others, since somebody counted them.
    clients_forgotten: Arc<AtomicU64>,
}

impl Store {
    /// Opens a file of SQLite, makes it with mode 0600 when there is none, and brings its schema up to
    /// date. Looks whether it is whole: at once when it is short, else by [`Self::look_over`].
    pub(crate) async fn open(path: &Path, key: Key) -> Result<Self, StoreError> {
        Self::open_bounded(path, key, LOOKED_OVER_AT_START).await
    }

    /// The same, without a look whether it is whole.
    pub(crate) async fn open_unseen(path: &Path, key: Key) -> Result<Self, StoreError> {
        Self::open_bounded(path, key, 0).await
    }

    async fn open_bounded(path: &Path, key: Key, bound: u64) -> Result<Self, StoreError> {
        let (db, looked_over) = sqlite::open(path, bound).await?;
        let mut store = Self::with(db, key).await?;
        if !looked_over {
            store.unseen = Some(path.to_owned());
        }
        Ok(store)
    }

    /// Looks whether a file is whole that was too long for it at the start, for as long as that takes.
    /// None when there is nothing to look at, or it was told to stop.
    pub(crate) async fn look_over(
        &self,
        stop: CancellationToken,
    ) -> Option<Result<(), StoreError>> {
        sqlite::look_over_beside(self.unseen.as_deref()?, stop).await
    }

    /// Whether nobody has looked yet whether the database is whole.
    pub(crate) const fn is_unseen(&self) -> bool {
        self.unseen.is_some()
    }

    /// Connects to a database of PostgreSQL, and brings its schema up to date.
    pub(crate) async fn connect(url: &PostgresUrl, key: Key) -> Result<Self, StoreError> {
        let db = postgres::connect(url).await?;
        Self::with(db, key).await
    }

    /// What is shown in the place of secrets.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(self.keys().lasting())
    }

    /// What checks the audit.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// How many clients made room for others since this was asked last.
    pub(crate) fn take_forgotten_clients(&self) -> u64 {
        self.clients_forgotten.swap(0, Ordering::Relaxed)
    }

    /// Finds out that the key file is another one now, before anything is sealed.
    async fn with(db: Db, master: Key) -> Result<Self, StoreError> {
        let keys = keys::take(&db, &master).await?;
        Ok(Self {
            chain: Chain::new(keys.oldest()),
            db,
            master,
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            unseen: None,
            clients_forgotten: Arc::default(),
        })
    }

    /// Writes everything that is written into its place and closes the connections.
    pub(crate) async fn close(&self) {
        match &self.db {
            Db::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Db::Postgres(pool) => postgres::close(pool).await,
        }
    }
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file cannot be made.
    #[error("cannot make {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is no database, or not a whole one.
    #[error(
        "the database {} is damaged ({detail}); put a backup in its place with `countersign restore`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found first.
        detail: String,
    },
    /// The database was brought up to date by a newer program.
    #[error(
        "the database's schema is {version}, of a newer program; this one knows up to {}: \
         install the newer one again, or put back a backup of before",
        migrations::newest()
    )]
    Newer {
        /// Its schema.
        version: i64,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the database's schema up to date")]
    Migrate(#[source] MigrateError),
    /// What names the database is bad.
    #[error(transparent)]
    Url(#[from] PostgresUrlError),
    /// The database refused.
    #[error("cannot {what}")]
    Query {
        /// What was tried.
        what: &'static str,
        /// The database's reason.
        source: sqlx::Error,
    },
    /// The database server said nothing.
    #[error("cannot {what}: the database does not answer")]
    Silent {
        /// What was tried.
        what: &'static str,
    },
    /// Another control plane stored a revision first.
    #[error("revision {newest} was stored meanwhile")]
    Overtaken {
        /// The newest one.
        newest: u64,
    },
    /// The configuration is a file of another control plane.
    #[error(
        "the configuration is a file of another control plane on this database, which would undo \
         this; change it there"
    )]
    FileElsewhere,
    /// A draft was applied or deleted, or never was.
    #[error("there is no draft {id}; it may be applied already")]
    DraftGone {
        /// Its number.
        id: u64,
    },
    /// A draft is not as it was looked at.
    #[error("draft {id} was changed meanwhile")]
    DraftChanged {
        /// Its number.
        id: u64,
    },
    /// Drafts are bounded.
    #[error("there are {what}, which is as much as is kept; apply or delete a draft")]
    DraftsFull {
        /// What there is as much of as there may be.
        what: String,
    },
    /// A stored document cannot be read.
    #[error("the stored {what} cannot be read")]
    Unreadable {
        /// Which.
        what: &'static str,
        /// The JSON fault.
        source: serde_json::Error,
    },
    /// A secret cannot be sealed or opened.
    #[error("cannot seal or open a stored secret")]
    Seal(#[from] SealError),
    /// The key file cannot be read or replaced.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key file belongs to another database.
    #[error(
        "the key file is not the one this database was made with; put that one back from a backup, \
         or copy it from a control plane that has it"
    )]
    WrongKey,
}

fn query(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Query { what, source }
}

fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Unreadable { what, source }
}

/// The longest file, in octets, that is read whole before anything is served: some seconds on a slow
/// disk. What is longer is read beside the service.
const LOOKED_OVER_AT_START: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;

//! What the control plane keeps: one type over SQLite or PostgreSQL. Only this folder knows SQL.
//!
//! No decisions here: rows go in and come out. What holds a secret is sealed before it is written,
//! with either engine.

mod admins;
mod audit;
mod documents;
mod engine;
mod events;
mod joining;
mod leader;
mod migrations;
mod nodes;
mod postgres;
mod postgres_url;
mod revisions;
mod sqlite;
mod tokens;

pub(crate) use admins::{AdminRow, InsertedAdmin};
pub(crate) use events::NewEvent;
pub(crate) use joining::{GivenCertificate, JoinToken, Redeemed, Standing};
pub(crate) use nodes::Noted;
pub use postgres_url::{PostgresUrl, PostgresUrlError};
pub(crate) use revisions::{NewRevision, StoredRevision};
pub(crate) use tokens::{InsertedToken, TokenRow};

use std::io;
use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

use crate::api::masked::Fingerprints;
use crate::audit::Chain;
use crate::seal::{Key, Place, SealError};
use engine::{Db, Fault, writing};

/// The database and the key that its secrets are under.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Db,
    key: Key,
    chain: Chain,
}

impl Store {
    /// Opens a file of SQLite, makes it with mode 0600 when there is none, looks whether it is
    /// whole, and brings its schema up to date.
    pub(crate) async fn open(path: &Path, key: Key) -> Result<Self, StoreError> {
        let db = sqlite::open(path).await?;
        Self::with(db, key).await
    }

    /// Connects to a database of PostgreSQL, and brings its schema up to date.
    pub(crate) async fn connect(url: &PostgresUrl, key: Key) -> Result<Self, StoreError> {
        let db = postgres::connect(url).await?;
        Self::with(db, key).await
    }

    /// What is shown in the place of secrets.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(&self.key)
    }

    async fn with(db: Db, key: Key) -> Result<Self, StoreError> {
        let chain = Chain::new(&key);
        let store = Self { db, key, chain };
        store.check_key().await?;
        Ok(store)
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

    /// Writes all of it, as it is at one moment, into a new file with mode 0600, while others read
    /// and write. What is sealed stays sealed.
    ///
    /// Only of SQLite: PostgreSQL has its own ways.
    pub(crate) async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        match &self.db {
            Db::Sqlite { readers, .. } => sqlite::backup(readers, to).await,
            Db::Postgres(_) => Err(StoreError::BackupElsewhere),
        }
    }

    /// Finds out that the key file is another one now, before anything is sealed under it.
    async fn check_key(&self) -> Result<(), StoreError> {
        let fresh = self.key.seal(&KEY_CHECK, b"")?;
        let sealed: Vec<u8> = writing!(self.db, "check the key", pool => async {
            // Two that open a new database at the same time check against one key.
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            )
            .bind(KEY_CHECK.row)
            .bind(fresh.as_slice())
            .execute(pool)
            .await?;
            sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(KEY_CHECK.row)
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        match self.key.open(&KEY_CHECK, &sealed) {
            Ok(_) => Ok(()),
            Err(SealError::Refused) => Err(StoreError::WrongKey),
            Err(error) => Err(error.into()),
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
    /// The key file belongs to another database.
    #[error(
        "the key file is not the one this database was made with; put that one back from a backup, \
         or copy it from a control plane that has it"
    )]
    WrongKey,
    /// A backup of PostgreSQL was asked for.
    #[error("a PostgreSQL database is backed up with its own programs, such as pg_dump")]
    BackupElsewhere,
}

fn query(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Query { what, source }
}

fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Unreadable { what, source }
}

const KEY_CHECK: Place<'_> = Place {
    table: "meta",
    column: "value",
    row: "key_check",
};

#[cfg(test)]
mod tests;

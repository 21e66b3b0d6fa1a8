//! What the control plane keeps: one type over SQLite. Only this folder knows SQL.
//!
//! No decisions here: rows go in and come out. One connection writes, a few read. What holds a
//! secret is sealed before it is written.

mod documents;
mod events;
mod nodes;
mod revisions;

pub(crate) use events::NewEvent;
pub(crate) use revisions::{NewRevision, StoredRevision};

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row, SqlStr};

use crate::seal::{Key, Place, SealError};

/// The database and the key that its secrets are under.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    key: Key,
}

impl Store {
    /// Opens the file, makes it with mode 0600 when there is none, and brings its schema up to date.
    pub(crate) async fn open(path: &Path, key: Key) -> Result<Self, StoreError> {
        let fail = |source| StoreError::File {
            path: path.to_owned(),
            source,
        };
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
        {
            Ok(made) => drop(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail(error)),
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(query("open the database"))?;
        migrator().run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(query("open the database for reading"))?;
        let store = Self {
            writer,
            readers,
            key,
        };
        store.check_key().await?;
        Ok(store)
    }

    /// Writes everything into the one file and closes it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Finds out that the key file is another one now, before anything is sealed under it.
    async fn check_key(&self) -> Result<(), StoreError> {
        let found = sqlx::query("SELECT value FROM meta WHERE name = 'key_check'")
            .fetch_optional(&self.writer)
            .await
            .map_err(query("read the key check"))?;
        match found {
            Some(row) => {
                let sealed: Vec<u8> = row.get(0);
                match self.key.open(&KEY_CHECK, &sealed) {
                    Ok(_) => Ok(()),
                    Err(SealError::Refused) => Err(StoreError::WrongKey),
                    Err(error) => Err(error.into()),
                }
            }
            None => {
                let sealed = self.key.seal(&KEY_CHECK, b"")?;
                sqlx::query("INSERT INTO meta (name, value) VALUES ('key_check', ?)")
                    .bind(sealed)
                    .execute(&self.writer)
                    .await
                    .map_err(query("write the key check"))?;
                Ok(())
            }
        }
    }
}

/// The migrations, oldest first. One that was shipped is never changed.
fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(version, description, sql)| {
            Migration::new(
                version,
                Cow::Borrowed(description),
                MigrationType::Simple,
                SqlStr::from_static(sql),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database file cannot be made.
    #[error("cannot make {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The schema cannot be brought up to date, such as one of a newer program.
    #[error("cannot bring the database's schema up to date")]
    Migrate(#[from] MigrateError),
    /// SQLite refused.
    #[error("cannot {what}")]
    Query {
        /// What was tried.
        what: &'static str,
        /// SQLite's reason.
        source: sqlx::Error,
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
        "the key file is not the one this database was made with; put that one back from a backup"
    )]
    WrongKey,
}

fn query(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Query { what, source }
}

fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Unreadable { what, source }
}

/// SQLite's integers are signed; what is too large for one is as large as can be.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

const MIGRATIONS: &[(i64, &str, &str)] = &[(
    1,
    "create revisions nodes events",
    include_str!("../../../migrations/controlplane/0001_create_revisions_nodes_events.sql"),
)];

const KEY_CHECK: Place<'_> = Place {
    table: "meta",
    column: "value",
    row: "key_check",
};

const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

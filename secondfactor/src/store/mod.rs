//! The database: the only folder that knows SQL. It decides nothing.
//!
//! One connection writes, so that a transaction sees what the one before it did; a few others
//! read.

mod applications;
mod codes;
mod users;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub(crate) use codes::{Activation, Generator};
pub(crate) use users::DeviceRow;

use crate::clock::NoRandomness;
use crate::vault::SealError;

/// The open database.
#[derive(Clone)]
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl Store {
    /// Opens a database file, made with mode 0600 when it is not there (SQLite gives the mode to
    /// the files beside it), and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open_as_it_is(path).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// The same, with the schema left as it is: another process uses it still.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(sqlx::Error::Io(error).into());
            }
            Ok(_) | Err(_) => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A used passcode must stay used when the power goes.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.read_only(true))
            .await?;
        let store = Self { writer, reader };
        store.known().await?;
        Ok(store)
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then but by the scripts that went well.
    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        let done = usize::try_from(self.known().await?).unwrap_or(0);
        for (script, version) in MIGRATIONS.iter().skip(done) {
            let mut tx = self.write().await?;
            sqlx::raw_sql(*script).execute(&mut *tx).await?;
            sqlx::raw_sql(*version).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The schema that it has.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for one that this program does not know.
    pub(crate) async fn known(&self) -> Result<i64, StoreError> {
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.writer)
            .await?;
        let known = schema();
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        Ok(found)
    }

    /// Begins a transaction that no other writer can come between.
    pub(crate) async fn write(&self) -> Result<Transaction, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Finishes what runs and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A transaction of the writer; rolled back unless it is committed.
pub(crate) type Transaction = sqlx::Transaction<'static, sqlx::Sqlite>;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// It was written by a newer version of the program.
    #[error("the database has schema {found}, this program knows {known}")]
    Newer {
        /// What it has.
        found: i64,
        /// What is known here.
        known: i64,
    },
    /// A stored value is none that this program writes.
    #[error("the database holds a {column} that cannot be read")]
    Unreadable {
        /// Where.
        column: &'static str,
    },
    /// A name is taken already.
    #[error("that name is taken")]
    Taken,
    /// A stored secret does not open with this key file.
    #[error("a stored secret does not open with this key file")]
    Sealed,
    /// The system gave no random octets.
    #[error("the system has no random octets")]
    Randomness,
}

impl StoreError {
    /// Whether there is only too much to do, so that asking again later may go well.
    pub(crate) fn is_overload(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::PoolTimedOut) => true,
            // The low octet is the primary code; the others say which kind of it.
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .and_then(|code| code.parse::<u32>().ok())
                .is_some_and(|code| matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED)),
            _ => false,
        }
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Cipher => Self::Sealed,
            SealError::Randomness(_) => Self::Randomness,
        }
    }
}

impl From<NoRandomness> for StoreError {
    fn from(_: NoRandomness) -> Self {
        Self::Randomness
    }
}

/// Turns the breach of a UNIQUE rule into [`StoreError::Taken`].
fn taken(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreError::Taken,
        _ => StoreError::Database(error),
    }
}

/// The schema that this program knows.
pub(crate) fn schema() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Forward only, in order: a script, and the note that it ran.
const MIGRATIONS: &[(&str, &str)] = &[(
    include_str!("../../../migrations/secondfactor/0001_create_tables.sql"),
    "PRAGMA user_version = 1",
)];

const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for a connection; the next one is told to come later.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// <https://www.sqlite.org/rescode.html>
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const READERS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn too_much_to_do_is_told_from_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secondfactor.db");
        let store = Store::open(&path).await.unwrap();
        let held = store.write().await.unwrap();
        let error = store.write().await.unwrap_err();
        assert!(error.is_overload(), "no connection in time: {error:?}");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(Duration::ZERO);
        let other = SqlitePool::connect_with(options).await.unwrap();
        let error = other.begin_with("BEGIN IMMEDIATE").await.unwrap_err();
        assert!(StoreError::from(error).is_overload(), "locked");
        let error = sqlx::raw_sql("SELECT * FROM nothing").execute(&other).await;
        assert!(!StoreError::from(error.unwrap_err()).is_overload());
        assert!(!StoreError::Sealed.is_overload());
        drop(held);
        other.close().await;
        store.close().await;
    }

    #[tokio::test]
    async fn what_another_process_uses_is_migrated_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secondfactor.db");
        let store = Store::open_as_it_is(&path).await.unwrap();
        assert_eq!(store.known().await.unwrap(), 0);
        assert!(store.count_users().await.is_err(), "there is no table");
        store.migrate().await.unwrap();
        assert_eq!(store.known().await.unwrap(), schema());
        assert_eq!(store.count_users().await.unwrap(), 0);
        store.close().await;
    }

    #[tokio::test]
    async fn migrates_once_and_refuses_a_newer_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secondfactor.db");
        for _ in 0..2 {
            Store::open(&path).await.unwrap().close().await;
        }
        let store = Store::open(&path).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 2")
            .execute(&store.writer)
            .await
            .unwrap();
        store.close().await;
        assert!(matches!(
            Store::open(&path).await,
            Err(StoreError::Newer { found: 2, known: 1 })
        ));
    }
}

//! The database: the only folder that knows SQL. It decides nothing.
//!
//! One connection writes, so that a transaction sees what the one before it did; a few others
//! read.

mod activations;
mod applications;
mod codes;
mod holdings;
mod incidents;
mod logins;
mod passkeys;
mod people;
mod policies;
mod remembered;
mod sessions;
mod settings;
mod subscriptions;
mod syncs;
mod tokens;
mod users;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

pub(crate) use activations::{Activation, Begun, WaitingActivation};
pub(crate) use incidents::{NewIncident, WhichIncidents};
pub(crate) use passkeys::Answered;
pub(crate) use people::{Batch, Listing, NewPhone, Number, Owned, Person, Version, Wanted};
pub(crate) use remembered::Place;
pub(crate) use sessions::{SessionBounds, SessionRow};
pub(crate) use tokens::{KnownTokens, Owner, TokenRow};
pub(crate) use users::{Approver, DeviceRow};

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
        let opened = async {
            let store = Self::open_as_it_is(path).await?;
            store.migrate().await?;
            Ok(store)
        };
        opened.await.map_err(|error: StoreError| error.named(path))
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
            .after_release(|connection, _| {
                Box::pin(async move {
                    // Waits for a rollback that was begun.
                    connection.ping().await?;
                    // SQLite ends a transaction by itself where it finds no room (sqlite.org/lang_transaction.html,
                    // section 3). sqlx takes it for open from then on and begins no other on this connection.
                    Ok(!connection.is_in_transaction())
                })
            })
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

/// Whether what was found possible is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It is.
    Real,
    /// It was only asked whether it would be.
    Tried,
}

impl Attempt {
    /// Ends a transaction, with what was tried as if it had not been.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn end(self, tx: Transaction) -> Result<(), StoreError> {
        match self {
            Self::Real => tx.commit().await?,
            Self::Tried => tx.rollback().await?,
        }
        Ok(())
    }
}

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The file is no database, or not a whole one.
    #[error(
        "the database {} is damaged ({detail}); put a backup in its place with `countersign restore`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
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
    /// The work before it was cut short.
    #[error("the work was cut short")]
    Cut,
    /// The system gave no random octets.
    #[error("the system has no random octets")]
    Randomness,
    /// Too much waits already.
    #[error("too much waits for the database")]
    Overloaded,
    /// What was to be done together with others was not done.
    #[error(transparent)]
    Together(std::sync::Arc<Self>),
}

impl StoreError {
    /// Whether the same may go well later: there is too much to do, or no room.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_overload() || matches!(self.primary(), Some(SQLITE_FULL | SQLITE_IOERR))
    }

    /// Whether there is only too much to do, so that asking again later may go well.
    pub(crate) fn is_overload(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::PoolTimedOut) | Self::Overloaded => true,
            Self::Together(error) => error.is_overload(),
            _ => matches!(self.primary(), Some(SQLITE_BUSY | SQLITE_LOCKED)),
        }
    }

    /// What it means for whoever opened this file.
    fn named(self, path: &Path) -> Self {
        match (&self, self.primary()) {
            (Self::Database(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB)) => Self::Damaged {
                path: path.to_owned(),
                detail: error.to_string(),
            },
            _ => self,
        }
    }

    /// What SQLite says: the low octet is the primary code, the others say which kind of it.
    fn primary(&self) -> Option<u32> {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return None;
        };
        let code: u32 = error.code()?.parse().ok()?;
        Some(code & 0xff)
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
const MIGRATIONS: &[(&str, &str)] = &[
    (
        include_str!("../../../migrations/secondfactor/0001_create_tables.sql"),
        "PRAGMA user_version = 1",
    ),
    (
        include_str!("../../../migrations/secondfactor/0002_live_without_a_cloud.sql"),
        "PRAGMA user_version = 2",
    ),
];

const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for a connection; the next one is told to come later.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// <https://www.sqlite.org/rescode.html>
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;
const READERS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Reach;

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
        let together = |error| StoreError::Together(std::sync::Arc::new(error));
        assert!(together(StoreError::Overloaded).is_overload());
        assert!(!together(StoreError::Sealed).is_overload());
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
        sqlx::raw_sql("PRAGMA user_version = 1000")
            .execute(&store.writer)
            .await
            .unwrap();
        store.close().await;
        let refused = Store::open(&path).await.err().unwrap();
        let known = schema();
        assert!(matches!(refused, StoreError::Newer { found: 1000, known: said } if said == known));
    }

    #[tokio::test]
    async fn what_an_older_program_wrote_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secondfactor.db");
        let store = Store::open_as_it_is(&path).await.unwrap();
        let run =
            async |sql: &'static str| sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
        run(MIGRATIONS[0].0).await;
        run(MIGRATIONS[0].1).await;
        run("INSERT INTO users (id, lookup, name, status, created_at_ms)
                 VALUES ('DU1', 'alice', 'Alice', 'active', 7), ('DU2', 'bob', 'bob', 'active', 7);
             INSERT INTO devices (id, user_id, kind, name, number, can_sms, created_at_ms)
                 VALUES ('DP1', 'DU1', 'phone', 'old', '+15550100', 1, 8);
             INSERT INTO devices (id, user_id, kind, name, secret_sealed, algorithm, digits, position,
                                  created_at_ms)
                 VALUES ('DH1', 'DU1', 'hotp', 'key', x'00', 'SHA1', 6, 5, 9);
             INSERT INTO devices (id, user_id, kind, name, can_push, approval_hash, created_at_ms)
                 VALUES ('DP2', 'DU2', 'phone', '', 1, x'03', 8);
             INSERT INTO sms_codes (device_id, leading, code_sealed) VALUES ('DP1', '4', x'01');
             INSERT INTO bypass_codes (user_id, code_hash) VALUES ('DU1', x'02');")
        .await;
        store.migrate().await.unwrap();
        let alice = store.account("alice").await.unwrap().unwrap();
        assert_eq!(alice.bypass_codes, 1);
        let [phone, token] = &alice.devices[..] else {
            panic!("{alice:?}");
        };
        assert_eq!(
            (phone.number.as_str(), phone.sms_next.as_deref()),
            ("+15550100", Some("4"))
        );
        assert_eq!((&*token.id, token.drift), ("DH1", 0));
        // Phones that approved by their address are told of, until a passkey binds them.
        let now_ms = crate::clock::unix_ms();
        let (in_time, late) = (now_ms, now_ms + 31 * 24 * 3_600 * 1_000);
        assert_eq!(store.count_unbound(in_time).await.unwrap(), (1, 0));
        assert_eq!(store.count_unbound(late).await.unwrap(), (1, 1));
        let bob = store.account("bob").await.unwrap().unwrap();
        let set_up = |now_ms| {
            bob.has_set_up(Reach {
                now_ms,
                ..Reach::default()
            })
        };
        assert_eq!((set_up(in_time), set_up(late)), (true, false));
        let phone = store.device_by_approval(&[3]).await.unwrap().unwrap();
        let left_ms = phone.binds_until_ms.saturating_sub(crate::clock::unix_ms());
        let day_ms = 24 * 3_600 * 1_000;
        assert_eq!(&*phone.device.id, "DP2");
        assert!((29 * day_ms..=30 * day_ms).contains(&left_ms), "{left_ms}");
        run(
            "INSERT INTO passkeys (credential, device_id, public_key, sign_count, created_at_ms)
                 VALUES (x'05', 'DP2', x'06', 0, 9);",
        )
        .await;
        assert_eq!(store.count_unbound(late).await.unwrap(), (0, 0));
        // What a device has goes with it still.
        store.delete_device("DU1", "DP1", None).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sms_codes")
            .fetch_one(&store.reader)
            .await
            .unwrap();
        assert_eq!(left, 0);
        store.close().await;
    }
}

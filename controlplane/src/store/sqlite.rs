//! A database in a file: opened, looked over, copied while it is used.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteExecutor};
use tokio_util::sync::CancellationToken;

use super::engine::Db;
use super::{StoreError, keys, migrations, query};
use crate::seal::Key;

/// Opens the file, or makes it for its owner alone. A file of at most so many octets is read whole
/// before; says whether it was.
pub(super) async fn open(path: &Path, bound: u64) -> Result<(Db, bool), StoreError> {
    let made = make(path)?;
    let octets = std::fs::metadata(path).map_or(0, |found| found.len());
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
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
        .await
        .map_err(|error| damage(path, error, "open the database"))?;
    let looked_over = made || octets <= bound;
    if !made && looked_over {
        look_over(path, &writer).await?;
    }
    migrations::migrator(|step| step.sqlite)
        .run(&writer)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) => damage(path, error, "look at the database's schema"),
            error => migrations::failed(error),
        })?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.read_only(true))
        .await
        .map_err(query("open the database for reading"))?;
    Ok((Db::Sqlite { writer, readers }, looked_over))
}

/// True when there was none.
fn make(path: &Path) -> Result<bool, StoreError> {
    match private(path) {
        Ok(made) => {
            drop(made);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(StoreError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Fails when the file is not whole. Reads all of it, but does not hold indices against tables:
/// that takes many times as long.
async fn look_over(path: &Path, by: impl SqliteExecutor<'_>) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(by)
        .await
        .map_err(|error| damage(path, error, "look the database over"))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: found,
        })
    }
}

/// The same by a connection of its own, beside those that serve. None when it was stopped before.
pub(super) async fn look_over_beside(
    path: &Path,
    stop: CancellationToken,
) -> Option<Result<(), StoreError>> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let what = "open the database to look it over";
    let mut reader = match options.connect().await {
        Ok(reader) => reader,
        Err(error) => return Some(Err(damage(path, error, what))),
    };
    let stopped = stop.clone();
    match reader.lock_handle().await {
        Ok(mut handle) => handle.set_progress_handler(STEPS, move || !stopped.is_cancelled()),
        Err(error) => return Some(Err(damage(path, error, what))),
    }
    let found = look_over(path, &mut reader).await;
    drop(reader.close().await);
    match stop.is_cancelled() {
        true => None,
        false => Some(found),
    }
}

/// An error that says that the file is bad, as that.
fn damage(path: &Path, error: sqlx::Error, what: &'static str) -> StoreError {
    match &error {
        sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| is_damage(&code)) => {
            StoreError::Damaged {
                path: path.to_owned(),
                detail: refusal.message().to_owned(),
            }
        }
        _ => query(what)(error),
    }
}

/// `SQLITE_CORRUPT` with its kin, and `SQLITE_NOTADB` (sqlite.org/rescode.html).
fn is_damage(code: &str) -> bool {
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Copies everything that is in a file into a new one, for its owner alone, while others use it.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let fail = |source| StoreError::File {
        path: to.to_owned(),
        source,
    };
    let name = to.to_str().ok_or_else(|| {
        fail(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name is not UTF-8",
        ))
    })?;
    // SQLite takes an empty file for a new one, and would make one that others can read.
    let file = private(to).map_err(fail)?;
    let written = async {
        let mut source = SqliteConnectOptions::new()
            .filename(from)
            .busy_timeout(BUSY)
            .connect()
            .await?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(&mut source)
            .await?;
        source.close().await
    };
    // It leaves that to its caller.
    let kept = match written.await {
        Ok(()) => tokio::task::spawn_blocking(move || file.sync_all())
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(fail),
        Err(error) => Err(damage(from, error, "copy the database")),
    };
    if kept.is_err() {
        // Half a backup is none.
        drop(tokio::fs::remove_file(to).await);
    }
    kept
}

/// The schema of a copy that nobody uses, which must be one that is known here and this key's.
pub(crate) async fn look_at_copy(path: &Path, key: &Key) -> Result<i64, StoreError> {
    let what = "read the copied database";
    let wrong = |error| damage(path, error, what);
    let mut copy = SqliteConnectOptions::new()
        .filename(path)
        .immutable(true)
        .read_only(true)
        .connect()
        .await
        .map_err(wrong)?;
    let version: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut copy)
        .await
        .map_err(wrong)?;
    if version > migrations::newest() {
        return Err(StoreError::Newer { version });
    }
    let kept = if version < keys::SINCE {
        Vec::new()
    } else {
        sqlx::query_as("SELECT number, wrapped FROM data_keys")
            .fetch_all(&mut copy)
            .await
            .map_err(wrong)?
    };
    let check: Option<Vec<u8>> = sqlx::query_scalar(keys::SELECT_KEY_CHECK)
        .fetch_optional(&mut copy)
        .await
        .map_err(wrong)?;
    copy.close().await.map_err(query(what))?;
    keys::check(key, &kept, check.as_deref())?;
    Ok(version)
}

/// After so many steps of SQLite's machine it is asked whether to go on: some thousand times a second.
const STEPS: i32 = 10_000;
const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(5);

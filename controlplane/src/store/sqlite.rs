//! A database in a file: opened, looked over, copied while it is used.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::engine::Db;
use super::{StoreError, migrations, query};

/// Opens the file, or makes it for its owner alone.
pub(super) async fn open(path: &Path) -> Result<Db, StoreError> {
    let made = make(path)?;
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
        .map_err(|error| damage(path, error, "open the database"))?;
    if !made {
        look_over(path, &writer).await?;
    }
    migrations::migrator(|step| step.sqlite)
        .run(&writer)
        .await
        .map_err(migrations::failed)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.read_only(true))
        .await
        .map_err(query("open the database for reading"))?;
    Ok(Db::Sqlite { writer, readers })
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
async fn look_over(path: &Path, writer: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(writer)
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

/// Copies everything into a new file.
pub(super) async fn backup(readers: &SqlitePool, to: &Path) -> Result<(), StoreError> {
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
    let written = sqlx::query("VACUUM INTO $1")
        .bind(name)
        .execute(readers)
        .await;
    // It leaves that to its caller.
    let kept = match written {
        Ok(_) => tokio::task::spawn_blocking(move || file.sync_all())
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(fail),
        Err(error) => Err(query("copy the database")(error)),
    };
    if kept.is_err() {
        // Half a backup is none.
        drop(tokio::fs::remove_file(to).await);
    }
    kept
}

const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(5);

//! Whether a file of one of several control planes on a database is the truth: then none of them takes
//! changes of the configuration that the file would undo. With SQLite there is only one.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, query};
use tokio::time::timeout;

use super::engine::{Db, Fault, reading};
use super::{Store, StoreError};

/// Says to the others that a file is the truth.
///
/// The word belongs to a connection: it ends with this value, with the process, and when the server loses
/// the connection.
pub(crate) struct FileTruth {
    store: Store,
    held: Option<PgConnection>,
}

impl Store {
    /// Who may say that a file is the truth.
    pub(crate) fn file_truth(&self) -> FileTruth {
        FileTruth {
            store: self.clone(),
            held: None,
        }
    }

    /// Whether a file is the truth at another control plane. Not asked where it is one here.
    pub(crate) async fn is_file_elsewhere(&self) -> Result<bool, StoreError> {
        let said = self.db.said_file();
        reading!(self.db, "look whether a file is the truth", pool => async {
            sqlx::query_scalar(said).fetch_one(pool).await.map_err(Fault::Sql)
        })
    }
}

impl FileTruth {
    /// Says it, or goes on saying it.
    pub(crate) async fn hold(&mut self) -> Result<(), StoreError> {
        let Db::Postgres(pool) = &self.store.db else {
            return Ok(());
        };
        if let Some(mut connection) = self.held.take()
            && matches!(timeout(LIMIT, connection.ping()).await, Ok(Ok(())))
        {
            self.held = Some(connection);
            return Ok(());
        }
        let what = "say that a file is the truth";
        let said = timeout(LIMIT, say(pool))
            .await
            .map_err(|_| StoreError::Silent { what })?;
        self.held = Some(said.map_err(super::query(what))?);
        Ok(())
    }
}

async fn say(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    // Whatever happens, no lock goes back to the pool with it.
    let mut connection = pool.acquire().await?.detach();
    query("SELECT pg_advisory_lock_shared(1668248942, 5)")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// How long the server may take.
const LIMIT: Duration = Duration::from_secs(20);

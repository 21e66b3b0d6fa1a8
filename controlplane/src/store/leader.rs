//! Which of several control planes does what one must do alone: the one that holds a lock in the
//! database. With SQLite there is only one.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, query_scalar};
use tokio::time::timeout;

use super::engine::Db;
use super::{Store, StoreError, query};

/// Who tries to be the leader, or is.
///
/// The lock belongs to a connection: it ends with this value, with the process, and when the server
/// loses the connection.
pub(crate) struct Leader {
    store: Store,
    held: Option<PgConnection>,
}

impl Store {
    /// One who may become the leader.
    pub(crate) fn candidate(&self) -> Leader {
        Leader {
            store: self.clone(),
            held: None,
        }
    }
}

impl Leader {
    /// Whether this is the leader; it becomes the leader when nobody is.
    pub(crate) async fn leads(&mut self) -> Result<bool, StoreError> {
        let Db::Postgres(pool) = &self.store.db else {
            return Ok(true);
        };
        if let Some(mut connection) = self.held.take()
            && matches!(timeout(LIMIT, connection.ping()).await, Ok(Ok(())))
        {
            self.held = Some(connection);
            return Ok(true);
        }
        let what = "become the leader";
        self.held = timeout(LIMIT, take(pool))
            .await
            .map_err(|_| StoreError::Silent { what })?
            .map_err(query(what))?;
        Ok(self.held.is_some())
    }
}

/// A connection that holds the lock; none when another one does.
async fn take(pool: &PgPool) -> Result<Option<PgConnection>, sqlx::Error> {
    // Whatever happens, no lock goes back to the pool with it.
    let mut connection = pool.acquire().await?.detach();
    let taken = query_scalar("SELECT pg_try_advisory_lock(1668248942, 3)")
        .fetch_one(&mut connection)
        .await?;
    if taken {
        return Ok(Some(connection));
    }
    connection.close().await?;
    Ok(None)
}

/// How long the server may take.
const LIMIT: Duration = Duration::from_secs(20);

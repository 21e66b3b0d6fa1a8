//! A database on a server, which several control planes may share.
//!
//! Sessions are kept: a pooler between must hand out whole sessions, for LISTEN and the leader's
//! lock.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgSslMode};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::engine::Db;
use super::{PostgresUrl, Store, StoreError, migrations, query};

/// Connects, within [`PATIENCE`].
pub(super) async fn connect(url: &PostgresUrl) -> Result<Db, StoreError> {
    let options = url.options()?;
    if !is_trusted(&options) {
        tracing::warn!(
            "the database server's certificate is not verified; write sslmode=verify-full into its URL"
        );
    }
    let fail = "connect to the database";
    // A new schema takes what it takes: this connection has no bounds.
    let first = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(QUIET).await.map(drop) })
        })
        .connect_with(options.clone())
        .await
        .map_err(query(fail))?;
    migrations::migrator(|step| step.postgres)
        .run(&first)
        .await
        .map_err(migrations::failed)?;
    first.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(BOUNDS).await.map(drop) })
        })
        // Work that was broken off while a transaction began leaves it open, and what the next one
        // writes would never be stored.
        .after_release(|connection, _| {
            Box::pin(async move { connection.execute("ROLLBACK").await.map(|_| true) })
        })
        .connect_with(options)
        .await
        .map_err(query(fail))?;
    Ok(Db::Postgres(pool))
}

/// Says goodbye to a server that listens; one that does not is left.
pub(super) async fn close(pool: &PgPool) {
    if timeout(PATIENCE, pool.close()).await.is_err() {
        tracing::warn!("the database does not answer; left without a goodbye");
    }
}

/// Whether nobody can stand between: on this machine, or with a certificate that is looked at.
fn is_trusted(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    here || matches!(
        options.get_ssl_mode(),
        PgSslMode::VerifyCa | PgSslMode::VerifyFull
    )
}

impl Store {
    /// Notifies when another control plane may have stored a revision, until told to stop. Nobody
    /// else stores any with SQLite.
    pub(crate) async fn follow(self, news: &Notify, stop: CancellationToken) {
        let Db::Postgres(pool) = &self.db else {
            return stop.cancelled().await;
        };
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut listening = pin!(listen(pool, news));
            let error = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    error = &mut listening => break error,
                    // A connection may be dead without a sign.
                    _ = ticks.tick() => news.notify_one(),
                }
            };
            tracing::warn!(
                error = &error as &dyn Error,
                "not told of others' revisions; they are looked for every {} s",
                LOOK.as_secs()
            );
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(AGAIN) => {}
            }
        }
    }
}

impl Store {
    /// Has the other control planes look for what is new. They do so by themselves too, later: a
    /// failure is none of whoever stored it.
    pub(super) async fn tell_others(&self) {
        let Db::Postgres(pool) = &self.db else {
            return;
        };
        let told = sqlx::query("SELECT pg_notify($1, '')")
            .bind(CHANNEL)
            .execute(pool);
        if !matches!(timeout(PATIENCE, told).await, Ok(Ok(_))) {
            tracing::warn!("other control planes were not told; they look every few seconds");
        }
    }
}

/// Notifies at each word of the server, and once in the beginning for what came before.
async fn listen(pool: &PgPool, news: &Notify) -> sqlx::Error {
    let mut listener = match PgListener::connect_with(pool).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(CHANNEL).await {
        return error;
    }
    loop {
        news.notify_one();
        // None: the connection was lost, and with it perhaps a word.
        if let Err(error) = listener.try_recv().await {
            return error;
        }
    }
}

/// Named in the migration, too.
const CHANNEL: &str = "countersign_revision";
/// The most connections at once; one listens, and one may be the leader's.
const CONNECTIONS: u32 = 10;
/// How long a connection may take, a server that is just starting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take for a statement, and wait in a transaction for the next one; and that
/// it need not say that there is no transaction to end.
const BOUNDS: &str = "SET statement_timeout = '30s'; \
                      SET idle_in_transaction_session_timeout = '60s'; \
                      SET client_min_messages = 'error'";
/// It would say of each table that is there that it is there.
const QUIET: &str = "SET client_min_messages = 'warning'";
/// How often others' revisions are looked for without a word.
const LOOK: Duration = Duration::from_secs(10);
/// How long after a failure the next try is.
const AGAIN: Duration = Duration::from_secs(1);

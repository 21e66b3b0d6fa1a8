//! Which engine, and how a statement that both understand is run on either.
//!
//! A statement is written once, with `$1` for its values, and compiled for both: `reading!` and
//! `writing!` take a body and put the engine's pool in its place. Nothing here knows a table.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tokio::time::timeout;

use super::StoreError;

/// The connections to a database.
#[derive(Clone, Debug)]
pub(super) enum Db {
    /// One connection writes, a few read.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// Whom a transaction keeps out until its end. SQLite's one writer is alone in any case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alone {
    /// Nobody.
    No,
    /// Whoever makes a revision: numbers have no gaps.
    Revisions,
    /// Whoever stores events: a reader never sees a number before a smaller one.
    Events,
    /// Whoever gives certificates to nodes or takes them back.
    Certificates,
    /// The same, by whoever notes a word of a node: those let each other in.
    WithCertificates,
}

impl Db {
    /// The statement that a transaction which writes begins with.
    pub(super) const fn begin(&self, alone: Alone) -> &'static str {
        match (self, alone) {
            // One that reads first and writes later could otherwise not go on.
            (Self::Sqlite { .. }, _) => "BEGIN IMMEDIATE",
            (Self::Postgres(_), Alone::No) => "BEGIN",
            (Self::Postgres(_), Alone::Revisions) => {
                "BEGIN; SELECT pg_advisory_xact_lock(1668248942, 1)"
            }
            (Self::Postgres(_), Alone::Events) => {
                "BEGIN; SELECT pg_advisory_xact_lock(1668248942, 2)"
            }
            (Self::Postgres(_), Alone::Certificates) => {
                "BEGIN; SELECT pg_advisory_xact_lock(1668248942, 4)"
            }
            (Self::Postgres(_), Alone::WithCertificates) => {
                "BEGIN; SELECT pg_advisory_xact_lock_shared(1668248942, 4)"
            }
        }
    }
}

impl Db {
    /// The statement that asks whether a control plane said that a file is the truth.
    pub(super) const fn said_file(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SELECT FALSE",
            Self::Postgres(_) => {
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
                 AND classid = 1668248942 AND objid = 5 AND objsubid = 2 AND database = \
                 (SELECT oid FROM pg_database WHERE datname = current_database()))"
            }
        }
    }
}

/// Runs a body on the connections that read: `reading!(db, "read it", pool => async { … })`.
macro_rules! reading {
    ($db:expr, $what:expr, $pool:ident => $body:expr) => {
        match &$db {
            $crate::store::engine::Db::Sqlite { readers: $pool, .. } => {
                $crate::store::engine::near($what, Box::pin($body)).await
            }
            $crate::store::engine::Db::Postgres($pool) => {
                $crate::store::engine::far($what, Box::pin($body)).await
            }
        }
    };
}

/// Runs a body on the connections that write.
macro_rules! writing {
    ($db:expr, $what:expr, $pool:ident => $body:expr) => {
        match &$db {
            $crate::store::engine::Db::Sqlite { writer: $pool, .. } => {
                $crate::store::engine::near($what, Box::pin($body)).await
            }
            $crate::store::engine::Db::Postgres($pool) => {
                $crate::store::engine::far($what, Box::pin($body)).await
            }
        }
    };
}

pub(super) use {reading, writing};

/// Why a body failed, before it is said what it was for.
pub(super) enum Fault {
    Sql(sqlx::Error),
    Other(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    fn of(self, what: &'static str) -> StoreError {
        match self {
            Self::Sql(source) => StoreError::Query { what, source },
            Self::Other(error) => error,
        }
    }
}

/// A body. Boxed: else the compiler cannot tell that what waits for it may move between threads.
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Runs what a file answers.
pub(super) async fn near<T>(what: &'static str, work: Work<'_, T>) -> Result<T, StoreError> {
    work.await.map_err(|fault| fault.of(what))
}

/// Runs what a server answers, which may be silent.
pub(super) async fn far<T>(what: &'static str, work: Work<'_, T>) -> Result<T, StoreError> {
    match timeout(LIMIT, work).await {
        Ok(done) => done.map_err(|fault| fault.of(what)),
        Err(_) => Err(StoreError::Silent { what }),
    }
}

/// SQL's integers are signed; what is too large for one is as large as can be.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A text as it is stored: PostgreSQL takes no zero octet, and what a stranger typed may hold one.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// How long a server may take; longer than what it is told to stop at itself.
const LIMIT: Duration = Duration::from_secs(40);

//! Rows of `audit`, which are only ever added.

use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::audit::{BEGINNING, Deed, Entry, Link};

/// Number, time, actor, source, action, target, detail, link.
type Row = (i64, i64, String, String, String, String, String, Vec<u8>);

/// Adds an entry within a transaction that is alone. Inside the body of `writing!`: a function would
/// have to be written for each engine.
macro_rules! append {
    ($tx:expr, $chain:expr, $deed:expr) => {{
        let last: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1")
                .fetch_optional(&mut *$tx)
                .await?;
        let (seq, link) = $crate::store::audit::after(last);
        let entry = $chain.next($deed, seq, &link);
        sqlx::query(
            "INSERT INTO audit (seq, at_ms, actor, source, action, target, detail, link) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind($crate::store::engine::signed(entry.seq))
        .bind($crate::store::engine::signed(entry.at_ms))
        .bind(entry.actor.as_str())
        .bind(entry.source.as_str())
        .bind(entry.action.as_str())
        .bind(entry.target.as_str())
        .bind(entry.detail.as_str())
        .bind(entry.link.as_slice())
        .execute(&mut *$tx)
        .await?;
    }};
}

pub(super) use append;

/// The number of the next entry, and what it is bound to.
pub(super) fn after(last: Option<(i64, Vec<u8>)>) -> (u64, Link) {
    match last {
        Some((seq, link)) => (unsigned(seq).saturating_add(1), link_of(&link)),
        None => (1, BEGINNING),
    }
}

/// What is stored in its place and is none binds nothing.
fn link_of(octets: &[u8]) -> Link {
    Link::try_from(octets).unwrap_or(BEGINNING)
}

/// Which entries: those that match all that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) actor: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) target: Option<String>,
    /// At this moment or later.
    pub(crate) from_ms: Option<u64>,
    /// Before this moment.
    pub(crate) to_ms: Option<u64>,
}

macro_rules! narrowed {
    () => {
        "SELECT seq, at_ms, actor, source, action, target, detail, link FROM audit \
         WHERE ($1 IS NULL OR actor = $1) AND ($2 IS NULL OR source = $2) \
         AND ($3 IS NULL OR action = $3) AND ($4 IS NULL OR target = $4) \
         AND at_ms >= $5 AND at_ms < $6"
    };
}

impl Store {
    /// Adds what somebody did.
    pub(crate) async fn insert_audit(&self, deed: &Deed) -> Result<(), StoreError> {
        let begin = self.db.begin(Alone::Revisions);
        let deed = deed.storable();
        writing!(self.db, "write the audit", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            append!(tx, self.chain, &deed);
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// So many entries from above `after` on, the oldest first.
    pub(crate) async fn list_audit_after(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "read the audit", pool => async {
            sqlx::query_as(
                "SELECT seq, at_ms, actor, source, action, target, detail, link FROM audit \
                 WHERE seq > $1 ORDER BY seq LIMIT $2",
            )
            .bind(signed(after))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        Ok(rows.into_iter().map(entry).collect())
    }

    /// So many of these entries from below `before` on (none: from the newest), the newest first.
    pub(crate) async fn list_audit_before(
        &self,
        before: Option<u64>,
        which: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "read the audit", pool => async {
            sqlx::query_as(concat!(narrowed!(), " AND seq < $7 ORDER BY seq DESC LIMIT $8"))
                .bind(which.actor.as_deref())
                .bind(which.source.as_deref())
                .bind(which.action.as_deref())
                .bind(which.target.as_deref())
                .bind(signed(which.from_ms.unwrap_or(0)))
                .bind(signed(which.to_ms.unwrap_or(u64::MAX)))
                .bind(signed(before.unwrap_or(u64::MAX)))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(rows.into_iter().map(entry).collect())
    }

    /// So many of these entries from above `after` on (none: from the first), the oldest first.
    pub(crate) async fn list_audit_from(
        &self,
        after: Option<u64>,
        which: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<Row> = reading!(self.db, "read the audit", pool => async {
            sqlx::query_as(concat!(narrowed!(), " AND seq > $7 ORDER BY seq LIMIT $8"))
                .bind(which.actor.as_deref())
                .bind(which.source.as_deref())
                .bind(which.action.as_deref())
                .bind(which.target.as_deref())
                .bind(signed(which.from_ms.unwrap_or(0)))
                .bind(signed(which.to_ms.unwrap_or(u64::MAX)))
                .bind(signed(after.unwrap_or(0)))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(rows.into_iter().map(entry).collect())
    }
}

fn entry((seq, at_ms, actor, source, action, target, detail, link): Row) -> Entry {
    Entry {
        seq: unsigned(seq),
        at_ms: unsigned(at_ms),
        actor,
        source,
        action,
        target,
        detail,
        link: link_of(&link),
    }
}

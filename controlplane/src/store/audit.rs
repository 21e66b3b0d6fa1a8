//! Rows of `audit`, which are only ever added.

use super::engine::{Alone, Fault, reading, signed, unsigned, writing};
use super::{Store, StoreError};
use crate::audit::{BEGINNING, Deed, Entry, Head, Link};
use crate::seal::{Key, Place, SealError};

/// Number, time, actor, source, action, target, detail, link.
type Row = (i64, i64, String, String, String, String, String, Vec<u8>);

/// Adds an entry within a transaction that is alone, and notes that it is the newest. Inside the body of
/// `writing!`: a function would have to be written for each engine.
macro_rules! append {
    ($tx:expr, $store:expr, $deed:expr) => {{
        let last: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1")
                .fetch_optional(&mut *$tx)
                .await?;
        let noted: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind($crate::store::audit::HEAD.row)
            .fetch_optional(&mut *$tx)
            .await?;
        let (after, whole) = $store.newest_entry(last, noted);
        let entry = $store
            .chain
            .next($deed, after.seq.saturating_add(1), &after.link);
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
        // A note that is not right is left as it is: whoever looks finds it.
        if whole {
            let head = $crate::audit::Head {
                seq: entry.seq,
                link: entry.link,
            };
            let sealed = $store
                .keys()
                .oldest()
                .seal(&$crate::store::audit::HEAD, &head.encode())
                .map_err($crate::store::StoreError::from)?;
            sqlx::query("UPDATE meta SET value = $2 WHERE name = $1")
                .bind($crate::store::audit::HEAD.row)
                .bind(sealed)
                .execute(&mut *$tx)
                .await?;
        }
    }};
}

pub(super) use append;

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

/// Where the newest entry is noted: made with the database, so that it is never made again. Sealed under
/// the data key that the chain is under.
pub(super) const HEAD: Place<'_> = Place {
    table: "meta",
    column: "value",
    row: "audit_head",
};

/// The note of a database that has none yet.
pub(super) fn first_head(last: Option<(i64, Vec<u8>)>, key: &Key) -> Result<Vec<u8>, SealError> {
    key.seal(&HEAD, &head_of(last).encode())
}

fn head_of(last: Option<(i64, Vec<u8>)>) -> Head {
    last.map_or(Head::NEW, |(seq, link)| Head {
        seq: unsigned(seq),
        link: link_of(&link),
    })
}

impl Store {
    /// After which entry the next one comes, and whether that is as it was noted. Of entries that were
    /// cut off the numbers are not given again.
    pub(super) fn newest_entry(
        &self,
        last: Option<(i64, Vec<u8>)>,
        noted: Option<Vec<u8>>,
    ) -> (Head, bool) {
        let last = head_of(last);
        match noted.and_then(|sealed| self.head(&sealed)) {
            Some(noted) if noted.seq >= last.seq => (noted, true),
            _ => (last, false),
        }
    }

    fn head(&self, sealed: &[u8]) -> Option<Head> {
        Head::decode(&self.keys().oldest().open(&HEAD, sealed).ok()?)
    }

    /// What is noted of the newest entry; none when that is missing, or was not made here.
    pub(crate) async fn fetch_audit_head(&self) -> Result<Option<Head>, StoreError> {
        let sealed: Option<Vec<u8>> = reading!(self.db, "read the audit", pool => async {
            sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(HEAD.row)
                .fetch_optional(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(sealed.and_then(|sealed| self.head(&sealed)))
    }

    /// Adds what somebody did.
    pub(crate) async fn insert_audit(&self, deed: &Deed) -> Result<(), StoreError> {
        let begin = self.db.begin(Alone::Revisions);
        let deed = deed.storable();
        writing!(self.db, "write the audit", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            append!(tx, self, &deed);
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

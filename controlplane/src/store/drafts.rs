//! Rows of `drafts` and `draft_writes`. What changes them is alone, whichever control plane it is of, and
//! is in the audit with the change itself.

use zeroize::Zeroizing;

use super::audit::append;
use super::engine::{Alone, Fault, reading, signed, storable, unsigned, writing};
use super::{Store, StoreError};
use crate::audit::Deed;
use crate::seal::Place;

/// What is known of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftRow {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) message: String,
    pub(crate) created_at_ms: u64,
    /// How many writes it has.
    pub(crate) writes: u64,
}

/// A draft as somebody looked at it. Writes are only added to one, so that their number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DraftVersion {
    pub(crate) id: u64,
    pub(crate) writes: u64,
}

/// A write of a draft, and who wrote it.
#[derive(Clone)]
pub(crate) struct DraftWrite {
    /// Who, as the audit has it: `token ci`.
    pub(crate) author: String,
    /// From which address; empty for this machine.
    pub(crate) origin: String,
    /// Milliseconds since 1970, UTC.
    pub(crate) at_ms: u64,
    /// What is written. It may hold secrets.
    pub(crate) json: Zeroizing<Vec<u8>>,
}

/// A draft that a revision is made of.
#[derive(Clone, Debug)]
pub(crate) struct AppliedDraft {
    pub(crate) version: DraftVersion,
    /// Who wrote it, for the audit.
    pub(crate) writers: serde_json::Value,
}

/// Fails unless a draft is as it was looked at. Inside the body of `writing!`, as `append!`.
macro_rules! unchanged {
    ($on:expr, $version:expr) => {{
        let version: $crate::store::drafts::DraftVersion = $version;
        let writes: Option<i64> = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM draft_writes WHERE draft = $1) FROM drafts WHERE id = $1",
        )
        .bind($crate::store::engine::signed(version.id))
        .fetch_optional($on)
        .await?;
        let id = version.id;
        match writes.map($crate::store::engine::unsigned) {
            None => return Err($crate::store::StoreError::DraftGone { id }.into()),
            Some(writes) if writes != version.writes => {
                return Err($crate::store::StoreError::DraftChanged { id }.into());
            }
            Some(_) => {}
        }
    }};
}

pub(super) use unchanged;

impl Store {
    /// Keeps a new draft, under a number that none ever had.
    ///
    /// # Errors
    /// [`StoreError::DraftsFull`].
    pub(crate) async fn insert_draft(&self, message: &str, deed: Deed) -> Result<u64, StoreError> {
        let begin = self.db.begin(Alone::Revisions);
        let mut deed = deed.storable();
        writing!(self.db, "store the draft", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let id: Option<i64> = sqlx::query_scalar(
                "INSERT INTO drafts (author, message, created_at_ms) \
                 SELECT $1, $2, $3 WHERE (SELECT count(*) FROM drafts) < $4 RETURNING id",
            )
            .bind(deed.actor.as_str())
            .bind(storable(message).into_owned())
            .bind(signed(deed.at_ms))
            .bind(DRAFTS)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(id) = id.map(unsigned) else {
                let what = format!("{DRAFTS} drafts");
                return Err(StoreError::DraftsFull { what }.into());
            };
            deed.target = target(id);
            append!(tx, self, &deed);
            tx.commit().await?;
            Ok(id)
        })
    }

    /// Whether a draft more can be stored.
    ///
    /// # Errors
    /// [`StoreError::DraftsFull`].
    pub(crate) async fn check_room_for_draft(&self) -> Result<(), StoreError> {
        let kept: i64 = reading!(self.db, "count the drafts", pool => async {
            sqlx::query_scalar("SELECT count(*) FROM drafts")
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        match kept < DRAFTS {
            true => Ok(()),
            false => {
                let what = format!("{DRAFTS} drafts");
                Err(StoreError::DraftsFull { what })
            }
        }
    }

    /// Adds a write to a draft that is as it was looked at.
    ///
    /// # Errors
    /// [`StoreError::DraftGone`], [`StoreError::DraftChanged`], [`StoreError::DraftsFull`].
    pub(crate) async fn insert_draft_write(
        &self,
        to: DraftVersion,
        write: &DraftWrite,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let number = to.writes.saturating_add(1);
        if number > WRITES {
            let what = format!("{WRITES} writes in one draft");
            return Err(StoreError::DraftsFull { what });
        }
        let sealed = self.seal(&place(&row(to.id, number)), write.json.as_slice())?;
        let octets = i64::try_from(sealed.len()).unwrap_or(i64::MAX);
        let begin = self.db.begin(Alone::Revisions);
        let deed = deed.storable();
        writing!(self.db, "store the draft", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            unchanged!(&mut *tx, to);
            let kept: Option<i64> = sqlx::query_scalar("SELECT sum(length(sealed)) FROM draft_writes")
                .fetch_one(&mut *tx)
                .await?;
            if kept.unwrap_or(0).saturating_add(octets) > OCTETS {
                let what = format!("{OCTETS} octets in all drafts");
                return Err(StoreError::DraftsFull { what }.into());
            }
            sqlx::query(
                "INSERT INTO draft_writes (draft, number, author, origin, at_ms, sealed) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(signed(to.id))
            .bind(signed(number))
            .bind(storable(&write.author).into_owned())
            .bind(storable(&write.origin).into_owned())
            .bind(signed(write.at_ms))
            .bind(sealed.as_slice())
            .execute(&mut *tx)
            .await?;
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// Forgets a draft and what is in it; with `writes`, only one that has as many.
    ///
    /// # Errors
    /// [`StoreError::DraftGone`], [`StoreError::DraftChanged`].
    pub(crate) async fn delete_draft(
        &self,
        id: u64,
        writes: Option<u64>,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let begin = self.db.begin(Alone::Revisions);
        let deed = deed.storable();
        writing!(self.db, "delete the draft", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            if let Some(writes) = writes {
                unchanged!(&mut *tx, DraftVersion { id, writes });
            }
            let gone = sqlx::query("DELETE FROM drafts WHERE id = $1")
                .bind(signed(id))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if gone == 0 {
                return Err(StoreError::DraftGone { id }.into());
            }
            append!(tx, self, &deed);
            tx.commit().await.map_err(Fault::Sql)
        })
    }

    /// Looks whether a draft is as it was looked at.
    ///
    /// # Errors
    /// [`StoreError::DraftGone`], [`StoreError::DraftChanged`].
    pub(crate) async fn check_draft(&self, version: DraftVersion) -> Result<(), StoreError> {
        reading!(self.db, "read the draft", pool => async {
            unchanged!(pool, version);
            Ok(())
        })
    }

    /// What is known of all drafts, the oldest first.
    pub(crate) async fn list_drafts(&self) -> Result<Vec<DraftRow>, StoreError> {
        type Row = (i64, String, String, i64, i64);
        let rows: Vec<Row> = reading!(self.db, "list the drafts", pool => async {
            sqlx::query_as(
                "SELECT id, author, message, created_at_ms, \
                 (SELECT count(*) FROM draft_writes WHERE draft = drafts.id) \
                 FROM drafts ORDER BY id",
            )
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let known = |(id, author, message, created_at_ms, writes)| DraftRow {
            id: unsigned(id),
            author,
            message,
            created_at_ms: unsigned(created_at_ms),
            writes: unsigned(writes),
        };
        Ok(rows.into_iter().map(known).collect())
    }

    /// A draft with its writes, in their order; none when there is none.
    pub(crate) async fn fetch_draft(
        &self,
        id: u64,
    ) -> Result<Option<(DraftRow, Vec<DraftWrite>)>, StoreError> {
        type Row = (
            String,
            String,
            i64,
            Option<i64>,
            Option<String>,
            Option<String>,
            Option<i64>,
            Option<Vec<u8>>,
        );
        // One statement: both are of one moment.
        let rows: Vec<Row> = reading!(self.db, "read the draft", pool => async {
            sqlx::query_as(
                "SELECT d.author, d.message, d.created_at_ms, \
                 w.number, w.author, w.origin, w.at_ms, w.sealed \
                 FROM drafts d LEFT JOIN draft_writes w ON w.draft = d.id \
                 WHERE d.id = $1 ORDER BY w.number",
            )
            .bind(signed(id))
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let Some((author, message, created_at_ms, ..)) = rows.first().cloned() else {
            return Ok(None);
        };
        let mut writes = Vec::new();
        for (.., number, author, origin, at_ms, sealed) in rows {
            let (Some(number), Some(sealed)) = (number, sealed) else {
                continue;
            };
            let row = row(id, unsigned(number));
            writes.push(DraftWrite {
                author: author.unwrap_or_default(),
                origin: origin.unwrap_or_default(),
                at_ms: unsigned(at_ms.unwrap_or(0)),
                json: self.unseal(&place(&row), &sealed)?,
            });
        }
        let known = DraftRow {
            id,
            author,
            message,
            created_at_ms: unsigned(created_at_ms),
            writes: u64::try_from(writes.len()).unwrap_or(u64::MAX),
        };
        Ok(Some((known, writes)))
    }
}

/// What the audit calls a draft.
pub(crate) fn target(id: u64) -> String {
    format!("draft {id}")
}

fn row(draft: u64, number: u64) -> String {
    format!("{draft}/{number}")
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "draft_writes",
        column: "sealed",
        row,
    }
}

/// The most drafts.
pub(super) const DRAFTS: i64 = 64;
/// The most writes of one draft.
pub(super) const WRITES: u64 = 1_000;
/// What all of them keep, sealed.
pub(super) const OCTETS: i64 = 32 * 1024 * 1024;

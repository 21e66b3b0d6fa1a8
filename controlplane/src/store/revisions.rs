//! Rows of `revisions`.

use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::secret::Secret;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zeroize::Zeroizing;

use super::{Store, StoreError, query, signed, unreadable, unsigned};
use crate::admin::RevisionInfo;
use crate::seal::Place;

/// A revision to be stored; its number is given by the store.
pub(crate) struct NewRevision<'a> {
    pub(crate) created_at_ms: u64,
    pub(crate) author: &'a str,
    pub(crate) message: &'a str,
    /// The text it was made from; none when it was not made from a file.
    pub(crate) source: Option<&'a Secret<String>>,
    pub(crate) snapshot: raw::Snapshot,
}

/// A revision as it was stored.
#[derive(Debug)]
pub(crate) struct StoredRevision {
    pub(crate) info: RevisionInfo,
    pub(crate) snapshot: raw::Snapshot,
}

impl Store {
    /// Stores a revision under the next number, and forgets those too old to be kept.
    pub(crate) async fn insert_revision(
        &self,
        new: NewRevision<'_>,
    ) -> Result<StoredRevision, StoreError> {
        let fail = "store the revision";
        let mut tx = self.writer.begin().await.map_err(query(fail))?;
        let last: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM revisions")
            .fetch_one(&mut *tx)
            .await
            .map_err(query(fail))?;
        let number = unsigned(last.unwrap_or(0)).saturating_add(1);
        let mut snapshot = new.snapshot;
        snapshot.revision = number;
        let row = number.to_string();
        let json = serde_json::to_vec(&snapshot)
            .map(Zeroizing::new)
            .map_err(unreadable("revision"))?;
        let sealed = self.key.seal(&place("snapshot", &row), &json)?;
        let source = match new.source {
            Some(text) => Some(
                self.key
                    .seal(&place("source", &row), text.expose().as_bytes())?,
            ),
            None => None,
        };
        sqlx::query(
            "INSERT INTO revisions (number, created_at_ms, author, message, source, snapshot) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(signed(number))
        .bind(signed(new.created_at_ms))
        .bind(new.author)
        .bind(new.message)
        .bind(source)
        .bind(sealed)
        .execute(&mut *tx)
        .await
        .map_err(query(fail))?;
        sqlx::query("DELETE FROM revisions WHERE number <= ?")
            .bind(signed(number.saturating_sub(REVISIONS)))
            .execute(&mut *tx)
            .await
            .map_err(query(fail))?;
        tx.commit().await.map_err(query(fail))?;
        Ok(StoredRevision {
            info: RevisionInfo {
                number: Revision(number),
                created_at_ms: new.created_at_ms,
                author: new.author.to_owned(),
                message: new.message.to_owned(),
            },
            snapshot,
        })
    }

    /// The revision with the highest number.
    pub(crate) async fn fetch_latest_revision(&self) -> Result<Option<StoredRevision>, StoreError> {
        sqlx::query(
            "SELECT number, created_at_ms, author, message, snapshot FROM revisions \
             ORDER BY number DESC LIMIT 1",
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(query("read the latest revision"))?
        .map(|row| self.revision(&row))
        .transpose()
    }

    /// The newest revision that a node applied; of any node when none is given.
    pub(crate) async fn fetch_applied_revision(
        &self,
        node: Option<&NodeId>,
    ) -> Result<Option<StoredRevision>, StoreError> {
        sqlx::query(
            "SELECT number, created_at_ms, author, message, snapshot FROM revisions \
             WHERE number = (SELECT max(revision) FROM acknowledgements \
             WHERE (? IS NULL OR node = ?) AND verdict ->> '$.type' = 'applied')",
        )
        .bind(node.map(NodeId::as_str))
        .bind(node.map(NodeId::as_str))
        .fetch_optional(&self.readers)
        .await
        .map_err(query("read the last applied revision"))?
        .map(|row| self.revision(&row))
        .transpose()
    }

    fn revision(&self, row: &SqliteRow) -> Result<StoredRevision, StoreError> {
        let number = unsigned(row.get("number"));
        let sealed: Vec<u8> = row.get("snapshot");
        let json = self
            .key
            .open(&place("snapshot", &number.to_string()), &sealed)?;
        Ok(StoredRevision {
            info: RevisionInfo {
                number: Revision(number),
                created_at_ms: unsigned(row.get("created_at_ms")),
                author: row.get("author"),
                message: row.get("message"),
            },
            snapshot: serde_json::from_slice(&json).map_err(unreadable("revision"))?,
        })
    }
}

fn place<'a>(column: &'a str, row: &'a str) -> Place<'a> {
    Place {
        table: "revisions",
        column,
        row,
    }
}

/// The most revisions that are kept.
const REVISIONS: u64 = 1_000;

//! Rows of `revisions`.

use proto::config::raw;
use proto::id::{NodeId, Revision};
use proto::secret::Secret;
use serde_json::json;
use zeroize::Zeroizing;

use super::audit::append;
use super::drafts::unchanged;
use super::engine::{Alone, Fault, reading, signed, storable, unsigned, writing};
use super::nodes::APPLIED;
use super::{AppliedDraft, Store, StoreError, draft_target, unreadable};
use crate::admin::RevisionInfo;
use crate::api::masked::Since;
use crate::audit::Deed;
use crate::seal::Place;

/// A revision to be stored; its number is given by the store.
pub(crate) struct NewRevision<'a> {
    /// The number of the newest one, which it is made in knowledge of; zero when there was none.
    pub(crate) after: u64,
    pub(crate) created_at_ms: u64,
    pub(crate) author: &'a str,
    pub(crate) message: &'a str,
    /// The text it was made from; none when it was not made from a file.
    pub(crate) source: Option<&'a Secret<String>>,
    pub(crate) snapshot: raw::Snapshot,
    /// Since when its secrets are what they are.
    pub(crate) since: Since,
    /// From which address, and what it changes, for the audit.
    pub(crate) origin: &'a str,
    pub(crate) detail: String,
    /// The draft that it is made of, which goes with it: none of it is lost, and it is applied once.
    pub(crate) draft: Option<&'a AppliedDraft>,
}

/// A revision as it was stored.
#[derive(Debug)]
pub(crate) struct StoredRevision {
    pub(crate) info: RevisionInfo,
    pub(crate) snapshot: raw::Snapshot,
    /// Since when its secrets are what they are; empty for one of before that was kept.
    pub(crate) since: Since,
}

impl Store {
    /// Stores a revision under the next number, and forgets those too old to be kept. Fails with
    /// [`StoreError::Overtaken`] when there is one that its maker did not know, and with
    /// [`StoreError::DraftGone`] or [`StoreError::DraftChanged`] when its draft is another now, and with
    /// [`StoreError::FileElsewhere`] when it is of no file and a file is the truth.
    pub(crate) async fn insert_revision(
        &self,
        new: NewRevision<'_>,
    ) -> Result<StoredRevision, StoreError> {
        let number = new.after.saturating_add(1);
        let mut snapshot = new.snapshot;
        snapshot.revision = number;
        let row = number.to_string();
        let json = serde_json::to_vec(&snapshot)
            .map(Zeroizing::new)
            .map_err(unreadable("revision"))?;
        let sealed = self.seal(&place("snapshot", &row), &json)?;
        let since = serde_json::to_vec(&new.since).map_err(unreadable("revision"))?;
        let since = self.seal(&place("secrets_since", &row), &since)?;
        let source = match new.source {
            Some(text) => Some(self.seal(&place("source", &row), text.expose().as_bytes())?),
            None => None,
        };
        let deed = Deed {
            at_ms: new.created_at_ms,
            actor: new.author.to_owned(),
            source: new.origin.to_owned(),
            action: "configuration".to_owned(),
            target: format!("revision {number}"),
            detail: new.detail,
        };
        let deed = deed.storable();
        let applied = new.draft.map(|draft| {
            let id = draft.version.id;
            let deed = Deed {
                action: "draft.apply".to_owned(),
                target: draft_target(id),
                detail: json!({"revision": number, "writers": draft.writers}).to_string(),
                ..deed.clone()
            };
            (draft.version, deed)
        });
        let (begin, said_file) = (self.db.begin(Alone::Revisions), self.db.said_file());
        let of_file = source.is_some();
        writing!(self.db, "store the revision", pool => async {
            let mut tx = pool.begin_with(begin).await?;
            let last: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM revisions")
                .fetch_one(&mut *tx)
                .await?;
            let newest = unsigned(last.unwrap_or(0));
            if newest != new.after {
                tx.rollback().await?;
                return Err(StoreError::Overtaken { newest }.into());
            }
            if !of_file && sqlx::query_scalar(said_file).fetch_one(&mut *tx).await? {
                return Err(StoreError::FileElsewhere.into());
            }
            sqlx::query(
                "INSERT INTO revisions (number, created_at_ms, author, message, source, snapshot, \
                 secrets_since) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(signed(number))
            .bind(signed(new.created_at_ms))
            .bind(storable(new.author).into_owned())
            .bind(storable(new.message).into_owned())
            .bind(source.as_deref())
            .bind(sealed.as_slice())
            .bind(since.as_slice())
            .execute(&mut *tx)
            .await?;
            append!(tx, self, &deed);
            if let Some((version, deed)) = &applied {
                unchanged!(&mut *tx, *version);
                sqlx::query("DELETE FROM drafts WHERE id = $1")
                    .bind(signed(version.id))
                    .execute(&mut *tx)
                    .await?;
                append!(tx, self, deed);
            }
            sqlx::query("DELETE FROM revisions WHERE number <= $1")
                .bind(signed(number.saturating_sub(u64::from(REVISIONS))))
                .execute(&mut *tx)
                .await?;
            tx.commit().await.map_err(Fault::Sql)
        })?;
        Ok(StoredRevision {
            info: RevisionInfo {
                number: Revision(number),
                created_at_ms: new.created_at_ms,
                author: new.author.to_owned(),
                message: new.message.to_owned(),
            },
            snapshot,
            since: new.since,
        })
    }

    /// The highest number of a revision; zero when there is none.
    pub(crate) async fn fetch_latest_number(&self) -> Result<u64, StoreError> {
        let number: Option<i64> = reading!(self.db, "look for a newer revision", pool => async {
            sqlx::query_scalar("SELECT max(number) FROM revisions")
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        Ok(unsigned(number.unwrap_or(0)))
    }

    /// The revision with the highest number.
    pub(crate) async fn fetch_latest_revision(&self) -> Result<Option<StoredRevision>, StoreError> {
        let row: Option<Row> = reading!(self.db, "read the latest revision", pool => async {
            sqlx::query_as(
                "SELECT number, created_at_ms, author, message, snapshot, secrets_since \
                 FROM revisions \
                 ORDER BY number DESC LIMIT 1",
            )
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        row.map(|row| self.revision(row)).transpose()
    }

    /// The revision of this number.
    pub(crate) async fn fetch_revision(
        &self,
        number: Revision,
    ) -> Result<Option<StoredRevision>, StoreError> {
        let row: Option<Row> = reading!(self.db, "read a revision", pool => async {
            sqlx::query_as(
                "SELECT number, created_at_ms, author, message, snapshot, secrets_since \
                 FROM revisions \
                 WHERE number = $1",
            )
            .bind(signed(number.0))
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        row.map(|row| self.revision(row)).transpose()
    }

    /// The text that a revision was made of; none when it was made of none, or is not kept.
    pub(crate) async fn fetch_revision_text(
        &self,
        number: Revision,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = reading!(self.db, "read a revision", pool => async {
            sqlx::query_scalar("SELECT source FROM revisions WHERE number = $1")
                .bind(signed(number.0))
                .fetch_optional(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let Some(sealed) = sealed.flatten() else {
            return Ok(None);
        };
        let text = self.unseal(&place("source", &number.0.to_string()), &sealed)?;
        Ok(Some(Secret::new(
            String::from_utf8_lossy(&text).into_owned(),
        )))
    }

    /// What is known of so many revisions, from the one below `below` on, the newest first.
    pub(crate) async fn list_revisions(
        &self,
        below: u64,
        limit: u32,
    ) -> Result<Vec<RevisionInfo>, StoreError> {
        let rows: Vec<(i64, i64, String, String)> = reading!(self.db, "list revisions", pool => async {
            sqlx::query_as(
                "SELECT number, created_at_ms, author, message FROM revisions \
                 WHERE number < $1 ORDER BY number DESC LIMIT $2",
            )
            .bind(signed(below))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        let info = |(number, created_at_ms, author, message)| RevisionInfo {
            number: Revision(unsigned(number)),
            created_at_ms: unsigned(created_at_ms),
            author,
            message,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// The newest revision that a node applied; of any node when none is given.
    pub(crate) async fn fetch_applied_revision(
        &self,
        node: Option<&NodeId>,
    ) -> Result<Option<StoredRevision>, StoreError> {
        let row: Option<Row> = reading!(self.db, "read the last applied revision", pool => async {
            sqlx::query_as(
                "SELECT number, created_at_ms, author, message, snapshot, secrets_since \
                 FROM revisions \
                 WHERE number = (SELECT max(revision) FROM acknowledgements \
                 WHERE ($1 IS NULL OR node = $1) AND kind = $2)",
            )
            .bind(node.map(NodeId::as_str))
            .bind(APPLIED)
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        row.map(|row| self.revision(row)).transpose()
    }

    fn revision(
        &self,
        (number, created_at_ms, author, message, sealed, since): Row,
    ) -> Result<StoredRevision, StoreError> {
        let number = unsigned(number);
        let json = self.unseal(&place("snapshot", &number.to_string()), &sealed)?;
        Ok(StoredRevision {
            info: RevisionInfo {
                number: Revision(number),
                created_at_ms: unsigned(created_at_ms),
                author,
                message,
            },
            snapshot: serde_json::from_slice(&json).map_err(unreadable("revision"))?,
            since: match since {
                None => Since::new(),
                Some(sealed) => {
                    let json =
                        self.unseal(&place("secrets_since", &number.to_string()), &sealed)?;
                    serde_json::from_slice(&json).map_err(unreadable("revision"))?
                }
            },
        })
    }
}

/// Number, time, author, message, sealed snapshot, sealed times of secrets.
type Row = (i64, i64, String, String, Vec<u8>, Option<Vec<u8>>);

fn place<'a>(column: &'a str, row: &'a str) -> Place<'a> {
    Place {
        table: "revisions",
        column,
        row,
    }
}

/// The most revisions that are kept.
pub(crate) const REVISIONS: u32 = 1_000;

//! Lists of directories that users come from, and the last synchronization of each.

use std::collections::HashSet;

use super::users::{signed, unsigned};
use super::{Store, StoreError};
use crate::admin::{LastSync, SyncOutcome};

type Row = (String, i64, String, String, i64, i64);

impl Store {
    /// All lists, by name.
    pub(crate) async fn syncs(&self) -> Result<Vec<LastSync>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT source, at_ms, outcome, why, taken_at_ms, people FROM syncs ORDER BY source",
        )
        .fetch_all(&self.reader)
        .await?;
        let sync = |(source, at_ms, outcome, why, taken_at_ms, people): Row| {
            Ok(LastSync {
                source,
                at: unsigned(at_ms) / 1_000,
                outcome: SyncOutcome::from_name(&outcome)
                    .ok_or(StoreError::Unreadable { column: "outcome" })?,
                why,
                taken_at: unsigned(taken_at_ms) / 1_000,
                people: unsigned(people),
            })
        };
        rows.into_iter().map(sync).collect()
    }

    /// Lists that users were brought in line with after a time.
    pub(crate) async fn lists_since(&self, at_ms: u64) -> Result<HashSet<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT source FROM syncs WHERE taken_at_ms >= ?");
        let lists: Vec<String> = query.bind(signed(at_ms)).fetch_all(&self.reader).await?;
        Ok(lists.into_iter().collect())
    }

    /// Notes that users were brought in line with a list.
    pub(crate) async fn note_taken(
        &self,
        source: &str,
        outcome: SyncOutcome,
        why: &str,
        people: u64,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO syncs (source, at_ms, outcome, why, taken_at_ms, people)
             VALUES (?1, ?2, ?3, ?4, ?2, ?5)",
        )
        .bind(source)
        .bind(signed(now_ms))
        .bind(outcome.as_str())
        .bind(why)
        .bind(signed(people))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Notes that they were not, of a list that is known.
    pub(crate) async fn note_not_taken(
        &self,
        source: &str,
        outcome: SyncOutcome,
        why: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE syncs SET at_ms = ?, outcome = ?, why = ? WHERE source = ?")
            .bind(signed(now_ms))
            .bind(outcome.as_str())
            .bind(why)
            .bind(source)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets a list, and who was on it. With a section's last list the aliases and the phones that it gave
    /// are an administrator's: nobody else could take them back.
    pub(crate) async fn forget_list(&self, source: &str, section: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for query in [
            "DELETE FROM user_lists WHERE source = ?",
            "DELETE FROM syncs WHERE source = ?",
        ] {
            sqlx::query(query).bind(source).execute(&mut *tx).await?;
        }
        for query in [
            "UPDATE aliases SET source = '' WHERE source = ?1 AND NOT EXISTS
                (SELECT 1 FROM syncs WHERE source = ?1 OR substr(source, 1, length(?1) + 1) = ?1 || '/')",
            "UPDATE devices SET source = NULL WHERE source = ?1 AND NOT EXISTS
                (SELECT 1 FROM syncs WHERE source = ?1 OR substr(source, 1, length(?1) + 1) = ?1 || '/')",
        ] {
            sqlx::query(query).bind(section).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

//! Rows of `events`.

use std::collections::HashMap;

use proto::event::AuthEvent;
use sqlx::{QueryBuilder, Row};

use super::{Store, StoreError, query, signed, unreadable, unsigned};
use crate::admin::{EVENTS_PER_PAGE, EventFilter, StoredEvent};

/// An event with its JSON form, which was measured already.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event: AuthEvent,
    pub(crate) json: String,
}

impl Store {
    /// Stores events in one transaction. Gives those that were new, in the order given: a report
    /// that a node sends again makes no second row.
    pub(crate) async fn insert_events(
        &self,
        events: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let fail = "store the events";
        let mut numbers: HashMap<(String, i64), u64> = HashMap::with_capacity(events.len());
        let mut tx = self.writer.begin().await.map_err(query(fail))?;
        for chunk in events.chunks(ROWS_PER_STATEMENT) {
            let mut insert = QueryBuilder::new(
                "INSERT OR IGNORE INTO events (login, at_ms, node, integration, user, outcome, \
                 reason, factor, client, json) ",
            );
            insert.push_values(chunk, |mut row, NewEvent { event, json }| {
                row.push_bind(event.id.to_string())
                    .push_bind(signed(event.at_ms))
                    .push_bind(event.node.as_str())
                    .push_bind(event.integration.as_str())
                    .push_bind(event.user.as_deref())
                    .push_bind(event.outcome.as_str())
                    .push_bind(event.reason.as_str())
                    .push_bind(event.factor.map(|factor| factor.as_str()))
                    .push_bind(event.client.to_string())
                    .push_bind(json.as_str());
            });
            insert.push(" RETURNING seq, login, at_ms");
            let rows = insert
                .build()
                .persistent(chunk.len() == ROWS_PER_STATEMENT)
                .fetch_all(&mut *tx)
                .await
                .map_err(query(fail))?;
            numbers.extend(rows.iter().map(|row| {
                let key = (row.get("login"), row.get("at_ms"));
                (key, unsigned(row.get("seq")))
            }));
        }
        tx.commit().await.map_err(query(fail))?;
        Ok(events
            .into_iter()
            .filter_map(|NewEvent { event, .. }| {
                let seq = numbers.remove(&(event.id.to_string(), signed(event.at_ms)))?;
                Some(StoredEvent { seq, event })
            })
            .collect())
    }

    /// The newest events that match, newest first.
    pub(crate) async fn list_events(
        &self,
        filter: &EventFilter,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut select = QueryBuilder::new("SELECT seq, json FROM events WHERE TRUE");
        if let Some(user) = &filter.user {
            select.push(" AND user = ").push_bind(user);
        }
        if let Some(integration) = &filter.integration {
            select
                .push(" AND integration = ")
                .push_bind(integration.as_str());
        }
        if let Some(outcome) = filter.outcome {
            select.push(" AND outcome = ").push_bind(outcome.as_str());
        }
        if let Some(since_ms) = filter.since_ms {
            select.push(" AND at_ms >= ").push_bind(signed(since_ms));
        }
        if let Some(after) = filter.after {
            select.push(" AND seq > ").push_bind(signed(after));
        }
        if let Some(before) = filter.before {
            select.push(" AND seq < ").push_bind(signed(before));
        }
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, EVENTS_PER_PAGE);
        select
            .push(" ORDER BY seq DESC LIMIT ")
            .push_bind(i64::from(limit));
        select
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(query("list the events"))?
            .iter()
            .map(|row| {
                let json: &str = row.get("json");
                Ok(StoredEvent {
                    seq: unsigned(row.get("seq")),
                    event: serde_json::from_str(json).map_err(unreadable("event"))?,
                })
            })
            .collect()
    }

    /// Deletes at most `batch` events that arrived before a time. Gives how many it deleted.
    pub(crate) async fn delete_events_before(
        &self,
        at_ms: u64,
        batch: u32,
    ) -> Result<u64, StoreError> {
        sqlx::query(
            "DELETE FROM events WHERE seq IN \
             (SELECT seq FROM events WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
        )
        .bind(signed(at_ms))
        .bind(i64::from(batch))
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected())
        .map_err(query("delete old events"))
    }

    /// The number of the newest event that is one too many, by the numbers alone; none when there
    /// are not so many.
    pub(crate) async fn fetch_surplus_event(&self, keep: u32) -> Result<Option<u64>, StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM events")
            .fetch_one(&self.readers)
            .await
            .map_err(query("count the events"))?;
        let surplus = newest.map(|seq| unsigned(seq).saturating_sub(u64::from(keep)));
        Ok(surplus.filter(|seq| *seq > 0))
    }

    /// Deletes at most `batch` events up to a number. Gives how many it deleted.
    pub(crate) async fn delete_events_up_to(
        &self,
        seq: u64,
        batch: u32,
    ) -> Result<u64, StoreError> {
        sqlx::query(
            "DELETE FROM events WHERE seq IN \
             (SELECT seq FROM events WHERE seq <= ? ORDER BY seq LIMIT ?)",
        )
        .bind(signed(seq))
        .bind(i64::from(batch))
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected())
        .map_err(query("delete surplus events"))
    }
}

const ROWS_PER_STATEMENT: usize = 100;
const PAGE: u32 = 100;

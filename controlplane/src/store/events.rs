//! Rows of `events`.

use std::collections::HashMap;

use proto::event::AuthEvent;
use sqlx::QueryBuilder;

use super::engine::{Alone, Fault, reading, signed, storable, unsigned, writing};
use super::{Store, StoreError, unreadable};
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
        let begin = self.db.begin(Alone::Events);
        let rows: Vec<(i64, String, i64)> = writing!(self.db, "store the events", pool => async {
            let mut rows = Vec::with_capacity(events.len());
            let mut tx = pool.begin_with(begin).await?;
            for chunk in events.chunks(ROWS_PER_STATEMENT) {
                let mut insert = QueryBuilder::new(
                    "INSERT INTO events (login, at_ms, node, integration, \"user\", outcome, \
                     reason, factor, client, json) ",
                );
                insert.push_values(chunk, |mut row, NewEvent { event, json }| {
                    row.push_bind(event.id.to_string())
                        .push_bind(signed(event.at_ms))
                        .push_bind(event.node.as_str())
                        .push_bind(event.integration.as_str())
                        .push_bind(event.user.as_deref().map(|user| storable(user).into_owned()))
                        .push_bind(event.outcome.as_str())
                        .push_bind(event.reason.as_str())
                        .push_bind(event.factor.map(|factor| factor.as_str()))
                        .push_bind(event.client.to_string())
                        .push_bind(json.as_str());
                });
                insert.push(" ON CONFLICT (login, at_ms) DO NOTHING RETURNING seq, login, at_ms");
                rows.extend(
                    insert
                        .build_query_as()
                        .persistent(chunk.len() == ROWS_PER_STATEMENT)
                        .fetch_all(&mut *tx)
                        .await?,
                );
            }
            tx.commit().await?;
            Ok(rows)
        })?;
        let mut numbers: HashMap<(String, i64), u64> = rows
            .into_iter()
            .map(|(seq, login, at_ms)| ((login, at_ms), unsigned(seq)))
            .collect();
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
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, EVENTS_PER_PAGE);
        let rows: Vec<(i64, String)> = reading!(self.db, "list the events", pool => async {
            let mut select = QueryBuilder::new("SELECT seq, json FROM events WHERE TRUE");
            if let Some(user) = &filter.user {
                select
                    .push(" AND \"user\" = ")
                    .push_bind(storable(user).into_owned());
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
            select
                .push(" ORDER BY seq DESC LIMIT ")
                .push_bind(i64::from(limit));
            select
                .build_query_as()
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        rows.into_iter()
            .map(|(seq, json)| {
                Ok(StoredEvent {
                    seq: unsigned(seq),
                    event: serde_json::from_str(&json).map_err(unreadable("event"))?,
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
        writing!(self.db, "delete old events", pool => async {
            sqlx::query(
                "DELETE FROM events WHERE seq IN \
                 (SELECT seq FROM events WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
            )
            .bind(signed(at_ms))
            .bind(i64::from(batch))
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
            .map_err(Fault::Sql)
        })
    }

    /// The number of the newest event that is one too many, by the numbers alone; none when there
    /// are not so many.
    pub(crate) async fn fetch_surplus_event(&self, keep: u32) -> Result<Option<u64>, StoreError> {
        let newest: Option<i64> = reading!(self.db, "count the events", pool => async {
            sqlx::query_scalar("SELECT max(seq) FROM events")
                .fetch_one(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let surplus = newest.map(|seq| unsigned(seq).saturating_sub(u64::from(keep)));
        Ok(surplus.filter(|seq| *seq > 0))
    }

    /// Deletes at most `batch` events up to a number. Gives how many it deleted.
    pub(crate) async fn delete_events_up_to(
        &self,
        seq: u64,
        batch: u32,
    ) -> Result<u64, StoreError> {
        writing!(self.db, "delete surplus events", pool => async {
            sqlx::query(
                "DELETE FROM events WHERE seq IN \
                 (SELECT seq FROM events WHERE seq <= $1 ORDER BY seq LIMIT $2)",
            )
            .bind(signed(seq))
            .bind(i64::from(batch))
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
            .map_err(Fault::Sql)
        })
    }
}

const ROWS_PER_STATEMENT: usize = 100;
const PAGE: u32 = 100;

//! Rows of `events`.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use proto::event::{AuthEvent, Reason};
use proto::id::LoginId;
use sqlx::QueryBuilder;

use super::engine::{Alone, Fault, reading, signed, storable, unsigned, writing};
use super::seen::{self, KNOWN, MAKE_ROOM, NOTE, SEEN_CLIENTS, SURPLUS};
use super::{Store, StoreError, unreadable};
use crate::admin::{EVENTS_PER_PAGE, EventCursor, EventFilter, EventPage, StoredEvent};
use crate::event_filter::chain;

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
        let clients = seen::told(events.iter().map(|one| &one.event));
        let (rows, forgotten): (Vec<(i64, String, i64)>, u64) = writing!(self.db, "store the events", pool => async {
            let mut rows = Vec::with_capacity(events.len());
            let mut tx = pool.begin_with(begin).await?;
            let newest = sqlx::query_scalar("SELECT total FROM events ORDER BY seq DESC LIMIT 1");
            let mut total: i64 = newest.fetch_optional(&mut *tx).await?.unwrap_or(0);
            for chunk in events.chunks(ROWS_PER_STATEMENT) {
                let mut insert = QueryBuilder::new(
                    "INSERT INTO events (login, at_ms, node, integration, \"user\", outcome, \
                     reason, factor, client, json, chain, total, test) ",
                );
                insert.push_values(chunk, |mut row, NewEvent { event, json }| {
                    let octets = i64::try_from(json.len()).unwrap_or(i64::MAX);
                    total = total.saturating_add(octets);
                    row.push_bind(event.id.to_string())
                        .push_bind(signed(event.at_ms))
                        .push_bind(event.node.as_str())
                        .push_bind(event.integration.as_str())
                        .push_bind(event.user.as_deref().map(|user| storable(user).into_owned()))
                        .push_bind(event.outcome.as_str())
                        .push_bind(event.reason.as_str())
                        .push_bind(event.factor.map(|factor| factor.as_str()))
                        .push_bind(event.client.ip().to_canonical().to_string())
                        .push_bind(json.as_str())
                        .push_bind(chain(event).to_string())
                        .push_bind(total)
                        .push_bind(i32::from(event.test));
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
            let mut is_new = false;
            for ((integration, address), told) in &clients {
                let known = sqlx::query(KNOWN).bind(*integration).bind(address.as_str());
                is_new |= known.fetch_optional(&mut *tx).await?.is_none();
                let (signed_ms, unsigned_ms, seen_ms) = told.values();
                let note = sqlx::query(NOTE).bind(*integration).bind(address.as_str());
                let note = note.bind(signed_ms).bind(unsigned_ms).bind(seen_ms);
                note.execute(&mut *tx).await?;
            }
            let forgotten = match is_new {
                false => 0,
                true => {
                    let make_room = sqlx::query(MAKE_ROOM).bind(SURPLUS).bind(SEEN_CLIENTS);
                    make_room.execute(&mut *tx).await?.rows_affected()
                }
            };
            tx.commit().await?;
            Ok((rows, forgotten))
        })?;
        self.clients_forgotten
            .fetch_add(forgotten, Ordering::Relaxed);
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

    /// One page of the events that match: the newest first, those of one moment in the order of
    /// storing, the last of them first. Looks at no more than [`LOOKED_AT`]: fewer than were asked
    /// for may come while there are more.
    pub(crate) async fn list_events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, EVENTS_PER_PAGE);
        let walk = Walk::of(filter);
        // With an index for all that is asked for, one more than the page tells whether that is it.
        let batch = match walk.is_all {
            true => limit + 1,
            false => EVENTS_PER_PAGE,
        };
        let mut page = EventPage::default();
        let mut at = filter.cursor;
        let mut looked_at = 0;
        loop {
            let rows = self.walk(&walk, filter, at, batch).await?;
            let is_last = u32::try_from(rows.len()).is_ok_and(|rows| rows < batch);
            for (seq, at_ms, json) in rows {
                if u32::try_from(page.events.len()).is_ok_and(|found| found == limit) {
                    page.next = at;
                    return Ok(page);
                }
                let (seq, at_ms) = (unsigned(seq), unsigned(at_ms));
                at = Some(EventCursor { at_ms, seq });
                looked_at += 1;
                let event: AuthEvent = serde_json::from_str(&json).map_err(unreadable("event"))?;
                if filter.matches(&event) {
                    page.events.push(StoredEvent { seq, event });
                }
            }
            if is_last {
                return Ok(page);
            }
            if looked_at >= LOOKED_AT {
                page.next = at;
                return Ok(page);
            }
        }
    }

    /// Rows by an index, newest first, from a cursor on.
    pub(super) async fn walk(
        &self,
        walk: &Walk,
        filter: &EventFilter,
        cursor: Option<EventCursor>,
        batch: u32,
    ) -> Result<Vec<(i64, i64, String)>, StoreError> {
        let from = filter.from.map_or(0, |from| signed(from.0));
        // Both bounds of the index's last column, whichever of them is the nearer one.
        let to = filter
            .to
            .map_or(i64::MAX, |to| signed(to.0).saturating_sub(1));
        let (at_ms, seq) = cursor.map_or((i64::MAX, i64::MAX), |at| {
            (signed(at.at_ms), signed(at.seq))
        });
        reading!(self.db, "list the events", pool => async {
            let mut query = sqlx::query_as(walk.statement)
                .bind(from)
                .bind(to.min(at_ms))
                .bind(at_ms)
                .bind(seq)
                .bind(i64::from(batch));
            if let Some(value) = &walk.value {
                query = query.bind(value.as_str());
            }
            query.fetch_all(pool).await.map_err(Fault::Sql)
        })
    }

    /// What was stored after an event, in the order of storing: what matches of the next
    /// [`EVENTS_PER_PAGE`], the number of the last one of these, and whether there may be more.
    pub(crate) async fn list_events_after(
        &self,
        filter: &EventFilter,
        after: u64,
    ) -> Result<(Vec<StoredEvent>, Option<u64>, bool), StoreError> {
        let rows: Vec<(i64, String)> = reading!(self.db, "list the events", pool => async {
            sqlx::query_as("SELECT seq, json FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(signed(after))
                .bind(i64::from(EVENTS_PER_PAGE))
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let has_more = u32::try_from(rows.len()).is_ok_and(|rows| rows == EVENTS_PER_PAGE);
        let last = rows.last().map(|(seq, _)| unsigned(*seq));
        let mut found = Vec::new();
        for (seq, json) in rows {
            let event = serde_json::from_str(&json).map_err(unreadable("event"))?;
            if filter.matches(&event) {
                found.push(StoredEvent {
                    seq: unsigned(seq),
                    event,
                });
            }
        }
        Ok((found, last, has_more))
    }

    /// The last event of a login's id; none when there is none.
    pub(crate) async fn fetch_event(&self, id: LoginId) -> Result<Option<StoredEvent>, StoreError> {
        let row: Option<(i64, String)> = reading!(self.db, "fetch the event", pool => async {
            sqlx::query_as(
                "SELECT seq, json FROM events WHERE login = $1 ORDER BY at_ms DESC LIMIT 1",
            )
            .bind(id.to_string())
            .fetch_optional(pool)
            .await
            .map_err(Fault::Sql)
        })?;
        row.map(|(seq, json)| {
            let event = serde_json::from_str(&json).map_err(unreadable("event"))?;
            Ok(StoredEvent {
                seq: unsigned(seq),
                event,
            })
        })
        .transpose()
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

    /// Up to which total the events are too much, when no more octets are to be kept; none when
    /// there are not so many.
    pub(crate) async fn fetch_surplus_octets(&self, keep: u64) -> Result<Option<u64>, StoreError> {
        let newest: Option<i64> = reading!(self.db, "measure the events", pool => async {
            sqlx::query_scalar("SELECT total FROM events ORDER BY seq DESC LIMIT 1")
                .fetch_optional(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let surplus = newest.map(|total| unsigned(total).saturating_sub(keep));
        Ok(surplus.filter(|total| *total > 0))
    }

    /// Deletes at most `batch` events up to a total. Gives how many it deleted.
    pub(crate) async fn delete_events_up_to_total(
        &self,
        total: u64,
        batch: u32,
    ) -> Result<u64, StoreError> {
        writing!(self.db, "delete surplus events", pool => async {
            sqlx::query(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM \
                 (SELECT seq, total FROM events ORDER BY seq LIMIT $2) AS oldest WHERE total <= $1)",
            )
            .bind(signed(total))
            .bind(i64::from(batch))
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
            .map_err(Fault::Sql)
        })
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

/// How events are read: by which index, and what it is asked for.
pub(super) struct Walk {
    pub(super) statement: &'static str,
    pub(super) value: Option<String>,
    /// Whether the index answers all that is asked for.
    is_all: bool,
}

/// A statement for each index. `$6` is what it is asked for, `$1` and `$2` bound the time, and what
/// is of the cursor's moment must have a smaller number than its.
macro_rules! walk {
    ($column:literal) => {
        concat!(
            "SELECT seq, at_ms, json FROM events WHERE ",
            $column,
            "at_ms >= $1 AND at_ms <= $2 AND (at_ms < $3 OR seq < $4) \
             ORDER BY at_ms DESC, seq DESC LIMIT $5"
        )
    };
}

impl Walk {
    /// By the index that is mostly the narrowest of those that serve the filter.
    pub(super) fn of(filter: &EventFilter) -> Self {
        let reason = filter.reason.map(|reason| reason.as_str().to_owned());
        let common = filter.reason == Some(Reason::Approved);
        let candidates = [
            (
                walk!("chain = $6 AND "),
                filter.first.map(|first| first.to_string()),
            ),
            (
                walk!("\"user\" = $6 AND "),
                filter
                    .user
                    .as_deref()
                    .map(|user| storable(user).into_owned()),
            ),
            (
                walk!("client = $6 AND "),
                filter
                    .client
                    .map(|client| client.to_canonical().to_string()),
            ),
            (
                walk!("reason = $6 AND "),
                reason.clone().filter(|_| !common),
            ),
            (
                walk!("integration = $6 AND "),
                filter
                    .integration
                    .as_ref()
                    .map(|one| one.as_str().to_owned()),
            ),
            (walk!("reason = $6 AND "), reason),
            (
                walk!("outcome = $6 AND "),
                filter.outcome.map(|outcome| outcome.as_str().to_owned()),
            ),
        ];
        let found = candidates
            .into_iter()
            .find_map(|(statement, value)| value.map(|value| (statement, value)));
        match found {
            Some((statement, value)) => Self {
                statement,
                value: Some(value),
                is_all: filter.wishes() == 1,
            },
            None => Self {
                statement: walk!(""),
                value: None,
                is_all: filter.wishes() == 0,
            },
        }
    }
}

const ROWS_PER_STATEMENT: usize = 100;
const PAGE: u32 = 100;
/// The most events that are looked at for one page.
pub(super) const LOOKED_AT: u32 = 20_000;

//! Events, counted and sampled. Reads only.

use super::engine::{Fault, reading, signed, unsigned};
use super::events::Walk;
use super::{Store, StoreError};
use crate::admin::{EventCursor, EventFilter};
use crate::moment::Moment;

/// How often requests of one bucket of time ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Which bucket, from 0.
    pub(crate) bucket: u64,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) count: u64,
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) at: EventCursor,
    pub(crate) json: String,
}

/// By the index that is made for it alone, and no more of the rows than is in it.
pub(super) const COUNT: &str = "SELECT (at_ms - $1) / $2, outcome, reason, count(*) FROM events \
     WHERE test = 0 AND at_ms >= $1 AND at_ms < $3 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

impl Store {
    /// How the requests of a span of time ended, bucket by bucket. Tests are not counted.
    pub(crate) async fn count_events(
        &self,
        from_ms: u64,
        to_ms: u64,
        bucket_ms: u64,
    ) -> Result<Vec<Ended>, StoreError> {
        let rows: Vec<(i64, String, String, i64)> = reading!(self.db, "count the events", pool => async {
            sqlx::query_as(COUNT)
                .bind(signed(from_ms))
                .bind(signed(bucket_ms.max(1)))
                .bind(signed(to_ms))
                .fetch_all(pool)
                .await
                .map_err(Fault::Sql)
        })?;
        let ended = rows
            .into_iter()
            .map(|(bucket, outcome, reason, count)| Ended {
                bucket: unsigned(bucket),
                outcome,
                reason,
                count: unsigned(count),
            });
        Ok(ended.collect())
    }

    /// Events of a span of time as they are stored, the newest first, from a cursor on. Tests are among
    /// them.
    pub(crate) async fn list_event_rows(
        &self,
        from_ms: u64,
        to_ms: u64,
        cursor: Option<EventCursor>,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let filter = EventFilter {
            from: Some(Moment(from_ms)),
            to: Some(Moment(to_ms)),
            ..EventFilter::default()
        };
        let rows = self
            .walk(&Walk::of(&filter), &filter, cursor, limit)
            .await?;
        let rows = rows.into_iter().map(|(seq, at_ms, json)| EventRow {
            at: EventCursor {
                at_ms: unsigned(at_ms),
                seq: unsigned(seq),
            },
            json,
        });
        Ok(rows.collect())
    }
}

//! Finished logins: taken in, stored by one writer, shown live, forgotten in time.
//!
//! A report is answered once it is stored, so that a node may forget what it sent. Nothing waits
//! here for a reader: a slow one misses events and is told how many.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::event::AuthEvent;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::admin::{LiveEvent, StoredEvent};
use crate::clock::now_ms;
use crate::metrics::Metrics;
use crate::settings::Retention;
use crate::store::{CLIENTS_FORGOTTEN_MS, NewEvent, Store, StoreError};
use crate::traces::Traces;
use crate::{sse, stream};

/// The way in, and the live stream.
pub(crate) struct Events {
    queue: mpsc::Sender<Report>,
    live: broadcast::Sender<Arc<Live>>,
    metrics: Metrics,
}

/// An event on its way to the readers of the live streams, written once for all of them.
pub(crate) struct Live {
    pub(crate) stored: StoredEvent,
    /// As a line of the admin socket's stream.
    pub(crate) line: Bytes,
    /// As an event of `text/event-stream`.
    pub(crate) frame: Bytes,
}

/// The task that stores.
pub(crate) struct Writer {
    store: Store,
    queue: mpsc::Receiver<Report>,
    live: broadcast::Sender<Arc<Live>>,
    /// Where traces are made of what was stored; none where nobody wants any.
    traces: Option<Traces>,
    metrics: Metrics,
}

struct Report {
    events: Vec<NewEvent>,
    stored: oneshot::Sender<()>,
}

pub(crate) fn channel(store: Store, traces: Option<Traces>, metrics: Metrics) -> (Events, Writer) {
    let (sender, receiver) = mpsc::channel(REPORTS);
    let live = broadcast::Sender::new(LIVE_EVENTS);
    let events = Events {
        queue: sender,
        live: live.clone(),
        metrics: metrics.clone(),
    };
    let writer = Writer {
        store,
        queue: receiver,
        live,
        traces,
        metrics,
    };
    (events, writer)
}

impl Events {
    /// Stores events. One that alone is too long to be kept is dropped and counted.
    pub(crate) async fn store(&self, events: Vec<AuthEvent>) -> Result<(), Busy> {
        let mut taken = Vec::with_capacity(events.len());
        for event in events {
            match serde_json::to_string(&event) {
                Ok(json) if json.len() <= EVENT_OCTETS => taken.push(NewEvent { event, json }),
                _ => {
                    self.metrics.events_dropped.inc();
                    tracing::warn!(login = %event.id, "event too long, dropped");
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let (stored, done) = oneshot::channel();
        let report = Report {
            events: taken,
            stored,
        };
        let sent = self.queue.try_send(report).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Busy::Full,
            mpsc::error::TrySendError::Closed(_) => Busy::Failed,
        });
        let outcome = match sent {
            Ok(()) => done.await.map_err(|_| Busy::Failed),
            Err(busy) => Err(busy),
        };
        if outcome.is_err() {
            self.metrics.reports_refused.inc();
        }
        outcome
    }

    /// What is stored from now on.
    pub(crate) fn live(&self) -> broadcast::Receiver<Arc<Live>> {
        self.live.subscribe()
    }
}

/// Why a report was not taken. The node keeps it and sends it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Busy {
    /// Too many reports wait.
    #[error("{REPORTS} reports wait already")]
    Full,
    /// The store failed, or the control plane stops.
    #[error("the events could not be stored")]
    Failed,
}

impl Writer {
    /// Stores reports, all that wait in one transaction. When told to stop it stores what waits.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut reports = Vec::with_capacity(REPORTS_AT_ONCE);
        loop {
            let taken = tokio::select! {
                taken = self.queue.recv_many(&mut reports, REPORTS_AT_ONCE) => taken,
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            let (events, waiting): (Vec<_>, Vec<_>) = reports
                .drain(..)
                .map(|report| (report.events, report.stored))
                .unzip();
            match self
                .store
                .insert_events(events.into_iter().flatten().collect())
                .await
            {
                Ok(stored) => {
                    self.metrics
                        .events_stored
                        .inc_by(u64::try_from(stored.len()).unwrap_or(u64::MAX));
                    self.metrics
                        .clients_forgotten
                        .inc_by(self.store.take_forgotten_clients());
                    for one in waiting {
                        // A reporter that has gone meanwhile needs no answer.
                        let _gone = one.send(());
                    }
                    if let Some(traces) = &self.traces {
                        for one in &stored {
                            traces.offer(&one.event);
                        }
                    }
                    self.show(stored);
                }
                // Those who wait see that their sender is gone.
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "events not stored"
                ),
            }
        }
    }

    fn show(&self, stored: Vec<StoredEvent>) {
        if self.live.receiver_count() == 0 {
            return;
        }
        for event in stored {
            let frame = sse::login(&event);
            let shown = LiveEvent::Event(Box::new(event));
            if let (Ok(line), Ok(frame), LiveEvent::Event(stored)) =
                (stream::line(&shown), frame, shown)
            {
                // Nobody may be left to read it.
                let _unread = self.live.send(Arc::new(Live {
                    stored: *stored,
                    line,
                    frame,
                }));
            }
        }
    }
}

/// Forgets old events until told to stop; one of several control planes on a database does.
pub(crate) async fn retain(store: Store, retention: Retention, stop: CancellationToken) {
    let mut leader = store.candidate();
    let mut ticks = tokio::time::interval(retention.every.max(SHORTEST));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let forgotten = match leader.leads().await {
            Ok(true) => forget(&store, retention, now_ms(), &stop).await,
            Ok(false) => Ok(0),
            Err(error) => Err(error),
        };
        match forgotten {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events deleted"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "old events not deleted"
            ),
        }
    }
}

/// Deletes what is too old and what is too many, in batches that leave the writer to others.
pub(crate) async fn forget(
    store: &Store,
    retention: Retention,
    now_ms: u64,
    stop: &CancellationToken,
) -> Result<u64, StoreError> {
    let mut all = 0;
    let before = now_ms.saturating_sub(u64::from(retention.days) * DAY_MS);
    while !stop.is_cancelled() {
        let deleted = store.delete_events_before(before, DELETED_AT_ONCE).await?;
        all += deleted;
        if deleted < u64::from(DELETED_AT_ONCE) {
            break;
        }
    }
    let surplus = store.fetch_surplus_event(retention.events).await?;
    while let Some(surplus) = surplus
        && !stop.is_cancelled()
    {
        let deleted = store.delete_events_up_to(surplus, DELETED_AT_ONCE).await?;
        all += deleted;
        if deleted < u64::from(DELETED_AT_ONCE) {
            break;
        }
    }
    let surplus = store.fetch_surplus_octets(retention.octets).await?;
    while let Some(surplus) = surplus
        && !stop.is_cancelled()
    {
        let deleted = store
            .delete_events_up_to_total(surplus, DELETED_AT_ONCE)
            .await?;
        all += deleted;
        if deleted < u64::from(DELETED_AT_ONCE) {
            break;
        }
    }
    if !stop.is_cancelled() {
        let before = now_ms.saturating_sub(CLIENTS_FORGOTTEN_MS);
        let clients = store.delete_clients_before(before).await?;
        if clients > 0 {
            tracing::info!(clients, "clients forgotten that were not seen any more");
        }
    }
    Ok(all)
}

/// The most reports that wait to be stored.
const REPORTS: usize = 64;
/// The most reports in one transaction.
const REPORTS_AT_ONCE: usize = 16;
/// The longest event that is kept, as JSON.
const EVENT_OCTETS: usize = 64 * 1024;
/// The most events that wait for a reader of the live stream.
const LIVE_EVENTS: usize = 1_024;
/// The most events that one statement deletes.
const DELETED_AT_ONCE: u32 = 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// An interval of zero is none.
const SHORTEST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::seal::Key;

    fn event() -> AuthEvent {
        let json = serde_json::json!({
            "id": "00000000000000000000000000000001", "at_ms": 1, "node": "one", "revision": 1,
            "integration": "radius_server_auto", "ikey": "DI", "client": "192.0.2.1:1024",
            "outcome": "accept", "reason": "approved", "elapsed_us": 7, "timeline": [],
        });
        serde_json::from_value(json).unwrap()
    }

    async fn store(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("controlplane.db");
        Store::open(&path, Key::new([1; 32])).await.unwrap()
    }

    #[tokio::test]
    async fn reports_beyond_the_queue_are_sent_back_and_those_in_it_are_stored_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let (events, writer) = channel(store(&folder).await, None, metrics.clone());
        let events = Arc::new(events);
        let mut waiting = JoinSet::new();
        for _ in 0..REPORTS {
            let events = Arc::clone(&events);
            waiting.spawn(async move { events.store(vec![event()]).await });
        }
        while events.queue.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(events.store(vec![event()]).await, Err(Busy::Full));
        assert_eq!(metrics.reports_refused.get(), 1);
        let stop = CancellationToken::new();
        stop.cancel();
        writer.run(stop).await;
        while let Some(report) = waiting.join_next().await {
            assert_eq!(report.unwrap(), Ok(()));
        }
        assert_eq!(metrics.events_stored.get(), 1, "all reported one event");
        assert_eq!(events.store(vec![event()]).await, Err(Busy::Failed));
    }

    #[tokio::test]
    async fn a_report_that_is_not_stored_is_sent_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        store.close().await;
        let metrics = Metrics::new().unwrap();
        let (events, writer) = channel(store, None, metrics.clone());
        let mut writing = JoinSet::new();
        writing.spawn(writer.run(CancellationToken::new()));
        assert_eq!(events.store(vec![event()]).await, Err(Busy::Failed));
        assert_eq!(metrics.reports_refused.get(), 1);
    }
}

//! Logins on their way to the collector: a bounded queue, and one task that sends what is in it in
//! batches, again while the collector is away. Nobody waits for it: what finds no room is dropped
//! and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proto::event::AuthEvent;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::metrics::{Dropped, Failed, TraceMetrics};
use super::otlp::{self, Origin};
use super::send::{Sent, send};
use super::span::{self, Person};
use super::target::Target;

/// The way in.
#[derive(Debug)]
pub(crate) struct Traces {
    queue: mpsc::Sender<Queued>,
    octets: Arc<AtomicUsize>,
    metrics: TraceMetrics,
}

/// The task that sends. Ends once the way in is gone and everything was sent or dropped.
pub(crate) struct Exporter {
    queue: mpsc::Receiver<Queued>,
    octets: Arc<AtomicUsize>,
    metrics: TraceMetrics,
    target: Target,
    origin: Origin,
    person: Person,
    pace: Pace,
    /// What was said last of the collector; none while it takes what it gets.
    told: Option<String>,
}

struct Queued {
    event: Box<AuthEvent>,
    spans: u64,
    octets: usize,
}

/// What goes in one request.
struct Part {
    /// None when it could not be written.
    body: Option<Bytes>,
    spread: u32,
    spans: u64,
    octets: usize,
}

/// How long what takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long the first login of a batch waits for others.
    pub(super) gather: Duration,
    /// The pause after the first request in vain; doubled with each further one.
    pub(super) first: Duration,
    /// The longest pause, if the collector does not ask for a longer one.
    pub(super) longest: Duration,
    /// How long a batch is tried.
    pub(super) kept: Duration,
}

impl Pace {
    pub(super) const DEFAULT: Self = Self {
        gather: Duration::from_secs(1),
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
        kept: Duration::from_secs(300),
    };
}

pub(super) fn channel(
    target: Target,
    origin: Origin,
    person: Person,
    metrics: TraceMetrics,
    pace: Pace,
) -> (Traces, Exporter) {
    let (sender, receiver) = mpsc::channel(QUEUED);
    let octets = Arc::new(AtomicUsize::new(0));
    let traces = Traces {
        queue: sender,
        octets: Arc::clone(&octets),
        metrics: metrics.clone(),
    };
    let exporter = Exporter {
        queue: receiver,
        octets,
        metrics,
        target,
        origin,
        person,
        pace,
        told: None,
    };
    (traces, exporter)
}

impl Traces {
    /// Takes a login, or drops it when too many wait.
    pub(crate) fn offer(&self, event: &AuthEvent) {
        let spans = u64::try_from(span::count(event)).unwrap_or(u64::MAX);
        let octets = octets(event);
        let before = self.octets.fetch_add(octets, Ordering::Relaxed);
        self.metrics.queued.add(gauge(spans));
        let fits = before.saturating_add(octets) <= QUEUED_OCTETS;
        let queued = Queued {
            event: Box::new(event.clone()),
            spans,
            octets,
        };
        if !fits || self.queue.try_send(queued).is_err() {
            self.octets.fetch_sub(octets, Ordering::Relaxed);
            self.metrics.queued.sub(gauge(spans));
            self.metrics.dropped(Dropped::QueueFull, spans);
        }
    }
}

impl Exporter {
    /// Sends until the way in is gone. Once `stop` is cancelled each batch is tried once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let batch = self.batch(&stop).await;
            if batch.is_empty() {
                return;
            }
            for part in self.parts(batch).await {
                let (spans, octets) = (part.spans, part.octets);
                self.deliver(part, &stop).await;
                self.octets.fetch_sub(octets, Ordering::Relaxed);
                self.metrics.queued.sub(gauge(spans));
            }
        }
    }

    /// What waits, and what comes shortly after; nothing when nothing will come any more.
    async fn batch(&mut self, stop: &CancellationToken) -> Vec<Queued> {
        let mut batch = Vec::with_capacity(BATCH);
        if self.queue.recv_many(&mut batch, BATCH).await == 0 {
            return batch;
        }
        let mut gathered = std::pin::pin!(tokio::time::sleep(self.pace.gather));
        while let room @ 1.. = BATCH.saturating_sub(batch.len()) {
            tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut batch, room) => if taken == 0 { break },
                () = stop.cancelled() => break,
                () = &mut gathered => break,
            }
        }
        batch
    }

    async fn deliver(&mut self, part: Part, stop: &CancellationToken) {
        let Part { spread, spans, .. } = part;
        let Some(body) = part.body else {
            self.metrics.dropped(Dropped::Refused, spans);
            return;
        };
        let mut pause = self.pace.first;
        let mut waited = Duration::ZERO;
        loop {
            let stopped = stop.is_cancelled();
            let (failed, why, after) = match self.attempt(body.clone()).await {
                Sent::Taken(rejected, why) => {
                    let rejected = rejected.min(spans);
                    self.metrics.exported.inc_by(spans - rejected);
                    self.metrics.dropped(Dropped::Rejected, rejected);
                    if rejected > 0 {
                        let why: String = why.chars().take(SAID_CHARACTERS).collect();
                        tracing::warn!(spans = rejected, why = ?why, "the collector rejected spans");
                    } else if self.told.take().is_some() {
                        tracing::info!("the collector takes traces again");
                    }
                    return;
                }
                Sent::Refused(why) => {
                    self.metrics.failed(Failed::Status);
                    self.metrics.dropped(Dropped::Refused, spans);
                    self.tell(why);
                    return;
                }
                Sent::Later(failed, why, after) => (failed, why, after),
            };
            self.metrics.failed(failed);
            self.tell(why);
            // Not all control planes come back in the same moment.
            let wait = (pause + pause * spread / 512).max(after.unwrap_or_default());
            waited += wait;
            if stopped || waited > self.pace.kept {
                let why = if stopped {
                    Dropped::Stopped
                } else {
                    Dropped::Expired
                };
                self.metrics.dropped(why, spans);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            pause = (pause * 2).min(self.pace.longest);
        }
    }

    /// The requests that tell of a batch. Written on a thread that may block: it may be long.
    async fn parts(&self, batch: Vec<Queued>) -> Vec<Part> {
        let (origin, person) = (self.origin.clone(), self.person);
        let unwritten = part(&batch, None);
        let written = spawn_blocking(move || {
            let mut parts = Vec::new();
            cut(&batch, &origin, person, &mut parts);
            parts
        });
        written.await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "traces not written");
            vec![unwritten]
        })
    }

    async fn attempt(&self, body: Bytes) -> Sent {
        let target = self.target.clone();
        let headers = match spawn_blocking(move || target.headers()).await {
            Ok(Ok(headers)) => headers,
            // It may be in the middle of being replaced.
            Ok(Err(error)) => {
                let why = crate::loader::chain(&error);
                return Sent::Later(Failed::Headers, why, None);
            }
            Err(error) => {
                let why = format!("the file of --otlp-header-file was not read: {error}");
                return Sent::Later(Failed::Headers, why, None);
            }
        };
        send(&self.target, headers, body).await
    }

    /// Says why traces wait or are lost, once until that changes.
    fn tell(&mut self, why: String) {
        if self.told.as_deref() == Some(&why) {
            return;
        }
        tracing::warn!(
            collector = self.target.endpoint.authority(),
            why,
            "traces are not taken"
        );
        self.told = Some(why);
    }
}

/// Writes a batch, in halves where it is too long for one request: servers in front of collectors refuse
/// what is longer than they allow, all of it.
fn cut(batch: &[Queued], origin: &Origin, person: Person, parts: &mut Vec<Part>) {
    let body = otlp::body(batch.iter().map(|one| &*one.event), origin, person);
    match body {
        Ok(body) if body.len() > BODY_OCTETS && batch.len() > 1 => {
            let (first, second) = batch.split_at(batch.len() / 2);
            cut(first, origin, person, parts);
            cut(second, origin, person, parts);
        }
        Ok(body) => parts.push(part(batch, Some(Bytes::from(body)))),
        Err(error) => {
            tracing::error!(error = %error, "traces not written");
            parts.push(part(batch, None));
        }
    }
}

fn part(batch: &[Queued], body: Option<Bytes>) -> Part {
    let first = batch.first();
    Part {
        body,
        spread: first.map_or(0, |one| u32::from(one.event.id.to_bytes()[0])),
        spans: batch.iter().map(|one| one.spans).sum(),
        octets: batch.iter().map(|one| one.octets).sum(),
    }
}

/// About what an event takes.
fn octets(event: &AuthEvent) -> usize {
    let steps = event.timeline.iter().map(|step| {
        let calls = step.calls.iter();
        let calls = calls.map(|call| CALL_OCTETS + call.host.len() + call.result.len());
        STEP_OCTETS + step.detail.len() + calls.sum::<usize>()
    });
    EVENT_OCTETS + steps.sum::<usize>()
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The most logins that wait for the collector.
const QUEUED: usize = 8_192;
/// The most octets of them, about.
const QUEUED_OCTETS: usize = 16 * 1024 * 1024;
/// The most logins in one request.
const BATCH: usize = 64;
/// The longest request that tells of more than one login.
const BODY_OCTETS: usize = 512 * 1024;
const EVENT_OCTETS: usize = 1_024;
const STEP_OCTETS: usize = 128;
const CALL_OCTETS: usize = 128;
/// The most characters of what a collector says that are logged.
const SAID_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests;

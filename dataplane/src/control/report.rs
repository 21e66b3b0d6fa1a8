//! Finished logins on their way out: to the supervisor's pipe, to the control plane, to whoever
//! waits for one. Bounded; what does not fit is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use local::Client;
use proto::event::AuthEvent;
use proto::id::NodeId;
use proto::rpc::{EVENTS_PER_REPORT, Empty, SERVICE};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt;
use tokio::sync::{broadcast, mpsc, watch};

use crate::clock;
use crate::metrics::Metrics;

/// Where the driver leaves finished logins. Never waits.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    queue: mpsc::Sender<AuthEvent>,
    live: broadcast::Sender<Arc<AuthEvent>>,
    metrics: Arc<Metrics>,
}

impl Reports {
    /// A queue and its reader.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, Queue) {
        let (queue, receiver) = mpsc::channel(QUEUED_EVENTS);
        let (live, _) = broadcast::channel(LIVE_EVENTS);
        (
            Self {
                queue,
                live,
                metrics,
            },
            Queue(receiver),
        )
    }

    /// Hands a finished login over, or drops and counts it.
    pub(crate) fn send(&self, event: AuthEvent) {
        if self.live.receiver_count() > 0 {
            drop(self.live.send(Arc::new(event.clone())));
        }
        if self.queue.try_send(event).is_err() {
            self.metrics.events_dropped.inc();
        }
    }

    /// Every login that finishes from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Arc<AuthEvent>> {
        self.live.subscribe()
    }
}

/// The reader's end of the queue.
#[derive(Debug)]
pub(crate) struct Queue(mpsc::Receiver<AuthEvent>);

impl Queue {
    /// The oldest, if there is one.
    #[cfg(any(test, feature = "counting"))]
    pub(crate) fn try_next(&mut self) -> Option<AuthEvent> {
        self.0.try_recv().ok()
    }
}

/// Where finished logins are told besides the control plane.
#[derive(Clone, Copy, Debug)]
pub enum LoginLines {
    /// One JSON line each on standard output, for the supervisor.
    Stdout,
    /// This is told of each. Must not wait.
    Told(fn(&RawValue)),
}

/// Moves events out until every [`Reports`] is gone, then flushes.
pub(crate) async fn run(
    Queue(mut queue): Queue,
    lines: LoginLines,
    node: NodeId,
    control: Client,
    metrics: Arc<Metrics>,
    handed_over: watch::Receiver<bool>,
) {
    let dropped = Arc::clone(&metrics);
    let (waiting, backlog) = mpsc::channel(QUEUED_EVENTS);
    let tell = async move {
        let mut stdout = tokio::io::stdout();
        let mut events = Vec::with_capacity(EVENTS_PER_REPORT);
        let mut text = Vec::new();
        while queue.recv_many(&mut events, EVENTS_PER_REPORT).await > 0 {
            for event in events.drain(..) {
                // An event holds numbers and text only: it always has a JSON form.
                let Ok(json) = serde_json::value::to_raw_value(&event) else {
                    continue;
                };
                match lines {
                    LoginLines::Told(tell) => tell(&json),
                    LoginLines::Stdout => {
                        // The wire form of `FromChild::Login`, without copying the event once more.
                        text.extend_from_slice(b"{\"login\":");
                        text.extend_from_slice(json.get().as_bytes());
                        text.extend_from_slice(b"}\n");
                    }
                }
                // Whole lines, in less than one write of the runtime's: another thread may have a line
                // for the supervisor, too.
                if text.len() >= OCTETS_AT_ONCE {
                    drop(stdout.write_all(&text).await);
                    drop(stdout.flush().await);
                    text.clear();
                }
                if waiting.try_send(json).is_err() {
                    metrics.events_dropped.inc();
                }
            }
            if !text.is_empty() {
                // A supervisor that is gone takes this process with it; nothing to save here.
                drop(stdout.write_all(&text).await);
                drop(stdout.flush().await);
                text.clear();
            }
        }
    };
    let patience = move || match *handed_over.borrow() {
        true => LAST_TRIES,
        false => Duration::ZERO,
    };
    tokio::join!(tell, deliver(backlog, &node, &control, &dropped, patience));
}

/// Delivers in order, in reports as large as what waits. Keeps trying while the control plane is away, and gives up at once
/// when the node stops, or when its `patience` is at an end.
async fn deliver(
    mut backlog: mpsc::Receiver<Box<RawValue>>,
    node: &NodeId,
    control: &Client,
    metrics: &Metrics,
    patience: impl Fn() -> Duration,
) {
    let mut pause = FIRST_PAUSE;
    let mut until = None;
    let mut held: VecDeque<Box<RawValue>> = VecDeque::new();
    loop {
        if held.is_empty() {
            match backlog.recv().await {
                None => return,
                Some(event) => held.push_back(event),
            }
        }
        // What piled up meanwhile goes along.
        while held.len() < EVENTS_PER_REPORT
            && let Ok(event) = backlog.try_recv()
        {
            held.push_back(event);
        }
        let now = held.len().min(EVENTS_PER_REPORT);
        let report = Report {
            node,
            events: held.iter().take(now).map(AsRef::as_ref).collect(),
            dropped: metrics.events_dropped.get(),
        };
        let sent = control
            .post::<_, Empty>(&format!("{SERVICE}/ReportEvents"), &report, CALL_LIMIT)
            .await;
        match sent {
            Ok(Empty {}) => {
                held.drain(..now);
                pause = FIRST_PAUSE;
            }
            Err(local::CallError::Refused { status, body }) if status < 500 && status != 429 => {
                tracing::error!(
                    status,
                    body,
                    events = now,
                    "the control plane refused events"
                );
                held.drain(..now);
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "events wait");
                let rest = tokio::time::sleep(pause);
                tokio::pin!(rest);
                loop {
                    tokio::select! {
                        () = &mut rest => break,
                        event = backlog.recv() => match event {
                            Some(event) if held.len() < QUEUED_EVENTS => held.push_back(event),
                            Some(_) => metrics.events_dropped.inc(),
                            // After a handover nobody waits for this process to end, and the control
                            // plane may just be started anew.
                            None if *until.get_or_insert_with(|| clock::now() + patience()) > clock::now() => {
                                rest.as_mut().await;
                                break;
                            }
                            // The node stops: what could not be delivered is lost, and was told on
                            // its other way out.
                            None => {
                                metrics
                                    .events_dropped
                                    .inc_by(u64::try_from(held.len()).unwrap_or(0));
                                return;
                            }
                        },
                    }
                }
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// The wire form of [`proto::rpc::ReportEvents`], with events that are JSON already.
#[derive(Serialize)]
struct Report<'a> {
    node: &'a NodeId,
    events: Vec<&'a RawValue>,
    dropped: u64,
}

/// An event has at most about a twentieth of that; the runtime takes 2 MiB at once.
const OCTETS_AT_ONCE: usize = 1024 * 1024;
/// Events that wait at most, in each of the two queues.
const QUEUED_EVENTS: usize = 20_000;
/// Events that a watcher may lag behind.
const LIVE_EVENTS: usize = 1_024;
const CALL_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How long a process that was taken over from goes on trying.
const LAST_TRIES: Duration = Duration::from_secs(30);

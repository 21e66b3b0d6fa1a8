//! Against a control plane that is not as it should be, on a real socket.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use hyper::body::Frame;
use local::Listener;
use proto::id::NodeId;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::control::report::Reports;
use crate::duo::client::DuoClients;
use crate::metrics::Metrics;
use crate::primary;
use crate::server::eap::EapThreads;
use crate::server::interface::Interface;
use crate::server::receive::Shared;
use crate::server::threads::ReceiveThreads;

/// What it says to each subscriber, how it takes verdicts, and what it was told.
#[derive(Clone)]
struct Control {
    lines: Arc<Vec<String>>,
    /// Ends each subscription after its lines.
    ends: bool,
    /// So many verdicts are refused with 503 first.
    busy: Arc<AtomicUsize>,
    subscriptions: Arc<AtomicUsize>,
    verdicts: UnboundedSender<Value>,
}

async fn subscribed(State(control): State<Control>) -> Body {
    control.subscriptions.fetch_add(1, Ordering::Relaxed);
    let mut text = control.lines.join("\n");
    text.push('\n');
    if control.ends {
        return Body::from(text);
    }
    Body::new(Held(Some(text.into())))
}

/// A body that says one thing and never ends.
struct Held(Option<Bytes>);

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text)))),
            None => Poll::Pending,
        }
    }
}

async fn acknowledged(
    State(control): State<Control>,
    Json(verdict): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let left = control
        .busy
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        });
    if left.is_ok() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
    }
    control.verdicts.send(verdict).unwrap();
    (StatusCode::OK, Json(json!({})))
}

struct Site {
    control: Control,
    verdicts: UnboundedReceiver<Value>,
    stop: CancellationToken,
    running: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start(lines: &[Value], ends: bool, busy: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sender, verdicts) = unbounded_channel();
        let control = Control {
            lines: Arc::new(lines.iter().map(Value::to_string).collect()),
            ends,
            busy: Arc::new(AtomicUsize::new(busy)),
            subscriptions: Arc::default(),
            verdicts: sender,
        };
        let router = Router::new()
            .route(&format!("{SERVICE}/Subscribe"), post(subscribed))
            .route(&format!("{SERVICE}/Acknowledge"), post(acknowledged))
            .with_state(control.clone());
        let path = folder.path().join("control.sock");
        let listener = Listener::bind(&path).await.unwrap();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(listener.serve(router, stop.clone()));
        let copy = LastGood::new(folder.path());
        let checks = Arc::new(Semaphore::new(1));
        running.spawn(follow(
            node(),
            Client::new(&path),
            copy,
            checks,
            stop.clone(),
        ));
        Self {
            control,
            verdicts,
            stop,
            running,
            _folder: folder,
        }
    }

    async fn verdict(&mut self) -> Value {
        let limit = Duration::from_secs(20);
        let verdict = tokio::time::timeout(limit, self.verdicts.recv()).await;
        verdict.unwrap().unwrap()
    }

    async fn stop(mut self) -> usize {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
        self.control.subscriptions.load(Ordering::Relaxed)
    }
}

fn node() -> Arc<Node> {
    let metrics = Metrics::new().unwrap();
    let (reports, _) = Reports::new(Arc::clone(&metrics));
    let (id, threads) = (NodeId::new("here").unwrap(), EapThreads::start(1).unwrap());
    let shared = Shared::new(id, Arc::clone(&metrics), reports, 10, threads).unwrap();
    Arc::new(Node::new(
        Arc::new(shared),
        Interface::new(None),
        ReceiveThreads::start(1).unwrap(),
        DuoClients::new(1),
        primary::Shared::with(TaskTracker::new(), metrics.primaries.clone()),
        |_| (),
    ))
}

fn snapshot(revision: u64) -> Value {
    json!({"type": "snapshot", "snapshot": {"revision": revision}})
}

#[tokio::test]
async fn a_revision_of_a_later_version_is_refused_and_not_asked_for_again() {
    let mut later = snapshot(7);
    later["snapshot"]["of_tomorrow"] = json!("PLANTED");
    let mut kind = snapshot(8);
    kind["snapshot"]["settings"] = json!("PLANTED");
    let drain = json!({"type": "drain", "drain": "PLANTED"});
    let mut site = Site::start(&[later, drain, kind], false, 0).await;
    for (revision, says) in [(7, "unknown field `of_tomorrow`"), (8, "of another kind")] {
        let verdict = site.verdict().await;
        assert_eq!(verdict["revision"], revision, "{verdict:#}");
        assert_eq!(verdict["verdict"]["type"], "refused", "{verdict:#}");
        let text = verdict.to_string();
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("PLANTED"), "{text}");
    }
    assert_eq!(site.stop().await, 1);
}

#[tokio::test]
async fn a_verdict_that_was_not_taken_is_told_again_by_itself() {
    let mut site = Site::start(&[snapshot(7), snapshot(8)], false, 3).await;
    for revision in [7, 8] {
        assert_eq!(site.verdict().await["revision"], revision);
    }
    assert_eq!(site.stop().await, 1, "in one subscription");
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_at_once_asks_less_and_less_often() {
    let keys = json!({"type": "drain", "drain": false});
    let site = Site::start(&[keys], true, 0).await;
    let began = tokio::time::Instant::now();
    let asked = async {
        while site.control.subscriptions.load(Ordering::Relaxed) < 12 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, asked)
        .await
        .expect("it asks on");
    // 0.1, 0.2, 0.4, 0.8, 1.6 and then 2 s each.
    let took = began.elapsed();
    assert!(took > Duration::from_secs(10), "{took:?}");
    site.stop().await;
}

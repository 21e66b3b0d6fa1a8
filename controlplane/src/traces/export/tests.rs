//! Against a collector that answers as it is told.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::metrics::Metrics;
use crate::traces::span::tests::event;
use crate::traces::target::{OtlpEndpoint, TraceSettings};

const QUICK: Pace = Pace {
    gather: Duration::from_millis(5),
    first: Duration::from_millis(5),
    longest: Duration::from_millis(10),
    kept: Duration::from_secs(300),
};
const SPANS: u64 = 9;
const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// Takes one request a connection and gives these answers in turn, the last one on and on.
struct Collector {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            for at in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let mut buffer = [0; 65_536];
                loop {
                    let read = stream.read(&mut buffer).await.unwrap();
                    text += std::str::from_utf8(&buffer[..read]).unwrap();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .unwrap();
                    if body.len() >= length.parse().unwrap() {
                        break;
                    }
                }
                seen.lock().unwrap().push(text);
                let answer = answers[at.min(answers.len() - 1)];
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self {
            address,
            requests,
            _serving: serving,
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn exporter_at(address: std::net::SocketAddr, pace: Pace) -> (Traces, Exporter, TraceMetrics) {
    let settings = TraceSettings {
        endpoint: OtlpEndpoint::parse(&format!("http://{address}")).unwrap(),
        header_file: None,
        ca: None,
        user: false,
    };
    let metrics = Metrics::new().unwrap().traces;
    let target = Target::open(&settings).unwrap();
    let (traces, exporter) = channel(
        target,
        Origin::default(),
        Person::Hidden,
        metrics.clone(),
        pace,
    );
    (traces, exporter, metrics)
}

/// Sends so many logins to the end.
async fn sent(collector: &Collector, pace: Pace, logins: usize) -> TraceMetrics {
    let (traces, exporter, metrics) = exporter_at(collector.address, pace);
    for _ in 0..logins {
        traces.offer(&event());
    }
    assert_eq!(metrics.queued.get(), i64::try_from(logins).unwrap() * 9);
    drop(traces);
    exporter.run(CancellationToken::new()).await;
    assert_eq!(metrics.queued.get(), 0);
    metrics
}

#[tokio::test]
async fn logins_go_in_batches_as_json() {
    let collector = Collector::start(&[TAKEN]).await;
    let metrics = sent(&collector, QUICK, BATCH + 1).await;
    assert_eq!(metrics.exported.get(), (BATCH as u64 + 1) * SPANS);
    let requests = collector.requests();
    assert_eq!(requests.len(), 2);
    let head = requests[0].split_once("\r\n\r\n").unwrap().0;
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    for line in [
        "content-type: application/json".to_owned(),
        format!("host: {}", collector.address),
        format!("user-agent: countersign/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
}

#[tokio::test]
async fn no_request_is_longer_than_servers_take() {
    let collector = Collector::start(&[TAKEN]).await;
    let (traces, exporter, metrics) = exporter_at(collector.address, QUICK);
    let mut long = event();
    let with_calls = long.timeline.iter().max_by_key(|step| step.calls.len());
    let step = with_calls.unwrap().clone();
    long.timeline.resize(64, step.clone());
    for number in 0..BATCH {
        // The last ones are short.
        let short = event();
        traces.offer(if number < BATCH - 3 { &long } else { &short });
    }
    let spans = u64::try_from(metrics.queued.get()).unwrap();
    drop(traces);
    exporter.run(CancellationToken::new()).await;
    assert_eq!(metrics.exported.get(), spans, "each once");
    assert_eq!(metrics.queued.get(), 0);
    let lengths: Vec<usize> = collector
        .requests()
        .iter()
        .map(|one| one.split_once("\r\n\r\n").unwrap().1.len())
        .collect();
    assert!(lengths.iter().sum::<usize>() > BODY_OCTETS, "{lengths:?}");
    assert!(lengths.iter().all(|one| *one <= BODY_OCTETS), "{lengths:?}");
    // One login by itself goes whole.
    let (traces, exporter, metrics) = exporter_at(collector.address, QUICK);
    long.timeline.resize(64 * 64, step);
    traces.offer(&long);
    let spans = u64::try_from(metrics.queued.get()).unwrap();
    drop(traces);
    exporter.run(CancellationToken::new()).await;
    assert_eq!(metrics.exported.get(), spans);
}

#[tokio::test]
async fn a_usual_batch_is_one_request() {
    let events: Vec<_> = (0..BATCH).map(|_| event()).collect();
    let body = otlp::body(&events, &Origin::default(), Person::Shown).unwrap();
    assert!(body.len() <= BODY_OCTETS, "{}", body.len());
}

#[tokio::test]
async fn a_collector_that_is_away_is_asked_again() {
    let collector = Collector::start(&[
        AWAY,
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
        "no HTTP",
        TAKEN,
    ])
    .await;
    let metrics = sent(&collector, QUICK, 1).await;
    assert_eq!(metrics.exported.get(), SPANS);
    assert_eq!(metrics.failed_so_far(Failed::Status), 2);
    assert_eq!(metrics.failed_so_far(Failed::Closed), 1);
    let requests = collector.requests();
    assert_eq!(requests.len(), 4);
    assert!(
        requests.iter().all(|one| *one == requests[0]),
        "the same each time"
    );
}

#[tokio::test]
async fn what_a_collector_refuses_is_dropped_and_the_next_is_sent() {
    let collector = Collector::start(&[
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"partialSuccess\":{\"rejectedSpans\":\"4\"}}",
    ])
    .await;
    let metrics = sent(&collector, QUICK, 2 * BATCH + 1).await;
    assert_eq!(
        metrics.dropped_so_far(Dropped::Refused),
        2 * BATCH as u64 * SPANS
    );
    assert_eq!(metrics.dropped_so_far(Dropped::Rejected), 4);
    assert_eq!(metrics.exported.get(), SPANS - 4);
    assert_eq!(collector.requests().len(), 3, "none is sent twice");
}

#[tokio::test]
async fn a_batch_is_given_up_in_the_end() {
    let collector = Collector::start(&[AWAY]).await;
    let pace = Pace {
        kept: Duration::from_millis(20),
        ..QUICK
    };
    let metrics = sent(&collector, pace, 1).await;
    assert_eq!(metrics.dropped_so_far(Dropped::Expired), SPANS);
    assert!(collector.requests().len() >= 2);
    // One that asks for more patience than there is.
    let collector = Collector::start(&[
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n",
    ])
    .await;
    let metrics = sent(&collector, pace, 1).await;
    assert_eq!(metrics.dropped_so_far(Dropped::Expired), SPANS);
    assert_eq!(collector.requests().len(), 1);
}

#[tokio::test]
async fn at_the_end_each_batch_is_tried_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let (traces, exporter, metrics) = exporter_at(address, Pace::DEFAULT);
    for _ in 0..=BATCH {
        traces.offer(&event());
    }
    drop(traces);
    let stop = CancellationToken::new();
    stop.cancel();
    exporter.run(stop).await;
    assert_eq!(metrics.failed_so_far(Failed::Connect), 2);
    assert_eq!(
        metrics.dropped_so_far(Dropped::Stopped),
        (BATCH as u64 + 1) * SPANS
    );
}

#[tokio::test]
async fn the_queue_has_an_end_in_logins_and_in_octets() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let (traces, exporter, metrics) = exporter_at(address, QUICK);
    let mut bare = event();
    bare.timeline.clear();
    for _ in 0..QUEUED + 3 {
        traces.offer(&bare);
    }
    assert_eq!(metrics.dropped_so_far(Dropped::QueueFull), 3);
    assert_eq!(metrics.queued.get(), i64::try_from(QUEUED).unwrap());
    drop((traces, exporter));
    let (traces, _exporter, metrics) = exporter_at(address, QUICK);
    let mut long = event();
    long.timeline[0].detail = "x".repeat(QUEUED_OCTETS / 2);
    for _ in 0..3 {
        traces.offer(&long);
    }
    assert_eq!(metrics.dropped_so_far(Dropped::QueueFull), 2 * SPANS);
    traces.offer(&bare);
    assert_eq!(metrics.queued.get(), 10, "a short one has room yet");
}

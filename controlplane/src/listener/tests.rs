//! Connections, of which each has the time that it may take.

use axum::routing::{get, post};
use hyper::client::conn::http2::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::*;

async fn served() -> (SocketAddr, CancellationToken) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let short = Duration::from_millis(200);
    let listener = AdminListener {
        patience: Patience {
            handshake: short,
            head: short,
            body: short,
            silence: Duration::from_secs(20),
        },
        ..AdminListener::new(tcp, None)
    };
    let at = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(async || "ok"))
        .route("/", post(async |body: String| body));
    let stop = CancellationToken::new();
    let until = stop.clone();
    TaskTracker::new().spawn(listener.serve(router, until));
    (at, stop)
}

/// Everything that is answered until the other side closes.
async fn answered(at: SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    drop(read.expect("it is closed long before"));
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn whoever_is_slow_loses_the_connection() {
    let (at, stop) = served().await;
    for (name, sent) in [
        ("nothing", ""),
        ("half a head", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "),
        ("half a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n"),
    ] {
        let answer = answered(at, sent).await;
        assert!(!answer.contains("200 OK"), "{name}: {answer}");
    }
    let kept = answered(at, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(kept.starts_with("HTTP/1.1 200 OK"), "then idle: {kept}");
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n";
    let whole = answered(at, &format!("{head}body")).await;
    assert!(whole.starts_with("HTTP/1.1 200 OK"), "{whole}");
    let half = answered(at, &format!("{head}bo")).await;
    assert!(!half.contains("200 OK"), "half a body: {half}");
    stop.cancel();
}

/// A connection of HTTP/2 whose client says all the time that it lives; it ends when the server
/// ends it.
async fn lively(
    router: Router,
    patience: Patience,
    streams: u32,
) -> (SendRequest<Body>, JoinSet<bool>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
    let (theirs, from) = tcp.accept().await.unwrap();
    TaskTracker::new().spawn(async move {
        let connection = Connection::new(Stream::Plain(theirs), patience);
        let stop = CancellationToken::new();
        converse(connection, Speaks::Http2, from, router, stop).await;
    });
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(20))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(streams)
        .handshake(TokioIo::new(ours));
    let (sender, connection) = handshake.await.unwrap();
    let mut ended = JoinSet::new();
    ended.spawn(async move { connection.await.is_ok() });
    (sender, ended)
}

fn get_root() -> http::Request<Body> {
    let request = http::Request::get("http://localhost/");
    request.body(Body::empty()).unwrap()
}

const LONG: Duration = Duration::from_secs(10);
const QUICK: Patience = Patience {
    handshake: Duration::from_millis(200),
    head: Duration::from_millis(200),
    body: Duration::from_millis(200),
    silence: LONG,
};

#[tokio::test]
async fn pings_alone_keep_no_connection_of_http2() {
    let router = Router::new().route("/", get(async || "ok"));
    let (mut sender, mut ended) = lively(router, QUICK, 65_535).await;
    let answer = sender.send_request(get_root()).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    // The sender is held: the client itself would go on.
    let ended = tokio::time::timeout(LONG / 2, ended.join_next()).await;
    assert!(ended.expect("it is ended long before").is_some());
    assert!(sender.is_closed());
}

#[tokio::test]
async fn an_answer_that_takes_its_time_comes_whole_in_http2() {
    let slow = async || {
        tokio::time::sleep(QUICK.head * 4).await;
        "ok"
    };
    let (mut sender, _ended) = lively(Router::new().route("/", get(slow)), QUICK, 65_535).await;
    let answer = sender.send_request(get_root()).await.unwrap();
    let octets = axum::body::to_bytes(Body::new(answer.into_body()), 10).await;
    assert_eq!(octets.unwrap(), "ok");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_keeps_no_connection_of_http2() {
    let patience = Patience {
        silence: QUICK.head * 2,
        ..QUICK
    };
    let router = Router::new().route("/", get(async || "ok"));
    // No room for a single octet of an answer.
    let (mut sender, mut ended) = lively(router, patience, 0).await;
    let answer = sender.send_request(get_root()).await.unwrap();
    let ended = tokio::time::timeout(LONG, ended.join_next()).await;
    assert!(ended.expect("it is ended long before").is_some());
    drop((answer, sender));
}

//! The TCP side of an admin address: connections, their bounds, TLS where it is served, and HTTP with
//! the time that each step of it may take. What a request means is not known here.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::throttle::neighbourhood;
use crate::admin_tls::host_name;
use crate::requests::{Answer, Requests};

/// An admin address that is bound.
pub struct AdminListener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Places,
    patience: Patience,
}

/// How long each step of a connection may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The handshake of TLS.
    handshake: Duration,
    /// The first octet, and each request's head from when the one before was answered; in HTTP/2 from
    /// when all were.
    head: Duration,
    /// A request's body.
    body: Duration,
    /// Silence in both directions, such as while an answer is made or nobody reads it. In HTTP/2 that
    /// no request goes on, whatever else is said.
    silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            body: Duration::from_secs(120),
            silence: Duration::from_secs(300),
        }
    }
}

impl AdminListener {
    /// Serves what is bound: with TLS, or as it is.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self {
            tcp,
            tls: tls.map(TlsAcceptor::from),
            places: Places::default(),
            patience: Patience::default(),
        }
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// How a browser reaches it: `https://gate:8400`. For every address of this machine it has this
    /// machine's name.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let address = self.local_addr().ok()?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let at = match address.ip().is_unspecified() {
            true => format!("{}:{}", host_name(), address.port()),
            false => address.to_string(),
        };
        Some(format!("{scheme}://{at}"))
    }

    /// Serves until the token is cancelled, then until the requests that run are answered. Each has
    /// a [`ConnectInfo`] of a [`Peer`].
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.places.accept(&self.tcp) => accepted,
            };
            match accepted {
                Ok((stream, from, place)) => {
                    let (tls, patience) = (self.tls.clone(), self.patience);
                    let (router, stop) = (router.clone(), stop.clone());
                    tracker.spawn(async move {
                        // Answers are small: waiting to fill a segment only delays them.
                        drop(stream.set_nodelay(true));
                        if let Some((stream, speaks)) = greet(tls, stream, from, patience).await {
                            let connection = Connection::new(stream, patience);
                            converse(connection, speaks, from, router, stop).await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "connection not accepted"
                    );
                    // Out of files most likely: trying again at once would only burn the processor.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        tracker.close();
        tracker.wait().await;
    }
}

/// Places for connections, all together and of each address.
#[derive(Clone, Debug)]
struct Places {
    all: Arc<Semaphore>,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(CONNECTIONS)),
            of_each: Arc::default(),
        }
    }
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
struct Place {
    _all: OwnedSemaphorePermit,
    whose: IpAddr,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    async fn accept(&self, tcp: &TcpListener) -> io::Result<(TcpStream, SocketAddr, Place)> {
        let all = Arc::clone(&self.all).acquire_owned().await;
        let mut all = all.map_err(io::Error::other)?;
        loop {
            let (stream, from) = tcp.accept().await?;
            match self.take(from.ip(), all) {
                Ok(place) => return Ok((stream, from, place)),
                Err(free) => {
                    tracing::debug!(%from, "too many connections of one address; one was closed");
                    all = free;
                }
            }
        }
    }

    /// A place, unless the address has as many as it may. This machine is not counted: whoever
    /// stands in front of us may be on it.
    fn take(&self, from: IpAddr, all: OwnedSemaphorePermit) -> Result<Place, OwnedSemaphorePermit> {
        let whose = neighbourhood(from);
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = of_each.entry(whose).or_default();
        if *taken >= OF_AN_ADDRESS && !whose.to_canonical().is_loopback() && !from.is_loopback() {
            return Err(all);
        }
        *taken = taken.saturating_add(1);
        Ok(Place {
            _all: all,
            whose,
            of_each: Arc::clone(&self.of_each),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = of_each.get_mut(&self.whose) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of_each.remove(&self.whose);
            }
        }
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
}

async fn greet(
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    from: SocketAddr,
    patience: Patience,
) -> Option<(Stream, Speaks)> {
    let Some(tls) = tls else {
        return Some((Stream::Plain(stream), Speaks::Http1));
    };
    match tokio::time::timeout(patience.handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let speaks = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Speaks::Http2,
                _ => Speaks::Http1,
            };
            Some((Stream::Tls(Box::new(stream)), speaks))
        }
        Ok(Err(error)) => {
            tracing::debug!(%from, error = &error as &dyn std::error::Error, "no TLS came about");
            None
        }
        Err(_) => None,
    }
}

async fn converse(
    connection: Connection,
    speaks: Speaks,
    from: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let patience = connection.patience;
    let requests = Requests::new(patience.head, patience.silence);
    let noted = requests.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let running = noted.begin();
        let mut request = request.map(|body| Body::new(Timed::new(body, patience.body)));
        request.extensions_mut().insert(ConnectInfo(Peer(from)));
        let answer = router.call(request);
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| Answer { body, running }))
        }
    });
    let io = TokioIo::new(connection);
    // A connection that broke off is nobody's fault here.
    match speaks {
        Speaks::Http1 => {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(patience.head)
                .max_buf_size(HEAD_OCTETS);
            let serving = http.serve_connection(io, service);
            tokio::pin!(serving);
            tokio::select! {
                served = serving.as_mut() => drop(served),
                () = stop.cancelled() => {
                    serving.as_mut().graceful_shutdown();
                    drop(serving.await);
                }
            }
        }
        Speaks::Http2 => {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .keep_alive_interval(patience.head)
                .keep_alive_timeout(patience.head)
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(HEADER_LIST_OCTETS);
            let serving = http.serve_connection(io, service);
            tokio::pin!(serving);
            tokio::select! {
                served = serving.as_mut() => return drop(served),
                () = stop.cancelled() => {}
                () = requests.none() => {}
            }
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                served = serving => drop(served),
                // It says that it lives, and does nothing else.
                () = requests.silent() => {}
            }
        }
    }
}

/// The body of a request, which comes in time or not at all.
struct Timed {
    body: Incoming,
    until: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Incoming, limit: Duration) -> Self {
        Self {
            body,
            until: Box::pin(tokio::time::sleep(limit)),
        }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| Ok(frame?))),
            Poll::Pending => {
                ready!(self.until.as_mut().poll(cx));
                Poll::Ready(Some(Err(late().into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn late() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub struct Peer(
    /// The connection's other end.
    pub SocketAddr,
);

/// A connection, which breaks off when nothing moves on it for too long.
struct Connection {
    stream: Stream,
    patience: Patience,
    until: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(stream: Stream, patience: Patience) -> Self {
        Self {
            stream,
            patience,
            // Somebody who connects has something to say.
            until: Box::pin(tokio::time::sleep(patience.head)),
        }
    }

    /// What a step came to: something moved, or nothing did for so long that it is the end.
    fn timed<T>(&mut self, cx: &mut Context<'_>, step: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if step.is_ready() {
            let until = Instant::now() + self.patience.silence;
            self.until.as_mut().reset(until);
            return step;
        }
        ready!(self.until.as_mut().poll(cx));
        Poll::Ready(Err(late()))
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let step = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.timed(cx, step)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let step = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        };
        self.timed(cx, step)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The most connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 512;
/// The most of them from one address, or from one /64 of IPv6; further ones are closed.
const OF_AN_ADDRESS: usize = 64;
/// The longest head of a request in HTTP/1.1.
const HEAD_OCTETS: usize = 64 * 1024;
/// The same in HTTP/2.
const HEADER_LIST_OCTETS: u32 = 64 * 1024;
/// The most requests at once on a connection of HTTP/2.
const STREAMS: u32 = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn an_address_has_its_share_of_places_and_gets_them_back() {
        let places = Places::default();
        let take = |text: &str| {
            let all = Arc::clone(&places.all).try_acquire_owned().unwrap();
            places.take(text.parse().unwrap(), all).ok()
        };
        let mut held: Vec<Place> = (0..OF_AN_ADDRESS)
            .map(|_| take("2001:db8::1").unwrap())
            .collect();
        assert!(take("2001:db8::2").is_none(), "the same /64");
        assert!(take("2001:db8:0:1::1").is_some());
        assert!(take("192.0.2.1").is_some());
        held.pop();
        assert!(take("2001:db8::2").is_some());
        for _ in 0..=OF_AN_ADDRESS {
            held.push(take("127.0.0.1").unwrap());
        }
        drop(held);
        assert!(places.of_each.lock().unwrap().is_empty());
        assert_eq!(places.all.available_permits(), CONNECTIONS);
    }
}

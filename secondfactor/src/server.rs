//! The listener: connections, TLS, HTTP, and their bounds. What a request means is not known here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::doors::{CONNECTIONS, Doors, Origin, Place};
use crate::gate::Talk;
use crate::linger::Lingering;
use crate::service::Service;

/// Serves until the shutdown or until another process has taken over, then lets those who wait have
/// their answers: for the time given, which begins when nobody waits for a person any more.
pub(crate) async fn serve(
    listener: Arc<TcpListener>,
    tls: Arc<rustls::ServerConfig>,
    service: Arc<Service>,
    grace: Duration,
) {
    let acceptor = TlsAcceptor::from(tls);
    let http = Arc::new(Http::new());
    let doors = Arc::new(Doors::new(CONNECTIONS));
    let tracker = TaskTracker::new();
    let ended = CancellationToken::new();
    let mut leaving = service.gate.leaving();
    loop {
        let accepted = tokio::select! {
            biased;
            () = leaving.cancelled() => {
                // Who connects meanwhile waits for whoever serves then.
                if !service.gate.goes_on().await {
                    break;
                }
                leaving = service.gate.leaving();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "connection not accepted"
                );
                // Out of files most likely: trying again at once would only burn the processor.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = Origin::of(peer.ip());
        let proxy = service.proxies.trusts(peer.ip());
        let place = match proxy {
            true => doors.enter_shared(from),
            false => doors.enter(from),
        };
        let Some(place) = place else {
            service.metrics.connections_refused.inc();
            continue;
        };
        let connection = Connection {
            service: Arc::clone(&service),
            http: Arc::clone(&http),
            acceptor: acceptor.clone(),
            place,
            peer: peer.ip(),
            many: proxy || from == Origin::Local,
            leaving: leaving.clone(),
            talk: Talk::new(&service.traffic),
        };
        let ended = ended.clone();
        tracker.spawn(async move {
            tokio::select! {
                () = connection.serve(stream) => {}
                () = ended.cancelled() => {}
            }
        });
    }
    drop(listener);
    tracker.close();
    tokio::select! {
        () = tracker.wait() => {}
        () = service.traffic.released() => {}
        () = service.shutdown.cancelled() => {}
    }
    if tokio::time::timeout(grace, tracker.wait()).await.is_err() {
        tracing::warn!(
            connections = tracker.len(),
            "connections ended before they had finished"
        );
        ended.cancel();
        tracker.wait().await;
    }
}

struct Connection {
    service: Arc<Service>,
    http: Arc<Http>,
    acceptor: TlsAcceptor,
    place: Place,
    peer: IpAddr,
    /// Whether it may ask for many at once.
    many: bool,
    /// Cancelled when it is to be finished with.
    leaving: CancellationToken,
    talk: Arc<Talk>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self {
            service,
            http,
            acceptor,
            place,
            peer,
            many,
            leaving,
            talk,
        } = self;
        // Answers are small: waiting to fill a segment only delays them.
        drop(stream.set_nodelay(true));
        let (stream, rest) = Lingering::new(stream);
        let handshake = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream));
        let Ok(Ok(stream)) = handshake.await else {
            service.metrics.handshakes_failed.inc();
            return;
        };
        service.metrics.connections.inc();
        let (answering, talking) = (Arc::clone(&service), Arc::clone(&talk));
        let respond = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            let (service, talk) = (Arc::clone(&answering), Arc::clone(&talking));
            let origin = service.proxies.origin_of(peer, request.headers());
            request.extensions_mut().insert(origin);
            async move { Ok::<_, std::convert::Infallible>(api::respond(service, talk, request).await) }
        });
        let protocol = stream.get_ref().1.alpn_protocol();
        let multiplexed = protocol == Some(b"h2");
        let http = http.of(protocol, many);
        let served = {
            let connection = http.serve_connection(TokioIo::new(stream), respond);
            tokio::pin!(connection);
            tokio::select! {
                served = connection.as_mut() => served,
                () = to_finish(&service, &leaving, &talk, multiplexed) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "connection broke"
            );
        }
        service.metrics.connections.dec();
        // Nobody is answered here any more.
        drop(talk);
        // In a box: it takes no room while the connection is there.
        Box::pin(rest.read_out()).await;
        drop(place);
    }
}

/// Waits until a connection is to be finished with. One of HTTP/1.1 would be closed under a first
/// request that is on its way, where one of HTTP/2 answers it: that one is waited for.
async fn to_finish(service: &Service, leaving: &CancellationToken, talk: &Talk, multiplexed: bool) {
    leaving.cancelled().await;
    if !multiplexed {
        tokio::select! {
            () = talk.begun() => {}
            () = service.gate.closed() => {}
            () = service.shutdown.cancelled() => {}
        }
    }
}

/// How each kind of connection is served. What a peer speaks is what the handshake agreed on: a
/// look at its first octets would have no end in time.
struct Http {
    one: auto::Builder<TokioExecutor>,
    two_many: auto::Builder<TokioExecutor>,
    two_few: auto::Builder<TokioExecutor>,
}

impl Http {
    fn new() -> Self {
        let mut one = auto::Builder::new(TokioExecutor::new()).http1_only();
        one.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(HEAD_OCTETS);
        let two = |streams| {
            let mut two = auto::Builder::new(TokioExecutor::new()).http2_only();
            two.http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(streams)
                .max_header_list_size(HEADER_OCTETS)
                .max_send_buf_size(BUFFER_OCTETS)
                .keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE);
            two
        };
        Self {
            one,
            two_many: two(MAX_STREAMS),
            two_few: two(MAX_REMOTE_STREAMS),
        }
    }

    fn of(&self, protocol: Option<&[u8]>, many: bool) -> &auto::Builder<TokioExecutor> {
        match (protocol, many) {
            (Some(b"h2"), true) => &self.two_many,
            (Some(b"h2"), false) => &self.two_few,
            _ => &self.one,
        }
    }
}

/// The most requests at once on one HTTP/2 connection of this machine or a trusted proxy.
const MAX_STREAMS: u32 = 20_000;

/// The most requests at once on one HTTP/2 connection of another.
const MAX_REMOTE_STREAMS: u32 = 200;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a request's head may take over HTTP/1.1, and how long a connection may idle.
const HEADER_TIME: Duration = Duration::from_secs(60);

/// How often an idle HTTP/2 peer is asked whether it is there, and how long it has to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HEADER_OCTETS: u32 = 16 * 1024;
const HEAD_OCTETS: usize = 16 * 1024;
const BUFFER_OCTETS: usize = 64 * 1024;

//! The TCP side of an admin address: connections, their bounds, TLS where it is served, and HTTP with
//! the time that each step of it may take. What a request means is not known here.

mod connection;
mod places;
mod requests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_tls::certain_name;
use connection::{Connection, Stream, Timed};
use places::Places;
use requests::{Answer, Requests};

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
            true => format!("{}:{}", certain_name(), address.port()),
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

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub struct Peer(
    /// The connection's other end.
    pub SocketAddr,
);

/// The longest head of a request in HTTP/1.1.
const HEAD_OCTETS: usize = 64 * 1024;
/// The same in HTTP/2.
const HEADER_LIST_OCTETS: u32 = 64 * 1024;
/// The most requests at once on a connection of HTTP/2.
const STREAMS: u32 = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;

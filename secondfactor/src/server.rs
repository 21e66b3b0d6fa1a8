//! The listener: connections, TLS, HTTP, and their bounds. What a request means is not known here.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::service::Service;

/// Serves until the shutdown, then lets those who wait have their answers for the time given.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    service: Arc<Service>,
    grace: Duration,
) {
    let shutdown = service.shutdown.clone();
    let acceptor = TlsAcceptor::from(tls);
    let http = Arc::new(http());
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tracker = TaskTracker::new();
    let ended = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
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
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            service.metrics.connections_refused.inc();
            continue;
        };
        let connection = Connection {
            service: Arc::clone(&service),
            http: Arc::clone(&http),
            acceptor: acceptor.clone(),
            permit,
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
    http: Arc<auto::Builder<TokioExecutor>>,
    acceptor: TlsAcceptor,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self {
            service,
            http,
            acceptor,
            permit,
        } = self;
        // Answers are small: waiting to fill a segment only delays them.
        drop(stream.set_nodelay(true));
        let handshake = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream));
        let Ok(Ok(stream)) = handshake.await else {
            service.metrics.handshakes_failed.inc();
            return;
        };
        service.metrics.connections.inc();
        let shutdown = service.shutdown.clone();
        let answering = Arc::clone(&service);
        let respond = service_fn(move |request| {
            let service = Arc::clone(&answering);
            async move { Ok::<_, std::convert::Infallible>(api::respond(service, request).await) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), respond);
        tokio::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "connection broke"
            );
        }
        service.metrics.connections.dec();
        drop(permit);
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(BUFFER_OCTETS);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEADER_OCTETS)
        .max_send_buf_size(BUFFER_OCTETS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    http
}

/// The most open connections; the next one is closed at once.
const MAX_CONNECTIONS: usize = 18_000;

/// The most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 20_000;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a request's head may take over HTTP/1.1, and how long a connection may idle.
const HEADER_TIME: Duration = Duration::from_secs(60);

/// How often an idle HTTP/2 peer is asked whether it is there, and how long it has to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HEADER_OCTETS: u32 = 16 * 1024;
const BUFFER_OCTETS: usize = 64 * 1024;

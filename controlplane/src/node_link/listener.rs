//! The address that nodes of other machines reach: TLS 1.3 alone, and no connection without a
//! certificate of the authority, but for those that say that they want to join.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proto::join::JOIN_PROTOCOL;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Certified, NodeAuthority, NodePeer, join};
use crate::app::App;
use crate::clock::now_ms;
use crate::issue::node_of;
use crate::rpc;

/// Serves until the token is cancelled.
pub(crate) async fn serve(
    app: Arc<App>,
    authority: Arc<NodeAuthority>,
    tcp: TcpListener,
    stop: CancellationToken,
) {
    let server = Arc::new(Server {
        authority,
        nodes: rpc::router(Arc::clone(&app)),
        joining: join::router(app),
        join_places: Arc::new(Semaphore::new(JOINING)),
        stop: stop.clone(),
    });
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let tracker = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = tcp.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no connection of a node was accepted"
                );
                tokio::time::sleep(AFTER_FAULT).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%from, "too many connections of nodes; one was closed");
            continue;
        };
        let server = Arc::clone(&server);
        tracker.spawn(async move {
            server.connection(stream, from).await;
            drop(place);
        });
    }
    tracker.close();
    tracker.wait().await;
}

struct Server {
    authority: Arc<NodeAuthority>,
    nodes: Router,
    joining: Router,
    join_places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream, from: SocketAddr) {
        drop(stream.set_nodelay(true));
        let handshake = tokio::time::timeout(HANDSHAKE, self.handshake(stream));
        let (stream, joins) = match handshake.await {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(_) => {
                tracing::debug!(%from, "TLS was not agreed on in time");
                return;
            }
        };
        if joins {
            let Ok(_place) = self.join_places.try_acquire() else {
                tracing::warn!(%from, "too many join at once; one was closed");
                return;
            };
            self.http(stream, self.joining.clone()).await;
            return;
        }
        let certificates = stream.get_ref().1.peer_certificates();
        let shown = certificates.and_then(<[_]>::first).and_then(node_of);
        let Some(shown) = shown else {
            tracing::warn!(%from, "the certificate is of no node");
            return;
        };
        let peer = NodePeer::Node(Arc::new(Certified {
            node: shown.node,
            serial: shown.serial,
            renewed_from: shown.half,
            address: from,
        }));
        let router = self.nodes.clone().layer(Extension(peer));
        self.http(stream, router).await;
    }

    async fn handshake(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, bool)> {
        let from = stream.peer_addr().ok()?;
        let failed = |error: &dyn std::error::Error| {
            tracing::info!(%from, %error, "no TLS with one who called as a node");
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = start.await.inspect_err(|error| failed(error)).ok()?;
        let joins = start
            .client_hello()
            .alpn()
            .is_some_and(|mut spoken| spoken.any(|one| one == JOIN_PROTOCOL));
        let now = i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX);
        let served = self.authority.served(now);
        let served = served.inspect_err(|error| failed(error)).ok()?;
        let config = if joins { served.joining } else { served.nodes };
        let stream = start.into_stream(config).await;
        let stream = stream.inspect_err(|error| failed(error)).ok()?;
        Some((stream, joins))
    }

    async fn http(&self, stream: TlsStream<TcpStream>, router: Router) {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .max_buf_size(HEAD_OCTETS);
        let service = TowerToHyperService::new(router);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a node's connection broke"
            );
        }
    }
}

/// The most connections; a node has a few at a time.
const CONNECTIONS: usize = 4_096;
/// The most that join at once.
const JOINING: usize = 16;
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(10);
const HEAD_OCTETS: usize = 16 * 1024;
/// How long to wait when the system has no more files.
const AFTER_FAULT: Duration = Duration::from_millis(100);

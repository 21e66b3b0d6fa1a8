//! The address that nodes of other machines reach: TLS 1.3 alone, and no connection without a
//! certificate of the authority, but for those that say that they want to join.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proto::id::NodeId;
use proto::join::JOIN_PROTOCOL;
use proto::rpc::HEARTBEAT_SECONDS;
use rustls::server::Acceptor;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::Patient;
use super::places::{Place, Places, neighbourhood};
use super::refused::{Refused, Why};
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
        nodes: rpc::router(Arc::clone(&app))
            .layer(from_fn_with_state(Arc::clone(&app), still_a_node)),
        joining: join::router(Arc::clone(&app)),
        handshakes: Places::new(HANDSHAKES, HANDSHAKES_EACH),
        joins: Places::new(JOINING, JOINING_EACH),
        connections: Places::new(CONNECTIONS, CONNECTIONS_EACH),
        refused: Refused::new(app.metrics.node_connections_refused.clone()),
        stop: stop.clone(),
    });
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
        let Some(place) = server.handshakes.take(neighbourhood(from.ip())) else {
            server.refuse(Why::Handshakes, from, None);
            continue;
        };
        let server = Arc::clone(&server);
        tracker.spawn(async move { server.connection(stream, from, place).await });
    }
    tracker.close();
    tracker.wait().await;
}

/// Whoever's certificate is no good any more is told so before anything of the body is read.
async fn still_a_node(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<NodePeer>,
    request: Request,
    next: Next,
) -> Response {
    let good = match &peer {
        NodePeer::Socket => Ok(()),
        NodePeer::Node(certified) => peer.speaks_for(&app, &certified.node).await,
    };
    match good {
        Ok(()) => next.run(request).await,
        Err(error) => rpc::Failure::from(error).into_response(),
    }
}

struct Server {
    authority: Arc<NodeAuthority>,
    nodes: Router,
    joining: Router,
    /// Of those who are nobody yet.
    handshakes: Arc<Places<IpAddr>>,
    joins: Arc<Places<IpAddr>>,
    connections: Arc<Places<NodeId>>,
    refused: Refused,
    stop: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream, from: SocketAddr, place: Place<IpAddr>) {
        drop(stream.set_nodelay(true));
        // Whoever went without a word is known by what is not acknowledged.
        drop(SockRef::from(&stream).set_tcp_user_timeout(Some(UNANSWERED)));
        let handshake = tokio::time::timeout(HANDSHAKE, self.handshake(stream, from));
        let (stream, joins) = match handshake.await {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(_) => return self.refuse(Why::Late, from, None),
        };
        drop(place);
        if joins {
            let Some(_place) = self.joins.take(neighbourhood(from.ip())) else {
                return self.refuse(Why::Joining, from, None);
            };
            let router = self.joining.clone().layer(Extension(join::Joins(from)));
            let joining = self.http(stream, router);
            if tokio::time::timeout(JOIN, joining).await.is_err() {
                self.refuse(Why::Late, from, None);
            }
            return;
        }
        let certificates = stream.get_ref().1.peer_certificates();
        let shown = certificates.and_then(<[_]>::first).and_then(node_of);
        let Some(shown) = shown else {
            return self.refuse(Why::NoNode, from, None);
        };
        let Some(_place) = self.connections.take(shown.node.clone()) else {
            return self.refuse(Why::Connections, from, None);
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

    fn refuse(&self, why: Why, from: SocketAddr, error: Option<&str>) {
        self.refused.note(why, from, error, now_ms());
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<(TlsStream<TcpStream>, bool)> {
        let failed = |error: &dyn std::error::Error| {
            self.refuse(Why::Tls, from, Some(&error.to_string()));
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
        let connection =
            http.serve_connection(TokioIo::new(Patient::new(stream, UNTAKEN)), service);
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

/// The most connections of nodes, and of one: a node has a few at a time.
const CONNECTIONS: usize = 4_096;
const CONNECTIONS_EACH: usize = 32;
/// The most that agree on TLS at once, and of one address.
const HANDSHAKES: usize = 1_024;
const HANDSHAKES_EACH: usize = 32;
/// The most that join at once, and of one address.
const JOINING: usize = 64;
const JOINING_EACH: usize = 4;
/// How long joining may take.
const JOIN: Duration = Duration::from_secs(60);
/// How long what was sent may be without a word of the other machine: three heartbeats.
const UNANSWERED: Duration = Duration::from_secs(3 * HEARTBEAT_SECONDS);
/// How long the other side may take nothing of what is written.
const UNTAKEN: Duration = Duration::from_secs(60);
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(10);
const HEAD_OCTETS: usize = 16 * 1024;
/// How long to wait when the system has no more files.
const AFTER_FAULT: Duration = Duration::from_millis(100);

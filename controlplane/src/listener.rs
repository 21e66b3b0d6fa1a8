//! The TCP side of an admin address: connections, their bounds, and TLS where it is served. What a
//! request means is not known here.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An admin address that is bound.
pub struct AdminListener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    /// Connections that have shaken no hands yet: one that is slow holds up nobody.
    greeted: JoinSet<Option<(Connection, SocketAddr)>>,
}

impl AdminListener {
    /// Serves what is bound: with TLS, or as it is.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self {
            tcp,
            tls: tls.map(TlsAcceptor::from),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            greeted: JoinSet::new(),
        }
    }

    async fn next(&mut self) -> io::Result<(Connection, SocketAddr)> {
        loop {
            tokio::select! {
                Some(done) = self.greeted.join_next() => {
                    if let Ok(Some(greeted)) = done {
                        return Ok(greeted);
                    }
                }
                accepted = accept(&self.tcp, &self.places), if self.greeted.len() < HANDSHAKES => {
                    let (stream, from, place) = accepted?;
                    // Answers are small: waiting to fill a segment only delays them.
                    drop(stream.set_nodelay(true));
                    match self.tls.clone() {
                        Some(tls) => drop(self.greeted.spawn(greet(tls, stream, from, place))),
                        None => return Ok((Connection { stream: Stream::Plain(stream), _place: place }, from)),
                    }
                }
            }
        }
    }
}

async fn accept(
    tcp: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, from) = tcp.accept().await?;
    Ok((stream, from, place))
}

async fn greet(
    tls: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
) -> Option<(Connection, SocketAddr)> {
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let stream = Stream::Tls(Box::new(stream));
            let connection = Connection {
                stream,
                _place: place,
            };
            Some((connection, from))
        }
        Ok(Err(error)) => {
            tracing::debug!(%from, error = &error as &dyn std::error::Error, "no TLS came about");
            None
        }
        Err(_) => None,
    }
}

impl axum::serve::Listener for AdminListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.next().await {
                Ok(accepted) => return accepted,
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
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub struct Peer(
    /// The connection's other end.
    pub SocketAddr,
);

impl Connected<IncomingStream<'_, AdminListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, AdminListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection; its place is free again when it ends.
pub struct Connection {
    stream: Stream,
    _place: OwnedSemaphorePermit,
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
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
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
/// The most of them that are shaking hands.
const HANDSHAKES: usize = 64;
/// How long a peer may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

//! The caller's side.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Calls a server on a Unix socket, or one of another machine by TLS, with a connection of its own
/// for each call.
#[derive(Clone, Debug)]
pub struct Client {
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Socket(PathBuf),
    Tls(Tls),
}

/// A server of another machine.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `HOST:PORT`; an IPv6 address stands in brackets.
    pub address: String,
    /// What its certificate must be for.
    pub name: ServerName<'static>,
    /// How it is spoken to; each call takes what is there then.
    pub config: watch::Receiver<Arc<ClientConfig>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    /// Names the socket; nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            way: Way::Socket(path.into()),
        }
    }

    /// Names a server of another machine; nothing is opened yet.
    #[must_use]
    pub const fn tls(tls: Tls) -> Self {
        Self { way: Way::Tls(tls) }
    }

    /// Posts a JSON document and reads one.
    ///
    /// # Errors
    /// [`CallError`]; a status other than 2xx is [`CallError::Refused`].
    pub async fn post<Q, A>(&self, path: &str, body: &Q, limit: Duration) -> Result<A, CallError>
    where
        Q: Serialize + Sync + ?Sized,
        A: DeserializeOwned,
    {
        let octets = self
            .exchange(Method::POST, path, json(body)?, limit)
            .await?;
        serde_json::from_slice(&octets).map_err(|source| CallError::Unreadable { source })
    }

    /// Gets a JSON document.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get<A: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<A, CallError> {
        let octets = self.get_octets(path, limit).await?;
        serde_json::from_slice(&octets).map_err(|source| CallError::Unreadable { source })
    }

    /// Gets a body as it is.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_octets(&self, path: &str, limit: Duration) -> Result<Bytes, CallError> {
        self.exchange(Method::GET, path, Bytes::new(), limit).await
    }

    /// Deletes what a path names, and reads a JSON document that says what that was; an answer
    /// without one reads as `null`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete<A: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<A, CallError> {
        self.octets_or_null(Method::DELETE, path, Bytes::new(), limit)
            .await
    }

    /// Sends a JSON document by any method, and reads one; an answer without one reads as `null`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<Q, A>(
        &self,
        method: Method,
        path: &str,
        body: &Q,
        limit: Duration,
    ) -> Result<A, CallError>
    where
        Q: Serialize + Sync + ?Sized,
        A: DeserializeOwned,
    {
        self.octets_or_null(method, path, json(body)?, limit).await
    }

    async fn octets_or_null<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<A, CallError> {
        let octets = self.exchange(method, path, body, limit).await?;
        let octets = match octets.is_empty() {
            true => Bytes::from_static(b"null"),
            false => octets,
        };
        serde_json::from_slice(&octets).map_err(|source| CallError::Unreadable { source })
    }

    /// Posts a JSON document and reads the answer line by line, as the lines come. The answer must
    /// begin within a minute.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stream<Q: Serialize + Sync + ?Sized>(
        &self,
        path: &str,
        body: &Q,
    ) -> Result<Lines, CallError> {
        let body = json(body)?;
        let begin = async { Lines::of(self.send(Method::POST, path, body, ANY).await?).await };
        tokio::time::timeout(BEGIN_LIMIT, begin)
            .await
            .map_err(|_| CallError::TimedOut { limit: BEGIN_LIMIT })?
    }

    /// Gets a body line by line, as the lines come, in the form that `accept` names.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_lines(&self, path: &str, accept: &'static str) -> Result<Lines, CallError> {
        let sent = self.send(Method::GET, path, Bytes::new(), accept).await?;
        Lines::of(sent).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let call = async {
            let (connection, response) = self.send(method, path, body, ANY).await?;
            let (head, body) = response.into_parts();
            let octets = collect(body).await;
            drop(connection);
            let octets = octets?;
            if head.status.is_success() {
                Ok(octets)
            } else {
                Err(refused(head.status, &octets))
            }
        };
        tokio::time::timeout(limit, call)
            .await
            .map_err(|_| CallError::TimedOut { limit })?
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        accept: &'static str,
    ) -> Result<(Aborted, Response<Incoming>), CallError> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "lives exactly as long as the guard it is put in"
        )]
        let connection = Aborted(tokio::spawn(async move { drop(connection.await) }));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept)
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        Ok((connection, response))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, CallError> {
        match &self.way {
            Way::Socket(path) => {
                let stream = UnixStream::connect(path).await;
                let stream = stream.map_err(|source| CallError::Unreachable {
                    path: path.clone(),
                    source,
                })?;
                Ok(Box::new(stream))
            }
            Way::Tls(tls) => {
                let config = Arc::clone(&tls.config.borrow());
                let connecting = async {
                    let stream = TcpStream::connect(&tls.address).await?;
                    stream.set_nodelay(true)?;
                    TlsConnector::from(config)
                        .connect(tls.name.clone(), stream)
                        .await
                };
                let stream = tokio::time::timeout(CONNECT_LIMIT, connecting)
                    .await
                    .map_err(|_| CallError::TimedOut {
                        limit: CONNECT_LIMIT,
                    })?
                    .map_err(|source| CallError::Unreachable {
                        path: PathBuf::from(format!("https://{}", tls.address)),
                        source,
                    })?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// The lines of a streamed answer.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// Octets of the buffer that hold no line's end.
    scanned: usize,
    #[expect(dead_code, reason = "ends the connection when dropped")]
    connection: Aborted,
}

impl Lines {
    async fn of((connection, response): (Aborted, Response<Incoming>)) -> Result<Self, CallError> {
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let octets = collect(body).await.unwrap_or_default();
            return Err(refused(head.status, &octets));
        }
        Ok(Self {
            body,
            buffer: BytesMut::new(),
            scanned: 0,
            connection,
        })
    }

    /// The next line, without its end; none when the stream has ended. Safe to cancel.
    ///
    /// # Errors
    /// [`CallError::Broken`] when the connection broke, [`CallError::TooLong`] for a line of over
    /// 64 MiB.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            let fresh = self.buffer.iter().skip(self.scanned);
            if let Some(end) = fresh.into_iter().position(|&octet| octet == b'\n') {
                let line = self.buffer.split_to(self.scanned + end).freeze();
                self.buffer.advance(1);
                self.scanned = 0;
                return Ok(Some(line));
            }
            self.scanned = self.buffer.len();
            if self.buffer.len() > BODY_OCTETS {
                return Err(CallError::TooLong);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// Ends the connection's task with the call.
#[derive(Debug)]
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody serves the socket, this user may not open it, or TLS has no trust in the other side.
    #[error("cannot reach {}", path.display())]
    Unreachable {
        /// The socket, or the URL of another machine.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No whole answer within the limit.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// The request could not be written down.
    #[error("the request is not possible")]
    Request(#[from] http::Error),
    /// The server answered with an error.
    #[error("refused with status {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The body, cut at 4,096 octets.
        body: String,
    },
    /// The answer is no such document.
    #[error("the answer cannot be read")]
    Unreadable {
        /// The JSON fault.
        source: serde_json::Error,
    },
    /// The answer is longer than 64 MiB.
    #[error("the answer is too long")]
    TooLong,
}

fn json<Q: Serialize + ?Sized>(body: &Q) -> Result<Bytes, CallError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|source| CallError::Unreadable { source })
}

async fn collect(body: Incoming) -> Result<Bytes, CallError> {
    match Limited::new(body, BODY_OCTETS).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err(CallError::Broken(*error)),
            Err(_) => Err(CallError::TooLong),
        },
    }
}

fn refused(status: StatusCode, body: &[u8]) -> CallError {
    let body = body.get(..body.len().min(SHOWN_OCTETS)).unwrap_or_default();
    CallError::Refused {
        status: status.as_u16(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// Whatever the server has.
const ANY: &str = "*/*";
const BODY_OCTETS: usize = 64 * 1024 * 1024;
const SHOWN_OCTETS: usize = 4_096;
/// How long a stream may take until it begins; longer than a database may be silent.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);
/// How long another machine may take until it is spoken to.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

//! One `POST`, in a bounded time. No other address is followed to, and of the answer only its status
//! is looked at.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::{Address, Reach};

/// What is sent, and where.
pub(crate) struct Post<'a> {
    pub(crate) address: &'a Address,
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) reach: Reach,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why it was not taken. Nothing of the request or the body of the answer is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The name is unknown.
    #[error("{host} is not found by its name")]
    Resolve {
        host: String,
        source: std::io::Error,
    },
    /// The name means a machine that it may not.
    #[error(
        "{host} is in a private network, where notices go only if an administrator named the host"
    )]
    Private { host: String },
    /// Nobody listens there.
    #[error("{host} is not reached")]
    Connect {
        host: String,
        source: std::io::Error,
    },
    /// It is not who it should be, or speaks no TLS.
    #[error("{host} is not believed")]
    Handshake {
        host: String,
        source: std::io::Error,
    },
    /// It broke off.
    #[error("{host} broke off")]
    Broken { host: String, source: hyper::Error },
    /// It took too long.
    #[error("{host} did not answer within {}", seconds(*limit))]
    Late { host: String, limit: Duration },
    /// It sends on to somewhere else.
    #[error("{host} answers {status} and names another address, which is not followed")]
    Redirect { host: String, status: StatusCode },
    /// It refused.
    #[error("{host} answers {status}")]
    Status { host: String, status: StatusCode },
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
}

impl PostError {
    /// Whether it may go well a moment later, and nothing was taken now. Who answers 502 or 504 passed it on,
    /// perhaps to somebody who took it.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } => true,
            Self::Status { status, .. } => matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ),
            _ => false,
        }
    }

    /// For a person, with its causes.
    pub(crate) fn why(&self) -> String {
        let mut why = self.to_string();
        let mut cause = self.source();
        while let Some(found) = cause {
            why.push_str(": ");
            why.push_str(&found.to_string());
            cause = found.source();
        }
        why
    }
}

/// Sends it. It takes 15 s at most.
///
/// # Errors
/// [`PostError`]; any answer but one of success is one.
pub(crate) async fn post(post: Post<'_>) -> Result<(), PostError> {
    let host = post.address.host.clone();
    match tokio::time::timeout(LIMIT, exchange(post)).await {
        Ok(answered) => answered,
        Err(_) => Err(PostError::Late { host, limit: LIMIT }),
    }
}

async fn exchange(post: Post<'_>) -> Result<(), PostError> {
    let Post {
        address,
        tls,
        reach,
        headers,
        body,
    } = post;
    let host = || address.host.clone();
    let connecting = tokio::time::timeout(CONNECT_LIMIT, connect(address, reach));
    let stream = connecting.await.unwrap_or_else(|_| {
        Err(PostError::Late {
            host: host(),
            limit: CONNECT_LIMIT,
        })
    })?;
    let not_believed = |source| PostError::Handshake {
        host: host(),
        source,
    };
    let stream: Box<dyn Stream> = if address.secure {
        let name = ServerName::try_from(address.host.clone())
            .map_err(|error| not_believed(std::io::Error::other(error)))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        Box::new(
            connector
                .connect(name, stream)
                .await
                .map_err(not_believed)?,
        )
    } else {
        Box::new(stream)
    };
    let broken = |source| PostError::Broken {
        host: host(),
        source,
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&address.path)
        .header(header::HOST, &address.authority)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .header(header::USER_AGENT, USER_AGENT)
        .body(Full::new(body))?;
    request.headers_mut().extend(headers);
    let asking = async { sender.send_request(request).await.map_err(broken) };
    tokio::pin!(asking);
    tokio::pin!(connection);
    let response = tokio::select! {
        response = asking.as_mut() => response,
        // It must be driven meanwhile; what it came to, asking says better.
        _ = connection.as_mut() => asking.await,
    };
    let (status, host) = (response?.status(), host());
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_redirection() => Err(PostError::Redirect { host, status }),
        _ => Err(PostError::Status { host, status }),
    }
}

/// Connects to the first of the host's machines that may be and answers.
async fn connect(address: &Address, reach: Reach) -> Result<TcpStream, PostError> {
    let host = || address.host.clone();
    let reach = if address.secure {
        reach
    } else {
        Reach::ThisMachine
    };
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let found = found.map_err(|source| PostError::Resolve {
        host: host(),
        source,
    })?;
    let allowed = |at: &SocketAddr| reach.allows(at.ip());
    let mut refused = None;
    for at in found.filter(allowed).take(MAX_ADDRESSES) {
        match TcpStream::connect(at).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Some(error),
        }
    }
    Err(match refused {
        Some(source) => PostError::Connect {
            host: host(),
            source,
        },
        None => PostError::Private { host: host() },
    })
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// How long all of it may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);
/// How long it may take to find and reach the host.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::trust::{self, Roots};
    use super::*;
    use crate::double::{Double, Say};

    async fn sent(double: &Double, ca_pem: &str, reach: Reach) -> Result<(), String> {
        let address = Address::parse(&double.url("/x")).unwrap();
        let tls = trust::client(Roots::Only(ca_pem)).unwrap();
        let sent = post(Post {
            address: &address,
            tls: &tls,
            reach,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"body"),
        });
        sent.await.map_err(|error| error.why())
    }

    #[tokio::test]
    async fn an_answer_is_its_status() {
        let mut double = Double::secure().await;
        for (say, want) in [
            (Say::Status(200), None),
            (Say::Status(201), None),
            (Say::Status(404), Some("localhost answers 404")),
            (Say::Status(500), Some("localhost answers 500")),
            (
                Say::Elsewhere,
                Some("localhost answers 302 Found and names another address"),
            ),
        ] {
            double.say(&[say]);
            let error = sent(&double, &double.ca_pem, Reach::Any).await.err();
            assert_eq!(double.heard().await.body, b"body");
            assert_eq!(error.is_some(), want.is_some(), "{say:?} {error:?}");
            let error = error.unwrap_or_default();
            assert!(error.contains(want.unwrap_or_default()), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_whom_it_is_not_for() {
        let mut double = Double::secure().await;
        let other = Double::secure().await;
        let error = sent(&double, &double.ca_pem, Reach::Public)
            .await
            .unwrap_err();
        assert!(
            error.starts_with("localhost is in a private network"),
            "{error}"
        );
        let error = sent(&double, &other.ca_pem, Reach::Any).await.unwrap_err();
        assert!(error.starts_with("localhost is not believed: "), "{error}");
        assert!(double.is_quiet());
    }
}

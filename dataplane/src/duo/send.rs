//! Speaks HTTP over one connection: opens it, and exchanges one request for its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, RETRY_AFTER, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::date::parse_http_date;
use super::dial::{self, Dialer};
use super::failure::{Failure, FailureKind};
use super::pool::Shared;
use super::trust::{ALPN_H2, BuildError};
use super::wire::BODY_OCTETS;

/// Sends one request at a time.
pub(crate) type H1 = http1::SendRequest<Full<Bytes>>;
/// Sends many at a time.
pub(crate) type H2 = http2::SendRequest<Full<Bytes>>;

/// What carries a request.
pub(crate) enum Carrier {
    /// The whole of an HTTP/1.1 connection.
    H1(H1),
    /// One stream of an HTTP/2 connection.
    H2(H2),
}

/// A new connection, with what must run for it to work; that ends with the connection.
pub(crate) enum Opened {
    H1(H1, Driver),
    /// With the peer's limit on streams.
    H2(H2, Arc<AtomicUsize>, Driver),
}

pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens a connection that speaks what TLS agreed on; HTTP/1.1 when that is nothing.
///
/// # Errors
/// Of the kind [`FailureKind::Connect`], or Internal as [`Dialer::dial`] says.
pub(crate) async fn open(dialer: &Dialer, shared: &Shared) -> Result<Opened, Failure> {
    #[cfg(test)]
    if let Some(stream) = dialer.simulated().await {
        return speak(stream?, false, shared).await;
    }
    let tls = dialer.dial().await?;
    let multiplexed = tls.get_ref().1.alpn_protocol() == Some(ALPN_H2);
    speak(tls, multiplexed, shared).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    multiplexed: bool,
    shared: &Shared,
) -> Result<Opened, Failure> {
    // In a box: the library keeps room for the whole connection in the task of each HTTP/2 request.
    let io = TokioIo::new(Box::new(stream));
    let fault = |fault: hyper::Error| connect_failure(format!("no HTTP: {fault}"));
    if !multiplexed {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_OCTETS)
            .handshake(io)
            .await
            .map_err(fault)?;
        return Ok(Opened::H1(sender, Box::pin(drive(connection))));
    }
    let observed = Arc::new(Observed::default());
    let spawner = Spawner {
        tasks: shared.tasks.clone(),
        cancel: shared.cancel.clone(),
        observed: Arc::clone(&observed),
    };
    let (sender, mut connection) = http2::Builder::new(spawner)
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .max_header_list_size(HEAD_LIST_OCTETS)
        .initial_max_send_streams(0)
        .handshake(io)
        .await
        .map_err(fault)?;
    // The peer's settings tell how many streams it takes: zero until they are here.
    let settings = async {
        while connection.current_max_send_streams() == 0 && !observed.ended.load(Ordering::Acquire)
        {
            observed.polled.notified().await;
        }
    };
    if timeout(SETTINGS_LIMIT, settings).await.is_err()
        || connection.current_max_send_streams() == 0
    {
        return Err(connect_failure("no HTTP/2 settings came".to_owned()));
    }
    let limit = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let shown = Arc::clone(&limit);
    // The peer may change its mind: looked at whenever the connection moves.
    let watched = std::future::poll_fn(move |context| {
        let poll = Pin::new(&mut connection).poll(context);
        shown.store(connection.current_max_send_streams(), Ordering::Relaxed);
        poll
    });
    Ok(Opened::H2(sender, limit, Box::pin(drive(watched))))
}

async fn drive(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(fault) = connection.await {
        tracing::debug!(
            error = &fault as &dyn std::error::Error,
            "second factor's connection ended"
        );
    }
}

/// Runs what an HTTP/2 connection needs as tasks of the pool.
#[derive(Clone)]
struct Spawner {
    tasks: TaskTracker,
    cancel: CancellationToken,
    observed: Arc<Observed>,
}

/// The connection's own task, so that the one who opens it can wait for the peer's settings.
#[derive(Default)]
struct Observed {
    started: AtomicBool,
    ended: AtomicBool,
    polled: Notify,
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        // The first is the connection itself; the others belong to one request each.
        if self.observed.started.swap(true, Ordering::AcqRel) {
            self.tasks.spawn(future);
            return;
        }
        let observed = Arc::clone(&self.observed);
        let mut future = Box::pin(future);
        let watched = std::future::poll_fn(move |context| {
            let poll = future.as_mut().poll(context);
            if poll.is_ready() {
                observed.ended.store(true, Ordering::Release);
            }
            observed.polled.notify_one();
            poll
        });
        let cancel = self.cancel.clone();
        self.tasks
            .spawn(async move { cancel.run_until_cancelled_owned(watched).await });
    }
}

/// What is the same in every request to one host.
pub(crate) struct Target {
    authority: Authority,
    host: HeaderValue,
}

impl Target {
    /// The Host header carries the port unless it is 443.
    pub(crate) fn new(host: &str, port: u16) -> Result<Self, BuildError> {
        let bad = || BuildError::Host {
            host: host.to_owned(),
        };
        let bare = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let text = match port {
            443 => bare,
            _ => format!("{bare}:{port}"),
        };
        Ok(Self {
            authority: text.parse().map_err(|_| bad())?,
            host: HeaderValue::from_str(&text).map_err(|_| bad())?,
        })
    }
}

/// A request with its signature.
pub(crate) struct Signed {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) parameters: Bytes,
    pub(crate) date: HeaderValue,
    pub(crate) authorization: HeaderValue,
}

impl Signed {
    fn request(&self, target: &Target, carrier: &Carrier) -> Option<Request<Full<Bytes>>> {
        let post = self.method == Method::POST;
        let path = if post || self.parameters.is_empty() {
            PathAndQuery::from_static(self.path)
        } else {
            let mut text = Vec::with_capacity(self.path.len() + 1 + self.parameters.len());
            text.extend_from_slice(self.path.as_bytes());
            text.push(b'?');
            text.extend_from_slice(&self.parameters);
            PathAndQuery::from_maybe_shared(Bytes::from(text)).ok()?
        };
        let mut headers = HeaderMap::with_capacity(8);
        let (uri, version) = match carrier {
            Carrier::H1(_) => {
                headers.insert(HOST, target.host.clone());
                (Uri::from(path), Version::HTTP_11)
            }
            Carrier::H2(_) => {
                let mut parts = http::uri::Parts::default();
                parts.scheme = Some(Scheme::HTTPS);
                parts.authority = Some(target.authority.clone());
                parts.path_and_query = Some(path);
                (Uri::from_parts(parts).ok()?, Version::HTTP_2)
            }
        };
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(DATE, self.date.clone());
        headers.insert(USER_AGENT, AGENT);
        let body = if post {
            headers.insert(CONTENT_TYPE, FORM);
            Full::new(self.parameters.clone())
        } else {
            Full::default()
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) body: Bytes,
}

/// When a busy service wants to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// Seconds from now.
    Seconds(u64),
    /// Seconds since 1970.
    At(u64),
}

/// Why there is no answer.
pub(crate) enum SendFault {
    /// Nothing was sent, or nothing was done with it: the peer says so.
    Unsent(String),
    /// The connection broke before any part of the answer.
    Broken(String),
    /// There is no answer, and that is final.
    Final(Failure),
}

/// Sends a request and takes in its answer.
pub(crate) async fn exchange(
    carrier: &mut Carrier,
    signed: &Signed,
    target: &Target,
) -> Result<Answer, SendFault> {
    let Some(request) = signed.request(target, carrier) else {
        return Err(SendFault::Final(Failure {
            kind: FailureKind::Internal,
            detail: "the request cannot be written down".to_owned(),
        }));
    };
    let sent = match carrier {
        Carrier::H1(sender) => {
            if let Err(fault) = sender.ready().await {
                return Err(SendFault::Unsent(describe(&fault)));
            }
            sender.try_send_request(request).await
        }
        Carrier::H2(sender) => sender.try_send_request(request).await,
    };
    let response = sent.map_err(not_answered)?;
    let (head, body) = response.into_parts();
    Ok(Answer {
        status: head.status,
        retry_after: retry_after(&head.headers),
        body: collect(body).await.map_err(SendFault::Final)?,
    })
}

fn not_answered(mut fault: TrySendError<Request<Full<Bytes>>>) -> SendFault {
    let unsent = fault.take_message().is_some();
    let fault = fault.into_error();
    let unsent = unsent || is_refused(&fault);
    let detail = describe(&fault);
    if unsent {
        SendFault::Unsent(detail)
    } else if fault.is_parse() {
        SendFault::Final(Failure {
            kind: FailureKind::Unreadable,
            detail: format!("the answer is not HTTP: {detail}"),
        })
    } else {
        SendFault::Broken(detail)
    }
}

/// Whether the peer has said that it did not and will not look at the request, as one does that closes a
/// connection in good order while requests are on their way (RFC 9113 sections 6.8 and 8.7). Those that
/// it did take are not ended by its GOAWAY.
fn is_refused(fault: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(fault);
    while let Some(fault) = cause {
        if let Some(fault) = fault.downcast_ref::<h2::Error>() {
            let reason = fault.reason();
            return fault.is_remote()
                && (fault.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                    || fault.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM));
        }
        cause = fault.source();
    }
    false
}

async fn collect(body: Incoming) -> Result<Bytes, Failure> {
    match Limited::new(body, BODY_OCTETS).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(super::wire::too_long()),
        Err(fault) => Err(Failure {
            kind: FailureKind::Closed,
            detail: format!("the answer was cut short: {}", chain(&*fault)),
        }),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let value = headers
        .get(RETRY_AFTER)
        .or_else(|| headers.get(X_RETRY_AFTER))?
        .to_str()
        .ok()?
        .trim();
    match value.parse() {
        Ok(seconds) => Some(RetryAfter::Seconds(seconds)),
        Err(_) => parse_http_date(value).map(RetryAfter::At),
    }
}

fn describe(fault: &hyper::Error) -> String {
    chain(fault)
}

fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(fault) = cause {
        text.push_str(": ");
        text.push_str(&fault.to_string());
        cause = fault.source();
    }
    text.chars().take(DETAIL).collect()
}

const fn connect_failure(detail: String) -> Failure {
    Failure {
        kind: FailureKind::Connect,
        detail,
    }
}

const AGENT: HeaderValue = HeaderValue::from_static(dial::USER_AGENT);
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const X_RETRY_AFTER: &str = "x-retry-after";
/// The longest head of an HTTP/1.1 answer, and the read buffer's limit.
const HEAD_OCTETS: usize = 64 * 1024;
/// The longest head of an HTTP/2 answer, unpacked.
const HEAD_LIST_OCTETS: u32 = 64 * 1024;
/// How often an HTTP/2 connection is probed, and how long the probe may take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// For the first frame of an HTTP/2 peer.
const SETTINGS_LIMIT: Duration = Duration::from_secs(10);
/// Characters of a fault's text that are kept.
const DETAIL: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_carries_an_unusual_port() {
        for (host, port, want) in [
            ("api.test", 443, "api.test"),
            ("api.test", 8402, "api.test:8402"),
            ("::1", 8402, "[::1]:8402"),
            ("192.0.2.1", 443, "192.0.2.1"),
        ] {
            let target = Target::new(host, port).unwrap();
            assert_eq!(target.host, want);
            assert_eq!(target.authority.as_str(), want);
        }
        assert!(Target::new("a b", 443).is_err());
    }

    /// What a peer does with the first request.
    #[derive(Clone, Copy, Debug)]
    enum Peer {
        ClosesBeforeIt,
        ClosesAfterIt,
        Resets(h2::Reason),
    }

    async fn fault_of(peer: Peer) -> SendFault {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let serving = async {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let mut first = None;
            if !matches!(peer, Peer::ClosesBeforeIt) {
                first = connection.accept().await;
            }
            match (peer, &mut first) {
                (Peer::Resets(reason), Some(Ok((_, respond)))) => respond.send_reset(reason),
                _ => connection.abrupt_shutdown(h2::Reason::NO_ERROR),
            }
            // Whatever is to be said is said.
            drop(connection.accept().await);
        };
        let asking = async {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (sender, connection) = http2::handshake(executor, TokioIo::new(ours))
                .await
                .unwrap();
            let signed = Signed {
                method: Method::POST,
                path: "/auth/v2/auth",
                parameters: Bytes::from_static(b"a=b"),
                date: HeaderValue::from_static("x"),
                authorization: HeaderValue::from_static("x"),
            };
            let target = Target::new("api.test", 443).unwrap();
            let mut carrier = Carrier::H2(sender);
            let exchanged = exchange(&mut carrier, &signed, &target);
            let driven = async {
                drop(connection.await);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                answer = exchanged => answer.err().unwrap(),
                () = driven => unreachable!(),
            }
        };
        let served = async {
            serving.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            fault = asking => fault,
            () = served => unreachable!(),
        }
    }

    #[tokio::test]
    async fn what_the_peer_did_not_look_at_counts_as_unsent() {
        for (peer, want) in [
            (Peer::ClosesBeforeIt, true),
            (Peer::ClosesAfterIt, false),
            (Peer::Resets(h2::Reason::REFUSED_STREAM), true),
            (Peer::Resets(h2::Reason::INTERNAL_ERROR), false),
        ] {
            let fault = fault_of(peer).await;
            let unsent = matches!(fault, SendFault::Unsent(_));
            assert_eq!(unsent, want, "{peer:?}");
            assert!(unsent || matches!(fault, SendFault::Broken(_)), "{peer:?}");
        }
    }

    #[test]
    fn both_names_and_forms_of_retry_after_are_read() {
        for (name, value, want) in [
            ("retry-after", "7", Some(RetryAfter::Seconds(7))),
            ("x-retry-after", " 7 ", Some(RetryAfter::Seconds(7))),
            (
                "retry-after",
                "Sun, 06 Nov 1994 08:49:37 GMT",
                Some(RetryAfter::At(784_111_777)),
            ),
            ("retry-after", "-7", None),
            ("retry-later", "7", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers), want, "{name}: {value}");
        }
    }
}

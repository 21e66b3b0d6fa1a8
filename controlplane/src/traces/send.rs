//! One request to the collector, in a bounded time, and what its answer means. No other address is
//! followed to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::metrics::Failed;
use super::otlp;
use super::target::Target;

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The collector took the spans, but so many, for that reason.
    Taken(u64, String),
    /// Later it may do; not before this time, if the collector says so.
    Later(Failed, String, Option<Duration>),
    /// It will not take them.
    Refused(String),
}

/// Sends a body. It takes [`LIMIT`] at most.
pub(super) async fn send(target: &Target, headers: HeaderMap, body: Bytes) -> Sent {
    match tokio::time::timeout(LIMIT, exchange(target, headers, body)).await {
        Ok(Ok(sent)) => sent,
        Ok(Err((failed, why))) => Sent::Later(failed, why, None),
        Err(_) => Sent::Later(
            Failed::TimedOut,
            format!("no answer within {LIMIT:?}"),
            None,
        ),
    }
}

async fn exchange(
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Sent, (Failed, String)> {
    let endpoint = &target.endpoint;
    let not_reached = |error: std::io::Error| (Failed::Connect, error.to_string());
    let broken = |error: hyper::Error| (Failed::Closed, error.to_string());
    let stream = TcpStream::connect(endpoint.host())
        .await
        .map_err(not_reached)?;
    let stream: Box<dyn Stream> = match &target.tls {
        None => Box::new(stream),
        Some((config, name)) => Box::new(
            TlsConnector::from(Arc::clone(config))
                .connect(name.clone(), stream)
                .await
                .map_err(not_reached)?,
        ),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.path())
        .header(header::HOST, endpoint.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .body(Full::new(body))
        .map_err(|error| (Failed::Closed, error.to_string()))?;
    request.headers_mut().extend(headers);
    let asking = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(judge(response).await)
    };
    tokio::select! {
        answer = asking => answer,
        // It must be driven meanwhile; what it came to, asking says better.
        () = async { drop(connection.await); std::future::pending().await } => {
            Err((Failed::Closed, "it closed the connection".to_owned()))
        }
    }
}

/// OTLP specification, "OTLP/HTTP Response".
async fn judge(response: Response<Incoming>) -> Sent {
    let status = response.status();
    let after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(retry_after);
    if status.is_success() {
        let body = Limited::new(response.into_body(), ANSWER_OCTETS).collect();
        // One that took them and cannot say it well took them.
        let body = body.await.map(|body| body.to_bytes()).unwrap_or_default();
        let (spans, why) = otlp::rejected(&body).unwrap_or_default();
        return Sent::Taken(spans, why);
    }
    let why = format!("the collector answers {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Sent::Later(Failed::Status, why, after),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Sent::Refused(format!("{why}; check the file of --otlp-header-file"))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Sent::Refused(format!(
            "{why}; check that --otlp-endpoint is where it takes OTLP over HTTP"
        )),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Sent::Refused(format!("{why}; it must take OTLP as JSON"))
        }
        _ => Sent::Refused(why),
    }
}

/// Seconds; a date is as if nothing were said, and the usual pause does.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// How long a request may take, all of it.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_OCTETS: usize = 64 * 1024;
/// The longest that a collector may have us wait.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_heeded_within_reason() {
        for (value, want) in [
            ("0", Some(Duration::ZERO)),
            (" 7 ", Some(Duration::from_secs(7))),
            ("99999999999", Some(LONGEST_RETRY_AFTER)),
            ("99999999999999999999999", None),
            ("-1", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            assert_eq!(
                retry_after(&HeaderValue::from_static(value)),
                want,
                "{value}"
            );
        }
    }
}

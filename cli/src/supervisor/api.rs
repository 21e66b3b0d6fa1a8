//! Hands what the supervisor does not answer on to the control plane's API socket, where each request
//! is asked who it is from, unless it is for the dashboard's own files. Nothing that comes in here
//! reaches an admin socket.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use controlplane::Peer;
use controlplane::admin::PEER_HEADER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;

/// Where requests are handed to.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) socket: PathBuf,
    pub(crate) tasks: TaskTracker,
}

/// Hands one request on, and its answer back, as they come.
pub(super) async fn hand_on(
    State(api): State<Api>,
    ConnectInfo(Peer(from)): ConnectInfo<Peer>,
    mut request: Request,
) -> Response {
    let authority = request.uri().authority().map(ToString::to_string);
    let path = request.uri().path_and_query().cloned();
    let note = controlplane::note_while_away(request.method(), request.headers());
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    leave_out(headers);
    // In HTTP/2 the host stands beside the headers.
    if !headers.contains_key(header::HOST) {
        let host = authority.and_then(|authority| HeaderValue::from_str(&authority).ok());
        let host = host.unwrap_or(HeaderValue::from_static("localhost"));
        headers.insert(header::HOST, host);
    }
    // Whatever the caller wrote there.
    let Ok(from) = HeaderValue::from_str(&from.to_string()) else {
        return note.unwrap_or_else(away);
    };
    headers.insert(HeaderName::from_static(PEER_HEADER), from);
    match send(&api, request).await {
        Ok(mut response) => {
            leave_out(response.headers_mut());
            response.map(Body::new)
        }
        Err(error) => {
            tracing::warn!(error = &*error, "a request was not handed on");
            note.unwrap_or_else(away)
        }
    }
}

async fn send(
    api: &Api,
    request: Request,
) -> Result<http::Response<hyper::body::Incoming>, Box<dyn std::error::Error>> {
    let stream = UnixStream::connect(&api.socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
    // Ends by itself when the answer is read or nobody reads it any more.
    api.tasks.spawn(async move { drop(connection.await) });
    Ok(sender.send_request(request).await?)
}

/// Takes out what is of one connection alone (RFC 9110 section 7.6.1).
fn leave_out(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_A_CONNECTION) {
        headers.remove(name);
    }
}

/// The control plane is being started again.
fn away() -> Response {
    let body = json!({
        "type": "urn:countersign:problem:unavailable",
        "title": "Not now",
        "status": 503,
        "detail": "the control plane does not answer; try again in a moment",
    });
    let kind = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, kind, body.to_string()).into_response()
}

const OF_A_CONNECTION: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_a_connection_alone_is_not_handed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("connection", "x-other"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("transfer-encoding", "chunked"),
            ("authorization", "Bearer x"),
            ("x-request-id", "1"),
        ] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        leave_out(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-request-id"]);
    }
}

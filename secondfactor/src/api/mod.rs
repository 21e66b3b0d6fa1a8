//! The HTTPS side: routes, credentials, and the endpoints of the Auth API v2.

mod answer;
mod endpoints;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

pub(crate) use answer::{Answer, ApiError, text};

use crate::account::Application;
use crate::metrics::Endpoint;
use crate::pages;
use crate::params::{Pairs, Params};
use crate::service::Service;
use crate::sign::{self, Signed};
use crate::{clock, date};

/// Answers a request.
pub(crate) async fn respond(service: Arc<Service>, request: Request<Incoming>) -> Answer {
    let endpoint = endpoint(request.uri().path());
    let answer = match endpoint {
        Endpoint::Unknown => ApiError::NotFound.answer(),
        Endpoint::Auth | Endpoint::Enroll | Endpoint::Page => {
            let work = route(Arc::clone(&service), endpoint, request);
            let done = service.tasks.spawn(work).await;
            done.unwrap_or_else(|_| ApiError::Internal.answer())
        }
        _ => route(Arc::clone(&service), endpoint, request).await,
    };
    service.metrics.answered(endpoint, answer.status().as_u16());
    answer
}

async fn route(service: Arc<Service>, endpoint: Endpoint, request: Request<Incoming>) -> Answer {
    if endpoint == Endpoint::Page {
        return pages::respond(&service, request).await;
    }
    match serve(&service, endpoint, request).await {
        Ok(answer) => answer,
        Err(error) => error.answer(),
    }
}

/// Reads a whole body.
///
/// # Errors
/// [`ApiError::TooLong`] over 64 KiB; [`ApiError::Invalid`] when it breaks off or takes too long.
pub(crate) async fn body_of(body: Incoming) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let whole = Limited::new(body, BODY_OCTETS).collect();
    match tokio::time::timeout(BODY_TIME, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLong),
        Ok(Err(_)) | Err(_) => Err(ApiError::invalid("body")),
    }
}

fn endpoint(path: &str) -> Endpoint {
    match path.strip_prefix("/auth/v2/") {
        Some("ping") => Endpoint::Ping,
        Some("check") => Endpoint::Check,
        Some("logo") => Endpoint::Logo,
        Some("enroll") => Endpoint::Enroll,
        Some("enroll_status") => Endpoint::EnrollStatus,
        Some("preauth") => Endpoint::Preauth,
        Some("auth") => Endpoint::Auth,
        Some("auth_status") => Endpoint::AuthStatus,
        Some(_) => Endpoint::Unknown,
        None if pages::owns(path) => Endpoint::Page,
        None => Endpoint::Unknown,
    }
}

async fn serve(
    service: &Service,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Result<Answer, ApiError> {
    let wanted = match endpoint {
        Endpoint::Ping | Endpoint::Check | Endpoint::Logo | Endpoint::AuthStatus => Method::GET,
        _ => Method::POST,
    };
    if request.method() != wanted {
        return Err(ApiError::Method);
    }
    if endpoint == Endpoint::Ping {
        return Ok(endpoints::time());
    }
    let (head, body) = request.into_parts();
    let body = body_of(body).await?;
    let application = authenticate(service, &head, &body)?;
    let params = params(&head, &body)?;
    // Held while the call waits, which may be long: what is not needed any more goes.
    drop((head, body));
    match endpoint {
        Endpoint::Check => Ok(endpoints::time()),
        // There is no logo; so says the service that this one stands in for.
        Endpoint::Logo => Err(ApiError::invalid("logo")),
        Endpoint::Enroll => endpoints::enroll(service, &application, &params).await,
        Endpoint::EnrollStatus => endpoints::enroll_status(service, &params).await,
        Endpoint::Preauth => endpoints::preauth(service, &application, &params).await,
        Endpoint::Auth => endpoints::auth(service, &application, &params).await,
        Endpoint::AuthStatus => endpoints::auth_status(service, &application, &params).await,
        Endpoint::Ping | Endpoint::Page | Endpoint::Unknown => Err(ApiError::NotFound),
    }
}

fn params(head: &http::request::Parts, body: &[u8]) -> Result<Params, ApiError> {
    if head.method == Method::GET {
        let query = head.uri.query().unwrap_or_default();
        return Ok(Params::from_pairs(&Pairs::parse(query.as_bytes()))?);
    }
    if is_json(&head.headers) {
        return Ok(Params::from_json(body)?);
    }
    Ok(Params::from_pairs(&Pairs::parse(body))?)
}

fn is_json(headers: &HeaderMap) -> bool {
    text_of(headers, header::CONTENT_TYPE.as_str()).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}

/// Finds out which application signed a request.
fn authenticate(
    service: &Service,
    head: &http::request::Parts,
    body: &[u8],
) -> Result<Arc<Application>, ApiError> {
    let headers = &head.headers;
    let credentials = text_of(headers, header::AUTHORIZATION.as_str()).and_then(sign::credentials);
    let (ikey, signature) = credentials.ok_or(ApiError::NoCredentials)?;
    let application = service.application(&ikey).ok_or(ApiError::UnknownKey)?;
    let sent = headers
        .get("x-duo-date")
        .or_else(|| headers.get(header::DATE));
    let date = match sent {
        Some(value) => Some(value.to_str().map_err(|_| ApiError::BadDate)?),
        None if service.rules.version_one == sign::VersionOne::Refused => {
            return Err(ApiError::NoDate);
        }
        None => None,
    };
    if let Some(date) = date {
        let now_s = clock::unix_s();
        let then_s = date::parse(date).ok_or(ApiError::BadDate)?;
        if then_s.abs_diff(now_s) > WINDOW_SECONDS {
            return Err(ApiError::BadDate);
        }
    }
    let host = text_of(headers, header::HOST.as_str())
        .or_else(|| head.uri.authority().map(http::uri::Authority::as_str))
        .unwrap_or_default();
    let x_duo: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| name.starts_with("x-duo-"))
        .collect();
    let request = Signed {
        method: head.method.as_str(),
        host,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        body,
        json: is_json(headers),
        date,
        x_duo: &x_duo,
    };
    let version_one = service.rules.version_one;
    let signed = application
        .keys_of(&ikey, clock::unix_ms())
        .any(|keys| sign::verify(keys, &request, &signature, version_one));
    if signed {
        Ok(application)
    } else {
        Err(ApiError::BadSignature)
    }
}

/// A header's text; none when it is absent or no text.
pub(crate) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The longest body, in octets; `pushinfo` may have 20,000.
const BODY_OCTETS: usize = 64 * 1024;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(15);

/// How far a request's date may be from now, either way.
const WINDOW_SECONDS: u64 = 300;

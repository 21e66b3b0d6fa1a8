//! The HTTPS side: routes, credentials, and the endpoints of the Auth API v2. `legacy` is what older
//! clients speak.

mod answer;
mod endpoints;
mod forms;
mod legacy;
mod voice;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use answer::{Answer, ApiError, text};
pub(crate) use forms::form_of;

use self::endpoints::Reply;
use self::legacy::Dialect;
use crate::account::Application;
use crate::gate::{Inside, Talk};
use crate::metrics::Endpoint;
use crate::params::{Pairs, Params};
use crate::service::Service;
use crate::sign::{self, Signed};
use crate::{app, pages};
use crate::{clock, date};

/// Answers a request of a connection.
pub(crate) async fn respond(
    service: Arc<Service>,
    talk: Arc<Talk>,
    request: Request<Incoming>,
) -> Answer {
    let _answers = talk.answers();
    let (endpoint, dialect) = endpoint(&service, request.uri().path());
    let answer = match endpoint {
        Endpoint::Unknown => ApiError::NotFound.answer(),
        Endpoint::Voice => {
            let own = Arc::clone(&service);
            let work = async move { voice::respond(&own, request).await };
            let done = service.tasks.spawn(work).await;
            done.unwrap_or_else(|_| ApiError::Internal.answer())
        }
        // What only reads ends with its caller. In boxes, as what follows: nothing of it is kept while an
        // answer waits for a person, as 20,000 may.
        Endpoint::Page if request.method() == Method::GET => {
            Box::pin(page(&service, request)).await
        }
        Endpoint::Page => {
            let own = Arc::clone(&service);
            let work = async move { page(&own, request).await };
            let done = service.tasks.spawn(work).await;
            done.unwrap_or_else(|_| ApiError::Internal.answer())
        }
        _ => {
            let served = Box::pin(serve(&service, &talk, (endpoint, dialect), request)).await;
            let answer = match served {
                Ok(Reply::Now(answer)) => Ok(answer),
                Ok(Reply::Later(later)) => {
                    let answer = later.answer(&service).await;
                    Box::pin(dialect.decided(answer)).await
                }
                Err(error) => Err(error),
            };
            let answer = answer.unwrap_or_else(|error| error.answer());
            Box::pin(dialect.written(answer)).await
        }
    };
    service.metrics.answered(endpoint, answer.status().as_u16());
    answer
}

async fn page(service: &Service, request: Request<Incoming>) -> Answer {
    let host = text_of(request.headers(), header::HOST.as_str())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let https_alone = host.is_some_and(|host| service.is_by_https_alone(host));
    let mut answer = if app::owns(service, request.uri().path()) {
        app::respond(service, request).await
    } else {
        pages::respond(service, request).await
    };
    if https_alone {
        let headers = answer.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    answer
}

/// A whole body, and its share of what all bodies may take.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) octets: Bytes,
    #[expect(dead_code, reason = "given back with the body")]
    share: Option<OwnedSemaphorePermit>,
}

/// Reads a whole body of somebody whose credential was looked at.
///
/// # Errors
/// [`ApiError::TooLong`] over 64 KiB; [`ApiError::Invalid`] when it breaks off or takes too long;
/// [`ApiError::TooMany`] when the bodies being read fill their share of memory.
pub(crate) async fn body_of(service: &Service, body: Incoming) -> Result<Whole, ApiError> {
    if body.is_end_stream() {
        return Ok(Whole::default());
    }
    let share = share(&service.bodies, body.size_hint().upper())?;
    Ok(Whole {
        octets: read(body, BODY_OCTETS).await?,
        share: Some(share),
    })
}

async fn read(body: Incoming, most: usize) -> Result<Bytes, ApiError> {
    let whole = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY_TIME, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLong),
        Ok(Err(_)) | Err(_) => Err(ApiError::invalid("body")),
    }
}

/// Takes a body's share; one that does not say how long it is may become as long as any.
fn share(bodies: &Arc<Semaphore>, octets: Option<u64>) -> Result<OwnedSemaphorePermit, ApiError> {
    let most = u32::try_from(BODY_OCTETS).unwrap_or(u32::MAX);
    let octets = octets.and_then(|octets| u32::try_from(octets).ok());
    let octets = octets.map_or(most, |octets| octets.min(most));
    let permit = Arc::clone(bodies).try_acquire_many_owned(octets);
    permit.map_err(|_| ApiError::TooMany)
}

fn endpoint(service: &Service, path: &str) -> (Endpoint, Dialect) {
    if let Some((endpoint, format)) = legacy::endpoint(path).filter(|_| service.rules.legacy_api) {
        return (endpoint, Dialect::One(format));
    }
    let endpoint = match path.strip_prefix("/auth/v2/") {
        Some("ping") => Endpoint::Ping,
        Some("check") => Endpoint::Check,
        Some("logo") => Endpoint::Logo,
        Some("enroll") => Endpoint::Enroll,
        Some("enroll_status") => Endpoint::EnrollStatus,
        Some("preauth") => Endpoint::Preauth,
        Some("auth") => Endpoint::Auth,
        Some("auth_status") => Endpoint::AuthStatus,
        Some(_) => Endpoint::Unknown,
        None if pages::owns(path) || app::owns(service, path) => Endpoint::Page,
        None if voice::owns(path) => Endpoint::Voice,
        None => Endpoint::Unknown,
    };
    (endpoint, Dialect::Two)
}

async fn serve(
    service: &Arc<Service>,
    talk: &Arc<Talk>,
    (endpoint, dialect): (Endpoint, Dialect),
    request: Request<Incoming>,
) -> Result<Reply, ApiError> {
    let wanted = match endpoint {
        Endpoint::Ping | Endpoint::Check | Endpoint::Logo | Endpoint::AuthStatus => Method::GET,
        _ => Method::POST,
    };
    if request.method() != wanted {
        return Err(ApiError::Method);
    }
    if endpoint == Endpoint::Ping {
        return Ok(Reply::Now(dialect.pong()));
    }
    let (head, body) = request.into_parts();
    // Before the body: a stranger's is not waited for.
    let version_one = dialect.version_one(service.rules.version_one);
    let claim = claim(service, &head, version_one)?;
    let body = body_of(service, body).await?;
    verify(&claim, &head, &body.octets, version_one)?;
    let application = Arc::clone(&claim.application);
    let params = dialect.read(params(&head, &body.octets)?);
    if endpoint == Endpoint::AuthStatus {
        return match endpoints::auth_status(service, &application, &params)? {
            Reply::Now(answer) => Ok(Reply::Now(dialect.decided(answer).await?)),
            later => Ok(later),
        };
    }
    if !matches!(endpoint, Endpoint::Auth | Endpoint::Enroll) {
        let answer = call(service, endpoint, &application, &params).await?;
        return Ok(Reply::Now(dialect.say(endpoint, &params, answer).await?));
    }
    // Whose caller has hung up meanwhile is not begun.
    let inside = enter(service).await?;
    let (own, talk) = (Arc::clone(service), Arc::clone(talk));
    let work = async move {
        match endpoint {
            Endpoint::Enroll => {
                let _inside = inside;
                let answer = endpoints::enroll(&own, &application, &params).await?;
                Ok(Reply::Now(answer))
            }
            _ => {
                let params = dialect.chosen(&own, &application, params).await?;
                let door = (inside, &talk);
                match endpoints::auth(&own, &application, &params, door).await? {
                    Reply::Now(answer) => Ok(Reply::Now(dialect.decided(answer).await?)),
                    later => Ok(later),
                }
            }
        }
    };
    let done = service.tasks.spawn(work).await;
    done.unwrap_or(Err(ApiError::Internal))
}

/// Answers what ends with its caller.
async fn call(
    service: &Service,
    endpoint: Endpoint,
    application: &Arc<Application>,
    params: &Params,
) -> Result<Answer, ApiError> {
    let _inside = enter(service).await?;
    match endpoint {
        Endpoint::Check => Ok(endpoints::time()),
        // There is no logo; so says the service that this one stands in for.
        Endpoint::Logo => Err(ApiError::invalid("logo")),
        Endpoint::EnrollStatus => endpoints::enroll_status(service, params).await,
        Endpoint::Preauth => endpoints::preauth(service, application, params).await,
        _ => Err(ApiError::NotFound),
    }
}

/// On a connection that was to end: asked again, it comes to the process that took over.
async fn enter(service: &Service) -> Result<Inside, ApiError> {
    service.gate.enter().await.ok_or(ApiError::TooMany)
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

/// Whose a request says it is, by its head.
struct Claim {
    application: Arc<Application>,
    ikey: String,
    signature: String,
    date: Option<String>,
}

/// Reads and checks what can be checked without the body: the integration key and the date.
fn claim(
    service: &Service,
    head: &http::request::Parts,
    version_one: sign::VersionOne,
) -> Result<Claim, ApiError> {
    let headers = &head.headers;
    let credentials = text_of(headers, header::AUTHORIZATION.as_str()).and_then(sign::credentials);
    let (ikey, signature) = credentials.ok_or(ApiError::NoCredentials)?;
    let application = service.application(&ikey).ok_or(ApiError::UnknownKey)?;
    let sent = headers
        .get("x-duo-date")
        .or_else(|| headers.get(header::DATE));
    let date = match sent {
        Some(value) => Some(value.to_str().map_err(|_| ApiError::BadDate)?),
        None if version_one == sign::VersionOne::Refused => {
            return Err(ApiError::NoDate);
        }
        None => None,
    };
    if let Some(date) = date {
        let then_s = date::parse(date).ok_or(ApiError::BadDate)?;
        if then_s.abs_diff(clock::unix_s()) > WINDOW_SECONDS {
            return Err(ApiError::BadDate);
        }
    }
    Ok(Claim {
        application,
        ikey,
        signature,
        date: date.map(str::to_owned),
    })
}

/// Whether the application made the signature over all of a request.
fn verify(
    claim: &Claim,
    head: &http::request::Parts,
    body: &[u8],
    version_one: sign::VersionOne,
) -> Result<(), ApiError> {
    let headers = &head.headers;
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
        date: claim.date.as_deref(),
        x_duo: &x_duo,
    };
    let signed = claim
        .application
        .keys_of(&claim.ikey, clock::unix_ms())
        .any(|keys| sign::verify(keys, &request, &claim.signature, version_one));
    if signed {
        Ok(())
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

/// How many octets the bodies that are being read may have together.
pub(crate) const BODIES_OCTETS: usize = 64 * 1024 * 1024;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(15);

/// A year, for this name alone (RFC 6797).
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How far a request's date may be from now, either way.
const WINDOW_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_a_bound_together() {
        let bodies = Arc::new(Semaphore::new(BODIES_OCTETS));
        let mut held: Vec<_> = (0..BODIES_OCTETS / BODY_OCTETS)
            .map(|number| {
                // Too long is found out by reading.
                let told = number.is_multiple_of(2).then_some(u64::MAX);
                share(&bodies, told).unwrap()
            })
            .collect();
        assert_eq!(share(&bodies, Some(1)).err(), Some(ApiError::TooMany));
        held.pop();
        let small: Vec<_> = (0..64).map(|_| share(&bodies, Some(1_024))).collect();
        assert!(small.iter().all(Result::is_ok));
        assert_eq!(share(&bodies, Some(1)).err(), Some(ApiError::TooMany));
    }
}

//! The pages that people open: approvals, enrollment, self-service, and the QR code. Plain HTML; a script
//! only where a browser is asked for a passkey.
//!
//! An address with a token is the credential; it goes to no other site, and a change is taken
//! from a page of this service only.

mod approve;
mod enroll;
mod fault;
mod html;
mod me;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;

use crate::api::{Answer, ApiError, form_of, text, text_of};
use crate::doors::Origin;
use crate::params::{Pairs, Params};
use crate::service::ENROLLMENT_PATH;
use crate::service::Service;
use fault::Fault;

/// Whether a path is one of the pages.
pub(crate) fn owns(path: &str) -> bool {
    path == "/style.css"
        || path == "/frame/qr"
        || path == SCRIPT_PATH
        || path == enroll::TYPED
        || me::owns(path)
        || ["/approve/", ENROLLMENT_PATH]
            .iter()
            .any(|prefix| path.starts_with(prefix))
}

/// Answers a request for a page.
pub(crate) async fn respond(service: &Service, request: Request<Incoming>) -> Answer {
    let answer = route(service, request).await;
    let mut answer = answer.unwrap_or_else(|fault| fault.answer());
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    answer
}

/// What a browser asks for.
struct Asked {
    path: String,
    query: String,
    headers: HeaderMap,
    /// Who asks.
    origin: Origin,
    /// Whether it says that it is a phone or a tablet.
    on_phone: bool,
    /// None where something is only shown. What is there comes from a page of this service.
    body: Option<Sent>,
}

/// A form that was not read yet.
struct Sent {
    body: Incoming,
    origin: Origin,
}

async fn route(service: &Service, request: Request<Incoming>) -> Result<Answer, Fault> {
    let (head, body) = request.into_parts();
    let origin = head.extensions.get().copied().unwrap_or(Origin::Local);
    let body = match head.method {
        Method::GET => None,
        Method::POST => {
            same_origin(&service.public_url, &head.headers, &head.uri)?;
            Some(Sent { body, origin })
        }
        _ => return Err(Fault::Method),
    };
    let asked = Asked {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        origin,
        on_phone: is_phone(&head.headers),
        headers: head.headers,
        body,
    };
    let path = head.uri.path();
    if me::owns(path) {
        return me::respond(service, asked).await;
    }
    if let Some(token) = path.strip_prefix("/approve/") {
        return approve::respond(service, asked, token).await;
    }
    if let Some(rest) = path.strip_prefix(ENROLLMENT_PATH) {
        return enroll::respond(service, asked, rest).await;
    }
    if asked.body.is_some() {
        return Err(Fault::Method);
    }
    match path {
        "/style.css" => Ok(text(StatusCode::OK, "text/css", STYLE.to_owned())),
        SCRIPT_PATH => Ok(text(StatusCode::OK, "text/javascript", SCRIPT.to_owned())),
        enroll::TYPED => enroll::typed(&asked.query),
        _ => enroll::qr(service, &asked.query),
    }
}

/// A form of another site is refused: browsers say where a form comes from. That is the address that
/// people open, also where a proxy says another host, or the one that was asked.
fn same_origin(public_url: &str, headers: &HeaderMap, uri: &http::Uri) -> Result<(), Fault> {
    let host = text_of(headers, header::HOST.as_str())
        .or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let own = match text_of(headers, header::ORIGIN.as_str()) {
        Some(origin) => {
            let origin = origin.strip_prefix("https://").map(bare);
            let is =
                |own: &str| origin.is_some_and(|origin| origin.eq_ignore_ascii_case(bare(own)));
            host.is_some_and(is) || host_of(public_url).is_some_and(is)
        }
        None => text_of(headers, "sec-fetch-site") == Some("same-origin"),
    };
    if own { Ok(()) } else { Err(Fault::OtherOrigin) }
}

/// Host and port of an address by `https://`.
fn host_of(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split('/').next()
}

/// Browsers leave out the port that is everybody's.
fn bare(host: &str) -> &str {
    host.strip_suffix(":443").unwrap_or(host)
}

/// What a phone and a tablet say of themselves. Whoever is taken for the other one finds a link.
fn is_phone(headers: &HeaderMap) -> bool {
    let agent = text_of(headers, header::USER_AGENT.as_str()).unwrap_or_default();
    ["Mobi", "Android", "iPhone", "iPad"]
        .iter()
        .any(|word| agent.contains(word))
}

async fn form(service: &Service, Sent { body, origin }: Sent) -> Result<Params, Fault> {
    let body = form_of(service, origin, body).await;
    let body = body.map_err(|error| match error {
        ApiError::TooMany => Fault::TooMany,
        _ => Fault::BadForm,
    })?;
    Params::from_pairs(&Pairs::parse(&body)).map_err(|_| Fault::BadForm)
}

const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), \
         geolocation=(), microphone=()",
    ),
    // With "no-referrer" browsers hide the origin of a form, which is checked here.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
];

const SCRIPT_PATH: &str = "/assets/portal.js";
const SCRIPT: &str = include_str!("../../assets/portal.js");
const STYLE: &str = include_str!("../../assets/pages.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_refused() {
        for (name, headers, want) in [
            (
                "own",
                &[("host", "gate:8402"), ("origin", "https://gate:8402")][..],
                true,
            ),
            (
                "other",
                &[("host", "gate:8402"), ("origin", "https://evil")][..],
                false,
            ),
            (
                "plain",
                &[("host", "gate:8402"), ("origin", "http://gate:8402")][..],
                false,
            ),
            (
                "null",
                &[("host", "gate:8402"), ("origin", "null")][..],
                false,
            ),
            ("nothing said", &[("host", "gate:8402")][..], false),
            (
                "fetch metadata",
                &[("host", "gate"), ("sec-fetch-site", "same-origin")][..],
                true,
            ),
            (
                "other site",
                &[("host", "gate"), ("sec-fetch-site", "cross-site")][..],
                false,
            ),
            ("no host", &[("origin", "https://gate")][..], false),
            (
                "through a proxy that says another host",
                &[
                    ("host", "127.0.0.1:8402"),
                    ("origin", "https://factor.example"),
                ][..],
                true,
            ),
            (
                "public, by http",
                &[
                    ("host", "127.0.0.1:8402"),
                    ("origin", "http://factor.example"),
                ][..],
                false,
            ),
            (
                "public, another port",
                &[
                    ("host", "127.0.0.1:8402"),
                    ("origin", "https://factor.example:444"),
                ][..],
                false,
            ),
            (
                "the port that is left out",
                &[("host", "gate:443"), ("origin", "https://gate")][..],
                true,
            ),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            let uri = http::Uri::from_static("/approve/x");
            for public in ["https://factor.example", "https://factor.example:443/x"] {
                let own = same_origin(public, &map, &uri);
                assert_eq!(own.is_ok(), want, "{name}");
            }
        }
    }
}

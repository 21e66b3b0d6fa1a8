//! The embedded dashboard and its headers: its page at every address that is nothing else's, its files, and
//! a note in its place where it was not built in or cannot be had. None of it is about an installation, so
//! that nobody needs to be signed in for it; what it shows it asks of `/api`.

mod encoding;
mod note;
mod table;

use std::sync::LazyLock;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use self::table::{BUILT_IN, Embedded, Files};
use crate::api::problem::{Kind, Problem};

pub(crate) use self::note::is_browser;
pub use self::note::note_while_away;

/// Whether this program was built with the dashboard: whether there is a page to send people to.
#[must_use]
pub fn has_dashboard() -> bool {
    OURS.page.is_some()
}

/// Answers what is asked beside the API.
pub(crate) fn answer(request: &Request) -> Response {
    OURS.answer(request.method(), request.uri().path(), request.headers())
}

/// A dashboard, or that there is none.
#[derive(Debug)]
struct Dashboard {
    /// The page, in pieces between which the nonce stands; none when there is no dashboard.
    page: Option<Vec<&'static str>>,
    files: Files,
}

impl Dashboard {
    fn of(embedded: &'static [Embedded]) -> Self {
        let page = embedded.iter().find(|one| one.path == INDEX);
        let page = page.and_then(|page| str::from_utf8(page.octets).ok());
        Self {
            page: page.map(|page| page.split(NONCE).collect()),
            files: Files::of(embedded),
        }
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let response = match *method {
            Method::GET | Method::HEAD => self.get(path, headers),
            _ => {
                let detail = "this address is for reading; the API is at /api/v1";
                let mut response = Problem::new(Kind::MethodNotAllowed, detail).into_response();
                let allowed = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(header::ALLOW, allowed);
                response
            }
        };
        match *method {
            Method::HEAD => without_body(response),
            _ => response,
        }
    }

    /// Names are looked up and nothing else: no path leads out of the table.
    fn get(&self, path: &str, headers: &HeaderMap) -> Response {
        let name = path.strip_prefix('/').unwrap_or(path);
        if let Some(file) = self.files.find(name) {
            return file.answer(headers);
        }
        // A page in the place of a script would be run, or kept.
        if name.starts_with(HASHED) {
            let detail = "there is no such file; the page that names it is of another version";
            return Problem::new(Kind::NotFound, detail).into_response();
        }
        match &self.page {
            Some(pieces) => page(pieces),
            None => note::not_built(name, headers),
        }
    }
}

/// The page, with a nonce of its own.
fn page(pieces: &[&str]) -> Response {
    let mut octets = [0; NONCE_OCTETS];
    if let Err(error) = getrandom::fill(&mut octets) {
        return Problem::internal(&error).into_response();
    }
    let nonce = BASE64URL_NOPAD.encode(&octets);
    let mut response = Response::new(Body::from(pieces.join(&nonce)));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in OF_A_PAGE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the page may load: what is ours, and styles that it makes with its nonce.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// The answer to `HEAD`: how long the body would be, and none.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(octets) = body.size_hint().exact() {
        head.headers.insert(header::CONTENT_LENGTH, octets.into());
    }
    Response::from_parts(head, Body::empty())
}

/// Which the page is made of.
const INDEX: &str = "index.html";
/// Where files are whose names change with what is in them.
const HASHED: &str = "assets/";
/// What stands in the page for its nonce.
const NONCE: &str = "__CSP_NONCE__";
/// Of a nonce: nobody guesses as many (CSP Level 3 section 7.1 wants 16).
const NONCE_OCTETS: usize = 16;
/// What browsers are told with a page, beside what they are told with every answer.
const OF_A_PAGE: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()",
    ),
];

static OURS: LazyLock<Dashboard> = LazyLock::new(|| Dashboard::of(BUILT_IN));

#[cfg(test)]
mod tests;

//! A small page where the dashboard should be and is not, without style or script; plain text for whoever
//! is no browser.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::api::frame;

/// What a browser is told that asks for a page while the control plane is away; none for other callers, who
/// are to get a problem document.
#[must_use]
pub fn note_while_away(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if ![Method::GET, Method::HEAD].contains(method) || !is_browser(headers) {
        return None;
    }
    let again = format!("<meta http-equiv=\"refresh\" content=\"{AGAIN_IN_SECONDS}\">\n");
    let body = "<h1>One moment</h1>\n<p>The control plane is being started. This page looks again by \
                itself.</p>\n<p>Logins are answered meanwhile: they do not need it. \
                <a href=\"/readyz\">/readyz</a> says what is there.</p>\n";
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, &again, body);
    let seconds = HeaderValue::from(AGAIN_IN_SECONDS);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    Some(response)
}

/// That there is no dashboard in this program, at the address that a name stands for.
pub(super) fn not_built(name: &str, headers: &HeaderMap) -> Response {
    let status = match name {
        "" => StatusCode::OK,
        _ => StatusCode::NOT_FOUND,
    };
    match is_browser(headers) {
        true => page(status, "", NOT_BUILT),
        false => (status, NOT_BUILT_PLAIN).into_response(),
    }
}

fn page(status: StatusCode, more: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{more}<title>Countersign</title>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
    let mut response = (status, Body::from(html)).into_response();
    let headers = response.headers_mut();
    for (name, value) in super::OF_A_PAGE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    frame::tell(headers);
    response
}

/// Whether a caller asks for a page by name. Those that take anything are mostly no browsers.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted
        .filter_map(|accepted| accepted.to_str().ok())
        .flat_map(|accepted| accepted.split(','));
    accepted.any(|one| {
        let kind = one.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/html")
    })
}

const AGAIN_IN_SECONDS: u64 = 3;
const NOT_BUILT: &str = "<h1>Countersign is running</h1>\n\
<p>This program was built without its dashboard. <code>make run</code> builds both; so do \
<code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, and <code>cargo build</code> after it.</p>\n\
<p>All that the dashboard does can be done over the REST API. Whoever has a set-up link or an invitation \
sends what stands behind the # to <code>POST /api/v1/setup</code> or \
<code>POST /api/v1/invitation</code>.</p>\n\
<ul>\n<li><a href=\"/api/docs\">/api/docs</a>: the REST API</li>\n\
<li><a href=\"/healthz\">/healthz</a>, <a href=\"/readyz\">/readyz</a>: how the gateway is</li>\n\
<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n</ul>\n";
const NOT_BUILT_PLAIN: &str = "Countersign is running. This program was built without its dashboard: `make run` builds both.\n\
Here are /api/docs, /healthz, /readyz and /metrics.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accepted: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, accepted.parse().unwrap())])
    }

    #[test]
    fn who_names_html_is_a_browser() {
        for (accepted, want) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("image/png, Text/HTML;q=0.1", true),
            ("*/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            assert_eq!(is_browser(&accepting(accepted)), want, "{accepted}");
        }
        assert!(!is_browser(&HeaderMap::new()));
    }

    #[test]
    fn browsers_that_read_are_told_that_the_control_plane_is_away_and_nobody_else() {
        let browser = accepting("text/html");
        for (method, headers, want) in [
            (Method::GET, &browser, true),
            (Method::HEAD, &browser, true),
            (Method::POST, &browser, false),
            (Method::GET, &accepting("*/*"), false),
            (Method::GET, &HeaderMap::new(), false),
        ] {
            let note = note_while_away(&method, headers);
            assert_eq!(note.is_some(), want, "{method} {headers:?}");
            let Some(note) = note else { continue };
            assert_eq!(note.status(), 503);
            for (name, value) in [
                ("retry-after", "3"),
                ("content-type", "text/html; charset=utf-8"),
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(note.headers()[name], value, "{name}");
            }
        }
    }
}

//! What every answer of the REST API and of the dashboard has: the id of its request, and what browsers are told.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tracing::Instrument;

/// Gives a request its id, in the answer and in each line that is logged meanwhile.
pub(crate) async fn frame(mut request: Request, next: Next) -> Response {
    let id = id_of(request.headers().get(&REQUEST_ID));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    // The query is not logged: it may hold what somebody looks for.
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let answered = async {
        let response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    };
    let mut response = answered.instrument(span).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    tell(headers);
    response
}

/// Tells browsers what holds for every answer. Where something else is said already, that counts.
pub(crate) fn tell(headers: &mut HeaderMap) {
    for (name, value) in TOLD {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// The id that a caller gave, if it is one to be logged; else a new one.
fn id_of(given: Option<&HeaderValue>) -> HeaderValue {
    let good = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.".contains(octet);
    let given = given.filter(|given| {
        let octets = given.as_bytes();
        (1..=ID_OCTETS).contains(&octets.len()) && octets.iter().all(good)
    });
    given.cloned().unwrap_or_else(made)
}

/// Without random octets all have the same: an id is no secret, and the request goes on.
fn made() -> HeaderValue {
    let mut octets = [0; 8];
    let text = match getrandom::fill(&mut octets) {
        Ok(()) => data_encoding::HEXLOWER.encode(&octets),
        Err(_) => String::new(),
    };
    HeaderValue::from_str(&text)
        .ok()
        .filter(|id| !id.is_empty())
        .unwrap_or(HeaderValue::from_static("0"))
}

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// The longest id that is taken from a caller.
const ID_OCTETS: usize = 64;
const TOLD: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_not_be_logged_is_replaced() {
        let long = "x".repeat(65);
        for (given, taken) in [
            ("abc-1.2_3", true),
            (&long[..64], true),
            (long.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
        ] {
            let given = HeaderValue::from_str(given).unwrap();
            let id = id_of(Some(&given));
            assert_eq!(id == given, taken, "{given:?}");
            assert!(!id.is_empty());
        }
        assert_ne!(id_of(None), id_of(None));
    }
}

//! The dashboard's page and what stands beside it, over the control plane's own listeners. Whether this
//! program was built with one or without: what holds for both is in `src/web`.

use controlplane::has_dashboard;
use serde_json::Value;

use crate::access::{Answer, Plane};

/// The page; or, where none is built in, the note that says so.
fn assert_page(answer: &Answer, path: &str) {
    let header = |name| answer.header(name).unwrap_or_default();
    let (status, kind) = match (has_dashboard(), path) {
        (true, _) => (200, "text/html; charset=utf-8"),
        (false, "/") => (200, "text/plain; charset=utf-8"),
        (false, _) => (404, "text/plain; charset=utf-8"),
    };
    assert_eq!(answer.status, status, "{path}: {answer:?}");
    assert_eq!(header("content-type"), kind, "{path}: {answer:?}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(header(name), value, "{path} {name}");
    }
    assert!(!header("x-request-id").is_empty());
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    let body = String::from_utf8(answer.octets.clone()).unwrap();
    assert!(body.contains("Countersign"), "{body}");
    assert!(!body.contains("__CSP_NONCE__"), "{body}");
}

#[tokio::test]
async fn the_page_is_at_every_address_that_is_nothing_elses_and_needs_no_token() {
    let plane = Plane::start().await;
    let (_, admin) = plane.token("boss", "admin").await;
    for path in [
        "/",
        "/setup",
        "/integrations/vpn",
        "/apis",
        // What the command line and nodes speak is not behind it.
        "/status",
        "/events",
        "/countersign.v1.DataPlane/Subscribe",
        "/../status",
    ] {
        for headers in ["", admin.as_str()] {
            let answer = plane.call("GET", path, headers, "").await;
            assert_page(&answer, path);
            let handed_on = format!("countersign-peer: 192.0.2.1:50000\r\n{headers}");
            let answer = plane.hand_on(path, &handed_on).await;
            assert_page(&answer, path);
        }
        let head = plane.call("HEAD", path, "", "").await;
        assert_eq!(head.octets, b"", "{path}");
        let length = head.header("content-length").unwrap();
        assert_ne!(length, "0", "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = plane.call(method, path, &admin, "{}").await;
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn neither_the_api_nor_a_file_that_is_not_there_is_answered_with_the_page() {
    let plane = Plane::start().await;
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/v1/nothing",
        "/api/../status",
        "/assets/nothing.js",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
    ] {
        let headers = format!("{viewer}accept: text/html\r\n");
        let answer = plane.call("GET", path, &headers, "").await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    // The command line's socket has the API and no page.
    let answer = plane.locally("GET", "/setup", &Value::Null).await;
    assert_eq!((answer.status, answer.octets.len()), (404, 0));
    plane.running.stop().await;
}

#[tokio::test]
async fn the_files_that_the_page_names_are_there() {
    let plane = Plane::start().await;
    let page = plane.call("GET", "/", "", "").await;
    let page = String::from_utf8(page.octets).unwrap();
    let named: Vec<&str> = page
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .collect();
    assert_eq!(named.is_empty(), !has_dashboard(), "{page}");
    for path in named {
        let taken = "accept-encoding: gzip, br\r\n";
        let answer = plane.call("GET", path, taken, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let keeps = answer.header("cache-control").unwrap();
        assert!(keeps.ends_with("immutable"), "{path}: {keeps}");
        let same = format!(
            "{taken}if-none-match: {}\r\n",
            answer.header("etag").unwrap()
        );
        let again = plane.call("GET", path, &same, "").await;
        assert_eq!((again.status, again.octets.len()), (304, 0), "{path}");
    }
    plane.running.stop().await;
}

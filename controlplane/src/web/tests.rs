//! The serving of a dashboard that is made up here.

use std::collections::BTreeSet;

use axum::body::to_bytes;
use http::StatusCode;

use super::*;

static MADE_UP: &[Embedded] = &[
    Embedded {
        path: "assets/index-B2xq.js",
        octets: b"import('./page-C1.js')",
        brotli: Some(b"by brotli"),
        gzip: Some(b"by gzip"),
    },
    Embedded {
        path: "assets/logo-D4.png",
        octets: b"a picture",
        brotli: None,
        gzip: None,
    },
    Embedded {
        path: "favicon.svg",
        octets: b"<svg/>",
        brotli: None,
        gzip: Some(b"by gzip too"),
    },
    Embedded {
        path: "index.html",
        octets: b"<meta property=\"csp-nonce\" nonce=\"__CSP_NONCE__\"><i nonce=\"__CSP_NONCE__\">",
        brotli: Some(b"never sent"),
        gzip: None,
    },
];

/// As it came: status, headers, body.
async fn ask(
    dashboard: &Dashboard,
    method: &Method,
    path: &str,
    asked: &[(HeaderName, &str)],
) -> (StatusCode, HeaderMap, String) {
    let asked = asked
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().unwrap()));
    let response = dashboard.answer(method, path, &HeaderMap::from_iter(asked));
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (head.status, head.headers, body)
}

async fn get(path: &str, asked: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, String) {
    ask(&Dashboard::of(MADE_UP), &Method::GET, path, asked).await
}

#[tokio::test]
async fn a_hashed_file_is_kept_for_ever_and_the_others_are_asked_for_again() {
    let for_ever = Some("public, max-age=31536000, immutable");
    for (path, kind, keeps, vary) in [
        (
            "/assets/index-B2xq.js",
            "text/javascript; charset=utf-8",
            for_ever,
            Some("accept-encoding"),
        ),
        ("/assets/logo-D4.png", "image/png", for_ever, None),
        (
            "/favicon.svg",
            "image/svg+xml",
            Some("no-cache"),
            Some("accept-encoding"),
        ),
    ] {
        let (status, headers, _) = get(path, &[]).await;
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(status, 200, "{path}");
        assert_eq!(header(header::CONTENT_TYPE), Some(kind), "{path}");
        assert_eq!(header(header::CACHE_CONTROL), keeps, "{path}");
        assert_eq!(header(header::VARY), vary, "{path}");
        assert_eq!(header(header::CONTENT_ENCODING), None, "{path}");
    }
}

#[tokio::test]
async fn each_form_of_a_file_has_a_tag_of_its_own_and_is_not_sent_twice() {
    let path = "/assets/index-B2xq.js";
    let mut tags = BTreeSet::new();
    for (accepts, encoding, want) in [
        ("br, gzip", Some("br"), "by brotli"),
        ("gzip", Some("gzip"), "by gzip"),
        ("zstd", None, "import('./page-C1.js')"),
    ] {
        let accepts = (header::ACCEPT_ENCODING, accepts);
        let (status, headers, body) = get(path, std::slice::from_ref(&accepts)).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, want));
        let named = headers.get(header::CONTENT_ENCODING);
        assert_eq!(named.map(|name| name.to_str().unwrap()), encoding);
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() > 20, "strong: {tag}");

        let same = (header::IF_NONE_MATCH, tag.as_str());
        let (status, again, body) = get(path, &[accepts.clone(), same]).await;
        assert_eq!((status.as_u16(), body.as_str()), (304, ""));
        for name in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
            assert_eq!(again[&name], headers[&name], "{name}");
        }
        let other = (header::IF_NONE_MATCH, "\"another\"");
        assert_eq!(get(path, &[accepts, other]).await.0, 200);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 3, "{tags:?}");
}

#[tokio::test]
async fn the_page_is_at_every_other_address_and_has_another_nonce_each_time() {
    let mut nonces = BTreeSet::new();
    let paths = [
        "/",
        "/setup",
        "/invitation",
        "/integrations/vpn",
        "/index.html",
        "/index.html.br",
        "/favicon.svg.gz",
        "/nothing.png",
        "/assets",
    ];
    for path in paths {
        let accepts = (header::ACCEPT_ENCODING, "br");
        let (status, headers, body) = get(path, &[accepts]).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers.get(header::CONTENT_ENCODING), None, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let (_, rest) = policy.split_once("'nonce-").unwrap();
        let nonce = rest.split('\'').next().unwrap();
        assert_eq!(nonce.len(), 22, "{policy}");
        let want = format!("<meta property=\"csp-nonce\" nonce=\"{nonce}\"><i nonce=\"{nonce}\">");
        assert_eq!(body, want, "{path}");
        nonces.insert(nonce.to_owned());
    }
    assert_eq!(nonces.len(), paths.len(), "{nonces:?}");
}

#[test]
fn the_policy_lets_nothing_in_from_elsewhere_and_no_script_in_the_page() {
    let policy = policy("N");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'nonce-N'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(
            policy.split("; ").any(|one| one == part),
            "{part}: {policy}"
        );
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
}

#[tokio::test]
async fn no_path_leads_out_of_the_table() {
    for path in [
        "/assets/../index.html",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/index.html",
        "/assets/..%2findex.html",
        "/assets//etc/passwd",
        "/assets/",
        "/assets/index-B2xq.js/",
        "/assets/index-B2xq.js.br",
        "/assets/index-B2xq.js%00",
        "/assets/INDEX-B2xq.js",
        "/assets/page-C1.js",
    ] {
        let (status, headers, body) = get(path, &[]).await;
        assert_eq!(status, 404, "{path}");
        let kind = &headers[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json", "{path}: {body}");
    }
    for path in ["/../../etc/passwd", "//etc/passwd", "/%2e%2e/x", "x", ""] {
        let (status, _, body) = get(path, &[]).await;
        assert_eq!(status, 200, "{path}");
        assert!(body.starts_with("<meta property"), "{path}: {body}");
    }
}

#[tokio::test]
async fn head_says_how_long_the_body_would_be_and_other_methods_are_refused() {
    for dashboard in [Dashboard::of(MADE_UP), Dashboard::of(&[])] {
        for path in ["/", "/favicon.svg", "/assets/index-B2xq.js", "/assets/none"] {
            let asked = [(header::ACCEPT_ENCODING, "gzip")];
            let whole = ask(&dashboard, &Method::GET, path, &asked).await;
            let (status, headers, body) = ask(&dashboard, &Method::HEAD, path, &asked).await;
            assert_eq!((status, body.as_str()), (whole.0, ""), "{path}");
            let length = headers[header::CONTENT_LENGTH].to_str().unwrap();
            assert_eq!(length, whole.2.len().to_string(), "{path}");
            for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
                let (status, headers, _) = ask(&dashboard, &method, path, &[]).await;
                assert_eq!(status, 405, "{method} {path}");
                assert_eq!(headers[header::ALLOW], "GET, HEAD");
            }
        }
    }
}

#[tokio::test]
async fn without_a_dashboard_it_is_said_what_to_do() {
    let none = Dashboard::of(&[]);
    assert!(none.page.is_none());
    for (path, accepts, status, kind) in [
        ("/", "text/html,*/*;q=0.8", 200, "text/html; charset=utf-8"),
        ("/", "*/*", 200, "text/plain; charset=utf-8"),
        ("/setup", "text/html", 404, "text/html; charset=utf-8"),
        ("/setup", "*/*", 404, "text/plain; charset=utf-8"),
    ] {
        let asked = [(header::ACCEPT, accepts)];
        let (answered, headers, body) = ask(&none, &Method::GET, path, &asked).await;
        assert_eq!(answered, status, "{path} {accepts}");
        assert_eq!(headers[header::CONTENT_TYPE], kind, "{path} {accepts}");
        for word in ["make run", "/api/docs", "/healthz", "/readyz", "/metrics"] {
            assert!(body.contains(word), "{word}: {body}");
        }
    }
    let (status, ..) = ask(&none, &Method::GET, "/assets/index-B2xq.js", &[]).await;
    assert_eq!(status, 404);
}

#[test]
fn a_folder_without_a_page_is_no_dashboard() {
    static ODD: &[Embedded] = &[Embedded {
        path: "index.html",
        octets: b"\xff\xfe",
        brotli: None,
        gzip: None,
    }];
    for embedded in [&MADE_UP[..3], ODD] {
        assert!(Dashboard::of(embedded).page.is_none());
    }
}

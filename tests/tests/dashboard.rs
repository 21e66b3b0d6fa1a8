//! The dashboard's page at a running gateway's admin address, or that it was not built: the supervisor hands
//! on what it does not answer itself.
#![cfg(test)]

use std::{fs, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    http,
};

const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

fn get(gateway: &Countersign, path: &str, headers: &[(&str, &str)]) -> http::Answer {
    http::request(gateway.admin, "GET", path, headers, "").unwrap()
}

#[test]
fn browsers_get_the_page_or_how_to_build_it_and_the_rest_is_as_it_was() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let page = get(&gateway, "/", &[BROWSER]);
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        Some("same-origin")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let built = policy.contains("script-src");
    let text = get(&gateway, "/", &[]);
    assert_eq!(text.status, 200);
    if built {
        let nonce = policy.split("'nonce-").nth(1).unwrap();
        let nonce = nonce.split('\'').next().unwrap();
        assert!(
            page.body.contains(&format!("nonce=\"{nonce}\"")),
            "{page:?}"
        );
        assert_ne!(text.header("content-security-policy"), Some(policy));
        let setup = get(&gateway, "/setup", &[]);
        assert_eq!(setup.status, 200, "{setup:?}");
        let mut named = page
            .body
            .split('"')
            .filter(|word| word.starts_with("/assets/"));
        let script = named.find(|path| path.ends_with(".js")).unwrap();
        let script = get(&gateway, script, &[("accept-encoding", "br")]);
        assert_eq!(script.header("content-encoding"), Some("br"), "{script:?}");
        assert_eq!(script.header("vary"), Some("accept-encoding"));
    } else {
        assert!(page.body.contains("npm run build"), "{page:?}");
        assert_eq!(
            text.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(text.body.contains("/api/docs"), "{text:?}");
    }

    for path in ["/api/nothing", "/assets/nothing.js"] {
        let nothing = get(&gateway, path, &[BROWSER]);
        assert_eq!(nothing.status, 404, "{path}");
        assert_eq!(
            nothing.header("content-type"),
            Some("application/problem+json")
        );
    }
    let posted = http::request(gateway.admin, "POST", "/", &[], "{}").unwrap();
    assert_eq!(posted.status, 405, "{posted:?}");
    let health = get(&gateway, "/healthz", &[BROWSER]);
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    assert!(
        get(&gateway, "/metrics", &[BROWSER])
            .body
            .contains("# HELP")
    );
    // What the command line uses is not behind it.
    let status = get(&gateway, "/status", &[]);
    assert!(!status.body.contains("uptime_seconds"), "{status:?}");
}

#[test]
fn while_the_control_plane_is_away_a_browser_is_told_and_a_program_gets_a_problem() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let before = gateway.get("/setup").status;
    // As while it is being started again: nobody is at its socket.
    let socket = gateway.data_dir().join("run/api.sock");
    let aside = socket.with_extension("aside");
    fs::rename(&socket, &aside).unwrap();
    for path in ["/", "/setup", "/api/docs"] {
        let page = get(&gateway, path, &[BROWSER]);
        assert_eq!(page.status, 503, "{path}: {page:?}");
        let kind = page.header("content-type");
        assert_eq!(kind, Some("text/html; charset=utf-8"), "{path}");
        assert!(page.header("retry-after").is_some(), "{page:?}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{page:?}");
        assert!(page.body.contains("http-equiv=\"refresh\""), "{page:?}");
    }
    for (method, headers) in [("GET", &[][..]), ("POST", &[BROWSER])] {
        let path = "/api/v1/session";
        let answer = http::request(gateway.admin, method, path, headers, "{}").unwrap();
        assert_eq!(answer.status, 503, "{method}: {answer:?}");
        let kind = answer.json()["type"].clone();
        assert_eq!(kind, "urn:countersign:problem:unavailable", "{method}");
    }
    assert_eq!(gateway.get("/healthz").status, 200);
    fs::rename(&aside, &socket).unwrap();
    assert_eq!(gateway.get("/setup").status, before);
}

#[test]
fn the_overview_tells_when_the_certificate_of_the_admin_address_ends() {
    let site = Site::new();
    let gateway = Start::with(&site.config(""))
        .argument("--admin-tls-cert=server.pem")
        .argument("--admin-tls-key=server.key")
        .launch();
    let socket = gateway.control_socket();
    let overview = || http::request_local(&socket, "GET", "/api/v1/overview", "").ok();
    let mut told = None;
    wait_until("it tells how it is", Duration::from_secs(20), || {
        told = overview().filter(|answer| answer.status == 200);
        told.is_some()
    });
    let told = told.unwrap().json();
    let all = told["certificates"].as_array().unwrap();
    let own: Vec<_> = all.iter().filter(|one| one["what"] == "admin").collect();
    assert_eq!(own.len(), 1, "{told}");
    assert_eq!(own[0]["name"], gateway.admin.to_string());
    assert!(
        own[0]["not_after_ms"].as_u64() > told["until_ms"].as_u64(),
        "{told}"
    );
}

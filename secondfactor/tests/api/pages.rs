//! What is said with each page, and whom a form is taken from.

use http::HeaderMap;

use crate::authenticator::ORIGIN;
use crate::support::{Call, Running};

async fn start(folder: &tempfile::TempDir, public_url: &str) -> Running {
    Running::start(folder.path(), |settings| {
        settings.public_url = Some(public_url.to_owned());
    })
    .await
}

/// What comes with an answer, where the browser or a proxy says this host.
async fn asked(running: &Running, host: &str, path: &str) -> HeaderMap {
    let mut call = Call::bare(&running.app, "GET", path);
    call.host = host.to_owned();
    running.send_raw(&call).await.1
}

#[tokio::test]
async fn a_name_that_is_the_pages_alone_is_asked_by_https_alone() {
    for (public_url, host, want) in [
        (ORIGIN, "gate.example", Some("max-age=31536000")),
        (ORIGIN, "GATE.example:443", Some("max-age=31536000")),
        (ORIGIN, "other.example", None),
        (ORIGIN, "gate.example:8402", None),
        ("https://gate.example:8402", "gate.example:8402", None),
        ("https://localhost", "localhost", None),
        ("https://192.0.2.1", "192.0.2.1", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let running = start(&folder, public_url).await;
        for path in ["/me", "/app/", "/e", "/style.css", "/app/sw.js", "/e/none"] {
            let headers = asked(&running, host, path).await;
            let found = headers.get("strict-transport-security");
            let found = found.map(|value| value.to_str().unwrap());
            assert_eq!(found, want, "{public_url} {host} {path}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_proxy_may_say_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder, ORIGIN).await;
    for (origin, want) in [(ORIGIN, 422), ("https://evil.example", 403)] {
        let mut call = Call::bare(&running.app, "POST", "/me/sign-in");
        call.header("origin", origin);
        call.body = "name=alice&passcode=000000".to_owned();
        assert_eq!(running.send_raw(&call).await.0, want, "{origin}");
    }
    running.stop().await;
}

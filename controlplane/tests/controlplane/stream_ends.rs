//! A stream that goes on ends with what let its reader in.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::{PAGE, Plane};
use crate::sign_in::{PASSWORD, cookies, join, passcode, sign_in};
use crate::support::{LIMIT, Site};

/// Begins to read; gives the connection once the stream goes on.
async fn begun(plane: &Plane, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(plane.tcp).await.unwrap();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\
         connection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let beats = async {
        while String::from_utf8_lossy(&seen)
            .matches(": heartbeat")
            .count()
            < 5
        {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "it ended");
        }
    };
    tokio::time::timeout(LIMIT, beats).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stream_ends_with_the_token_or_the_session_that_opened_it() {
    let mut site = Site::new();
    site.settings.source = None;
    site.settings.heartbeat = Duration::from_millis(20);
    site.settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let handed_on = site.folder.path().join("api.sock");
    site.settings.api_socket = Some(handed_on.clone());
    let plane = Plane::with(site, handed_on).await;
    let (id, token) = plane.token("a viewer", "viewer").await;
    let (_, stays) = plane.token("stays", "viewer").await;
    let mut session = Vec::new();
    for name in ["alice", "bob"] {
        let secret = join(&plane, name, "viewer").await;
        let asked = sign_in(name, PASSWORD, &passcode(&secret, 1));
        let signed_in = plane.call("POST", "/api/v1/session", PAGE, &asked).await;
        assert_eq!(signed_in.status, 201, "{signed_in:?}");
        session.push(cookies(&signed_in));
    }
    let mut other = begun(&plane, &stays).await;
    let removed = format!("/api/v1/tokens/{id}");
    for (name, headers, path, local) in [
        ("token revoked", token.as_str(), removed.as_str(), true),
        ("admin removed", &session[0], "/api/v1/admins/alice", true),
        ("signed out", &session[1], "/api/v1/session", false),
    ] {
        let mut stream = begun(&plane, headers).await;
        let done = match local {
            true => plane.locally("DELETE", path, &Value::Null).await,
            false => {
                let headers = format!("{headers}{PAGE}");
                plane.call("DELETE", path, &headers, "").await
            }
        };
        assert_eq!(done.status, 204, "{name}: {done:?}");
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
        ended.expect(name).unwrap();
    }
    // Nobody else's.
    let mut seen = [0; 1024];
    for _ in 0..5 {
        let read = tokio::time::timeout(LIMIT, other.read(&mut seen)).await;
        assert_ne!(read.unwrap().unwrap(), 0);
    }
    plane.running.stop().await;
}

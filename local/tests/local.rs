//! A server and its caller on a real socket.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::routing::{get, post};
use local::{CallError, Client, Listener, ServeError};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(10);

fn router() -> axum::Router {
    axum::Router::new()
        .route(
            "/double",
            post(|Json(n): Json<u32>| async move { Json(n * 2) }),
        )
        .route("/text", get(|| async { "hello" }))
        .route("/lines", post(|| async { Body::from("one\ntwo\nhalf") }))
        .route(
            "/hang",
            get(std::future::pending::<()>).post(std::future::pending::<()>),
        )
}

#[tokio::test]
async fn calls_reach_the_router_and_only_this_user_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("role.sock");
    let listener = Listener::bind(&path).await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let stop = CancellationToken::new();
    let client = Client::new(&path);
    let calls = async {
        assert_eq!(
            client.post::<_, u32>("/double", &21, LIMIT).await.unwrap(),
            42
        );
        assert_eq!(
            &client.get_octets("/text", LIMIT).await.unwrap()[..],
            b"hello"
        );
        let mut lines = client.stream("/lines", &()).await.unwrap();
        assert_eq!(&lines.next().await.unwrap().unwrap()[..], b"one");
        assert_eq!(&lines.next().await.unwrap().unwrap()[..], b"two");
        assert!(
            lines.next().await.unwrap().is_none(),
            "half a line is no line"
        );
        let refused = client.get_octets("/none", LIMIT).await.unwrap_err();
        assert!(
            matches!(refused, CallError::Refused { status: 404, .. }),
            "{refused}"
        );
        let short = Duration::from_millis(20);
        let late = client.get_octets("/hang", short).await.unwrap_err();
        assert!(matches!(late, CallError::TimedOut { .. }), "{late}");
        assert!(matches!(
            Listener::bind(&path).await,
            Err(ServeError::Taken { .. })
        ));
        stop.cancel();
    };
    tokio::join!(listener.serve(router(), stop.clone()), calls);
    assert!(!path.exists(), "the socket file goes with its server");
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_another_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("role.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(Listener::bind(&path).await.unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    assert!(matches!(
        Listener::bind(&file).await,
        Err(ServeError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
}

#[tokio::test]
async fn a_stream_that_does_not_begin_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("role.sock");
    let listener = Listener::bind(&path).await.unwrap();
    let stop = CancellationToken::new();
    let client = Client::new(&path);
    let calls = async {
        tokio::time::pause();
        let late = client.stream("/hang", &()).await.unwrap_err();
        assert!(matches!(late, CallError::TimedOut { .. }), "{late}");
        stop.cancel();
    };
    tokio::select! {
        () = listener.serve(router(), stop.clone()) => panic!("it ended"),
        () = calls => {}
    }
}

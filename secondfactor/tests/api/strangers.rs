//! What strangers hold open, and what the API has left meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use secondfactor::admin::Incidents;

use crate::support::{Call, LIMIT, Running, started, tls};

/// A form that never comes.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn forms_that_never_come_stop_no_login() {
    let (_folder, running) = started().await;
    let (mut asked, mut connections) = (JoinSet::new(), JoinSet::new());
    for _ in 0..11 {
        let stream = TokioIo::new(tls(running.address, &running.app.ca_pem, true).await);
        let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = made.await.unwrap();
        connections.spawn(connection);
        for _ in 0..100 {
            let host = format!("https://127.0.0.1:{}", running.address.port());
            let request = http::Request::post(format!("{host}/me/sign-in"))
                .header("origin", &host)
                .body(Never)
                .unwrap();
            asked.spawn(sender.send_request(request));
        }
    }
    // As many as would fill the room of the API's bodies, and some that are refused.
    for _ in 0..70 {
        let refused = tokio::time::timeout(LIMIT, asked.join_next())
            .await
            .unwrap();
        assert_eq!(refused.unwrap().unwrap().unwrap().status(), 429);
    }
    let params = [("username", "alice")];
    let (status, preauth) = running.call("POST", "/auth/v2/preauth", &params).await;
    assert_eq!(status, 200, "{preauth}");
    drop((asked, connections));
    running.stop().await;
}

#[tokio::test]
async fn what_strangers_look_up_leaves_logins_theirs() {
    let (_folder, running) = started().await;
    running.user("alice", None, Vec::new()).await;
    for (path, cookie, most) in [
        ("/approve/AAAAAAAAAAAAAAAA", false, 404),
        ("/app/waiting", true, 401),
        ("/me", true, 200),
    ] {
        let (mut asked, mut connections) = (JoinSet::new(), JoinSet::new());
        for _ in 0..8 {
            let stream = TokioIo::new(tls(running.address, &running.app.ca_pem, true).await);
            let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
            let (mut sender, connection) = made.await.unwrap();
            connections.spawn(connection);
            for number in 0..150 {
                let host = format!("https://127.0.0.1:{}", running.address.port());
                let mut request = http::Request::get(format!("{host}{path}"));
                if cookie {
                    let name = match path {
                        "/me" => "__Host-countersign-me",
                        _ => "__Host-countersign",
                    };
                    request = request.header("cookie", format!("{name}={number:0>32}"));
                }
                let request = request.body(http_body_util::Empty::<Bytes>::new());
                asked.spawn(sender.send_request(request.unwrap()));
            }
        }
        let params = [("username", "alice")];
        let (status, preauth) = running.call("POST", "/auth/v2/preauth", &params).await;
        assert_eq!(status, 200, "{path} {preauth}");
        let (mut looked, mut refused) = (0, 0);
        while let Some(answer) = asked.join_next().await {
            match answer.unwrap().unwrap().status().as_u16() {
                429 => refused += 1,
                status if status == most => looked += 1,
                status => panic!("{path} {status}"),
            }
        }
        assert!(
            looked >= 256,
            "{path}: those who waited were answered: {looked}"
        );
        assert!(refused > 0, "{path}: the others did not wait");
        drop(connections);
    }
    running.stop().await;
}

#[tokio::test]
async fn who_is_not_signed_in_is_not_waited_for() {
    let (_folder, running) = started().await;
    let host = format!("https://127.0.0.1:{}", running.address.port());
    let app = format!("https://localhost:{}", running.address.port());
    for (path, origin, want) in [
        ("/me/add", &host, 403),
        ("/app/approve", &app, 401),
        ("/app/refuse", &app, 401),
    ] {
        let stream = TokioIo::new(tls(running.address, &running.app.ca_pem, true).await);
        let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = made.await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let request = http::Request::post(format!("{host}{path}"))
            .header("origin", origin)
            .body(Never)
            .unwrap();
        let answer = sender.send_request(request);
        let answer = tokio::time::timeout(BEFORE_A_BODY_IS_LATE, answer).await;
        let answer = answer.expect(path).unwrap();
        assert_eq!(answer.status(), want, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_says_who_asks_and_another_does_not() {
    for (trusted, after, from) in [(true, 429, "203.0.113.1"), (false, 404, "")] {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path(), |settings| {
            if trusted {
                settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            }
        })
        .await;
        let guess = async |from: &str| {
            let mut call = Call::bare(&running.app, "GET", "/e/AAAA-AAAA-AAAA");
            call.header("x-forwarded-for", from);
            running.send_raw(&call).await.0
        };
        // What a browser writes before what the proxy adds counts for nothing.
        for number in 0..20 {
            let from = format!("10.0.0.{number}, 203.0.113.1");
            assert_eq!(guess(&from).await, 404, "{number}");
        }
        assert_eq!(guess("10.0.0.20, 203.0.113.1").await, after);
        assert_eq!(guess("203.0.113.2").await, 404, "another one");

        running.user("alice", None, Vec::new()).await;
        for _ in 0..6 {
            let mut call = Call::bare(&running.app, "POST", "/me/sign-in");
            call.body = "name=alice&passcode=000000".to_owned();
            call.header("origin", &format!("https://{}", call.host));
            call.header("x-forwarded-for", "203.0.113.1");
            assert_eq!(running.send_raw(&call).await.0, 422);
        }
        let told = async {
            loop {
                let path = "/incidents?kind=self_service";
                let found: Incidents = running.admin.get(path, LIMIT).await.unwrap();
                if let [only] = &found.incidents[..] {
                    return only.ip.clone();
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(tokio::time::timeout(LIMIT, told).await.unwrap(), from);
        running.stop().await;
    }
}

const BEFORE_A_BODY_IS_LATE: std::time::Duration = std::time::Duration::from_secs(12);

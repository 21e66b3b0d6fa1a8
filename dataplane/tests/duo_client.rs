//! The client of the second factor against a double of the service, over real TLS.
#![cfg(test)]

mod duo_double;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dataplane::clock;
use dataplane::duo::client::{DuoClient, DuoClients};
use dataplane::duo::failure::{Call, Failure, FailureKind as K, Reaction, reaction};
use dataplane::duo::message::{
    AuthFactor, AuthReply, AuthRequest, AuthResult, DeviceChoice, Preauth, PreauthRequest, Txid,
};
use http::Version;
use proto::secret::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use duo_double::{Double, Step, acceptor, configured, proxy, raw_double, until};

const H1: &[&str] = &["http/1.1"];
const H2: &[&str] = &["h2", "http/1.1"];

fn soon() -> Instant {
    clock::now() + Duration::from_secs(30)
}

fn client(double: &Double) -> (DuoClients, Arc<DuoClient>) {
    let clients = DuoClients::new(1_000);
    let (application, settings) = configured("localhost", double.port, &double.ca, false, None);
    let client = clients.client(&application, &settings).unwrap();
    (clients, client)
}

fn user() -> PreauthRequest {
    PreauthRequest {
        username: "zoë b".to_owned(),
        ipaddr: Some("192.0.2.1".to_owned()),
        hostname: None,
        shows_numbers: false,
    }
}

fn push() -> AuthRequest {
    AuthRequest {
        username: "zoë b".to_owned(),
        ipaddr: None,
        hostname: None,
        txid: None,
        factor: AuthFactor::Push(DeviceChoice::Auto),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Failure>) -> K {
    result.unwrap_err().kind
}

#[tokio::test]
async fn every_call_is_signed_and_uses_one_connection() {
    for (alpn, version) in [
        (H1, Version::HTTP_11),
        (H2, Version::HTTP_2),
        (&[][..], Version::HTTP_11),
    ] {
        let double = Double::start(alpn).await;
        double.release();
        let (_clients, client) = client(&double);
        let preauth = client.preauth(&user(), soon()).await.unwrap();
        assert!(matches!(preauth, Preauth::Allow { .. }));
        let started = client.auth(&push(), soon()).await.unwrap();
        assert_eq!(started, AuthReply::Started(Txid("t1".to_owned())));
        let txid = Txid("t1".to_owned());
        let decision = client.auth_status(&txid, soon()).await.unwrap();
        assert_eq!(decision.result, AuthResult::Allow);
        double.plan_answer(200, r#"{"stat":"OK","response":{"result":"deny"}}"#);
        let passcode = AuthRequest {
            factor: AuthFactor::Passcode(Secret::from("012345")),
            ..push()
        };
        let decided = client.auth(&passcode, soon()).await.unwrap();
        assert!(matches!(decided, AuthReply::Decided(_)));
        client.ping(soon()).await.unwrap();
        client.check(soon()).await.unwrap();
        let seen = double.seen();
        assert_eq!(seen.len(), 6);
        assert!(seen.iter().all(|one| one.version == version), "{seen:?}");
        assert_eq!(seen[0].parameters, "ipaddr=192.0.2.1&username=zo%C3%AB%20b");
        assert_eq!(double.connections(), 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn every_answer_that_is_no_success_has_its_kind() {
    let fail = |code: u32| format!(r#"{{"stat":"FAIL","code":{code},"message":"m"}}"#);
    let long = format!(r#"{{"stat":"OK","x":"{}"}}"#, "x".repeat(1024 * 1024));
    let table = [
        (500, fail(50001), K::Server, "500 50001 m"),
        (502, "<html>".to_owned(), K::Server, "502"),
        (401, fail(40103), K::Credentials, "401 40103 m"),
        (400, fail(40002), K::BadRequest, "400 40002 m"),
        (403, fail(40301), K::Refused, "403 40301 m"),
        (301, String::new(), K::Refused, "301"),
        (200, fail(40002), K::BadRequest, "200 40002 m"),
        (
            200,
            "<html>".to_owned(),
            K::Unreadable,
            "the answer is not the JSON",
        ),
        (200, long, K::Unreadable, "longer than 1 MiB"),
    ];
    for alpn in [H1, H2] {
        let double = Double::start(alpn).await;
        let (_clients, client) = client(&double);
        for (status, body, want, detail) in &table {
            double.plan_answer(*status, body);
            let failure = client.auth(&push(), soon()).await.unwrap_err();
            assert_eq!(failure.kind, *want, "{status} {failure:?}");
            assert!(failure.detail.contains(detail), "{status} {failure:?}");
        }
        assert_eq!(double.seen().len(), table.len(), "nothing is sent twice");
    }
}

#[tokio::test]
async fn an_auth_request_is_never_sent_twice() {
    for alpn in [H1, H2] {
        let double = Double::start(alpn).await;
        let (_clients, client) = client(&double);
        client.preauth(&user(), soon()).await.unwrap();
        double.plan(Step::Close);
        assert_eq!(kind(client.auth(&push(), soon()).await), K::Closed);
        let auths = double
            .seen()
            .iter()
            .filter(|s| s.path == "/auth/v2/auth")
            .count();
        assert_eq!(auths, 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn a_request_that_may_be_repeated_is_sent_again_once_over_a_fresh_connection() {
    for alpn in [H1, H2] {
        let double = Double::start(alpn).await;
        let (_clients, client) = client(&double);
        client.preauth(&user(), soon()).await.unwrap();
        double.plan(Step::Close);
        client.preauth(&user(), soon()).await.unwrap();
        assert_eq!(double.seen().len(), 3, "{alpn:?}");
        assert_eq!(double.connections(), 2, "{alpn:?}");
        double.plan(Step::Close);
        double.plan(Step::Close);
        assert_eq!(kind(client.preauth(&user(), soon()).await), K::Closed);
        assert_eq!(double.seen().len(), 5, "{alpn:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_is_replaced_unnoticed() {
    for alpn in [H1, H2] {
        let double = Double::start(alpn).await;
        let (clients, client) = client(&double);
        client.preauth(&user(), soon()).await.unwrap();
        double.close_connections();
        until(|| clients.connections() == 0).await;
        client.auth(&push(), soon()).await.unwrap();
        assert_eq!(double.connections(), 2, "{alpn:?}");
    }
}

#[tokio::test]
async fn what_is_below_http_is_told_apart() {
    let table: [(&'static [&'static str], K, usize); 3] = [
        (&["SSH-2.0-OpenSSH\r\n\r\n"], K::Unreadable, 1),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"],
            K::Closed,
            1,
        ),
        (&[""], K::Closed, 1),
    ];
    for (answers, want, requests) in table {
        let (port, ca, count) = raw_double(answers).await;
        let (application, settings) = configured("localhost", port, &ca, false, None);
        let client = DuoClients::new(10).client(&application, &settings).unwrap();
        assert_eq!(
            kind(client.preauth(&user(), soon()).await),
            want,
            "{answers:?}"
        );
        assert_eq!(count.load(Ordering::SeqCst), requests, "{answers:?}");
    }
}

#[tokio::test]
async fn a_thousand_polls_over_http2_share_ten_connections_and_delay_nobody() {
    let double = Double::start(H2).await;
    let (_clients, client) = client(&double);
    let mut polls = JoinSet::new();
    for _ in 0..1_000 {
        let client = Arc::clone(&client);
        polls.spawn(async move { client.auth_status(&Txid("t".to_owned()), soon()).await });
    }
    until(|| double.held() == 1_000).await;
    assert!(
        (10..=12).contains(&double.connections()),
        "{}",
        double.connections()
    );
    client.preauth(&user(), soon()).await.unwrap();
    double.release();
    while let Some(poll) = polls.join_next().await {
        assert_eq!(poll.unwrap().unwrap().result, AuthResult::Allow);
    }
}

#[tokio::test]
async fn a_poll_that_waits_is_small() {
    let double = Double::start(H2).await;
    let (_clients, client) = client(&double);
    let txid = Txid("t".to_owned());
    let poll = size_of_val(&client.auth_status(&txid, soon()));
    assert!(poll <= 1_280, "{poll} octets");
}

#[tokio::test]
async fn the_peers_own_limit_of_streams_is_kept() {
    let double = Double::with_streams(H2, 10).await;
    let (_clients, client) = client(&double);
    let mut polls = JoinSet::new();
    for _ in 0..25 {
        let client = Arc::clone(&client);
        polls.spawn(async move { client.auth_status(&Txid("t".to_owned()), soon()).await });
    }
    until(|| double.held() == 25).await;
    client.preauth(&user(), soon()).await.unwrap();
    assert_eq!(double.connections(), 3);
    double.release();
    while let Some(poll) = polls.join_next().await {
        poll.unwrap().unwrap();
    }
}

#[tokio::test]
async fn two_hundred_logins_at_once_are_served_over_http1() {
    let double = Double::start(H1).await;
    let (clients, client) = client(&double);
    let mut logins = JoinSet::new();
    for _ in 0..200 {
        let client = Arc::clone(&client);
        logins.spawn(async move { client.preauth(&user(), soon()).await });
    }
    while let Some(login) = logins.join_next().await {
        login.unwrap().unwrap();
    }
    assert_eq!(double.seen().len(), 200);
    assert!(clients.connections() <= 200);
}

#[tokio::test]
async fn a_full_table_of_connections_is_our_own_fault() {
    let double = Double::start(H1).await;
    let clients = DuoClients::new(1);
    let (application, settings) = configured("localhost", double.port, &double.ca, false, None);
    let client = clients.client(&application, &settings).unwrap();
    let mut polls = JoinSet::new();
    let poller = Arc::clone(&client);
    polls.spawn(async move { poller.auth_status(&Txid("t".to_owned()), soon()).await });
    until(|| double.held() == 1).await;
    assert_eq!(kind(client.preauth(&user(), soon()).await), K::Internal);
    assert_eq!(clients.refused(), 1);
    double.release();
    polls.join_next().await.unwrap().unwrap().unwrap();
    client.preauth(&user(), soon()).await.unwrap();
}

#[tokio::test]
async fn a_burst_that_waits_for_connections_is_no_outage() {
    const LOGINS: usize = 200;
    let double = Double::start(H1).await;
    let (_clients, client) = client(&double);
    client.ping(soon()).await.unwrap();
    double.shake_hands_in(Duration::from_millis(30));
    for _ in 0..LOGINS {
        double.plan(Step::Hold);
    }
    // Fewer than all connections are there when the time is over.
    let deadline = clock::now() + Duration::from_secs(2);
    let mut logins = JoinSet::new();
    for number in 0..LOGINS {
        let client = Arc::clone(&client);
        logins.spawn(async move {
            if number % 2 == 0 {
                client.preauth(&user(), deadline).await.unwrap_err()
            } else {
                client.auth(&push(), deadline).await.unwrap_err()
            }
        });
    }
    let failures = logins.join_all().await;
    let (waited, served): (Vec<_>, Vec<_>) = failures
        .into_iter()
        .partition(|failure| failure.detail.contains("connection"));
    assert!(!served.is_empty() && !waited.is_empty());
    for failure in waited {
        assert_eq!(failure.kind, K::Internal, "{failure:?}");
    }
}

#[tokio::test]
async fn a_busy_service_is_asked_again_within_the_deadline() {
    let double = Double::start(H2).await;
    let (_clients, client) = client(&double);
    let busy = |name, value: &str| Step::Answer(429, vec![(name, value.to_owned())], String::new());
    double.plan(busy("retry-after", "0"));
    double.plan(busy("x-retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"));
    client.auth(&push(), soon()).await.unwrap();
    assert_eq!(double.seen().len(), 3);
    double.plan(busy("retry-after", "3600"));
    let begun = clock::now();
    assert_eq!(kind(client.auth(&push(), soon()).await), K::RateLimited);
    assert!(
        clock::now() - begun < Duration::from_secs(5),
        "it does not wait in vain"
    );
    double.plan_answer(429, "");
    let deadline = clock::now() + Duration::from_millis(900);
    assert_eq!(kind(client.auth(&push(), deadline).await), K::RateLimited);
    // Busy first and silent then: it is no outage that a fail mode would forgive.
    double.plan(busy("retry-after", "0"));
    double.plan(Step::Hold);
    let deadline = clock::now() + Duration::from_secs(3);
    let preauth = client.preauth(&user(), deadline).await;
    assert_eq!(kind(preauth), K::RateLimited);
    assert!(clock::now() >= deadline, "the second one was waited for");
}

#[tokio::test]
async fn a_service_that_was_busy_and_is_cut_off_by_the_deadline_is_no_outage() {
    let double = Double::start(H2).await;
    let (_clients, client) = client(&double);
    let short = || clock::now() + Duration::from_millis(900);
    let busy = || Step::Answer(429, vec![("retry-after", "0".to_owned())], String::new());
    double.plan(busy());
    double.plan(Step::Hold);
    let failure = client.preauth(&user(), short()).await.unwrap_err();
    assert_eq!(failure.kind, K::RateLimited, "{failure:?}");
    assert_eq!(reaction(Call::Preauth, failure.kind), Reaction::Refused);
    // Who hears nothing at all knows of none that is there; and a push may be out by then.
    double.plan(Step::Hold);
    assert_eq!(kind(client.preauth(&user(), short()).await), K::TimedOut);
    double.plan(busy());
    double.plan(Step::Hold);
    assert_eq!(kind(client.auth(&push(), short()).await), K::TimedOut);
}

#[tokio::test]
async fn a_wrong_clock_is_learnt_from_the_service_once() {
    let double = Double::start(H2).await;
    double.run_ahead(4_000);
    let (_clients, client) = client(&double);
    client.auth(&push(), soon()).await.unwrap();
    client.preauth(&user(), soon()).await.unwrap();
    let paths: Vec<_> = double.seen().into_iter().map(|one| one.path).collect();
    assert_eq!(
        paths,
        [
            "/auth/v2/auth",
            "/auth/v2/ping",
            "/auth/v2/auth",
            "/auth/v2/preauth"
        ]
    );
    let offset = client.learn_skew(soon()).await.unwrap();
    assert!((3_998..=4_002).contains(&offset), "{offset}");
    let refused = r#"{"stat":"FAIL","code":40105,"message":"Bad request timestamp"}"#;
    double.plan_answer(401, refused);
    double.plan(Step::Answer(503, Vec::new(), String::new()));
    assert_eq!(kind(client.preauth(&user(), soon()).await), K::Credentials);
}

#[tokio::test]
async fn what_cannot_be_connected_says_why() {
    let double = Double::start(H2).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed_port = unused.local_addr().unwrap().port();
    drop(unused);
    let other_ca = acceptor(&["localhost"], H2).0;
    let (named_port, named_ca, _) = raw_double(&[""]).await;
    let (ca, port) = (double.ca.as_str(), double.port);
    let table = [
        ("no such name", "duo.invalid", port, ca, "cannot resolve"),
        (
            "nobody there",
            "127.0.0.1",
            closed_port,
            ca,
            "cannot connect",
        ),
        (
            "another CA",
            "localhost",
            port,
            other_ca.as_str(),
            "invalid peer certificate",
        ),
        (
            "another name",
            "127.0.0.1",
            named_port,
            named_ca.as_str(),
            "not valid for",
        ),
    ];
    for (name, host, port, ca, detail) in table {
        let (application, settings) = configured(host, port, ca, false, None);
        let client = DuoClients::new(10).client(&application, &settings).unwrap();
        for failure in [
            client.preauth(&user(), soon()).await.unwrap_err(),
            client.auth(&push(), soon()).await.unwrap_err(),
        ] {
            assert_eq!(failure.kind, K::Connect, "{name}: {failure:?}");
            assert!(failure.detail.contains(detail), "{name}: {failure:?}");
        }
    }
    let (application, settings) = configured("127.0.0.1", port, ca, true, None);
    let client = DuoClients::new(10).client(&application, &settings).unwrap();
    client.preauth(&user(), soon()).await.unwrap();
}

#[tokio::test]
async fn an_outage_answers_everybody_and_the_next_login_after_it_succeeds() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let (ca, tls) = acceptor(&["localhost"], H2);
    let (application, settings) = configured("localhost", port, &ca, false, None);
    let clients = DuoClients::new(10);
    let client = clients.client(&application, &settings).unwrap();
    let mut logins = JoinSet::new();
    for _ in 0..500 {
        let client = Arc::clone(&client);
        logins.spawn(async move { client.preauth(&user(), soon()).await });
    }
    while let Some(login) = logins.join_next().await {
        assert_eq!(kind(login.unwrap()), K::Connect);
    }
    assert_eq!((clients.connections(), clients.refused()), (0, 0));
    let double = Double::on(port, 250, (ca, tls)).await;
    client.preauth(&user(), soon()).await.unwrap();
    assert_eq!(double.seen().len(), 1);
}

#[tokio::test]
async fn a_deadline_before_anything_was_sent_reached_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ca, _) = acceptor(&["localhost"], H2);
    let port = silent.local_addr().unwrap().port();
    let (application, settings) = configured("localhost", port, &ca, false, None);
    let client = DuoClients::new(10).client(&application, &settings).unwrap();
    let deadline = || clock::now() + Duration::from_millis(50);
    assert_eq!(kind(client.preauth(&user(), deadline()).await), K::TimedOut);
    assert_eq!(kind(client.auth(&push(), deadline()).await), K::Connect);

    for alpn in [H1, H2] {
        let double = Double::start(alpn).await;
        let (_clients, client) = self::client(&double);
        client.preauth(&user(), soon()).await.unwrap();
        double.plan(Step::Hold);
        assert_eq!(kind(client.auth(&push(), deadline()).await), K::TimedOut);
        client.preauth(&user(), soon()).await.unwrap();
    }
}

#[tokio::test]
async fn the_proxy_carries_what_is_not_pinned() {
    let double = Double::start(H2).await;
    let (port, tunnels) = proxy("HTTP/1.1 200 Connection established").await;
    let clients = DuoClients::new(10);
    for (pinned, want) in [(false, 1), (true, 1)] {
        let (application, settings) =
            configured("localhost", double.port, &double.ca, pinned, Some(port));
        let client = clients.client(&application, &settings).unwrap();
        client.preauth(&user(), soon()).await.unwrap();
        assert_eq!(tunnels.load(Ordering::SeqCst), want, "pinned: {pinned}");
    }
    for (line, detail) in [
        ("HTTP/1.1 403 Forbidden", "refused: 403 Forbidden"),
        ("HTTP/1.0 502 Bad Gateway", "refused: 502"),
        ("HTTP/1.1 204 No Content", "refused: 204"),
        ("220 smtp.test ESMTP", "does not speak HTTP"),
    ] {
        let (port, _) = proxy(line).await;
        let (application, settings) =
            configured("localhost", double.port, &double.ca, false, Some(port));
        let client = clients.client(&application, &settings).unwrap();
        let failure = client.auth(&push(), soon()).await.unwrap_err();
        assert_eq!(failure.kind, K::Connect, "{line}");
        assert!(failure.detail.contains(detail), "{line}: {failure:?}");
    }
}

#[tokio::test]
async fn connections_outlive_a_snapshot_and_end_with_the_last_client() {
    let double = Double::start(H2).await;
    let (clients, first) = client(&double);
    first.preauth(&user(), soon()).await.unwrap();
    let (application, settings) = configured("localhost", double.port, &double.ca, false, None);
    let second = clients.client(&application, &settings).unwrap();
    drop(first);
    second.preauth(&user(), soon()).await.unwrap();
    assert_eq!(double.connections(), 1);
    drop(second);
    until(|| clients.connections() == 0).await;
}

//! An upstream that is down, whose name hangs, or whose name stands for several addresses; hosts
//! that die and come back.

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::Registry;
use proto::config::{AuthenticatorKind, Snapshot, raw};
use proto::secret::Secret;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::primary::Credential;
use crate::radius::{
    AttributeType, Code, MAX_PACKET_OCTETS, ReplyBuilder, ReplyTo, RequestBuilder,
};

const WAIT: Duration = Duration::from_millis(50);
const PACE: Pace = Pace {
    first: WAIT,
    longest: WAIT,
    trial: WAIT,
};
const HANGS: &str = "hangs.example";
/// A user to whose logins no upstream says anything.
const IGNORED: &str = "mallory";

/// An upstream with these names, each of which stands for the addresses, and how often one was
/// looked up.
fn upstream(
    names: &[&str],
    tries: u32,
    addresses: &[SocketAddr],
) -> (Arc<Upstream>, Arc<AtomicUsize>, TaskTracker) {
    let hosts: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "port": 1812}))
        .collect();
    made(&hosts, tries, WAIT, addresses)
}

/// An upstream with these hosts, which are named by their addresses.
fn at(hosts: &[SocketAddr], tries: u32, wait: Duration) -> (Arc<Upstream>, TaskTracker) {
    let hosts: Vec<_> = hosts
        .iter()
        .map(|host| json!({"name": host.ip(), "port": host.port()}))
        .collect();
    let (upstream, _, tasks) = made(&hosts, tries, wait, &[]);
    (upstream, tasks)
}

fn made(
    hosts: &[Value],
    tries: u32,
    wait: Duration,
    addresses: &[SocketAddr],
) -> (Arc<Upstream>, Arc<AtomicUsize>, TaskTracker) {
    let raw: raw::Snapshot = serde_json::from_value(json!({
        "revision": 1,
        "authenticators": [{"id": "radius_client", "kind": {"radius": {
            "hosts": hosts, "secret": "upstream", "retries": tries - 1,
        }}}],
    }))
    .unwrap();
    let authenticator = Snapshot::try_from(raw).unwrap().authenticators.remove(0);
    let AuthenticatorKind::Radius(settings) = &authenticator.kind else {
        panic!("it is an upstream");
    };
    let mut settings = settings.clone();
    settings.retry_wait = wait;
    let tasks = TaskTracker::new();
    let shared = Shared::new(tasks.clone(), &Registry::new()).unwrap();
    let lookups = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::with("radius_client", &settings, &shared, PACE, || {
        let (lookups, addresses) = (Arc::clone(&lookups), addresses.to_vec());
        Lookup::new(move |host| {
            lookups.fetch_add(1, Ordering::SeqCst);
            if host.name == HANGS {
                Box::pin(pending())
            } else {
                Box::pin(ready(Ok(addresses.clone())))
            }
        })
    });
    (Arc::new(upstream), lookups, tasks)
}

async fn login(upstream: &Upstream) -> Result<Verdict, PrimaryFailure> {
    login_as("alice", upstream).await
}

async fn login_as(user: &str, upstream: &Upstream) -> Result<Verdict, PrimaryFailure> {
    let request = PrimaryRequest {
        user: user.to_owned(),
        credential: Credential::Password(Secret::from("pw")),
        calling_station: None,
        pass_through: Vec::new(),
        answers: None,
    };
    let deadline = now() + upstream.budget();
    upstream.check(&request, deadline, &mut Vec::new()).await
}

async fn logins(upstream: &Arc<Upstream>, count: usize) -> Vec<Result<Verdict, PrimaryFailure>> {
    let mut logins = JoinSet::new();
    for _ in 0..count {
        let upstream = Arc::clone(upstream);
        logins.spawn(async move { login(&upstream).await });
    }
    logins.join_all().await
}

fn waiter(answers: &mpsc::Sender<Answer>) -> Waiter {
    Waiter {
        authenticator: Authenticator::default(),
        answers: Some(answers.clone()),
    }
}

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Accepts everybody, and says to a probe that it is alive.
async fn accept(socket: UdpSocket) {
    serve(&socket, &[Code::ACCESS_REQUEST, Code::STATUS_SERVER]).await;
}

/// Accepts what comes with these codes, and is deaf to anything else and to [`IGNORED`].
async fn serve(socket: &UdpSocket, codes: &[Code]) {
    let mut octets = [0; MAX_PACKET_OCTETS];
    loop {
        let (count, from) = socket.recv_from(&mut octets).await.unwrap();
        let request = Packet::parse(&octets[..count]).unwrap();
        let ignored = request.first(AttributeType::USER_NAME) == Some(IGNORED.as_bytes());
        if codes.contains(&request.code()) && !ignored {
            let to = ReplyTo::new(&request).unwrap();
            let secret = SharedSecret::new(b"upstream");
            let answer = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

/// How many Access-Requests and how many Status-Servers lie unread.
fn unread(socket: &UdpSocket) -> (usize, usize) {
    let mut octets = [0; MAX_PACKET_OCTETS];
    let mut codes = Vec::new();
    while socket.try_recv_from(&mut octets).is_ok() {
        codes.push(octets[0]);
    }
    let of = |code: Code| codes.iter().filter(|one| **one == code.0).count();
    (of(Code::ACCESS_REQUEST), of(Code::STATUS_SERVER))
}

async fn until(mut condition: impl FnMut() -> bool) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it comes true in time");
}

/// Who accepted a login.
async fn accepted(upstream: &Upstream) -> String {
    match login(upstream).await {
        Ok(Verdict::Accepted(acceptance)) => acceptance.detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_takes_no_more_sockets() {
    let (_mute, address) = bound().await;
    let (upstream, lookups, _) = upstream(&["radius.example"], 1, &[address]);
    for _ in 0..10 {
        for outcome in logins(&upstream, 100).await {
            let failure = outcome.unwrap_err();
            assert_eq!(failure.kind, PrimaryFailureKind::Unavailable);
        }
        assert_eq!(upstream.hosts[0].open(), 1);
    }
    // Once for the socket, once because nobody answered.
    assert!(lookups.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_name_that_hangs_is_looked_up_once_and_the_next_host_asked_in_time() {
    let (socket, address) = bound().await;
    let (upstream, lookups, _) = upstream(&[HANGS, "radius.example"], 2, &[address]);
    let mut serving = JoinSet::new();
    serving.spawn(accept(socket));
    for outcome in logins(&upstream, 100).await {
        assert!(matches!(outcome, Ok(Verdict::Accepted(_))), "{outcome:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 2, "one for each name");
    assert_eq!(upstream.hosts[1].open(), 1, "opened once for all");
}

#[tokio::test]
async fn the_next_address_takes_its_turn_and_the_old_socket_ends_with_its_last_request() {
    let ((_mute, silent), (socket, address)) = (bound().await, bound().await);
    let (upstream, _, tasks) = upstream(&["radius.example"], 1, &[silent, address]);
    let mut serving = JoinSet::new();
    serving.spawn(accept(socket));
    let host = &upstream.hosts[0];
    // Another login waits for the first address meanwhile.
    let (sender, _answers) = mpsc::channel(1);
    let held = host
        .inner
        .ticket(&waiter(&sender), now() + WAIT)
        .await
        .unwrap()
        .unwrap();
    login(&upstream).await.unwrap_err();
    let outcome = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Ok(verdict) = login(&upstream).await {
                return verdict;
            }
        }
    });
    assert!(matches!(outcome.await, Ok(Verdict::Accepted(_))));
    assert_eq!(host.open(), 2, "the first socket is waited for");

    drop(held);
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        while host.open() > 1 {
            tokio::task::yield_now().await;
        }
    });
    ended.await.expect("nothing waits for the first socket");
    drop(upstream);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn an_address_that_answers_others_keeps_its_turn() {
    let ((socket, address), (_mute, silent)) = (bound().await, bound().await);
    let (upstream, lookups, _) = upstream(&["radius.example"], 1, &[address, silent]);
    let mut serving = JoinSet::new();
    serving.spawn(accept(socket));
    assert!(login(&upstream).await.is_ok());
    upstream.hosts[0].inner.renew();
    assert!(login(&upstream).await.is_ok());
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_more_sockets_are_open_than_may_be() {
    let (_mute, address) = bound().await;
    let (upstream, _, _) = upstream(&["radius.example"], 1, &[address]);
    let (sender, _answers) = mpsc::channel(1);
    let mut held = Vec::new();
    let host = &upstream.hosts[0];
    let until = now() + Duration::from_secs(30);
    while let Some(ticket) = host.inner.ticket(&waiter(&sender), until).await.unwrap() {
        held.push(ticket);
    }
    assert_eq!((held.len(), host.open()), (64 * 256, 64));
}

#[tokio::test]
async fn a_dead_host_costs_one_login_a_turn_and_is_first_again_after_a_probe() {
    let ((first, dead), (second, live)) = (bound().await, bound().await);
    let (upstream, tasks) = at(&[dead, live], 2, Duration::from_millis(500));
    let mut serving = JoinSet::new();
    serving.spawn(accept(second));
    for _ in 0..20 {
        assert_eq!(accepted(&upstream).await, format!("by {live}"));
    }
    first.readable().await.unwrap();
    let mut seen = unread(&first);
    until(|| {
        let (logins, probes) = unread(&first);
        seen = (seen.0 + logins, seen.1 + probes);
        seen.1 >= 3
    })
    .await;
    assert_eq!(seen.0, 1, "one login went there");

    serving.spawn(accept(first));
    until(|| !upstream.hosts[0].peer.health.is_dead()).await;
    assert_eq!(accepted(&upstream).await, format!("by {dead}"));
    drop(upstream);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn probes_end_with_the_upstream() {
    let (_mute, dead) = bound().await;
    let (upstream, tasks) = at(&[dead], 1, WAIT);
    login(&upstream).await.unwrap_err();
    assert!(upstream.hosts[0].peer.health.is_dead());
    tasks.close();
    drop(upstream);
    let ended = tokio::time::timeout(Duration::from_secs(10), tasks.wait());
    ended.await.expect("the probe ends");
}

#[tokio::test]
async fn a_host_that_is_deaf_to_probes_is_found_again_by_a_login() {
    let ((first, dead), (second, live)) = (bound().await, bound().await);
    let (upstream, _) = at(&[dead, live], 2, WAIT);
    let mut serving = JoinSet::new();
    serving.spawn(accept(second));
    assert_eq!(accepted(&upstream).await, format!("by {live}"));
    let deaf = async move { serve(&first, &[Code::ACCESS_REQUEST]).await };
    serving.spawn(deaf);
    let found = tokio::time::timeout(Duration::from_secs(10), async {
        while accepted(&upstream).await != format!("by {dead}") {}
    });
    found.await.expect("a login tries it again");
    assert!(!upstream.hosts[0].peer.health.is_dead());
}

#[tokio::test]
async fn an_answer_to_an_earlier_request_is_late_and_not_forged() {
    let (socket, address) = bound().await;
    let (upstream, _) = at(&[address], 1, WAIT);
    let host = &upstream.hosts[0];
    let (sender, mut answers) = mpsc::channel(1);
    let ticket = async |number: u8| {
        let waiter = Waiter {
            authenticator: [number; AUTHENTICATOR_OCTETS],
            answers: Some(sender.clone()),
        };
        let until = now() + Duration::from_secs(10);
        host.inner.ticket(&waiter, until).await.unwrap().unwrap()
    };
    let mut early = ticket(1).await;
    let identifier = early.identifier;
    early.send(b"x").await.unwrap();
    let (_, from) = socket.recv_from(&mut [0; 8]).await.unwrap();
    drop(early);
    early = ticket(2).await;
    while early.identifier != identifier {
        drop(early);
        early = ticket(2).await;
    }
    let secret = SharedSecret::new(b"upstream");
    let began = now();
    // To the request before, to none, and to the one that waits.
    for number in [1, 9, 2] {
        let request = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            identifier,
            [number; AUTHENTICATOR_OCTETS],
            &secret,
        )
        .finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let answer = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
        socket.send_to(&answer, from).await.unwrap();
        if number == 1 {
            let discards = &host.peer.discards;
            let labels = ["radius_client", host.peer.label.as_str(), "late"];
            until(|| discards.with_label_values(&labels).get() == 1).await;
            assert_eq!(host.peer.health.seen_since(began), None);
        }
    }
    let answer = answers.recv().await.unwrap();
    assert_eq!(answer.request, [2; AUTHENTICATOR_OCTETS]);
    assert_eq!(
        host.peer.health.seen_since(began),
        Some(health::Sign::Forged)
    );
}

#[tokio::test]
async fn a_user_whom_upstreams_ignore_takes_them_from_nobody() {
    for count in [1, 2] {
        let (mut serving, mut hosts) = (JoinSet::new(), Vec::new());
        for _ in 0..count {
            let (socket, address) = bound().await;
            hosts.push(address);
            // No probe tells that it is alive.
            serving.spawn(async move { serve(&socket, &[Code::ACCESS_REQUEST]).await });
        }
        let (upstream, _) = at(&hosts, 2, WAIT);
        for _ in 0..2 {
            let failure = login_as(IGNORED, &upstream).await.unwrap_err();
            assert_eq!(failure.kind, PrimaryFailureKind::Unavailable);
            assert!(upstream.hosts.iter().all(|host| host.peer.health.is_dead()));
            let began = now();
            let by = accepted(&upstream).await;
            assert!(hosts.iter().any(|host| by == format!("by {host}")));
            assert!(now() < began + WAIT, "it waited for a dead host");
        }
    }
}

#[tokio::test]
async fn the_order_is_as_configured_but_the_dead_last() {
    let soon = PACE.trial / 2;
    for (name, tries, dead, later, want) in [
        ("all live", 4, &[][..], soon, [0, 1, 2]),
        ("one dead", 4, &[0], soon, [1, 2, 0]),
        ("two dead", 4, &[0, 1], soon, [2, 0, 1]),
        ("one is tried", 4, &[0, 1], PACE.trial, [0, 2, 1]),
        (
            "a login with one try tries none",
            1,
            &[0],
            PACE.trial,
            [1, 2, 0],
        ),
        (
            "none is tried after a live one",
            4,
            &[1],
            PACE.trial,
            [0, 2, 1],
        ),
        ("all dead", 4, &[2, 0, 1], PACE.trial, [0, 1, 2]),
        ("all dead, few tries", 2, &[2, 0, 1], PACE.trial, [2, 0, 1]),
    ] {
        let hosts = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let (upstream, _) = at(&hosts, tries, WAIT);
        let start = now();
        for (tried, place) in (0..).zip(dead) {
            let at = start - Duration::from_millis(10) + Duration::from_millis(tried);
            upstream.hosts[*place].peer.health.silent(at, at);
        }
        let order = |at| {
            upstream
                .order(at)
                .iter()
                .map(|one| one.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            order(start + later - Duration::from_millis(10)),
            want,
            "{name}"
        );
        if name == "one is tried" {
            // Its place is taken: the next one tries the other, and then nobody does.
            let at = start + later;
            assert_eq!(order(at), [1, 2, 0], "{name}");
            assert_eq!(order(at), [2, 0, 1], "{name}");
        }
    }
}

#[tokio::test]
async fn no_login_is_lost_when_a_host_stops_and_starts() {
    const LOGINS: usize = 400;
    let ((first, stops), (second, live)) = (bound().await, bound().await);
    let (upstream, _) = at(&[stops, live], 4, Duration::from_secs(1));
    let mut serving = JoinSet::new();
    serving.spawn(accept(second));
    let first = Arc::new(first);
    let both = [Code::ACCESS_REQUEST, Code::STATUS_SERVER];
    let start = || {
        let first = Arc::clone(&first);
        async move { serve(&first, &both).await }
    };
    let running = serving.spawn(start());
    for outcome in logins(&upstream, LOGINS).await {
        assert!(matches!(outcome, Ok(Verdict::Accepted(_))), "{outcome:?}");
    }
    running.abort();
    for _ in 0..3 {
        for outcome in logins(&upstream, LOGINS).await {
            assert!(matches!(outcome, Ok(Verdict::Accepted(_))), "{outcome:?}");
        }
        assert!(upstream.hosts[0].peer.health.is_dead());
        assert!(!upstream.hosts[1].peer.health.is_dead());
    }
    serving.spawn(start());
    until(|| !upstream.hosts[0].peer.health.is_dead()).await;
    assert_eq!(accepted(&upstream).await, format!("by {stops}"));
}

#[tokio::test]
async fn a_closed_port_ends_its_turn_at_once_and_is_no_try() {
    const WAIT: Duration = Duration::from_secs(3);
    // Of an address where nobody else takes ports.
    let closed = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    let gone = closed.local_addr().unwrap();
    drop(closed);
    let (second, live) = bound().await;
    let (upstream, _) = at(&[gone, live], 3, WAIT);
    let mut serving = JoinSet::new();
    let slow = async move {
        // It answers when its own turn is over.
        second.readable().await.unwrap();
        tokio::time::sleep(WAIT + WAIT / 2).await;
        accept(second).await;
    };
    serving.spawn(slow);
    let began = now();
    assert_eq!(accepted(&upstream).await, format!("by {live}"));
    assert!(
        now() - began >= WAIT,
        "it had the time of the refused tries"
    );
    assert!(upstream.hosts[0].peer.health.is_dead());
    // With one try, too.
    let began = now();
    let (upstream, _) = at(&[gone, live], 1, WAIT);
    assert_eq!(accepted(&upstream).await, format!("by {live}"));
    assert!(now() - began < WAIT, "nobody waits for a closed port");

    // Alone, it is waited for: it may come back.
    let (upstream, _) = at(&[gone], 2, Duration::from_millis(100));
    let began = now();
    login(&upstream).await.unwrap_err();
    assert!(now() - began >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_host_without_an_address_is_no_try() {
    let (second, live) = bound().await;
    let mut serving = JoinSet::new();
    serving.spawn(accept(second));
    // The name stands for nothing.
    let hosts = [
        json!({"name": "radius.example", "port": 1812}),
        json!({"name": live.ip(), "port": live.port()}),
    ];
    let (upstream, _, _) = made(&hosts, 1, Duration::from_secs(3), &[]);
    assert_eq!(accepted(&upstream).await, format!("by {live}"));
    assert!(upstream.hosts[0].peer.health.is_dead());

    // Alone it is one, and the end comes at once.
    let (upstream, _, _) = made(&hosts[..1], 4, Duration::from_secs(3), &[]);
    let began = now();
    let failure = login(&upstream).await.unwrap_err();
    assert!(now() - began < Duration::from_secs(3));
    assert!(
        failure
            .detail
            .starts_with("radius.example:1812: not reached: "),
        "{}",
        failure.detail
    );
}

//! An upstream that is down, whose name hangs, or whose name stands for several addresses.

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::Registry;
use proto::config::{AuthenticatorKind, Snapshot, raw};
use proto::secret::Secret;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::radius::{MAX_PACKET_OCTETS, ReplyBuilder, ReplyTo};

const WAIT: Duration = Duration::from_millis(50);
const HANGS: &str = "hangs.example";

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
    settings.retry_wait = WAIT;
    let tasks = TaskTracker::new();
    let shared = Shared::new(tasks.clone(), &Registry::new()).unwrap();
    let lookups = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::with_lookup("radius_client", &settings, &shared, || {
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
    let request = PrimaryRequest {
        user: "alice".to_owned(),
        credential: Credential::Password(Secret::from("pw")),
        calling_station: None,
        pass_through: Vec::new(),
        answers: None,
    };
    upstream.check(&request, now() + upstream.budget()).await
}

async fn logins(upstream: &Arc<Upstream>, count: usize) -> Vec<Result<Verdict, PrimaryFailure>> {
    let mut logins = JoinSet::new();
    for _ in 0..count {
        let upstream = Arc::clone(upstream);
        logins.spawn(async move { login(&upstream).await });
    }
    logins.join_all().await
}

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Accepts everybody.
async fn accept(socket: UdpSocket) {
    let mut octets = [0; MAX_PACKET_OCTETS];
    loop {
        let (count, from) = socket.recv_from(&mut octets).await.unwrap();
        let to = ReplyTo::new(&Packet::parse(&octets[..count]).unwrap()).unwrap();
        let secret = SharedSecret::new(b"upstream");
        let answer = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret).finish();
        socket.send_to(&answer, from).await.unwrap();
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
        .ticket(Authenticator::default(), &sender, now() + WAIT)
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
    upstream.hosts[0].renew();
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
    while let Some(ticket) = host
        .ticket(Authenticator::default(), &sender, until)
        .await
        .unwrap()
    {
        held.push(ticket);
    }
    assert_eq!((held.len(), host.open()), (64 * 256, 64));
}

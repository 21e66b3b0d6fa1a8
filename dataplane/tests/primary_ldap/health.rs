//! Hosts that go away and come back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dataplane::primary::{Primary, PrimaryFailureKind, Shared, Verdict};
use prometheus::Registry;
use proto::event::Reason;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::relay::Relay;
use crate::slapd::{Slapd, free_port};
use crate::{failure, host, login, primary, settings, verdict};

/// The host that let alice in.
async fn served_by(primary: &Primary) -> String {
    match login(primary, "alice", "pw-alice").await {
        Ok(Verdict::Accepted(accepted)) => {
            let (_, host) = accepted.detail.rsplit_once(" at ").unwrap();
            host.to_owned()
        }
        other => panic!("alice gets in: {other:?}"),
    }
}

/// Logs in until it is this host that answers.
async fn until_served_by(primary: &Primary, port: u16) {
    let wanted = format!("127.0.0.1:{port}");
    let served = async {
        while served_by(primary).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), served)
        .await
        .unwrap_or_else(|_| panic!("{wanted} serves"));
}

#[tokio::test]
async fn one_login_waits_for_a_silent_host_and_no_other_does() {
    let slapd = Slapd::start();
    // Takes connections and never says anything.
    let hole = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let silent = hole.local_addr().unwrap().port();
    let primary = primary(
        json!([host(silent), host(slapd.port)]),
        json!({"timeout_seconds": 2}),
    );
    let first = Instant::now();
    assert_eq!(verdict(&primary, "alice", "pw-alice").await, None);
    assert!(
        first.elapsed() >= Duration::from_secs(2),
        "its whole timeout"
    );
    let others = Instant::now();
    for _ in 0..20 {
        assert_eq!(
            served_by(&primary).await,
            format!("127.0.0.1:{}", slapd.port)
        );
    }
    assert!(others.elapsed() < Duration::from_secs(2), "nobody waits");
}

#[tokio::test]
async fn every_host_has_its_whole_timeout() {
    let holes = [
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
    ];
    let [one, two] = holes
        .each_ref()
        .map(|hole| host(hole.local_addr().unwrap().port()));
    let primary = primary(json!([one, two]), json!({"timeout_seconds": 1}));
    for _ in 0..2 {
        let started = Instant::now();
        let got = failure(&primary).await;
        assert!(started.elapsed() >= Duration::from_secs(2));
        assert_eq!(got.kind, PrimaryFailureKind::Unavailable);
        assert_eq!(got.detail.matches("no answer to a bind in time").count(), 2);
    }
}

#[tokio::test]
async fn a_host_that_is_back_serves_again_in_its_turn() {
    let (mut one, mut two) = (Slapd::start(), Slapd::start());
    let primary = primary(json!([host(one.port), host(two.port)]), json!({}));
    until_served_by(&primary, one.port).await;
    one.stop();
    // Its connections are lost, and no login with them.
    assert_eq!(served_by(&primary).await, format!("127.0.0.1:{}", two.port));
    one.start_again();
    until_served_by(&primary, one.port).await;

    // Without any that is up, those that are down are asked.
    one.stop();
    two.stop();
    let got = failure(&primary).await;
    assert_eq!(got.kind, PrimaryFailureKind::Unavailable);
    two.start_again();
    assert_eq!(served_by(&primary).await, format!("127.0.0.1:{}", two.port));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_is_lost_while_hosts_come_and_go() {
    let (mut one, mut two) = (Slapd::start(), Slapd::start());
    let primary = primary(
        json!([host(one.port), host(two.port)]),
        json!({"timeout_seconds": 5}),
    );
    for round in 0..6 {
        let mut logins = JoinSet::new();
        for number in 0..60 {
            let primary = Arc::clone(&primary);
            logins.spawn(async move {
                let password = if number % 2 == 0 {
                    "pw-dora"
                } else {
                    "pw-alice"
                };
                let user = if number % 2 == 0 { "dora" } else { "alice" };
                for _ in 0..3 {
                    assert_eq!(verdict(&primary, user, password).await, None);
                }
            });
        }
        // One of both serves at any time, so every login must get in.
        let away = if round % 2 == 0 { &mut one } else { &mut two };
        tokio::task::block_in_place(|| away.stop());
        logins.join_all().await;
        tokio::task::block_in_place(|| away.start_again());
    }
}

#[tokio::test]
async fn a_refused_password_is_shown_to_one_host() {
    let slapd = Slapd::start();
    let second = Relay::to(slapd.port, "nothing").await;
    let primary = primary(json!([host(slapd.port), host(second.port)]), json!({}));
    for (user, want) in [
        ("alice", Reason::WrongPassword),
        ("nobody", Reason::UnknownUser),
    ] {
        assert_eq!(verdict(&primary, user, "wrong").await, Some(want));
    }
    assert_eq!(second.connections(), 0);
}

#[tokio::test]
async fn probes_end_with_the_primary() {
    let shared = Shared::new(TaskTracker::new(), &Registry::new()).unwrap();
    let settings = settings(&json!([host(free_port())]), &json!({}));
    let primary = Primary::new(&settings, &shared).unwrap();
    failure(&primary).await;
    assert_eq!(shared.tasks.len(), 1, "a probe");
    failure(&primary).await;
    assert_eq!(shared.tasks.len(), 1, "one for each host");
    shared.tasks.close();
    drop(primary);
    timeout(Duration::from_secs(10), shared.tasks.wait())
        .await
        .expect("the probe ends");
}

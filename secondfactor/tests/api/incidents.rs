//! What administrators are told of.

use secondfactor::admin::{Incident, IncidentKind, Incidents};

use crate::policy::{auth, generator, incidents, kinds};
use crate::portal::oathtool;
use crate::self_service::{Browser, app};
use crate::support::{Call, LIMIT, Running, now_s, send_raw};

#[tokio::test]
async fn lock_outs_are_incidents_and_incidents_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 2).await;
    running.user("alice", None, vec![generator()]).await;
    let wrong = [
        ("factor", "passcode"),
        ("passcode", "12345"),
        ("ipaddr", "192.0.2.9"),
    ];
    for _ in 0..4 {
        auth(&running, &wrong).await;
    }
    assert_eq!(kinds(&running, 1).await, [IncidentKind::LockedOut]);
    let list = async |query: &str| {
        let path = format!("/incidents{query}");
        running.admin.get::<Incidents>(&path, LIMIT).await
    };
    let all = list("").await.unwrap();
    let one = &all.incidents[0];
    assert_eq!(
        (one.user.as_str(), one.application.as_str(), one.ip.as_str()),
        ("alice", "vpn", "192.0.2.9")
    );
    assert!(one.at.abs_diff(now_s()) < 60);
    assert_eq!(all.next, None);
    for (query, want) in [
        ("?kind=locked_out", 1),
        ("?kind=fraud", 0),
        ("?user=Alice", 1),
        ("?user=bob", 0),
        ("?before=1", 0),
        ("?limit=1", 1),
    ] {
        let found = list(query).await.unwrap();
        assert_eq!(found.incidents.len(), want, "{query}");
    }
    let Err(local::CallError::Refused { status, body }) = list("?kind=fire").await else {
        panic!("there is no such kind");
    };
    assert!(status == 400 && body.contains("push_fatigue"), "{body}");
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let line = "countersign_secondfactor_incidents_total{kind=\"locked_out\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    running.stop().await;
}

/// Incidents of alice, when one of bob's has come: they are written in order.
async fn of_alice(running: &Running) -> Vec<Incident> {
    loop {
        let all = incidents(running).await.incidents;
        if all.iter().any(|one| one.user == "bob") {
            let of = |one: &Incident| one.user == "alice";
            return all.into_iter().filter(of).collect();
        }
    }
}

const WRONG: [(&str, &str); 2] = [("factor", "passcode"), ("passcode", "12345")];

#[tokio::test]
async fn a_lock_out_is_told_once_whoever_tries_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 3).await;
    running.user("alice", None, vec![generator()]).await;
    running.user("bob", None, vec![generator()]).await;
    let wrong = async |user: &str, times: u32| {
        let params = [&[("username", user)], &WRONG[..]].concat();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..times {
            let call = Call::signed(&running.app, "POST", "/auth/v2/auth", &params);
            let (address, ca_pem) = (running.address, running.app.ca_pem.clone());
            calls.spawn(async move { send_raw(address, &ca_pem, &call).await.0 });
        }
        let times = usize::try_from(times).unwrap();
        assert_eq!(calls.join_all().await, vec![200; times]);
    };
    wrong("alice", 8).await;
    wrong("bob", 3).await;
    let told = of_alice(&running).await;
    let kinds: Vec<_> = told.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [IncidentKind::LockedOut]);
    running.stop().await;
}

#[tokio::test]
async fn a_passcode_that_comes_again_is_told_once_in_a_while_wherever_it_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 1).await;
    running.user("alice", None, vec![app()]).await;
    running.user("bob", None, vec![generator()]).await;
    let code = oathtool(crate::self_service::SECRET, 0);
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", &code).await, 303);
    // A fresh one knows nobody.
    let mut other = Browser::new(&running);
    assert_eq!(other.sign_in("alice", &code).await, 422);
    for _ in 0..3 {
        let again = [("factor", "passcode"), ("passcode", code.as_str())];
        assert_eq!(auth(&running, &again).await["status"], "fraud");
    }
    let params = [&[("username", "bob")], &WRONG[..]].concat();
    running.call("POST", "/auth/v2/auth", &params).await;
    let told = of_alice(&running).await;
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.kind, one.application.as_str(), one.detail.as_str()))
        .collect();
    let here = "at the page for one's own devices";
    assert_eq!(told, [(IncidentKind::Replay, "", here)]);
    running.stop().await;
}

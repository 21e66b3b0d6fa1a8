//! What becomes of logins while somebody else writes to the database.

use std::path::Path;
use std::time::Duration;

use secondfactor::admin::{Done, EffectivePolicy, IncidentKind, Policy, User, WaitingPush};
use serde_json::{Value, json};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::time::Instant;

use crate::policy::{auth, kinds, preauth, set, sql};
use crate::self_service::{Browser, app};
use crate::support::{LIMIT, phone, started};

/// Holds the only writer's place until it is dropped.
pub(crate) async fn writing(folder: &Path) -> Transaction<'static, Sqlite> {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("data/secondfactor.db"));
    let other = SqlitePool::connect_with(options).await.unwrap();
    other.begin_with("BEGIN IMMEDIATE").await.unwrap()
}

/// A caller that hears nothing for ten seconds falls back on its fail mode, and may let in.
#[tokio::test]
async fn while_another_writes_logins_learn_in_time_how_they_go_on() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    running.user("bob", None, vec![]).await;
    sql(
        folder.path(),
        "UPDATE users SET status = 'bypass', bypass_until_ms = (unixepoch() - 1) * 1000
         WHERE name = 'alice'",
    )
    .await;
    let held = writing(folder.path()).await;
    let begun = Instant::now();
    assert_eq!(preauth(&running, &[]).await["result"], "auth");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    let bob = [("username", "bob")];
    let (status, body) = running.call("POST", "/auth/v2/preauth", &bob).await;
    assert_eq!((status, &body["code"]), (429, &json!(42901)), "{body}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    held.rollback().await.unwrap();
    let (_, body) = running.call("POST", "/auth/v2/preauth", &bob).await;
    assert_eq!(body["response"]["result"], "enroll");
    assert_eq!(preauth(&running, &[]).await["result"], "auth");
    running.stop().await;
}

#[tokio::test]
async fn a_fraud_is_known_when_it_is_answered_and_what_is_noted_meanwhile_is_written_later() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let remember = Policy {
        remember_hours: Some(8),
        push_fatigue_after: Some(2),
        ..Policy::default()
    };
    set(&running, "/policies/default", remember).await;
    sql(
        folder.path(),
        "INSERT INTO remembered (id, user_id, application, client, station, created_at_ms, expires_at_ms)
         SELECT 'RM1', id, 'vpn', 'gw-1', '192.0.2.7', unixepoch() * 1000, (unixepoch() + 9000) * 1000
         FROM users",
    )
    .await;
    let here = [("ipaddr", "192.0.2.7"), ("hostname", "gw-1")];
    assert_eq!(preauth(&running, &here).await["result"], "allow");
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    let (denied, stolen) = (auth(&running, &push).await, auth(&running, &push).await);
    let answer = async |push: &Value, answer: &str| {
        let path = format!("/pushes/{}/{answer}", push["txid"].as_str().unwrap());
        running.admin.post::<_, Done>(&path, &Done {}, LIMIT).await
    };
    let held = writing(folder.path()).await;
    answer(&denied, "deny").await.unwrap();
    // Twice the time after which a write is given up.
    for _ in 0..2 {
        answer(&stolen, "fraud").await.unwrap_err();
    }
    let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
    assert_eq!(waiting.len(), 1, "it waits on");
    held.rollback().await.unwrap();
    answer(&stolen, "fraud").await.unwrap();
    assert_ne!(preauth(&running, &here).await["result"], "allow");
    let mut kinds = kinds(&running, 2).await;
    kinds.sort_by_key(|kind| kind.as_str());
    assert_eq!(kinds, [IncidentKind::Fraud, IncidentKind::PushFatigue]);
    running.stop().await;
}

#[tokio::test]
async fn what_nobody_approved_counts_before_it_is_written_down() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    let held = writing(folder.path()).await;
    for _ in 0..3 {
        let begun = auth(&running, &push).await;
        let path = format!("/pushes/{}/deny", begun["txid"].as_str().unwrap());
        let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    }
    let refused = auth(&running, &push[..2]).await;
    let why = "Too many login requests. Use a passcode.";
    assert_eq!(refused["status_msg"], why, "{refused}");
    held.rollback().await.unwrap();
    assert_eq!(kinds(&running, 1).await, [IncidentKind::PushFatigue]);
    // It is counted once.
    let path = "/users/alice/policy?application=vpn";
    let policy: EffectivePolicy = running.admin.get(path, LIMIT).await.unwrap();
    assert_eq!(policy.unanswered_pushes, 3);
    drop::<User>(
        running
            .admin
            .post("/users/alice/unlock", &Done {}, LIMIT)
            .await
            .unwrap(),
    );
    assert!(auth(&running, &push).await["txid"].is_string());
    running.stop().await;
}

#[tokio::test]
async fn while_another_writes_nobody_learns_who_is_there() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let mut browser = Browser::new(&running);
    let held = writing(folder.path()).await;
    for name in ["alice", "nobody"] {
        assert_eq!(browser.sign_in(name, "000000").await, 429, "{name}");
    }
    held.rollback().await.unwrap();
    for name in ["alice", "nobody"] {
        assert_eq!(browser.sign_in(name, "000000").await, 422, "{name}");
    }
    running.stop().await;
}

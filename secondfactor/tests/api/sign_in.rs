//! What a sign-in is good for, and until when: nothing that it began outlives it.

use std::path::Path;

use secondfactor::admin::{Done, User};
use serde_json::json;

use crate::passkey::{Passkey, encoded, options_of};
use crate::portal::{app_page, form, invite, oathtool};
use crate::self_service::{Browser, app, codes, devices};
use crate::support::{LIMIT, Running, phone, started};

async fn addition(browser: &mut Browser<'_>) -> String {
    let (status, portal, html) = browser.ask("/me/add", Some("")).await;
    assert!(
        status == 303 && portal.starts_with("/e/"),
        "{status} {html}"
    );
    portal
}

async fn set_status(running: &Running, status: &str) {
    let change = json!({"status": status});
    let user: User = running
        .admin
        .post("/users/alice", &change, LIMIT)
        .await
        .unwrap();
    assert_eq!(user.status.as_str(), status);
}

/// Sets up an authenticator app.
async fn finish(running: &Running, browser: &mut Browser<'_>, portal: &str) -> u16 {
    let (key, field) = app_page(running, portal).await;
    let body = form(&field, &oathtool(&key, 0), "New+app");
    browser.ask(&format!("{portal}/app"), Some(&body)).await.0
}

/// Signed in more than five minutes ago.
async fn aged(folder: &Path) {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("data/secondfactor.db"));
    let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
    for query in [
        "UPDATE sessions SET created_at_ms = created_at_ms - 300001",
        "UPDATE activations SET signed_in_at_ms = signed_in_at_ms - 300001",
    ] {
        sqlx::query(query).execute(&database).await.unwrap();
    }
    database.close().await;
}

#[tokio::test]
async fn what_was_begun_ends_with_the_sign_in() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![app(), phone()]).await;
    let codes = codes(&running, "alice").await;
    let mut thief = Browser::new(&running);

    assert_eq!(thief.sign_in("alice", &codes[0]).await, 303);
    let portal = addition(&mut thief).await;
    let mut owner = Browser::new(&running);
    assert_eq!(owner.sign_in("alice", &codes[1]).await, 303);
    let everywhere = owner.ask("/me/sign-out-everywhere", Some("")).await;
    assert_eq!(everywhere.0, 303);
    assert!(!thief.is_in().await);
    assert_eq!(thief.get(&portal).await.0, 404, "signed out everywhere");

    // What an administrator gave is not of that sign-in.
    let invited = invite(&running, "alice").await;
    assert_eq!(thief.sign_in("alice", &codes[2]).await, 303);
    let portal = addition(&mut thief).await;
    let path = format!("/users/alice/devices/{}/delete", made.devices[0].device.id);
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    assert!(!thief.is_in().await, "its device is gone");
    assert_eq!(thief.get(&portal).await.0, 404, "its device is gone");
    assert_eq!(owner.get(&invited).await.0, 200);

    for (status, code, invitation) in [("locked_out", 3, 200), ("disabled", 4, 404)] {
        assert_eq!(thief.sign_in("alice", &codes[code]).await, 303);
        let portal = addition(&mut thief).await;
        set_status(&running, status).await;
        assert_eq!(thief.get(&portal).await.0, 404, "{status}");
        set_status(&running, "active").await;
        assert!(!thief.is_in().await, "{status}");
        assert_eq!(thief.get(&portal).await.0, 404, "{status}");
        assert_eq!(owner.get(&invited).await.0, invitation, "{status}");
    }
    assert_eq!(devices(&running, "alice").await, ["iPhone"]);

    // One that was given meanwhile waits until they may log in again.
    set_status(&running, "disabled").await;
    let invited = invite(&running, "alice").await;
    assert_eq!(finish(&running, &mut owner, &invited).await, 404);
    set_status(&running, "active").await;
    assert_eq!(finish(&running, &mut owner, &invited).await, 200);
    running.stop().await;
}

#[tokio::test]
async fn adding_a_device_is_no_sign_in() {
    let (folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let codes = codes(&running, "alice").await;
    let mut own = Browser::new(&running);
    assert_eq!(own.sign_in("alice", &codes[0]).await, 303);
    let (first, second) = (addition(&mut own).await, addition(&mut own).await);
    aged(folder.path()).await;
    let mut other = Browser::new(&running);
    for (browser, portal) in [(&mut own, first), (&mut other, second)] {
        assert_eq!(finish(&running, browser, &portal).await, 200);
        assert!(browser.is_in().await);
        for step in ["/me/add", "/me/codes"] {
            let (status, _, html) = browser.ask(step, Some("")).await;
            assert!(
                status == 403 && html.contains("please sign in again"),
                "{step} {html}"
            );
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn one_person_fills_no_list() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let codes = codes(&running, "alice").await;
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", &codes[0]).await, 303);
    let mut begun = Vec::new();
    for _ in 0..10 {
        begun.push(addition(&mut browser).await);
    }
    for (at, portal) in begun.iter().enumerate() {
        let want = if at < 5 { 404 } else { 200 };
        assert_eq!(browser.get(portal).await.0, want, "{at}");
    }
    for step in ["/me/add", "/me/codes"] {
        assert_eq!(browser.ask(step, Some("")).await.0, 429, "{step}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_session_keeps_the_writer_from_nobody() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![app()]).await;
    let codes = codes(&running, "alice").await;
    let rename = format!("/me/device/{}/rename", made.devices[0].device.id);
    let (mut browser, mut other) = (Browser::new(&running), Browser::new(&running));
    assert_eq!(browser.sign_in("alice", &codes[0]).await, 303);
    assert_eq!(other.sign_in("alice", &codes[1]).await, 303);
    let mut done = 0;
    while browser.ask("/me/forget", Some("")).await.0 == 303 {
        done += 1;
        assert!(done < 100, "as often as it likes");
    }
    assert!(done >= 30, "{done}");
    for step in [&*rename, "/me/forget", "/me/sign-out-everywhere"] {
        assert_eq!(browser.ask(step, Some("name=App")).await.0, 429, "{step}");
    }
    assert!(browser.is_in().await, "it is shown still");
    // Whoever uses one up keeps no other from ending it.
    let (status, _, _) = other.ask("/me/sign-out-everywhere", Some("")).await;
    assert_eq!(status, 303);
    running.stop().await;
}

#[tokio::test]
async fn what_a_passkey_signed_signs_in_once() {
    let (folder, running) = started().await;
    running.user("alice", None, Vec::new()).await;
    let portal = invite(&running, "alice").await;
    let path = format!("{portal}/phone");
    let mut own = Browser::new(&running);
    let (_, html) = own.get(&path).await;
    // One that does not count, as those that are synced.
    let passkey = Passkey::new(running.address.port());
    let made = passkey.created(&options_of(&html)).to_string();
    let body = format!("name=&response={}", encoded(&made));
    assert_eq!(own.ask(&path, Some(&body)).await.0, 200);
    let (_, html) = Browser::new(&running).get("/me").await;
    let signed = passkey.signed(&options_of(&html)).to_string();
    let body = format!("then=/me&response={}", encoded(&signed));
    assert_eq!(own.ask("/me/passkey", Some(&body)).await.0, 303);
    let port = running.address.port();
    let again = async |running: &Running| {
        let mut thief = Browser::new(running);
        let (status, _, html) = thief.ask("/me/passkey", Some(&body)).await;
        assert_eq!(status, 422, "{html}");
        assert!(html.contains("was used before"), "{html}");
        assert!(!thief.is_in().await);
    };
    again(&running).await;
    running.stop().await;
    let running = Running::start(folder.path(), |settings| {
        settings.public_url = Some(format!("https://localhost:{port}"));
    })
    .await;
    again(&running).await;
    running.stop().await;
}

//! The approval app, as hostile browsers use it: who sees, refuses and approves what.

use std::time::Duration;

use secondfactor::admin::{
    ChangeUser, Done, IncidentKind, Incidents, NewDevice, NumberMatching, Policy, ScopedPolicy,
    SetPolicy, User, UserStatus,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::authenticator::{ORIGIN, Phone};
use super::enrollment::{get, path_of, submit};
use super::passkey::encoded;
use super::policy::sql;
use super::support::{Call, LIMIT, Running};

async fn started() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder).await;
    (folder, running)
}

async fn start(folder: &tempfile::TempDir) -> Running {
    Running::start(folder.path(), |settings| {
        settings.public_url = Some(ORIGIN.to_owned());
    })
    .await
}

/// A user with a phone: what is behind the `/approve/` of its address.
async fn user(running: &Running, name: &str) -> String {
    let phone = NewDevice::Phone {
        name: "Pixel".to_owned(),
        number: String::new(),
        capabilities: None,
    };
    let made = running.user(name, None, vec![phone]).await;
    let path = path_of(made.devices[0].approval_url.as_ref().unwrap().expose());
    path.trim_start_matches("/approve/").to_owned()
}

/// A login that waits for its person.
async fn push(running: &Running, name: &str) -> String {
    let params = [
        ("username", name),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
        ("ipaddr", "192.0.2.7"),
    ];
    let (status, begun) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{begun}");
    begun["response"]["txid"].as_str().unwrap().to_owned()
}

async fn status_of(running: &Running, txid: &str) -> String {
    let params = [("txid", txid)];
    let (_, polled) = running.call("GET", "/auth/v2/auth_status", &params).await;
    polled["response"]["status"].as_str().unwrap().to_owned()
}

fn word(said: &Value) -> &str {
    said["error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_phone_is_bound_once_and_approves_what_it_signed_for() {
    let (_folder, running) = started().await;
    let token = user(&running, "alice").await;
    let mut phone = Phone::bound(&running, &token).await;
    let shown: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert!(shown.devices[0].bound);
    let again = Phone::new("other").bind(&running, &token).await;
    assert_eq!((again.0, word(&again.1)), (409, "taken"));

    let (first, second) = (push(&running, "alice").await, push(&running, "alice").await);
    let (_, said) = phone.waiting(&running, "").await;
    assert_eq!(said["user"], "alice");
    assert_eq!(said["waiting"].as_array().unwrap().len(), 2);
    assert_eq!(said["waiting"][0]["ip"], "192.0.2.7");
    assert_eq!(said["waiting"][0]["application"], "vpn");
    assert!(said["waiting"][0]["left_seconds"].as_u64().unwrap() > 30);

    // What was signed for one login, or for signing in, approves no other.
    let ask = json!({"txid": first});
    let (_, of_first) = phone.post(&running, "/app/approve/options", &ask).await;
    let (_, of_sign_in) = phone
        .post(&running, "/app/sign-in/options", &json!({}))
        .await;
    for options in [of_first, of_sign_in] {
        let body = json!({"txid": second, "response": phone.signed(&options)});
        let (status, said) = phone.post(&running, "/app/approve", &body).await;
        assert_eq!((status, word(&said)), (403, "refused"), "{said}");
    }
    assert_eq!(status_of(&running, &second).await, "pushed");
    assert_eq!(phone.approve(&running, &second, None).await.0, 200);
    assert_eq!(status_of(&running, &second).await, "allow");
    assert_eq!(status_of(&running, &first).await, "pushed");
    let (status, said) = phone.approve(&running, &second, None).await;
    assert_eq!((status, word(&said)), (409, "gone"));
    running.stop().await;
}

#[tokio::test]
async fn a_session_refuses_and_does_not_approve() {
    let (_folder, running) = started().await;
    let phone = Phone::bound(&running, &user(&running, "alice").await).await;
    let mut thief = Phone::bound(&running, &user(&running, "mallory").await).await;
    let own = std::mem::replace(&mut thief.cookie, phone.cookie.clone());
    let txid = push(&running, "alice").await;
    let (status, said) = thief.approve(&running, &txid, None).await;
    assert_eq!((status, word(&said)), (403, "unknown_passkey"));
    for (name, body) in [
        ("nothing signed", json!({"txid": txid})),
        ("no txid", json!({"response": {}})),
        ("signed by nothing", json!({"txid": txid, "response": {}})),
        ("no answer", json!({"txid": txid, "answer": "allow"})),
    ] {
        let path = if name == "no answer" {
            "/app/refuse"
        } else {
            "/app/approve"
        };
        let (status, _) = thief.post(&running, path, &body).await;
        assert!((400..404).contains(&status), "{name}: {status}");
    }
    assert_eq!(status_of(&running, &txid).await, "pushed");
    // With its own cookie it does not even see it.
    thief.cookie = own;
    let deny = json!({"txid": txid, "answer": "deny"});
    for body in [&deny, &json!({"txid": txid, "answer": "fraud"})] {
        let (status, said) = thief.post(&running, "/app/refuse", body).await;
        assert_eq!((status, word(&said)), (409, "gone"));
    }
    let (_, said) = thief.waiting(&running, "").await;
    assert_eq!(said["waiting"], json!([]));

    let mut phone = phone;
    assert_eq!(phone.post(&running, "/app/refuse", &deny).await.0, 200);
    assert_eq!(status_of(&running, &txid).await, "deny");
    let txid = push(&running, "alice").await;
    let fraud = json!({"txid": txid, "answer": "fraud"});
    assert_eq!(phone.post(&running, "/app/refuse", &fraud).await.0, 200);
    assert_eq!(status_of(&running, &txid).await, "fraud");
    running.stop().await;
}

#[tokio::test]
async fn other_sites_strangers_and_nonsense_are_refused() {
    let (_folder, running) = started().await;
    let token = user(&running, "alice").await;
    let mut phone = Phone::bound(&running, &token).await;
    for origin in ["https://evil.example", "http://gate.example", "null", ""] {
        phone.origin = origin;
        let (status, said) = phone.post(&running, "/app/sign-out", &json!({})).await;
        assert_eq!((status, word(&said)), (403, "other_origin"), "{origin}");
    }
    phone.origin = ORIGIN;
    let mut stranger = Phone::new("stranger");
    for (path, body, want) in [
        ("/app/sign-out", json!({}), (401, "signed_out")),
        ("/app/refuse", json!({"txid": ""}), (401, "signed_out")),
        (
            "/app/bind/options",
            json!({"token": "AAAA"}),
            (404, "no_such_address"),
        ),
        ("/app/bind/options", json!([]), (400, "form")),
        ("/app/sign-in", json!({"response": "x"}), (403, "refused")),
        ("/app/nothing", json!({}), (401, "signed_out")),
        (
            "/app/sign-in",
            Value::String("x".repeat(70_000)),
            (413, "too_long"),
        ),
    ] {
        let (status, said) = stranger.post(&running, path, &body).await;
        assert_eq!((status, word(&said)), want, "{path}");
    }
    assert_eq!(stranger.waiting(&running, "").await.0, 401);
    let (status, said) = stranger.sign_in(&running).await;
    assert_eq!((status, word(&said)), (403, "unknown_passkey"));
    // The address of a phone approves nothing.
    for method in ["GET", "POST"] {
        let call = Call::bare(&running.app, method, &format!("/approve/{token}"));
        let want = if method == "GET" { 303 } else { 403 };
        assert_eq!(running.send_raw(&call).await.0, want);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_page_hears_at_once_of_what_comes_and_what_ends() {
    let (_folder, running) = started().await;
    let phone = Phone::bound(&running, &user(&running, "alice").await).await;
    let (_, said) = phone.waiting(&running, "").await;
    let none = said["version"].as_str().unwrap().to_owned();
    // Long before the service would have answered anyway.
    let soon = Duration::from_secs(20);
    let come = timeout(soon, phone.waiting(&running, &none));
    let (came, txid) = tokio::join!(come, push(&running, "alice"));
    let (_, came) = came.expect("it is told at once");
    assert_eq!(came["waiting"][0]["txid"], txid);
    let one = came["version"].as_str().unwrap();
    let path = format!("/pushes/{txid}/deny");
    let (ended, denied) = tokio::join!(
        timeout(soon, phone.waiting(&running, one)),
        running.admin.post::<_, Done>(&path, &Done {}, LIMIT)
    );
    denied.unwrap();
    let (_, ended) = ended.expect("it is told at once");
    assert_eq!(ended["waiting"], json!([]));
    assert_eq!(ended["version"], none, "the same for the same");
    running.stop().await;
}

#[tokio::test]
async fn a_copied_passkey_is_an_incident() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.public_url = Some(ORIGIN.to_owned());
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut phone = Phone::bound(&running, &user(&running, "alice").await).await;
    assert_eq!(phone.sign_in(&running).await.0, 200);
    phone.count = 0;
    phone.from = "203.0.113.7";
    let txid = push(&running, "alice").await;
    for (status, said) in [
        phone.sign_in(&running).await,
        phone.approve(&running, &txid, None).await,
    ] {
        assert_eq!((status, word(&said)), (403, "refused"), "{said}");
    }
    assert_eq!(status_of(&running, &txid).await, "pushed");
    let path = "/incidents?kind=cloned_passkey";
    loop {
        let found: Incidents = running.admin.get(path, LIMIT).await.unwrap();
        if found.incidents.len() == 2 {
            assert_eq!(found.incidents[0].kind, IncidentKind::ClonedPasskey);
            for incident in &found.incidents {
                assert_eq!((&*incident.user, &*incident.ip), ("alice", "203.0.113.7"));
            }
            break;
        }
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn who_may_not_log_in_signs_in_and_approves_nothing() {
    let (_folder, running) = started().await;
    let mut phone = Phone::bound(&running, &user(&running, "alice").await).await;
    let set = async |status| {
        let change = ChangeUser {
            status: Some(status),
            ..ChangeUser::default()
        };
        let path = "/users/alice";
        running
            .admin
            .post::<_, User>(path, &change, LIMIT)
            .await
            .unwrap();
    };
    set(UserStatus::Disabled).await;
    assert_eq!(phone.waiting(&running, "").await.0, 401);
    let (status, said) = phone.sign_in(&running).await;
    assert_eq!((status, word(&said)), (403, "disabled"));
    set(UserStatus::Active).await;
    assert_eq!(phone.waiting(&running, "").await.0, 401, "signed out");
    assert_eq!(phone.sign_in(&running).await.0, 200);
    assert_eq!(phone.waiting(&running, "").await.0, 200);
    let path = "/users/alice/devices";
    let shown: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    let delete = format!("{path}/{}/delete", shown.devices[0].id);
    running
        .admin
        .post::<_, Done>(&delete, &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!(
        phone.waiting(&running, "").await.0,
        401,
        "gone with its device"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_passkeys_sessions_and_questions() {
    let (folder, running) = started().await;
    let mut phone = Phone::bound(&running, &user(&running, "alice").await).await;
    let (_, options) = phone
        .post(&running, "/app/sign-in/options", &json!({}))
        .await;
    running.stop().await;
    let running = start(&folder).await;
    assert_eq!(phone.waiting(&running, "").await.0, 200);
    let body = json!({"response": phone.signed(&options)});
    assert_eq!(phone.post(&running, "/app/sign-in", &body).await.0, 200);
    let txid = push(&running, "alice").await;
    assert_eq!(phone.approve(&running, &txid, None).await.0, 200);
    assert_eq!(
        phone.post(&running, "/app/sign-out", &json!({})).await.0,
        200
    );
    assert_eq!(phone.waiting(&running, "").await.0, 401);
    running.stop().await;
}

#[tokio::test]
async fn a_numbered_login_needs_its_number_on_the_phone() {
    let (_folder, running) = started().await;
    let policy = Policy {
        number_matching: Some(NumberMatching::Always),
        ..Policy::default()
    };
    let set = SetPolicy { policy, rank: None };
    let set = running
        .admin
        .post::<_, ScopedPolicy>("/policies/default", &set, LIMIT);
    set.await.unwrap();
    let mut phone = Phone::bound(&running, &user(&running, "alice").await).await;
    for right in [false, true] {
        let params = [
            ("username", "alice"),
            ("client_supports_verified_push", "1"),
        ];
        let (_, offered) = running.call("POST", "/auth/v2/preauth", &params).await;
        let text = |name: &str| offered["response"][name].as_str().unwrap().to_owned();
        let (txid, number) = (text("txid"), text("verification_code"));
        let params = [
            ("username", "alice"),
            ("factor", "push"),
            ("device", "auto"),
            ("async", "1"),
            ("txid", txid.as_str()),
        ];
        let (status, begun) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(status, 200, "{begun}");
        let (_, said) = phone.waiting(&running, "").await;
        assert_eq!(said["waiting"][0]["number"], true, "{said}");
        assert!(
            !said.to_string().contains(&format!("\"{number}\"")),
            "{said}"
        );
        let typed = match right {
            true => number,
            false => "x".to_owned(),
        };
        let (status, said) = phone.approve(&running, &txid, Some(&typed)).await;
        let want = if right {
            (200, "", "allow")
        } else {
            (409, "wrong_number", "deny")
        };
        assert_eq!((status, word(&said)), (want.0, want.1), "{said}");
        assert_eq!(status_of(&running, &txid).await, want.2);
    }
    running.stop().await;
}

#[tokio::test]
async fn the_address_of_a_bound_phone_approves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.public_url = Some(ORIGIN.to_owned());
        settings.approve_by_link = true;
    })
    .await;
    let token = user(&running, "alice").await;
    let path = format!("/approve/{token}");
    let own = format!("https://127.0.0.1:{}", running.address.port());
    assert_eq!(get(&running, &path).await.0, 200);
    let _phone = Phone::bound(&running, &token).await;
    let txid = push(&running, "alice").await;
    assert_eq!(get(&running, &path).await.0, 303);
    let form = format!("txid={txid}&answer=approve");
    assert_eq!(submit(&running, &path, &form, &own).await.0, 303);
    assert_eq!(status_of(&running, &txid).await, "pushed");
    running.stop().await;
}

#[tokio::test]
async fn what_was_signed_for_the_app_changes_no_devices() {
    let (_folder, running) = started().await;
    let mut phone = Phone::bound(&running, &user(&running, "alice").await).await;
    let (_, options) = phone
        .post(&running, "/app/sign-in/options", &json!({}))
        .await;
    let signed = phone.signed(&options);
    let form = format!("then=/me&response={}", encoded(&signed.to_string()));
    let own = format!("https://127.0.0.1:{}", running.address.port());
    assert_eq!(submit(&running, "/me/passkey", &form, &own).await.0, 422);
    let body = json!({"response": signed});
    let (status, said) = phone.post(&running, "/app/sign-in", &body).await;
    assert_eq!(status, 200, "{said}");
    running.stop().await;
}

#[tokio::test]
async fn the_address_of_a_phone_binds_it_for_a_while_and_that_is_told() {
    let (folder, running) = started().await;
    let (bound, late) = (user(&running, "alice").await, user(&running, "bob").await);
    let phone = Phone::bound(&running, &bound).await;
    let told = async {
        loop {
            let path = "/incidents?kind=self_service";
            let found: Incidents = running.admin.get(path, LIMIT).await.unwrap();
            if let [only] = &found.incidents[..] {
                return (only.user.clone(), only.detail.clone());
            }
            tokio::task::yield_now().await;
        }
    };
    let (who, what) = timeout(LIMIT, told).await.unwrap();
    assert_eq!(who, "alice");
    assert!(
        what.starts_with("made a passkey for phone DP") && what.ends_with("'Pixel'"),
        "{what}"
    );

    let path = format!("/approve/{late}");
    assert_eq!(get(&running, &path).await.0, 200);
    sql(
        folder.path(),
        "UPDATE devices SET approval_until_ms = approval_until_ms - 7 * 24 * 3600 * 1000",
    )
    .await;
    assert_eq!(get(&running, &path).await.0, 404);
    let (status, said) = Phone::new("late").bind(&running, &late).await;
    assert_eq!((status, word(&said)), (404, "no_such_address"), "{said}");
    // Who has bound theirs goes on.
    assert_eq!(get(&running, &format!("/approve/{bound}")).await.0, 303);
    assert_eq!(phone.waiting(&running, "").await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn administrators_see_which_passkeys_are_synced() {
    let (_folder, running) = started().await;
    for (name, synced) in [("alice", false), ("bob", true)] {
        let token = user(&running, name).await;
        let mut phone = Phone::new(&token);
        phone.synced = synced;
        let (status, said) = phone.bind(&running, &token).await;
        assert_eq!(status, 200, "{said}");
        let path = format!("/users/{name}");
        let shown: User = running.admin.get(&path, LIMIT).await.unwrap();
        let device = &shown.devices[0];
        assert_eq!((device.bound, device.synced), (true, synced), "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn one_passkey_signs_in_so_often_and_another_one_all_the_same() {
    let (folder, running) = started().await;
    let token = user(&running, "alice").await;
    let mut own = Phone::bound(&running, &token).await;
    let token = user(&running, "bob").await;
    let mut other = Phone::bound(&running, &token).await;
    for number in 0..10 {
        let (status, said) = own.sign_in(&running).await;
        assert_eq!(status, 200, "{number} {said}");
    }
    let (status, said) = own.sign_in(&running).await;
    assert_eq!((status, &said["error"]), (429, &json!("too_many")));
    // Whatever others have filled.
    sql(
        folder.path(),
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 60000)
         INSERT INTO used_challenges SELECT CAST(n AS BLOB), x'07', unixepoch() * 1000 FROM number",
    )
    .await;
    let (status, said) = other.sign_in(&running).await;
    assert_eq!(status, 200, "{said}");
    running.stop().await;
}

#[tokio::test]
async fn a_session_of_a_phone_keeps_the_writer_from_nobody() {
    let (_folder, running) = started().await;
    let token = user(&running, "alice").await;
    let mut phone = Phone::bound(&running, &token).await;
    let path = "/app/subscription/delete";
    let mut done = 0;
    let said = loop {
        let (status, said) = phone.post(&running, path, &json!({})).await;
        if status != 200 {
            break said;
        }
        done += 1;
        assert!(done < 100, "as often as it likes");
    };
    assert!(done >= 30, "{done}");
    assert_eq!(word(&said), "too_many", "{said}");
    running.stop().await;
}

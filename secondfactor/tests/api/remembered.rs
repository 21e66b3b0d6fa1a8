//! Approvals that let in again, and what is told of passcodes.

use std::path::Path;

use secondfactor::admin::{
    BypassCodes, ChangeUser, Done, IncidentKind, NewApplication, NewBypassCodes, Policy,
    RememberedPage, Script, ScriptAnswer, User, UserStatus,
};
use serde_json::{Value, json};

use crate::policy::{auth, generator, kinds, preauth, set};
use crate::support::{Call, LIMIT, Running, now_s, phone, script, started, totp};

const HERE: [(&str, &str); 2] = [("ipaddr", "192.0.2.7"), ("hostname", "gw-1")];

async fn page(running: &Running, query: &str) -> RememberedPage {
    let path = format!("/remembered{query}");
    running.admin.get(&path, LIMIT).await.unwrap()
}

/// Remembered approvals, once there are so many.
async fn count(running: &Running, count: usize) {
    while page(running, "").await.remembered.len() != count {}
}

async fn remember_for(running: &Running, hours: u32) {
    let policy = Policy {
        remember_hours: Some(hours),
        ..Policy::default()
    };
    set(running, "/policies/default", policy).await;
}

async fn push(running: &Running, more: &[(&str, &str)]) {
    let params = [&[("factor", "push"), ("device", "auto")], more].concat();
    assert_eq!(auth(running, &params).await["status"], "allow");
}

#[tokio::test]
async fn an_approval_lets_in_again_by_the_same_way_and_by_no_other() {
    let (_folder, running) = started().await;
    running
        .user("alice", script(ScriptAnswer::Approve), vec![phone()])
        .await;
    push(&running, &HERE).await;
    remember_for(&running, 8).await;
    push(&running, &HERE[..1]).await;
    push(&running, &HERE[1..]).await;
    push(&running, &[("ipaddr", "192.0.2.8"), HERE[1]]).await;
    count(&running, 1).await;
    push(&running, &HERE).await;
    count(&running, 2).await;
    let found = page(&running, "?user=ALICE").await;
    let newest = &found.remembered[0];
    assert_eq!(
        (
            newest.user.as_str(),
            newest.application.as_str(),
            newest.client.as_str(),
            newest.station.as_str()
        ),
        ("alice", "vpn", "gw-1", "192.0.2.7")
    );
    assert_eq!(newest.until - newest.since, 8 * 3_600);
    assert!(
        newest.id.starts_with("RM") && newest.id.len() == 20,
        "{}",
        newest.id
    );
    let allowed = json!({"result": "allow",
                         "status_msg": "Remembered approval. No second factor is asked of you."});
    assert_eq!(preauth(&running, &HERE).await, allowed);
    for other in [
        vec![],
        vec![HERE[0]],
        vec![HERE[1]],
        vec![("ipaddr", "192.0.2.9"), HERE[1]],
        vec![HERE[0], ("hostname", "gw-2")],
    ] {
        assert_eq!(
            preauth(&running, &other).await["result"],
            "auth",
            "{other:?}"
        );
    }
    let wanted = NewApplication::named("other");
    let other = running
        .admin
        .post("/applications", &wanted, LIMIT)
        .await
        .unwrap();
    let params = [&[("username", "alice")], &HERE[..]].concat();
    let call = Call::signed(&other, "POST", "/auth/v2/preauth", &params);
    assert_eq!(running.send(&call).await.1["response"]["result"], "auth");
    // Only where the policy says so still.
    remember_for(&running, 0).await;
    assert_eq!(preauth(&running, &HERE).await["result"], "auth");
    remember_for(&running, 1).await;
    assert_eq!(preauth(&running, &HERE).await["result"], "allow");
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert!(user.last_login.unwrap().abs_diff(now_s()) < 60);
    running.stop().await;
}

#[tokio::test]
async fn it_is_revoked_by_hand_and_with_what_it_rests_on() {
    let (_folder, running) = started().await;
    let made = running
        .user(
            "alice",
            script(ScriptAnswer::Approve),
            vec![phone(), phone()],
        )
        .await;
    remember_for(&running, 8).await;
    let post = async |path: String, body: Value| {
        drop::<Value>(running.admin.post(&path, &body, LIMIT).await.unwrap());
    };
    let status = |status: UserStatus| {
        serde_json::to_value(ChangeUser {
            status: Some(status),
            ..ChangeUser::default()
        })
        .unwrap()
    };
    let second = &made.devices[1].device.id;
    for revoke in ["id", "user", "device", "disabled", "locked_out", "fraud"] {
        push(&running, &HERE).await;
        count(&running, 1).await;
        assert_eq!(
            preauth(&running, &HERE).await["result"],
            "allow",
            "{revoke}"
        );
        let id = page(&running, "").await.remembered[0].id.clone();
        match revoke {
            "id" => post(format!("/remembered/{id}/delete"), json!({})).await,
            "user" => post("/users/alice/remembered/delete".to_owned(), json!({})).await,
            "device" => post(format!("/users/alice/devices/{second}/delete"), json!({})).await,
            "fraud" => {
                let thief = Script {
                    answer: ScriptAnswer::Fraud,
                    after_ms: 0,
                };
                post("/users/alice".to_owned(), json!({"script": {"set": thief}})).await;
                auth(&running, &[("factor", "auto")]).await;
            }
            word => {
                let word = UserStatus::from_name(word).unwrap();
                post("/users/alice".to_owned(), status(word)).await;
            }
        }
        count(&running, 0).await;
        post("/users/alice".to_owned(), status(UserStatus::Active)).await;
        assert_eq!(preauth(&running, &HERE).await["result"], "auth", "{revoke}");
    }
    let gone = running
        .admin
        .post::<_, Done>("/remembered/RMX/delete", &Done {}, LIMIT)
        .await;
    assert!(
        matches!(gone, Err(local::CallError::Refused { status: 404, .. })),
        "{gone:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn passcodes_are_remembered_and_bypass_codes_and_bypasses_are_not() {
    let (_folder, running) = started().await;
    let made = running
        .user("alice", None, vec![generator(), phone()])
        .await;
    remember_for(&running, 8).await;
    let codes = NewBypassCodes::default();
    let path = "/users/alice/bypass-codes";
    let codes: BypassCodes = running.admin.post(path, &codes, LIMIT).await.unwrap();
    let passcode = async |code: &str| {
        let params = [&[("factor", "passcode"), ("passcode", code)], &HERE[..]].concat();
        auth(&running, &params).await["status"].clone()
    };
    assert_eq!(passcode(codes.codes[0].expose()).await, "allow");
    let change = ChangeUser {
        status: Some(UserStatus::Bypass),
        ..ChangeUser::default()
    };
    drop::<User>(
        running
            .admin
            .post("/users/alice", &change, LIMIT)
            .await
            .unwrap(),
    );
    assert_eq!(
        auth(&running, &[&[("factor", "auto")], &HERE[..]].concat()).await["status"],
        "bypass"
    );
    let change = ChangeUser {
        status: Some(UserStatus::Active),
        ..ChangeUser::default()
    };
    drop::<User>(
        running
            .admin
            .post("/users/alice", &change, LIMIT)
            .await
            .unwrap(),
    );
    // Approved in the person's place, for that login alone.
    let begun = [
        &[("factor", "push"), ("device", "auto"), ("async", "1")],
        &HERE[..],
    ]
    .concat();
    let begun = auth(&running, &begun).await;
    let path = format!("/pushes/{}/approve", begun["txid"].as_str().unwrap());
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let code = totp(secret, now_s() / 30);
    assert_eq!(passcode(&code).await, "allow");
    count(&running, 1).await;
    // What is written is written in order: nothing before it was remembered.
    assert_eq!(preauth(&running, &HERE).await["result"], "allow");
    assert_eq!(passcode(&code).await, "fraud");
    assert_eq!(kinds(&running, 1).await, [IncidentKind::Replay]);
    running.stop().await;
}

#[tokio::test]
async fn a_page_behind_what_was_forgotten_is_no_last_page() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    assert!(page(&running, "").await.remembered.is_empty());
    let behind = running
        .admin
        .get::<RememberedPage>("/remembered?after=RMGONE", LIMIT)
        .await;
    let Err(local::CallError::Refused { status, body }) = behind else {
        panic!("{behind:?}");
    };
    assert!(status == 404 && body.contains("begin again"), "{body}");
    running.stop().await;
}

/// Starts one that takes over from the one that serves, or the first.
async fn serving(folder: &Path, before: Option<&Running>) -> Running {
    let address = before.map(|before| before.address);
    Running::start(folder, |settings| {
        settings.approve_by_link = true;
        settings.handover_socket = Some(folder.join("handover.sock"));
        if let Some(address) = address {
            settings.take_over = true;
            settings.listen = address;
        }
    })
    .await
}

#[tokio::test]
async fn another_process_knows_the_policy_the_number_and_what_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let one = serving(folder.path(), None).await;
    let made = one.user("alice", None, vec![phone()]).await;
    let policy = Policy {
        remember_hours: Some(8),
        number_matching: Some(secondfactor::admin::NumberMatching::Always),
        ..Policy::default()
    };
    set(&one, "/policies/default", policy).await;
    let shows = [("client_supports_verified_push", "1")];
    let first = preauth(&one, &[&shows[..], &HERE[..]].concat()).await;
    let second = preauth(&one, &[&shows[..], &HERE[..]].concat()).await;
    let of = |found: &Value| {
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        (text("txid"), text("verification_code"))
    };
    let (waits, waits_code) = of(&first);
    let (later, later_code) = of(&second);
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    auth(&one, &[&push[..], &HERE[..], &[("txid", &waits)]].concat()).await;
    let two = serving(folder.path(), Some(&one)).await;
    one.ended().await;
    // Shown by the one before, sent by this one.
    auth(&two, &[&push[..], &HERE[..], &[("txid", &later)]].concat()).await;
    let form = format!("txid={later}&answer=approve&number={later_code}x");
    crate::numbers::answer(&two, &made, &form).await;
    let form = format!("txid={waits}&answer=approve&number={waits_code}");
    crate::numbers::answer(&two, &made, &form).await;
    for (txid, want) in [(&waits, "allow"), (&later, "deny")] {
        let params = [("txid", txid.as_str())];
        let (_, body) = two.call("GET", "/auth/v2/auth_status", &params).await;
        assert_eq!(body["response"]["status"], want);
    }
    // Taken over at once after the approval: what followed from it is written.
    let three = serving(folder.path(), Some(&two)).await;
    two.ended().await;
    assert_eq!(preauth(&three, &HERE).await["result"], "allow");
    assert_eq!(kinds(&three, 1).await, [IncidentKind::WrongNumber]);
    three.stop().await;
}

//! Numbers that are typed to approve, pushes that are too many, and fraud.

use secondfactor::admin::{
    CreatedUser, Done, IncidentKind, NumberMatching, Policy, User, WaitingPush,
};
use serde_json::json;

use crate::policy::{auth, effective, generator, incidents, kinds, preauth, set};
use crate::support::{Call, LIMIT, Running, now_s, phone, started, totp};

/// A service whose phones are answered on the page of their address.
async fn by_link() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.approve_by_link = true).await;
    (folder, running)
}

/// Has pushes go without numbers, however many wait.
pub(crate) async fn off(running: &Running) {
    let off = Policy {
        number_matching: Some(NumberMatching::Off),
        ..Policy::default()
    };
    set(running, "/policies/default", off).await;
}

/// Answers on the approval page of alice's first device.
pub(crate) async fn answer(running: &Running, made: &CreatedUser, form: &str) -> u16 {
    let url = made.devices[0].approval_url.as_ref().unwrap().expose();
    let path = &url[url.find("/approve/").unwrap()..];
    let mut call = Call::bare(&running.app, "POST", path);
    call.body = form.to_owned();
    call.header("content-type", "application/x-www-form-urlencoded");
    call.header("origin", &format!("https://127.0.0.1:{}", running.app.port));
    running.send_raw(&call).await.0
}

/// Has a push of alice's denied, and waits until that counts.
async fn deny_one(running: &Running, counts: u32) {
    let begun = auth(
        running,
        &[("factor", "push"), ("device", "auto"), ("async", "1")],
    )
    .await;
    let path = format!("/pushes/{}/deny", begun["txid"].as_str().unwrap());
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    while effective(running).await.unanswered_pushes != counts {}
}

const SHOWS: (&str, &str) = ("client_supports_verified_push", "1");

#[tokio::test]
async fn where_numbers_are_always_asked_only_who_sees_the_login_can_approve() {
    let (_folder, running) = by_link().await;
    let made = running
        .user("alice", None, vec![phone(), generator()])
        .await;
    let policy = Policy {
        number_matching: Some(NumberMatching::Always),
        ..Policy::default()
    };
    set(&running, "/policies/default", policy).await;
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    let status = async |txid: &str| {
        let polled = [("txid", txid)];
        // The first answer comes at once.
        running.call("GET", "/auth/v2/auth_status", &polled).await;
        let (_, body) = running.call("GET", "/auth/v2/auth_status", &polled).await;
        body["response"]["status"].clone()
    };
    let (mut seen, mut used) = (Vec::new(), String::new());
    for (name, typed, want) in [
        ("right", Some("right"), "allow"),
        ("wrong", Some("wrong"), "deny"),
        ("nothing", None, "deny"),
    ] {
        let found = preauth(&running, &[SHOWS]).await;
        assert_eq!(found["devices"][0]["capabilities"], json!(["auto", "push"]));
        let txid = found["txid"].as_str().unwrap().to_owned();
        let code = found["verification_code"].as_str().unwrap().to_owned();
        assert!(code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_digit()));
        let expires = found["expiration"].as_u64().unwrap();
        assert!(expires.abs_diff(now_s() + 300) < 10);
        let begun = auth(
            &running,
            &[&push[..], &[("txid", &txid), ("hostname", "gw-1")]].concat(),
        )
        .await;
        assert_eq!(begun["txid"], txid.as_str(), "the push has that id");
        let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
        assert!(waiting[0].number_matching);
        assert_eq!(waiting[0].client, "gw-1");
        let wrong = format!("{:03}", (code.parse::<u32>().unwrap() + 1) % 1_000);
        let typed = match typed {
            Some("right") => format!("&number=%20{code}"),
            Some(_) => format!("&number={wrong}"),
            None => String::new(),
        };
        let form = format!("txid={txid}&answer=approve{typed}");
        assert_eq!(answer(&running, &made, &form).await, 303, "{name}");
        assert_eq!(status(&txid).await, want, "{name}");
        seen.push(code);
        used = txid;
    }
    let wrong = IncidentKind::WrongNumber;
    assert_eq!(kinds(&running, 2).await, [wrong, wrong]);
    let found = incidents(&running).await.incidents;
    assert_eq!(
        (found[0].user.as_str(), found[0].detail.as_str()),
        ("alice", "through gw-1")
    );

    // A login that shows none has no pushes, whoever asks for one.
    let found = preauth(&running, &[]).await;
    let devices = found["devices"].as_array().unwrap();
    assert_eq!((devices.len(), &devices[0]["type"]), (1, &json!("token")));
    assert!(found.get("txid").is_none());
    let why = json!({"result": "deny", "status": "deny",
                     "status_msg": "This login cannot show a number; use a passcode."});
    assert_eq!(auth(&running, &push[..2]).await, why);
    assert_eq!(auth(&running, &[("factor", "auto")]).await, why);
    // An id is used once, and is nobody else's.
    running.user("bob", None, vec![phone()]).await;
    let params = [("username", "bob"), SHOWS];
    let (_, bobs) = running.call("POST", "/auth/v2/preauth", &params).await;
    let bobs = bobs["response"]["txid"].as_str().unwrap();
    let made_up = "45f7c92b-f45f-4862-8545-e0f58e78075a";
    for txid in [used.as_str(), bobs, made_up, "x"] {
        let params = [&[("username", "alice")], &push[..], &[("txid", txid)]].concat();
        let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(
            (status, &body["message_detail"]),
            (400, &json!("txid")),
            "{txid}"
        );
    }
    // Who answers in the person's place sees no number.
    let found = preauth(&running, &[SHOWS]).await;
    let txid = found["txid"].as_str().unwrap();
    auth(&running, &[&push[..], &[("txid", txid)]].concat()).await;
    let path = format!("/pushes/{txid}/approve");
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    assert_eq!(status(txid).await, "allow");
    running.stop().await;
}

#[tokio::test]
async fn too_many_pushes_that_nobody_approves_need_a_number_until_one_is_approved() {
    let (_folder, running) = by_link().await;
    let made = running
        .user("alice", None, vec![phone(), generator()])
        .await;
    for counts in 1..=3 {
        assert!(!effective(&running).await.number_matching_now);
        assert!(preauth(&running, &[SHOWS]).await.get("txid").is_none());
        deny_one(&running, counts).await;
    }
    assert!(effective(&running).await.number_matching_now);
    assert_eq!(kinds(&running, 1).await, [IncidentKind::PushFatigue]);
    let push = [("factor", "push"), ("device", "auto")];
    let why = json!({"result": "deny", "status": "deny",
                     "status_msg": "Too many login requests. Use a passcode."});
    assert_eq!(auth(&running, &push).await, why);
    let found = preauth(&running, &[]).await;
    assert_eq!(found["devices"][0]["type"], "token");
    // A login that can show a number has pushes.
    let found = preauth(&running, &[SHOWS]).await;
    let (txid, code) = (
        found["txid"].as_str().unwrap(),
        found["verification_code"].as_str().unwrap(),
    );
    auth(
        &running,
        &[&push[..], &[("txid", txid), ("async", "1")]].concat(),
    )
    .await;
    let form = format!("txid={txid}&answer=approve&number={code}");
    assert_eq!(answer(&running, &made, &form).await, 303);
    while effective(&running).await.unanswered_pushes != 0 {}
    assert!(preauth(&running, &[SHOWS]).await.get("txid").is_none());
    // A good passcode ends it too, and so does an administrator.
    for counts in 1..=3 {
        deny_one(&running, counts).await;
    }
    let secret = made.devices[1].secret.as_ref().unwrap().expose();
    let code = totp(secret, now_s() / 30);
    let typed = [("factor", "passcode"), ("passcode", code.as_str())];
    assert_eq!(auth(&running, &typed).await["result"], "allow");
    assert_eq!(effective(&running).await.unanswered_pushes, 0);
    for counts in 1..=3 {
        deny_one(&running, counts).await;
    }
    let path = "/users/alice/unlock";
    drop::<User>(running.admin.post(path, &Done {}, LIMIT).await.unwrap());
    assert_eq!(effective(&running).await.unanswered_pushes, 0);
    // Each time that it began.
    assert_eq!(kinds(&running, 3).await, [IncidentKind::PushFatigue; 3]);
    let off = Policy {
        number_matching: Some(NumberMatching::Off),
        push_fatigue_after: Some(1),
        ..Policy::default()
    };
    set(&running, "/policies/default", off).await;
    deny_one(&running, 1).await;
    deny_one(&running, 2).await;
    assert!(!effective(&running).await.number_matching_now);
    running.stop().await;
}

#[tokio::test]
async fn with_a_fraud_all_that_waits_ends() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone(), phone()]).await;
    running.user("bob", None, vec![phone()]).await;
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    let mut begun = Vec::new();
    for _ in 0..2 {
        let one = auth(&running, &push).await;
        begun.push(one["txid"].as_str().unwrap().to_owned());
    }
    let bobs = [&[("username", "bob")], &push[..]].concat();
    running.call("POST", "/auth/v2/auth", &bobs).await;
    let path = format!("/pushes/{}/fraud", begun[0]);
    let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
    let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|push| push.user.as_str()).collect();
    assert_eq!(waiting, ["bob"]);
    for (txid, want) in [(&begun[0], "fraud"), (&begun[1], "deny")] {
        let params = [("txid", txid.as_str())];
        let (_, body) = running.call("GET", "/auth/v2/auth_status", &params).await;
        assert_eq!(body["response"]["status"], want);
    }
    assert_eq!(kinds(&running, 1).await, [IncidentKind::Fraud]);
    running.stop().await;
}

#[tokio::test]
async fn what_waits_counts_and_no_more_go_out_at_once_either() {
    let (_folder, running) = started().await;
    running
        .user("alice", None, vec![phone(), phone(), generator()])
        .await;
    running.user("bob", None, vec![phone()]).await;
    let push = [("factor", "push"), ("device", "auto"), ("async", "1")];
    // Twelve in the same moment, over connections of their own.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let params = [&[("username", "alice")], &push[..]].concat();
        let call = Call::signed(&running.app, "POST", "/auth/v2/auth", &params);
        let (address, ca_pem) = (running.address, running.app.ca_pem.clone());
        calls.spawn(async move { crate::support::send_raw(address, &ca_pem, &call).await });
    }
    for (status, _, body) in calls.join_all().await {
        assert_eq!(status, 200, "{body:?}");
    }
    let waiting = async || -> Vec<WaitingPush> {
        let pushes: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
        let of = |push: &WaitingPush| push.user == "alice";
        pushes.into_iter().filter(of).collect()
    };
    assert_eq!(waiting().await.len(), 3);
    let now = effective(&running).await;
    assert_eq!((now.unanswered_pushes, now.number_matching_now), (0, true));
    let why = "Too many login requests. Use a passcode.";
    assert_eq!(auth(&running, &push[..2]).await["status_msg"], why);
    assert_eq!(preauth(&running, &[]).await["devices"][0]["type"], "token");
    let bobs = [&[("username", "bob")], &push[..]].concat();
    assert_eq!(
        running.call("POST", "/auth/v2/auth", &bobs).await.0,
        200,
        "somebody else's row"
    );
    // A login that can show a number has pushes, and what waits is not ended by it.
    let found = preauth(&running, &[SHOWS]).await;
    let txid = found["txid"].as_str().unwrap();
    let begun = auth(&running, &[&push[..], &[("txid", txid)]].concat()).await;
    assert_eq!(begun["txid"], txid);
    assert_eq!(waiting().await.len(), 4);
    // With an approval the row begins again; what waits is of the new one.
    for (deed, left) in [("approve", 3), ("approve", 2), ("deny", 1)] {
        let first = waiting().await.remove(0).txid;
        let path = format!("/pushes/{first}/{deed}");
        let _: Done = running.admin.post(&path, &Done {}, LIMIT).await.unwrap();
        assert_eq!(waiting().await.len(), left);
    }
    while effective(&running).await.unanswered_pushes != 1 {}
    // One denied and one that waits leave room for one.
    let begun = auth(&running, &push).await;
    assert!(begun["txid"].is_string(), "{begun}");
    assert_eq!(auth(&running, &push[..2]).await["status_msg"], why);
    running.stop().await;
}

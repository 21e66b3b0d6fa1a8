//! What administrators try at the admin socket before they do it.

use secondfactor::admin::{CreatedUser, Done, NewDevice, ScriptAnswer};
use serde_json::{Value, json};

use crate::support::{LIMIT, Running, phone, script, started};

/// All that can be changed, as it is read.
async fn everything(running: &Running) -> Vec<Value> {
    let mut all = Vec::new();
    for path in [
        "/applications",
        "/users",
        "/users/bob/policy",
        "/groups",
        "/tokens",
        "/policies",
        "/remembered",
        "/enrollments",
        "/delivery",
        "/pushes",
    ] {
        let mut is: Value = running.admin.get(path, LIMIT).await.unwrap();
        for push in is.as_array_mut().into_iter().flatten() {
            push.as_object_mut().unwrap().remove("age_seconds");
        }
        all.push(is);
    }
    all
}

/// What a call of the admin socket comes to: the answer, or the status of a refusal and its text.
async fn asked(running: &Running, path: &str, body: &Value) -> Result<Value, (u16, String)> {
    let answer = running.admin.post::<_, Value>(path, body, LIMIT).await;
    answer.map_err(|error| match error {
        local::CallError::Refused { status, body } => (status, body),
        error => panic!("{path}: {error}"),
    })
}

const TOKENS: &str = "serial,secret,username\n1,3132333435363738393031323334353637383930,\n\
                      2,3132333435363738393031323334353637383930,bob\n";

/// Bob has one of everything, erin is disabled. Gives bob, his token's device, and a push that waits.
async fn furnished(running: &Running) -> (CreatedUser, String, String) {
    let totp = NewDevice::Totp {
        name: "app".to_owned(),
        algorithm: None,
        digits: None,
        period: None,
        secret: None,
    };
    let bob = running.user("bob", None, vec![phone(), totp]).await;
    running.user("erin", None, Vec::new()).await;
    let done = |path: &'static str, body: Value| async move {
        asked(running, path, &body)
            .await
            .unwrap_or_else(|refused| panic!("{path}: {refused:?}"))
    };
    done("/users/erin", json!({"status": "disabled"})).await;
    done(
        "/users/bob",
        json!({"aliases": ["robert"], "groups": ["Staff"]}),
    )
    .await;
    done("/tokens/import", json!({"csv": TOKENS})).await;
    done(
        "/policies/default",
        json!({"policy": {"remember_hours": 8}}),
    )
    .await;
    done("/enrollments", json!({"users": ["bob"]})).await;
    let smtp = json!({"host": "mail.example.com", "security": "tls", "from": "a@example.com"});
    done("/delivery", json!({"smtp": {"set": smtp}})).await;
    let asks = [
        ("username", "bob"),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
    ];
    let (status, answer) = running.call("POST", "/auth/v2/auth", &asks).await;
    assert_eq!(status, 200, "{answer}");
    let txid = answer["response"]["txid"].as_str().unwrap().to_owned();
    let users: Value = running.admin.get("/users/bob", LIMIT).await.unwrap();
    let devices = users["devices"].as_array().unwrap();
    let token = devices.iter().find(|one| one["serial"] == "2").unwrap();
    (bob, token["id"].as_str().unwrap().to_owned(), txid)
}

#[tokio::test]
async fn what_is_tried_is_checked_as_the_deed_does_and_nothing_is_kept() {
    let (_folder, running) = started().await;
    let (bob, token, txid) = furnished(&running).await;
    let waiting: Value = running.admin.get("/enrollments", LIMIT).await.unwrap();
    let invitation = waiting["enrollments"][0]["id"].as_str().unwrap();
    let device = &bob.user.devices[0].id;
    let of_device = |below: &str| format!("/users/bob/devices/{device}{below}");
    let before = everything(&running).await;
    let (none, hours) = (
        json!({}),
        |hours: u32| json!({"policy": {"remember_hours": hours}}),
    );
    let smtp = |host: &str, security: &str| json!({"smtp": {"set": {"host": host, "security": security, "from": "a@example.com"}}});
    // What the deed would do, and what it would refuse. The refused ones are done, too: it is the same.
    let rows = [
        (
            "/users",
            json!({"name": "eve", "aliases": ["e"], "devices": [{"kind": "totp"}]}),
            200,
        ),
        ("/users", json!({"name": "BOB"}), 409),
        ("/users", json!({"name": "eve", "aliases": ["bob"]}), 409),
        ("/users", json!({"name": "eve", "email": "nope"}), 400),
        ("/users", json!({"name": "eve", "more": 1}), 422),
        ("/users", json!({"name": ""}), 400),
        (
            "/users",
            json!({"name": "eve", "devices": [{"kind": "totp", "digits": 9}]}),
            400,
        ),
        (
            "/users/bob",
            json!({"status": "disabled", "groups": []}),
            200,
        ),
        ("/users/bob", json!({"bypass_until": 5}), 400),
        ("/users/bob", json!({"aliases": ["erin"]}), 409),
        ("/users/nobody", json!({"status": "disabled"}), 404),
        ("/users/bob/delete", none.clone(), 200),
        ("/users/nobody/delete", none.clone(), 404),
        ("/users/bob/lock", none.clone(), 200),
        ("/users/erin/lock", none.clone(), 409),
        ("/users/bob/unlock", none.clone(), 200),
        ("/users/erin/unlock", none.clone(), 409),
        (
            "/users/bob/devices",
            json!({"kind": "phone", "number": "+1 555 0100"}),
            200,
        ),
        (
            "/users/bob/devices",
            json!({"kind": "phone", "number": "x"}),
            400,
        ),
        (
            "/users/bob/devices",
            json!({"kind": "totp", "secret": "short"}),
            400,
        ),
        (&of_device(""), json!({"name": "new"}), 200),
        (&of_device(""), json!({"name": "n".repeat(65)}), 400),
        (&of_device("/delete"), none.clone(), 200),
        ("/users/bob/devices/DPX/delete", none.clone(), 404),
        ("/users/bob/devices/DPX", json!({"name": "new"}), 404),
        (
            &of_device("/resync"),
            json!({"first": "1", "second": "2"}),
            400,
        ),
        (
            &format!("/users/bob/devices/{token}/resync"),
            json!({"first": "1", "second": "2"}),
            400,
        ),
        (
            &format!("/users/bob/devices/{token}/resync"),
            json!({"first": "755224", "second": "287082"}),
            200,
        ),
        ("/users/bob/bypass-codes", json!({"count": 5}), 200),
        ("/users/bob/bypass-codes", json!({"count": 5_000}), 400),
        ("/users/bob/enroll", none.clone(), 200),
        ("/users/bob/enroll", json!({"by_email": true}), 409),
        ("/users/bob/remembered/delete", none.clone(), 200),
        ("/users/nobody/remembered/delete", none.clone(), 404),
        ("/remembered/RMX/delete", none.clone(), 404),
        ("/tokens/1/assign", json!({"user": "bob"}), 200),
        ("/tokens/1/assign", json!({"user": "nobody"}), 404),
        ("/tokens/2/assign", json!({"user": "erin"}), 409),
        ("/tokens/2/unassign", none.clone(), 200),
        ("/tokens/9/unassign", none.clone(), 404),
        ("/tokens/1/delete", none.clone(), 200),
        ("/tokens/2/delete", none.clone(), 409),
        ("/policies/default", hours(9), 200),
        ("/policies/default", hours(99_999), 400),
        (
            "/policies/default",
            json!({"policy": {"exempt_networks": ["nonsense"]}}),
            400,
        ),
        ("/policies/applications/nosuch", hours(8), 404),
        (
            "/policies/groups/G",
            json!({"rank": 99_999, "policy": {}}),
            400,
        ),
        ("/policies/default/delete", none.clone(), 200),
        ("/policies/groups/G/delete", none.clone(), 404),
        ("/enrollments", json!({"group": "Nobody's"}), 404),
        ("/enrollments", json!({"users": ["bob", "nobody"]}), 200),
        (
            &format!("/enrollments/{invitation}/delete"),
            none.clone(),
            200,
        ),
        ("/enrollments/ENX/delete", none.clone(), 404),
        ("/delivery", smtp("other.example.com", "tls"), 200),
        ("/delivery", smtp("other.example.com", "none"), 400),
        (
            "/delivery",
            json!({"web_push": {"set": {"contact": "mailto:a@example.com"}}}),
            200,
        ),
        (
            "/delivery/test",
            json!({"channel": "email", "to": "b@example.com"}),
            200,
        ),
        (
            "/delivery/test",
            json!({"channel": "email", "to": "b"}),
            400,
        ),
        (
            "/delivery/test",
            json!({"channel": "sms", "to": "+15550100"}),
            409,
        ),
        (&format!("/pushes/{txid}/approve"), none.clone(), 200),
        (&format!("/pushes/{txid}/fraud"), none.clone(), 200),
        ("/pushes/none/deny", none.clone(), 404),
        (
            "/applications",
            json!({"name": "vpn", "open_enrollment": true}),
            200,
        ),
        ("/applications/vpn/delete", none.clone(), 200),
        ("/applications/nosuch/delete", none.clone(), 404),
    ];
    let mut wrong = Vec::new();
    for (path, body, want) in &rows {
        let tried = asked(&running, &format!("{path}?dry_run=true"), body).await;
        let status = tried.as_ref().map_or_else(|refused| refused.0, |_| 200);
        if status != *want {
            wrong.push(format!("{path} {body}: {tried:?}"));
        }
        assert_eq!(
            everything(&running).await,
            before,
            "{path} {body} was only tried"
        );
        let shown = format!("{tried:?}");
        for secret in ["otpauth://", "/approve/", "/e/"] {
            assert!(!shown.contains(secret), "{path} {body}: {shown}");
        }
        if let Err(refused) = tried {
            let done = asked(&running, path, body).await;
            assert_eq!(
                done,
                Err(refused),
                "{path} {body} is refused in the same words"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(everything(&running).await, before);
    running.stop().await;
}

#[tokio::test]
async fn what_is_tried_is_answered_as_it_would_be() {
    let (_folder, running) = started().await;
    running
        .user("bob", script(ScriptAnswer::Approve), vec![phone()])
        .await;
    let bob = async |body: Value| {
        asked(&running, "/users/bob?dry_run=true", &body)
            .await
            .unwrap()
    };
    let changed = bob(json!({"status": "bypass", "groups": ["Staff"], "full_name": "Bob"})).await;
    assert_eq!(changed["status"], "bypass");
    assert_eq!(changed["groups"], json!(["Staff"]));
    assert_eq!(changed["full_name"], "Bob");
    let cleared = bob(json!({"script": "clear"})).await;
    assert_eq!(cleared["script"], Value::Null);
    let new = json!({"name": "eve", "devices": [{"kind": "totp", "name": "app"}]});
    let made = asked(&running, "/users?dry_run=true", &new).await.unwrap();
    assert_eq!(made["user"]["devices"][0]["name"], "app");
    let would = asked(
        &running,
        "/policies/groups/G?dry_run=true",
        &json!({"policy": {}}),
    )
    .await;
    assert_eq!(would.unwrap()["rank"], 100);
    // Who is locked out by the deed can be let in by it again, and the push of before goes on.
    let locked = asked(&running, "/users/bob/lock?dry_run=true", &json!({}))
        .await
        .unwrap();
    assert_eq!(locked["status"], "locked_out");
    let invited = json!({"users": ["bob", "nobody"]});
    let invited = asked(&running, "/enrollments?dry_run=true", &invited)
        .await
        .unwrap();
    assert_eq!(invited["refused"][0]["name"], "nobody");
    let _: Done = running
        .admin
        .post("/users/bob/delete", &json!({}), LIMIT)
        .await
        .unwrap();
    running.stop().await;
}

//! What older clients speak: version 1 of the API, and Duo Unix' menus in version 2.

use secondfactor::admin::{NewDevice, Policy, ScriptAnswer, UserStatus, WaitingEnrollments};
use serde_json::{Value, json};

use crate::support::{Call, LIMIT, Running, Signing, now_s, phone, script, started, totp};

async fn legacy() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.legacy_api = true).await;
    (folder, running)
}

/// A call as a client of that age makes it.
async fn one(service: &Running, method: &str, path: &str, params: &[(&str, &str)]) -> (u16, Value) {
    let path = format!("/rest/v1/{path}");
    let call = Call::signed_with(&service.app, method, &path, params, Signing::V1);
    service.send(&call).await
}

/// The response of a call that is well.
async fn good(service: &Running, method: &str, path: &str, params: &[(&str, &str)]) -> Value {
    let (status, mut body) = one(service, method, path, params).await;
    assert_eq!((status, &body["stat"]), (200, &json!("OK")), "{body}");
    body["response"].take()
}

const MENU: &str = "Duo two-factor login for alice\n\n\
                    Enter a passcode or select one of the following options:\n\n \
                    1. Duo Push to XXX-XXX-4788\n\nPasscode or option (1-1): ";

fn in_now() -> Value {
    json!({"result": "allow", "status": "Success. Logging you in..."})
}

#[tokio::test]
async fn version_1_is_served_where_it_is_asked_for_only() {
    let (_folder, service) = started().await;
    for path in ["ping", "check", "preauth", "preauth.bson", "auth", "status"] {
        for method in ["GET", "POST"] {
            let (status, body) = one(&service, method, path, &[("user", "alice")]).await;
            assert_eq!((status, &body["code"]), (404, &json!(40401)), "{path}");
        }
    }
    service.stop().await;

    let (_folder, service) = legacy().await;
    assert_eq!(good(&service, "GET", "check", &[]).await, json!("valid"));
    // A signature without a date is good there, and nowhere else.
    let check = |signing| Call::signed_with(&service.app, "GET", "/auth/v2/check", &[], signing);
    let (status, body) = service.send(&check(Signing::V1)).await;
    assert_eq!((status, &body["code"]), (401, &json!(40104)));
    assert_eq!(service.send(&check(Signing::V2Sha1)).await.0, 200);
    // A later client signs with a date there.
    for signing in [Signing::V2Sha1, Signing::V2Sha512] {
        let path = "/rest/v1/check.json";
        let call = Call::signed_with(&service.app, "GET", path, &[], signing);
        assert_eq!(service.send(&call).await.1["response"], "valid");
    }
    let bare = Call::bare(&service.app, "GET", "/rest/v1/ping");
    assert_eq!(service.send(&bare).await.1["response"], "pong");
    for (method, path, status) in [
        ("GET", "/rest/v1/check", 401),
        ("POST", "/rest/v1/check", 405),
        ("GET", "/rest/v1/auth", 405),
        ("POST", "/rest/v1/enroll", 404),
        ("POST", "/rest/v1/auth.xml", 404),
    ] {
        let call = Call::bare(&service.app, method, path);
        assert_eq!(service.send(&call).await.0, status, "{method} {path}");
    }
    // Signed for something else.
    let mut other = Call::signed_with(
        &service.app,
        "POST",
        "/rest/v1/preauth",
        &[("user", "alice")],
        Signing::V1,
    );
    other.body = "user=bob".to_owned();
    assert_eq!(service.send(&other).await.1["code"], 40103);
    service.stop().await;
}

#[tokio::test]
async fn a_login_of_version_1_goes_its_whole_way() {
    let (_folder, service) = legacy().await;
    let devices = vec![
        phone(),
        NewDevice::Totp {
            name: String::new(),
            algorithm: None,
            digits: None,
            period: None,
            secret: None,
        },
    ];
    let made = service
        .user("alice", script(ScriptAnswer::Approve), devices)
        .await;
    service
        .user("dan", script(ScriptAnswer::Deny), vec![phone()])
        .await;
    service.user("erin", None, Vec::new()).await;
    let user = ("user", "alice");
    let preauth = good(&service, "POST", "preauth", &[user, ("failmode", "secure")]).await;
    let factors = json!({"default": "push1", "1": "push1"});
    assert_eq!(
        preauth,
        json!({"result": "auth", "status": "Account is active", "prompt": MENU, "factors": factors})
    );
    let begun = [user, ("factor", "auto"), ("auto", "push1"), ("async", "1")];
    let txid = good(&service, "POST", "auth.json", &begun).await;
    let txid = txid["txid"].as_str().unwrap();
    let status = good(&service, "GET", "status", &[("txid", txid)]).await;
    assert_eq!(status, in_now());

    for (what, params, want) in [
        (
            "typed",
            &[("factor", "auto"), ("auto", "push")][..],
            in_now(),
        ),
        (
            "named",
            &[("factor", "push"), ("phone", "phone1")],
            in_now(),
        ),
        (
            "named, any",
            &[("factor", "push"), ("phone", "auto")],
            in_now(),
        ),
        (
            "no passcode",
            &[("factor", "auto"), ("auto", "000000")],
            json!({"result": "deny", "status": "Invalid passcode, please try again."}),
        ),
    ] {
        let params = [&[user], params].concat();
        assert_eq!(
            good(&service, "POST", "auth", &params).await,
            want,
            "{what}"
        );
    }
    let otpauth = made.devices[1]
        .otpauth_uri
        .as_ref()
        .unwrap()
        .expose()
        .clone();
    let secret = otpauth
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let code = totp(secret, now_s() / 30);
    let params = [user, ("factor", "passcode"), ("code", &code)];
    assert_eq!(good(&service, "POST", "auth", &params).await, in_now());

    let denied = [("user", "dan"), ("factor", "auto"), ("auto", "push1")];
    let denied = good(&service, "POST", "auth", &denied).await;
    assert_eq!(
        denied,
        json!({"result": "deny", "status": "Login request denied."})
    );
    let enroll = good(&service, "POST", "preauth", &[("user", "erin")]).await;
    assert_eq!(enroll["result"], "enroll");
    let text = enroll["status"].as_str().unwrap();
    assert!(
        text.starts_with("Please enroll at https://localhost:"),
        "{text}"
    );

    for (what, params, code) in [
        (
            "no user",
            &[("factor", "auto"), ("auto", "push1")][..],
            40001,
        ),
        ("nothing typed", &[user, ("factor", "auto")], 40001),
        (
            "blanks typed",
            &[user, ("factor", "auto"), ("auto", "  ")],
            40002,
        ),
        (
            "no such push",
            &[user, ("factor", "auto"), ("auto", "push2")],
            40002,
        ),
        (
            "no calls",
            &[user, ("factor", "auto"), ("auto", "phone")],
            40002,
        ),
        (
            "no such phone",
            &[user, ("factor", "push"), ("phone", "phone2")],
            40002,
        ),
        (
            "no phone",
            &[user, ("factor", "push"), ("phone", "desk")],
            40002,
        ),
        ("no factor", &[user], 40001),
        (
            "another's",
            &[("user", "nobody"), ("factor", "auto"), ("auto", "push")],
            40002,
        ),
    ] {
        let (status, body) = one(&service, "POST", "auth", params).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(code)),
            "{what}: {body}"
        );
    }
    service.stop().await;
}

#[tokio::test]
async fn who_waits_is_told_no_result() {
    let (_folder, service) = legacy().await;
    service.user("ivy", None, vec![phone()]).await;
    let begun = [
        ("user", "ivy"),
        ("factor", "auto"),
        ("auto", "1"),
        ("async", "1"),
    ];
    // What the client does not find in its menu it sends as it was typed: one digit is a passcode.
    let txid = good(&service, "POST", "auth", &begun).await["txid"].clone();
    let status = good(
        &service,
        "GET",
        "status",
        &[("txid", txid.as_str().unwrap())],
    )
    .await;
    assert_eq!(status["result"], "deny");
    let begun = [
        ("user", "ivy"),
        ("factor", "auto"),
        ("auto", "push"),
        ("async", "1"),
    ];
    let txid = good(&service, "POST", "auth", &begun).await["txid"].clone();
    let status = good(
        &service,
        "GET",
        "status",
        &[("txid", txid.as_str().unwrap())],
    )
    .await;
    assert_eq!(
        status,
        json!({"status": "Pushed a login request to your device..."})
    );
    service.stop().await;
}

#[tokio::test]
async fn who_needs_none_and_who_may_not_is_told_at_once() {
    let (_folder, service) = legacy().await;
    for (name, status, result) in [
        ("bea", UserStatus::Bypass, "allow"),
        ("dis", UserStatus::Disabled, "deny"),
    ] {
        service.user(name, None, vec![phone()]).await;
        let change = json!({"status": status});
        let path = format!("/users/{name}");
        drop::<Value>(service.admin.post(&path, &change, LIMIT).await.unwrap());
        let told = good(&service, "POST", "preauth", &[("user", name)]).await;
        assert_eq!(told["result"], result, "{told}");
        assert!(!told["status"].as_str().unwrap().is_empty());
        let asked = [("user", name), ("factor", "auto"), ("auto", "push")];
        assert_eq!(
            good(&service, "POST", "auth", &asked).await["result"],
            result
        );
    }
    service.stop().await;
}

#[tokio::test]
async fn bson_is_written_for_success_and_failure() {
    let (_folder, service) = legacy().await;
    let bare = Call::bare(&service.app, "GET", "/rest/v1/ping.bson");
    let (status, headers, body) = service.send_raw(&bare).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (200, &"application/bson".parse().unwrap())
    );
    assert_eq!(
        &body[..],
        b"\x25\0\0\0\x02response\0\x05\0\0\0pong\0\x02stat\0\x03\0\0\0OK\0\0"
    );
    let mut wrong = Call::bare(&service.app, "GET", "/rest/v1/check.bson");
    wrong.authorize(&service.app.ikey, &"0".repeat(40));
    let (status, _, body) = service.send_raw(&wrong).await;
    assert_eq!(status, 401);
    let code = b"\x10code\0\xa7\x9c\0\0";
    assert!(
        body.windows(code.len()).any(|part| part == code),
        "{body:?}"
    );
    service.stop().await;
}

#[tokio::test]
async fn duo_unix_gets_its_menu_by_version_2_and_sends_back_what_was_typed() {
    // As it is: nothing has to be turned on for it.
    let (_folder, service) = started().await;
    service
        .user("alice", script(ScriptAnswer::Approve), vec![phone()])
        .await;
    service.user("erin", None, Vec::new()).await;
    let user = ("username", "alice");
    let preauth = |params: Vec<(&'static str, &'static str)>| {
        let service = &service;
        async move { service.call("POST", "/auth/v2/preauth", &params).await.1["response"].take() }
    };
    let asked = vec![
        user,
        ("text_prompt", "1"),
        ("failmode", "secure"),
        ("hostname", "h"),
    ];
    let answer = preauth(asked).await;
    let factors = json!({"default": "push1", "1": "push1"});
    assert_eq!(answer["prompt"], json!({"text": MENU, "factors": factors}));
    assert_eq!(
        (
            &answer["result"],
            answer["devices"].as_array().unwrap().len()
        ),
        (&json!("auth"), 1)
    );
    let answer = preauth(vec![user]).await;
    assert_eq!(answer.get("prompt"), None, "not asked for");
    let answer = preauth(vec![("username", "erin"), ("text_prompt", "1")]).await;
    let text = answer["prompt"]["text"].as_str().unwrap();
    let url = answer["enroll_portal_url"].as_str().unwrap();
    assert_eq!(text, format!("Please enroll at {url}"));

    for (typed, status) in [("push1", "allow"), ("PUSH", "allow"), ("000000", "deny")] {
        let params = [
            user,
            ("factor", "prompt"),
            ("prompt", typed),
            ("async", "0"),
        ];
        let (_, body) = service.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(body["response"]["status"], status, "{typed}: {body}");
    }
    let (_, body) = service
        .call("POST", "/auth/v2/auth", &[user, ("factor", "prompt")])
        .await;
    assert_eq!(
        (&body["code"], &body["message_detail"]),
        (&json!(40001), &json!("prompt"))
    );
    service.stop().await;
}

#[tokio::test]
async fn duo_unix_shows_the_number_that_a_push_is_approved_with() {
    let (_folder, service) = started().await;
    service
        .user(
            "alice",
            script(ScriptAnswer::Approve),
            vec![phone(), phone()],
        )
        .await;
    let always = json!({"policy": {"number_matching": "always"}});
    drop::<Value>(
        service
            .admin
            .post("/policies/default", &always, LIMIT)
            .await
            .unwrap(),
    );
    let user = ("username", "alice");
    let shows = ("client_supports_verified_push", "1");
    let params = [user, ("text_prompt", "1"), shows];
    let (_, body) = service.call("POST", "/auth/v2/preauth", &params).await;
    let offered = &body["response"];
    let number = offered["verification_code"].as_str().unwrap();
    let text = offered["prompt"]["text"].as_str().unwrap();
    assert!(
        text.contains(&format!("type {number} on your phone.")),
        "{text}"
    );
    let txid = offered["txid"].as_str().unwrap();
    let typed = [
        user,
        ("factor", "prompt"),
        ("prompt", "push2"),
        ("async", "1"),
    ];
    let (_, body) = service
        .call(
            "POST",
            "/auth/v2/auth",
            &[&typed[..], &[("txid", txid)]].concat(),
        )
        .await;
    assert_eq!(body["response"]["txid"], txid, "{body}");

    // Without a number there is no push, and so says the menu.
    let params = [user, ("text_prompt", "1")];
    let (_, body) = service.call("POST", "/auth/v2/preauth", &params).await;
    let said = &body["response"];
    assert!(!said.to_string().contains("Duo Push"), "{said}");
    service.stop().await;
}

#[tokio::test]
async fn what_is_typed_at_a_menu_counts_nothing_and_makes_nothing() {
    let (_folder, service) = started().await;
    let policy = Policy {
        exempt_networks: Some(vec!["192.0.2.0/24".to_owned()]),
        ..Policy::default()
    };
    crate::policy::set(&service, "/policies/default", policy).await;
    let yes = script(ScriptAnswer::Approve);
    service.user("alice", yes, vec![phone(), phone()]).await;
    service.user("bob", None, vec![]).await;
    let typed = async |user: &str, ip: &str, typed: &str| {
        let params = [
            ("username", user),
            ("factor", "prompt"),
            ("prompt", typed),
            ("ipaddr", ip),
        ];
        let (_, body) = service.call("POST", "/auth/v2/auth", &params).await;
        match body["response"]["status"].as_str() {
            Some(status) => status.to_owned(),
            None => body["message_detail"].as_str().unwrap().to_owned(),
        }
    };
    assert_eq!(typed("alice", "192.0.2.7", "push2").await, "allow");
    assert_eq!(typed("alice", "198.51.100.7", "push2").await, "allow");
    assert_eq!(typed("alice", "198.51.100.7", "push3").await, "prompt");
    assert_eq!(typed("bob", "198.51.100.7", "push1").await, "device");
    assert_eq!(typed("bob", "198.51.100.7", "push2").await, "prompt");
    let waiting: WaitingEnrollments = service.admin.get("/enrollments", LIMIT).await.unwrap();
    assert!(waiting.enrollments.is_empty(), "{waiting:?}");
    let metrics = service.metrics().await;
    let line = "countersign_secondfactor_exempt_logins_total 0\n";
    assert!(metrics.contains(line), "{metrics}");
    service.stop().await;
}

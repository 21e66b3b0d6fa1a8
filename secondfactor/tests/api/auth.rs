//! The Auth API over real HTTPS: every endpoint, every signature, every error.

use crate::support::{Call, LIMIT, Running, Signing, date_of, now_s, phone, script, started, tls};
use secondfactor::admin::{
    Capabilities, ChangeUser, Done, NewApplication, NewDevice, ScriptAnswer, User, UserStatus,
    WaitingPush,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn failure(code: u32, message: &str, detail: Option<&str>) -> Value {
    let mut failure = json!({"stat": "FAIL", "code": code, "message": message});
    if let Some(detail) = detail {
        failure["message_detail"] = detail.into();
    }
    failure
}

#[tokio::test]
async fn ping_needs_no_signature_and_check_takes_every_one() {
    let (_folder, running) = started().await;
    let (status, ping) = running
        .send(&Call::bare(&running.app, "GET", "/auth/v2/ping"))
        .await;
    assert_eq!((status, &ping["stat"]), (200, &json!("OK")));
    assert!(ping["response"]["time"].as_u64().unwrap().abs_diff(now_s()) < 10);
    for signing in [Signing::V2Sha1, Signing::V2Sha512, Signing::V5] {
        for (http2, absolute) in [(false, false), (false, true), (true, true)] {
            let mut call = Call::signed_with(&running.app, "GET", "/auth/v2/check", &[], signing);
            call.http2 = http2;
            call.absolute = absolute;
            let (status, check) = running.send(&call).await;
            assert_eq!(
                (status, &check["stat"]),
                (200, &json!("OK")),
                "{signing:?} {http2} {absolute}"
            );
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn credentials_are_refused_by_their_code() {
    let (_folder, running) = started().await;
    let good = || Call::signed(&running.app, "GET", "/auth/v2/check", &[]);
    let mut unknown = good().without("authorization");
    unknown.authorize("DIXXXXXXXXXXXXXXXXXX", &"0".repeat(128));
    let mut wrong = good().without("authorization");
    wrong.authorize(&running.app.ikey, &"0".repeat(128));
    let mut changed = good();
    changed.query = "a=1".to_owned();
    let mut old = good().without("date");
    old.header("date", &date_of(now_s() - 310));
    let mut early = good().without("date");
    early.header("x-duo-date", &date_of(now_s() + 310));
    let mut garbled = good().without("date");
    garbled.header("date", "yesterday");
    let mut precedence = good();
    precedence.header("x-duo-date", "yesterday");
    let missing = (40101, "Missing request credentials");
    let invalid = (40103, "Invalid signature in request credentials");
    let bad = (40105, "Bad request timestamp");
    for (name, call, (code, message)) in [
        ("no credentials", good().without("authorization"), missing),
        (
            "unknown key",
            unknown,
            (40102, "Invalid integration key in request credentials"),
        ),
        ("wrong signature", wrong, invalid),
        ("other parameters", changed, invalid),
        (
            "no date",
            good().without("date"),
            (40104, "Missing request timestamp"),
        ),
        ("too old", old, bad),
        ("too early", early, bad),
        ("no date at all", garbled, bad),
        ("X-Duo-Date first", precedence, bad),
    ] {
        assert_eq!(
            running.send(&call).await,
            (401, failure(code, message, None)),
            "{name}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn a_strangers_body_is_not_waited_for() {
    let (_folder, running) = started().await;
    let mut stream = tls(running.address, &running.app.ca_pem, false).await;
    let head = "POST /auth/v2/auth HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(5).any(|window| window == b"40101") {
        let read = stream.read_buf(&mut answer);
        let read = tokio::time::timeout(std::time::Duration::from_secs(10), read).await;
        assert_ne!(read.unwrap().unwrap(), 0, "{answer:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_spoken_is_what_the_handshake_agreed_on() {
    let (_folder, running) = started().await;
    let mut stream = tls(running.address, &running.app.ca_pem, false).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let mut answer = Vec::new();
    // Ends with or without TLS' farewell.
    drop(stream.read_to_end(&mut answer).await);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
        "{answer:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn wrong_requests_are_refused_by_their_code() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let auth = "/auth/v2/auth";
    let long = "a".repeat(20_000);
    let missing = |name: &'static str| (40001, "Missing required request parameters", Some(name));
    let invalid = |name: &'static str| (40002, "Invalid request parameters", Some(name));
    for (method, path, params, (code, message, detail)) in [
        (
            "GET",
            "/auth/v2/nothing",
            vec![],
            (40401, "Resource not found", None),
        ),
        ("GET", "/", vec![], (40401, "Resource not found", None)),
        (
            "POST",
            "/auth/v2/check",
            vec![],
            (40501, "Method not allowed", None),
        ),
        ("GET", auth, vec![], (40501, "Method not allowed", None)),
        ("GET", "/auth/v2/logo", vec![], invalid("logo")),
        ("POST", "/auth/v2/preauth", vec![], missing("username")),
        (
            "POST",
            "/auth/v2/preauth",
            vec![("username", "a"), ("user_id", "b")],
            invalid("user_id"),
        ),
        (
            "POST",
            "/auth/v2/preauth",
            vec![("user_id", "DUX")],
            invalid("user_id"),
        ),
        ("POST", auth, vec![("username", "alice")], missing("factor")),
        (
            "POST",
            auth,
            vec![("username", "nobody"), ("factor", "auto")],
            invalid("username"),
        ),
        (
            "POST",
            auth,
            vec![("username", "alice"), ("factor", "push")],
            missing("device"),
        ),
        (
            "POST",
            auth,
            vec![("username", "alice"), ("factor", "push"), ("device", "DPX")],
            invalid("device"),
        ),
        (
            "POST",
            auth,
            vec![
                ("username", "alice"),
                ("factor", "phone"),
                ("device", "auto"),
            ],
            invalid("device"),
        ),
        (
            "POST",
            auth,
            vec![("username", "alice"), ("factor", "sms"), ("device", "auto")],
            invalid("device"),
        ),
        (
            "POST",
            auth,
            vec![
                ("username", "alice"),
                ("factor", "auto"),
                ("async", "maybe"),
            ],
            invalid("async"),
        ),
        (
            "POST",
            auth,
            vec![
                ("username", "alice"),
                ("factor", "auto"),
                ("pushinfo", &long),
            ],
            invalid("pushinfo"),
        ),
        ("GET", "/auth/v2/auth_status", vec![], missing("txid")),
        (
            "GET",
            "/auth/v2/auth_status",
            vec![("txid", "x")],
            invalid("txid"),
        ),
        ("POST", "/auth/v2/enroll_status", vec![], missing("user_id")),
        (
            "POST",
            "/auth/v2/enroll",
            vec![("username", "alice")],
            invalid("username"),
        ),
        (
            "POST",
            "/auth/v2/enroll",
            vec![("valid_secs", "0")],
            invalid("valid_secs"),
        ),
    ] {
        let (status, body) = running.call(method, path, &params).await;
        assert_eq!(
            body,
            failure(code, message, detail),
            "{method} {path} {detail:?}"
        );
        assert_eq!(u32::from(status), code / 100, "{method} {path}");
    }
    let huge = "a".repeat(70_000);
    let (status, body) = running.call("POST", auth, &[("username", &huge)]).await;
    assert_eq!((status, &body["code"]), (413, &json!(41301)));
    running.stop().await;
}

#[tokio::test]
async fn preauth_lists_devices_as_the_reference_does() {
    let (_folder, running) = started().await;
    let sms = NewDevice::Phone {
        name: String::new(),
        number: String::new(),
        capabilities: Some(Capabilities {
            push: false,
            phone: true,
            sms: true,
        }),
    };
    let token = NewDevice::Hotp {
        name: "12345".to_owned(),
        digits: None,
        counter: None,
        secret: None,
    };
    let made = running.user("Alice", None, vec![phone(), sms, token]).await;
    let ids: Vec<&str> = made
        .user
        .devices
        .iter()
        .map(|device| device.id.as_str())
        .collect();
    assert!(ids.iter().all(|id| id.len() == 20));
    assert!(ids[0].starts_with("DP") && ids[1].starts_with("DP") && ids[2].starts_with("DH"));
    let want = json!({"stat": "OK", "response": {
        "result": "auth",
        "status_msg": "Account is active",
        "devices": [
            {"device": ids[0], "type": "phone", "name": "iPhone", "number": "XXX-XXX-4788",
             "display_name": "iPhone (XXX-XXX-4788)", "capabilities": ["auto", "push"]},
            {"device": ids[1], "type": "phone", "name": "", "number": "",
             "display_name": "Phone", "capabilities": ["sms"]},
            {"device": ids[2], "type": "token", "name": "12345"},
        ],
    }});
    for params in [
        vec![("username", "alice")],
        vec![
            ("username", "ALICE"),
            ("trusted_device_token", "x"),
            ("ipaddr", "192.0.2.7"),
        ],
        vec![("user_id", made.user.id.as_str())],
    ] {
        for signing in [Signing::V2Sha512, Signing::V5] {
            let call =
                Call::signed_with(&running.app, "POST", "/auth/v2/preauth", &params, signing);
            assert_eq!(running.send(&call).await, (200, want.clone()), "{params:?}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_users_status_decides_before_any_factor() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    for (status, result, answer) in [
        (UserStatus::Bypass, "allow", ("allow", "bypass")),
        (UserStatus::Disabled, "deny", ("deny", "deny")),
        (UserStatus::LockedOut, "deny", ("deny", "locked_out")),
    ] {
        let change = ChangeUser {
            status: Some(status),
            ..ChangeUser::default()
        };
        let user: User = running
            .admin
            .post("/users/alice", &change, LIMIT)
            .await
            .unwrap();
        assert_eq!(user.status, status);
        let (_, preauth) = running
            .call("POST", "/auth/v2/preauth", &[("username", "alice")])
            .await;
        assert_eq!(preauth["response"]["result"], result, "{status:?}");
        assert!(preauth["response"]["status_msg"].is_string());
        let params = [("username", "alice"), ("factor", "auto")];
        let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(auth["response"]["result"], answer.0, "{status:?}");
        assert_eq!(auth["response"]["status"], answer.1, "{status:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn scripts_answer_pushes_held_or_polled() {
    let (_folder, running) = started().await;
    for (name, answer, result, status) in [
        ("yes", ScriptAnswer::Approve, "allow", "allow"),
        ("no", ScriptAnswer::Deny, "deny", "deny"),
        ("thief", ScriptAnswer::Fraud, "deny", "fraud"),
    ] {
        running.user(name, script(answer), vec![phone()]).await;
        let params = [
            ("username", name),
            ("factor", "push"),
            ("device", "auto"),
            ("async", "0"),
        ];
        let (_, held) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(held["response"]["result"], result, "{name}");
        assert_eq!(held["response"]["status"], status, "{name}");
        let params = [("username", name), ("factor", "auto"), ("async", "1")];
        let (_, begun) = running.call("POST", "/auth/v2/auth", &params).await;
        let txid = begun["response"]["txid"].as_str().unwrap();
        for _ in 0..2 {
            let (_, polled) = running
                .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
                .await;
            assert_eq!(
                polled["response"], held["response"],
                "{name}: the answer is repeated"
            );
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_poll_answers_at_once_then_waits_for_the_person() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
        ("ipaddr", "192.0.2.7"),
    ];
    let (_, begun) = running.call("POST", "/auth/v2/auth", &params).await;
    let txid = begun["response"]["txid"].as_str().unwrap().to_owned();
    let poll = async || {
        running
            .call("GET", "/auth/v2/auth_status", &[("txid", &txid)])
            .await
            .1
    };
    let first = poll().await;
    assert_eq!(
        first["response"],
        json!({"result": "waiting", "status": "pushed",
               "status_msg": "Pushed a login request to your device..."})
    );
    let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        (waiting[0].txid.as_str(), waiting[0].ip.as_str()),
        (txid.as_str(), "192.0.2.7")
    );
    assert_eq!(waiting[0].application, "vpn");
    let approve = async {
        let path = format!("/pushes/{txid}/approve");
        running
            .admin
            .post::<_, Done>(&path, &Done {}, LIMIT)
            .await
            .unwrap();
    };
    let (second, ()) = tokio::join!(poll(), approve);
    assert_eq!(
        second["response"],
        json!({"result": "allow", "status": "allow", "status_msg": "Success. Logging you in..."})
    );
    assert_eq!(poll().await, second);
    let again = format!("/pushes/{txid}/deny");
    assert!(
        running
            .admin
            .post::<_, Done>(&again, &Done {}, LIMIT)
            .await
            .is_err()
    );
    let wanted = NewApplication::named("other");
    let other = running
        .admin
        .post("/applications", &wanted, LIMIT)
        .await
        .unwrap();
    let foreign = Call::signed(&other, "GET", "/auth/v2/auth_status", &[("txid", &txid)]);
    let (status, body) = running.send(&foreign).await;
    assert_eq!(
        (status, body),
        (
            400,
            failure(40002, "Invalid request parameters", Some("txid"))
        )
    );
    running.stop().await;
}

#[tokio::test]
async fn pushes_time_out_and_polls_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.push_lifetime = std::time::Duration::from_millis(600);
        settings.poll_hold = std::time::Duration::from_millis(50);
    })
    .await;
    running
        .user("alice", script(ScriptAnswer::Ignore), vec![phone()])
        .await;
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
    ];
    let (_, begun) = running.call("POST", "/auth/v2/auth", &params).await;
    let txid = begun["response"]["txid"].as_str().unwrap();
    let mut seen = Vec::new();
    loop {
        let (_, polled) = running
            .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
            .await;
        let result = polled["response"]["result"].as_str().unwrap().to_owned();
        seen.push((
            result.clone(),
            polled["response"]["status"].as_str().unwrap().to_owned(),
        ));
        if result != "waiting" {
            break;
        }
    }
    assert!(
        seen.len() >= 3,
        "a hold that runs out answers waiting again: {seen:?}"
    );
    assert_eq!(
        seen.last().unwrap(),
        &("deny".to_owned(), "timeout".to_owned())
    );
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
    ];
    let (_, held) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(held["response"]["status"], "timeout");
    running.stop().await;
}

#[tokio::test]
async fn who_waits_at_the_shutdown_is_answered() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![phone()]).await;
    let params = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
    ];
    let stop = async {
        // What is listed is waited for.
        loop {
            let waiting: Vec<WaitingPush> = running.admin.get("/pushes", LIMIT).await.unwrap();
            if !waiting.is_empty() {
                break;
            }
        }
        running.cancel();
    };
    let ((status, held), ()) = tokio::join!(running.call("POST", "/auth/v2/auth", &params), stop);
    assert_eq!(
        (status, &held["response"]["status"]),
        (200, &json!("timeout"))
    );
    running.stop().await;
}

#[tokio::test]
async fn hundreds_of_polls_wait_on_one_connection() {
    let (_folder, running) = started().await;
    crate::numbers::off(&running).await;
    // Five wait on a device at most.
    let mut phones = Vec::new();
    for number in 0..5 {
        let name = format!("user{number}");
        let made = running.user(&name, None, vec![phone(); 20]).await;
        phones.extend(made.devices.into_iter().map(|made| (name.clone(), made)));
    }
    let sender = running.http2().await;
    let mut calls = tokio::task::JoinSet::new();
    for (user, made) in phones.iter().flat_map(|phone| [phone; 5]) {
        let params = [
            ("username", user.as_str()),
            ("factor", "push"),
            ("device", made.device.id.as_str()),
            ("async", "0"),
        ];
        let call = Call::signed(&running.app, "POST", "/auth/v2/auth", &params);
        let mut sender = sender.clone();
        calls.spawn(async move {
            let mut request = http::Request::post(format!("https://{}{}", call.host, call.path));
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            let body = http_body_util::Full::new(bytes::Bytes::from(call.body));
            let response = sender.send_request(request.body(body).unwrap()).await;
            response.unwrap().status().as_u16()
        });
    }
    let status = async || {
        let status: secondfactor::admin::Status =
            running.admin.get("/status", LIMIT).await.unwrap();
        status
    };
    while status().await.pushes_waiting < 500 {
        let early = calls.try_join_next();
        assert!(early.is_none(), "answered before all wait: {early:?}");
    }
    assert_eq!(status().await.connections, 1);
    let change = ChangeUser {
        status: Some(UserStatus::Disabled),
        ..ChangeUser::default()
    };
    let full = [
        ("username", "user0"),
        ("factor", "push"),
        ("device", phones[0].1.device.id.as_str()),
        ("async", "1"),
    ];
    let (status_code, body) = running.call("POST", "/auth/v2/auth", &full).await;
    assert_eq!((status_code, &body["code"]), (429, &json!(42901)));
    for number in 0..5 {
        let path = format!("/users/user{number}");
        let user: User = running.admin.post(&path, &change, LIMIT).await.unwrap();
        assert_eq!(user.status, UserStatus::Disabled);
    }
    let answered = calls.join_all().await;
    assert_eq!(answered, vec![200; 500]);
    assert_eq!(status().await.pushes_waiting, 0);
    running.stop().await;
}

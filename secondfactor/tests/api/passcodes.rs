//! Passcodes: good once, counted when wrong.

use proto::secret::Secret;
use secondfactor::admin::{
    BypassCodes, Capabilities, CreatedUser, Done, NewBypassCodes, NewDevice, Resynchronize,
    ScriptAnswer, SmsCodes, User, UserStatus,
};
use serde_json::json;

use crate::support::{Call, LIMIT, Running, now_s, phone, script, started, totp};

async fn passcode(running: &Running, code: &str) -> (String, String) {
    let params = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", code),
    ];
    let (status, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(status, 200, "{body}");
    let text = |name: &str| body["response"][name].as_str().unwrap().to_owned();
    (text("result"), text("status"))
}

fn pair(result: &str, status: &str) -> (String, String) {
    (result.to_owned(), status.to_owned())
}

fn wrong_code(made: &CreatedUser) -> String {
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let step = now_s() / 30;
    let near: Vec<String> = (step - 3..step + 4)
        .map(|step| totp(secret, step))
        .collect();
    (0..)
        .map(|code| format!("{code:06}"))
        .find(|code| !near.contains(code))
        .unwrap()
}

fn generator() -> NewDevice {
    NewDevice::Totp {
        name: String::new(),
        algorithm: None,
        digits: None,
        period: None,
        secret: None,
    }
}

#[tokio::test]
async fn a_totp_passcode_is_good_once() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![generator()]).await;
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let uri = made.devices[0].otpauth_uri.as_ref().unwrap().expose();
    assert!(
        uri.starts_with("otpauth://totp/Countersign:alice?secret="),
        "{uri}"
    );
    assert!(uri.contains(secret.as_str()));
    let code = totp(secret, now_s() / 30);
    assert_eq!(passcode(&running, &code).await, pair("allow", "allow"));
    assert_eq!(passcode(&running, &code).await, pair("deny", "fraud"));
    assert_eq!(
        passcode(&running, &wrong_code(&made)).await,
        pair("deny", "deny")
    );
    running.stop().await;
}

#[tokio::test]
async fn an_hotp_passcode_moves_the_counter() {
    let (_folder, running) = started().await;
    // RFC 4226 appendix D.
    let secret = data_encoding::BASE32_NOPAD.encode(b"12345678901234567890");
    let token = NewDevice::Hotp {
        name: String::new(),
        digits: None,
        counter: None,
        secret: Some(secret.as_str().into()),
    };
    running.user("alice", None, vec![token]).await;
    for (code, want) in [
        ("755224", "allow"),
        ("755224", "deny"),
        ("338314", "allow"), // counter 4, three skipped
        ("969429", "deny"),  // counter 3, behind
        ("254676", "allow"),
    ] {
        assert_eq!(passcode(&running, code).await.0, want, "{code}");
    }
    running.stop().await;
}

#[tokio::test]
async fn wrong_passcodes_lock_the_user_out_and_denied_pushes_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 3).await;
    let made = running
        .user(
            "alice",
            script(ScriptAnswer::Deny),
            vec![generator(), phone()],
        )
        .await;
    let wrong = wrong_code(&made);
    for _ in 0..5 {
        let params = [
            ("username", "alice"),
            ("factor", "push"),
            ("device", "auto"),
        ];
        let (_, denied) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(denied["response"]["status"], "deny");
    }
    assert_eq!(passcode(&running, &wrong).await, pair("deny", "deny"));
    assert_eq!(passcode(&running, &wrong).await, pair("deny", "deny"));
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!((user.status, user.failures), (UserStatus::Active, 2));
    assert_eq!(passcode(&running, &wrong).await, pair("deny", "locked_out"));
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let good = totp(secret, now_s() / 30);
    assert_eq!(passcode(&running, &good).await, pair("deny", "locked_out"));
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "alice")])
        .await;
    assert_eq!(preauth["response"]["result"], "deny");
    let user: User = running
        .admin
        .post("/users/alice/unlock", &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!((user.status, user.failures), (UserStatus::Active, 0));
    let good = totp(secret, now_s() / 30);
    assert_eq!(passcode(&running, &good).await, pair("allow", "allow"));
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for line in [
        "countersign_secondfactor_lockouts_total 1",
        "countersign_secondfactor_authentications_total{factor=\"passcode\",status=\"allow\"} 1",
        "countersign_secondfactor_authentications_total{factor=\"push\",status=\"deny\"} 5",
        "countersign_secondfactor_requests_total{endpoint=\"preauth\",result=\"ok\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    running.stop().await;
}

#[tokio::test]
async fn who_was_unlocked_need_not_wait_for_guesses_of_before() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![generator()]).await;
    let wrong = wrong_code(&made);
    for guess in 1..=10 {
        let want = if guess < 10 { "deny" } else { "locked_out" };
        assert_eq!(passcode(&running, &wrong).await, pair("deny", want));
    }
    let unlocked = running.admin.post("/users/alice/unlock", &Done {}, LIMIT);
    drop::<User>(unlocked.await.unwrap());
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let good = totp(secret, now_s() / 30);
    assert_eq!(passcode(&running, &good).await, pair("allow", "allow"));
    running.stop().await;
}

#[tokio::test]
async fn bypass_and_sms_codes_are_good_once() {
    let (_folder, running) = started().await;
    let sms = NewDevice::Phone {
        name: String::new(),
        number: String::new(),
        capabilities: Some(Capabilities {
            push: false,
            phone: false,
            sms: true,
        }),
    };
    running.user("alice", None, vec![sms]).await;
    let new = NewBypassCodes {
        count: Some(3),
        valid_seconds: None,
    };
    let codes: BypassCodes = running
        .admin
        .post("/users/alice/bypass-codes", &new, LIMIT)
        .await
        .unwrap();
    assert_eq!(codes.codes.len(), 3);
    let first = codes.codes[0].expose();
    assert_eq!(first.len(), 9);
    assert_eq!(passcode(&running, first).await, pair("allow", "allow"));
    assert_eq!(passcode(&running, first).await, pair("deny", "deny"));
    let params = [("username", "alice"), ("factor", "sms"), ("device", "auto")];
    let (_, sent) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(
        sent["response"],
        json!({"result": "deny", "status": "sent", "status_msg": "New passcodes are ready. Your administrator can tell you one."})
    );
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "alice")])
        .await;
    assert_eq!(preauth["response"]["devices"][0]["sms_nextcode"], "1");
    assert_eq!(
        preauth["response"]["devices"][0]["capabilities"],
        json!(["sms"])
    );
    let recorded: Vec<SmsCodes> = running
        .admin
        .get("/users/alice/sms-codes", LIMIT)
        .await
        .unwrap();
    assert_eq!(recorded[0].codes.len(), 10);
    let code = recorded[0].codes[0].expose();
    assert_eq!(passcode(&running, code).await, pair("allow", "allow"));
    assert_eq!(passcode(&running, code).await, pair("deny", "deny"));
    let (_, preauth) = running
        .call("POST", "/auth/v2/preauth", &[("username", "alice")])
        .await;
    assert_eq!(preauth["response"]["devices"][0]["sms_nextcode"], "2");
    running.stop().await;
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_a_wrong_passcode_of_its_device_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let made = running
        .user("alice", None, vec![generator(), generator()])
        .await;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("data/secondfactor.db"));
    let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let spoiled = sqlx::query("UPDATE devices SET secret_sealed = x'00' WHERE id = ?")
        .bind(&made.devices[0].device.id)
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(spoiled.rows_affected(), 1);
    database.close().await;
    let code = |at: usize| {
        let secret = made.devices[at].secret.as_ref().unwrap().expose();
        totp(secret, now_s() / 30)
    };
    assert_eq!(passcode(&running, &code(0)).await, pair("deny", "deny"));
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!(user.failures, 1);
    assert_eq!(passcode(&running, &code(1)).await, pair("allow", "allow"));
    running.stop().await;
}

async fn user(running: &Running) -> User {
    running.admin.get("/users/alice", LIMIT).await.unwrap()
}

#[tokio::test]
async fn a_clock_that_runs_away_is_followed() {
    let (_folder, running) = started().await;
    // A period so long that no test sees two of them: a step is whatever one likes then.
    let slow = NewDevice::Totp {
        name: String::new(),
        algorithm: None,
        digits: None,
        period: Some(300),
        secret: None,
    };
    let made = running.user("alice", None, vec![slow]).await;
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let begun = now_s() / 300;
    for ahead in 1..=3 {
        let code = totp(secret, begun + ahead);
        assert_eq!(passcode(&running, &code).await, pair("allow", "allow"));
    }
    let passed = i64::try_from(now_s() / 300 - begun).unwrap();
    let device = user(&running).await.devices.remove(0);
    assert!((3 - passed..=3).contains(&device.drift), "{}", device.drift);
    assert!(device.last_used.is_some_and(|used| used <= now_s()));
    assert!(user(&running).await.last_login.is_some());
    let older = totp(secret, begun + 2);
    assert_eq!(passcode(&running, &older).await, pair("deny", "fraud"));
    running.stop().await;
}

#[tokio::test]
async fn two_passcodes_in_a_row_find_a_generator_again() {
    let (_folder, running) = started().await;
    // RFC 4226 appendix D, and on.
    let counted = "12345678901234567890";
    let counted = data_encoding::BASE32_NOPAD.encode(counted.as_bytes());
    let token = NewDevice::Hotp {
        name: String::new(),
        digits: None,
        counter: None,
        secret: Some(counted.as_str().into()),
    };
    let made = running
        .user("alice", None, vec![token, generator(), phone()])
        .await;
    let clock = made.devices[1].secret.as_ref().unwrap().expose();
    let resync = async |at: usize, first: String, second: String| {
        let id = &made.devices[at].device.id;
        let given = Resynchronize {
            first: Secret::new(first),
            second: Secret::new(second),
        };
        let path = format!("/users/alice/devices/{id}/resync");
        let done: Result<User, _> = running.admin.post(&path, &given, LIMIT).await;
        done.map_err(|error| format!("{error:?}"))
    };
    let code = |counter| totp(&counted, counter);
    assert_eq!(passcode(&running, &code(500)).await.0, "deny");
    let refused = resync(0, code(500), code(502)).await.unwrap_err();
    assert!(refused.contains("no two passcodes in a row"), "{refused}");
    resync(0, code(500), code(501)).await.unwrap();
    assert_eq!(passcode(&running, &code(501)).await.0, "deny", "used");
    assert_eq!(passcode(&running, &code(502)).await.0, "allow");
    let refused = resync(0, code(500), code(501)).await.unwrap_err();
    assert!(refused.contains("no two passcodes"), "behind: {refused}");

    let step = now_s() / 30;
    let far = step + 200;
    assert_eq!(passcode(&running, &totp(clock, far)).await.0, "deny");
    let found = resync(1, totp(clock, far), totp(clock, far + 1)).await;
    let drift = found.unwrap().devices[1].drift;
    assert!((199..=201).contains(&drift), "{drift}");
    assert_eq!(passcode(&running, &totp(clock, far + 1)).await.1, "fraud");
    assert_eq!(passcode(&running, &totp(clock, far + 2)).await.0, "allow");
    let before = totp(clock, step - 10);
    let refused = resync(1, before, totp(clock, step - 9)).await.unwrap_err();
    assert!(refused.contains("went back"), "{refused}");

    let refused = resync(2, code(1), code(2)).await.unwrap_err();
    assert!(refused.contains("makes no passcodes"), "{refused}");
    // No login, and so no wrong passcode; but it has an end.
    let mut refused = String::new();
    while !refused.contains("too often") {
        refused = resync(0, code(1), code(2)).await.unwrap_err();
    }
    assert_eq!(user(&running).await.failures, 0);
    running.stop().await;
}

#[tokio::test]
async fn guesses_have_a_rate_and_what_is_over_it_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 100).await;
    let made = running.user("alice", None, vec![generator()]).await;
    let wrong = wrong_code(&made);
    for _ in 0..10 {
        assert_eq!(passcode(&running, &wrong).await, pair("deny", "deny"));
    }
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let good = totp(secret, now_s() / 30);
    let refused = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", good.as_str()),
    ];
    // A slow machine may have let the pause go by; then a wrong one takes its place.
    let mut counted = user(&running).await.failures;
    loop {
        let (status, body) = running.call("POST", "/auth/v2/auth", &refused).await;
        // No error of the API: nobody falls back on a fail mode.
        assert_eq!(status, 200, "{body}");
        let text = body["response"]["status_msg"].as_str().unwrap();
        if text.starts_with("Too many passcodes") {
            break;
        }
        assert_eq!(passcode(&running, &wrong).await, pair("deny", "deny"));
        counted = user(&running).await.failures;
    }
    assert_eq!(user(&running).await.failures, counted, "not counted");
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let refused = "countersign_secondfactor_passcodes_refused_total{bound=\"user\"}";
    let refused = metrics.lines().find_map(|line| line.strip_prefix(refused));
    assert!(
        refused.is_some_and(|count| count.trim() != "0"),
        "{metrics}"
    );
    // Others are not held up by it.
    let made = running.user("bob", None, vec![generator()]).await;
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let code = totp(secret, now_s() / 30);
    let params = [
        ("username", "bob"),
        ("factor", "passcode"),
        ("passcode", &code),
    ];
    let (_, body) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(body["response"]["result"], "allow", "{body}");
    running.stop().await;
}

#[tokio::test]
async fn of_many_at_once_with_one_passcode_one_is_let_in() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![generator()]).await;
    let secret = made.devices[0].secret.as_ref().unwrap().expose();
    let code = totp(secret, now_s() / 30);
    let params = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", code.as_str()),
    ];
    let call = Call::signed(&running.app, "POST", "/auth/v2/auth", &params);
    let send = || running.send(&call);
    let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
    let (e, f, g, h) = tokio::join!(send(), send(), send(), send());
    let all = [a, b, c, d, e, f, g, h];
    let mut ended: Vec<_> = all
        .iter()
        .map(|(_, body)| body["response"]["status"].as_str().unwrap())
        .collect();
    ended.sort_unstable();
    let mut want = ["fraud"; 8];
    want[0] = "allow";
    assert_eq!(ended, want);
    running.stop().await;
}

#[tokio::test]
async fn bypass_codes_end_and_are_stored_as_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    running.user("alice", None, vec![phone()]).await;
    let over = NewBypassCodes {
        count: None,
        valid_seconds: Some(0),
    };
    let codes = running
        .admin
        .post::<_, BypassCodes>("/users/alice/bypass-codes", &over, LIMIT);
    let error = crate::people::refusal(&codes.await.unwrap_err());
    assert!(
        error.starts_with("400") && error.contains("a second at the least"),
        "{error}"
    );
    let new = NewBypassCodes {
        count: Some(2),
        valid_seconds: Some(3),
    };
    let codes: BypassCodes = running
        .admin
        .post("/users/alice/bypass-codes", &new, LIMIT)
        .await
        .unwrap();
    let [one, other] = &codes.codes[..] else {
        panic!("{codes:?}");
    };
    assert_eq!(passcode(&running, one.expose()).await.0, "allow");
    while user(&running).await.bypass_codes > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(passcode(&running, other.expose()).await.0, "deny");
    running.stop().await;
    for file in ["secondfactor.db", "secondfactor.db-wal"] {
        let octets = std::fs::read(folder.path().join("data").join(file)).unwrap_or_default();
        let shown = |code: &[u8]| octets.windows(code.len()).any(|window| window == code);
        assert!(!shown(other.expose().as_bytes()), "{file}");
    }
}

#[tokio::test]
async fn good_passcodes_have_no_rate() {
    let (_folder, running) = started().await;
    let secret = data_encoding::BASE32_NOPAD.encode(b"12345678901234567890");
    let token = NewDevice::Hotp {
        name: String::new(),
        digits: None,
        counter: None,
        secret: Some(secret.as_str().into()),
    };
    running.user("alice", None, vec![token]).await;
    // As many wrong ones would take a minute and a half.
    for counter in 0..40 {
        let code = totp(&secret, counter);
        assert_eq!(passcode(&running, &code).await, pair("allow", "allow"));
    }
    running.stop().await;
}

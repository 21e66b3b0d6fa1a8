//! Passcodes: good once, counted when wrong.

use secondfactor::admin::{
    BypassCodes, Capabilities, CreatedUser, Done, NewBypassCodes, NewDevice, ScriptAnswer,
    SmsCodes, User, UserStatus,
};
use serde_json::json;

use crate::support::{LIMIT, Running, now_s, phone, script, started, totp};

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
        json!({"result": "deny", "status": "sent", "status_msg": "New SMS passcodes sent."})
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

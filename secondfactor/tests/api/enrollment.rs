//! Enrollment, the pages, and what outlives a restart.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Call, LIMIT, Running, Signing, now_s, phone, totp};
use http::HeaderMap;
use secondfactor::admin::{
    ApplicationSummary, CreatedDevice, Done, NewDevice, Status, User, Users,
};

pub(crate) async fn get(running: &Running, path: &str) -> (u16, HeaderMap, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut call = Call::bare(&running.app, "GET", path);
    call.query = query.to_owned();
    let (status, headers, body) = running.send_raw(&call).await;
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) async fn submit(
    running: &Running,
    path: &str,
    form: &str,
    origin: &str,
) -> (u16, String) {
    let mut call = Call::bare(&running.app, "POST", path);
    call.body = form.to_owned();
    call.header("content-type", "application/x-www-form-urlencoded");
    call.header("origin", origin);
    let (status, _, body) = running.send_raw(&call).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn path_of(url: &str) -> String {
    format!("/{}", url.splitn(4, '/').nth(3).unwrap())
}

#[tokio::test]
async fn an_enrolled_browser_approves_logins_on_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.approve_by_link = true;
        // No name, no passkeys.
        settings.public_url = Some("https://127.0.0.1:8402".to_owned());
    })
    .await;
    let own = format!("https://127.0.0.1:{}", running.address.port());
    let params = [("username", "bob"), ("valid_secs", "600")];
    let call = Call::signed_with(
        &running.app,
        "POST",
        "/auth/v2/enroll",
        &params,
        Signing::V5,
    );
    let (status, enrolled) = running.send(&call).await;
    assert_eq!(status, 200, "{enrolled}");
    let enrolled = &enrolled["response"];
    assert_eq!(enrolled["username"], "bob");
    assert!(enrolled["expiration"].as_u64().unwrap() > now_s() + 500);
    let code = enrolled["activation_code"].as_str().unwrap();
    assert!(code.starts_with("duo://"));
    let user_id = enrolled["user_id"].as_str().unwrap();
    let enroll_status = async |code: &str| {
        let params = [("user_id", user_id), ("activation_code", code)];
        running
            .call("POST", "/auth/v2/enroll_status", &params)
            .await
            .1["response"]
            .clone()
    };
    assert_eq!(enroll_status(code).await, "waiting");
    assert_eq!(enroll_status("duo://nothing").await, "invalid");

    let barcode = path_of(enrolled["activation_barcode"].as_str().unwrap());
    let (status, headers, image) = get(&running, &barcode).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "image/svg+xml")
    );
    assert!(image.contains("<svg"));

    let page = path_of(enrolled["activation_url"].as_str().unwrap());
    let (status, headers, html) = get(&running, &page).await;
    assert_eq!(status, 200);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert!(html.contains("bob") && !html.contains("<script"));
    let phone = format!("{page}/phone");
    assert_eq!(get(&running, &phone).await.0, 200);
    let evil = "https://evil.example";
    assert_eq!(submit(&running, &phone, "name=x", evil).await.0, 403);
    let car = format!("{page}/car");
    assert_eq!(submit(&running, &car, "name=x", &own).await.0, 404);
    let (status, done) = submit(&running, &phone, "name=x", &own).await;
    assert_eq!(status, 200);
    assert_eq!(
        submit(&running, &phone, "name=x", &own).await.0,
        404,
        "it works once"
    );
    assert_eq!(enroll_status(code).await, "success");
    let approve = done
        .split('"')
        .find(|part| part.starts_with("/approve/"))
        .unwrap();

    let push = [
        ("username", "bob"),
        ("factor", "auto"),
        ("async", "1"),
        ("ipaddr", "192.0.2.7"),
        ("display_username", "<b>Bob</b>"),
        ("pushinfo", "Group=VPN%20Users"),
    ];
    for (answer, result, status) in [
        ("approve", "allow", "allow"),
        ("deny", "deny", "deny"),
        ("fraud", "deny", "fraud"),
    ] {
        let (_, begun) = running.call("POST", "/auth/v2/auth", &push).await;
        let txid = begun["response"]["txid"].as_str().unwrap();
        let (_, _, html) = get(&running, approve).await;
        for text in [
            txid,
            "192.0.2.7",
            "VPN Users",
            "vpn",
            "&lt;b&gt;Bob&lt;/b&gt;",
        ] {
            assert!(html.contains(text), "{text} is not in {html}");
        }
        let form = format!("txid={txid}&answer={answer}");
        assert_eq!(
            submit(&running, approve, &form, "https://evil.example")
                .await
                .0,
            403
        );
        assert_eq!(submit(&running, approve, &form, &own).await.0, 303);
        let (_, polled) = running
            .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
            .await;
        assert_eq!(polled["response"]["result"], result);
        assert_eq!(polled["response"]["status"], status);
    }
    assert_eq!(
        get(&running, "/approve/AAAAAAAAAAAAAAAAAAAAAAAAAA").await.0,
        404
    );
    running.stop().await;
}

#[tokio::test]
async fn a_device_answers_its_own_pushes_only() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.approve_by_link = true).await;
    let own = format!("https://127.0.0.1:{}", running.address.port());
    // What people cannot do at this address is told all the same.
    let told: Status = running.admin.get("/status", LIMIT).await.unwrap();
    assert!(told.lacks.is_some(), "{told:?}");
    running.user("alice", None, vec![phone()]).await;
    let mallory = running.user("mallory", None, vec![phone()]).await;
    let push = [("username", "alice"), ("factor", "auto"), ("async", "1")];
    let (_, begun) = running.call("POST", "/auth/v2/auth", &push).await;
    let txid = begun["response"]["txid"].as_str().unwrap();
    let page = path_of(mallory.devices[0].approval_url.as_ref().unwrap().expose());
    assert!(!get(&running, &page).await.2.contains(txid));
    submit(
        &running,
        &page,
        &format!("txid={txid}&answer=approve"),
        &own,
    )
    .await;
    let (_, polled) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(polled["response"]["result"], "waiting");
    let gone: Done = running
        .admin
        .post("/users/alice/delete", &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!(gone, Done {});
    let (_, polled) = running
        .call("GET", "/auth/v2/auth_status", &[("txid", txid)])
        .await;
    assert_eq!(
        polled["response"]["result"], "deny",
        "a removed user's push is refused"
    );
    running.stop().await;
}

#[tokio::test]
async fn who_may_not_log_in_any_more_approves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.approve_by_link = true;
        settings.lockout_after = 1;
    })
    .await;
    let own = format!("https://127.0.0.1:{}", running.address.port());
    let made = running.user("alice", None, vec![phone()]).await;
    let page = path_of(made.devices[0].approval_url.as_ref().unwrap().expose());
    let push = [("username", "alice"), ("factor", "auto"), ("async", "1")];
    let begin = async || {
        let (_, begun) = running.call("POST", "/auth/v2/auth", &push).await;
        begun["response"]["txid"].as_str().unwrap().to_owned()
    };
    let status = async |txid: &str| {
        let params = [("txid", txid)];
        let (_, polled) = running.call("GET", "/auth/v2/auth_status", &params).await;
        polled["response"]["status"].as_str().unwrap().to_owned()
    };
    let set = async |status: &str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.path().join("data/secondfactor.db"));
        let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("UPDATE users SET status = ?")
            .bind(status)
            .execute(&database)
            .await
            .unwrap();
        database.close().await;
    };
    let txid = begin().await;
    let wrong = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", "123456"),
    ];
    let (_, locked) = running.call("POST", "/auth/v2/auth", &wrong).await;
    assert_eq!(locked["response"]["status"], "locked_out");
    assert_eq!(status(&txid).await, "locked_out", "what waited is refused");
    let user: User = running
        .admin
        .post("/users/alice/unlock", &Done {}, LIMIT)
        .await
        .unwrap();
    assert_eq!(user.failures, 0);
    // Behind the service's back: as if the push came between the change and the refusing.
    for (stored, want) in [("locked_out", "locked_out"), ("disabled", "deny")] {
        let (first, second) = (begin().await, begin().await);
        set(stored).await;
        let form = format!("txid={first}&answer=approve");
        assert_eq!(submit(&running, &page, &form, &own).await.0, 303);
        let path = format!("/pushes/{second}/approve");
        let by_admin = running.admin.post::<_, Done>(&path, &Done {}, LIMIT).await;
        assert!(
            matches!(by_admin, Err(local::CallError::Refused { status: 409, .. })),
            "{by_admin:?}"
        );
        for txid in [first, second] {
            assert_eq!(status(&txid).await, want);
        }
        set("active").await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_users_keys_and_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let made = running.user("alice", None, vec![phone()]).await;
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let device = NewDevice::Totp {
        name: "app".to_owned(),
        algorithm: None,
        digits: None,
        period: None,
        secret: Some(secret.into()),
    };
    let created: CreatedDevice = running
        .admin
        .post("/users/ALICE/devices", &device, LIMIT)
        .await
        .unwrap();
    assert_eq!(created.secret.unwrap().expose(), secret);
    let code = totp(secret, now_s() / 30);
    let params = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", &code),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(auth["response"]["result"], "allow");
    let before = running.app.clone();
    running.stop().await;

    let running = Running::start(folder.path(), |_| {}).await;
    assert_eq!(
        (&running.app.ikey, &running.app.skey),
        (&before.ikey, &before.skey)
    );
    assert_eq!(running.app.ca_pem, before.ca_pem);
    let (_, replayed) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(
        replayed["response"]["status"], "fraud",
        "a used passcode stays used"
    );
    let users: Users = running.admin.get("/users", LIMIT).await.unwrap();
    assert_eq!(users.users.len(), 1);
    assert_eq!(users.users[0].id, made.user.id);
    assert_eq!(users.users[0].devices.len(), 2);
    let page = path_of(made.devices[0].approval_url.as_ref().unwrap().expose());
    assert_eq!(get(&running, &page).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn no_secret_is_readable_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    // As somebody else made them.
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&data, open).unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let planted = b"planted-seed-of-20-o";
    let device = NewDevice::Totp {
        name: String::new(),
        algorithm: None,
        digits: None,
        period: None,
        secret: Some(data_encoding::BASE32_NOPAD.encode(planted).as_str().into()),
    };
    let made = running.user("alice", None, vec![device, phone()]).await;
    let codes: secondfactor::admin::BypassCodes = running
        .admin
        .post("/users/alice/bypass-codes", &Done {}, LIMIT)
        .await
        .unwrap();
    let token = path_of(made.devices[1].approval_url.as_ref().unwrap().expose());
    let token = token.trim_start_matches("/approve/").to_owned();
    let skey = running.app.skey.expose().clone();
    let secret = made.devices[0].secret.as_ref().unwrap().expose().clone();
    let mut seen = 0;
    for (name, want) in [
        ("", 0o700),
        ("secondfactor.db", 0o600),
        ("secondfactor.db-wal", 0o600),
    ] {
        let mode = data.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, want, "{name}");
    }
    running.stop().await;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        seen += 1;
        let mode = path.metadata().unwrap().permissions().mode();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        for (what, planted) in [
            ("seed", &planted[..]),
            ("seed in base32", secret.as_bytes()),
            ("skey", skey.as_bytes()),
            ("approval token", token.as_bytes()),
            ("bypass code", codes.codes[0].expose().as_bytes()),
        ] {
            let found = octets
                .windows(planted.len())
                .any(|window| window == planted);
            assert!(!found, "{what} is in {name}");
        }
    }
    assert!(seen >= 7, "{seen}");
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_admin_socket_says_what_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    for name in ["a", "b", "c"] {
        running.user(name, None, Vec::new()).await;
    }
    let users: Users = running.admin.get("/users?limit=2", LIMIT).await.unwrap();
    assert_eq!((users.users.len(), users.next.as_deref()), (2, Some("b")));
    let users: Users = running
        .admin
        .get("/users?limit=2&after=b", LIMIT)
        .await
        .unwrap();
    assert_eq!((users.users.len(), users.next), (1, None));
    let apps: Vec<ApplicationSummary> = running.admin.get("/applications", LIMIT).await.unwrap();
    assert_eq!(apps.len(), 1);
    for (path, body, want) in [
        ("/users", r#"{"name":"A"}"#, 409),
        ("/users", r#"{"name":""}"#, 400),
        ("/users/nobody/unlock", "{}", 404),
        ("/users/a/devices", r#"{"kind":"totp","digits":9}"#, 400),
        (
            "/users/a/devices",
            r#"{"kind":"totp","secret":"AAAA"}"#,
            400,
        ),
        ("/users/a/devices/DPX/delete", "{}", 404),
        ("/users/a/bypass-codes", r#"{"count":101}"#, 400),
        ("/applications", r#"{"name":""}"#, 400),
        ("/applications/none/delete", "{}", 404),
        ("/pushes/x/approve", "{}", 404),
    ] {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let answered = running
            .admin
            .post::<_, serde_json::Value>(path, &body, LIMIT)
            .await;
        match answered {
            Err(local::CallError::Refused { status, .. }) => {
                assert_eq!(status, want, "{path} {body}")
            }
            other => panic!("{path} {body}: {other:?}"),
        }
    }
    assert_eq!(
        &running.admin.get_octets("/healthz", LIMIT).await.unwrap()[..],
        b"ok"
    );
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let name = "countersign_certificate_expiry_timestamp_seconds{kind=\"second_factor\",";
    let end = metrics.lines().find_map(|line| {
        line.strip_prefix(name)?
            .rsplit(' ')
            .next()?
            .parse::<i64>()
            .ok()
    });
    let now = i64::try_from(now_s()).unwrap();
    let days = (end.unwrap() - now) / 86_400;
    assert!((396..=397).contains(&days), "{end:?}");
    let _: Done = running
        .admin
        .post("/applications/vpn/delete", &Done {}, LIMIT)
        .await
        .unwrap();
    let (status, body) = running.call("GET", "/auth/v2/check", &[]).await;
    assert_eq!((status, &body["code"]), (401, &serde_json::json!(40102)));
    running.stop().await;
}

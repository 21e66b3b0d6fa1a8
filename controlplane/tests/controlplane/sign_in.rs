//! Administrators: invited, signed in and out, and with other passwords and passcodes.

use serde_json::{Value, json};

use crate::access::{Answer, PAGE, Plane, fail_until_waiting};

/// The passcode of a time step that is so many from now (RFC 6238), after the secret in base 32.
pub(crate) fn passcode(secret: &str, ahead: u64) -> String {
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let step = controlplane::now_ms() / 30_000 + ahead;
    let tag = ring::hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let word = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

pub(crate) const PASSWORD: &str = "PLANTED long password";

#[tokio::test]
async fn who_has_a_good_link_or_invitation_does_not_wait_for_the_failures_of_others() {
    let plane = Plane::start().await;
    let link = plane.running.setup.lock().unwrap().take().unwrap();
    fail_until_waiting(&plane).await;
    let guess = format!("cst_{:016x}_{:064x}", 1, 1);
    for (path, body) in [
        ("/api/v1/setup", json!({ "setup": guess, "name": "alice" })),
        (
            "/api/v1/invitation",
            json!({ "name": "alice", "invitation": guess }),
        ),
    ] {
        let answer = plane.call("POST", path, "", &body.to_string()).await;
        assert_eq!(answer.status, 429, "{path}: {answer:?}");
    }
    let body = json!({ "setup": link.expose(), "name": "alice" }).to_string();
    let invited = plane.call("POST", "/api/v1/setup", "", &body).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    let body = json!({ "name": "alice", "invitation": invited.json()["invitation"] });
    let told = plane
        .call("POST", "/api/v1/invitation", "", &body.to_string())
        .await;
    assert_eq!(told.status, 200, "{told:?}");
    plane.running.stop().await;
}

/// Invites somebody who takes it; gives the secret of their passcodes.
pub(crate) async fn join(plane: &Plane, name: &str, role: &str) -> String {
    let asked = json!({ "name": name, "role": role });
    let invited = plane.locally("POST", "/api/v1/admins", &asked).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    let invitation = invited.json()["invitation"].clone();
    let mut take = json!({ "name": name, "invitation": invitation });
    let path = "/api/v1/invitation";
    let told = plane.call("POST", path, "", &take.to_string()).await;
    assert_eq!(told.status, 200, "{told:?}");
    let copied = told.json()["totp_secret"].as_str().unwrap().to_owned();
    let told = plane.call("POST", path, "", &take.to_string()).await;
    let secret = told.json()["totp_secret"].as_str().unwrap().to_owned();
    assert_ne!(secret, copied, "who asked before has nothing");
    take["password"] = PASSWORD.into();
    let accepted = [passcode(&secret, 0), passcode(&secret, 1)];
    if !accepted.contains(&passcode(&copied, 0)) {
        take["passcode"] = passcode(&copied, 0).into();
        let wrong = plane.call("POST", path, "", &take.to_string()).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
    }
    take["passcode"] = "000000".into();
    if passcode(&secret, 0) != "000000" {
        let wrong = plane.call("POST", path, "", &take.to_string()).await;
        assert_eq!(wrong.status, 422, "{wrong:?}");
    }
    take["passcode"] = passcode(&secret, 0).into();
    take["password"] = "short".into();
    let short = plane.call("POST", path, "", &take.to_string()).await;
    assert_eq!(short.status, 422, "{short:?}");
    take["password"] = PASSWORD.into();
    let taken = plane.call("POST", path, "", &take.to_string()).await;
    assert_eq!((taken.status, &taken.json()["active"]), (200, &json!(true)));
    let again = plane.call("POST", path, "", &take.to_string()).await;
    assert_eq!(again.status, 401, "for one person: {again:?}");
    secret
}

pub(crate) fn sign_in(name: &str, password: &str, passcode: &str) -> String {
    json!({ "name": name, "password": password, "passcode": passcode }).to_string()
}

#[tokio::test]
async fn an_administrator_who_took_the_invitation_signs_in_and_out() {
    let plane = Plane::start().await;
    let secret = join(&plane, "alice", "operator").await;
    let path = "/api/v1/session";
    let fresh = sign_in("alice", PASSWORD, &passcode(&secret, 1));
    let foreign = plane.call("POST", path, "", &fresh).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let signed_in = plane.call("POST", path, PAGE, &fresh).await;
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let set = signed_in.header("set-cookie").unwrap().to_owned();
    assert!(set.starts_with("__Host-countersign="), "{set}");
    for wanted in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(wanted), "{set}");
    }
    let replayed = plane.call("POST", path, PAGE, &fresh).await;
    assert_eq!(
        replayed.status, 401,
        "a passcode is good once: {replayed:?}"
    );

    let cookie = set.split(';').next().unwrap();
    let headers = format!("cookie: other=1; {cookie}\r\n");
    let who = plane.call("GET", path, &headers, "").await;
    assert_eq!(
        who.json(),
        json!({ "caller": "admin alice", "role": "operator" })
    );
    // The same secret is no token.
    let (_, value) = cookie.split_once('=').unwrap();
    let bearer = format!("authorization: Bearer {value}\r\n");
    assert_eq!(plane.call("GET", path, &bearer, "").await.status, 401);
    for (more, status) in [
        ("", 403),
        (
            "countersign-page: 1\r\norigin: http://evil.example\r\n",
            403,
        ),
        ("countersign-page: 1\r\norigin: null\r\n", 403),
        ("countersign-page: 1\r\nsec-fetch-site: cross-site\r\n", 403),
        (
            "countersign-page: 1\r\norigin: http://localhost\r\nsec-fetch-site: same-origin\r\n",
            204,
        ),
    ] {
        let out = plane
            .call("DELETE", path, &format!("{headers}{more}"), "")
            .await;
        assert_eq!(out.status, status, "{more}: {out:?}");
    }
    let who = plane.call("GET", path, &headers, "").await;
    assert_eq!(who.status, 401, "{who:?}");
    plane.running.stop().await;
}

/// What somebody else put into the browser before is no session, and does not become one.
#[tokio::test]
async fn a_cookie_that_was_there_before_a_sign_in_is_worth_nothing_after_it() {
    let plane = Plane::start().await;
    let secret = join(&plane, "alice", "operator").await;
    let path = "/api/v1/session";
    let planted = format!("__Host-countersign=cst_{:016x}_{:064x}", 7, 7);
    let headers = format!("{PAGE}cookie: {planted}\r\n");
    assert_eq!(plane.call("GET", path, &headers, "").await.status, 401);
    let body = sign_in("alice", PASSWORD, &passcode(&secret, 1));
    let signed_in = plane.call("POST", path, &headers, &body).await;
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let set = signed_in.header("set-cookie").unwrap();
    let cookie = set.split(';').next().unwrap();
    assert_ne!(cookie, planted);
    assert_eq!(plane.call("GET", path, &headers, "").await.status, 401);
    let own = format!("cookie: {cookie}\r\n");
    assert_eq!(plane.call("GET", path, &own, "").await.status, 200);
    plane.running.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_its_administrator_and_guesses_wait() {
    let plane = Plane::start().await;
    let secret = join(&plane, "alice", "viewer").await;
    let path = "/api/v1/session";
    let good = sign_in("alice", PASSWORD, &passcode(&secret, 1));
    let signed_in = plane.call("POST", path, PAGE, &good).await;
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let cookie = signed_in
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let headers = format!("cookie: {cookie}\r\n");
    assert_eq!(plane.call("GET", path, &headers, "").await.status, 200);
    let admins = plane.call("GET", "/api/v1/admins", &headers, "").await;
    assert_eq!(admins.status, 403, "{admins:?}");
    let list = plane.locally("GET", "/api/v1/admins", &Value::Null).await;
    assert_eq!(list.json()["items"][0]["active"], true);
    let shown = String::from_utf8(list.octets).unwrap();
    assert!(
        !shown.contains(&secret) && !shown.contains("argon2"),
        "{shown}"
    );
    for how in ["invited=true", "invited=true&dry_run=true"] {
        let path = format!("/api/v1/admins/alice?{how}");
        let refused = plane.locally("DELETE", &path, &Value::Null).await;
        assert_eq!(refused.status, 409, "{how}: {refused:?}");
    }
    let removed = plane
        .locally("DELETE", "/api/v1/admins/alice?invited=false", &Value::Null)
        .await;
    assert_eq!(removed.status, 204, "{removed:?}");
    assert_eq!(plane.call("GET", path, &headers, "").await.status, 401);

    let wrong = sign_in("nobody", PASSWORD, "123456");
    for _ in 0..5 {
        let answer = plane.call("POST", path, PAGE, &wrong).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    let answer = plane.call("POST", path, PAGE, &wrong).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let data = plane.site.settings.data_dir.clone();
    let folder = plane.site.folder;
    plane.running.stop().await;
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let octets = std::fs::read(&path).unwrap();
            for planted in [PASSWORD, secret.as_str()] {
                let found = octets
                    .windows(planted.len())
                    .any(|some| some == planted.as_bytes());
                assert!(!found, "{}", path.display());
            }
        }
    }
    drop(folder);
}

/// The cookies that an answer sets, for the next request.
pub(crate) fn cookies(answer: &Answer) -> String {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs: Vec<&str> = set.map(|(_, set)| set.split(';').next().unwrap()).collect();
    format!("cookie: {}\r\n", pairs.join("; "))
}

#[tokio::test]
async fn an_administrator_changes_password_and_passcodes_with_those_of_before() {
    let plane = Plane::start().await;
    let secret = join(&plane, "alice", "viewer").await;
    let session = "/api/v1/session";
    let body = sign_in("alice", PASSWORD, &passcode(&secret, 1));
    let http = format!("{PAGE}origin: http://localhost\r\n");
    let signed_in = plane.call("POST", session, &http, &body).await;
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let own = cookies(&signed_in);
    assert!(
        own.starts_with("cookie: countersign=cst_"),
        "by plain HTTP: {own}"
    );
    let headers = format!("{own}{PAGE}");
    let path = "/api/v1/session/password";
    let wanted = |old: &str, new: &str| {
        json!({ "password": old, "passcode": "000000", "new_password": new }).to_string()
    };
    let other = "PLANTED other password";
    for (body, status) in [
        (wanted(PASSWORD, "short"), 422),
        (wanted("wrong", other), 401),
    ] {
        let answer = plane.call("PUT", path, &headers, &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    let token = plane.token("boss", "admin").await.1;
    let answer = plane
        .call("PUT", path, &token, &wanted(PASSWORD, other))
        .await;
    assert_eq!(answer.status, 409, "a token has no password: {answer:?}");
    let unasked = json!({ "passcode": "000000" }).to_string();
    let answer = plane
        .call("PUT", "/api/v1/session/totp", &headers, &unasked)
        .await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let elsewhere = format!("{session}?elsewhere=true");
    assert_eq!(
        plane.call("DELETE", &elsewhere, &headers, "").await.status,
        204
    );
    assert_eq!(plane.call("GET", session, &headers, "").await.status, 200);
    // Somebody else guesses at the name: the browser that is known does not wait.
    for _ in 0..5 {
        let wrong = sign_in("alice", "wrong password", "000000");
        plane.call("POST", session, PAGE, &wrong).await;
    }
    let body = sign_in("alice", PASSWORD, "000000");
    let stranger = plane.call("POST", session, PAGE, &body).await;
    assert_eq!(stranger.status, 429, "{stranger:?}");
    let known = plane.call("POST", session, &headers, &body).await;
    assert_eq!(known.status, 401, "it is asked for what it has: {known:?}");
    let audit = plane
        .locally("GET", "/api/v1/audit", &Value::Null)
        .await
        .json();
    let items = audit["items"].as_array().unwrap();
    let actions: Vec<&str> = items
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .collect();
    let want = [
        "session.lock",
        "session.delete",
        "token.create",
        "session.create",
        "admin.activate",
        "admin.invite",
    ];
    assert_eq!(actions, want);
    assert_eq!(items[0]["target"], "admin alice");
    let whole = plane
        .locally("GET", "/api/v1/audit/verify", &Value::Null)
        .await;
    assert_eq!(whole.json()["whole"], true);
    plane.running.stop().await;
}

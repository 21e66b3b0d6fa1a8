//! The enrollment portal over HTTP: step by step, with an authenticator app (`oathtool`), and with all that
//! hostile forms can say.

use std::process::Command;

use crate::enrollment::{get, path_of, submit};
use crate::passkey::{Passkey, encoded, options_of};
use crate::support::{Call, LIMIT, Running, now_s, started};
use secondfactor::admin::{DeviceKind, Enrollment, NewEnrollment, User};

pub(crate) fn own(running: &Running) -> String {
    format!("https://127.0.0.1:{}", running.address.port())
}

/// An address for a user that an administrator made, without its host.
pub(crate) async fn invite(running: &Running, name: &str) -> String {
    let path = format!("/users/{name}/enroll");
    let new = NewEnrollment::default();
    let made: Enrollment = running.admin.post(&path, &new, LIMIT).await.unwrap();
    path_of(made.url.expose())
}

/// What the page of an app shows: the key without blanks, and the field of its form.
pub(crate) async fn app_page(running: &Running, portal: &str) -> (String, String) {
    let (status, _, html) = get(running, &format!("{portal}/app")).await;
    assert_eq!(status, 200, "{html}");
    (key_of(&html), field_of(&html))
}

fn key_of(html: &str) -> String {
    let key = html.split("<code class=\"key\">").nth(1).unwrap();
    key.split('<').next().unwrap().replace(' ', "")
}

pub(crate) fn field_of(html: &str) -> String {
    let field = html.split("name=\"pending\" value=\"").nth(1).unwrap();
    field.split('"').next().unwrap().to_owned()
}

/// What an authenticator app shows, so many seconds from now.
pub(crate) fn oathtool(key: &str, ahead_s: i64) -> String {
    let then = i64::try_from(now_s()).unwrap() + ahead_s;
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &format!("@{then}"), key])
        .output()
        .expect("oathtool of the package oathtool");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn form(field: &str, passcode: &str, name: &str) -> String {
    format!("pending={field}&passcode={passcode}&name={name}")
}

#[tokio::test]
async fn an_authenticator_app_counts_when_it_showed_a_passcode() {
    let (_folder, running) = started().await;
    let own = own(&running);
    running.user("carol", None, Vec::new()).await;
    let enroll = async || {
        let (_, preauth) = running
            .call("POST", "/auth/v2/preauth", &[("username", "carol")])
            .await;
        let preauth = &preauth["response"];
        assert_eq!(preauth["result"], "enroll", "nothing counts yet");
        preauth["enroll_portal_url"].as_str().unwrap().to_owned()
    };
    let url = enroll().await;
    assert!(url.len() <= "https://127.0.0.1:65535".len() + 17, "{url}");
    let portal = path_of(&url);
    let (status, headers, html) = get(&running, &portal).await;
    assert_eq!(status, 200);
    assert!(html.contains("<strong>carol</strong>") && !html.contains("<script"));
    assert!(html.contains("within the next 5 minutes"), "{html}");
    assert_eq!(headers["cache-control"], "no-store");

    // As it is read and typed.
    let code = portal.rsplit('/').next().unwrap().to_owned();
    let typed = code.replace('-', "").to_lowercase().replace('0', "o");
    let (status, headers, _) = get(&running, &format!("/e?code={typed}")).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (303, &*portal)
    );
    assert_eq!(get(&running, &format!("/e/{typed}/app")).await.0, 200);
    let (status, _, html) = get(&running, "/e?code=K7QM").await;
    assert!(status == 200 && html.contains("That is no code"), "{html}");

    // The secret stands in no address but the app's own, which only a phone is shown as a link.
    let app = format!("{portal}/app");
    let (key, field) = app_page(&running, &portal).await;
    let (_, _, html) = get(&running, &app).await;
    assert!(
        html.contains("role=\"img\"") && html.contains("<svg"),
        "{html}"
    );
    assert!(!html.contains("otpauth"), "{html}");
    assert_ne!(key_of(&html), key, "each page has its own");
    let mut call = Call::bare(&running.app, "GET", &app);
    call.header(
        "user-agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)",
    );
    let (_, _, body) = running.send_raw(&call).await;
    let html = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        html.contains("href=\"otpauth://totp/Countersign:carol?secret="),
        "{html}"
    );

    // Wrong digits leave all as it is, and the same key is shown again.
    for wrong in [
        "",
        "000000",
        "abcdef",
        &oathtool(&key, 300),
        &oathtool(&key, -300),
    ] {
        let (status, html) = submit(&running, &app, &form(&field, wrong, "My+app"), &own).await;
        assert_eq!(status, 422, "{wrong}");
        assert!(
            html.contains("role=\"alert\"") && html.contains("My app"),
            "{html}"
        );
        assert_eq!(
            (key_of(&html), field_of(&html)),
            (key.clone(), field.clone())
        );
    }
    // Closing the browser loses nothing.
    let second = path_of(&enroll().await);
    let (key, field) = app_page(&running, &portal).await;
    let now = oathtool(&key, 0);
    let spaced = format!("{}+{}", &now[..3], &now[3..]);
    let (status, html) = submit(&running, &app, &form(&field, &spaced, "My+app"), &own).await;
    assert_eq!(status, 200, "{html}");
    assert!(html.contains("<strong>My app</strong> is set up"), "{html}");
    let user: User = running.admin.get("/users/carol", LIMIT).await.unwrap();
    let [device] = &user.devices[..] else {
        panic!("{user:?}")
    };
    assert_eq!(device.name, "My app");

    // What confirmed it is used by that; the next one is good.
    let next = oathtool(&key, 30);
    for (passcode, want) in [(&now, "fraud"), (&next, "allow")] {
        let params = [
            ("username", "carol"),
            ("factor", "passcode"),
            ("passcode", passcode),
        ];
        let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
        assert_eq!(auth["response"]["status"], want);
    }
    // The code is used up; another one of the same kind adds nothing to a user who is enrolled.
    for path in [&portal, &app] {
        assert_eq!(get(&running, path).await.0, 404, "{path}");
    }
    assert_eq!(
        submit(&running, &app, &form(&field, &next, ""), &own)
            .await
            .0,
        404
    );
    let (key, field) = app_page(&running, &second).await;
    let late = form(&field, &oathtool(&key, 0), "");
    assert_eq!(
        submit(&running, &format!("{second}/app"), &late, &own)
            .await
            .0,
        404
    );
    // An administrator's does.
    let more = invite(&running, "carol").await;
    let (key, field) = app_page(&running, &more).await;
    let more = format!("{more}/app");
    let body = form(&field, &oathtool(&key, 0), "");
    assert_eq!(submit(&running, &more, &body, &own).await.0, 200);
    let user: User = running.admin.get("/users/carol", LIMIT).await.unwrap();
    assert_eq!(user.devices.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn forms_that_were_made_up_or_changed_do_nothing() {
    let (_folder, running) = started().await;
    let own = own(&running);
    running.user("alice", None, Vec::new()).await;
    running.user("mallory", None, Vec::new()).await;
    let (hers, his) = (
        invite(&running, "alice").await,
        invite(&running, "mallory").await,
    );
    let app = format!("{hers}/app");
    let (key, field) = app_page(&running, &hers).await;
    let (other_key, other_field) = app_page(&running, &his).await;
    let good = oathtool(&key, 0);
    let mut changed = field.clone().into_bytes();
    let last = changed.len() - 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let long = field.repeat(20);
    for (name, body, want) in [
        ("no field", format!("passcode={good}"), 400),
        ("an empty field", form("", &good, ""), 400),
        ("no base64", form("%FF", &good, ""), 400),
        ("cut", form(&field[..field.len() / 2], &good, ""), 400),
        ("changed", form(&changed, &good, ""), 400),
        ("long", form(&long, &good, ""), 400),
        (
            "another one's",
            form(&other_field, &oathtool(&other_key, 0), ""),
            400,
        ),
        (
            "a name that is too long",
            form(&field, &good, &"x".repeat(65)),
            400,
        ),
        ("a name that is not seen", form(&field, &good, "a%07b"), 400),
        (
            "twice the same field",
            format!("{0}&{0}", form(&field, &good, "")),
            400,
        ),
        ("long digits", form(&field, &"1".repeat(9_000), ""), 422),
    ] {
        assert_eq!(submit(&running, &app, &body, &own).await.0, want, "{name}");
    }
    let body = form(&field, &good, "");
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        assert_eq!(
            submit(&running, &app, &body, origin).await.0,
            403,
            "{origin}"
        );
    }
    for name in ["alice", "mallory"] {
        let user: User = running
            .admin
            .get(&format!("/users/{name}"), LIMIT)
            .await
            .unwrap();
        assert!(user.devices.is_empty(), "{name}");
    }
    for method in ["PUT", "DELETE", "HEAD"] {
        let call = Call::bare(&running.app, method, &app);
        assert_eq!(running.send_raw(&call).await.0, 405, "{method}");
    }
    assert_eq!(
        submit(&running, &app, &body, &own).await.0,
        200,
        "it is good still"
    );
    running.stop().await;
}

#[tokio::test]
async fn two_who_end_one_enrollment_make_one_device() {
    let (_folder, running) = started().await;
    let own = own(&running);
    running.user("alice", None, Vec::new()).await;
    let portal = invite(&running, "alice").await;
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let (key, field) = app_page(&running, &portal).await;
        bodies.push(form(&field, &oathtool(&key, 0), ""));
    }
    let app = format!("{portal}/app");
    let send = |at: usize| submit(&running, &app, &bodies[at], &own);
    let (a, b, c, d) = tokio::join!(send(0), send(1), send(2), send(3));
    let mut statuses = [a.0, b.0, c.0, d.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404]);
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!(user.devices.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn phones_and_security_keys_are_bound_by_a_passkey() {
    let (_folder, running) = started().await;
    let own = own(&running);
    let port = running.address.port();
    running.user("alice", None, Vec::new()).await;
    for (step, name, kind, attachment) in [
        ("phone", "My+phone", DeviceKind::Phone, "platform"),
        ("key", "", DeviceKind::SecurityKey, "cross-platform"),
    ] {
        let portal = invite(&running, "alice").await;
        let path = format!("{portal}/{step}");
        let (status, headers, html) = get(&running, &path).await;
        assert_eq!(status, 200);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let script = "<script type=\"module\" src=\"/assets/portal.js\"></script>";
        assert!(html.contains(script), "{html}");
        let options = options_of(&html);
        assert_eq!(options["user"]["name"], "alice");
        assert_eq!(
            options["authenticatorSelection"]["authenticatorAttachment"],
            attachment
        );
        let passkey = Passkey::new(port);
        let body = |response: &str| format!("name={name}&response={}", encoded(response));
        let good = passkey.created(&options).to_string();
        // Of another enrollment, of another site, and what is none.
        let other = invite(&running, "alice").await;
        let (_, _, html) = get(&running, &format!("{other}/{step}")).await;
        let elsewhere = passkey.created(&options_of(&html)).to_string();
        let mut evil = Passkey::new(port);
        evil.origin = "https://evil.example".to_owned();
        let evil = evil.created(&options).to_string();
        for (what, response) in [
            ("another enrollment's", elsewhere.as_str()),
            ("another site's", &evil),
            ("none", ""),
            ("no JSON", "{"),
            ("a list", "[]"),
        ] {
            let (status, html) = submit(&running, &path, &body(response), &own).await;
            assert!(
                status == 422 && html.contains("role=\"alert\""),
                "{what}: {html}"
            );
        }
        assert_eq!(
            submit(&running, &path, &body(&good), "https://evil.example")
                .await
                .0,
            403
        );
        let (status, html) = submit(&running, &path, &body(&good), &own).await;
        assert_eq!(status, 200, "{html}");
        assert!(html.contains("href=\"/app/\""), "{html}");
        assert_eq!(
            submit(&running, &path, &body(&good), &own).await.0,
            404,
            "used up"
        );
        // The same passkey binds no other device.
        let (status, html) = submit(
            &running,
            &format!("{other}/{step}"),
            &body(&elsewhere),
            &own,
        )
        .await;
        assert!(
            status == 422 && html.contains("set up already"),
            "{status} {html}"
        );
        let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
        let device = user.devices.last().unwrap();
        assert!(
            device.bound && device.capabilities.push && device.kind == kind,
            "{device:?}"
        );
    }
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    let names: Vec<&str> = user
        .devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["My phone", "Security key"]);
    let auto = [
        ("username", "alice"),
        ("factor", "push"),
        ("device", "auto"),
        ("async", "1"),
    ];
    let (status, begun) = running.call("POST", "/auth/v2/auth", &auto).await;
    assert!(
        status == 200 && begun["response"]["txid"].is_string(),
        "{begun}"
    );
    running.stop().await;
}

#[tokio::test]
async fn without_a_name_there_are_no_passkeys_to_choose() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| {
        settings.public_url = Some("https://192.0.2.1:8402".to_owned());
    })
    .await;
    running.user("alice", None, Vec::new()).await;
    let portal = invite(&running, "alice").await;
    let (_, _, html) = get(&running, &portal).await;
    assert!(
        html.contains("/app\"") && !html.contains("phone\""),
        "{html}"
    );
    for step in ["phone", "key", "scan"] {
        let path = format!("{portal}/{step}");
        assert_eq!(get(&running, &path).await.0, 404, "{step}");
        assert_eq!(
            submit(&running, &path, "name=", &own(&running)).await.0,
            404,
            "{step}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn whoever_guesses_codes_is_stopped() {
    let (_folder, running) = started().await;
    running.user("alice", None, Vec::new()).await;
    let portal = invite(&running, "alice").await;
    for number in 0..200 {
        // What is right costs nothing, however often.
        assert_eq!(get(&running, &portal).await.0, 200, "{number}");
        let wrong = format!("/e/AAAA-AAAA-{number:04}");
        assert_eq!(get(&running, &wrong).await.0, 404, "{number}");
    }
    let (status, _, html) = get(&running, "/e/AAAA-AAAA-0200").await;
    assert!(
        status == 429 && html.contains("Too many wrong codes"),
        "{html}"
    );
    assert_eq!(
        get(&running, &portal).await.0,
        200,
        "others of that network have theirs"
    );
    let metrics = running.admin.get_octets("/metrics", LIMIT).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let counted = "countersign_secondfactor_guesses_refused_total 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    running.stop().await;
}

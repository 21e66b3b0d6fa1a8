//! Self-service over HTTP: who signs in, what they may change, and what others may not.

use crate::enrollment::{get, path_of};
use crate::passkey::{Passkey, encoded, options_of};
use crate::portal::{app_page, form, invite, oathtool, own};
use crate::support::{Call, LIMIT, Running, phone, started};
use secondfactor::admin::{BypassCodes, Incidents, NewDevice, ScopedPolicy, User, UserStatus};

/// A browser: it keeps the cookies that it is given.
pub(crate) struct Browser<'a> {
    running: &'a Running,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub(crate) const fn new(running: &'a Running) -> Self {
        Self {
            running,
            cookies: Vec::new(),
        }
    }

    pub(crate) async fn ask(&mut self, path: &str, form: Option<&str>) -> (u16, String, String) {
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut call = Call::bare(&self.running.app, method, path);
        if let Some(form) = form {
            call.body = form.to_owned();
            call.header("origin", &own(self.running));
        }
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            call.header("cookie", &cookies.join("; "));
        }
        let (status, headers, body) = self.running.send_raw(&call).await;
        for cookie in headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.contains("Secure; HttpOnly; SameSite=Strict"),
                "{cookie}"
            );
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(found, _)| found != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let location = headers.get("location").map(|value| value.to_str().unwrap());
        let location = location.unwrap_or_default().to_owned();
        (status, location, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(crate) async fn get(&mut self, path: &str) -> (u16, String) {
        let (status, _, html) = self.ask(path, None).await;
        (status, html)
    }

    /// Whether the devices are shown.
    pub(crate) async fn is_in(&mut self) -> bool {
        self.get("/me").await.1.contains("<h1>My devices</h1>")
    }

    pub(crate) async fn sign_in(&mut self, name: &str, passcode: &str) -> u16 {
        let form = format!("name={}&passcode={passcode}&then=/me", encoded(name));
        self.ask("/me/sign-in", Some(&form)).await.0
    }
}

pub(crate) const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

pub(crate) fn app() -> NewDevice {
    NewDevice::Totp {
        name: "Old app".to_owned(),
        algorithm: None,
        digits: None,
        period: None,
        secret: Some(SECRET.into()),
    }
}

pub(crate) async fn codes(running: &Running, name: &str) -> Vec<String> {
    let path = format!("/users/{name}/bypass-codes");
    let made: BypassCodes = running
        .admin
        .post(&path, &serde_json::json!({"count": 5}), LIMIT)
        .await
        .unwrap();
    made.codes
        .iter()
        .map(|code| code.expose().clone())
        .collect()
}

pub(crate) async fn devices(running: &Running, name: &str) -> Vec<String> {
    let path = format!("/users/{name}");
    let user: User = running.admin.get(&path, LIMIT).await.unwrap();
    user.devices.into_iter().map(|device| device.name).collect()
}

#[tokio::test]
async fn a_person_adds_names_and_removes_devices() {
    let (_folder, running) = started().await;
    let made = running.user("alice", None, vec![app()]).await;
    let id = made.devices[0].device.id.clone();
    let mut browser = Browser::new(&running);
    assert!(!browser.is_in().await);
    assert_eq!(browser.sign_in("ALICE", &oathtool(SECRET, 0)).await, 303);
    let (status, html) = browser.get("/me").await;
    assert!(status == 200 && html.contains("Old app"), "{html}");
    assert!(
        html.contains("Authenticator app, used just now") || html.contains("not used yet"),
        "{html}"
    );

    let path = format!("/me/device/{id}");
    assert_eq!(browser.get(&path).await.0, 200);
    let (status, location, _) = browser
        .ask(&format!("{path}/rename"), Some("name=Work+app"))
        .await;
    assert_eq!((status, location.as_str()), (303, "/me"));
    assert_eq!(devices(&running, "alice").await, ["Work app"]);

    // The last one goes only when that is meant.
    let remove = format!("{path}/remove");
    let (status, _, html) = browser.ask(&remove, Some("")).await;
    assert!(
        status == 422 && html.contains("nothing_left"),
        "{status} {html}"
    );
    assert_eq!(devices(&running, "alice").await.len(), 1);

    // The same walk as with an invitation.
    let (status, portal, _) = browser.ask("/me/add", Some("")).await;
    assert!(status == 303 && portal.starts_with("/e/"), "{portal}");
    let (key, field) = app_page(&running, &portal).await;
    let body = form(&field, &oathtool(&key, 0), "New+app");
    let (status, _, html) = browser.ask(&format!("{portal}/app"), Some(&body)).await;
    assert!(
        status == 200 && html.contains("Add another device"),
        "{html}"
    );
    assert!(browser.is_in().await, "and whoever set it up is signed in");
    assert_eq!(devices(&running, "alice").await, ["Work app", "New app"]);
    let (status, location, _) = browser.ask(&remove, Some("")).await;
    assert_eq!((status, location.as_str()), (303, "/me"));
    assert_eq!(devices(&running, "alice").await, ["New app"]);
    assert_eq!(browser.ask(&remove, Some("")).await.0, 404);
    // Administrators hear of both.
    let told = incidents(&running, 2).await;
    assert!(
        told[0].starts_with("removed totp ") && told[0].ends_with("'Work app'"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("added totp ") && told[1].ends_with("'New app'"),
        "{told:?}"
    );

    let (status, location, _) = browser.ask("/me/sign-out", Some("")).await;
    assert_eq!((status, location.as_str()), (303, "/me"));
    assert!(!browser.is_in().await);
    running.stop().await;
}

/// What is told of self-service, newest first, once there is so much.
async fn incidents(running: &Running, count: usize) -> Vec<String> {
    let found = async {
        loop {
            let page: Incidents = running
                .admin
                .get("/incidents?kind=self_service", LIMIT)
                .await
                .unwrap();
            if page.incidents.len() >= count {
                return page.incidents;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(LIMIT, found).await.unwrap();
    found.into_iter().map(|one| one.detail).collect()
}

pub(crate) async fn allow(running: &Running, factors: &[&str]) {
    let policy = serde_json::json!({"policy": {"allowed_factors": factors, "remember_hours": 10}});
    let set: ScopedPolicy = running
        .admin
        .post("/policies/default", &policy, LIMIT)
        .await
        .unwrap();
    assert_eq!(set.policy.remember_hours, Some(10));
}

#[tokio::test]
async fn what_a_policy_does_not_allow_is_not_offered() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let portal = invite(&running, "alice").await;
    let mut browser = Browser::new(&running);
    for (factors, steps) in [
        (&["push"][..], [200, 200, 404]),
        (&["passcode"], [404, 404, 200]),
        (&["sms"], [404, 404, 404]),
    ] {
        allow(&running, factors).await;
        let (_, html) = browser.get(&portal).await;
        assert_eq!(
            html.contains("Nothing that can be set up"),
            factors == ["sms"]
        );
        for (step, want) in ["phone", "key", "app"].into_iter().zip(steps) {
            let path = format!("{portal}/{step}");
            assert_eq!(browser.get(&path).await.0, want, "{factors:?} {step}");
            // A computer is to hand over to the phone.
            let link = if step == "phone" { "scan" } else { step };
            let link = format!("{portal}/{link}\"");
            assert_eq!(html.contains(&link), want == 200, "{step} {html}");
            if want == 404 {
                assert_eq!(browser.ask(&path, Some("name=x")).await.0, 404, "{step}");
            }
        }
    }
    // Nor does such a passcode sign in.
    assert_eq!(browser.sign_in("alice", &oathtool(SECRET, 0)).await, 422);
    running.stop().await;
}

#[tokio::test]
async fn a_sign_in_that_is_long_ago_removes_nothing() {
    let (folder, running) = started().await;
    let made = running.user("alice", None, vec![app(), phone()]).await;
    let remove = format!("/me/device/{}/remove", made.devices[0].device.id);
    let codes = codes(&running, "alice").await;
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", &codes[0]).await, 303);
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("data/secondfactor.db"));
    let database = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let aged = sqlx::query("UPDATE sessions SET created_at_ms = created_at_ms - 300001")
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(aged.rows_affected(), 1);
    database.close().await;
    assert!(browser.is_in().await, "for looking it is good");
    for step in [remove.as_str(), "/me/codes", "/me/add"] {
        let (status, _, html) = browser.ask(step, Some("")).await;
        assert!(
            status == 403 && html.contains("please sign in again"),
            "{step} {html}"
        );
    }
    assert_eq!(devices(&running, "alice").await.len(), 2);
    assert_eq!(browser.sign_in("alice", &codes[1]).await, 303);
    assert_eq!(browser.ask(&remove, Some("")).await.0, 303);
    assert_eq!(devices(&running, "alice").await, ["iPhone"]);
    running.stop().await;
}

#[tokio::test]
async fn backup_codes_are_for_whom_the_policy_lets_have_them() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let before = codes(&running, "alice").await;
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", &before[0]).await, 303);
    let (status, _, html) = browser.ask("/me/codes", Some("")).await;
    assert_eq!(status, 200, "{html}");
    let made: Vec<&str> = html
        .split("<code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(made.len(), 5);
    for (code, want) in [(before[1].as_str(), 422), (made[0], 303), (made[0], 422)] {
        let mut other = Browser::new(&running);
        assert_eq!(other.sign_in("alice", code).await, want);
    }
    assert_eq!(incidents(&running, 1).await, ["made backup codes"]);
    allow(&running, &["push", "passcode"]).await;
    assert!(!browser.get("/me").await.1.contains("/me/codes"));
    assert_eq!(browser.ask("/me/codes", Some("")).await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_person_is_asked_again_when_they_say_so() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    allow(&running, &["push", "passcode", "bypass_code"]).await;
    let now = oathtool(SECRET, 0);
    let login = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", &now),
        ("ipaddr", "192.0.2.7"),
        ("hostname", "<vpn>"),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &login).await;
    assert_eq!(auth["response"]["result"], "allow");
    let code = codes(&running, "alice").await.remove(0);
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", &code).await, 303);
    let asked = async || {
        let again = [
            ("username", "alice"),
            ("ipaddr", "192.0.2.7"),
            ("hostname", "<vpn>"),
        ];
        let (_, preauth) = running.call("POST", "/auth/v2/preauth", &again).await;
        preauth["response"]["result"] == "auth"
    };
    // It is remembered soon after the login.
    let remembered = async { while asked().await {} };
    tokio::time::timeout(LIMIT, remembered).await.unwrap();
    let (_, html) = browser.get("/me").await;
    assert!(
        html.contains("<li>192.0.2.7 at &lt;vpn&gt;, for another 10 hours"),
        "{html}"
    );
    assert_eq!(browser.ask("/me/forget", Some("")).await.0, 303);
    assert!(!browser.get("/me").await.1.contains("192.0.2.7"));
    assert!(asked().await);
    running.stop().await;
}

#[tokio::test]
async fn a_passkey_signs_in() {
    let (_folder, running) = started().await;
    running.user("alice", None, Vec::new()).await;
    let portal = invite(&running, "alice").await;
    let path = format!("{portal}/phone");
    let (_, _, html) = get(&running, &path).await;
    let passkey = Passkey::new(running.address.port());
    let made = passkey.created(&options_of(&html)).to_string();
    let mut phone = Browser::new(&running);
    let body = format!("name=&response={}", encoded(&made));
    assert_eq!(phone.ask(&path, Some(&body)).await.0, 200);
    assert_eq!(phone.cookies.len(), 2, "signed in to approve and to manage");
    assert_eq!(phone.get("/app/waiting").await.0, 200);
    assert!(phone.is_in().await);

    let mut browser = Browser::new(&running);
    let (_, html) = browser.get("/me").await;
    let signed = passkey.signed(&options_of(&html)).to_string();
    let stranger = Passkey::new(running.address.port());
    let strange = stranger.signed(&options_of(&html)).to_string();
    for wrong in [strange.as_str(), "", "{}"] {
        let body = format!("then=/me&response={}", encoded(wrong));
        assert_eq!(
            browser.ask("/me/passkey", Some(&body)).await.0,
            422,
            "{wrong}"
        );
    }
    let body = format!("then=/me&response={}", encoded(&signed));
    assert_eq!(browser.ask("/me/passkey", Some(&body)).await.0, 303);
    assert!(browser.is_in().await);
    // Signed out everywhere is everywhere, for approvals too.
    assert_eq!(
        browser.ask("/me/sign-out-everywhere", Some("")).await.0,
        303
    );
    assert!(!browser.is_in().await && !phone.is_in().await);
    assert_eq!(phone.get("/app/waiting").await.0, 401);
    // Who may not log in does not sign in either.
    for status in ["disabled", "locked_out"] {
        let change = serde_json::json!({"status": status});
        let user: User = running
            .admin
            .post("/users/alice", &change, LIMIT)
            .await
            .unwrap();
        assert_ne!(user.status, UserStatus::Active);
        let (_, html) = browser.get("/me").await;
        let signed = passkey.signed(&options_of(&html)).to_string();
        let body = format!("then=/me&response={}", encoded(&signed));
        assert_eq!(
            browser.ask("/me/passkey", Some(&body)).await.0,
            422,
            "{status}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn nobody_learns_who_is_there_and_wrong_passcodes_lock_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.lockout_after = 3).await;
    running.user("alice", None, vec![app()]).await;
    running.user("bob", None, vec![phone()]).await;
    let bypass = serde_json::json!({"status": "bypass"});
    let bob: User = running
        .admin
        .post("/users/bob", &bypass, LIMIT)
        .await
        .unwrap();
    assert_eq!(bob.status, UserStatus::Bypass);
    let mut browser = Browser::new(&running);
    let mut pages = std::collections::BTreeSet::new();
    let used = oathtool(SECRET, 0);
    let params = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", &used),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(auth["response"]["result"], "allow");
    for (name, passcode) in [
        ("alice", "000000"),
        ("nobody", "000000"),
        ("bob", "000000"),
        ("", ""),
        ("a\u{7}b", "1"),
        ("alice", &used),
    ] {
        let form = format!("name={}&passcode={passcode}", encoded(name));
        let before = tokio::time::Instant::now();
        let (status, _, html) = browser.ask("/me/sign-in", Some(&form)).await;
        assert_eq!(status, 422, "{name:?}");
        assert!(before.elapsed().as_millis() >= 500, "{name:?}");
        // Each page asks for a passkey anew.
        pages.insert(html.split("data-options").next().unwrap().to_owned());
        assert!(browser.cookies.is_empty());
    }
    assert_eq!(pages.len(), 1, "{pages:?}");
    for passcode in ["000001", "000002", "000003"] {
        assert_eq!(browser.sign_in("alice", passcode).await, 422);
    }
    // Whoever knows a name may try that: it ends here, and nowhere else.
    let right = oathtool(SECRET, 30);
    assert_eq!(browser.sign_in("alice", &right).await, 422);
    assert_eq!(browser.sign_in("alice", &right).await, 422);
    let told = incidents(&running, 1).await;
    assert!(
        told.len() == 1 && told[0].starts_with("too many wrong passcodes"),
        "{told:?}"
    );
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!((user.status, user.failures), (UserStatus::Active, 0));
    let params = [
        ("username", "alice"),
        ("factor", "passcode"),
        ("passcode", &right),
    ];
    let (_, auth) = running.call("POST", "/auth/v2/auth", &params).await;
    assert_eq!(auth["response"]["result"], "allow");
    running.stop().await;
}

#[tokio::test]
async fn who_has_a_bypass_signs_in_with_a_right_passcode() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let change = serde_json::json!({"status": "bypass"});
    let user: User = running
        .admin
        .post("/users/alice", &change, LIMIT)
        .await
        .unwrap();
    assert_eq!(user.status, UserStatus::Bypass);
    let mut browser = Browser::new(&running);
    assert_eq!(browser.sign_in("alice", "000000").await, 422);
    assert!(!browser.is_in().await);
    let right = oathtool(SECRET, 0);
    assert_eq!(browser.sign_in("alice", &right).await, 303);
    assert!(browser.is_in().await);
    let user: User = running.admin.get("/users/alice", LIMIT).await.unwrap();
    assert_eq!(user.status, UserStatus::Bypass);
    running.stop().await;
}

#[tokio::test]
async fn what_is_somebody_elses_stays_out_of_reach() {
    let (_folder, running) = started().await;
    running.user("alice", None, vec![app()]).await;
    let bobs = running.user("bob", None, vec![phone()]).await.devices[0]
        .device
        .id
        .clone();
    let path = format!("/me/device/{bobs}");
    let mut nobody = Browser::new(&running);
    // Nobody is signed in: nothing is done, and the way in is shown.
    let steps = [
        "/me/add".to_owned(),
        "/me/sign-out-everywhere".to_owned(),
        format!("{path}/rename"),
        format!("{path}/remove"),
    ];
    for step in &steps {
        let (status, _, html) = nobody.ask(step, Some("name=x&nothing_left=yes")).await;
        assert!(status == 403 && html.contains("<h1>Sign in</h1>"), "{step}");
    }
    let code = codes(&running, "alice").await.remove(0);
    let mut alice = Browser::new(&running);
    assert_eq!(alice.sign_in("alice", &code).await, 303);
    assert_eq!(alice.get(&path).await.0, 404);
    for deed in ["rename", "remove", "other"] {
        let step = format!("{path}/{deed}");
        let (status, _, _) = alice.ask(&step, Some("name=x&nothing_left=yes")).await;
        assert_eq!(status, 404, "{deed}");
    }
    assert_eq!(devices(&running, "bob").await, ["iPhone"]);
    // A form of another site, with her cookie.
    let mut call = Call::bare(&running.app, "POST", "/me/add");
    call.header("origin", "https://evil.example");
    let (name, value) = alice.cookies[0].clone();
    call.header("cookie", &format!("{name}={value}"));
    assert_eq!(running.send_raw(&call).await.0, 403);
    // A cookie that was guessed, and one of the other purpose.
    for cookies in [
        vec![(name.clone(), "A".repeat(value.len()))],
        vec![("__Host-countersign".to_owned(), value.clone())],
    ] {
        let mut other = Browser::new(&running);
        other.cookies = cookies;
        assert!(!other.is_in().await);
    }
    // Disabled meanwhile.
    let change = serde_json::json!({"status": "disabled"});
    let user: User = running
        .admin
        .post("/users/alice", &change, LIMIT)
        .await
        .unwrap();
    assert_eq!(user.status, UserStatus::Disabled);
    assert!(!alice.is_in().await);
    running.stop().await;
}

#[tokio::test]
async fn self_service_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |settings| settings.self_service = false).await;
    running.user("alice", None, vec![app()]).await;
    let mut browser = Browser::new(&running);
    assert_eq!(browser.get("/me").await.0, 404);
    assert_eq!(browser.sign_in("alice", &oathtool(SECRET, 0)).await, 404);
    let portal = invite(&running, "alice").await;
    assert_eq!(portal, path_of(&format!("https://x{portal}")));
    let (key, field) = app_page(&running, &portal).await;
    let body = form(&field, &oathtool(&key, 0), "");
    let (status, _, html) = browser.ask(&format!("{portal}/app"), Some(&body)).await;
    assert!(status == 200 && !html.contains("/me"), "{html}");
    assert!(browser.cookies.is_empty());
    running.stop().await;
}

//! The built-in second factor under the REST API, with a service that says what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use local::Listener;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{Answer, Plane};
use crate::support::{Site, config};

pub(crate) type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers as the service does, and keeps what it was asked. `slow` is answered when the gate opens.
pub(crate) async fn answer(asked: Asked, gate: Arc<Notify>, request: Request) -> impl IntoResponse {
    let line = format!("{} {}", request.method(), request.uri());
    let body = axum::body::to_bytes(request.into_body(), 8 * 1024 * 1024)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let csv = body["csv"].as_str().unwrap_or_default().to_owned();
    asked.lock().unwrap().push((line.clone(), body));
    if line.contains("/slow/") {
        gate.notified().await;
    }
    let user = json!({"id": "DU1", "name": "alice", "status": "active", "failures": 0,
        "bypass_codes": 0, "devices": [{"id": "DP1", "kind": "phone"}]});
    let (status, body) = match line.split('?').next().unwrap() {
        "GET /users" => (200, json!({"users": [user], "next": "alice"})),
        "POST /users" => (
            200,
            json!({"user": user, "devices": [{"approval_url": "https://PLANTED"}]}),
        ),
        "GET /users/none" => (404, json!({"error": "there is no user none"})),
        "POST /users/a%2Fb/unlock" | "GET /users/alice" | "POST /users/alice" => (200, user),
        "GET /pushes" => (200, json!([{"txid": "t1", "user": "alice"}])),
        "POST /users/alice/bypass-codes" => (200, json!({"codes": ["PLANTED-1"]})),
        "POST /users/alice/enroll" => (409, json!({"error": "it is full"})),
        "POST /enrollments" if line.ends_with("?dry_run=true") => {
            (200, json!({"invited": [], "refused": []}))
        }
        "POST /delivery" if line.ends_with("?dry_run=true") => {
            (200, json!({"secrets": [], "failures": []}))
        }
        // Part of it is done; or the service is gone, has too much to do, or takes no such file.
        "POST /users/import" if csv.contains("half") => (409, json!({"error": "a part is done"})),
        "POST /users/import" if csv.contains("gone") => (503, json!({"error": "it ends"})),
        "POST /users/import" if csv.contains("busy") => (429, json!({"error": "too much"})),
        "POST /users/import" if csv.contains("wrong") => (422, json!({"error": "no CSV"})),
        "POST /applications" if line.ends_with("?dry_run=true") => {
            (200, json!({"name": "shells", "new_user_policy": "enroll"}))
        }
        line => more(line),
    };
    (
        http::StatusCode::from_u16(status).unwrap(),
        axum::Json(body),
    )
}

/// What there is one of each of.
fn more(line: &str) -> (u16, Value) {
    let user = json!({"id": "DU1", "name": "alice", "status": "active", "failures": 0,
        "bypass_codes": 0, "devices": [{"id": "DP1", "kind": "phone", "name": "old"}]});
    let policy = |scope: &str, name: &str| {
        json!({"scope": scope, "name": name, "rank": 0,
            "policy": {"remember_hours": 8}})
    };
    let token = json!({"id": "DH1", "serial": "S1", "kind": "hotp", "digits": 6, "user": "alice"});
    let sms = json!({"url": "https://sms.example.com/?key=PLANTED", "format": "form",
        "fields": {"to": "{number}", "key": "PLANTED"}});
    match line {
        "GET /users/twice" => (
            200,
            json!({"name": "twice", "status": "active", "devices": [
                {"id": "DP1", "kind": "phone", "bound": true}, {"id": "DH2", "kind": "totp"},
                {"id": "DP3", "kind": "phone", "bound": false}]}),
        ),
        "GET /users/once" => (
            200,
            json!({"name": "once", "status": "active", "devices": [
                {"id": "DH1", "kind": "totp"}, {"id": "DP2", "kind": "phone", "bound": false}]}),
        ),
        "GET /users/bob" | "GET /users/corp%5Cbob" => {
            (404, json!({"error": "there is no such user"}))
        }
        "GET /users/mallory" => (
            200,
            json!({"name": "mallory", "status": "disabled", "devices": []}),
        ),
        "POST /users/mallory/lock" => (409, json!({"error": "that user is disabled"})),
        "POST /users/alice/lock" | "POST /users/alice/devices/DP1" => (200, user),
        "POST /users/alice/devices/DP1/resync" => (200, user),
        "POST /users/import" => (
            200,
            json!({"done": true, "created": ["bob"], "missing": [], "unchanged": 3, "refused": [],
                "changed": [{"name": "alice", "fields": ["status"]}]}),
        ),
        "GET /policies" => (
            200,
            json!([
                policy("default", ""),
                policy("application", "vpn"),
                policy("group", "Staff")
            ]),
        ),
        "POST /policies/groups/staff" => (200, policy("group", "Staff")),
        "GET /users/alice/policy" => (200, json!({"policy": {}, "from": {}})),
        "GET /groups" => (200, json!([{"name": "Staff", "users": 1, "policy": true}])),
        "GET /applications" => (
            200,
            json!([{"name": "vpn", "ikey": "DI1", "new_user_policy": "enroll",
                "username_normalization": "simple", "open_enrollment": false}]),
        ),
        "POST /applications" => (
            200,
            json!({"name": "vpn", "ikey": "DI1", "skey": "PLANTED"}),
        ),
        "GET /remembered" => (200, json!({"remembered": [{"id": "RM1", "user": "alice"}]})),
        "GET /incidents" => (
            200,
            json!({"incidents": [{"id": 8, "user": "alice"}], "next": 8}),
        ),
        "GET /enrollments" => (
            200,
            json!({"enrollments": [{"id": "EN1", "user": "alice"}]}),
        ),
        "POST /enrollments" => (
            200,
            json!({"invited": [{"user": "alice", "url": "https://PLANTED", "until": 9}],
                "refused": [{"name": "bob", "why": "there is no such user"}]}),
        ),
        "GET /tokens" => (200, json!({"tokens": [token]})),
        "POST /tokens/import" => (
            200,
            json!({"done": true, "created": 1, "assigned": 1, "refused": [],
                "tokens": [{"serial": "S9", "user": "carol"}]}),
        ),
        "POST /tokens/S1/assign" | "POST /tokens/S1/unassign" => (200, token),
        "GET /delivery" | "POST /delivery" => (
            200,
            json!({"sms": sms, "secrets": ["sms.authorization"], "failures": []}),
        ),
        _ => (200, json!({})),
    }
}

pub(crate) struct Lab {
    pub(crate) plane: Plane,
    pub(crate) asked: Asked,
    gate: Arc<Notify>,
    pub(crate) tokens: [String; 3],
    _serving: JoinSet<()>,
}

impl Lab {
    pub(crate) async fn start(runs: bool) -> Self {
        Self::of(&config(1812), runs).await
    }

    /// With a configuration.
    pub(crate) async fn of(file: &Value, runs: bool) -> Self {
        let mut site = Site::with(file);
        let socket = site.folder.path().join("secondfactor.sock");
        let (asked, mut serving) = (Asked::default(), JoinSet::new());
        let gate = Arc::new(Notify::new());
        if runs {
            let (kept, opens) = (Arc::clone(&asked), Arc::clone(&gate));
            let router = Router::new()
                .fallback(move |request| answer(Arc::clone(&kept), Arc::clone(&opens), request));
            let listener = Listener::bind(&socket).await.unwrap();
            serving.spawn(listener.serve(router, CancellationToken::new()));
        }
        site.settings.second_factor = Some(socket);
        site.settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let handed_on = site.folder.path().join("api.sock");
        let plane = Plane::with(site, handed_on).await;
        let mut tokens = [const { String::new() }; 3];
        for (token, role) in tokens.iter_mut().zip(["viewer", "operator", "admin"]) {
            *token = plane.token(role, role).await.1;
        }
        Self {
            plane,
            asked,
            gate,
            tokens,
            _serving: serving,
        }
    }

    /// Asks each row, and looks at the answer's status and at what the service was asked last.
    pub(crate) async fn hands_on(&self, rows: &[(usize, &str, &str, &str, u16, &str)]) {
        for (role, method, path, body, status, asked) in rows {
            let answer = self.call(*role, method, path, body).await;
            assert_eq!(answer.status, *status, "{method} {path}: {answer:?}");
            let last = self.asked.lock().unwrap().last().unwrap().clone();
            assert_eq!(last.0, *asked, "{method} {path}");
            if !body.is_empty() && !path.contains("import") && *path != "/tokens" {
                assert_eq!(last.1, serde_json::from_str::<Value>(body).unwrap());
            }
        }
    }

    /// The actions that the audit has, newest first, and all of it.
    pub(crate) async fn deeds(&self) -> (Vec<String>, String) {
        let path = "/api/v1/audit?limit=100";
        let audit = self.plane.call("GET", path, &self.tokens[VIEWER], "").await;
        let audit = audit.json();
        let deeds = audit["items"].as_array().unwrap().iter();
        let actions = deeds.map(|deed| deed["action"].as_str().unwrap().to_owned());
        (actions.collect(), audit.to_string())
    }

    pub(crate) async fn call(&self, role: usize, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/api/v1/second-factor{path}");
        self.plane
            .call(method, &path, &self.tokens[role], body)
            .await
    }
}

pub(crate) const VIEWER: usize = 0;
pub(crate) const OPERATOR: usize = 1;
pub(crate) const ADMIN: usize = 2;

#[tokio::test]
async fn what_is_asked_is_handed_on() {
    let lab = Lab::start(true).await;
    let rows = [
        (
            VIEWER,
            "GET",
            "/users?limit=5&cursor=a%20b",
            "",
            200,
            "GET /users?limit=5&after=a%20b",
        ),
        (VIEWER, "GET", "/devices", "", 200, "GET /users?limit=100"),
        (VIEWER, "GET", "/users/alice", "", 200, "GET /users/alice"),
        (VIEWER, "GET", "/users/none", "", 404, "GET /users/none"),
        (VIEWER, "GET", "/approvals", "", 200, "GET /pushes"),
        (
            OPERATOR,
            "POST",
            "/users",
            r#"{"name":"alice"}"#,
            201,
            "POST /users",
        ),
        (
            OPERATOR,
            "PATCH",
            "/users/alice",
            r#"{"status":"disabled"}"#,
            200,
            "POST /users/alice",
        ),
        (
            OPERATOR,
            "POST",
            "/users/a%2Fb/unlock",
            "",
            200,
            "POST /users/a%2Fb/unlock",
        ),
        (
            ADMIN,
            "POST",
            "/users/alice/enroll",
            "{}",
            409,
            "POST /users/alice/enroll",
        ),
        (
            ADMIN,
            "DELETE",
            "/users/alice",
            "",
            204,
            "POST /users/alice/delete",
        ),
        (
            ADMIN,
            "POST",
            "/users/alice/devices",
            r#"{"kind":"totp"}"#,
            201,
            "POST /users/alice/devices",
        ),
        (
            ADMIN,
            "DELETE",
            "/users/alice/devices/DP1",
            "",
            204,
            "POST /users/alice/devices/DP1/delete",
        ),
        (
            OPERATOR,
            "POST",
            "/approvals/t1/deny",
            "",
            204,
            "POST /pushes/t1/deny",
        ),
        (
            ADMIN,
            "POST",
            "/users/alice/bypass-codes",
            "{}",
            201,
            "POST /users/alice/bypass-codes",
        ),
        (
            ADMIN,
            "PATCH",
            "/users/alice",
            r#"{"status":"bypass"}"#,
            200,
            "POST /users/alice",
        ),
    ];
    lab.hands_on(&rows).await;
    let devices = lab.call(VIEWER, "GET", "/devices", "").await.json();
    assert_eq!(devices["items"][0]["user"], "alice");
    assert_eq!(devices["next"], "alice");

    let (actions, audit) = lab.deeds().await;
    for action in [
        "second-factor.user.create",
        "second-factor.user.change",
        "second-factor.user.unlock",
        "second-factor.user.delete",
        "second-factor.device.create",
        "second-factor.device.delete",
        "second-factor.push.deny",
        "second-factor.bypass-codes",
    ] {
        assert!(
            actions.iter().any(|one| one == action),
            "{action}: {actions:?}"
        );
    }
    assert!(
        !actions.iter().any(|one| one == "second-factor.user.enroll"),
        "it was refused"
    );
    assert!(!audit.contains("PLANTED"), "{audit}");
}

#[tokio::test]
async fn what_lets_somebody_in_without_it_is_for_administrators() {
    let lab = Lab::start(true).await;
    for (role, method, path, body) in [
        (VIEWER, "POST", "/users", r#"{"name":"alice"}"#),
        (VIEWER, "POST", "/approvals/t1/approve", ""),
        (
            OPERATOR,
            "POST",
            "/users",
            r#"{"name":"alice","status":"bypass"}"#,
        ),
        (
            OPERATOR,
            "POST",
            "/users",
            r#"{"name":"alice","script":{"answer":"approve"}}"#,
        ),
        (OPERATOR, "PATCH", "/users/alice", r#"{"status":"bypass"}"#),
        (
            OPERATOR,
            "PATCH",
            "/users/alice",
            r#"{"script":{"set":{"answer":"approve"}}}"#,
        ),
        (OPERATOR, "POST", "/users/alice/bypass-codes", "{}"),
        (OPERATOR, "GET", "/users/alice/sms-codes", ""),
    ] {
        let answer = lab.call(role, method, path, body).await;
        assert_eq!(answer.status, 403, "{method} {path} {body}: {answer:?}");
    }
    assert!(lab.asked.lock().unwrap().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_service_that_does_not_run_is_said_to_be_none() {
    let lab = Lab::start(false).await;
    for (method, path) in [("GET", "/users"), ("POST", "/users/alice/unlock")] {
        let answer = lab.call(ADMIN, method, path, "").await;
        assert_eq!(answer.status, 409, "{answer:?}");
        let said = answer.json().to_string();
        assert!(said.contains("does not run"), "{said}");
    }
    let odd = lab.call(VIEWER, "GET", "/users?limit=0", "").await;
    assert_eq!(odd.status, 400, "{odd:?}");
}

#[tokio::test]
async fn an_operator_stands_in_for_nobody() {
    let lab = Lab::start(true).await;
    for (method, path, body) in [
        ("POST", "/users/alice/devices", r#"{"kind":"totp"}"#),
        ("POST", "/users/alice/enroll", "{}"),
        ("POST", "/approvals/t1/approve", ""),
        ("PATCH", "/users/alice", r#"{"status":"active"}"#),
        ("PATCH", "/users/alice", r#"{"status":"bypass"}"#),
        ("PATCH", "/users/alice", r#"{"script":"approve"}"#),
        ("PATCH", "/users/alice", r#"{"aliases":["bob"]}"#),
        ("PATCH", "/users/alice", r#"{"groups":["exempt"]}"#),
        ("PATCH", "/users/alice", r#"{"email":"me@example.com"}"#),
        ("POST", "/users", r#"{"name":"eve","aliases":["alice"]}"#),
        ("POST", "/import", r#"{"csv":"username\nbob"}"#),
        ("PUT", "/policies/default", r#"{"policy":{}}"#),
        ("DELETE", "/users/alice", ""),
        ("DELETE", "/policies/default", ""),
        ("PUT", "/policies/groups/staff", r#"{"policy":{}}"#),
        ("PUT", "/policies/applications/vpn", r#"{"policy":{}}"#),
        ("PATCH", "/applications/vpn", r#"{"open_enrollment":true}"#),
        ("POST", "/applications", r#"{"name":"shells"}"#),
        ("DELETE", "/applications/vpn", ""),
        ("POST", "/users/alice/devices/DP1/resync", "{}"),
        ("POST", "/enrollments", r#"{"users":["alice"]}"#),
        ("POST", "/tokens", r#"{"csv":"serial,secret"}"#),
        ("POST", "/tokens/S1/assign", r#"{"user":"eve"}"#),
        ("POST", "/tokens/S1/unassign", ""),
        ("DELETE", "/tokens/S1", ""),
        ("PATCH", "/delivery", "{}"),
        ("POST", "/delivery/test", r#"{"channel":"sms","to":"+1"}"#),
        (
            "POST",
            "/users",
            r#"{"name":"bob","devices":[{"kind":"totp"}]}"#,
        ),
    ] {
        let refused = lab.call(OPERATOR, method, path, body).await;
        assert_eq!(refused.status, 403, "{method} {path} {body}: {refused:?}");
    }
    assert!(lab.asked.lock().unwrap().is_empty(), "none was handed on");
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn an_operator_opens_no_enrollment_to_who_knows_a_password() {
    let lab = Lab::start(true).await;
    let named = |name: &str| json!({ "name": name }).to_string();
    for (role, method, path, body, status) in [
        // Another one answers, or none does.
        (
            OPERATOR,
            "DELETE",
            "/users/twice/devices/DP1",
            String::new(),
            204,
        ),
        (
            OPERATOR,
            "DELETE",
            "/users/once/devices/DP2",
            String::new(),
            204,
        ),
        (
            OPERATOR,
            "DELETE",
            "/users/once/devices/DH1",
            String::new(),
            403,
        ),
        (
            OPERATOR,
            "DELETE",
            "/users/once/devices/DH1?dry_run=true",
            String::new(),
            403,
        ),
        (
            ADMIN,
            "DELETE",
            "/users/once/devices/DH1",
            String::new(),
            204,
        ),
        (
            ADMIN,
            "DELETE",
            "/users/once/devices/DP9",
            String::new(),
            404,
        ),
        // How alice may log in is hers.
        (OPERATOR, "POST", "/users", named(r"CORP\alice"), 403),
        (OPERATOR, "POST", "/users", named("alice@example.com"), 403),
        (OPERATOR, "POST", "/users", named(r"CORP\bob"), 201),
        (ADMIN, "POST", "/users", named("alice@example.com"), 201),
    ] {
        let answer = lab.call(role, method, path, &body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
    }
    let deeds = lab.deeds().await.1;
    let gone = r#""before":{"id":"DH1","kind":"totp"}"#;
    assert!(deeds.contains(gone), "what is gone: {deeds}");
    lab.plane.running.stop().await;
}

#[tokio::test]
async fn who_hangs_up_is_in_the_audit_all_the_same() {
    let lab = Lab::start(true).await;
    let mut stream = TcpStream::connect(lab.plane.tcp).await.unwrap();
    let request = format!(
        "POST /api/v1/second-factor/approvals/slow/deny HTTP/1.1\r\nhost: localhost\r\n\
         content-length: 0\r\n{}\r\n",
        lab.tokens[ADMIN]
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let asked = || lab.asked.lock().unwrap().last().map(|last| last.0.clone());
    while asked().as_deref() != Some("POST /pushes/slow/deny") {
        tokio::task::yield_now().await;
    }
    drop(stream);
    // A request on another connection is answered: the end of the first was seen before it.
    assert_eq!(lab.call(VIEWER, "GET", "/approvals", "").await.status, 200);
    lab.gate.notify_one();
    let noted = async || {
        let path = "/api/v1/audit?action=second-factor.push.deny";
        let page = lab.plane.locally("GET", path, &Value::Null).await.json();
        page["items"].as_array().unwrap().len()
    };
    let found = tokio::time::timeout(crate::support::LIMIT, async { while noted().await == 0 {} });
    found.await.expect("the audit has it");
    lab.plane.running.stop().await;
}

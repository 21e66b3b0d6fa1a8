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
    let body = axum::body::to_bytes(request.into_body(), 65_536)
        .await
        .unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
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
        _ => (200, json!({})),
    };
    (
        http::StatusCode::from_u16(status).unwrap(),
        axum::Json(body),
    )
}

struct Lab {
    plane: Plane,
    asked: Asked,
    gate: Arc<Notify>,
    tokens: [String; 3],
    _serving: JoinSet<()>,
}

impl Lab {
    async fn start(runs: bool) -> Self {
        let mut site = Site::with(&config(1812));
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

    async fn call(&self, role: usize, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/api/v1/second-factor{path}");
        self.plane
            .call(method, &path, &self.tokens[role], body)
            .await
    }
}

const VIEWER: usize = 0;
const OPERATOR: usize = 1;
const ADMIN: usize = 2;

#[tokio::test]
async fn what_is_asked_is_handed_on() {
    let lab = Lab::start(true).await;
    for (role, method, path, body, status, asked) in [
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
            OPERATOR,
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
            OPERATOR,
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
    ] {
        let answer = lab.call(role, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let last = lab.asked.lock().unwrap().last().unwrap().clone();
        assert_eq!(last.0, asked, "{method} {path}");
        if !body.is_empty() {
            assert_eq!(last.1, serde_json::from_str::<Value>(body).unwrap());
        }
    }
    let devices = lab.call(VIEWER, "GET", "/devices", "").await.json();
    assert_eq!(devices["items"][0]["user"], "alice");
    assert_eq!(devices["next"], "alice");

    let audit = lab
        .plane
        .call("GET", "/api/v1/audit?limit=100", &lab.tokens[VIEWER], "")
        .await;
    let audit = audit.json();
    let deeds = audit["items"].as_array().unwrap();
    let actions: Vec<&str> = deeds
        .iter()
        .map(|deed| deed["action"].as_str().unwrap())
        .collect();
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
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    assert!(
        !actions.contains(&"second-factor.user.enroll"),
        "it was refused"
    );
    assert!(!audit.to_string().contains("PLANTED"), "{audit:#}");
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

//! `?dry_run=true` of every write: all is checked, nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use controlplane::least_roles;
use local::Listener;
use proto::command::{Command, FactorVerdict, Outcome};
use proto::event::Reason;
use proto::rpc::Empty;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{PAGE, Plane};
use crate::commands::{NEW, command};
use crate::second_factor::{Asked, answer};
use crate::support::{LIMIT, Site, Stream, config, method, node, subscribe};

const PASSWORD: &str = "PLANTED long password";
const THROUGH: &str = "radius_server_auto";
/// Where a primary checks passwords.
const CHECKED: &str = "radius_server_auto9";

/// A control plane with one of everything, and what is named in addresses.
struct Lab {
    plane: Plane,
    asked: Asked,
    node: Stream,
    /// Of alice, who signed in.
    cookie: String,
    /// What somebody has yet to take.
    invitation: Value,
    token: String,
    join_token: String,
    _serving: JoinSet<()>,
}

impl Lab {
    async fn start() -> Self {
        let mut site = Site::new();
        site.settings.source = None;
        let socket = site.folder.path().join("secondfactor.sock");
        let (asked, mut serving) = (Asked::default(), JoinSet::new());
        let kept = Arc::clone(&asked);
        let router = Router::new()
            .fallback(move |request| answer(Arc::clone(&kept), Arc::default(), request));
        let listener = Listener::bind(&socket).await.unwrap();
        serving.spawn(listener.serve(router, CancellationToken::new()));
        site.settings.second_factor = Some(socket);
        site.settings.admin_listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let handed_on = site.folder.path().join("api.sock");
        let plane = Plane::with(site, handed_on).await;
        let done = |method: &'static str, path: &'static str, body: Value| {
            let plane = &plane;
            async move {
                let answer = plane.locally(method, path, &body).await;
                assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
                match answer.octets.is_empty() {
                    true => Value::Null,
                    false => answer.json(),
                }
            }
        };
        let whole = config(1812);
        for part in ["authenticators", "integrations"] {
            let path = match part {
                "authenticators" => "/api/v1/authenticators",
                _ => "/api/v1/integrations",
            };
            done("POST", path, whole[part][0].clone()).await;
        }
        let primary = json!({"id": "radius_client", "kind": {"radius": {
            "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "PLANTED",
        }}});
        done("POST", "/api/v1/authenticators", primary).await;
        let mut checked = whole["integrations"][0].clone();
        checked["id"] = CHECKED.into();
        checked["port"] = 1819.into();
        checked["authenticator"] = "radius_client".into();
        done("POST", "/api/v1/integrations", checked).await;
        let draft = done("POST", "/api/v1/drafts", json!({})).await;
        assert_eq!(draft["id"], 1);
        let join = done("POST", "/api/v1/join-tokens", json!({})).await;
        let token = plane.token("a script", "viewer").await.0;
        let bob = json!({"name": "bob", "role": "viewer"});
        let bob = done("POST", "/api/v1/admins", bob).await;
        let alice = json!({"name": "alice", "role": "admin", "integration": THROUGH});
        let alice = done("POST", "/api/v1/admins", alice).await;
        let understands = NEW.iter().map(|word| (*word).to_owned()).collect();
        let said = proto::rpc::Subscribe {
            understands,
            ..subscribe("b")
        };
        let mut node = plane.running.subscribe_with(&said).await;
        node.snapshot().await;
        let mut lab = Self {
            plane,
            asked,
            node,
            cookie: String::new(),
            invitation: bob["invitation"].clone(),
            token,
            join_token: join["id"].as_str().unwrap().to_owned(),
            _serving: serving,
        };
        let take = json!({"name": "alice", "invitation": alice["invitation"],
            "password": PASSWORD});
        lab.asked("/api/v1/invitation", &take).await;
        let sign_in = json!({"name": "alice", "password": PASSWORD});
        let set = lab.asked("/api/v1/session", &sign_in).await;
        let cookie = set.unwrap();
        lab.cookie = format!("{PAGE}cookie: {}\r\n", cookie.split(';').next().unwrap());
        lab
    }

    /// Does what a node is asked for a second factor for; gives the cookie that was set.
    async fn asked(&mut self, path: &str, body: &Value) -> Option<String> {
        let text = body.to_string();
        let asking = self.plane.call("POST", path, PAGE, &text);
        let (client, stream) = (&self.plane.running.client, &mut self.node);
        let answering = async {
            let (number, asked) = command(stream).await;
            assert!(matches!(asked, Command::Factor { .. }), "{asked:?}");
            let outcome = Outcome::Factor {
                verdict: FactorVerdict::Allowed,
                reason: Reason::Approved,
                message: None,
            };
            let finished = proto::command::Finished {
                node: node("b"),
                number,
                outcome,
            };
            let told = client.post(&method("Finished"), &finished, LIMIT).await;
            let _told: Empty = told.unwrap();
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer.header("set-cookie").map(str::to_owned)
    }

    /// All that can be changed, as it is read.
    async fn everything(&self) -> Value {
        let mut all = serde_json::Map::new();
        for path in [
            "config",
            "drafts",
            "nodes",
            "join-tokens",
            "tokens",
            "admins",
            "revisions",
            "audit",
            "primary-only",
            "oidc",
            "session",
        ] {
            let path = format!("/api/v1/{path}");
            let answer = self.plane.call("GET", &path, &self.cookie, "").await;
            let mut is = answer.json();
            for one in is["items"].as_array_mut().into_iter().flatten() {
                // Goes on by itself.
                one.as_object_mut().unwrap().remove("last_seen_ms");
            }
            if let Some(problem) = is.as_object_mut() {
                problem.remove("request_id");
            }
            all.insert(path, is);
        }
        let asked = self.asked.lock().unwrap();
        let changes = asked.iter().filter(|(line, _)| !line.starts_with("GET "));
        let changes: Vec<&String> = changes.map(|(line, _)| line).collect();
        all.insert("second factor".to_owned(), json!(changes));
        Value::Object(all)
    }

    /// Each write, with what makes it good: method, path, address, body, status of a dry run.
    fn writes(&self) -> Vec<(&'static str, &'static str, String, Value, u16)> {
        let client = json!({"address": "192.0.2.0/24", "secret": "PLANTED-other"});
        let other = json!({"address": "198.51.100.0/24", "secret": "PLANTED-other"});
        let whole = config(1813);
        let mut integration = whole["integrations"][0].clone();
        let mut another = integration.clone();
        another["id"] = "radius_server_auto2".into();
        another["port"] = 1814.into();
        integration["port"] = 1815.into();
        let authenticator = json!({"id": "duo_only_client2", "kind": "duo_only"});
        let mut new = whole.clone();
        new.as_object_mut().unwrap().remove("revision");
        let user = "/api/v1/second-factor/users/{name}";
        let alice = "/api/v1/second-factor/users/alice";
        let mut all = vec![
            ("PUT", "settings", "settings".to_owned(), json!({}), 200),
            ("PATCH", "settings", "settings".to_owned(), json!({}), 200),
            (
                "POST",
                "integrations",
                "integrations".to_owned(),
                another,
                200,
            ),
            (
                "PUT",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                integration,
                200,
            ),
            (
                "PATCH",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                json!({"port": 1816}),
                200,
            ),
            (
                "DELETE",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                Value::Null,
                204,
            ),
            (
                "POST",
                "integrations/{id}/clients",
                format!("integrations/{THROUGH}/clients"),
                other,
                200,
            ),
            (
                "PUT",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                client.clone(),
                200,
            ),
            (
                "PATCH",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                json!({"secret": "PLANTED-other"}),
                200,
            ),
            (
                "DELETE",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                Value::Null,
                422,
            ),
            (
                "POST",
                "authenticators",
                "authenticators".to_owned(),
                authenticator,
                200,
            ),
            (
                "PUT",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                json!({"kind": "duo_only"}),
                200,
            ),
            (
                "PATCH",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                json!({}),
                200,
            ),
            (
                "DELETE",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                Value::Null,
                409,
            ),
            ("PUT", "config", "config".to_owned(), new.clone(), 409),
            (
                "POST",
                "config/validate",
                "config/validate".to_owned(),
                new.clone(),
                400,
            ),
            (
                "POST",
                "config/import",
                "config/import".to_owned(),
                new,
                400,
            ),
            (
                "POST",
                "revisions/{number}/rollback",
                "revisions/1/rollback".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "drafts",
                "drafts".to_owned(),
                json!({"message": "x"}),
                200,
            ),
            (
                "DELETE",
                "drafts/{id}",
                "drafts/1".to_owned(),
                Value::Null,
                204,
            ),
            (
                "POST",
                "drafts/{id}/apply",
                "drafts/1/apply".to_owned(),
                Value::Null,
                200,
            ),
            (
                "DELETE",
                "nodes/{node}",
                "nodes/b".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "nodes/{node}/drain",
                "nodes/b/drain".to_owned(),
                json!({"drain": true}),
                200,
            ),
            ("POST", "checks", "checks".to_owned(), json!({}), 400),
            (
                "POST",
                "logins",
                "logins".to_owned(),
                json!({"integration": THROUGH, "user": "a", "password": "b"}),
                400,
            ),
            (
                "POST",
                "primary-only",
                "primary-only".to_owned(),
                json!({"integration": CHECKED, "seconds": 60, "reason": "x"}),
                200,
            ),
            (
                "DELETE",
                "primary-only",
                "primary-only".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "join-tokens",
                "join-tokens".to_owned(),
                json!({}),
                200,
            ),
            (
                "DELETE",
                "join-tokens/{id}",
                format!("join-tokens/{}", self.join_token),
                Value::Null,
                204,
            ),
            (
                "POST",
                "session",
                "session".to_owned(),
                json!({"name": "alice", "password": PASSWORD}),
                400,
            ),
            ("DELETE", "session", "session".to_owned(), Value::Null, 400),
            (
                "PUT",
                "session/password",
                "session/password".to_owned(),
                json!({"password": PASSWORD, "new_password": "PLANTED new password"}),
                204,
            ),
            (
                "POST",
                "session/totp",
                "session/totp".to_owned(),
                json!({"password": PASSWORD, "passcode": "000000"}),
                409,
            ),
            (
                "PUT",
                "session/totp",
                "session/totp".to_owned(),
                json!({"passcode": "000000"}),
                409,
            ),
            (
                "PUT",
                "oidc",
                "oidc".to_owned(),
                json!({"issuer": "https://[::1]:1", "client_id": "c", "public_url": "https://gate.example.com"}),
                503,
            ),
            ("DELETE", "oidc", "oidc".to_owned(), Value::Null, 404),
            (
                "POST",
                "setup",
                "setup".to_owned(),
                json!({"setup": "x", "name": "y"}),
                400,
            ),
            (
                "POST",
                "invitation",
                "invitation".to_owned(),
                json!({"name": "bob", "invitation": self.invitation}),
                200,
            ),
            (
                "POST",
                "admins",
                "admins".to_owned(),
                json!({"name": "carol", "role": "viewer", "integration": THROUGH}),
                200,
            ),
            (
                "DELETE",
                "admins/{name}",
                "admins/alice".to_owned(),
                Value::Null,
                204,
            ),
            (
                "POST",
                "tokens",
                "tokens".to_owned(),
                json!({"name": "another", "role": "admin"}),
                200,
            ),
            (
                "DELETE",
                "tokens/{id}",
                format!("tokens/{}", self.token),
                Value::Null,
                204,
            ),
            (
                "POST",
                "second-factor/users",
                "second-factor/users".to_owned(),
                json!({"name": "none"}),
                200,
            ),
            (
                "PATCH",
                &user[8..],
                alice[8..].to_owned(),
                json!({"status": "disabled"}),
                200,
            ),
            (
                "DELETE",
                &user[8..],
                alice[8..].to_owned(),
                Value::Null,
                204,
            ),
        ];
        for (what, body) in [
            ("unlock", Value::Null),
            ("enroll", json!({})),
            ("bypass-codes", json!({"count": 2})),
            ("devices", json!({"kind": "phone"})),
        ] {
            let path = match what {
                "unlock" => "second-factor/users/{name}/unlock",
                "enroll" => "second-factor/users/{name}/enroll",
                "devices" => "second-factor/users/{name}/devices",
                _ => "second-factor/users/{name}/bypass-codes",
            };
            all.push(("POST", path, path.replace("{name}", "alice"), body, 200));
        }
        let device = "second-factor/users/{name}/devices/{id}";
        let at = "second-factor/users/alice/devices/DP1".to_owned();
        all.push(("DELETE", device, at, Value::Null, 204));
        for path in [
            "second-factor/approvals/{txid}/approve",
            "second-factor/approvals/{txid}/deny",
            "second-factor/approvals/{txid}/fraud",
        ] {
            all.push(("POST", path, path.replace("{txid}", "t1"), Value::Null, 204));
        }
        all
    }
}

#[tokio::test]
async fn no_write_that_is_only_tried_changes_anything() {
    let lab = Lab::start().await;
    let writes = lab.writes();
    let tried: BTreeSet<(&str, String)> = writes
        .iter()
        .map(|(method, path, ..)| (*method, format!("/api/v1/{path}")))
        .collect();
    let table: BTreeSet<(&str, String)> = least_roles()
        .into_iter()
        .filter(|(method, ..)| *method != "GET")
        .map(|(method, path, _)| (method, path.to_owned()))
        .collect();
    assert_eq!(tried, table, "each write of the table is tried here");
    let before = lab.everything().await;
    let mut wrong = Vec::new();
    for (method, path, address, body, want) in writes {
        let address = format!("/api/v1/{address}?dry_run=true");
        let text = body.to_string();
        let answer = lab.plane.call(method, &address, &lab.cookie, &text).await;
        let shown = String::from_utf8_lossy(&answer.octets).into_owned();
        if answer.status != want {
            wrong.push(format!("{method} {path}: {} {shown}", answer.status));
        }
        for secret in ["cst_", "PLANTED"] {
            assert!(!shown.contains(secret), "{method} {path}: {shown}");
        }
        let after = lab.everything().await;
        assert_eq!(after, before, "{method} {path}");
        if want == 400 && !path.starts_with("config/") {
            assert!(shown.contains("dry_run"), "{method} {path}: {shown}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_is_only_tried_is_checked_as_if_it_were_done() {
    let lab = Lab::start().await;
    let mut wrong = Vec::new();
    let bob = |more: &Value| {
        let mut body = json!({"name": "bob", "invitation": lab.invitation});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    for (method, address, body, status) in [
        (
            "POST",
            "tokens?dry_run=true",
            json!({"name": "a script", "role": "viewer"}),
            409,
        ),
        (
            "POST",
            "tokens?dry_run=true",
            json!({"name": " ", "role": "viewer"}),
            422,
        ),
        ("DELETE", "tokens/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "admins?dry_run=true",
            json!({"name": "bob", "role": "viewer"}),
            409,
        ),
        (
            "POST",
            "admins?dry_run=true",
            json!({"name": "c", "role": "viewer", "integration": "none"}),
            422,
        ),
        ("DELETE", "admins/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "invitation?dry_run=true",
            bob(&json!({"password": PASSWORD, "passcode": "x"})),
            422,
        ),
        (
            "POST",
            "invitation?dry_run=true",
            json!({"name": "bob", "invitation": "cst_none"}),
            401,
        ),
        (
            "POST",
            "join-tokens?dry_run=true",
            json!({"seconds": 0}),
            422,
        ),
        ("DELETE", "join-tokens/none?dry_run=true", Value::Null, 404),
        ("DELETE", "nodes/none?dry_run=true", Value::Null, 404),
        (
            "POST",
            "nodes/none/drain?dry_run=true",
            json!({"drain": true}),
            404,
        ),
        ("DELETE", "drafts/9?dry_run=true", Value::Null, 404),
        (
            "POST",
            "primary-only?dry_run=true",
            json!({"integration": CHECKED, "seconds": 0, "reason": "x"}),
            400,
        ),
        (
            "POST",
            "primary-only?dry_run=true",
            json!({"integration": CHECKED, "seconds": 60, "reason": "x", "confirm": "none"}),
            409,
        ),
        (
            "PUT",
            "session/password?dry_run=true",
            json!({"password": "wrong", "new_password": "PLANTED new password"}),
            401,
        ),
        (
            "PUT",
            "session/password?dry_run=true",
            json!({"password": PASSWORD, "new_password": "short"}),
            422,
        ),
        (
            "POST",
            "second-factor/users?dry_run=true",
            json!({"name": "alice"}),
            409,
        ),
        (
            "POST",
            "second-factor/users?dry_run=true",
            json!({"name": "none", "more": 1}),
            422,
        ),
        (
            "DELETE",
            "second-factor/users/none?dry_run=true",
            Value::Null,
            404,
        ),
        (
            "DELETE",
            "second-factor/users/alice/devices/none?dry_run=true",
            Value::Null,
            404,
        ),
        (
            "POST",
            "second-factor/approvals/none/deny?dry_run=true",
            Value::Null,
            404,
        ),
        // Other parameters, and other values.
        (
            "POST",
            "tokens?dry-run=true",
            json!({"name": "x", "role": "viewer"}),
            400,
        ),
        (
            "POST",
            "tokens?dry_run=1",
            json!({"name": "x", "role": "viewer"}),
            400,
        ),
        ("DELETE", "admins/alice?dryrun=true", Value::Null, 400),
        ("DELETE", "session?dry_run=false", Value::Null, 400),
        ("POST", "checks?more=1", json!({}), 400),
    ] {
        let address = format!("/api/v1/{address}");
        let text = body.to_string();
        let answer = lab.plane.call(method, &address, &lab.cookie, &text).await;
        if answer.status != status {
            let shown = String::from_utf8_lossy(&answer.octets).into_owned();
            wrong.push(format!("{method} {address}: {} {shown}", answer.status));
        }
        if address.contains("dry-run=") {
            let says = answer.json()["detail"].clone();
            assert!(says.as_str().unwrap().contains("`dry_run`"), "{says}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

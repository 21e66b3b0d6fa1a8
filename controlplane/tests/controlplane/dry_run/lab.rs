//! What is tried: a control plane with one of everything.

use std::sync::Arc;

use axum::Router;
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

pub(super) const PASSWORD: &str = "PLANTED long password";
pub(super) const THROUGH: &str = "radius_server_auto";
/// Where a primary checks passwords.
pub(super) const CHECKED: &str = "radius_server_auto9";

/// A control plane with one of everything, and what is named in addresses.
pub(super) struct Lab {
    pub(super) plane: Plane,
    asked: Asked,
    node: Stream,
    /// Of alice, who signed in.
    pub(super) cookie: String,
    /// What somebody has yet to take.
    pub(super) invitation: Value,
    pub(super) token: String,
    pub(super) join_token: String,
    _serving: JoinSet<()>,
}

impl Lab {
    pub(super) async fn start() -> Self {
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
    pub(super) async fn everything(&self) -> Value {
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
        // What the service tries itself is no change.
        let changes = asked.iter().filter(|(line, body)| {
            let tried = body["dry_run"] == true || line.ends_with("?dry_run=true");
            !line.starts_with("GET ") && !tried
        });
        let changes: Vec<&String> = changes.map(|(line, _)| line).collect();
        all.insert("second factor".to_owned(), json!(changes));
        Value::Object(all)
    }
}

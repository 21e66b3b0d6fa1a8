//! What nodes are told to do over the REST API: logins and checks, at nodes of this and the last version.

use std::net::SocketAddr;

use proto::check::{CheckKind, CheckResult, CheckRow};
use proto::command::{AnswerAttribute, Command, Finished, Outcome, TestLogin, TestedLogin};
use proto::rpc::{Empty, Subscribe, ToNode, UNDERSTANDS_COMMANDS, UNDERSTANDS_LOGINS};
use serde_json::{Value, json};

use crate::access::{Answer, Plane};
use crate::support::{LIMIT, Site, Stream, config, method, node, subscribe};

/// One with a file, a TCP address, and tokens of each role.
pub(crate) struct Lab {
    pub(crate) plane: Plane,
    viewer: String,
    operator: String,
    admin: String,
}

impl Lab {
    pub(crate) async fn start(config: &Value) -> Self {
        let mut site = Site::with(config);
        site.settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let handed_on = site.folder.path().join("api.sock");
        site.settings.api_socket = Some(handed_on.clone());
        let plane = Plane::with(site, handed_on).await;
        let (_, viewer) = plane.token("v", "viewer").await;
        let (_, operator) = plane.token("o", "operator").await;
        let (_, admin) = plane.token("a", "admin").await;
        Self {
            plane,
            viewer,
            operator,
            admin,
        }
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let path = format!("/api/v1{path}");
        self.plane
            .call("POST", &path, token, &body.to_string())
            .await
    }

    /// A node that says these words.
    pub(crate) async fn node(&self, name: &str, words: &[&str]) -> Stream {
        let asked = Subscribe {
            understands: words.iter().map(|word| (*word).to_owned()).collect(),
            ..subscribe(name)
        };
        let mut stream = self.plane.running.subscribe_with(&asked).await;
        stream.snapshot().await;
        stream
    }

    pub(crate) async fn finish(&self, name: &str, number: u64, outcome: Outcome) {
        let finished = Finished {
            node: node(name),
            number,
            outcome,
        };
        let client = &self.plane.running.client;
        let told = client.post(&method("Finished"), &finished, LIMIT).await;
        let _told: Empty = told.unwrap();
    }

    /// The deeds of one kind, newest first.
    pub(crate) async fn audit(&self, action: &str) -> Vec<Value> {
        let answer = self
            .plane
            .call("GET", "/api/v1/audit", &self.viewer, "")
            .await;
        let all = answer.json()["items"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|one| one["action"] == action)
            .collect()
    }
}

pub(crate) async fn command(stream: &mut Stream) -> (u64, Command) {
    loop {
        match stream.next().await.unwrap() {
            ToNode::Command { number, command } => return (number, command),
            ToNode::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn login(stream: &mut Stream) -> (u64, TestLogin) {
    match command(stream).await {
        (number, Command::Login { login }) => (number, *login),
        other => panic!("{other:?}"),
    }
}

fn tested(outcome: &str, state: Option<&str>) -> Outcome {
    let event = serde_json::from_value(json!({
        "id": "0".repeat(32), "at_ms": 1, "node": "b", "revision": 1, "test": true,
        "integration": "radius_server_auto", "ikey": "DI", "client": "0.0.0.0:0", "user": "alice",
        "outcome": outcome, "reason": "approved", "elapsed_us": 5,
        "timeline": [{"stage": "primary", "at_us": 1, "elapsed_us": 2, "detail": "bound"}],
    }))
    .unwrap();
    Outcome::LoggedIn {
        login: Box::new(TestedLogin {
            event,
            attributes: vec![
                AnswerAttribute {
                    vendor: None,
                    number: 11,
                    value: Some("c3RhZmY=".to_owned()),
                },
                AnswerAttribute {
                    vendor: Some(311),
                    number: 17,
                    value: None,
                },
            ],
            state: state.map(str::to_owned),
        }),
    }
}

fn request(more: &Value) -> Value {
    let mut request = json!({"integration": "radius_server_auto", "user": "alice"});
    let fields = request.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    request
}

pub(crate) const NEW: &[&str] = &[UNDERSTANDS_COMMANDS, UNDERSTANDS_LOGINS];
/// What the version before says.
const OLD: &[&str] = &[UNDERSTANDS_COMMANDS];

#[tokio::test]
async fn a_login_is_tried_explained_and_its_question_answered() {
    let lab = Lab::start(&config(1812)).await;
    let mut b = lab.node("b", NEW).await;
    let first =
        request(&json!({"password": "PLANTED-password", "calling_station_id": "192.0.2.9"}));
    let asking = lab.post("/logins", &lab.operator, &first);
    let answering = async {
        let (number, asked) = login(&mut b).await;
        assert_eq!(asked.typed.expose(), "PLANTED-password");
        assert_eq!((asked.state, asked.by.as_str()), (None, "token o"));
        assert_eq!(asked.calling_station.as_deref(), Some("192.0.2.9"));
        lab.finish("b", number, tested("challenge", Some("U3RhdGU=")))
            .await;
    };
    let (asked, ()) = tokio::join!(asking, answering);
    assert_eq!(asked.status, 200, "{asked:?}");
    let question = asked.json();
    assert_eq!(question["event"]["outcome"], "challenge");
    assert_eq!(question["event"]["timeline"][0]["elapsed_us"], 2);
    assert_eq!(
        question["attributes"],
        json!([{"name": "Filter-Id", "value": "staff"}, {"name": "MS-MPPE-Recv-Key"}])
    );
    let state = question["state"].as_str().unwrap();
    // Another node is there meanwhile: the one that asked is asked.
    let _a = lab.node("a", NEW).await;
    let second = request(&json!({"answer": "PLANTED-123456", "state": state}));
    let asking = lab.post("/logins", &lab.operator, &second);
    let answering = async {
        let (number, asked) = login(&mut b).await;
        assert_eq!(asked.typed.expose(), "PLANTED-123456");
        assert_eq!(asked.state.as_deref(), Some("U3RhdGU="));
        lab.finish("b", number, tested("accept", None)).await;
    };
    let (asked, ()) = tokio::join!(asking, answering);
    assert_eq!(asked.json()["event"]["outcome"], "accept");
    assert!(asked.json().get("state").is_none());

    let deeds = lab.audit("login.test").await;
    assert_eq!(deeds.len(), 2, "{deeds:#?}");
    assert_eq!(deeds[1]["actor"], "token o");
    assert_eq!(deeds[1]["source"], "127.0.0.1");
    assert_eq!(deeds[1]["target"], "integration radius_server_auto");
    assert_eq!(deeds[1]["detail"]["user"], "alice");
    assert!(!format!("{deeds:?}").contains("PLANTED"), "{deeds:#?}");
}

#[tokio::test]
async fn who_goes_breaks_the_login_off() {
    let lab = Lab::start(&config(1812)).await;
    let mut b = lab.node("b", NEW).await;
    let body = request(&json!({"password": "x"}));
    let number = tokio::select! {
        answer = lab.post("/logins", &lab.operator, &body) => panic!("{answer:?}"),
        (number, _) = login(&mut b) => number,
    };
    // The connection is closed by now.
    loop {
        match b.next().await.unwrap() {
            ToNode::Cancel { number: cancelled } => break assert_eq!(cancelled, number),
            ToNode::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_makes_no_login_is_refused_before_any_node_hears_of_it() {
    let lab = Lab::start(&config(1812)).await;
    let body = request(&json!({"password": "x"}));
    let nobody = lab.post("/logins", &lab.operator, &body).await;
    assert_eq!(nobody.status, 503, "{nobody:?}");
    let _old = lab.node("old", OLD).await;
    let older = lab.post("/logins", &lab.operator, &body).await;
    assert_eq!(older.status, 503, "none that knows how: {older:?}");
    for (name, token, more, status, says) in [
        (
            "a viewer",
            &lab.viewer,
            json!({"password": "x"}),
            403,
            "operator",
        ),
        (
            "an older node",
            &lab.operator,
            json!({"password": "x", "node": "old"}),
            409,
            "older",
        ),
        (
            "no such node",
            &lab.operator,
            json!({"password": "x", "node": "none"}),
            404,
            "no such node",
        ),
        ("nothing typed", &lab.operator, json!({}), 422, "password"),
        (
            "both",
            &lab.operator,
            json!({"password": "x", "answer": "y", "state": "a:b"}),
            422,
            "password",
        ),
        (
            "no state",
            &lab.operator,
            json!({"answer": "y"}),
            422,
            "state",
        ),
        (
            "a bad state",
            &lab.operator,
            json!({"answer": "y", "state": "x"}),
            422,
            "state",
        ),
        (
            "no user",
            &lab.operator,
            json!({"password": "x", "user": ""}),
            422,
            "user",
        ),
        (
            "too long",
            &lab.operator,
            json!({"password": "x".repeat(129)}),
            422,
            "128",
        ),
        (
            "no integration",
            &lab.operator,
            json!({"password": "x", "integration": "none"}),
            422,
            "integration",
        ),
        (
            "a stranger's field",
            &lab.operator,
            json!({"password": "x", "secret": "x"}),
            422,
            "secret",
        ),
    ] {
        let answer = lab.post("/logins", token, &request(&more)).await;
        let text = answer.json().to_string();
        assert_eq!(answer.status, status, "{name}: {text}");
        assert!(text.contains(says), "{name}: {text}");
    }
}

fn row() -> CheckRow {
    CheckRow {
        what: CheckKind::Revision,
        place: "b".to_owned(),
        sections: Vec::new(),
        from: None,
        result: CheckResult::Good,
        milliseconds: 1,
        found: "revision 1".to_owned(),
        remedy: None,
    }
}

#[tokio::test]
async fn one_node_or_all_are_checked() {
    let lab = Lab::start(&config(1812)).await;
    let mut old = lab.node("old", OLD).await;
    // Of two versions before.
    let _older = lab.node("older", &[]).await;
    let answering = async |stream: &mut Stream| {
        let (number, told) = command(stream).await;
        assert_eq!(told, Command::Check);
        let outcome = Outcome::Checked { rows: vec![row()] };
        lab.finish("old", number, outcome).await;
    };
    let named = json!({"node": "old"});
    let one = lab.post("/checks", &lab.operator, &named);
    let (one, ()) = tokio::join!(one, answering(&mut old));
    assert_eq!(one.status, 200, "{one:?}");
    assert_eq!(one.json()["nodes"][0]["rows"][0]["found"], "revision 1");
    let empty = json!({});
    let all = lab.post("/checks", &lab.operator, &empty);
    let (all, ()) = tokio::join!(all, answering(&mut old));
    let all = all.json();
    assert_eq!(all["nodes"][0]["node"], "old");
    assert_eq!(all["nodes"][0]["rows"].as_array().unwrap().len(), 1);
    assert_eq!(all["nodes"][1]["node"], "older");
    let error = all["nodes"][1]["error"].as_str().unwrap();
    assert!(error.contains("update it"), "{error}");
    for (token, body, status) in [
        (&lab.viewer, json!({}), 403),
        (&lab.operator, json!({"node": "none"}), 404),
        (&lab.operator, json!({"node": "older"}), 409),
        (&lab.operator, json!({"nodes": []}), 422),
    ] {
        let answer = lab.post("/checks", token, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let deeds = lab.audit("node.check").await;
    assert_eq!(deeds.last().unwrap()["target"], "node old");
}

#[tokio::test]
async fn what_is_done_to_nodes_is_audited() {
    let lab = Lab::start(&config(1812)).await;
    let gone = lab.node("gone", NEW).await;
    let token = lab
        .post("/join-tokens", &lab.admin, &json!({"node": "new"}))
        .await;
    assert_eq!(token.status, 201, "{token:?}");
    for drain in [true, false] {
        let body = json!({ "drain": drain });
        let answer = lab.post("/nodes/gone/drain", &lab.operator, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    drop(gone);
    let path = "/api/v1/nodes/gone";
    let removed = lab.plane.call("DELETE", path, &lab.admin, "").await;
    assert_eq!(removed.status, 200, "{removed:?}");
    for (action, actor, target) in [
        ("node.join_token", "token a", "join token"),
        ("node.drain", "token o", "node gone"),
        ("node.undrain", "token o", "node gone"),
        ("node.remove", "token a", "node gone"),
    ] {
        let deeds = lab.audit(action).await;
        assert_eq!(deeds.len(), 1, "{action}: {deeds:?}");
        assert_eq!(deeds[0]["actor"], actor, "{action}");
        assert_eq!(deeds[0]["source"], "127.0.0.1", "{action}");
        assert!(
            deeds[0]["target"].as_str().unwrap().starts_with(target),
            "{action}"
        );
    }
    let written = token.json()["token"].as_str().unwrap().to_owned();
    let secret = written.rsplit('_').next().unwrap();
    let all = format!("{:?}", lab.audit("node.join_token").await);
    assert!(!all.contains(secret), "{all}");
}

#[tokio::test]
async fn primary_only_is_for_administrators_and_ended_by_operators() {
    let mut config = config(1812);
    config["authenticators"] = json!([{"id": "radius_client", "kind": {"radius": {
        "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "s",
    }}}]);
    config["integrations"][0]["authenticator"] = "radius_client".into();
    let lab = Lab::start(&config).await;
    let path = "/primary-only";
    let mut body = json!({"all": true, "seconds": 600, "reason": "outage"});
    for token in [&lab.viewer, &lab.operator] {
        assert_eq!(lab.post(path, token, &body).await.status, 403);
    }
    body["by"] = "somebody else".into();
    assert_eq!(lab.post(path, &lab.admin, &body).await.status, 422);
    body.as_object_mut().unwrap().remove("by");
    let first = lab.post(path, &lab.admin, &body).await.json();
    assert_eq!(first["type"], "confirm", "{first}");
    assert_eq!(first["would"]["opens"], json!(["radius_server_auto"]));
    body["confirm"] = first["token"].clone();
    // What one asked for another does not confirm.
    let (_, other) = lab.plane.token("b", "admin").await;
    assert_eq!(lab.post(path, &other, &body).await.status, 409);
    let again = json!({"all": true, "seconds": 600, "reason": "outage"});
    body["confirm"] = lab.post(path, &lab.admin, &again).await.json()["token"].clone();
    let started = lab.post(path, &lab.admin, &body).await.json();
    assert_eq!(started["type"], "started", "{started}");
    assert_eq!(started["grant"]["by"], "token a");
    let seen = lab
        .plane
        .call("GET", "/api/v1/primary-only", &lab.viewer, "")
        .await;
    assert_eq!(seen.json()["grants"][0]["reason"], "outage");
    for (token, status) in [(&lab.viewer, 403), (&lab.operator, 200)] {
        let ended = lab
            .plane
            .call("DELETE", "/api/v1/primary-only", token, "")
            .await;
        assert_eq!(ended.status, status, "{ended:?}");
    }
    let started = lab.audit("primary-only.start").await;
    assert_eq!(started.len(), 1);
    assert_eq!(started[0]["detail"]["grant"]["reason"], "outage");
    let ended = lab.audit("primary-only.stop").await;
    assert_eq!((ended.len(), &ended[0]["actor"]), (1, &json!("token o")));
}

//! The REST API over the admin socket, with the database as the truth.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{ControlPlane, Site, config};

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A control plane without a file.
struct Plane {
    site: Site,
    running: ControlPlane,
    socket: PathBuf,
}

impl Plane {
    async fn start() -> Self {
        let mut site = Site::new();
        site.settings.source = None;
        let running = site.start().await;
        let socket = site.settings.socket.clone();
        Self {
            site,
            running,
            socket,
        }
    }

    async fn call(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(!answer.contains("PLANTED"), "a secret came out: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        Answer {
            status: status.parse().unwrap(),
            headers: lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "", None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, "", Some(body)).await
    }

    /// With one authenticator and one integration.
    async fn with_one() -> Self {
        let plane = Self::start().await;
        let config = config(1812);
        for (path, body) in [
            ("/authenticators", &config["authenticators"][0]),
            ("/integrations", &config["integrations"][0]),
        ] {
            let made = plane.post(path, body).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        plane
    }
}

#[tokio::test]
async fn what_is_made_is_pushed_listed_changed_and_removed() {
    let plane = Plane::with_one().await;
    let mut stream = plane.running.subscribe("one").await;
    let pushed = stream.snapshot().await;
    assert_eq!((pushed.revision, pushed.integrations[0].port), (2, 1812));
    let secret = pushed.integrations[0].clients[0].secret.expose();
    assert_eq!(secret, "PLANTED-radius");

    let list = plane.get("/integrations").await;
    assert_eq!((list.status, &list.body["total"]), (200, &json!(1)));
    let shown = &list.body["items"][0];
    assert_eq!(shown["application"]["skey"]["set"], true);

    let path = "/integrations/radius_server_auto";
    let one = plane.get(path).await;
    assert_eq!(&one.body, shown);
    let tag = one.header("etag").unwrap().to_owned();
    let mut changed = one.body.clone();
    changed["port"] = json!(1645);
    let based = format!("if-match: {tag}\r\n");
    let put = plane.call("PUT", path, &based, Some(&changed)).await;
    assert_eq!((put.status, &put.body["port"]), (200, &json!(1645)));
    assert_eq!(put.header("countersign-revision"), Some("3"));
    let pushed = stream.snapshot().await;
    assert_eq!((pushed.revision, pushed.integrations[0].port), (3, 1645));
    let secret = pushed.integrations[0].clients[0].secret.expose();
    assert_eq!(
        secret, "PLANTED-radius",
        "what was read can be written back"
    );

    // Somebody changed it meanwhile.
    let late = plane.call("PUT", path, &based, Some(&changed)).await;
    assert_eq!(late.status, 412, "{late:?}");
    let client = format!("{path}/clients/192.0.2.0%2F24");
    let secret = json!({"secret": "PLANTED-new"});
    let patched = plane.call("PATCH", &client, "", Some(&secret)).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let pushed = stream.snapshot().await;
    assert_eq!(
        pushed.integrations[0].clients[0].secret.expose(),
        "PLANTED-new"
    );

    let gone = plane.call("DELETE", path, "", None).await;
    assert_eq!((gone.status, &gone.body), (204, &Value::Null));
    assert_eq!(plane.get(path).await.status, 404);
    assert!(stream.snapshot().await.integrations.is_empty());
    plane.running.stop().await;
}

#[tokio::test]
async fn what_is_only_tried_makes_nothing() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto?dry_run=true";
    let tried = plane
        .call("PATCH", path, "", Some(&json!({"port": 1645})))
        .await;
    assert_eq!((tried.status, &tried.body["port"]), (200, &json!(1645)));
    assert_eq!(tried.header("countersign-dry-run"), Some("change"));
    assert_eq!(tried.header("countersign-revision"), None);
    let same = plane
        .call("PATCH", path, "", Some(&json!({"port": 1812})))
        .await;
    assert_eq!(same.header("countersign-dry-run"), Some("nothing"));
    let status = plane.running.status().await;
    assert_eq!(status.revision.unwrap().number.0, 2);
    assert_eq!(
        plane.get("/integrations/radius_server_auto").await.body["port"],
        1812
    );
    plane.running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_what_would_be_right() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto";
    let two = json!({"mode": "auto"});
    for (method, path, headers, body, status, says) in [
        (
            "GET",
            "/integrations/none",
            "",
            None,
            404,
            "no integration 'none'",
        ),
        ("GET", "/nothing", "", None, 404, "no such address"),
        ("DELETE", "/integrations", "", None, 405, "other methods"),
        (
            "GET",
            "/integrations?limit=0",
            "",
            None,
            400,
            "limit is 1 to 1000",
        ),
        (
            "GET",
            "/integrations?page=2",
            "",
            None,
            400,
            "unknown field `page`",
        ),
        (
            "POST",
            "/integrations",
            "",
            Some(&two),
            422,
            "has a name of its own",
        ),
        (
            "PUT",
            path,
            "if-none-match: *\r\n",
            Some(&two),
            412,
            "not as it was",
        ),
        (
            "PUT",
            path,
            "if-none-match: 1\r\n",
            Some(&two),
            400,
            "If-Match",
        ),
        (
            "PATCH",
            path,
            "",
            Some(&json!({"port": 0})),
            422,
            "integrations[0].port",
        ),
        (
            "PATCH",
            path,
            "",
            Some(&json!({"prot": 1})),
            422,
            "unknown field `prot`",
        ),
        (
            "PATCH",
            path,
            "",
            Some(&json!({"authenticator": "x"})),
            422,
            "authenticator",
        ),
        (
            "DELETE",
            "/authenticators/duo_only_client",
            "",
            None,
            409,
            "radius_server_auto",
        ),
        ("DELETE", "/settings", "", None, 405, "other methods"),
    ] {
        let answer = plane.call(method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert!(answer.body.to_string().contains(says), "{says}: {answer:?}");
        assert_eq!(answer.body["status"], status);
    }
    let status = plane.running.status().await;
    assert_eq!(status.revision.unwrap().number.0, 2, "nothing was changed");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_file_is_changed_where_it_is() {
    let mut plane = Plane::start().await;
    plane.running.stop().await;
    let site = Site::with(&config(1812));
    plane.running = site.start().await;
    plane.socket = site.settings.socket.clone();
    let path = "/integrations/radius_server_auto";
    assert_eq!(plane.get(path).await.body["port"], 1812);
    let answer = plane
        .call("PATCH", path, "", Some(&json!({"port": 1})))
        .await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(
        detail.contains(&site.file().display().to_string()),
        "{detail}"
    );
    plane.running.stop().await;
    drop(plane.site);
}

#[tokio::test]
async fn changes_at_once_are_made_one_after_the_other() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto/clients";
    let one = |n: u8| {
        let body = json!({"address": format!("198.51.100.{n}"), "secret": "PLANTED-many"});
        let plane = &plane;
        async move { plane.post(path, &body).await.status }
    };
    let made = tokio::join!(one(1), one(2), one(3), one(4), one(5), one(6));
    assert_eq!(made, (201, 201, 201, 201, 201, 201));
    let list = plane.get(&format!("{path}?limit=4")).await.body;
    assert_eq!(
        (list["items"].as_array().unwrap().len(), &list["total"]),
        (4, &json!(7))
    );
    let next = list["next"].as_str().unwrap();
    let rest = plane
        .get(&format!("{path}?limit=4&cursor={next}"))
        .await
        .body;
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);
    let again = plane
        .post(path, &json!({"address": "198.51.100.1", "secret": "x"}))
        .await;
    assert_eq!(again.status, 412, "it is there already");
    plane.running.stop().await;
}

#[tokio::test]
async fn nodes_are_listed_told_to_drain_and_removed() {
    let plane = Plane::start().await;
    let stream = plane.running.subscribe("one").await;
    let list = plane.get("/nodes").await;
    assert_eq!(
        (list.status, &list.body["items"][0]["node"]),
        (200, &json!("one")),
        "{list:?}"
    );
    let drained = plane
        .post("/nodes/one/drain", &json!({"drain": true}))
        .await;
    assert_eq!(
        (drained.status, &drained.body["draining"]),
        (200, &json!(true))
    );
    // It does not say that it knows commands.
    let check = plane.post("/nodes/one/check", &json!(null)).await;
    assert_eq!(check.status, 409, "{check:?}");
    for (path, body, status) in [
        ("/nodes/two/check", json!(null), 404),
        ("/nodes/two/drain", json!({"drain": true}), 404),
        ("/nodes/one/drain", json!({}), 400),
        ("/nodes/join-tokens", json!({"seconds": 0}), 422),
        ("/nodes/join-tokens", json!({"node": "a b"}), 400),
    ] {
        let answer = plane.post(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let made = plane
        .post("/nodes/join-tokens", &json!({"node": "b"}))
        .await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, Some("no-store"))
    );
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("csj_"), "no token");
    let gone = plane.call("DELETE", "/nodes/one", "", None).await;
    assert_eq!((gone.status, &gone.body["node"]), (200, &json!("one")));
    assert_eq!(plane.get("/nodes/one").await.status, 404);
    drop(stream);
    plane.running.stop().await;
}

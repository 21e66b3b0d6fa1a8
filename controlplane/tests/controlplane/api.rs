//! The REST API over the admin socket, with the database as the truth.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::config_file::FILE;
use crate::support::{ControlPlane, Site, config};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A control plane without a file.
pub(crate) struct Plane {
    pub(crate) site: Site,
    pub(crate) running: ControlPlane,
    pub(crate) socket: PathBuf,
}

impl Plane {
    pub(crate) async fn start() -> Self {
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

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = match headers.contains("content-type") {
            true => "",
            false => "content-type: application/json\r\n",
        };
        let headers = format!("{kind}{headers}");
        self.send(method, path, &headers, body.as_bytes()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Answer {
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\n{headers}\r\n",
            body.len()
        );
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // What is refused before its end may not be read to it.
        drop(stream.write_all(body).await);
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

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "", None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, "", Some(body)).await
    }

    /// With one authenticator and one integration.
    pub(crate) async fn with_one() -> Self {
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

/// A field of each item of a list.
pub(crate) fn column(page: &Value, name: &str) -> Value {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|one| one[name].clone()).collect()
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
    let since = shown["clients"][0]["secret"]["set_at_ms"].as_u64();
    assert!(since.is_some(), "{shown}");

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
    assert!(patched.body["secret"]["set_at_ms"].as_u64() > since);
    let other = plane.get(path).await.body["application"]["skey"].take();
    assert_eq!(other, shown["application"]["skey"], "that was not touched");
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
            "there is no parameter 'page'; there are limit",
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
    let whole = plane.get(path).await.body;
    assert_eq!(whole["port"], 1812);
    let draft = plane.post("/drafts", &json!({})).await.body["id"].clone();
    let into = format!("{path}?draft={draft}");
    let tried = format!("{path}?dry_run=true");
    let device = json!({"id": "device", "kind": "duo_only"});
    let import = json!({"text": FILE});
    for (method, path, body) in [
        ("PATCH", path, json!({"port": 1})),
        ("PATCH", tried.as_str(), json!({"port": 1})),
        ("PATCH", into.as_str(), json!({"port": 1})),
        ("PUT", path, whole.clone()),
        ("DELETE", path, Value::Null),
        ("PATCH", "/settings", json!({"debug": true})),
        ("POST", "/authenticators", device),
        ("POST", "/config/import", import),
        ("POST", &format!("/drafts/{draft}/apply"), json!({})),
    ] {
        let answer = plane.call(method, path, "", Some(&body)).await;
        assert_eq!(answer.status, 409, "{method} {path}: {answer:?}");
        assert_eq!(answer.body["type"], "urn:countersign:problem:file-is-truth");
        let detail = answer.body["detail"].as_str().unwrap();
        for says in [
            &*site.file().display().to_string(),
            "edit it there",
            "PUT /api/v1/config",
        ] {
            assert!(detail.contains(says), "{method} {path}: {detail}");
        }
    }
    assert_eq!(plane.get(path).await.body, whole);
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
    assert_eq!(again.status, 409, "it is there already");
    plane.running.stop().await;
}

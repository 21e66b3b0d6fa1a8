//! The REST API over the admin socket, with the database as the truth.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use controlplane::AuthproxyFile;
use proto::rpc::Verdict;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

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

#[tokio::test]
async fn revisions_are_listed_compared_and_gone_back_to() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto";
    let change = json!({"port": 1645, "application": {"skey": "PLANTED-other"}});
    let patched = plane
        .call(
            "PATCH",
            &format!("{path}?message=another%20port"),
            "",
            Some(&change),
        )
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    plane.running.subscribe("one").await.snapshot().await;
    plane.running.acknowledge("one", 3, Verdict::Applied).await;

    let list = plane.get("/revisions?limit=2").await.body;
    assert_eq!(
        (&list["items"][0]["number"], &list["total"]),
        (&json!(3), &json!(3))
    );
    let next = list["next"].as_str().unwrap();
    assert_eq!(list["items"][0]["message"], "another port");
    assert_eq!(list["items"][0]["author"], "command line");
    let rest = plane
        .get(&format!("/revisions?limit=2&cursor={next}"))
        .await;
    assert_eq!(rest.body["items"][0]["number"], 1);
    assert_eq!(rest.body.get("next"), None);
    for (query, numbers) in [
        ("q=another", json!([3])),
        ("sort=number&limit=2", json!([1, 2])),
        (
            "author=command+line&sort=-created_at_ms&limit=1",
            json!([3]),
        ),
        ("author=nobody", json!([])),
        ("from=2020-01-01&to=2020-01-02", json!([])),
    ] {
        let found = plane.get(&format!("/revisions?{query}")).await.body;
        assert_eq!(column(&found, "number"), numbers, "{query}");
    }

    let one = plane.get("/revisions/3").await.body;
    assert_eq!(
        (&one["served"], &one["nodes"][0]["node"]),
        (&json!(true), &json!("one"))
    );
    assert_eq!(one["nodes"][0]["type"], "applied");
    assert_eq!(one["configuration"]["integrations"][0]["port"], 1645);

    let diff = plane.get("/revisions/3/diff").await.body;
    let places: Vec<_> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "integrations[radius_server_auto].application.skey",
            "integrations[radius_server_auto].port",
        ]
    );
    let first = plane.get("/revisions/1/diff").await.body;
    assert_eq!((&first["from"], &first["to"]), (&json!(0), &json!(1)));

    let tried = plane
        .post("/revisions/2/rollback?dry_run=true", &json!({}))
        .await
        .body;
    assert_eq!(
        (tried.get("revision"), &tried["differences"][1]["after"]),
        (None, &json!(1812))
    );
    let back = plane.post("/revisions/2/rollback", &json!({})).await.body;
    assert_eq!(back["revision"]["number"], 4);
    assert_eq!(back["revision"]["message"], "back to revision 2");
    let mut stream = plane.running.subscribe("two").await;
    let pushed = stream.snapshot().await;
    assert_eq!((pushed.revision, pushed.integrations[0].port), (4, 1812));
    let skey = pushed.integrations[0].application.skey.expose();
    assert_eq!(skey, "PLANTED-skey", "secrets go back too");
    assert_eq!(plane.get("/revisions/9").await.status, 404);
    let none = plane.get("/revisions/x").await;
    assert_eq!(none.status, 404, "{none:?}");
    assert_eq!(
        none.header("content-type"),
        Some("application/problem+json")
    );
    plane.running.stop().await;
}

pub(crate) const FILE: &str = "; of an earlier gateway\n[radius_client]\nhost=192.0.2.9\nsecret=PLANTED-upstream\n\n\
     [radius_server_auto]\nikey=DIXXXXXXXXXXXXXXXXXX\nskey=PLANTED-skey-PLANTED-skey-PLANTED-skey\n\
     api_host=api.example.com\nclient=radius_client\nradius_ip_1=192.0.2.1\n\
     radius_secret_1=PLANTED-radius\n";

#[tokio::test]
async fn a_file_is_imported_added_and_given_back() {
    let plane = Plane::start().await;
    let file = json!({"text": FILE});
    let good = plane.post("/config/validate", &file).await.body;
    assert_eq!(good["good"], true, "{good}");
    let tried = plane.post("/config/import?dry_run=true", &file).await.body;
    assert_eq!(tried.get("revision"), None);
    assert_eq!(plane.get("/integrations").await.body["total"], 0);
    let done = plane.post("/config/import", &file).await.body;
    assert_eq!(done["revision"]["number"], 1, "{done}");
    assert_eq!(done["differences"].as_array().unwrap().len(), 2);
    let pushed = plane.running.subscribe("one").await.snapshot().await;
    let secret = pushed.integrations[0].clients[0].secret.expose();
    assert_eq!(secret, "PLANTED-radius");

    let again = plane.post("/config/import?merge=true", &file).await;
    assert_eq!(again.status, 422, "{again:?}");
    assert_eq!(
        again.body["errors"][0]["path"],
        "authenticators[radius_client]"
    );
    let more = FILE
        .replace("_client]", "_client2]")
        .replace("_auto]", "_auto2]");
    let more = more.replace("client=radius_client", "client=radius_client2\nport=1813");
    let more = plane
        .post("/config/import?merge=true", &json!({"text": more}))
        .await;
    assert_eq!(more.body["revision"]["number"], 2, "{more:?}");
    assert_eq!(plane.get("/integrations").await.body["total"], 2);

    let shown = plane.get("/config").await.body;
    assert!(
        shown["text"]
            .as_str()
            .unwrap()
            .contains("skey_protected=[secret]"),
        "{shown}"
    );
    let sealed = plane.get("/config?secrets=sealed").await.body;
    let back = plane
        .post("/config/import", &json!({"text": sealed["text"]}))
        .await
        .body;
    assert_eq!(back.get("revision"), None, "it is what there is: {back}");
    plane.running.stop().await;
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_lines_and_nothing_changes() {
    let plane = Plane::with_one().await;
    let bad = FILE
        .replace("port", "prt")
        .replace("api_host=api.example.com", "api_host=");
    let answer = plane.post("/config/import", &json!({"text": bad})).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let error = &answer.body["errors"][0];
    assert_eq!(error["path"], "radius_server_auto.api_host");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("authproxy.cfg:9: error:"),
        "{error}"
    );
    let named = FILE.replace(
        "[radius_client]",
        "[main]\nhttp_ca_certs_file=ca.pem\n[radius_client]",
    );
    let answer = plane.post("/config/import", &json!({"text": named})).await;
    assert!(
        answer.body.to_string().contains("add it to files"),
        "{answer:?}"
    );
    for (path, body) in [
        ("/config/import", json!({})),
        ("/config/validate", json!([])),
    ] {
        assert_eq!(plane.post(path, &body).await.status, 400);
    }
    let put = plane
        .call("PUT", "/config", "", Some(&json!({"text": FILE})))
        .await;
    assert_eq!(put.status, 409, "{put:?}");
    assert_eq!(plane.running.status().await.revision.unwrap().number.0, 2);
    plane.running.stop().await;
}

#[tokio::test]
async fn the_text_editors_door_writes_the_file_and_keeps_its_comments() {
    let mut site = Site::new();
    let file = site.file();
    std::fs::write(&file, FILE).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    site.settings.source = Some(Arc::new(AuthproxyFile::new(&file, None)));
    let running = site.start().await;
    let socket = site.settings.socket.clone();
    let plane = Plane {
        site,
        running,
        socket,
    };
    let text = FILE.replace("radius_ip_1", "; the new one\nport=1645\nradius_ip_1");
    let body = json!({"text": text});
    let tried = plane
        .call("PUT", "/config?dry_run=true", "", Some(&body))
        .await;
    assert_eq!(
        (tried.status, tried.body.get("reload")),
        (200, None),
        "{tried:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), FILE);
    let put = plane.call("PUT", "/config", "", Some(&body)).await;
    assert_eq!(put.body["reload"]["result"], "applied", "{put:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(
        plane.get("/integrations/radius_server_auto").await.body["port"],
        1645
    );
    let bad = json!({"text": text.replace("port=1645", "port=0")});
    let refused = plane.call("PUT", "/config", "", Some(&bad)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        text,
        "nothing half-applied"
    );
    let import = plane.post("/config/import", &body).await;
    assert_eq!(import.status, 409, "{import:?}");
    plane.running.stop().await;
}

#[tokio::test]
async fn whatever_was_changed_is_in_the_audit_and_nobody_changes_that() {
    let plane = Plane::with_one().await;
    let path = "/integrations/radius_server_auto";
    let change = json!({"port": 1645, "application": {"skey": "PLANTED-other"}});
    plane.call("PATCH", path, "", Some(&change)).await;
    let tried = format!("{path}?dry_run=true");
    plane
        .call("PATCH", &tried, "", Some(&json!({"port": 1})))
        .await;
    plane
        .call("PATCH", path, "", Some(&json!({"port": 0})))
        .await;
    let audit = plane.get("/audit").await.body;
    let items = audit["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "what changes nothing is no deed: {audit}");
    let last = &items[0];
    assert_eq!(
        (&last["seq"], &last["actor"], &last["target"]),
        (&json!(3), &json!("command line"), &json!("revision 3"))
    );
    assert_eq!(last["detail"][1]["before"], 1812);
    assert_eq!(last["detail"][1]["after"], 1645);
    assert_eq!(
        last["detail"][0]["before"]["set"], true,
        "secrets are masked"
    );
    let page = plane.get("/audit?limit=2").await.body;
    assert_eq!(
        (column(&page, "seq"), &page["next"]),
        (json!([3, 2]), &json!("2"))
    );
    for (query, found) in [
        ("cursor=2", json!([1])),
        ("sort=seq&limit=1", json!([1])),
        ("sort=seq&cursor=1", json!([2, 3])),
        ("action=configuration&target=revision+2", json!([2])),
        ("actor=nobody", json!([])),
        ("source=192.0.2.1", json!([])),
        ("from=2020-01-01", json!([3, 2, 1])),
        ("to=2020-01-01", json!([])),
    ] {
        let page = plane.get(&format!("/audit?{query}")).await.body;
        assert_eq!(column(&page, "seq"), found, "{query}");
    }
    let whole = plane.get("/audit/verify").await.body;
    assert_eq!(
        (&whole["whole"], &whole["entries"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(whole["link"], last["link"]);
    plane.running.stop().await;
}

#[tokio::test]
async fn several_writes_are_applied_as_one() {
    let plane = Plane::with_one().await;
    let draft = plane
        .post("/drafts", &json!({"message": "a second VPN"}))
        .await;
    assert_eq!(
        (draft.status, &draft.body["id"]),
        (201, &json!(1)),
        "{draft:?}"
    );
    let mut second = config(1813)["integrations"][0].clone();
    second["id"] = json!("vpn-two");
    second["authenticator"] = json!("upstream");
    // In an order in which the first alone could not be served.
    let made = plane.post("/integrations?draft=1", &second).await;
    assert_eq!(made.status, 201, "{made:?}");
    let shown = plane.get("/drafts/1").await.body;
    assert!(
        shown["problem"]["detail"]
            .as_str()
            .unwrap()
            .contains("authenticator"),
        "{shown}"
    );
    let early = plane.post("/drafts/1/apply", &json!({})).await;
    assert_eq!(early.status, 422, "{early:?}");
    let upstream = json!({"id": "upstream", "kind": {"radius": {
        "hosts": [{"name": "192.0.2.9", "port": 1812}], "secret": "PLANTED-upstream",
    }}});
    assert_eq!(
        plane
            .post("/authenticators?draft=1", &upstream)
            .await
            .status,
        201
    );
    let port = json!({"port": 1814});
    let patched = plane
        .call("PATCH", "/integrations/vpn-two?draft=1", "", Some(&port))
        .await;
    assert_eq!((patched.status, &patched.body["port"]), (200, &json!(1814)));
    let again = plane.post("/authenticators?draft=1", &upstream).await;
    assert_eq!(again.status, 409, "it is in the draft already");
    assert_eq!(
        plane.get("/integrations").await.body["total"],
        1,
        "nothing is applied yet"
    );

    // Somebody changes something else meanwhile.
    let other = json!({"port": 1645});
    plane
        .call(
            "PATCH",
            "/integrations/radius_server_auto",
            "",
            Some(&other),
        )
        .await;
    let tried = plane
        .post("/drafts/1/apply?dry_run=true", &json!({}))
        .await
        .body;
    assert_eq!(tried["differences"].as_array().unwrap().len(), 2, "{tried}");
    let applied = plane.post("/drafts/1/apply", &json!({})).await.body;
    assert_eq!(applied["revision"]["message"], "a second VPN", "{applied}");
    let pushed = plane.running.subscribe("one").await.snapshot().await;
    let ports: Vec<_> = pushed.integrations.iter().map(|one| one.port).collect();
    assert_eq!((pushed.revision, ports), (4, vec![1645, 1814]));
    assert_eq!(plane.get("/drafts/1").await.status, 404);
    assert_eq!(plane.post("/drafts", &json!({})).await.body["id"], 2);
    assert_eq!(
        plane.call("DELETE", "/drafts/2", "", None).await.status,
        204
    );
    let none = json!({"items": [], "total": 0});
    assert_eq!(plane.get("/drafts").await.body, none);
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
    let check = plane.post("/checks", &json!({"node": "one"})).await;
    assert_eq!(check.status, 409, "{check:?}");
    for (path, body, status) in [
        ("/checks", json!({"node": "two"}), 404),
        ("/nodes/two/drain", json!({"drain": true}), 404),
        ("/nodes/one/drain", json!({}), 422),
        ("/join-tokens", json!({"seconds": 0}), 422),
        ("/join-tokens", json!({"node": "a b"}), 422),
    ] {
        let answer = plane.post(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let made = plane.post("/join-tokens", &json!({"node": "b"})).await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, Some("no-store"))
    );
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("csj_"), "no token");
    let id = made.body["id"].as_str().unwrap();
    let listed = plane.get("/join-tokens").await.body;
    assert_eq!(
        (&listed["total"], &listed["items"][0]["node"]),
        (&json!(1), &json!("b")),
        "{listed:#}"
    );
    let secret = token.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret), "{listed:#}");
    let path = format!("/join-tokens/{id}");
    assert_eq!(plane.get(&path).await.body, listed["items"][0]);
    for status in [204, 404] {
        let gone = plane.call("DELETE", &path, "", None).await;
        assert_eq!(gone.status, status);
        assert_eq!(plane.get(&path).await.status, 404);
    }
    // A node may be called what addresses are: it is seen and removed like any other.
    let odd = plane.running.subscribe("join-tokens").await;
    let found = plane.get("/nodes/join-tokens").await;
    assert_eq!(found.body["node"], "join-tokens", "{found:?}");
    let gone = plane.call("DELETE", "/nodes/join-tokens", "", None).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    drop(odd);
    let gone = plane.call("DELETE", "/nodes/one", "", None).await;
    assert_eq!((gone.status, &gone.body["node"]), (200, &json!("one")));
    assert_eq!(plane.get("/nodes/one").await.status, 404);
    drop(stream);
    plane.running.stop().await;
}

//! Who is let in to the REST API over TCP, and what every answer has.

use std::net::SocketAddr;
use std::path::PathBuf;

use controlplane::{Settings, least_roles};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{ControlPlane, LIMIT, Site, config};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) octets: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.octets).unwrap()
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let kind = match headers.contains("content-type:") {
        true => "",
        false => "content-type: application/json\r\n",
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         {kind}content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let octets = answer.split_off(end.unwrap() + 4);
    let head = String::from_utf8(answer).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        octets,
    }
}

/// A control plane without a file, with a TCP address and an API socket.
pub(crate) struct Plane {
    pub(crate) site: Site,
    pub(crate) running: ControlPlane,
    pub(crate) tcp: SocketAddr,
    handed_on: PathBuf,
}

impl Plane {
    pub(crate) async fn start() -> Self {
        let mut site = Site::new();
        site.settings.source = None;
        site.settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let handed_on = site.folder.path().join("api.sock");
        site.settings.api_socket = Some(handed_on.clone());
        Self::with(site, handed_on).await
    }

    pub(crate) async fn with(site: Site, handed_on: PathBuf) -> Self {
        let running = site.start().await;
        let tcp = running.admin.unwrap();
        Self {
            site,
            running,
            tcp,
            handed_on,
        }
    }

    /// As somebody from outside.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let stream = TcpStream::connect(self.tcp).await.unwrap();
        exchange(stream, method, path, headers, body).await
    }

    /// As a supervisor hands it on.
    pub(crate) async fn hand_on(&self, path: &str, headers: &str) -> Answer {
        let stream = UnixStream::connect(&self.handed_on).await.unwrap();
        exchange(stream, "GET", path, headers, "").await
    }

    /// As the command line.
    pub(crate) async fn locally(&self, method: &str, path: &str, body: &Value) -> Answer {
        let socket = &self.site.settings.socket;
        let stream = UnixStream::connect(socket).await.unwrap();
        exchange(stream, method, path, "", &body.to_string()).await
    }

    /// Makes a token; gives its id and the header with it.
    pub(crate) async fn token(&self, name: &str, role: &str) -> (String, String) {
        let asked = json!({ "name": name, "role": role });
        let made = self.locally("POST", "/api/v1/tokens", &asked).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        let header = format!(
            "authorization: Bearer {}\r\n",
            made["token"].as_str().unwrap()
        );
        (made["id"].as_str().unwrap().to_owned(), header)
    }
}

pub(crate) const PAGE: &str = "countersign-page: 1\r\n";

/// Comes from this address with what opens nothing, until it has to wait.
pub(crate) async fn fail_until_waiting(plane: &Plane) {
    let guess = format!("authorization: Bearer cst_{:016x}_{:064x}\r\n", 1, 1);
    for want in [401, 401, 401, 401, 401, 429] {
        let answer = plane.call("GET", "/api/v1/settings", &guess, "").await;
        assert_eq!(answer.status, want, "{answer:?}");
    }
}

#[tokio::test]
async fn every_route_refuses_whoever_has_less_than_its_role_and_lets_in_who_has_it() {
    let plane = Plane::start().await;
    let mut headers = vec![(0, String::new())];
    for (rank, role) in (1..).zip(["viewer", "operator", "admin"]) {
        headers.push((rank, plane.token(role, role).await.1));
    }
    let rank = |role| {
        ["viewer", "operator", "admin"]
            .iter()
            .position(|one| *one == role)
    };
    for (method, path, least) in least_roles() {
        let least = least.map_or(0, |role| rank(role).unwrap() + 1);
        let address = path
            .replace("{id}", "none")
            .replace("{address}", "none")
            .replace("{name}", "none");
        for (rank, header) in &headers {
            let header = format!("{header}{PAGE}");
            let answer = plane.call(method, &address, &header, "").await;
            let what = format!("{method} {path} as {rank}: {answer:?}");
            match rank {
                rank if *rank >= least => {
                    assert!(![401, 403, 405].contains(&answer.status), "{what}")
                }
                0 => assert_eq!(answer.status, 401, "{what}"),
                _ => assert_eq!(answer.status, 403, "{what}"),
            }
            assert!(answer.status < 500, "{what}");
        }
    }
    plane.running.stop().await;
}

/// What the admin socket serves, the table has: there every method is let through.
#[tokio::test]
async fn no_method_that_is_served_is_missing_in_the_table() {
    let plane = Plane::start().await;
    let table = least_roles();
    for (_, path, _) in &table {
        let address = path
            .replace("{id}", "none")
            .replace("{address}", "none")
            .replace("{name}", "none");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = plane.locally(method, &address, &Value::Null).await;
            let listed = table
                .iter()
                .any(|(known, at, _)| (known, at) == (&method, path));
            assert_eq!(answer.status != 405, listed, "{method} {path}: {answer:?}");
        }
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn sealed_secrets_go_to_nobody_below_admin() {
    let plane = Plane::start().await;
    let text = "[duo_only_client]\n[radius_server_auto]\nikey=DIXXXXXXXXXXXXXXXXXX\n\
                skey=PLANTED-PLANTED-PLANTED-PLANTED-PLANTED1\napi_host=api.example.org\n\
                radius_ip_1=192.0.2.1\nradius_secret_1=PLANTED-secret\nclient=duo_only_client\n";
    let import = "/api/v1/config/import";
    let imported = plane.locally("POST", import, &json!({"text": text})).await;
    assert_eq!(imported.status, 200, "{imported:?}");
    for (role, want) in [("viewer", 403), ("operator", 403), ("admin", 200)] {
        let (_, token) = plane.token(role, role).await;
        for (path, want) in [
            ("/api/v1/config", 200),
            ("/api/v1/config?secrets=shown", 200),
            ("/api/v1/config?secrets=sealed", want),
        ] {
            let answer = plane.call("GET", path, &token, "").await;
            assert_eq!(answer.status, want, "{role} {path}: {answer:?}");
            // An `If-Match` or another method is no way around it.
            let head = plane.call("HEAD", path, &token, "").await;
            assert_eq!(head.status, want, "{role} HEAD {path}");
        }
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn strangers_are_told_nothing_and_probes_need_no_token() {
    let plane = Plane::start().await;
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    for (path, headers, status) in [
        ("/healthz", "", 200),
        ("/metrics", "", 200),
        ("/api/v1/nothing", "", 401),
        ("/api/v1/settings", "", 401),
        ("/api/v1/settings", viewer.as_str(), 200),
        ("/api/v1/nothing", viewer.as_str(), 404),
        // Who calls is not for the caller to say.
        ("/api/v1/settings", "countersign-peer: 127.0.0.1:1\r\n", 401),
    ] {
        let answer = plane.call("GET", path, headers, "").await;
        assert_eq!(answer.status, status, "{path} {headers}: {answer:?}");
    }
    let asked = plane.call("OPTIONS", "/api/v1/settings", &viewer, "").await;
    let allowed = asked.header("allow");
    assert_eq!(
        (asked.status, allowed),
        (204, Some("GET, HEAD, PUT, PATCH, OPTIONS"))
    );
    let stranger = plane.call("OPTIONS", "/api/v1/settings", "", "").await;
    assert_eq!(stranger.status, 401);
    let refused = plane.call("GET", "/api/v1/settings", "", "").await;
    let how = refused.header("www-authenticate");
    assert_eq!(how, Some("Bearer realm=\"countersign\""));
    plane.running.stop().await;
}

#[tokio::test]
async fn a_token_that_is_revoked_or_past_its_end_lets_nobody_in() {
    let plane = Plane::start().await;
    let (id, admin) = plane.token("boss", "admin").await;
    let path = format!("/api/v1/tokens/{id}");
    let shown = plane.call("GET", &path, &admin, "").await;
    assert_eq!(shown.status, 200);
    let used = shown.json()["last_used_at_ms"].as_u64();
    assert!(used.is_some(), "noted before it is shown");
    let again = plane.call("GET", &path, &admin, "").await;
    assert_eq!(
        again.json()["last_used_at_ms"].as_u64(),
        used,
        "once a minute"
    );

    let wanted = |name: &str, seconds: u64| {
        json!({ "name": name, "role": "viewer", "expires_in_seconds": seconds }).to_string()
    };
    for (body, status) in [
        (wanted("other", 60), 201),
        (wanted("other", 60), 409),
        (wanted("", 60), 422),
        (wanted(" blank", 60), 422),
        (wanted("line\nline", 60), 422),
        (wanted("short", 59), 422),
        (wanted("long", 3_650 * 86_400 + 1), 422),
        (json!({ "name": "x", "role": "king" }).to_string(), 422),
        (
            json!({ "name": "x", "role": "viewer", "more": 1 }).to_string(),
            422,
        ),
        ("{".to_owned(), 400),
    ] {
        let answer = plane.call("POST", "/api/v1/tokens", &admin, &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    let list = plane
        .call("GET", "/api/v1/tokens?sort=name", &admin, "")
        .await;
    let list = list.json();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["boss", "other"]);
    assert_eq!(list["items"][1]["created_by"], "token boss");

    assert_eq!(plane.call("DELETE", &path, &admin, "").await.status, 204);
    let after = plane.call("GET", "/api/v1/settings", &admin, "").await;
    assert_eq!(after.status, 401);
    plane.running.stop().await;
}

#[tokio::test]
async fn a_token_comes_out_once_and_its_secret_is_stored_nowhere() {
    let plane = Plane::start().await;
    let (_, admin) = plane.token("boss", "admin").await;
    let secret = admin.trim_end().rsplit('_').next().unwrap();
    for path in ["/api/v1/tokens", "/api/v1/settings", "/metrics"] {
        let answer = plane.call("GET", path, &admin, "").await;
        let shown = String::from_utf8_lossy(&answer.octets).into_owned() + &answer.head;
        assert!(!shown.contains(secret), "{path}: {shown}");
    }
    let Settings { data_dir, .. } = plane.site.settings.clone();
    let folder = plane.site.folder;
    plane.running.stop().await;
    for file in std::fs::read_dir(data_dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let octets = std::fs::read(&path).unwrap();
            let found = octets
                .windows(secret.len())
                .any(|some| some == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    drop(folder);
}

#[tokio::test]
async fn whoever_guesses_waits_and_whoever_has_a_token_does_not() {
    let plane = Plane::start().await;
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    let guess = format!("authorization: Bearer cst_{:016x}_{:064x}\r\n", 1, 1);
    for _ in 0..5 {
        let answer = plane.call("GET", "/api/v1/settings", &guess, "").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    let answer = plane.call("GET", "/api/v1/settings", &guess, "").await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let good = plane.call("GET", "/api/v1/settings", &viewer, "").await;
    assert_eq!(good.status, 200);
    // Handed on, it is the address that counts which the supervisor names.
    let elsewhere = format!("countersign-peer: 192.0.2.1:1\r\n{guess}");
    let answer = plane.hand_on("/api/v1/settings", &elsewhere).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    plane.running.stop().await;
}

#[tokio::test]
async fn what_is_handed_on_is_asked_for_its_token_as_well() {
    let plane = Plane::start().await;
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    let peer = "countersign-peer: 192.0.2.1:50000\r\n";
    for (path, headers, status) in [
        ("/api/v1/settings", format!("{peer}{viewer}"), 200),
        ("/api/v1/settings", peer.to_owned(), 401),
        ("/api/v1/settings", viewer.clone(), 400),
        (
            "/api/v1/settings",
            format!("countersign-peer: here\r\n{viewer}"),
            400,
        ),
        // Nobody signs in to see the dashboard's own page.
        ("/", viewer.clone(), 200),
    ] {
        let answer = plane.hand_on(path, &headers).await;
        assert_eq!(answer.status, status, "{path} {headers}: {answer:?}");
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_kept_by_no_browser() {
    let plane = Plane::start().await;
    let (_, viewer) = plane.token("a viewer", "viewer").await;
    for (path, headers) in [
        ("/api/v1/settings", viewer.clone()),
        ("/api/v1/settings", String::new()),
        ("/api/v1/nothing", viewer.clone()),
    ] {
        let answer = plane.call("GET", path, &headers, "").await;
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{answer:?}");
        let given = format!("{headers}x-request-id: mine-1\r\n");
        let answer = plane.call("GET", path, &given, "").await;
        assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn long_answers_are_compressed_for_whoever_takes_that() {
    let plane = Plane::start().await;
    let (_, admin) = plane.token("boss", "admin").await;
    let config = config(1812);
    for (path, body) in [
        ("/api/v1/authenticators", &config["authenticators"][0]),
        ("/api/v1/integrations", &config["integrations"][0]),
    ] {
        let made = plane.call("POST", path, &admin, &body.to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let path = "/api/v1/integrations";
    let plain = plane.call("GET", path, &admin, "").await;
    assert_eq!(plain.header("content-encoding"), None);
    let headers = format!("{admin}accept-encoding: gzip\r\n");
    let packed = plane.call("GET", path, &headers, "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.octets.len() < plain.octets.len());
    plane.running.stop().await;
}

//! The admin address as an attacker sees it: each operation of the OpenAPI document without, and with
//! too little of, a credential; bodies that are too long; and addresses it is made to ask.
#![cfg(test)]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use e2e::{
    countersign::{Countersign, Start},
    gateway::Site,
    http::request,
};
use serde_json::{Value, json};

const ROLES: [&str; 3] = ["viewer", "operator", "admin"];
const PAGE: (&str, &str) = ("countersign-page", "1");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Whom these let in they find out by themselves: by a link, an invitation, a password, a provider.
const OPEN: [&str; 6] = [
    "GET /api/v1/session/oidc",
    "GET /api/v1/session/oidc/callback",
    "GET /api/v1/sign-in",
    "POST /api/v1/invitation",
    "POST /api/v1/session",
    "POST /api/v1/setup",
];

fn gateway(site: &Site) -> Countersign {
    Start::with(&site.config("")).ready()
}

fn token(gateway: &Countersign, role: &str) -> String {
    let output = gateway.command(&["token", "create", role, "--role", role]);
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    format!("Bearer {}", token.trim())
}

/// An operation of the document.
struct Operation {
    method: String,
    path: String,
    /// The rank of the least role that may; none where nobody needs one.
    least: Option<usize>,
    has_body: bool,
}

impl Operation {
    /// Its path, with something in the place of each name.
    fn address(&self) -> String {
        let mut address = String::new();
        for part in self.path.split('/').skip(1) {
            address += "/";
            address += if part.starts_with('{') { "1" } else { part };
        }
        address
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All of the document, so that a new one is among them.
fn operations(gateway: &Countersign) -> Vec<Operation> {
    let document = gateway.get("/api/openapi.json").json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(one) = item.get(method) else {
                continue;
            };
            let security = one["security"].as_array();
            let is_open = security.is_some_and(Vec::is_empty);
            let text = one["description"].as_str().unwrap_or_default();
            let rank = |role: &&str| text.contains(&format!("Role: `{role}`"));
            let operation = Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                least: ROLES.iter().position(rank),
                has_body: one.get("requestBody").is_some(),
            };
            let name = operation.name();
            assert_eq!(operation.least.is_none(), is_open, "{name}: {text}");
            assert_eq!(OPEN.contains(&name.as_str()), is_open, "{name}");
            found.push(operation);
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

#[test]
fn each_operation_of_the_document_refuses_whoever_may_not() {
    let site = Site::new();
    let gateway = gateway(&site);
    let tokens = ROLES.map(|role| token(&gateway, role));
    let mut refused = [0; 3];
    for operation in operations(&gateway) {
        let Some(least) = operation.least else {
            continue;
        };
        let (method, address, name) = (
            operation.method.as_str(),
            operation.address(),
            operation.name(),
        );
        let ask = |headers: &[(&str, &str)], body: &str| {
            request(gateway.admin, method, &address, headers, body).unwrap()
        };
        for headers in [
            &[PAGE, JSON][..],
            // Who somebody is, and what is asked, is not for a header to say.
            &[
                PAGE,
                JSON,
                ("countersign-peer", "127.0.0.1:1"),
                ("x-forwarded-for", "127.0.0.1"),
            ],
            &[
                PAGE,
                JSON,
                ("x-original-url", "/healthz"),
                ("x-http-method-override", "GET"),
            ],
            &[PAGE, JSON, ("cookie", "__Host-countersign=; countersign=1")],
        ] {
            let answer = ask(headers, "{}");
            assert_eq!(answer.status, 401, "{name} {headers:?}: {answer:?}");
        }
        for (rank, token) in tokens.iter().enumerate().take(least) {
            let answer = ask(&[PAGE, JSON, ("authorization", token)], "{}");
            assert_eq!(answer.status, 403, "{name} as {}: {answer:?}", ROLES[rank]);
            refused[rank] += 1;
        }
        if method == "GET" {
            let answer = ask(&[("authorization", &tokens[least])], "");
            assert!(
                ![401, 403, 405].contains(&answer.status),
                "{name}: {answer:?}"
            );
            assert!(answer.status < 500, "{name}: {answer:?}");
        }
    }
    assert!(refused[0] > refused[1] && refused[1] > 0, "{refused:?}");
}

#[test]
fn no_way_of_writing_an_address_leads_round_the_roles() {
    let site = Site::new();
    let gateway = gateway(&site);
    let viewer = token(&gateway, "viewer");
    for path in [
        "/api/v1/tokens",
        "//api/v1/tokens",
        "/api//v1/tokens",
        "/api/v1/tokens/",
        "/api/v1//tokens",
        "/api/v1/./tokens",
        "/api/v1/settings/../tokens",
        "/api/v1/settings/..%2ftokens",
        "/api/v1/settings/%2e%2e/tokens",
        "/api/v1/%74okens",
        "/api/v1/tokens%00",
        "/api/v1/tokens%2f",
        "/api/v1/tokens;a=b",
        "/api/v1/Tokens",
        "/API/v1/tokens",
        "/api/v1/tokens?role=admin",
        "/api/../api/v1/tokens",
        "/api/../state",
        "/assets/../api/v1/tokens",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
    ] {
        let headers = [("authorization", viewer.as_str())];
        let answer = request(gateway.admin, "GET", path, &headers, "").unwrap();
        let shows = ["\"items\"", "root:", "\"revision\""];
        let shown = shows.iter().find(|one| answer.body.contains(**one));
        assert_eq!(shown, None, "{path}: {answer:?}");
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}

/// Announces a body and sends none; the status that comes all the same.
fn announced(admin: SocketAddr, method: &str, path: &str, headers: &str, octets: u64) -> u16 {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: gate\r\ncountersign-page: 1\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {octets}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    let start = String::from_utf8(start.to_vec()).unwrap();
    start.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
}

#[test]
fn no_body_is_waited_for_of_whoever_may_not_and_none_without_end() {
    let site = Site::new();
    let gateway = gateway(&site);
    let viewer = format!("authorization: {}\r\n", token(&gateway, "viewer"));
    let huge = 1 << 40;
    let admin = gateway.admin;
    let mut operations = operations(&gateway);
    operations.retain(|one| one.has_body && one.least > Some(0));
    // What is announced is read for some seconds before the connection ends: many at a time, and fewer
    // than an address may have.
    for some in operations.chunks(25) {
        thread::scope(|scope| {
            for one in some {
                for (headers, want) in [("", 401), (viewer.as_str(), 403)] {
                    scope.spawn(move || {
                        let address = one.address();
                        let status = announced(admin, &one.method, &address, headers, huge);
                        assert_eq!(status, want, "{}", one.name());
                    });
                }
            }
        });
    }
    let admin = token(&gateway, "admin");
    let headers = [JSON, ("authorization", admin.as_str())];
    let body = json!({ "text": "x".repeat(9 * 1024 * 1024) }).to_string();
    let path = "/api/v1/config/validate";
    let answer = request(gateway.admin, "POST", path, &headers, &body).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.body);
    let answer = request(gateway.admin, "GET", "/api/v1/settings", &headers, "").unwrap();
    assert_eq!(answer.status, 200, "others are served");
}

/// Answers each request with this, and tells of its first line.
fn server(answer: impl Fn() -> String + Send + 'static) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut one = [0; 1];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut one).unwrap_or(0) == 1 {
                head.push(one[0]);
            }
            let line = String::from_utf8_lossy(&head);
            if tell
                .send(line.lines().next().unwrap_or_default().to_owned())
                .is_err()
            {
                return;
            }
            // The asker may have gone.
            drop(stream.write_all(answer().as_bytes()));
        }
    });
    (address, told)
}

#[test]
fn an_address_that_is_configured_is_asked_and_no_other() {
    let site = Site::new();
    let gateway = gateway(&site);
    let admin = token(&gateway, "admin");
    let headers = [JSON, ("authorization", admin.as_str())];
    let put = |issuer: &str| {
        let settings: Value = json!({
            "issuer": issuer, "client_id": "x", "client_secret": "a-secret-of-the-provider",
            "public_url": "https://gate.example.com",
            "roles": [{"group": "netops", "role": "operator"}],
        });
        let path = "/api/v1/oidc";
        request(gateway.admin, "PUT", path, &headers, &settings.to_string()).unwrap()
    };
    for issuer in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "https://user:pw@idp.example.com",
        "https://idp.example.com/?x=/etc/passwd",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/_HELO",
        "unix:/run/controlplane.sock",
    ] {
        let answer = put(issuer);
        assert_eq!(answer.status, 422, "{issuer}: {answer:?}");
    }
    let (trap, trapped) = server(String::new);
    let (provider, asked) = server(move || {
        format!("HTTP/1.1 302 Found\r\nlocation: http://{trap}/secret\r\ncontent-length: 0\r\n\r\n")
    });
    let answer = put(&format!("http://{provider}"));
    assert!(answer.status < 500, "{answer:?}");
    let started = request(gateway.admin, "GET", "/api/v1/session/oidc", &[], "").unwrap();
    assert!(![200, 500].contains(&started.status), "{started:?}");
    let first = asked.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(
        first.contains("/.well-known/openid-configuration"),
        "{first}"
    );
    assert!(trapped.try_recv().is_err(), "it was followed");
    for text in [answer.body, started.body] {
        assert!(!text.contains("secret\r"), "{text}");
    }

    // Files that a sent configuration names are those that are sent with it.
    let folder = tempfile::tempdir().unwrap();
    let planted = folder.path().join("planted");
    fs::write(&planted, "PLANTED of this machine\n").unwrap();
    let text = site.config("");
    let text = text.replace(site.bundle().to_str().unwrap(), planted.to_str().unwrap());
    for path in [
        "/api/v1/config/validate",
        "/api/v1/config/import?dry_run=true",
    ] {
        let body = json!({ "text": text }).to_string();
        let answer = request(gateway.admin, "POST", path, &headers, &body).unwrap();
        assert!(!answer.body.contains("PLANTED"), "{path}: {answer:?}");
        assert!(answer.body.contains("planted"), "{path}: {answer:?}");
        assert!(
            answer.body.contains("http_ca_certs_file"),
            "{path}: {answer:?}"
        );
        assert!(
            !answer.body.contains("no certificate"),
            "it was read: {answer:?}"
        );
    }

    // Hosts of sections are names and addresses, and nothing that is more than that.
    for host in [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "user@api.example.com",
        "api.example.com/path",
        "api.example.com?x",
        "api.example.com#x",
        "a b",
    ] {
        let text = site.config("").replace(site.duo.host(), host);
        let body = json!({ "text": text }).to_string();
        let path = "/api/v1/config/validate";
        let answer = request(gateway.admin, "POST", path, &headers, &body).unwrap();
        assert!(
            answer.body.contains("api_host") && !answer.body.contains("\"valid\":true"),
            "{host}: {answer:?}"
        );
    }
}

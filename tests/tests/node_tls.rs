//! Data planes on other machines: they join with a token and follow by mutual TLS.
#![cfg(test)]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use e2e::{
    clock::{unix_seconds, wait_until},
    config::{MAIN, server},
    countersign::{Countersign, Start},
    gateway::on_data_dir,
    http,
    nas::code,
    nodes::Node,
    peers::{FakeDuo, Pki},
    ports,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const C: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// A gateway that listens for nodes.
struct Site {
    gateway: Countersign,
    radius: u16,
    url: String,
    _duo: FakeDuo,
}

impl Site {
    fn start(seconds: Option<&str>) -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let (radius, port) = (ports::free_udp(), ports::free_tcp());
        let text = format!(
            "{MAIN}[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\n",
            server("radius_server_auto", radius, &duo)
        );
        let mut start = Start::with(&text)
            .argument("--node-listen")
            .argument(&format!("127.0.0.1:{port}"));
        if let Some(seconds) = seconds {
            start = start
                .argument("--node-certificate-seconds")
                .argument(seconds);
        }
        Self {
            gateway: start.ready(),
            radius,
            url: format!("https://127.0.0.1:{port}"),
            _duo: duo,
        }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        on_data_dir(arguments, &self.gateway.data_dir(), "")
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn token(&self, more: &[&str]) -> String {
        let token = self.done(&[&["node", "token"], more].concat());
        assert_eq!(token.lines().count(), 1, "{token}");
        token
    }

    /// A folder that has joined under this name.
    #[track_caller]
    fn joined(&self, name: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let token = self.token(&[]);
        let output = join(folder.path(), &self.url, &token, &["--name", name]);
        assert!(output.status.success(), "{}", said(&output));
        folder
    }

    fn listed(&self, name: &str) -> Value {
        let all: Value = serde_json::from_str(&self.done(&["node", "list", "--json"])).unwrap();
        let all = all.as_array().unwrap();
        let found = all.iter().find(|one| one["node"] == name);
        found.cloned().unwrap_or_default()
    }
}

fn join(folder: &Path, url: &str, token: &str, more: &[&str]) -> Output {
    let file = folder.join("token");
    fs::write(&file, token).unwrap();
    let fixed = ["node", "join", url, "--token-file", file.to_str().unwrap()];
    on_data_dir(&[&fixed, more].concat(), &folder.join("data"), "")
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

fn kept(folder: &Path) -> PathBuf {
    folder.join("data/dataplane/node.json")
}

fn read(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(kept(folder)).unwrap()).unwrap()
}

/// Changes what a node keeps of its joining.
fn change(folder: &Path, field: &str, value: &Value) {
    let mut all = read(folder);
    all[field] = value.clone();
    fs::write(kept(folder), all.to_string()).unwrap();
}

fn answers(node: &Node, port: u16, user: &str, limit: Duration) -> bool {
    let nas = node.nas(port);
    nas.exchange(&nas.access(user, "any"), limit)
        .is_some_and(|answer| answer.code == code::ACCESS_ACCEPT)
}

#[test]
fn nodes_of_other_machines_join_follow_are_drained_and_removed() {
    let mut site = Site::start(None);
    let token = site.token(&["--node", "b"]);
    let folder = tempfile::tempdir().unwrap();
    let output = join(folder.path(), &site.url, &token, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let mode = fs::metadata(kept(folder.path())).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let key = read(folder.path())["key"].as_str().unwrap().to_owned();
    let mut b = Node::launch_joined("b", B, folder);
    let mut c = Node::launch_joined("c", C, site.joined("c"));
    for (node, user, name) in [(&mut b, "bob", "b"), (&mut c, "carol", "c")] {
        node.wait_follows();
        assert!(answers(node, site.radius, user, LONG), "{}", node.output());
        let event = site.gateway.event_of(user, 1);
        assert_eq!(event["node"], name, "{event:#}");
        let listed = site.listed(name);
        assert_eq!(listed["connected"], true, "{listed:#}");
        let address = listed["address"].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{listed:#}");
        assert!(listed["certificate_until_ms"].is_u64(), "{listed:#}");
    }
    let shown = site.done(&["node", "list"]);
    assert!(
        shown.contains("local") && shown.contains("revision 1"),
        "{shown}"
    );

    let rows = site.command(&["node", "check", "b", "--json"]);
    let rows: Value = serde_json::from_slice(&rows.stdout).unwrap();
    assert!(rows.as_array().unwrap().len() > 1, "{rows:#}");

    // The other one goes on.
    site.done(&["node", "drain", "b"]);
    b.until("it drains", |status| status["state"] == "draining");
    assert!(!answers(&b, site.radius, "bob", SHORT), "{}", b.output());
    assert!(answers(&c, site.radius, "carol", LONG), "{}", c.output());
    assert_eq!(site.listed("b")["draining"], true);
    // It is drained after a restart too.
    b.stop();
    b.restart();
    b.until("it drains again", |status| status["state"] == "draining");
    site.done(&["node", "drain", "b", "--undo"]);
    b.until("it serves", |status| status["state"] == "serving");
    assert!(answers(&b, site.radius, "bob", LONG), "{}", b.output());

    site.gateway.stop();
    for node in [&mut b, &mut c] {
        node.until("it is alone", |status| status["connected"] == false);
        assert!(answers(node, site.radius, "dave", LONG), "it serves on");
    }
    site.gateway.restart();
    for node in [&mut b, &mut c] {
        node.wait_follows();
    }

    site.done(&["node", "remove", "b"]);
    b.until("it is cut off", |status| status["connected"] == false);
    wait_until("it is told why", LONG, || b.output().contains("is revoked"));
    assert_eq!(site.listed("b"), Value::Null);
    assert!(!site.command(&["node", "remove", "b"]).status.success());
    assert!(!site.command(&["node", "remove", "local"]).status.success());
    assert_eq!(c.status()["connected"], true);

    let socket = site.gateway.control_socket();
    let audit = http::request_local(&socket, "GET", "/api/v1/audit?limit=100", "").unwrap();
    let audit = audit.json();
    let deeds = audit["items"].as_array().unwrap();
    for (action, actor, source) in [
        ("node.join_token", "command line", ""),
        ("node.join", "node b", "127.0.0.1"),
        ("node.check", "command line", ""),
        ("node.drain", "command line", ""),
        ("node.undrain", "command line", ""),
        ("node.remove", "command line", ""),
    ] {
        let found = deeds.iter().any(|deed| {
            deed["action"] == action && deed["actor"] == actor && deed["source"] == source
        });
        assert!(found, "{action}: {audit:#}");
    }

    let secret = token.trim().rsplit('_').next().unwrap();
    assert!(!audit.to_string().contains(secret), "{audit:#}");
    let key: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
    for output in [site.gateway.output(), b.output(), c.output()] {
        assert!(!output.contains(secret), "{output}");
        assert!(!key.iter().any(|line| output.contains(line)), "{output}");
    }
}

#[test]
fn who_has_no_good_token_does_not_join() {
    let site = Site::start(None);
    let other = Site::start(None);
    let folder = tempfile::tempdir().unwrap();
    let used = site.token(&[]);
    assert!(
        join(folder.path(), &site.url, &used, &["--name", "b"])
            .status
            .success()
    );
    let began = unix_seconds();
    let expired = site.token(&["--for", "1s"]);
    wait_until("the token has expired", LONG, || unix_seconds() > began + 2);
    let good = site.token(&[]);
    let (start, secret) = good.trim().rsplit_once('_').unwrap();
    let wrong = format!("{start}_{}", "0".repeat(secret.len()));
    let bound = site.token(&["--node", "d"]);
    let refused = "is none, was used, or has expired";
    for (what, url, token, more, says) in [
        ("used", &site.url, &used, &["--name", "x"][..], refused),
        ("expired", &site.url, &expired, &["--name", "x"], refused),
        ("wrong", &site.url, &wrong, &["--name", "x"], refused),
        ("no token", &site.url, &"x".to_owned(), &[], "no join token"),
        (
            "another's",
            &other.url,
            &good,
            &["--name", "x"],
            "UnknownIssuer",
        ),
        ("no name", &site.url, &good, &[], "give the node's name"),
        ("taken", &site.url, &good, &["--name", "b"], "already"),
        ("here", &site.url, &good, &["--name", "local"], "local"),
        ("bound", &site.url, &bound, &["--name", "x"], "for node d"),
        (
            "no TLS",
            &site.url.replace("https", "http"),
            &good,
            &[],
            "https://HOST:PORT",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = join(folder.path(), url, token, more);
        let text = said(&output);
        assert!(!output.status.success(), "{what}: {text}");
        assert!(text.contains(says), "{what}: {text}");
        let secret = token.trim().rsplit('_').next().unwrap();
        assert!(secret.len() < 8 || !text.contains(secret), "{what}: {text}");
        assert!(!kept(folder.path()).exists(), "{what}");
    }
    // What was refused for its name is not used up by that.
    let output = join(folder.path(), &site.url, &bound, &[]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn only_the_authoritys_own_certificates_are_taken_and_for_their_own_node() {
    let (site, other) = (Site::start(None), Site::start(None));
    // Each trusts the gateway, which must not trust them.
    let stranger = site.joined("stranger");
    let theirs = other.joined("stranger");
    for field in ["certificate", "key"] {
        change(stranger.path(), field, &read(theirs.path())[field]);
    }
    let mut stranger = Node::launch_joined("stranger", B, stranger);
    let liar = site.joined("liar");
    change(liar.path(), "node", &json!("local"));
    let mut liar = Node::launch_joined("liar", C, liar);
    for node in [&mut stranger, &mut liar] {
        node.until("it asks", |status| status["connected"] == false);
    }
    wait_until("the stranger is refused", LONG, || {
        stranger
            .output()
            .contains("no subscription to the control plane")
            && site.gateway.output().contains("no TLS with one who called")
    });
    wait_until("the liar is refused", LONG, || {
        liar.output()
            .contains("the certificate is of node liar, not local")
    });
    // One that trusts another authority does not speak to this gateway.
    let lost = other.joined("lost");
    change(lost.path(), "url", &json!(site.url));
    let lost = Node::launch_joined("lost", B, lost);
    wait_until("the lost one does not trust", LONG, || {
        lost.output().contains("invalid peer certificate")
    });
    for node in [&stranger, &liar, &lost] {
        assert_eq!(node.status()["revision"], Value::Null, "{}", node.output());
    }
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let site = Site::start(Some("6"));
    let folder = site.joined("b");
    let path = folder.path().to_owned();
    let first = read(&path);
    let mut b = Node::launch_joined("b", B, folder);
    b.wait_follows();
    let mut seen = vec![first["certificate"].clone()];
    wait_until("it was renewed twice", 2 * LONG, || {
        let now = read(&path)["certificate"].clone();
        if !seen.contains(&now) {
            seen.push(now);
        }
        seen.len() > 2
    });
    assert_ne!(read(&path)["key"], first["key"], "with a new key");
    let socket = site.gateway.control_socket();
    let audit = http::request_local(&socket, "GET", "/api/v1/audit", "").unwrap();
    assert!(audit.body.contains("node.renew"), "{}", audit.body);
    // The first one has ended by now: a new connection needs a later one.
    let (before, _) = (site.listed("b"), ());
    wait_until("it is heard again", LONG, || {
        site.listed("b")["last_seen_ms"].as_u64() > before["last_seen_ms"].as_u64()
    });
    // The connection ends with the certificate that it began with, and the next one begins at once.
    b.wait_follows();
    assert!(answers(&b, site.radius, "bob", LONG), "{}", b.output());
}

//! Data planes on other machines: they join with a token and follow by mutual TLS.
#![cfg(test)]

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
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
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::watch};

const LONG: Duration = Duration::from_secs(20);
/// The longest message that a node sends.
const REPORT: &str = "/countersign.v1.DataPlane/ReportEvents";
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
    let taken_back = site.token(&[]);
    let id = taken_back.rsplit('_').nth(1).unwrap();
    assert!(site.done(&["node", "tokens"]).contains(id));
    site.done(&["node", "tokens", "--take-back", id]);
    assert!(!site.done(&["node", "tokens"]).contains(id));
    let again = site.command(&["node", "tokens", "--take-back", id]);
    assert!(
        said(&again).contains("there is no join token"),
        "{}",
        said(&again)
    );
    let good = site.token(&[]);
    let (start, secret) = good.trim().rsplit_once('_').unwrap();
    let wrong = format!("{start}_{}", "0".repeat(secret.len()));
    let bound = site.token(&["--node", "d"]);
    let refused = "is none, was used, or has expired";
    for (what, url, token, more, says) in [
        ("used", &site.url, &used, &["--name", "x"][..], refused),
        ("expired", &site.url, &expired, &["--name", "x"], refused),
        (
            "taken back",
            &site.url,
            &taken_back,
            &["--name", "x"],
            refused,
        ),
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
    let stranger = Node::launch_joined("stranger", B, stranger);
    let liar = site.joined("liar");
    change(liar.path(), "node", &json!("local"));
    let liar = Node::launch_joined("liar", C, liar);
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
    // The first one has ended by now: what is told, and what is heard, needs a later one.
    assert!(answers(&b, site.radius, "bob", LONG), "{}", b.output());
    let event = site.gateway.event_of("bob", 1);
    assert_eq!(event["node"], "b", "{event:#}");
    site.done(&["node", "drain", "b"]);
    b.until("it drains", |status| status["state"] == "draining");
}

#[test]
fn a_node_that_was_undrained_while_it_was_away_serves_when_it_is_back() {
    let site = Site::start(None);
    let folder = site.joined("b");
    let relay = Relay::start(&site.url);
    change(folder.path(), "url", &json!(relay.url));
    let mut b = Node::launch_joined("b", B, folder);
    b.wait_follows();
    site.done(&["node", "drain", "b"]);
    b.until("it drains", |status| status["state"] == "draining");
    relay.cut(true);
    b.until("it is alone", |status| status["connected"] == false);
    wait_until("it is away", LONG, || {
        site.listed("b")["connected"] == false
    });
    site.done(&["node", "drain", "b", "--undo"]);
    assert_eq!(b.status()["state"], "draining", "it was not told yet");
    relay.cut(false);
    b.until("it serves", |status| status["state"] == "serving");
    assert!(answers(&b, site.radius, "bob", LONG), "{}", b.output());
}

#[test]
fn a_stranger_takes_few_places_and_no_nodes() {
    let site = Site::start(None);
    let address = site.url.strip_prefix("https://").unwrap();
    let stranger = Ipv4Addr::new(127, 0, 0, 9);
    let runtime = Runtime::new().unwrap();
    let mut idle = Vec::new();
    for _ in 0..64 {
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((stranger, 0).into()).unwrap();
            socket.connect(address.parse().unwrap()).await.unwrap()
        });
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(true).unwrap();
        idle.push(stream);
    }
    // Before its time is up for those that have a place: half of them have none.
    let closed = |idle: &[TcpStream]| {
        let open = |mut stream: &TcpStream| matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        idle.iter().filter(|stream| !open(stream)).count()
    };
    wait_until("those above its share are closed", LONG / 4, || {
        closed(&idle) >= 32
    });
    assert_eq!(closed(&idle), 32);
    let mut b = Node::launch_joined("b", B, site.joined("b"));
    b.wait_follows();
}

#[test]
fn a_removed_node_is_refused_before_its_word_is_read() {
    let site = Site::start(None);
    let folder = site.joined("b");
    let good = first_answer(&site, folder.path());
    assert!(
        good.is_none(),
        "the rest of the word is waited for: {good:?}"
    );
    site.done(&["node", "remove", "b"]);
    let refused = first_answer(&site, folder.path()).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
}

/// What is answered within two seconds to a long word of which nothing comes.
fn first_answer(site: &Site, folder: &Path) -> Option<String> {
    let kept = read(folder);
    let text = |field: &str| kept[field].as_str().unwrap().to_owned();
    let certificate = |field| CertificateDer::from_pem_slice(text(field).as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(text("key").as_bytes()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate("certificate")], key)
        .unwrap();
    let name = "controlplane.countersign.internal".try_into().unwrap();
    let stream = TcpStream::connect(site.url.strip_prefix("https://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let head = format!(
        "POST {REPORT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 60000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut octets = [0; 4_096];
    let count = stream.read(&mut octets).ok().filter(|count| *count > 0)?;
    Some(String::from_utf8_lossy(&octets[..count]).into_owned())
}

/// A way to the gateway that can be cut.
struct Relay {
    url: String,
    is_cut: watch::Sender<bool>,
    _runtime: Runtime,
}

impl Relay {
    fn start(to: &str) -> Self {
        let to = to.strip_prefix("https://").unwrap().to_owned();
        let runtime = Runtime::new().unwrap();
        let listening = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listening).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (is_cut, cut) = watch::channel(false);
        let handle = runtime.handle().clone();
        runtime.spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let (to, mut cut) = (to.clone(), cut.clone());
                handle.spawn(async move {
                    let Ok(mut there) = tokio::net::TcpStream::connect(to).await else {
                        return;
                    };
                    tokio::select! {
                        _ = cut.wait_for(|cut| *cut) => {}
                        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                    }
                });
            }
        });
        Self {
            url,
            is_cut,
            _runtime: runtime,
        }
    }

    fn cut(&self, cut: bool) {
        self.is_cut.send_replace(cut);
    }
}

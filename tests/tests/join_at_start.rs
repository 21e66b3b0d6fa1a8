//! A data plane that joins when it starts, as in a container: with nobody there to run a command.
#![cfg(test)]

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, server},
    countersign::{Countersign, Start, program},
    gateway::on_data_dir,
    http,
    nas::{Nas, code},
    peers::{FakeDuo, Pki, SECRET},
    ports,
    process::Process,
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A gateway that listens for nodes, which is started when its test wants that.
struct Site {
    start: Option<Start>,
    gateway: Option<Countersign>,
    radius: u16,
    url: String,
    folder: TempDir,
    _duo: FakeDuo,
}

impl Site {
    fn new() -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let (radius, port) = (ports::free_udp(), ports::free_tcp());
        let text = format!(
            "{MAIN}[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\n",
            server("radius_server_auto", radius, &duo)
        );
        let listen = format!("127.0.0.1:{port}");
        Self {
            start: Some(
                Start::with(&text)
                    .argument("--node-listen")
                    .argument(&listen),
            ),
            gateway: None,
            radius,
            url: format!("https://{listen}"),
            folder: tempfile::tempdir().unwrap(),
            _duo: duo,
        }
    }

    fn begin(&mut self) {
        self.gateway = self.start.take().map(Start::ready);
    }

    /// `countersign node token`, into the file.
    #[track_caller]
    fn token(&self, more: &[&str]) -> String {
        let file = self.token_file();
        let fixed = ["node", "token", "--node", "b", "--file", text(&file)];
        let arguments = [&fixed, more].concat();
        let gateway = self.gateway.as_ref().unwrap();
        let output = on_data_dir(&arguments, &gateway.data_dir(), "");
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("b.token")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, url: &str) -> Command {
        let mut command = Command::new(program());
        command
            .args(["dataplane", "--join", url, "--join-token-file"])
            .arg(self.token_file())
            .args(["--interface", &B.to_string(), "--data-dir"])
            .arg(self.data())
            .current_dir(self.folder.path());
        command
    }

    fn launch(&self) -> Process {
        let log = self.folder.path().join("output.log");
        Process::start("b", &self.command(&self.url), &log)
    }

    fn wait_serves(&self, node: &mut Process) {
        let socket = self.data().join("run/dataplane.sock");
        node.until("it follows the control plane", LONG, || {
            let answer = http::request_local(&socket, "GET", "/status", "");
            answer.is_ok_and(|answer| {
                let status: Value = answer.json();
                status["connected"] == true && status["source"] == "control_plane"
            })
        });
    }

    fn accepts(&self, user: &str) -> bool {
        let nas = Nas::new((B, self.radius).into(), SECRET);
        nas.exchange(&nas.access(user, "any"), LONG)
            .is_some_and(|answer| answer.code == code::ACCESS_ACCEPT)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn a_node_waits_for_its_token_and_its_control_plane_and_joins_once() {
    let mut site = Site::new();
    let mut node = site.launch();
    let no_file = "cannot read the join token in";
    wait_until("it waits for the token", LONG, || {
        node.output().contains(no_file)
    });
    assert!(!node.output().contains("let this node join"));
    fs::write(site.token_file(), "half of").unwrap();
    wait_until("it waits for the rest of the token", LONG, || {
        node.output().contains("the file holds no join token")
    });
    let health = ["healthcheck", "--role", "dataplane"];
    assert!(!on_data_dir(&health, &site.data(), "").status.success());

    site.begin();
    let told = site.token(&["--unless-joined"]);
    assert!(told.contains("a token, good once, is in"), "{told}");
    let written = fs::read_to_string(site.token_file()).unwrap();
    assert!(written.starts_with("csj_"), "the file was written over");
    assert!(!told.contains(written.trim()), "it is in the file alone");
    let mode = fs::metadata(site.token_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    site.wait_serves(&mut node);
    assert!(site.accepts("bob"), "{}", node.output());
    let event = site.gateway.as_ref().unwrap().event_of("bob", 1);
    assert_eq!(event["node"], "b", "{event:#}");
    for arguments in [&health[..], &[&health[..], &["--live"]].concat()] {
        let output = on_data_dir(arguments, &site.data(), "");
        assert!(output.status.success(), "{}", said(&output));
    }

    // The token is used up, and the file stays as it is.
    node.stop();
    let mut node = site.launch();
    site.wait_serves(&mut node);
    assert_eq!(node.output().matches("this node has joined").count(), 1);
    let told = site.token(&["--unless-joined"]);
    assert!(told.contains("b has joined: no token was made"), "{told}");
    assert_eq!(fs::read_to_string(site.token_file()).unwrap(), written);
    assert!(!node.output().contains(written.trim()));
}

#[test]
fn a_node_that_lost_its_folder_says_so_until_there_is_another_token() {
    let mut site = Site::new();
    site.begin();
    site.token(&[]);
    let mut node = site.launch();
    site.wait_serves(&mut node);
    node.stop();
    fs::remove_dir_all(site.data()).unwrap();
    let mut node = site.launch();
    wait_until("the used token is refused", LONG, || {
        node.output().contains("is none, was used, or has expired")
    });
    // It takes the place of the one that was.
    site.token(&[]);
    site.wait_serves(&mut node);
    assert!(site.accepts("bob"), "{}", node.output());
}

/// A way to the gateway on which the first connection has no answer: once the client has said its
/// second word (with which TLS 1.3 is set up, and the request sent), nothing comes back.
struct Lossy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Lossy {
    fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(ports::loopback(ports::free_tcp())).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        drop(thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let peer = TcpStream::connect(to).unwrap();
                let silent = Arc::new(AtomicBool::new(false));
                let (back, forth) = (client.try_clone().unwrap(), peer.try_clone().unwrap());
                let hears = Arc::clone(&silent);
                drop(thread::spawn(move || {
                    pass(client, forth, |count| {
                        silent.fetch_or(is_first && count == 2, Ordering::SeqCst);
                        true
                    })
                }));
                drop(thread::spawn(move || {
                    pass(peer, back, |_| !hears.load(Ordering::SeqCst))
                }));
            }
        }));
        Self {
            address,
            connections,
        }
    }
}

/// Has each piece go on for which it is true, and the end.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    mut goes: impl FnMut(usize) -> bool,
) -> io::Result<()> {
    let mut octets = [0; 16_384];
    for count in 1.. {
        let read = from.read(&mut octets)?;
        if read == 0 {
            break;
        }
        if goes(count) {
            to.write_all(&octets[..read])?;
        }
    }
    to.shutdown(std::net::Shutdown::Both)
}

#[test]
fn a_node_whose_answer_was_lost_joins_at_its_next_try() {
    let mut site = Site::new();
    site.begin();
    site.token(&[]);
    let (_, port) = site.url.rsplit_once(':').unwrap();
    let way = Lossy::start(ports::loopback(port.parse().unwrap()));
    let own = std::mem::replace(&mut site.url, format!("https://{}", way.address));
    let mut node = site.launch();
    // Nothing can tell this try from one that is under way: it is ended here, in place of its limit.
    wait_until("the control plane has let it in", LONG, || {
        site.gateway
            .as_ref()
            .unwrap()
            .output()
            .contains("node joined")
    });
    assert!(!site.data().join("dataplane/node.json").exists());
    node.kill();
    assert_eq!(way.connections.load(Ordering::SeqCst), 1);

    // Whoever else has the token has no use for it.
    let thief = site.folder.path().join("thief");
    let file = site.token_file();
    let join = ["node", "join", &own, "--token-file", text(&file)];
    let output = on_data_dir(&join, &thief, "");
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("was used"), "{}", said(&output));
    assert!(!thief.join("dataplane/node.json").exists());

    let mut node = site.launch();
    site.wait_serves(&mut node);
    assert!(site.accepts("bob"), "{}", node.output());
    assert!(!site.data().join("dataplane/joining.key").exists());
    assert!(
        !node.output().contains("not joined yet"),
        "{}",
        node.output()
    );
    let answers = site.gateway.as_ref().unwrap();
    let log = answers.output();
    assert_eq!(log.matches("node joined").count(), 2, "{log}");
    let audit = http::request_local(
        &answers.control_socket(),
        "GET",
        "/api/v1/audit?action=node.join",
        "",
    );
    let audit: Value = audit.unwrap().json();
    let again = |at: usize| audit["items"][at]["detail"]["again"].clone();
    assert_eq!([again(0), again(1)], [true, false], "{audit:#}");
    // It was heard of: nobody is answered any more.
    let output = on_data_dir(&join, &thief, "");
    assert!(!output.status.success(), "{}", said(&output));
}

#[test]
fn a_node_that_could_not_keep_the_answer_has_not_joined_yet() {
    let mut site = Site::new();
    site.begin();
    site.token(&[]);
    // There is room for the key, and none for the certificate.
    let kept = site.data().join("dataplane/node.json");
    fs::create_dir_all(kept.join("in the way")).unwrap();
    let file = site.token_file();
    let join = ["node", "join", &site.url, "--token-file", text(&file)];
    let output = on_data_dir(&join, &site.data(), "");
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("node.json"), "{}", said(&output));
    let nodes = ["node", "list", "--json"];
    let gateway = site.gateway.as_ref().unwrap().data_dir();
    let listed: Value = serde_json::from_str(&said(&on_data_dir(&nodes, &gateway, ""))).unwrap();
    let found = listed.as_array().unwrap();
    let found = found.iter().find(|one| one["node"] == "b").unwrap();
    assert_eq!(found["awaited"], true, "{listed:#}");

    // Where the token's file was lost too, another is made, and the node joins with that.
    let before = fs::read_to_string(&file).unwrap();
    let told = site.token(&["--unless-joined"]);
    assert!(told.contains("a token, good once, is in"), "{told}");
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
    fs::remove_dir_all(&kept).unwrap();
    let mut node = site.launch();
    site.wait_serves(&mut node);
    assert!(site.accepts("bob"), "{}", node.output());
    wait_until("it was heard of", LONG, || {
        !said(&on_data_dir(&nodes, &gateway, "")).contains("awaited")
    });
    let told = site.token(&["--unless-joined"]);
    assert!(told.contains("b has joined: no token was made"), "{told}");
}

#[test]
fn a_node_whose_certificate_has_expired_joins_again() {
    let mut site = Site::new();
    let short = |start: Start| start.argument("--node-certificate-seconds").argument("8");
    site.start = site.start.take().map(short);
    site.begin();
    site.token(&[]);
    let mut node = site.launch();
    site.wait_serves(&mut node);
    node.stop();
    let before = fs::read_to_string(site.token_file()).unwrap();
    wait_until("the control plane makes it another token", LONG, || {
        site.token(&["--unless-joined"]);
        fs::read_to_string(site.token_file()).unwrap() != before
    });
    let mut node = site.launch();
    site.wait_serves(&mut node);
    let output = node.output();
    assert!(output.contains("this node has joined again"), "{output}");
    assert!(site.accepts("bob"), "{output}");
}

#[test]
fn a_control_plane_that_moved_is_followed_where_it_is_now() {
    let mut site = Site::new();
    site.begin();
    site.token(&[]);
    let mut node = site.launch();
    site.wait_serves(&mut node);
    node.stop();
    site.url = site.url.replace("127.0.0.1", "localhost");
    let mut node = site.launch();
    site.wait_serves(&mut node);
    let moved = "the control plane is elsewhere now";
    assert!(node.output().contains(moved), "{}", node.output());
}

#[test]
fn what_waiting_does_not_mend_ends_the_start_and_a_signal_ends_the_waiting() {
    let site = Site::new();
    for (arguments, says) in [
        (
            &["--join", "http://x:1", "--join-token-file", "f"][..],
            "write https://HOST:PORT",
        ),
        (&["--join", "https://x:1"], "--join-token-file <FILE>"),
        (&["--join-token-file", "f"], "--join <URL>"),
    ] {
        let output = on_data_dir(&[&["dataplane"], arguments].concat(), &site.data(), "");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
    }
    // The form of a token, of an authority that nobody has.
    let token = format!(
        "csj_{}_cst_0011223344556677_{}",
        "0f".repeat(32),
        "1e".repeat(32)
    );
    fs::write(site.token_file(), token).unwrap();
    let port = site.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut node = site.launch();
    wait_until("it waits", LONG, || {
        let output = node.output();
        output.contains("this node has not joined yet")
            && output.contains("cannot reach the control plane at https://127.0.0.1:")
    });
    // Something that speaks no TLS, as the admin address on loopback.
    let listener = TcpListener::bind(ports::loopback(port)).unwrap();
    drop(thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    }));
    wait_until("it says what is there", LONG, || {
        node.output()
            .contains("name the port of the control plane's --node-listen")
    });
    assert_eq!(node.stop().code(), Some(0), "{}", node.output());
}

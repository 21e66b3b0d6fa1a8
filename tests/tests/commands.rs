//! Commands of the control plane to real data planes: logins that are tried there, second factors that
//! are asked for alone; and primary-only with two control planes.
#![cfg(test)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    config::{MAIN, challenge, eap_server, radius_client, server},
    countersign::{Start, program},
    gateway::on_data_dir,
    http,
    nodes::{Node, Nodes},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, Postgres,
        fakeduo::{Fault, Outcome, Place, Preauth, User},
    },
    ports,
    process::Process,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);

/// Two nodes, with a section of each kind.
struct Lab {
    nodes: Nodes,
    duo: FakeDuo,
    _radius: FreeRadius,
}

impl Lab {
    fn start() -> Self {
        let (duo, radius) = (
            FakeDuo::start(Pki::shared()),
            FreeRadius::start(Kind::Plain),
        );
        let ports: [u16; 3] = std::array::from_fn(|_| ports::free_udp());
        let text = format!(
            "{MAIN}[duo_only_client]\n{}{}client=radius_client\nfailmode=secure\npass_through_all=true\n{}{}",
            radius_client("radius_client", &radius),
            server("radius_server_auto", ports[0], &duo),
            challenge(1, ports[1], &duo, "duo_only_client", ""),
            eap_server(ports[2], &duo, "radius_client", "server"),
        );
        let nodes = Nodes::start(&text);
        Self {
            nodes,
            duo,
            _radius: radius,
        }
    }

    fn login(&self, integration: &str, user: &str, more: &Value) -> http::Answer {
        let mut body = json!({"integration": integration, "user": user});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let socket = self.nodes.a.control_socket();
        http::request_local(&socket, "POST", "/api/v1/logins", &body.to_string()).unwrap()
    }

    /// A login that was tried, whatever came of it.
    #[track_caller]
    fn tried(&self, integration: &str, user: &str, more: &Value) -> Value {
        let answer = self.login(integration, user, more);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
}

#[test]
fn a_login_is_tried_at_either_node_as_a_device_would() {
    let lab = Lab::start();
    for node in ["local", "b"] {
        let more = json!({"password": "pw-alice", "node": node,
            "calling_station_id": "198.51.100.7"});
        let tried = lab.tried("radius_server_auto", "alice", &more);
        assert!(
            !tried["attributes"].as_array().unwrap().is_empty(),
            "{tried:#}"
        );
        let event = &tried["event"];
        assert_eq!(event["outcome"], "accept", "{tried:#}");
        assert_eq!(
            (&event["node"], &event["test"]),
            (&json!(node), &json!(true))
        );
        assert_eq!(event.get("signed"), None, "{tried:#}");
        assert_eq!(event["revision"], 1);
        assert_eq!(event["calling_station"], "198.51.100.7");
        let stages: Vec<&str> = event["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["stage"].as_str().unwrap())
            .collect();
        for stage in ["packet", "primary", "preauth", "factor", "answer"] {
            assert!(stages.contains(&stage), "{stage}: {stages:?}");
        }
        let wrong = json!({"password": "PLANTED-wrong", "node": node});
        let wrong = lab.tried("radius_server_auto", "alice", &wrong);
        assert_eq!(wrong["event"]["outcome"], "reject", "{wrong:#}");
    }
    // Told like any login, and as what it is.
    let events = lab.nodes.a.events_of("alice", 4);
    assert!(
        events.iter().all(|event| event["test"] == true),
        "{events:#?}"
    );
    let shown = on_data_dir(&["events"], &lab.nodes.a.data_dir(), "");
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("from test "), "{shown}");
    // No login of anybody, in the numbers.
    let counted = "countersign_logins_total{integration=\"radius_server_auto\"";
    let metrics = lab.nodes.a.get("/metrics").body;
    assert!(!metrics.contains(counted), "{metrics}");

    let tunnel = json!({"password": "any"});
    let tunnel = lab.tried("radius_server_auto", "tunnel", &tunnel);
    let attributes = tunnel["attributes"].as_array().unwrap();
    let mut all = attributes.iter();
    let secret = all.find(|one| one["name"] == "Tunnel-Password");
    assert!(
        secret.is_none_or(|one| one.get("value").is_none()),
        "{tunnel:#}"
    );

    let client = json!({"password": "x", "client": "127.0.0.9", "node": "b"});
    let as_client = lab.tried("radius_server_challenge", "carol", &client);
    assert_eq!(as_client["event"]["client"], "127.0.0.9:0", "{as_client:#}");
    let stranger = json!({"password": "x", "client": "192.0.2.1"});
    let stranger = lab.login("radius_server_challenge", "carol", &stranger);
    assert_eq!(stranger.status, 409, "{}", stranger.body);

    let said = format!("{}{}", lab.nodes.a.output(), lab.nodes.b.output());
    for secret in ["PLANTED-wrong", "pw-alice"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(lab.duo.violations(), Vec::<String>::new());
}

#[test]
fn a_question_is_answered_at_any_node_and_its_state_is_good_for_tests_alone() {
    let lab = Lab::start();
    // The flow behind the tunnel asks as it does there.
    let tunnelled = json!({"password": "pw-alice"});
    let tunnelled = lab.tried("radius_server_eap", "alice", &tunnelled);
    assert_eq!(tunnelled["event"]["outcome"], "challenge", "{tunnelled:#}");
    let answer = json!({"answer": "push", "state": tunnelled["state"]});
    let tunnelled = lab.tried("radius_server_eap", "alice", &answer);
    assert_eq!(tunnelled["event"]["outcome"], "accept", "{tunnelled:#}");
    let integration = "radius_server_challenge";
    let asked = json!({"password": "any", "node": "local"});
    let asked = lab.tried(integration, "alice", &asked);
    assert_eq!(asked["event"]["outcome"], "challenge", "{asked:#}");
    let text = asked["event"]["reply_message"].as_str().unwrap();
    assert!(text.contains("1. Duo Push"), "{text}");
    let answer = json!({"answer": "1", "state": asked["state"], "node": "b"});
    let done = lab.tried(integration, "alice", &answer);
    assert_eq!(done["event"]["outcome"], "accept", "{done:#}");
    assert_eq!(done["event"]["node"], "b");
    assert_eq!(done["event"]["first"], asked["event"]["id"]);
    // Once, and for its user alone.
    let again = lab.tried(integration, "alice", &answer);
    assert_eq!(again["event"]["reason"], "unknown_state", "{again:#}");
    let asked = lab.tried(
        "radius_server_challenge",
        "alice",
        &json!({"password": "any"}),
    );
    let answer = json!({"answer": "1", "state": asked["state"]});
    let other = lab.tried("radius_server_challenge", "bob", &answer);
    assert_eq!(other["event"]["reason"], "unknown_state", "{other:#}");

    // On the command line, the password and the answer from its input.
    let words = [
        "node",
        "login",
        "erin",
        "--integration",
        "radius_server_challenge",
        "--node",
        "b",
    ];
    let output = on_data_dir(&words, &lab.nodes.a.data_dir(), "any\n1\n");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    assert!(
        shown.contains("ASKED") && shown.contains("ACCEPTED"),
        "{shown}"
    );
}

#[test]
fn who_goes_ends_the_test_and_it_is_told_as_unanswered() {
    let lab = Lab::start();
    lab.duo.user("alice", User::who(Outcome::Wait));
    let body = json!({"integration": "radius_server_auto", "user": "alice", "node": "b",
        "password": "pw-alice"});
    let body = body.to_string();
    let mut stream = UnixStream::connect(lab.nodes.a.control_socket()).unwrap();
    write!(
        stream,
        "POST /api/v1/logins HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    wait_until("the push is out", LONG, || lab.duo.pushes("alice") == 1);
    drop(stream);
    let event = lab.nodes.a.event_of("alice", 1);
    assert_eq!(event["outcome"], "unanswered", "{event:#}");
    assert_eq!(event["test"], true);
    let in_flight = || lab.nodes.b.status()["logins_in_flight"].clone();
    wait_until("nothing is in flight", LONG, || in_flight() == 0);
}

type Lines = Arc<Mutex<Vec<Value>>>;

/// A control plane of the test's own: sends one snapshot and one command, and keeps what comes back.
struct Commander {
    socket: PathBuf,
    finished: Lines,
    words: Lines,
    commands: Lines,
    _folder: TempDir,
}

impl Commander {
    fn start(snapshot: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (finished, words, commands) = <(Lines, Lines, Lines)>::default();
        let shared = (
            Arc::clone(&finished),
            Arc::clone(&words),
            Arc::clone(&commands),
        );
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (snapshot, shared) = (snapshot.clone(), shared.clone());
                thread::spawn(move || {
                    let (finished, words, commands) = shared;
                    let stream = stream.unwrap();
                    let Some((path, body)) = request(&stream) else {
                        return;
                    };
                    let mut stream = &stream;
                    if !path.ends_with("/Subscribe") {
                        if path.ends_with("/Finished") {
                            finished.lock().unwrap().push(body);
                        }
                        let _sent = stream.write_all(
                            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
                        );
                        return;
                    }
                    words.lock().unwrap().push(body["understands"].clone());
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                    let first = json!({"type": "snapshot", "snapshot": snapshot});
                    let mut lines = format!("{head}{first}\n");
                    while stream.write_all(lines.as_bytes()).is_ok() {
                        thread::sleep(Duration::from_millis(50));
                        lines = "{\"type\":\"heartbeat\"}\n".to_owned();
                        for command in commands.lock().unwrap().drain(..) {
                            lines += &format!("{command}\n");
                        }
                    }
                });
            }
        });
        Self {
            socket,
            finished,
            words,
            commands,
            _folder: folder,
        }
    }

    /// What came of a command.
    fn does(&self, number: u64, command: &Value) -> Value {
        let line = json!({"type": "command", "number": number, "command": command});
        self.commands.lock().unwrap().push(line);
        let found = || {
            let finished = self.finished.lock().unwrap();
            let mut all = finished.iter();
            all.find(|one| one["number"] == number).cloned()
        };
        wait_until("the command is done", LONG, || found().is_some());
        found().unwrap()["outcome"].clone()
    }
}

fn request(stream: &UnixStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        } else if line.is_empty() {
            break;
        } else if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, serde_json::from_slice(&body).ok()?))
}

#[test]
fn a_second_factor_alone_is_asked_for_and_lets_nobody_pass_without_it() {
    let duo = FakeDuo::start(Pki::shared());
    let (host, port) = duo.host().rsplit_once(':').unwrap();
    let commander = Commander::start(json!({
        "revision": 1,
        "settings": {"http_ca_certs": Pki::shared().ca},
        "authenticators": [{"id": "duo_only_client", "kind": "duo_only"}],
        "integrations": [{
            "id": "radius_server_auto", "mode": "auto", "authenticator": "duo_only_client",
            "listen": "127.0.0.3", "port": ports::free_udp(), "fail_mode": "safe",
            "application": {"ikey": FakeDuo::IKEY, "skey": FakeDuo::SKEY, "host": host,
                "port": port.parse::<u16>().unwrap()},
            "clients": [{"address": "127.0.0.0/8", "secret": "s"}], "exempt_users": ["exempt"],
        }],
    }));
    let node = Node::launch("b", Nodes::B, &commander.socket, &[]);
    wait_until("it serves", LONG, || node.status()["revision"] == 1);
    let words = commander.words.lock().unwrap()[0].clone();
    assert!(
        words.as_array().unwrap().contains(&json!("logins")),
        "{words}"
    );
    duo.user(
        "bypassed",
        User::default().preauth(Preauth::Allow("welcome".to_owned())),
    );
    duo.user("denied", User::who(Outcome::Deny));
    let mut number = 100;
    let mut ask = |user: &str, typed: &str| {
        number += 1;
        let factor = json!({"integration": "radius_server_auto", "user": user, "typed": typed,
            "by": "test"});
        commander.does(number, &json!({"do": "factor", "factor": factor}))
    };
    for (user, typed, verdict, reason) in [
        ("alice", "push", "allowed", "approved"),
        ("alice", FakeDuo::PASSCODE, "allowed", "approved"),
        ("alice", "000000", "denied", "denied"),
        ("denied", "push", "denied", "denied"),
        // Neither proves anything.
        ("bypassed", "push", "denied", "bypassed"),
        ("exempt", "000000", "denied", "denied"),
        ("alice", "", "denied", "empty_password"),
    ] {
        let said = ask(user, typed);
        assert_eq!(said["verdict"], verdict, "{user} {typed}: {said}");
        assert_eq!(said["reason"], reason, "{user} {typed}: {said}");
    }
    duo.fail(Place::anywhere(), Fault::Status(500));
    let away = ask("alice", "push");
    assert_eq!(
        away["verdict"], "unavailable",
        "fail mode safe counts for nothing: {away}"
    );
    duo.heal();
    // What a later control plane may ask is answered as not understood, and the node lives on.
    let later = commander.does(1, &json!({"do": "dance", "steps": [1, 2]}));
    assert_eq!(later["type"], "refused", "{later}");
    let elsewhere = json!({"integration": "none", "user": "a", "typed": "b", "by": "test"});
    let elsewhere = commander.does(2, &json!({"do": "factor", "factor": elsewhere}));
    assert_eq!(elsewhere["type"], "refused", "{elsewhere}");
    assert!(
        !node.output().contains(FakeDuo::PASSCODE),
        "{}",
        node.output()
    );
}

/// A `countersign controlplane` by itself, on a database that others have too.
struct Second {
    _process: Process,
    folder: TempDir,
}

impl Second {
    fn start(url: &str, key: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data/controlplane");
        fs::create_dir_all(&data).unwrap();
        fs::copy(key, data.join("controlplane.key")).unwrap();
        let mut command = Command::new(program());
        command
            .args(["controlplane", "--data-dir"])
            .arg(folder.path().join("data"))
            .env("COUNTERSIGN_DATABASE", url)
            .current_dir(folder.path());
        let log = folder.path().join("output.log");
        let mut process = Process::start("controlplane", &command, &log);
        let socket = folder.path().join("data/run/controlplane.sock");
        process.until("it answers", LONG, || {
            http::request_local(&socket, "GET", "/status", "").is_ok()
        });
        Self {
            _process: process,
            folder,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("data/run/controlplane.sock")
    }
}

#[test]
fn primary_only_is_the_same_at_all_control_planes_and_nodes() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let text = format!(
        "{MAIN}{}{}client=radius_client\nfailmode=secure\n",
        radius_client("radius_client", &radius),
        server("radius_server_auto", ports::free_udp(), &duo),
    );
    let a = Start::with(&text)
        .variable("COUNTERSIGN_DATABASE", &url)
        .ready();
    let b = Second::start(&url, &a.data_dir().join("controlplane/controlplane.key"));
    let mut node = Node::launch("b", Nodes::B, &b.socket(), &[]);
    node.wait_serves(1);
    let call = |socket: &PathBuf, method: &str, body: &str| {
        let answer = http::request_local(socket, method, "/api/v1/primary-only", body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let grant = |socket: &PathBuf, place: Value| {
        let mut body = json!({"seconds": 600, "reason": "outage", "by": "test"});
        let place = place.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(place);
        body["confirm"] = call(socket, "POST", &body.to_string())["token"].clone();
        let started = call(socket, "POST", &body.to_string());
        assert_eq!(started["type"], "started", "{started}");
    };
    let (here, there) = (a.control_socket(), b.socket());
    let granted = |socket: &PathBuf| call(socket, "GET", "")["grants"].as_array().unwrap().len();
    grant(&here, json!({"all": true}));
    wait_until("the other knows", Duration::from_secs(3), || {
        granted(&there) == 1
    });
    node.until("its node too", |status| {
        status["primary_only"][0]["reason"] == "outage"
    });
    // What the other adds takes nothing away.
    grant(&there, json!({"integration": "radius_server_auto"}));
    wait_until("the first knows", Duration::from_secs(3), || {
        granted(&here) == 2
    });
    // Ended at the one, whoever began it.
    call(&there, "DELETE", "");
    assert_eq!(granted(&there), 0);
    wait_until("it is over there too", Duration::from_secs(3), || {
        granted(&here) == 0
    });
    node.until("and at the node", |status| status["primary_only"].is_null());
    let audit = http::request_local(&here, "GET", "/api/v1/audit", "").unwrap();
    assert!(audit.body.contains("primary-only.stop"), "{}", audit.body);
}

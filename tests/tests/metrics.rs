//! `/metrics`, `/healthz`, `/readyz` and `countersign healthcheck`, as monitors use them.
#![cfg(test)]

use std::{
    collections::{BTreeSet, HashSet},
    io::Write,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    controlplane::ControlPlane,
    countersign::{Countersign, Start, command, program},
    gateway::Site,
    http,
    nas::{Nas, code},
    nodes::{Node, Nodes},
    peers::{Postgres, SECRET, require},
    ports,
    process::Process,
};
use nix::sys::signal::{Signal, kill};
use proto::metric::{Kind, Metric, TABLES, Values};

const LONG: Duration = Duration::from_secs(15);
/// What other control planes know of a node is read every half minute.
const READ_ANEW: Duration = Duration::from_secs(60);

/// What `promtool check metrics` complains of.
fn complaints(text: &str) -> String {
    let mut check = Command::new(require("promtool", "prometheus"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = check.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(
        output.status.success() || !said.is_empty(),
        "{}",
        output.status
    );
    said
}

/// Series that are not there before the first of what they count.
const NOT_AT_FIRST: &[&str] = &[
    "countersign_primary_discards_total",
    "countersign_primary_requests_total",
    "countersign_primary_unsigned_answers_total",
];

fn rows() -> impl Iterator<Item = &'static Metric> {
    TABLES.iter().flat_map(|table| table.metrics)
}

/// Holds the tables, of which the book's page is made, against what is scraped, both ways.
fn assert_as_the_tables_say(text: &str) {
    let line = |row: &Metric| format!("# TYPE {} {}", row.name, row.kind.as_str());
    let scraped: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .collect();
    let known: BTreeSet<String> = rows().map(line).collect();
    let unknown: Vec<_> = scraped
        .iter()
        .filter(|one| !known.contains(**one))
        .collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "in no table");
    let gone: BTreeSet<&str> = rows()
        .filter(|row| !scraped.contains(&*line(row)) && !NOT_AT_FIRST.contains(&row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(gone, BTreeSet::new(), "in a table and not there");
    for row in rows() {
        let help = format!("# HELP {} {}\n", row.name, row.help);
        assert!(!text.contains(&line(row)) || text.contains(&help), "{help}");
    }
    for sample in samples(text) {
        assert_closed(&sample);
    }
}

/// A line of a text of metrics, without its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
}

fn samples(text: &str) -> BTreeSet<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let pair = |pair: &str| {
            let (label, value) = pair.split_once("=\"").unwrap();
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        };
        Sample {
            name: name.to_owned(),
            labels: labels
                .split("\",")
                .filter(|one| !one.is_empty())
                .map(pair)
                .collect(),
        }
    };
    let all: Vec<Sample> = lines.map(sample).collect();
    let different: BTreeSet<Sample> = all.iter().cloned().collect();
    assert_eq!(
        all.len(),
        different.len(),
        "a series is there twice: {text}"
    );
    different
}

/// A sample's labels are those of its row, and say what that lets them say.
fn assert_closed(sample: &Sample) {
    let row = rows().find(|row| {
        let rest = sample.name.strip_prefix(row.name);
        let own = match row.kind {
            Kind::Histogram(_) => ["_bucket", "_sum", "_count"].as_slice(),
            Kind::Counter | Kind::Gauge => &[""],
        };
        rest.is_some_and(|rest| own.contains(&rest))
    });
    let row = row.unwrap_or_else(|| panic!("{sample:?} is in no table"));
    let own = sample.labels.iter().filter(|(label, _)| label != "le");
    let own: BTreeSet<&str> = own.map(|(label, _)| label.as_str()).collect();
    let wanted: BTreeSet<&str> = row.labels.iter().map(|label| label.name).collect();
    assert_eq!(own, wanted, "{sample:?}");
    for (name, value) in &sample.labels {
        let label = row.labels.iter().find(|label| label.name == name);
        if let Some(Values::Of(set)) = label.map(|label| label.values) {
            assert!(set.contains(&value.as_str()), "{sample:?}");
        }
    }
}

#[test]
fn nobody_who_sends_requests_makes_series() {
    let site = Site::new();
    let other = ports::free_udp();
    let second = format!("\n[radius_server_auto2]\n{}port={other}\n", site.server());
    let mut gateway = Countersign::run(&site.config(&second));
    let scrape = || gateway.get("/metrics").body;
    // A round of logins and of what is none, all with words of their own.
    let round = |word: &str| {
        let nas = site.nas();
        for number in 0..20 {
            let user = format!("{word}{number}");
            let request = nas
                .access(&user, "any")
                .text(CALLED_STATION, &format!("called-{user}"))
                .text(CALLING_STATION, &format!("calling-{user}"))
                .text(NAS_IDENTIFIER, &format!("nas-{user}"));
            assert!(nas.exchange(&request, LONG).is_some(), "{user}");
        }
        let guess = Nas::new(site.radius(), word);
        guess.send(&guess.access(word, word).encode());
        guess.send(word.as_bytes());
        let second = Nas::new(ports::loopback(other), SECRET);
        assert!(second.exchange(&second.access(word, "any"), LONG).is_some());
        let answer = http::get(gateway.admin, &format!("/{word}")).unwrap();
        assert!(answer.status > 0);
    };
    let discarded = r#"countersign_radius_discards_total{reason="message_authenticator_wrong"}"#;
    let mut before = String::new();
    round("warmth");
    wait_until("the first round is counted", LONG, || {
        before = scrape();
        http::metric(&before, discarded) >= 1.0
            && http::metric(&before, "countersign_controlplane_events_stored_total") >= 21.0
    });
    let mut after = String::new();
    for word in ["mallory", "evelyn"] {
        round(word);
    }
    wait_until("the others are counted", LONG, || {
        after = scrape();
        http::metric(&after, discarded) >= 3.0
            && http::metric(&after, "countersign_controlplane_events_stored_total") >= 63.0
    });
    let (was, is) = (samples(&before), samples(&after));
    let more: Vec<_> = is.difference(&was).collect();
    assert_eq!(more, Vec::<&Sample>::new(), "requests have made series");
    for word in ["warmth", "mallory", "evelyn"] {
        assert!(!after.contains(word), "{word}: {after}");
    }
    for sample in &is {
        assert_closed(sample);
    }

    // What a section has goes with it.
    assert!(after.contains(r#"integration="radius_server_auto2""#));
    let revision = gateway.revision();
    gateway.rewrite_config(&site.config(""));
    wait_until("the section is gone", LONG, || {
        gateway.revision() == revision + 1
    });
    let left = gateway.get("/metrics").body;
    assert!(!left.contains("radius_server_auto2"), "{left}");
    assert!(left.contains(r#"integration="radius_server_auto""#));
    gateway.stop();
}

#[test]
fn sections_that_come_while_metrics_are_read_are_counted() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let admin = gateway.admin;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut readings = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(http::get(admin, "/metrics").unwrap().status, 200);
                readings += 1;
            }
            readings
        });
        let end = Ends(&done);
        for number in 2..8 {
            let name = format!("radius_server_auto{number}");
            let port = ports::free_udp();
            let section = format!("\n[{name}]\n{}port={port}\n", site.server());
            let revision = gateway.revision();
            gateway.rewrite_config(&site.config(&section));
            wait_until("the section is served", LONG, || {
                gateway.revision() == revision + 1
            });
            let nas = Nas::new(ports::loopback(port), SECRET);
            assert_eq!(nas.login("alice", "any").code, code::ACCESS_ACCEPT);
            let labels = format!(r#"{{code="Access-Request",integration="{name}"}}"#);
            let series = format!("countersign_radius_requests_total{labels}");
            wait_until("its request is counted", LONG, || {
                gateway.metric(&series) >= 1.0
            });
        }
        drop(end);
        assert!(reader.join().unwrap() > 5);
    });
}

/// Says that it is done when it is dropped, by a failure too.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// RFC 2865.
const CALLED_STATION: u8 = 30;
const CALLING_STATION: u8 = 31;
const NAS_IDENTIFIER: u8 = 32;

#[test]
fn the_metrics_of_all_roles_are_one_good_text() {
    let site = Site::new();
    let (listen, port) = (ports::loopback(ports::free_tcp()), ports::free_udp());
    let builtin = format!(
        "\n[radius_server_auto2]\napi_host=builtin\nclient=duo_only_client\nport={port}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1=other-secret\n"
    );
    let gateway = Start::with(&site.config(&builtin))
        .argument("--second-factor-listen")
        .argument(&listen.to_string())
        .ready();
    let nas = site.nas();
    let answer = nas.exchange(&nas.access("alice", "any"), LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    // The user reads the answer before the event is stored.
    let mut text = String::new();
    wait_until("the event is counted", LONG, || {
        text = gateway.get("/metrics").body;
        text.contains("countersign_controlplane_events_stored_total 1\n")
    });
    assert_eq!(complaints(&text), "", "{text}");
    for role in ["supervisor", "controlplane", "dataplane", "secondfactor"] {
        let sample = format!("countersign_build_info{{role=\"{role}\"");
        assert!(text.contains(&sample), "{sample}");
    }
    for role in ["controlplane", "dataplane", "secondfactor"] {
        let socket = gateway.data_dir().join(format!("run/{role}.sock"));
        let own = http::request_local(&socket, "GET", "/metrics", "").unwrap();
        assert_eq!(complaints(&own.body), "", "{role}: {}", own.body);
    }
    let mut names = HashSet::new();
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert!(names.insert(line), "described twice: {line}");
    }
    assert!(!text.contains("alice"), "no user is a label");
    assert_as_the_tables_say(&text);
    assert!(
        complaints("# TYPE x gauge\nx 1\nx 1\n").contains('x'),
        "the check can fail"
    );
}

/// What a whole request over TLS comes to, by a client that trusts this certificate alone.
fn curl(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(require("curl", "curl"))
        .args(["--silent", "--show-error", "--max-time", "10"])
        .args(arguments)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_node_by_itself_is_watched_at_an_address_of_its_own() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config("interface=127.0.0.1"));
    let watched = ports::loopback(ports::free_tcp());
    let mut node = Node::launch_with(
        "b",
        Nodes::B,
        &gateway.control_socket(),
        &[],
        &["--admin-listen", &watched.to_string()],
    );
    node.wait_follows();
    let get = |path| http::get(watched, path).unwrap();
    assert_eq!(
        (get("/healthz").status, &*get("/healthz").body),
        (200, "ok\n")
    );
    assert_eq!(
        (get("/readyz").status, &*get("/readyz").body),
        (200, r#"{"ready":true}"#)
    );
    let metrics = get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(complaints(&metrics.body), "", "{}", metrics.body);
    assert!(http::metric(&metrics.body, "countersign_serving_revision") >= 1.0);
    // What needs trust in the caller is not there.
    for path in ["/status", "/login/targets", "/", "/api/v1/status"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    let posted = http::request(watched, "POST", "/check", &[], "").unwrap();
    assert_eq!(posted.status, 404);
    node.stop();
    http::get(watched, "/healthz").expect_err("it ends with the node");
}

#[test]
fn a_second_factor_by_itself_is_watched_and_off_loopback_by_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let admin = ports::free_tcp();
    let start = || {
        let mut command = Command::new(program());
        command
            .args(["secondfactor", "--second-factor-listen"])
            .arg(ports::loopback(ports::free_tcp()).to_string())
            .args(["--admin-listen", &format!("0.0.0.0:{admin}"), "--data-dir"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        Process::start("secondfactor", &command, &folder.path().join("output.log"))
    };
    let mut service = start();
    let certificate = folder.path().join("data/secondfactor/admin.pem");
    let certificate = certificate.to_str().unwrap();
    let url = |path: &str| format!("https://localhost:{admin}{path}");
    service.until("/readyz answers", LONG, || {
        curl(&["--cacert", certificate, &url("/readyz")]).1 == r#"{"ready":true}"#
    });
    let (_, text) = curl(&["--cacert", certificate, &url("/metrics")]);
    assert_eq!(complaints(&text), "", "{text}");
    for sample in [
        "countersign_secondfactor_pushes_waiting 0\n",
        "certificate_expiry_timestamp_seconds{kind=\"second_factor\",",
        "certificate_expiry_timestamp_seconds{kind=\"admin\",",
    ] {
        assert!(text.contains(sample), "{sample}: {text}");
    }
    let asked = ["--admin-listen", &format!("0.0.0.0:{admin}")];
    let asked = [
        &["healthcheck"],
        &asked[..],
        &["--admin-tls-cert", certificate],
    ]
    .concat();
    let healthy = command(&asked, folder.path());
    assert_eq!(healthy.stdout, b"ready\n", "{healthy:?}");
    let (exit, said) = curl(&[&format!("http://localhost:{admin}/metrics")]);
    assert_ne!(exit, Some(0), "without TLS: {said}");
    service.stop();
}

#[test]
fn control_planes_of_one_database_know_how_all_nodes_are() {
    let site = Site::new();
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("database");
    std::fs::write(&file, format!("{url}\n")).unwrap();
    let config = |more: &str| site.config(&format!("interface={}\n{more}", Nodes::A));
    let a = Start::with(&config(""))
        .argument("--database-url-file")
        .argument(file.to_str().unwrap())
        .argument("--node")
        .argument("a")
        .ready();
    // It starts when the node was heard of, and never hears of it itself.
    let b = ControlPlane::launch(
        Some(&url),
        Some(&a.data_dir().join("controlplane/controlplane.key")),
    );
    let metric = |name: &str| -> f64 {
        let text = http::request_local(&b.socket(), "GET", "/metrics", "")
            .unwrap()
            .body;
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let seen = "countersign_node_last_seen_timestamp_seconds{node=\"a\"}";
    let first = metric(seen);
    wait_until("it hears of the node again", READ_ANEW, || {
        metric(seen) > first
    });
    assert_eq!(
        metric("countersign_node_connected{node=\"a\"}").to_string(),
        "0"
    );
    a.rewrite_config(&config("exempt_username_2=somebody\n"));
    wait_until("and what it serves now", READ_ANEW, || {
        metric("countersign_config_revision{node=\"a\"}") >= 2.0
    });
    assert_eq!(
        metric("countersign_config_latest_revision").to_string(),
        "2"
    );
}

#[test]
fn a_certificate_for_no_admin_address_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(
        &[
            "dataplane",
            "--data-dir=data",
            "--admin-tls-cert=a.pem",
            "--admin-tls-key=a.key",
        ],
        folder.path(),
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--admin-listen"), "{said}");
}

#[test]
fn it_is_ready_only_while_all_roles_are() {
    let site = Site::new();
    let mut gateway = Countersign::run(&site.config(""));
    assert_eq!(gateway.get("/healthz").status, 200);
    let ready = gateway.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));

    let control = gateway.role("controlplane");
    // Stopped, not ended: so that it is away for as long as the test looks.
    kill(control, Signal::SIGSTOP).unwrap();
    // A process of several threads takes a moment to stand still.
    let mut away = gateway.get("/readyz");
    wait_until("the control plane is missed", LONG, || {
        away = gateway.get("/readyz");
        away.status == 503
    });
    let roles = away.json()["roles"].clone();
    assert_eq!(roles["controlplane"]["ready"], false);
    assert_eq!(roles["dataplane"]["ready"], true);
    assert_eq!(gateway.get("/healthz").status, 200, "the supervisor lives");
    let nas = site.nas();
    let answer = nas.exchange(&nas.access("exempt", "any"), LONG).unwrap();
    assert_eq!(
        answer.code,
        code::ACCESS_ACCEPT,
        "logins need no control plane"
    );
    kill(control, Signal::SIGCONT).unwrap();
    gateway.wait_ready();

    let data = gateway.role("dataplane");
    kill(data, Signal::SIGSTOP).unwrap();
    wait_until("the data plane is missed", LONG, || {
        gateway.get("/readyz").json()["roles"]["dataplane"]["ready"] == false
    });
    kill(data, Signal::SIGCONT).unwrap();
    gateway.wait_ready();
}

#[test]
fn it_is_alive_before_it_is_ready() {
    let site = Site::new();
    // Nothing refuses it and nobody is there to ask: its first moments are seen as they pass.
    let mut gateway = Start::with(&site.config("")).launch();
    let admin = gateway.admin;
    let mut before = None;
    wait_until("it is ready", LONG, || match http::get(admin, "/readyz") {
        Ok(answer) if answer.status == 200 => true,
        Ok(answer) => {
            before = Some(answer.status);
            false
        }
        Err(_) => false,
    });
    // A start may be too quick to be caught; what was caught must be 503.
    assert!(before.is_none_or(|status| status == 503), "{before:?}");
    gateway.stop();
}

#[test]
fn healthcheck_exits_as_the_gateway_is() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let folder = tempfile::tempdir().unwrap();
    let check = |address: String| {
        let output = command(&["healthcheck", "--admin-listen", &address], folder.path());
        (
            output.status.code(),
            [output.stdout, output.stderr].concat(),
        )
    };
    let (exit, said) = check(gateway.admin.to_string());
    assert_eq!((exit, said.as_slice()), (Some(0), &b"ready\n"[..]));
    let data = gateway.role("dataplane");
    kill(data, Signal::SIGSTOP).unwrap();
    // It waits five seconds for an answer, as the admin address does for the role.
    assert_eq!(check(gateway.admin.to_string()).0, Some(1), "not ready");
    kill(data, Signal::SIGCONT).unwrap();
    let nobody = check(ports::dead().to_string());
    assert_eq!(nobody.0, Some(1), "nobody there");
    assert!(
        String::from_utf8(nobody.1)
            .unwrap()
            .contains("no gateway answers")
    );
}

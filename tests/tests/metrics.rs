//! `/metrics`, `/healthz`, `/readyz` and `countersign healthcheck`, as monitors use them.
#![cfg(test)]

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start, command, program},
    gateway::Site,
    http,
    nas::code,
    nodes::{Node, Nodes},
    peers::require,
    ports,
    process::Process,
};
use nix::sys::signal::{Signal, kill};

const LONG: Duration = Duration::from_secs(15);

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
    "countersign_certificate_expiry_timestamp_seconds",
    "countersign_duplicates_total",
    "countersign_eap_refused_total",
    "countersign_fail_mode_total",
    "countersign_primary_discards_total",
    "countersign_primary_requests_total",
    "countersign_primary_unsigned_answers_total",
    "countersign_radius_discards_total",
    "countersign_requests_without_message_authenticator_total",
    "countersign_secondfactor_authentications_total",
    "countersign_secondfactor_requests_total",
    "countersign_states_total",
];

/// Holds the page of metrics against what is scraped, both ways.
fn assert_documented(text: &str) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let scraped: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let documented: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split('{').next())
        .filter(|name| name.starts_with("countersign_"))
        .collect();
    let missing: Vec<_> = scraped.difference(&documented).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "not documented");
    let gone: Vec<_> = documented
        .difference(&scraped)
        .filter(|name| !NOT_AT_FIRST.contains(name))
        .collect();
    assert_eq!(gone, Vec::<&&str>::new(), "documented and not there");
    for name in NOT_AT_FIRST {
        assert!(documented.contains(name), "{name} is not documented");
    }
}

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
    for role in ["controlplane", "dataplane", "secondfactor"] {
        let sample = format!("countersign_build_info{{role=\"{role}\"");
        assert!(text.contains(&sample), "{sample}");
    }
    let mut names = HashSet::new();
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert!(names.insert(line), "described twice: {line}");
    }
    assert!(!text.contains("alice"), "no user is a label");
    assert_documented(&text);
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
    assert!(
        text.contains("countersign_secondfactor_pushes_waiting 0"),
        "{text}"
    );
    let (exit, said) = curl(&[&format!("http://localhost:{admin}/metrics")]);
    assert_ne!(exit, Some(0), "without TLS: {said}");
    service.stop();
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

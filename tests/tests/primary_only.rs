//! An outage of the second factor, and an administrator who lets the primary be enough for a time.
#![cfg(test)]

use std::{process::Output, time::Duration};

use e2e::{
    clock::{ahead, wait_until},
    config::{MAIN, bare_server, challenge, client, server, upstreams},
    countersign::Countersign,
    eap,
    gateway::on_data_dir,
    nas::{Answer, code, login},
    nodes::{Node, Nodes},
    peers::{
        FakeDuo, Pki, Received, Said, ScriptedUpstream, Supplicant,
        supplicant::{Method, typed},
    },
    ports,
};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
const LET_IN: &str = "The second factor is not asked for now. You are let in on your password.";
const AWAY: &str = "The second factor cannot be reached. Please try again later.";
const AUTO: &str = "radius_server_auto";

/// Lets in whoever gives the password `pw`.
fn one_password(request: &Received) -> Option<Said> {
    Some(match request.password() == "pw" {
        true => Said::accept(),
        false => Said::reject("Wrong."),
    })
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

fn shown(answer: &Answer) -> (u8, String) {
    (answer.code, answer.message())
}

fn let_in() -> (u8, String) {
    (code::ACCESS_ACCEPT, LET_IN.to_owned())
}

fn away() -> (u8, String) {
    (code::ACCESS_REJECT, AWAY.to_owned())
}

/// Sections over a primary that checks passwords, whose second factor is away.
struct Outage {
    duo: FakeDuo,
    upstream: ScriptedUpstream,
    config: String,
    /// Of `radius_server_auto`, `radius_server_auto2`, `radius_server_challenge`,
    /// `radius_server_concat`, `radius_server_duo_only`, and of `radius_server_auto3`, over
    /// `duo_only_client`.
    ports: [u16; 6],
}

impl Outage {
    fn new() -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let upstream = ScriptedUpstream::start(one_password);
        let ports: [u16; 6] = std::array::from_fn(|_| ports::free_udp());
        let over = |name: &str, port, client: &str| {
            format!(
                "{}client={client}\nfailmode=secure\n",
                server(name, port, &duo)
            )
        };
        let config = format!(
            "{MAIN}{}[duo_only_client]\n{}{}{}{}{}{}",
            upstreams("radius_client", &[upstream.address()]),
            over(AUTO, ports[0], "radius_client"),
            over("radius_server_auto2", ports[1], "radius_client"),
            challenge(1, ports[2], &duo, "radius_client", ""),
            over("radius_server_concat", ports[3], "radius_client"),
            bare_server("radius_server_duo_only", ports[4], duo.host())
                + &client(1, "127.0.0.0/8")
                + "failmode=secure\n",
            over("radius_server_auto3", ports[5], "duo_only_client"),
        );
        duo.refuse();
        Self {
            duo,
            upstream,
            config,
            ports,
        }
    }

    fn login(&self, section: usize, user: &str, password: &str) -> (u8, String) {
        shown(&login(self.ports[section], user, password))
    }
}

fn start(gateway: &Countersign, place: &[&str], span: &str) -> Output {
    let mut words = vec!["primary-only", "start", "--for", span, "--yes"];
    words.extend(["--reason", "the service is down"]);
    words.extend(place);
    gateway.command(&words)
}

/// Grants it and waits until the node has it.
#[track_caller]
fn granted(gateway: &Countersign, place: &[&str], span: &str) {
    let output = start(gateway, place, span);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    wait_until("the node has the grant", LONG, || {
        in_force(&gateway.status()["dataplane"])
    });
}

fn in_force(status: &Value) -> bool {
    status["primary_only"].is_array()
}

fn series(integration: &str) -> String {
    format!("countersign_primary_only{{integration=\"{integration}\"}}")
}

#[test]
fn logins_of_one_section_pass_on_the_password_alone_until_it_is_revoked() {
    let outage = Outage::new();
    let gateway = Countersign::run(&outage.config);
    assert_eq!(outage.login(0, "alice", "pw"), away(), "nothing is granted");
    assert!(
        gateway
            .get("/metrics")
            .body
            .contains(&format!("{} 0\n", series(AUTO)))
    );
    let asked = outage.duo.requests().len();

    granted(&gateway, &["--integration", AUTO], "30m");
    assert_eq!(outage.login(0, "alice", "pw"), let_in());
    let wrong = outage.login(0, "alice", "wrong");
    assert_eq!(wrong, (code::ACCESS_REJECT, "Wrong.".to_owned()));
    assert_eq!(outage.login(0, "alice", "").0, code::ACCESS_REJECT);
    assert_eq!(outage.login(1, "bob", "pw"), away(), "another section");
    assert_eq!(outage.duo.requests().len(), asked, "nobody is asked");

    let events = gateway.events_of("alice", 4);
    let event = events
        .iter()
        .find(|one| one["outcome"] == "accept")
        .unwrap();
    assert_eq!(event["reason"], "primary_only", "{event:#}");
    assert_eq!(event["factor"], Value::Null, "{event:#}");
    let steps = event["timeline"].as_array().unwrap();
    let details: Vec<&str> = steps
        .iter()
        .filter_map(|one| one["detail"].as_str())
        .collect();
    let said = details
        .iter()
        .find(|one| one.contains("PRIMARY ONLY until 2"));
    let said = said.unwrap_or_else(|| panic!("{details:#?}"));
    assert!(
        said.contains(", granted by ") && said.ends_with(": the service is down"),
        "{said}"
    );

    let words = ["login", "alice", "--integration", AUTO];
    let explained = text(&on_data_dir(&words, &gateway.data_dir(), "pw\n"));
    assert!(
        explained.contains("ACCEPTED") && explained.contains("PRIMARY ONLY  "),
        "{explained}"
    );

    assert!((gateway.metric(&series(AUTO)) - 1.0).abs() < f64::EPSILON);
    assert!(gateway.metric(&series("radius_server_auto2")).abs() < f64::EPSILON);
    let status = gateway.status();
    assert_eq!(
        status["dataplane"]["primary_only"][0]["integrations"][0],
        AUTO
    );
    assert_eq!(
        status["controlplane"]["primary_only"][0]["reason"],
        "the service is down"
    );
    assert_eq!(gateway.revision(), 1, "no revision is made");
    let status = text(&gateway.command(&["status"]));
    let line = format!("PRIMARY ONLY IN FORCE: {AUTO} without the second factor until 2");
    assert!(status.contains(&line), "{status}");
    let list = text(&gateway.command(&["primary-only", "show"]));
    assert!(
        list.contains(&format!("PRIMARY ONLY    {AUTO}: {AUTO} until 2")),
        "{list}"
    );
    let output = gateway.output();
    assert!(output.contains("PRIMARY ONLY granted"), "{output}");
    assert!(output.contains("PRIMARY ONLY is in force"), "{output}");

    let stopped = gateway.command(&["primary-only", "stop"]);
    assert_eq!(text(&stopped), format!("ended: {AUTO}\n"));
    wait_until("the node has heard of the end", LONG, || {
        !in_force(&gateway.status()["dataplane"])
    });
    wait_until("the node says so in the log", LONG, || {
        gateway.output().contains("primary-only is over")
    });
    assert_eq!(outage.login(0, "alice", "pw"), away());
    assert!(gateway.metric(&series(AUTO)).abs() < f64::EPSILON);
    let again = text(&gateway.command(&["primary-only", "stop"]));
    assert_eq!(again, "nothing was granted there\n");
    outage.duo.resume();
    let accepted = outage.login(0, "alice", "pw").1;
    assert_eq!(accepted, "Success. Logging you in...", "all as before");
    assert!(outage.upstream.count("alice") >= 5);
}

#[test]
fn a_grant_for_all_opens_what_checks_passwords_and_nothing_else() {
    let outage = Outage::new();
    let gateway = Countersign::run(&outage.config);
    granted(&gateway, &["--all"], "1h");
    for (section, password) in [
        (0, "pw"),
        (0, "pw,push"),
        (1, "pw"),
        (2, "pw"),
        (3, "pw"),
        (3, "pw,123456"),
    ] {
        assert_eq!(
            outage.login(section, "alice", password),
            let_in(),
            "{section} {password}"
        );
        let wrong = outage.login(section, "alice", "nope");
        assert_eq!(wrong.0, code::ACCESS_REJECT, "{section} {password}");
    }
    assert_eq!(outage.login(4, "alice", "123456"), away(), "duo_only");
    assert_eq!(outage.login(5, "alice", "pw"), away(), "duo_only_client");
    let closed = ["radius_server_duo_only", "radius_server_auto3"];
    for section in closed {
        assert!(
            gateway.metric(&series(section)).abs() < f64::EPSILON,
            "{section}"
        );
    }
    let show = gateway.command(&["primary-only", "show", "--json"]);
    let show: Value = serde_json::from_slice(&show.stdout).unwrap();
    let stays = show["grants"][0]["stays_closed"].as_array().unwrap();
    assert_eq!(stays.len(), 2, "{show:#}");
    assert!(
        closed.iter().all(|one| stays.contains(&Value::from(*one))),
        "{show:#}"
    );
    // A section whose password nobody checks any more is closed at once.
    let mut section = 0;
    let config: String = outage
        .config
        .split_inclusive('\n')
        .map(|line| match line {
            "client=radius_client\n" if section == 0 => {
                section += 1;
                "client=duo_only_client\n"
            }
            line => line,
        })
        .collect();
    gateway.rewrite_config(&config);
    wait_until("the new revision is served", LONG, || {
        gateway.revision() == 2
    });
    assert_eq!(outage.login(0, "alice", "pw"), away());
    assert_eq!(outage.login(1, "alice", "pw"), let_in());
}

#[test]
fn supplicants_pass_on_the_password_too() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(one_password);
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        upstreams("radius_client", &[upstream.address()]),
        eap::section(1, port, &duo, "radius_client", ""),
    ));
    duo.refuse();
    granted(&gateway, &["--integration", "radius_server_eap"], "30m");
    for method in [Method::Peap, Method::TtlsGtc, Method::TtlsPap] {
        let peer = Supplicant::new(method, "alice");
        let login = peer.login(ports::loopback(port), typed(&["pw"]));
        let prompts = &login.accepted().prompts;
        assert!(
            prompts.iter().all(|one| one == eap::PASSWORD),
            "{prompts:?}"
        );
        let login = peer.login(ports::loopback(port), typed(&["wrong"]));
        let _ = login.rejected();
    }
    let events = gateway.events_of("alice", 6);
    let passed = events.iter().filter(|one| one["reason"] == "primary_only");
    assert_eq!(passed.count(), 3, "{events:#?}");
}

#[test]
fn a_grant_ends_by_itself() {
    let outage = Outage::new();
    let gateway = Countersign::run(&outage.config);
    granted(&gateway, &["--integration", AUTO], "5s");
    assert_eq!(outage.login(0, "alice", "pw"), let_in());
    wait_until("it ends", LONG, || outage.login(0, "alice", "pw") == away());
    assert!(gateway.metric(&series(AUTO)).abs() < f64::EPSILON);
    assert!(!in_force(&gateway.status()["dataplane"]));
    let show = text(&gateway.command(&["primary-only", "show"]));
    assert_eq!(
        show,
        "nothing is granted: the second factor is asked everywhere\n"
    );
    wait_until("the log says so", LONG, || {
        gateway.output().contains("primary-only has ended")
    });
}

#[test]
fn a_control_plane_that_is_away_prolongs_nothing() {
    let outage = Outage::new();
    let gateway = Countersign::run(&outage.config);
    granted(&gateway, &["--all"], "6s");
    let control = gateway.role("controlplane");
    // Stopped and not killed: another would be started.
    kill(control, Signal::SIGSTOP).unwrap();
    assert_eq!(outage.login(0, "alice", "pw"), let_in());
    wait_until("it ends", LONG, || outage.login(0, "alice", "pw") == away());
    kill(control, Signal::SIGCONT).unwrap();
    wait_until("the control plane has let go of it", LONG, || {
        !in_force(&gateway.status()["controlplane"])
    });
    assert_eq!(outage.login(0, "alice", "pw"), away());
}

#[test]
fn a_grant_outlives_the_control_plane_and_the_node() {
    let outage = Outage::new();
    let mut gateway = Countersign::run(&outage.config);
    granted(&gateway, &["--integration", AUTO], "1h");
    for role in ["controlplane", "dataplane"] {
        let old = gateway.role(role);
        kill(old, Signal::SIGKILL).unwrap();
        gateway.wait_restarted(role, old, LONG);
        gateway.wait_ready();
        wait_until("the node has the grant", LONG, || {
            in_force(&gateway.status()["dataplane"])
        });
        assert_eq!(outage.login(0, "alice", "pw"), let_in(), "{role}");
        assert_eq!(outage.login(1, "alice", "pw"), away(), "{role}");
    }
    gateway.restart();
    assert_eq!(outage.login(0, "alice", "pw"), let_in(), "all of it");
    assert_eq!(
        gateway.command(&["primary-only", "stop"]).status.code(),
        Some(0)
    );
    gateway.restart();
    assert_eq!(
        outage.login(0, "alice", "pw"),
        away(),
        "what is revoked stays so"
    );
}

#[test]
fn every_node_has_the_grant_and_each_ends_it_by_its_own_clock() {
    let outage = Outage::new();
    let mut nodes = Nodes::start(&outage.config);
    let c = "127.0.0.3".parse().unwrap();
    let mut early = Node::launch("c", c, &nodes.a.control_socket(), &ahead(3_600));
    early.wait_follows();
    granted(&nodes.a, &["--integration", AUTO], "30m");
    nodes.b.until("node B has the grant", in_force);
    let port = outage.ports[0];
    assert_eq!(shown(&nodes.nas_b(port).login("alice", "pw")), let_in());
    let late = early.nas(port).login("alice", "pw");
    assert_eq!(
        shown(&late),
        away(),
        "its clock is past the end: {}",
        early.output()
    );
    let status = on_data_dir(&["status"], &nodes.b.data_dir(), "");
    assert!(
        text(&status).contains("PRIMARY ONLY IN FORCE"),
        "{status:?}"
    );

    // Cut off it goes on to the end; begun anew without its control plane it has none.
    nodes.a.stop();
    assert_eq!(shown(&nodes.nas_b(port).login("alice", "pw")), let_in());
    nodes.b.restart();
    nodes.b.until("it serves its sealed copy", |status| {
        status["source"] == "sealed_copy"
    });
    assert_eq!(shown(&nodes.nas_b(port).login("alice", "pw")), away());
    nodes.a.restart();
    nodes.b.until("node B has it again", in_force);
    assert_eq!(shown(&nodes.nas_b(port).login("alice", "pw")), let_in());
}

#[test]
fn what_is_not_meant_or_not_possible_is_not_granted() {
    let outage = Outage::new();
    let gateway = Countersign::run(&outage.config);
    let long = "x".repeat(501);
    for (words, exit, said) in [
        // No terminal to ask at, and nobody who means it.
        (&["--all", "--for", "5m", "--reason", "x"][..], 2, "--yes"),
        (
            &[
                "--integration",
                "absent",
                "--for",
                "5m",
                "--reason",
                "x",
                "--yes",
            ],
            2,
            "there is no integration absent; there are: ",
        ),
        (
            &[
                "--integration",
                "radius_server_auto3",
                "--for",
                "5m",
                "--reason",
                "x",
                "--yes",
            ],
            1,
            "its client is duo_only_client, which takes any password",
        ),
        (
            &[
                "--integration",
                "radius_server_duo_only",
                "--for",
                "5m",
                "--reason",
                "x",
                "--yes",
            ],
            1,
            "in mode duo_only nobody checks a password",
        ),
        (
            &["--all", "--for", "25h", "--reason", "x", "--yes"],
            2,
            "24 hours",
        ),
        (
            &["--all", "--for", "5m", "--reason", "", "--yes"],
            2,
            "is empty",
        ),
        (
            &["--all", "--for", "5m", "--reason", &long, "--yes"],
            2,
            "is longer",
        ),
        (
            &["--all", "--for", "5m", "--reason", "a\u{1b}b", "--yes"],
            2,
            "control character",
        ),
        (&["--all", "--for", "5", "--reason", "x", "--yes"], 2, "30m"),
        (
            &["--for", "5m", "--reason", "x", "--yes"],
            2,
            "--integration",
        ),
    ] {
        let output = gateway.command(&[&["primary-only", "start"][..], words].concat());
        assert_eq!(output.status.code(), Some(exit), "{words:?}: {output:?}");
        assert!(text(&output).contains(said), "{words:?}: {}", text(&output));
    }
    let show = gateway.command(&["primary-only", "show", "--json"]);
    let show: Value = serde_json::from_slice(&show.stdout).unwrap();
    assert_eq!(show["grants"], Value::Array(Vec::new()));
    assert_eq!(outage.login(0, "alice", "pw"), away());
    let folder = tempfile::tempdir().unwrap();
    let nobody = on_data_dir(&["primary-only", "show"], folder.path(), "");
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(
        text(&nobody).contains("is this the right --data-dir?"),
        "{nobody:?}"
    );
}

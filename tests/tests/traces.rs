//! Traces of logins: device → countersign → directory or upstream → second factor, as a collector of
//! OpenTelemetry gets them.
#![cfg(test)]

use std::{
    collections::HashMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use e2e::{
    clock::{now, wait_until},
    config::{MAIN, ad_client, challenge, radius_client, server},
    countersign::{Countersign, Start, command},
    gateway::Site,
    nas::{Nas, code},
    peers::{Collector, FakeDuo, FreeRadius, Kind, Pki, SECRET, Slapd, judge},
    ports,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
/// Nobody listens there: slapd has 127.0.0.1 alone.
const REFUSES: &str = "127.0.0.2";
const TOKEN: &str = "planted-collector-token-4Tq";

/// The spans of the collector, once there are so many logins among them.
fn spans(collector: &Collector, logins: usize) -> Vec<Value> {
    let mut spans = Vec::new();
    wait_until("the collector has the logins", LONG, || {
        spans = collector.spans();
        let logins_there = spans.iter().filter(|span| span["kind"] == SERVER);
        logins_there.count() >= logins
    });
    spans
}

/// The kind of a span that answers somebody.
const SERVER: u64 = 2;

/// Each span's name with its parent's, from the first to begin on.
fn tree(spans: &[Value]) -> Vec<(&str, Option<&str>)> {
    let names: HashMap<&str, &str> = spans
        .iter()
        .map(|span| (span["id"].as_str().unwrap(), span["name"].as_str().unwrap()))
        .collect();
    assert_eq!(names.len(), spans.len(), "an id stands twice");
    let told = spans.iter().map(|span| {
        let parent = span["parent"].as_str().map(|id| names[id]);
        (span["name"].as_str().unwrap(), parent)
    });
    told.collect()
}

fn find<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found = spans.iter().find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

/// What must never be told: passwords, keys and shared secrets.
fn assert_no_secret(collector: &Collector, more: &[&str]) {
    let secrets = [FakeDuo::SKEY, SECRET, Slapd::SERVICE_PASSWORD, "pw-alice"];
    for export in collector.exports() {
        for secret in secrets.iter().chain(more) {
            assert!(!export.body.contains(secret), "{secret}: {}", export.body);
        }
    }
}

#[test]
fn a_login_is_one_trace_from_the_device_to_the_second_factor() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let collector = Collector::start(Some(&Pki::shared().server));
    let headers = tempfile::NamedTempFile::new().unwrap();
    fs::write(&headers, format!("Authorization: Bearer {TOKEN}\n")).unwrap();
    let port = ports::free_udp();
    let config = format!(
        "{MAIN}{}host={REFUSES}\nhost_2=127.0.0.1\nport={}\ntransport=clear\n\
         {}client=ad_client\nfailmode=secure\n",
        ad_client("ad_client"),
        slapd.port,
        server("radius_server_auto", port, &duo),
    );
    let gateway = Start::with(&config)
        .argument("--otlp-endpoint")
        .argument(&format!("https://{}", collector.address))
        .argument("--otlp-ca")
        .argument("ca.pem")
        .variable(
            "COUNTERSIGN_OTLP_HEADER_FILE",
            headers.path().to_str().unwrap(),
        )
        .ready();
    let nas = Nas::new(ports::loopback(port), SECRET);
    let answer = nas.login("alice", "pw-alice");
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());

    let spans = spans(&collector, 1);
    let login = Some("login");
    let primary = Some("primary");
    let mut want = vec![
        ("login", None),
        ("primary", login),
        ("ldap", primary),
        ("ldap", primary),
        ("preauth", login),
        ("auth", login),
    ];
    let polls = spans.iter().filter(|span| span["name"] == "poll").count();
    want.extend(vec![("poll", login); polls]);
    want.push(("answer", login));
    assert_eq!(tree(&spans), want);
    assert!(polls > 0, "a push is asked after");
    let event = gateway.event_of("alice", 1);
    for span in &spans {
        assert_eq!(span["trace"], event["id"], "the login's id is its trace's");
        assert_eq!(span["resource"]["service.name"], "countersign");
        assert_eq!(span["resource"]["service.instance.id"], "local");
        assert!(span["resource"]["host.name"].is_string());
    }
    let root = find(&spans, "login");
    for (key, want) in [
        ("countersign.revision", Value::from(1)),
        ("countersign.node", "local".into()),
        ("countersign.integration", "radius_server_auto".into()),
        ("countersign.authenticator", "ad_client".into()),
        ("countersign.outcome", "accept".into()),
        ("countersign.reason", "approved".into()),
        ("countersign.factor", event["factor"].clone()),
        ("client.address", "127.0.0.1".into()),
        ("client.port", nas.address().port().into()),
        ("user.name", Value::Null),
        ("error", Value::Null),
    ] {
        assert_eq!(root[key], want, "{key}");
    }
    let hosts: Vec<_> = spans
        .iter()
        .filter(|span| span["name"] == "ldap")
        .map(|span| {
            let whom = format!("{}:{}", span["server.address"], span["server.port"]);
            (
                whom,
                span["countersign.result"].clone(),
                span["error"].clone(),
            )
        })
        .collect();
    let at = |host: &str| format!("\"{host}\":{}", slapd.port);
    assert_eq!(
        hosts,
        [
            (at(REFUSES), "unavailable".into(), "unavailable".into()),
            (at("127.0.0.1"), "accepted".into(), Value::Null),
        ]
    );
    let (host, duo_port) = duo.host().rsplit_once(':').unwrap();
    for name in ["preauth", "auth", "poll"] {
        let span = find(&spans, name);
        assert_eq!(span["server.address"], host, "{name}");
        assert_eq!(span["server.port"].to_string(), duo_port, "{name}");
    }
    for (earlier, later) in [
        ("primary", "preauth"),
        ("preauth", "auth"),
        ("auth", "poll"),
    ] {
        let (earlier, later) = (find(&spans, earlier), find(&spans, later));
        assert!(earlier["end"].as_u64() <= later["start"].as_u64());
    }
    for span in &spans {
        assert!(span["start"].as_u64() >= root["start"].as_u64());
        assert!(span["end"].as_u64() <= root["end"].as_u64());
    }
    for export in collector.exports() {
        let authorization = format!("authorization: Bearer {TOKEN}");
        assert!(export.head.contains(&authorization), "{}", export.head);
        assert!(!export.body.contains("alice"), "{}", export.body);
    }
    assert_no_secret(&collector, &[TOKEN]);
    assert!(!gateway.output().contains(TOKEN));
    let exported = gateway.metric("countersign_traces_exported_spans_total");
    assert!((exported - spans.len() as f64).abs() < 0.5, "{exported}");
}

#[test]
fn a_challenge_and_its_answer_are_one_trace_and_users_are_named_when_asked_for() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let upstream = FreeRadius::start(Kind::Ldap(&slapd));
    let collector = Collector::start(None);
    let port = ports::free_udp();
    let config = format!(
        "{MAIN}{}{}",
        radius_client("radius_client", &upstream),
        challenge(1, port, &duo, "radius_client", ""),
    );
    let gateway = Start::with(&config)
        .variable(
            "COUNTERSIGN_OTLP_ENDPOINT",
            &format!("http://{}/v1/traces", collector.address),
        )
        .argument("--otlp-user")
        .ready();
    let nas = Nas::new(ports::loopback(port), SECRET);
    let asked = nas.login("alice", "pw-alice");
    assert_eq!(asked.code, code::ACCESS_CHALLENGE, "{}", gateway.output());
    let answer = nas.reply("alice", FakeDuo::PASSCODE, &asked);
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());

    let spans = spans(&collector, 2);
    let (first, second) = (Some("login"), Some("challenge response"));
    assert_eq!(
        tree(&spans),
        [
            ("login", None),
            ("primary", first),
            ("radius", Some("primary")),
            ("preauth", first),
            ("answer", first),
            ("challenge response", first),
            ("auth", second),
            ("answer", second),
        ]
    );
    let traces: Vec<_> = spans.iter().map(|span| &span["trace"]).collect();
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
    assert_eq!(find(&spans, "login")["countersign.outcome"], "challenge");
    assert_eq!(find(&spans, "login")["user.name"], "alice");
    let last = find(&spans, "challenge response");
    assert_eq!(last["countersign.outcome"], "accept");
    let radius = find(&spans, "radius");
    assert_eq!(radius["server.port"], upstream.address.port());
    assert_eq!(radius["countersign.result"], "accepted");
    let detail = find(&spans, "primary")["countersign.detail"].to_string();
    assert!(detail.contains("accepted"), "{detail}");
    assert_no_secret(&collector, &[FakeDuo::PASSCODE]);
}

#[test]
fn logins_do_not_wait_for_a_collector_that_is_away() {
    let site = Site::new();
    let address = ports::loopback(ports::free_tcp());
    let gateway = Start::with(&site.config(""))
        .argument("--otlp-endpoint")
        .argument(&format!("http://{address}"))
        .ready();
    let nas = site.nas();
    let began = now();
    for number in 0..20 {
        let answer = nas.login(&format!("user{number}"), "any");
        assert_eq!(answer.code, code::ACCESS_ACCEPT);
    }
    let took = now() - began;
    let failed = "countersign_traces_failed_requests_total{reason=\"connect\"}";
    wait_until("it is noticed", LONG, || gateway.metric(failed) >= 1.0);
    assert!(gateway.metric("countersign_traces_queued_spans") >= 20.0);
    assert!(took < LONG, "{took:?}");
    let warned = gateway.output().matches("traces are not taken").count();
    assert_eq!(warned, 1, "{}", gateway.output());

    // It comes back, and gets what waited.
    let collector = Collector::at(address, None);
    assert_eq!(spans(&collector, 20).len() % 20, 0, "all logins were alike");
    wait_until("nothing waits", LONG, || {
        gateway.metric("countersign_traces_queued_spans") == 0.0
    });
    let exported = gateway.metric("countersign_traces_exported_spans_total");
    assert!((exported - collector.spans().len() as f64).abs() < 0.5);

    // What it refuses is dropped, and said; the next is sent.
    collector.answer_with(401);
    assert_eq!(nas.login("refused", "any").code, code::ACCESS_ACCEPT);
    let dropped = "countersign_traces_dropped_spans_total{reason=\"refused\"}";
    wait_until("it is dropped", LONG, || gateway.metric(dropped) >= 1.0);
    assert!(
        gateway
            .output()
            .contains("check the file of --otlp-header-file"),
        "{}",
        gateway.output()
    );
    collector.answer_with(200);
    assert_eq!(nas.login("taken", "any").code, code::ACCESS_ACCEPT);
    assert_eq!(spans(&collector, 21).len() % 21, 0);
    assert_no_secret(&collector, &[]);
}

#[test]
fn the_last_logins_are_sent_before_the_end() {
    let site = Site::new();
    let collector = Collector::start(None);
    let mut gateway = Start::with(&site.config(""))
        .argument("--otlp-endpoint")
        .argument(&format!("http://{}", collector.address))
        .ready();
    assert_eq!(site.nas().login("exempt", "any").code, code::ACCESS_ACCEPT);
    gateway.stop();
    let logins = collector.spans();
    assert_eq!(find(&logins, "login")["countersign.reason"], "exempt_user");
}

#[test]
fn a_collector_that_is_not_trusted_gets_nothing() {
    let site = Site::new();
    let collector = Collector::start(Some(&Pki::shared().rogue));
    let gateway = Start::with(&site.config(""))
        .argument("--otlp-endpoint")
        .argument(&format!("https://{}", collector.address))
        .argument("--otlp-ca")
        .argument("ca.pem")
        .ready();
    assert_eq!(site.nas().login("exempt", "any").code, code::ACCESS_ACCEPT);
    let failed = "countersign_traces_failed_requests_total{reason=\"connect\"}";
    wait_until("it is refused", LONG, || gateway.metric(failed) >= 1.0);
    assert_eq!(collector.exports().len(), 0);
    let said = gateway.output();
    assert!(said.contains("invalid peer certificate"), "{said}");
}

#[test]
fn what_cannot_be_used_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new();
    let config = folder.path().join("authproxy.cfg");
    fs::write(&config, site.config("")).unwrap();
    fs::write(folder.path().join("headers"), format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(folder.path().join("headers"), Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let local = "http://127.0.0.1:4318";
    for (arguments, want) in [
        (
            &["--otlp-endpoint", "collector:4317"][..],
            "http:// nor https://",
        ),
        (
            &[
                "--otlp-endpoint",
                "https://me:planted-collector-token-4Tq@collector",
            ],
            "--otlp-header-file",
        ),
        (&["--otlp-user"], "--otlp-endpoint"),
        (
            &["--otlp-endpoint", local, "--otlp-header-file", "missing"],
            "cannot read missing",
        ),
        (
            &["--otlp-endpoint", local, "--otlp-header-file", "headers"],
            "headers:1: write NAME: VALUE",
        ),
        (
            &[
                "--otlp-endpoint",
                "http://192.0.2.1:4318",
                "--otlp-header-file",
                "empty",
            ],
            "in the clear",
        ),
        (
            &["--otlp-endpoint", "https://collector", "--otlp-ca", "empty"],
            "empty: it has no certificate in PEM",
        ),
    ] {
        for role in ["run", "controlplane"] {
            let config = ["--config", config.to_str().unwrap(), "--data-dir", "data"];
            let line = [&[role][..], &config, arguments].concat();
            let output = command(&line, folder.path());
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(2), "{line:?}: {said}");
            assert!(said.contains(want), "{line:?}: {said}");
            assert!(!said.contains(TOKEN), "{said}");
        }
    }
}

#[test]
fn the_judge_of_bodies_can_say_no() {
    let span = |more: &str| {
        format!(
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[]}},\"scopeSpans\":[{{\"spans\":[{{\
             \"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"name\":\"x\",\"kind\":1,\
             \"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\",\"attributes\":[]{more}}}]}}]}}]}}"
        )
    };
    let good = ",\"spanId\":\"0102030405060708\"";
    assert_eq!(judge(&span(good)).map(|spans| spans.len()), Ok(1));
    for (name, more) in [
        ("a short id", ",\"spanId\":\"01\""),
        ("an id in base64", ",\"spanId\":\"AQIDBAUGBwg=\""),
        ("no id", ",\"spanId\":\"0000000000000000\""),
        ("an unknown field", &format!("{good},\"colour\":\"red\"")),
        ("another type", &format!("{good},\"flags\":\"many\"")),
    ] {
        assert!(judge(&span(more)).is_err(), "{name}");
    }
}

#[test]
fn without_a_collector_nothing_is_queued() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    assert_eq!(site.nas().login("exempt", "any").code, code::ACCESS_ACCEPT);
    drop(gateway.event_of("exempt", 1));
    let metrics = gateway.get("/metrics").body;
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("countersign_traces_"))
    {
        assert!(line.ends_with(" 0"), "{line}");
    }
    assert!(metrics.contains("countersign_traces_queued_spans 0\n"));
}

//! `countersign check`: everything good, with a node and without one, beside logins, and how it ends.
#![cfg(test)]

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    checks::{Checked, Lab, check_node, run},
    clock::wait_until,
    config::upstreams,
    countersign::{Countersign, Start},
    nas::{Nas, code},
    peers::{BlackHoleUdp, Pki, SECRET, fakeduo::Endpoint},
    ports,
};

const LONG: Duration = Duration::from_secs(20);

const OF_A_LAB: [&str; 16] = [
    "port",
    "port",
    "eap_certificate",
    "authorities",
    "authorities",
    "second_factor",
    "second_factor_certificate",
    "clock",
    "second_factor_keys",
    "directory",
    "directory_certificate",
    "service_account",
    "search_base",
    "group",
    "users",
    "upstream",
];

#[test]
fn a_good_file_is_good_from_here_and_from_the_node() {
    let lab = Lab::start();
    let text = lab.config();
    let free = lab.check(&text);
    free.all_good();
    assert_eq!(
        free.kinds(),
        [&["file", "log_folder"][..], &OF_A_LAB].concat()
    );
    assert_eq!(free.row("port")["found"], "free");
    let machine: Vec<_> = free.machine.iter().map(|row| &row["what"]).collect();
    assert_eq!(machine, ["receive_buffer", "time_source"], "of a shell");
    let trusted = free.row("authorities");
    assert_eq!(trusted["where"], "http_ca_certs_file");
    let found = trusted["found"].as_str().unwrap();
    assert!(found.contains("days left"), "{trusted}");
    for what in ["second_factor", "directory", "group", "upstream"] {
        let row = free.row(what);
        assert_eq!(row["from"], "127.0.0.1", "{row}");
        assert!(row["milliseconds"].is_u64(), "{row}");
        assert!(!row["sections"].as_array().unwrap().is_empty(), "{row}");
    }
    // Both sections have the same keys at the same host.
    let sections = ["radius_server_auto", "radius_server_eap"];
    let keys = free.row("second_factor_keys");
    assert_eq!(keys["sections"], serde_json::json!(sections));

    let gateway = Countersign::run(&text);
    let node = check_node(&gateway);
    node.all_good();
    assert_eq!(
        node.kinds(),
        [&["file", "log_folder", "revision"][..], &OF_A_LAB].concat()
    );
    let machine: Vec<_> = node.machine.iter().map(|row| &row["what"]).collect();
    assert_eq!(machine, ["open_files", "receive_buffer", "time_source"]);
    assert_eq!(node.row("port")["found"], "this node listens on it");
    assert_eq!(node.row("log_folder")["found"], "the gateway writes there");
    let config = gateway.config();
    let arguments = ["check", "--json", "--config", config.to_str().unwrap()];
    let beside = Checked::new(&run(&arguments, &gateway.data_dir(), &[]));
    beside.all_good();
    assert_eq!(
        beside.row("port")["found"],
        "the running gateway listens on it"
    );

    let table = run(&["check", "--log", "trace"], &gateway.data_dir(), &[]);
    assert_eq!(table.status.code(), Some(0), "{table:?}");
    let table = String::from_utf8(table.stdout).unwrap();
    let last = table.lines().last().unwrap();
    assert!(last.ends_with(", 0 failed"), "{table}");
    assert!(table.contains("[ad_client] 127.0.0.1:"), "{table}");
    let (logins, violations) = (
        lab.duo.count(Endpoint::Preauth) + lab.duo.count(Endpoint::Auth),
        lab.duo.violations(),
    );
    assert_eq!((logins, violations.len()), (0, 0), "{violations:?}");
    assert_eq!(gateway.status()["controlplane"]["events"]["stored"], 0);
}

#[test]
fn a_bad_file_ends_it_and_a_running_gateway_is_checked_all_the_same() {
    let lab = Lab::start();
    let text = lab.config();
    let bad = text.replace("timeout=3", "timeout=soon");
    let checked = lab.check(&bad);
    assert_eq!(checked.code, Some(2));
    let shown: Vec<_> = checked
        .bad()
        .into_iter()
        .map(|(what, ..)| what.to_owned())
        .collect();
    assert_eq!(shown, ["file"], "{checked:#?}");
    assert_eq!(checked.rows.len(), 1, "nothing else was tried");
    assert!(lab.duo.requests().is_empty());

    let gateway = Countersign::run(&text);
    gateway.rewrite_config(&bad);
    wait_until("the bad file is refused", LONG, || {
        check_node(&gateway).code == Some(2)
    });
    let checked = check_node(&gateway);
    let kinds = checked.kinds();
    assert_eq!(kinds.last(), Some(&"upstream"), "{checked:#?}");
    assert!(kinds.contains(&"revision"), "{checked:#?}");

    let nobody = tempfile::tempdir().unwrap();
    let output = run(&["check"], nobody.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is this the right --data-dir?"), "{said}");
    let output = run(&["check", "--config"], nobody.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_log_that_the_gateway_cannot_write_is_its_own_word() {
    let lab = Lab::start();
    // Who is root may write there, says the system, and nobody can make a folder.
    let text = lab
        .config()
        .replace("[main]\n", "[main]\nlog_dir=/proc/log\n");
    assert_eq!(lab.check(&text).row("log_folder")["result"], "good");
    let gateway = Countersign::run(&text);
    let row = check_node(&gateway).row("log_folder").clone();
    assert_eq!(row["result"], "warning", "{row}");
    assert_eq!(row["where"], "/proc/log");
    let found = row["found"].as_str().unwrap();
    assert!(found.contains("authproxy.log cannot be written"), "{found}");
    let gone = run(
        &["check", "--config", "/no/such.cfg"],
        &gateway.data_dir(),
        &[],
    );
    assert_eq!(gone.status.code(), Some(2), "{gone:?}");
    let said = String::from_utf8(gone.stdout).unwrap();
    assert!(said.contains("name a file that is there"), "{said}");
}

#[test]
fn the_node_says_what_it_cannot_reach() {
    let mut lab = Lab::start();
    let gateway = Countersign::run(&lab.config());
    check_node(&gateway).all_good();
    lab.slapd.kill();
    lab.duo.refuse();
    let checked = check_node(&gateway);
    let bad = checked.bad();
    let kinds: Vec<_> = bad
        .iter()
        .map(|(what, result, _)| (*what, *result))
        .collect();
    let want = ["second_factor", "directory"].map(|what| (what, "failed"));
    assert_eq!(kinds, want, "{checked:#?}");
    assert_eq!(checked.code, Some(1));
    lab.slapd.restart();
    lab.duo.resume();
    check_node(&gateway).all_good();
}

#[test]
fn logins_go_on_beside_checks_and_one_check_runs_at_a_time() {
    let lab = Lab::start();
    let hole = BlackHoleUdp::start();
    let silent = upstreams("radius_client2", &[hole.address()]);
    let text = format!("{}{silent}retries=0\nretry_wait=3\n", lab.config());
    let gateway = Countersign::run(&text);
    let (data, ends) = (gateway.data_dir(), AtomicBool::new(false));
    let logins = thread::scope(|scope| {
        let logging_in: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let nas = Nas::new(ports::loopback(lab.ports[0]), SECRET);
                    let mut done = 0_usize;
                    while !ends.load(Ordering::SeqCst) {
                        let answer = nas
                            .exchange(&nas.access("alice", "pw-alice"), LONG)
                            .unwrap();
                        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let first = scope.spawn(|| check_node(&gateway));
        wait_until("the check waits for the upstream", LONG, || {
            hole.received() > 0
        });
        let second = run(&["check"], &data, &[]);
        assert_eq!(second.status.code(), Some(1), "{second:?}");
        let said = String::from_utf8(second.stderr).unwrap();
        assert!(said.contains("a check is running already"), "{said}");
        let first = first.join().unwrap();
        ends.store(true, Ordering::SeqCst);
        let silent = first.bad();
        assert!(
            silent
                .iter()
                .all(|(what, result, _)| *what != "revision" && *result == "warning")
        );
        assert_eq!(first.code, Some(0), "{first:#?}");
        let done = logging_in.into_iter().map(|one| one.join().unwrap());
        done.sum::<usize>()
    });
    assert!(logins > 0);
    assert_eq!(lab.duo.pushes("alice"), logins, "a check sends none");
    wait_until("the logins are stored, and nothing else", LONG, || {
        gateway.status()["controlplane"]["events"]["stored"] == logins
    });
    let series = format!(
        "countersign_primary_requests_total{{authenticator=\"ad_client\",host=\"127.0.0.1:{}\",\
         result=\"accepted\"}}",
        lab.slapd.tls_port
    );
    let counted = gateway.metric(&series);
    assert!(
        (counted - logins as f64).abs() < 0.5,
        "{counted} of {logins}"
    );
}

#[test]
fn a_check_at_the_start_is_told_of_and_holds_up_no_login() {
    let lab = Lab::start();
    let hole = BlackHoleUdp::start();
    let silent = upstreams("radius_client2", &[hole.address()]);
    let text = format!("{}{silent}retries=0\nretry_wait=3\n", lab.config());
    let quiet = Countersign::run(&text);
    let asked = text.replacen("[main]\n", "[main]\ntest_connectivity_on_startup=true\n", 1);
    let elsewhere = |text: String, port: &u16| {
        let free = format!("port={}\n", ports::free_udp());
        text.replace(&format!("port={port}\n"), &free)
    };
    let gateway = Countersign::run(&lab.ports.iter().fold(asked, elsewhere));
    wait_until("the check waits for the upstream", LONG, || {
        hole.received() > 0
    });
    let listens = gateway.status()["dataplane"]["listeners"].clone();
    let address = listens
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["integrations"][0] == "radius_server_auto")
        .and_then(|one| one["address"].as_str())
        .and_then(|address| address.parse::<std::net::SocketAddr>().ok())
        .unwrap();
    let nas = Nas::new(ports::loopback(address.port()), SECRET);
    let answer = nas
        .exchange(&nas.access("alice", "pw-alice"), LONG)
        .unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", answer.message());

    let told = || gateway.status()["dataplane"]["start_check"].clone();
    wait_until("the status has what came of it", LONG, || !told().is_null());
    let told = told();
    assert_eq!(told["failed"], 0, "{told}");
    assert!(told["good"].as_u64().unwrap() >= 16, "{told}");
    let rows = told["rows"].as_array().unwrap();
    let upstream = rows.iter().find(|row| row["what"] == "upstream");
    assert_eq!(upstream.unwrap()["result"], "warning", "{told}");
    let log = gateway.output();
    let line = |words: &[&str]| {
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        assert!(log.lines().any(|one| has(&one)), "{words:?} in {log}");
    };
    line(&[
        "INFO",
        "check: directory: connected",
        "127.0.0.1",
        "ad_client",
    ]);
    line(&["WARN", "check: upstream RADIUS: warning", "remedy"]);
    line(&["WARN", "the check at the start found faults", "failed=0"]);
    let shown = String::from_utf8(gateway.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("check at the start: "), "{shown}");
    assert_eq!(lab.duo.pushes("alice"), 1, "a check sends none");
    assert_eq!(
        quiet.status()["dataplane"]["start_check"],
        serde_json::Value::Null
    );
    assert!(!quiet.output().contains("check: "), "nobody asked for it");
}

#[test]
fn the_proxy_and_the_certificate_of_the_admin_address_have_rows() {
    let lab = Lab::start();
    let text = lab.config();
    let closed = ports::free_tcp();
    let proxied = text.replacen(
        "[main]\n",
        &format!("[main]\nhttp_proxy_host=127.0.0.1\nhttp_proxy_port={closed}\n"),
        1,
    );
    let checked = lab.check(&proxied);
    let row = checked.row("proxy");
    assert_eq!(row["result"], "failed", "{row}");
    assert!(
        row["remedy"].as_str().unwrap().contains("http_proxy_host"),
        "{row}"
    );
    assert_eq!(checked.code, Some(1));

    let folder = tempfile::tempdir().unwrap();
    let identity = Pki::shared().server_for(&["gate.example.com"]);
    let (pem, key) = (folder.path().join("a.pem"), folder.path().join("a.key"));
    std::fs::write(&pem, &identity.certificate).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    let mut gateway = Start::with(&text)
        .argument("--admin-tls-cert")
        .argument(pem.to_str().unwrap())
        .argument("--admin-tls-key")
        .argument(key.to_str().unwrap())
        .launch();
    wait_until("a revision is served", LONG, || {
        let status = run(&["status", "--json"], &gateway.data_dir(), &[]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["dataplane"]["revision"] == 1
    });
    let node = check_node(&gateway);
    let row = node.row("admin_certificate");
    assert_eq!(row["where"], gateway.admin.to_string(), "{row}");
    assert!(
        row["found"].as_str().unwrap().contains("good until"),
        "{row}"
    );
    assert!(gateway.stop().success());
}

#[test]
fn the_built_in_second_factor_is_checked_by_the_gateway_that_runs_it() {
    let listen = ports::loopback(ports::free_tcp()).to_string();
    let config = format!(
        "[duo_only_client]\n\n[radius_server_auto]\napi_host=builtin\nclient=duo_only_client\n\
         failmode=secure\nport={}\nradius_ip_1=127.0.0.0/8\nradius_secret_1={SECRET}\n",
        ports::free_udp()
    );
    let gateway = Start::with(&config)
        .argument("--second-factor-listen")
        .argument(&listen)
        .ready();
    let checked = check_node(&gateway);
    let row = checked.row("second_factor");
    assert_eq!(row["result"], "good", "{checked:#?}");
    assert!(
        row["where"].as_str().unwrap().ends_with("(built in)"),
        "{row}"
    );
    assert_eq!(checked.row("second_factor_keys")["result"], "good");
    assert_eq!(checked.row("clock")["result"], "good");

    let file = gateway.config();
    let of_file = |data: &Path| {
        let arguments = ["check", "--json", "--config", file.to_str().unwrap()];
        Checked::new(&run(&arguments, data, &[]))
    };
    let beside = of_file(&gateway.data_dir());
    assert_eq!(beside.row("second_factor")["result"], "good", "{beside:#?}");
    for seen in [&checked, &beside] {
        let row = seen.row("public_address");
        assert_eq!(row["result"], "warning", "{row}");
        let remedy = row["remedy"].as_str().unwrap();
        assert!(remedy.contains("--second-factor-public-url"), "{row}");
    }
    let nobody = tempfile::tempdir().unwrap();
    let alone = of_file(&nobody.path().join("data"));
    let row = alone.row("second_factor");
    assert_eq!(row["result"], "warning", "{alone:#?}");
    assert!(
        row["found"].as_str().unwrap().contains("does not run"),
        "{row}"
    );
    assert!(!nobody.path().join("data").exists(), "nothing is made");
}

//! What `deploy/` has for monitoring, in the hands of the programs that it is for: Prometheus scrapes
//! a gateway under load, evaluates each alert, and finds data for each query of the dashboard.
#![cfg(test)]

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use e2e::{
    clock::poll,
    config::{MAIN, ad_client, bare_server, client, server},
    countersign::{Countersign, Start},
    http,
    nas::{Nas, code},
    peers::{FakeDuo, Pki, SECRET, Slapd, repository, require},
    ports,
    process::Process,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(15);
/// How long the load goes on until each query has found something.
const LOADED: Duration = Duration::from_secs(90);

/// Runs promtool in `deploy/prometheus`; what it says.
fn promtool(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(require("promtool", "prometheus"))
        .args(arguments)
        .current_dir(repository().join("deploy/prometheus"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_rules_are_good_and_fire_when_they_should() {
    for arguments in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "alerts.yml"],
        &["test", "rules", "alerts_test.yml"],
    ] {
        let (good, said) = promtool(arguments);
        assert!(good, "{arguments:?}: {said}");
    }
}

/// A Prometheus on loopback with the files of `deploy/prometheus`; ends when dropped.
struct Prometheus {
    address: SocketAddr,
    process: Process,
}

impl Prometheus {
    /// Scrapes this gateway each second.
    fn start(folder: &Path, gateway: SocketAddr) -> Self {
        let deployed = repository().join("deploy/prometheus");
        let text = fs::read_to_string(deployed.join("prometheus.yml")).unwrap();
        let mut adapted = text.clone();
        for (is, wanted) in [
            ("127.0.0.1:8400", gateway.to_string().as_str()),
            ("15s", "1s"),
        ] {
            assert!(adapted.contains(is), "{text}");
            adapted = adapted.replace(is, wanted);
        }
        fs::write(folder.join("prometheus.yml"), adapted).unwrap();
        fs::copy(deployed.join("alerts.yml"), folder.join("alerts.yml")).unwrap();
        let address = ports::loopback(ports::free_tcp());
        let mut command = Command::new(require("prometheus", "prometheus"));
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder);
        let mut process = Process::start("prometheus", &command, &folder.join("prometheus.log"));
        process.until("it is ready", LONG, || {
            http::get(address, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
        Self { address, process }
    }

    fn ask(&self, path: &str) -> Value {
        let answer = http::get(self.address, path).unwrap();
        let output = || self.process.output();
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.body, output());
        answer.json()["data"].clone()
    }

    /// How many results a query has that are numbers.
    fn numbers(&self, query: &str) -> usize {
        let found = self.ask(&format!("/api/v1/query?query={}", encoded(query)));
        let results = found["result"].as_array().unwrap().iter();
        results
            .filter(|one| one["value"][1].as_str().is_some_and(|value| value != "NaN"))
            .count()
    }
}

/// As a part of a query in a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// Each query of the dashboard, by its panel, with Grafana's variables filled in as *All* does.
fn queries() -> Vec<(String, String)> {
    let file = repository().join("deploy/grafana/countersign.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((
                title.to_owned(),
                target["expr"].as_str().unwrap().to_owned(),
            ));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        // label_values(SERIES, LABEL)
        let Some(wanted) = variable["definition"].as_str() else {
            assert_eq!(variable["type"], "datasource", "{name}");
            continue;
        };
        let inner = wanted.strip_prefix("label_values(").unwrap();
        let (series, label) = inner.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
        queries.push((
            format!("variable {name}"),
            format!("count by ({label}) ({series})"),
        ));
    }
    for (_, query) in &mut queries {
        for (variable, value) in [
            ("$__rate_interval", "20s"),
            ("$__range", "60s"),
            ("$instance", ".*"),
            ("$integration", ".*"),
        ] {
            *query = query.replace(variable, value);
        }
        assert!(!query.contains('$'), "{query}");
    }
    queries
}

/// A gateway with each kind of section that the dashboard shows, and ways to log in there.
struct Site {
    gateway: Countersign,
    ldap: Nas,
    away: Nas,
    builtin: Nas,
    _peers: (FakeDuo, Slapd),
}

impl Site {
    fn start() -> Self {
        let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
        let [ldap, away, builtin] = [(); 3].map(|()| ports::free_udp());
        let own = client(1, "127.0.0.0/8");
        let config = format!(
            "{MAIN}[duo_only_client]\n{}host=127.0.0.1\nport={}\ntransport=clear\n\
             {}client=ad_client\nfailmode=secure\n\
             {}{own}client=duo_only_client\nfailmode=safe\napi_timeout=2\n\
             [radius_server_auto3]\nport={builtin}\napi_host=builtin\nclient=duo_only_client\n\
             failmode=secure\n{own}",
            ad_client("ad_client"),
            slapd.port,
            server("radius_server_auto", ldap, &duo),
            bare_server("radius_server_auto2", away, &ports::dead().to_string()),
        );
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        let gateway = start.argument(&listen).ready();
        for arguments in [
            &["factor", "add", "paul"][..],
            &[
                "factor",
                "add-device",
                "paul",
                "phone",
                "--number",
                "+15550100",
            ],
            &["factor", "script", "paul", "approve"],
        ] {
            let done = gateway.command(arguments);
            assert!(done.status.success(), "{arguments:?}: {done:?}");
        }
        let nas = |port| Nas::new(ports::loopback(port), SECRET);
        Self {
            gateway,
            ldap: nas(ldap),
            away: nas(away),
            builtin: nas(builtin),
            _peers: (duo, slapd),
        }
    }

    /// One round: accepted by a push, rejected by the directory, by `failmode`, by the built-in
    /// second factor, repeated, discarded, and the file read again.
    fn load(&self) {
        let request = self.ldap.access("alice", "pw-alice");
        for _ in 0..2 {
            let answer = self.ldap.exchange(&request, LONG).unwrap();
            assert_eq!(
                answer.code,
                code::ACCESS_ACCEPT,
                "{}",
                self.gateway.output()
            );
        }
        for (nas, user, password, want) in [
            (&self.ldap, "alice", "wrong", code::ACCESS_REJECT),
            (&self.away, "bob", "any", code::ACCESS_ACCEPT),
            (&self.builtin, "paul", "any", code::ACCESS_ACCEPT),
        ] {
            let answer = nas.login(user, password);
            let output = || self.gateway.output();
            assert_eq!(
                answer.code,
                want,
                "{user}: {}\n{}",
                answer.message(),
                output()
            );
        }
        self.ldap.send(b"no RADIUS");
        let read = self.gateway.command(&["reload"]);
        assert!(read.status.success(), "{read:?}");
    }
}

#[test]
fn every_query_of_the_dashboard_finds_data_and_every_alert_is_evaluated() {
    let site = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), site.gateway.admin);
    let mut left = queries();
    assert!(left.len() > 40, "{}", left.len());
    let found = poll(LOADED, || {
        site.load();
        left.retain(|(_, query)| prometheus.numbers(query) == 0);
        left.is_empty()
    });
    assert!(found, "without data: {left:#?}");

    let groups = prometheus.ask("/api/v1/rules");
    let rules = groups["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 20, "{groups:#}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    let state = |name: &str| {
        let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
        rule["state"].as_str().unwrap()
    };
    for (alert, want) in [
        ("CountersignFailOpen", "firing"),
        ("CountersignFailClosed", "inactive"),
        ("CountersignDown", "inactive"),
        ("CountersignRoleDown", "inactive"),
        ("CountersignNodeAway", "inactive"),
        ("CountersignNodeStale", "inactive"),
        ("CountersignCertificateEnded", "inactive"),
        ("CountersignEventsDropped", "inactive"),
        ("CountersignFault", "inactive"),
    ] {
        assert_eq!(state(alert), want, "{alert}");
    }
    assert_eq!(
        prometheus.numbers(r#"countersign_fail_mode_total{mode="secure"} > 0"#),
        0,
        "a query can find nothing"
    );
}

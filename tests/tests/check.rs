//! `countersign check`: everything good, each fault by name, with a node and without one.
#![cfg(test)]

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use e2e::{
    clock::{ahead, unix_seconds, wait_until},
    config::{MAIN, ad_client, eap_server, samba_client, server, upstreams},
    countersign::{Countersign, Start, program},
    nas::{Nas, code},
    peers::{
        BlackHoleUdp, FakeDuo, FreeRadius, Kind, Pki, SECRET, Samba, Slapd,
        fakeduo::{Endpoint, Fault, Offer, Place},
    },
    ports,
};
use serde_json::Value;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const WRONG_SKEY: &str = "planted0wrong0skey0planted0wrong0skey000";
const WRONG_PASSWORD: &str = "planted-wrong-password-9Qx";
const WRONG_SECRET: &str = "planted-wrong-secret-7Lp";
const SECRETS: [&str; 6] = [
    FakeDuo::SKEY,
    Slapd::SERVICE_PASSWORD,
    SECRET,
    WRONG_SKEY,
    WRONG_PASSWORD,
    WRONG_SECRET,
];

/// Real peers, and a folder with a file that names all of them.
struct Lab {
    duo: FakeDuo,
    slapd: Slapd,
    radius: FreeRadius,
    /// Of `radius_server_auto` and `radius_server_eap`.
    ports: [u16; 2],
    folder: TempDir,
}

impl Lab {
    fn start() -> Self {
        Self::of(
            FakeDuo::start(Pki::shared()),
            Slapd::start(Pki::shared()),
            FreeRadius::start(Kind::Plain),
        )
    }

    fn of(duo: FakeDuo, slapd: Slapd, radius: FreeRadius) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Pki::shared().write(folder.path());
        Self {
            duo,
            slapd,
            radius,
            ports: [ports::free_udp(), ports::free_udp()],
            folder,
        }
    }

    /// Sections of every kind, one over the directory, one over the upstream.
    fn config(&self) -> String {
        let [auto, eap] = self.ports;
        format!(
            "{MAIN}{}host=127.0.0.1\nport={}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\ntimeout=3\n\
             security_group_dn={}\n{}retries=1\nretry_wait=1\n{}client=ad_client\nfailmode=secure\n{}",
            ad_client("ad_client"),
            self.slapd.tls_port,
            Slapd::GROUP,
            upstreams("radius_client", &[self.radius.address]),
            server("radius_server_auto", auto, &self.duo),
            eap_server(eap, &self.duo, "radius_client", "chain"),
        )
    }

    /// Checks a file with this text; no gateway runs.
    fn check(&self, text: &str) -> Checked {
        self.check_with(text, &[])
    }

    fn check_with(&self, text: &str, environment: &[(String, String)]) -> Checked {
        let file = self.write(text);
        let arguments = ["check", "--json", "--config", file.to_str().unwrap()];
        Checked::new(&run(
            &arguments,
            &self.folder.path().join("data"),
            environment,
        ))
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.folder.path().join("authproxy.cfg");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file
    }
}

fn run(arguments: &[&str], data_dir: &Path, environment: &[(String, String)]) -> Output {
    let output = Command::new(program())
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Whatever was wrong, no secret is told.
    let told = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    for secret in SECRETS {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    output
}

/// The gateway's own check.
fn check_node(gateway: &Countersign) -> Checked {
    Checked::new(&run(&["check", "--json"], &gateway.data_dir(), &[]))
}

#[derive(Debug)]
struct Checked {
    code: Option<i32>,
    rows: Vec<Value>,
}

impl Checked {
    fn new(output: &Output) -> Self {
        let rows = serde_json::from_slice(&output.stdout);
        Self {
            code: output.status.code(),
            rows: rows.unwrap_or_else(|_| panic!("{output:?}")),
        }
    }

    /// What was tried, in order.
    fn kinds(&self) -> Vec<&str> {
        let all = self.rows.iter();
        all.map(|row| row["what"].as_str().unwrap()).collect()
    }

    /// What is not good: what, result, and what was found with what to do.
    fn bad(&self) -> Vec<(&str, &str, String)> {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let bad = self.rows.iter().filter(|row| row["result"] != "good");
        bad.map(|row| {
            assert!(row["remedy"].is_string(), "{row}");
            (
                row["what"].as_str().unwrap(),
                row["result"].as_str().unwrap(),
                format!("{}; {}", text(row, "found"), text(row, "remedy")),
            )
        })
        .collect()
    }

    fn all_good(&self) {
        assert_eq!(self.bad(), [], "{self:#?}");
        assert_eq!(self.code, Some(0));
    }

    fn row(&self, what: &str) -> &Value {
        let found = self.rows.iter().find(|row| row["what"] == what);
        found.unwrap_or_else(|| panic!("no {what} in {self:#?}"))
    }
}

const OF_A_LAB: [&str; 14] = [
    "port",
    "port",
    "eap_certificate",
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
    assert_eq!(free.kinds(), [&["file"][..], &OF_A_LAB].concat());
    assert_eq!(free.row("port")["found"], "free");
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
        [&["file", "revision"][..], &OF_A_LAB].concat()
    );
    assert_eq!(node.row("port")["found"], "this node listens on it");
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
    assert_eq!(last, "16 good, 0 warnings, 0 failed", "{table}");
    assert!(table.contains("[ad_client] 127.0.0.1:"), "{table}");
    let (logins, violations) = (
        lab.duo.count(Endpoint::Preauth) + lab.duo.count(Endpoint::Auth),
        lab.duo.violations(),
    );
    assert_eq!((logins, violations.len()), (0, 0), "{violations:?}");
    assert_eq!(gateway.status()["controlplane"]["events"]["stored"], 0);
}

#[test]
fn each_fault_is_named_and_nothing_else() {
    let lab = Lab::start();
    let text = lab.config();
    let (dead, hole) = (ports::dead(), BlackHoleUdp::start());
    let taken = UdpSocket::bind(ports::loopback(lab.ports[0])).unwrap();
    let soon = Pki::shared().server_until(unix_seconds() + 10 * 24 * 60 * 60);
    fs::write(lab.folder.path().join("soon.pem"), &soon.certificate).unwrap();
    let key = lab.folder.path().join("soon.key");
    fs::write(&key, &soon.key).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let slapd = |port: u16| format!("port={port}\ntransport=ldaps");
    let ldaps = slapd(lab.slapd.tls_port);
    let upstream = format!("port={}\nretries", lab.radius.address.port());
    let free = format!("port={}\n", ports::free_udp());
    let listens = format!("port={}\n", lab.ports[0]);
    let me = std::process::id().to_string();
    // Name, what is written in place of what, and what is not good then: what, result, words.
    #[expect(clippy::type_complexity, reason = "a table")]
    let table: Vec<(&str, [(String, String); 1], &[(&str, &str, &[&str])])> = vec![
        (
            "second factor down",
            [(
                lab.duo.host().to_owned(),
                format!("localhost:{}", dead.port()),
            )],
            &[(
                "second_factor",
                "failed",
                &["Connection refused", "firewall"],
            )],
        ),
        (
            "another CA at the second factor",
            [(
                "http_ca_certs_file=ca.pem".to_owned(),
                "http_ca_certs_file=rogue-ca.pem".to_owned(),
            )],
            &[(
                "second_factor",
                "failed",
                &["signed by a CA that is not trusted", "http_ca_certs_file"],
            )],
        ),
        (
            "another skey",
            [(FakeDuo::SKEY.to_owned(), WRONG_SKEY.to_owned())],
            &[(
                "second_factor_keys",
                "failed",
                &["401", "40103", "ikey, skey"],
            )],
        ),
        (
            "directory down",
            [(ldaps.clone(), slapd(dead.port()))],
            &[("directory", "failed", &["Connection refused", "check host"])],
        ),
        (
            "no TLS on the port",
            [(ldaps.clone(), slapd(lab.slapd.port))],
            &[("directory", "failed", &["TLS", "check"])],
        ),
        (
            "another CA at the directory",
            [(
                "ssl_ca_certs_file=ca.pem".to_owned(),
                "ssl_ca_certs_file=rogue-ca.pem".to_owned(),
            )],
            &[(
                "directory",
                "failed",
                &["'CN=Test CA'", "ssl_ca_certs_file"],
            )],
        ),
        (
            "another password of the service account",
            [(
                Slapd::SERVICE_PASSWORD.to_owned(),
                WRONG_PASSWORD.to_owned(),
            )],
            &[(
                "service_account",
                "failed",
                &["refused by simple bind", "service_account_password"],
            )],
        ),
        (
            "no such group",
            [(
                Slapd::GROUP.to_owned(),
                "cn=Nobody,dc=example,dc=com".to_owned(),
            )],
            &[(
                "group",
                "failed",
                &["'cn=Nobody,dc=example,dc=com' does not exist"],
            )],
        ),
        (
            "no such base",
            [(
                format!("search_dn={}", Slapd::BASE),
                "search_dn=ou=nowhere,dc=example,dc=com".to_owned(),
            )],
            &[("search_base", "failed", &["does not exist", "search_dn"])],
        ),
        (
            "an attribute that nobody has",
            [(
                "username_attribute=uid".to_owned(),
                "username_attribute=uidNumber".to_owned(),
            )],
            &[(
                "users",
                "warning",
                &["no entries with uidNumber", "ldap_filter"],
            )],
        ),
        (
            "upstream silent",
            [(
                upstream.clone(),
                format!("port={}\nretries", hole.address().port()),
            )],
            &[("upstream", "warning", &["no proof", "127.0.0.1"])],
        ),
        (
            "another secret at the upstream",
            [(
                format!("[radius_client]\nsecret={SECRET}"),
                format!("[radius_client]\nsecret={WRONG_SECRET}"),
            )],
            &[("upstream", "warning", &["no proof", "same secret"])],
        ),
        (
            "upstream down",
            [(upstream.clone(), format!("port={}\nretries", dead.port()))],
            &[("upstream", "failed", &["the port is closed"])],
        ),
        (
            "expired",
            [(
                "chain.pem\npkey=chain.key".to_owned(),
                "expired.pem\npkey=expired.key".to_owned(),
            )],
            &[
                ("file", "warning", &["has expired on 2021-01-01"]),
                (
                    "eap_certificate",
                    "failed",
                    &["has expired, on 2021-01-01", "certs"],
                ),
            ],
        ),
        (
            "expires soon",
            [(
                "chain.pem\npkey=chain.key".to_owned(),
                "soon.pem\npkey=soon.key".to_owned(),
            )],
            &[
                ("file", "warning", &["expires on"]),
                ("eap_certificate", "warning", &["good until", "days left"]),
            ],
        ),
    ];
    for (name, [(from, to)], wants) in table {
        assert!(text.contains(&from), "{name}: {from}");
        let text = text.replace(&from, &to).replace(&listens, &free);
        let checked = lab.check(&text);
        let bad = checked.bad();
        let shown: Vec<_> = bad
            .iter()
            .map(|(what, result, _)| (*what, *result))
            .collect();
        let wanted: Vec<_> = wants
            .iter()
            .map(|(what, result, _)| (*what, *result))
            .collect();
        // A certificate that stands alone may be warned of in more than one way.
        if name.starts_with("expire") {
            let is_wanted = |what: &str| wanted.iter().any(|(other, _)| *other == what);
            assert!(
                wanted.iter().all(|one| shown.contains(one))
                    && shown.iter().all(|(what, _)| is_wanted(what)),
                "{name}: {checked:#?}"
            );
        } else {
            assert_eq!(shown, wanted, "{name}: {checked:#?}");
        }
        for (what, result, words) in wants {
            for word in *words {
                let is_said = |(w, r, text): &(&str, &str, String)| {
                    w == what && r == result && text.contains(word)
                };
                assert!(bad.iter().any(is_said), "{name}: {word}: {checked:#?}");
            }
        }
        let failed = wanted.iter().any(|(_, result)| *result == "failed");
        assert_eq!(checked.code, Some(i32::from(failed)), "{name}");
    }
    let held = lab.check(&text);
    let bad = held.bad();
    assert_eq!(bad.len(), 1, "{held:#?}");
    let (what, result, said) = &bad[0];
    assert_eq!((*what, *result), ("port", "failed"));
    assert!(said.contains(&format!("(process {me})")), "{said}");
    assert_eq!(held.code, Some(1));
    drop(taken);
    assert!(hole.received() > 0);

    lab.slapd.pause();
    let hangs = lab.check(&text);
    lab.slapd.resume();
    let bad = hangs.bad();
    assert_eq!(bad.len(), 1, "{hangs:#?}");
    assert_eq!((bad[0].0, bad[0].1), ("directory", "failed"));
    assert!(bad[0].2.contains("no TLS handshake in time"), "{bad:?}");

    lab.duo.fail(Place::at(Endpoint::Ping), Fault::Status(503));
    let broken = lab.check(&text);
    lab.duo.heal();
    let bad = broken.bad();
    assert_eq!(bad.len(), 1, "{broken:#?}");
    assert!(bad[0].2.contains("it answers 503"), "{bad:?}");
}

#[test]
fn a_wrong_clock_is_said_and_holds_nothing_up() {
    let lab = Lab::start();
    let checked = lab.check_with(&lab.config(), &ahead(600));
    let bad = checked.bad();
    assert_eq!(bad.len(), 1, "{checked:#?}");
    let (what, result, said) = &bad[0];
    assert_eq!((*what, *result), ("clock", "warning"));
    let word = |seconds: u64| said.contains(&format!("{seconds} s ahead of the service's"));
    assert!((595..=605).any(word), "{said}");
    assert!(said.contains("NTP"), "{said}");
    assert_eq!(checked.row("second_factor_keys")["result"], "good");
    assert_eq!(checked.code, Some(0));
}

#[test]
fn certificates_of_servers_are_looked_at() {
    let pki = Pki::shared();
    let soon = pki.server_until(unix_seconds() + 10 * 24 * 60 * 60);
    let radius = || FreeRadius::start(Kind::Plain);
    let lab = Lab::of(
        FakeDuo::start_with(pki, &soon, Offer::Both),
        Slapd::start_with(pki, &soon),
        radius(),
    );
    let checked = lab.check(&lab.config());
    let bad = checked.bad();
    let kinds: Vec<_> = bad
        .iter()
        .map(|(what, result, _)| (*what, *result))
        .collect();
    let want = ["second_factor_certificate", "directory_certificate"];
    assert_eq!(kinds, want.map(|what| (what, "warning")), "{checked:#?}");
    assert!(
        bad.iter().all(|(.., said)| said.contains("days left")),
        "{bad:?}"
    );
    assert_eq!(checked.code, Some(0));

    let lab = Lab::of(
        FakeDuo::start_with(pki, &pki.expired, Offer::Both),
        Slapd::start_with(pki, &pki.other_name),
        radius(),
    );
    let checked = lab.check(&lab.config());
    let bad = checked.bad();
    let kinds: Vec<_> = bad
        .iter()
        .map(|(what, result, _)| (*what, *result))
        .collect();
    let want = ["second_factor", "directory"].map(|what| (what, "failed"));
    assert_eq!(kinds, want, "{checked:#?}");
    assert!(bad[0].2.contains("has expired"), "{bad:?}");
    assert!(bad[1].2.contains("elsewhere.invalid"), "{bad:?}");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn a_refused_service_account_is_shown_to_one_host_only() {
    let lab = Lab::start();
    let two = lab
        .config()
        .replace(Slapd::SERVICE_PASSWORD, WRONG_PASSWORD)
        .replacen(
            "host=127.0.0.1\nport",
            "host=127.0.0.1\nhost_2=localhost\nport",
            1,
        );
    let checked = lab.check(&two);
    let mut results: Vec<_> = checked
        .bad()
        .into_iter()
        .map(|(what, result, said)| (what, result, said.contains("not tried, since")))
        .collect();
    results.sort_unstable();
    assert_eq!(
        results,
        [
            ("service_account", "failed", false),
            ("service_account", "warning", true)
        ],
        "{checked:#?}"
    );
}

#[test]
fn an_active_directory_is_tried_by_the_bind_that_logins_make() {
    let lab = Lab::start();
    let samba = Samba::shared();
    let group = format!("security_group_dn={}\n", Samba::GROUP);
    let section = |number: u32, more: &str| {
        let number = if number == 1 {
            String::new()
        } else {
            number.to_string()
        };
        let client = format!("ad_client{number}");
        format!(
            "{}{group}{more}{}client={client}\nfailmode=secure\n",
            samba_client(&client, samba),
            server(
                &format!("radius_server_auto{number}"),
                ports::free_udp(),
                &lab.duo
            ),
        )
    };
    let text = format!(
        "{MAIN}{}{}{}",
        // Without TLS nothing is done with a bundle, which is a warning.
        section(1, "").replace("ssl_ca_certs_file=ca.pem\n", ""),
        section(2, "transport=starttls\n"),
        section(3, "transport=ldaps\n"),
    );
    let checked = lab.check(&text);
    checked.all_good();
    let count = |what: &str| checked.kinds().iter().filter(|one| **one == what).count();
    let counts = [
        "directory",
        "directory_certificate",
        "service_account",
        "users",
    ]
    .map(count);
    assert_eq!(counts, [3, 2, 3, 3], "{checked:#?}");

    let wrong = text.replace(Samba::SERVICE_PASSWORD, WRONG_PASSWORD);
    let checked = lab.check(&wrong);
    let mut results: Vec<_> = checked.bad().into_iter().map(|(w, r, _)| (w, r)).collect();
    results.sort_unstable();
    let account = "service_account";
    let want = [
        (account, "failed"),
        (account, "warning"),
        (account, "warning"),
    ];
    assert_eq!(results, want, "{checked:#?}");
    let refused = checked
        .bad()
        .into_iter()
        .find(|(_, result, _)| *result == "failed");
    let (.., said) = refused.unwrap();
    assert!(said.contains("by NTLM as 'service'"), "{said}");
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

//! No secret is where others can read it: modes of files, output, metrics, arguments, data folder.
#![cfg(test)]

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    nas::{Nas, code},
    peers::{FakeDuo, Pki, Slapd, fakeduo},
    ports,
};

const LONG: Duration = Duration::from_secs(15);
const RADIUS_SECRET: &str = "planted-radius-secret-7Qd1";
const SERVICE_PASSWORD: &str = "planted-service-password-x81";
const USER_PASSWORD: &str = "planted-user-password-m3Kz";
const PASSCODE: &str = "918273";

/// A gateway with secrets of every kind, in which every one was used.
fn used(site: &Site, slapd: &Slapd, builtin: &str) -> (Countersign, Vec<String>) {
    let text = format!(
        "[main]\nhttp_ca_certs_file={bundle}\n\n[duo_only_client]\n\n\
         [ad_client]\nhost=127.0.0.1\nport={ldap}\nauth_type=plain\nbind_dn={service}\n\
         service_account_username=service\nservice_account_password={SERVICE_PASSWORD}\n\
         search_dn=dc=example,dc=com\nusername_attribute=uid\n\n\
         [radius_server_auto]\napi_host={host}\nikey={ikey}\nskey={skey}\nclient=duo_only_client\n\
         failmode=secure\nport={port}\nradius_ip_1=127.0.0.0/8\nradius_secret_1={RADIUS_SECRET}\n\n\
         [radius_server_auto2]\napi_host={host}\nikey={ikey}\nskey={skey}\nclient=ad_client\n\
         failmode=secure\nport={second}\nradius_ip_1=127.0.0.0/8\nradius_secret_1={RADIUS_SECRET}\n\
         {builtin}",
        bundle = site.bundle().display(),
        ldap = slapd.port,
        service = Slapd::SERVICE_DN,
        host = site.duo.host(),
        ikey = FakeDuo::IKEY,
        skey = FakeDuo::SKEY,
        port = site.port,
        second = ports::free_udp(),
    );
    let listen = ports::loopback(ports::free_tcp()).to_string();
    let gateway = Start::with(&text)
        .argument("--second-factor-listen")
        .argument(&listen)
        .argument("--log")
        .argument("trace,h2=trace,hyper=trace,rustls=trace,sqlx=trace,tokio=trace")
        .ready();
    let user = fakeduo::User {
        passcode: PASSCODE.to_owned(),
        ..fakeduo::User::default()
    };
    site.duo.user("alice", user);
    let nas = Nas::new(site.radius(), RADIUS_SECRET);
    let typed = format!("{USER_PASSWORD},{PASSCODE}");
    let answer = nas.exchange(&nas.access("alice", &typed), LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    // Through the directory, which refuses the service account: its password is used nevertheless.
    let login = e2e::gateway::on_data_dir(
        &["login", "alice", "--integration", "radius_server_auto2"],
        &gateway.data_dir(),
        &format!("{typed}\n"),
    );
    assert_eq!(login.status.code(), Some(1), "{login:?}");
    let explained = String::from_utf8([login.stdout, login.stderr].concat()).unwrap();
    wait_until("both logins are stored", LONG, || {
        gateway.status()["controlplane"]["events"]["stored"] == 2
    });
    let seen = vec![explained];
    (gateway, seen)
}

fn secrets() -> [&'static str; 5] {
    [
        RADIUS_SECRET,
        SERVICE_PASSWORD,
        USER_PASSWORD,
        PASSCODE,
        FakeDuo::SKEY,
    ]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn contains(octets: &[u8], word: &str) -> bool {
    octets
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

#[test]
fn no_secret_is_printed_served_told_to_the_system_or_stored_in_clear() {
    let site = Site::new();
    let slapd = Slapd::start(Pki::shared());
    let builtin = format!(
        "\n[radius_server_auto3]\napi_host=builtin\nclient=duo_only_client\nport={}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1={RADIUS_SECRET}\n",
        ports::free_udp()
    );
    let (gateway, mut seen) = used(&site, &slapd, &builtin);
    // A bad file is told of line by line.
    let bad = fs::read_to_string(gateway.config()).unwrap() + "prot=1\n";
    gateway.rewrite_config(&bad);
    wait_until("the bad file is refused", LONG, || {
        gateway.output().contains("prot")
    });
    for path in ["/metrics", "/readyz", "/healthz", "/"] {
        seen.push(gateway.get(path).body);
    }
    seen.push(gateway.status().to_string());
    seen.push(String::from_utf8(gateway.command(&["status"]).stdout).unwrap());
    let roles = gateway.roles();
    assert_eq!(roles.len(), 3, "{roles:?}");
    for pid in roles.values().chain([&gateway.pid()]) {
        for what in ["cmdline", "environ"] {
            let octets = fs::read(format!("/proc/{pid}/{what}")).unwrap();
            seen.push(String::from_utf8_lossy(&octets).into_owned());
        }
    }
    let output = gateway.output();
    assert!(
        output.contains("TRACE") && output.contains("alice"),
        "it logs at trace"
    );
    seen.push(output);
    for secret in secrets() {
        for text in &seen {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
    }

    let mut looked_at = 0;
    for path in files(&gateway.data_dir()) {
        let about = path.metadata().unwrap();
        let mode = about.permissions().mode() & 0o777;
        // The log is for those who look after the machine, as far as the folder lets them in.
        let log = path.starts_with(gateway.data_dir().join("log"));
        let private = match (about.is_dir(), log) {
            (true, false) => 0o700,
            (true, true) => 0o750,
            (false, false) => 0o600,
            (false, true) => 0o640,
        };
        let public = path.extension().is_some_and(|kind| kind == "pem");
        assert!(mode == private || public, "{mode:o} {}", path.display());
        if about.is_file() && !about.file_type().is_socket() {
            looked_at += 1;
            let octets = fs::read(&path).unwrap();
            for secret in secrets() {
                assert!(!contains(&octets, secret), "{secret} in {}", path.display());
            }
        }
    }
    assert!(looked_at > 5, "{looked_at} files");
}

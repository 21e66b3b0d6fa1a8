//! Secrets of every kind, planted and used: none comes out in logs, answers, problem documents, metrics,
//! events, audit, arguments, environments, files or rows, be it as it is or in another writing.
#![cfg(test)]

#[path = "planted/requests.rs"]
mod requests;
#[path = "planted/secrets.rs"]
mod secrets;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::{
    clock::{unix_seconds, wait_until},
    countersign::{Countersign, Start},
    gateway::{Site, on_data_dir},
    http::{self, Answer},
    nas::{Nas, code},
    peers::{FakeDuo, Pki, Postgres, fakeduo},
    ports,
};
use ring::hmac;
use serde_json::{Value, json};

use requests::{bad_bodies, routes};
use secrets::{Planted, Seen};

const LONG: Duration = Duration::from_secs(20);

/// The passcode of now (RFC 6238) of a secret in base 32.
fn totp(secret: &str, ahead: u64) -> String {
    let (mut bits, mut held, mut key) = (0_u32, 0, Vec::new());
    for letter in secret.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            _ => letter - b'2' + 26,
        };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            key.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &(unix_seconds() / 30 + ahead).to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let word = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

fn call(
    gateway: &Countersign,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let json = [("content-type", "application/json")];
    let headers: Vec<_> = json.iter().chain(headers).copied().collect();
    http::request(gateway.admin, method, path, &headers, body)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn locally(gateway: &Countersign, path: &str, body: &Value) -> Value {
    let answer = http::request_local(&gateway.control_socket(), "POST", path, &body.to_string());
    let answer = answer.unwrap();
    assert!(answer.status < 300, "{path}: {answer:?}");
    answer.json()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

/// The configuration, with what it names beside it.
fn config(site: &Site, planted: &Planted, second: u16, third: u16) -> String {
    format!(
        "[main]\nhttp_ca_certs_file={bundle}\n\n[duo_only_client]\n\n\
         [radius_client]\nhost=127.0.0.1\nport={away}\nsecret={upstream}\nretries=0\nretry_wait=1\n\n\
         [ad_client]\nhost=127.0.0.1\nport={away}\nauth_type=plain\nbind_dn=cn=service,dc=x\n\
         service_account_username=service\nservice_account_password={bind}\nsearch_dn=dc=x\n\
         timeout=1\n\n\
         [radius_server_auto]\n{server}client=duo_only_client\nfailmode=secure\nport={port}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1={radius}\n\n\
         [radius_server_auto2]\n{server}client=radius_client\nfailmode=secure\nport={second}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1={protected}\n\n\
         [radius_server_auto3]\n{server}client=ad_client\nfailmode=secure\nport={third}\n\
         radius_ip_1=127.0.0.0/8\nradius_secret_1={radius}\n",
        bundle = site.bundle().display(),
        away = ports::free_udp(),
        server = format_args!(
            "api_host={}\nikey={}\nskey={}\n",
            site.duo.host(),
            FakeDuo::IKEY,
            FakeDuo::SKEY
        ),
        port = site.port,
        upstream = planted.of("upstream secret"),
        bind = planted.of("bind password"),
        radius = planted.of("radius secret"),
        protected = planted.of("protected value"),
    )
}

fn logins(site: &Site, planted: &Planted, others: [(u16, &str); 2]) {
    let user = fakeduo::User {
        passcode: planted.of("passcode").to_owned(),
        ..fakeduo::User::default()
    };
    site.duo.user("alice", user);
    let typed = format!("{},{}", planted.of("user password"), planted.of("passcode"));
    let nas = Nas::new(site.radius(), planted.of("radius secret"));
    let answer = nas.exchange(&nas.access("alice", &typed), LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    for (port, secret) in others {
        let nas = Nas::new(ports::loopback(port), planted.of(secret));
        let answer = nas.exchange(&nas.access("alice", &typed), LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_REJECT, "nobody answers there");
    }
}

/// Somebody who signs in; what came out once is planted from then on.
fn administrator(gateway: &Countersign, planted: &mut Planted, seen: &mut Seen) -> String {
    let invited = locally(
        gateway,
        "/api/v1/admins",
        &json!({"name": "alice", "role": "admin"}),
    );
    let invitation = invited["invitation"].as_str().unwrap().to_owned();
    let mut take = json!({"name": "alice", "invitation": invitation});
    let told = call(
        gateway,
        "POST",
        "/api/v1/invitation",
        &[],
        &take.to_string(),
    );
    let secret = told.json()["totp_secret"].as_str().unwrap().to_owned();
    take["password"] = planted.of("admin password").into();
    take["passcode"] = "000000x".into();
    let wrong = call(
        gateway,
        "POST",
        "/api/v1/invitation",
        &[],
        &take.to_string(),
    );
    assert_eq!(wrong.status, 422, "{wrong:?}");
    seen.answer("a wrong passcode", &wrong);
    take["passcode"] = totp(&secret, 0).into();
    let taken = call(
        gateway,
        "POST",
        "/api/v1/invitation",
        &[],
        &take.to_string(),
    );
    assert_eq!(taken.status, 200, "{taken:?}");
    seen.answer("the invitation", &taken);
    let page = [("countersign-page", "1")];
    let sign_in = json!({
        "name": "alice", "password": planted.of("admin password"), "passcode": totp(&secret, 1),
    });
    let signed_in = call(
        gateway,
        "POST",
        "/api/v1/session",
        &page,
        &sign_in.to_string(),
    );
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let cookie = signed_in.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let value = cookie.split_once('=').unwrap().1.to_owned();
    for (kind, secret) in [
        ("invitation", invitation),
        ("secret of passcodes", secret),
        ("session", value),
    ] {
        planted.0.insert(kind, secret);
    }
    cookie
}

/// Every route, as it should be and as it should not.
fn walk(gateway: &Countersign, planted: &Planted, headers: &[(&str, &str)], seen: &mut Seen) {
    for (method, path) in routes() {
        // Its own end of a session would end the walk.
        let own = path == "/api/v1/session" || path == "/api/v1/tokens/{id}";
        for id in ["radius_server_auto", "nothing-there"] {
            if method == "DELETE" && (own || id == "radius_server_auto") {
                continue;
            }
            let mut at = path.clone();
            for (name, value) in [
                ("{id}", id),
                ("{node}", id),
                ("{name}", id),
                ("{address}", "127.0.0.0%2F8"),
                ("{number}", "1"),
            ] {
                at = at.replace(name, value);
            }
            if method == "GET" {
                let live = call(gateway, "GET", &at, headers, "");
                seen.answer(&format!("GET {at}"), &live);
                continue;
            }
            for body in bad_bodies(planted.of("in a bad body")) {
                // A list is a document too, and a draft's message is for everybody.
                if at == "/api/v1/drafts" && body.starts_with('[') {
                    continue;
                }
                let answer = call(gateway, &method, &at, headers, &body);
                assert!(answer.status < 500, "{method} {at} {body}: {answer:?}");
                let place = format!("{method} {at} of {body}");
                // What comes out once, and only then.
                if answer.status != 201 {
                    seen.answer(&place, &answer);
                }
            }
        }
    }
    let sealed = call(gateway, "GET", "/api/v1/config?secrets=sealed", headers, "");
    assert_eq!(sealed.status, 200, "{sealed:?}");
    seen.answer("sealed", &sealed);
    let query = "/api/v1/config/import?dry_run=true";
    let file = fs::read_to_string(gateway.config()).unwrap();
    let text = [("content-type", "text/plain"), headers[0], headers[1]];
    let tried = http::request(gateway.admin, "POST", query, &text, &file).unwrap();
    seen.answer("an import that is tried", &tried);
}

/// Arguments and environments of all of its processes.
fn processes(gateway: &Countersign, seen: &mut Seen) {
    let roles = gateway.roles();
    assert!(roles.len() > 1, "{roles:?}");
    for pid in roles.values().chain([&gateway.pid()]) {
        for what in ["cmdline", "environ"] {
            let octets = fs::read(format!("/proc/{pid}/{what}")).unwrap();
            seen.octets(format!("{what} of {pid}"), &octets);
        }
    }
}

fn everything(database: Option<&Postgres>) {
    let site = Site::new();
    let mut planted = Planted::new();
    let mut seen = Seen::default();
    let (second, third) = (ports::free_udp(), ports::free_udp());
    let mut start = Start::beside(&config(&site, &planted, second, third))
        .argument("--log")
        .argument("debug");
    let folder = tempfile::tempdir().unwrap();
    let name = database.map(|postgres| {
        let name = postgres.database();
        (name, postgres)
    });
    if let Some((name, postgres)) = &name {
        let file = folder.path().join("url");
        fs::write(&file, postgres.url(name)).unwrap();
        start = start
            .argument("--database-url-file")
            .argument(file.to_str().unwrap());
        planted
            .0
            .insert("password of the database", Postgres::PASSWORD.to_owned());
    }
    let mut gateway = start.launch();
    wait_until("it waits for a file", LONG, || {
        gateway.output().contains("countersign import FILE")
    });
    // Sealed here, and opened by the import.
    let typed = format!("{}\n", planted.of("protected value"));
    let sealed = on_data_dir(&["seal"], &gateway.data_dir(), &typed);
    let sealed = String::from_utf8(sealed.stdout).unwrap();
    let text = fs::read_to_string(gateway.config()).unwrap();
    let clear = format!("radius_secret_1={}", planted.of("protected value"));
    let text = text.replace(
        &clear,
        &format!("radius_secret_protected_1={}", sealed.trim()),
    );
    fs::write(gateway.config(), text).unwrap();
    let file = gateway.config();
    let file = file.to_str().unwrap();
    for arguments in [
        &["import", file, "--dry-run"][..],
        &["import", file, "--yes"],
        &["import", file, "--merge", "--yes"],
        &["import", file, "--dry-run", "--json"],
        &["export"],
        &["export", "--sealed"],
        &["status"],
        &["status", "--json"],
        &["audit", "list"],
        &["token", "list"],
        &["admin", "list"],
        &["check"],
        &["events"],
        &["validate", file],
    ] {
        let output = gateway.command(arguments);
        let place = arguments.join(" ");
        seen.octets(format!("{place}, output"), &output.stdout);
        seen.octets(format!("{place}, errors"), &output.stderr);
        if place.ends_with("--yes") && !place.contains("merge") {
            assert!(output.status.success(), "{output:?}");
            gateway.wait_ready();
        }
    }
    logins(
        &site,
        &planted,
        [(second, "protected value"), (third, "radius secret")],
    );
    wait_until("the logins are stored", LONG, || {
        gateway.status()["controlplane"]["events"]["stored"] == 3
    });

    let cookie = administrator(&gateway, &mut planted, &mut seen);
    let made = locally(
        &gateway,
        "/api/v1/tokens",
        &json!({"name": "ci", "role": "admin"}),
    );
    let token = made["token"].as_str().unwrap().to_owned();
    let node = locally(&gateway, "/api/v1/join-tokens", &json!({"node": "far"}));
    let join = node["token"].as_str().unwrap_or_else(|| panic!("{node}"));
    planted.0.insert("join token", join.to_owned());
    planted.0.insert("token", token.clone());
    let bearer = format!("Bearer {token}");
    walk(
        &gateway,
        &planted,
        &[("authorization", &bearer), ("accept", "application/json")],
        &mut seen,
    );
    walk(
        &gateway,
        &planted,
        &[("cookie", &cookie), ("countersign-page", "1")],
        &mut seen,
    );
    // Wrong ones are as secret as right ones: they may be right elsewhere.
    let wrong = format!("Bearer {}", planted.of("in a bad body"));
    let refused = call(
        &gateway,
        "GET",
        "/api/v1/nodes",
        &[("authorization", &wrong)],
        "",
    );
    assert_eq!(refused.status, 401);
    seen.answer("a wrong token", &refused);
    for path in ["/metrics", "/readyz", "/healthz", "/"] {
        seen.answer(path, &gateway.get(path));
    }
    processes(&gateway, &mut seen);
    let mut found = Vec::new();
    files(&gateway.data_dir(), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        seen.octets(path.display().to_string(), &fs::read(&path).unwrap());
    }
    if let Some((name, postgres)) = &name {
        let tables = postgres.sql(
            name,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
        );
        assert!(tables.lines().count() > 5, "{tables}");
        for table in tables.lines() {
            let rows = postgres.sql(name, &format!("SELECT t::text FROM {table} t"));
            seen.add(format!("table {table}"), rows);
        }
    }
    assert!(gateway.stop().success());
    let output = gateway.output();
    assert!(
        output.contains("DEBUG") && output.contains("alice"),
        "it logs in detail"
    );
    seen.add("the log", output);
    seen.assert_none_of(&planted);
}

#[test]
fn no_planted_secret_comes_out_with_sqlite() {
    everything(None);
}

#[test]
fn no_planted_secret_comes_out_with_postgresql() {
    everything(Some(&Postgres::start()));
}

#[test]
fn a_private_key_comes_out_nowhere() {
    let site = Site::new();
    let identity = Pki::shared().server_for(&["radius.example.com"]);
    let text = format!(
        "{}[radius_server_eap]\n{}port={}\ncerts=eap.pem\npkey=eap.key\n",
        site.config(""),
        site.server()
            .replace("client=duo_only_client", "client=radius_client"),
        ports::free_udp(),
    );
    let text = format!("{text}[radius_client]\nhost=127.0.0.1\nsecret=x\n");
    let mut gateway = Start::beside(&text)
        .argument("--log")
        .argument("debug")
        .launch();
    let folder = gateway.config().parent().unwrap().to_owned();
    fs::write(folder.join("eap.pem"), &identity.certificate).unwrap();
    fs::write(folder.join("eap.key"), &identity.key).unwrap();
    wait_until("it waits for a file", LONG, || {
        gateway.output().contains("countersign import FILE")
    });
    let mut seen = Seen::default();
    let file = gateway.config();
    let done = gateway.command(&["import", file.to_str().unwrap(), "--yes"]);
    assert!(done.status.success(), "{done:?}");
    seen.octets("import", &done.stdout);
    gateway.wait_ready();
    let to = folder.join("out");
    for arguments in [
        &["export", "--sealed", "--to", to.to_str().unwrap()][..],
        &["status", "--json"],
        &["check"],
    ] {
        let output = gateway.command(arguments);
        seen.octets(
            arguments.join(" "),
            &[output.stdout, output.stderr].concat(),
        );
    }
    for path in [
        "/config",
        "/config?secrets=sealed",
        "/integrations",
        "/revisions/1",
        "/audit",
    ] {
        let path = format!("/api/v1{path}");
        let answer = http::request_local(&gateway.control_socket(), "GET", &path, "").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.answer(&path, &answer);
    }
    processes(&gateway, &mut seen);
    let mut found = Vec::new();
    files(&gateway.data_dir(), &mut found);
    files(&to, &mut found);
    for path in found {
        seen.octets(path.display().to_string(), &fs::read(&path).unwrap());
    }
    assert!(gateway.stop().success());
    seen.add("the log", gateway.output());
    let line = identity.key.lines().nth(1).unwrap();
    let octets: String = identity
        .key
        .lines()
        .filter(|one| !one.starts_with("---"))
        .collect();
    let octets = BASE64_STANDARD.decode(octets).unwrap();
    let middle: String = octets[8..24]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let planted = Planted([("private key", line.to_owned()), ("its octets", middle)].into());
    seen.assert_none_of(&planted);
}

//! `countersign support`: of a gateway that runs, does not, half does; and no planted secret is in a bundle,
//! be it as it is or in another writing.
#![cfg(test)]

#[path = "support/bundle.rs"]
mod bundle;
#[path = "planted/secrets.rs"]
#[allow(dead_code, reason = "another test sees answers with it")]
mod secrets;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine as _};
use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::{Site, on_data_dir},
    http,
    nas::{Nas, code},
    peers::{FakeDuo, Pki},
    ports,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use bundle::Bundle;
use secrets::Planted;

const LONG: Duration = Duration::from_secs(20);
const DATABASE_PASSWORD: &str = "Pl+database:password/9";

/// Names out of words that stand in every bundle.
const SPRAYED: [&str; 9] = [
    "true",
    "info",
    "name",
    "config",
    "octets",
    "mode",
    "countersign",
    "lines",
    "authproxy",
];

/// A site with everything secret that a configuration can hold, and logs in which all of it stands.
struct Lab {
    site: Site,
    planted: Planted,
    folder: TempDir,
    text: String,
}

impl Lab {
    fn new() -> Self {
        let site = Site::new();
        let mut planted = Planted::new();
        let identity = Pki::shared().server_for(&["radius.example.com"]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("eap.pem"), &identity.certificate).unwrap();
        fs::write(folder.path().join("eap.key"), &identity.key).unwrap();
        let line = identity.key.lines().nth(1).unwrap().to_owned();
        planted.0.insert("private key", line);
        planted
            .0
            .insert("database password", DATABASE_PASSWORD.to_owned());
        // What is never given to the program needs not be looked for.
        for kind in ["admin password", "in a bad body"] {
            planted.0.remove(kind);
        }
        let server = format!(
            "api_host={}\nikey={}\nskey={}\n",
            site.duo.host(),
            FakeDuo::IKEY,
            FakeDuo::SKEY
        );
        let text = format!(
            "[main]\nhttp_ca_certs_file={bundle}\nlog_dir={logs}\n\n[duo_only_client]\n\n\
             [radius_client]\nhost=127.0.0.1\nport={away}\nsecret={upstream}\nretries=0\nretry_wait=1\n\n\
             [ad_client]\nhost=127.0.0.1\nport={away}\nauth_type=plain\nbind_dn=cn=service,dc=x\n\
             service_account_username=service\nservice_account_password={bind}\nsearch_dn=dc=x\n\
             timeout=1\n\n\
             ; before it was {radius}\n\
             [radius_server_auto]\n{server}client=duo_only_client\nfailmode=secure\nport={port}\n\
             radius_ip_1=127.0.0.0/8\nradius_secret_1={radius}\nexempt_username_1=dave.planted\n\n\
             [radius_server_auto2]\n{server}client=ad_client\nfailmode=secure\nport={second}\n\
             radius_ip_1=127.0.0.0/8\nradius_secret_1={radius}\n\n\
             [radius_server_eap]\n{server}client=radius_client\nfailmode=secure\nport={third}\n\
             radius_ip_1=127.0.0.0/8\nradius_secret_1={radius}\ncerts={pem}\npkey={key}\n",
            bundle = site.bundle().display(),
            logs = folder.path().join("log").display(),
            away = ports::free_udp(),
            upstream = planted.of("upstream secret"),
            bind = planted.of("bind password"),
            radius = planted.of("radius secret"),
            port = site.port,
            second = ports::free_udp(),
            third = ports::free_udp(),
            pem = folder.path().join("eap.pem").display(),
            key = folder.path().join("eap.key").display(),
        );
        Self {
            site,
            planted,
            folder,
            text,
        }
    }

    fn start(&self) -> Countersign {
        Start::with(&self.text)
            .argument("--log")
            .argument("debug")
            .ready()
    }

    /// One who logs in, and one who types a password where the name belongs.
    fn log_in(&self, gateway: &Countersign) {
        let nas = Nas::new(self.site.radius(), self.planted.of("radius secret"));
        let typed = self.planted.of("user password");
        for (name, password) in [("alice.planted", "x"), (typed, "x"), ("bo", typed)] {
            let answer = nas.exchange(&nas.access(name, password), LONG).unwrap();
            assert!([code::ACCESS_ACCEPT, code::ACCESS_REJECT].contains(&answer.code));
        }
        wait_until("the logins are stored", LONG, || {
            gateway.status()["controlplane"]["events"]["stored"] == 3
        });
    }

    /// Logs in which everything stands in many a writing, as programs of other people write them.
    fn write_logs(&self) {
        let mut lines =
            String::from("an ordinary line\nINFO login user=\"carol.planted\" outcome=accept\n");
        // What anybody can type for a name, without a password.
        for name in SPRAYED {
            lines.push_str(&format!("INFO login user={name} outcome=reject\n"));
        }
        for (kind, secret) in &self.planted.0 {
            // What no configuration holds is told by its name alone.
            if *kind == "passcode" {
                lines.push_str(&format!("WARN passcode={secret} was wrong\n"));
                continue;
            }
            if kind.contains("token") {
                lines.push_str(&format!("got {secret}, {}\n", json!({ "x": secret })));
                continue;
            }
            let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
            lines.push_str(&format!("{secret}\n{}\n", json!({ "x": secret })));
            lines.push_str(&format!("{hex} {}\n", hex.to_uppercase()));
            for before in ["", "a", "ab"] {
                let text = format!("{before}{secret} and more");
                let (standard, url) =
                    (BASE64_STANDARD.encode(&text), BASE64_URL_SAFE.encode(&text));
                lines.push_str(&format!("{standard}\n{url}\n"));
            }
            lines.push_str(&format!(
                "{}\n",
                json!({ "x": json!({ "y": secret }).to_string() })
            ));
        }
        lines.push_str("Authorization: Bearer cst_00112233_44556677889900aa\n");
        lines.push_str("an ordinary end\n");
        let folder = self.folder.path().join("log");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("authproxy.log.6"), &lines).unwrap();
        // Named on the command line.
        fs::write(self.folder.path().join("other.log"), &lines).unwrap();
    }

    fn database_url(&self) -> PathBuf {
        let path = self.folder.path().join("url");
        let password = DATABASE_PASSWORD.replace('+', "%2B").replace(':', "%3A");
        let password = password.replace('/', "%2F");
        fs::write(
            &path,
            format!("postgres://gateway:{password}@127.0.0.1/x\n"),
        )
        .unwrap();
        path
    }

    /// Makes a bundle, and unpacks it.
    fn bundle(&self, data_dir: &Path, more: &[&str]) -> Bundle {
        let to = self.folder.path().join(format!("bundle-{}", more.len()));
        fs::create_dir_all(&to).unwrap();
        let file = to.join("bundle.tar.gz");
        drop(fs::remove_file(&file));
        let output = self.support(data_dir, &file, more);
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let found = self.planted.found_in("what it printed", &said);
        assert_eq!(found, [""; 0]);
        let left: Vec<_> = fs::read_dir(&to)
            .unwrap()
            .map(|one| one.unwrap().path())
            .collect();
        assert_eq!(
            left,
            std::slice::from_ref(&file),
            "nothing is left beside it"
        );
        Bundle::unpack(&file)
    }

    fn support(&self, data_dir: &Path, file: &Path, more: &[&str]) -> Output {
        let (logs, url) = (self.folder.path().join("other.log"), self.database_url());
        let fixed = ["support", "--out", file.to_str().unwrap()];
        let logs = ["--logs", logs.to_str().unwrap()];
        let url = ["--database-url-file", url.to_str().unwrap()];
        let arguments = [&fixed[..], &logs, &url, more].concat();
        on_data_dir(&arguments, data_dir, "")
    }
}

/// Puts a value that only this installation opens into the file of a running gateway.
fn protect(gateway: &Countersign, lab: &Lab) {
    let typed = format!("{}\n", lab.planted.of("protected value"));
    let sealed = on_data_dir(&["seal"], &gateway.data_dir(), &typed);
    let sealed = String::from_utf8(sealed.stdout).unwrap();
    let text = format!(
        "{}radius_ip_2=192.0.2.0/24\nradius_secret_protected_2={}\n",
        lab.text,
        sealed.trim()
    );
    gateway.rewrite_config(&text);
    wait_until("the second revision is served", LONG, || {
        gateway.status()["dataplane"]["revision"] == 2
    });
}

/// Tokens, which are shown once.
fn tokens(gateway: &Countersign, planted: &mut Planted) {
    let made = |path: &str, body: Value| {
        let socket = gateway.control_socket();
        let answer = http::request_local(&socket, "POST", path, &body.to_string()).unwrap();
        assert!(answer.status < 300, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let token = made("/api/v1/tokens", json!({"name": "ci", "role": "admin"}));
    planted.0.insert("token", token);
    let token = made("/api/v1/join-tokens", json!({"node": "far"}));
    planted.0.insert("join token", token);
}

#[test]
fn a_bundle_of_a_running_gateway_has_everything_but_secrets_and_names() {
    let mut lab = Lab::new();
    let gateway = lab.start();
    tokens(&gateway, &mut lab.planted);
    protect(&gateway, &lab);
    lab.log_in(&gateway);
    lab.write_logs();
    let audited = || {
        let listed = gateway.command(&["audit", "list", "--json"]);
        serde_json::from_slice::<Value>(&listed.stdout).unwrap()
    };
    let before = audited();
    let bundle = lab.bundle(&gateway.data_dir(), &[]);
    assert_eq!(audited(), before, "nothing that the audit would tell of");

    bundle.seen().assert_none_of(&lab.planted);
    for name in ["alice.planted", "carol.planted", "dave.planted"] {
        assert!(!bundle.has(name), "{name}");
    }
    let roles = &bundle.manifest["roles_that_answer"];
    assert_eq!(*roles, json!(["controlplane", "dataplane"]));
    let redaction = &bundle.manifest["redaction"];
    assert!(
        redaction["secrets_looked_for"].as_u64().unwrap() > 8,
        "{redaction}"
    );
    assert!(
        redaction["places_replaced"].as_u64().unwrap() > 50,
        "{redaction}"
    );

    let events: Vec<Value> = bundle
        .text("events.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 3);
    let user = |at: usize| events[at]["event"]["user"].as_str().unwrap();
    assert!((0..3).all(|at| user(at).starts_with("user-")), "{events:?}");
    assert_ne!(user(0), user(2));
    let config = bundle.text("configuration/served/authproxy.cfg");
    assert!(
        config.contains("[radius_server_eap]") && config.contains("[secret]"),
        "{config}"
    );
    let lines = bundle.text("configuration/file/lines.txt");
    assert!(
        lines.contains("skey=[secret]") && lines.contains("failmode=secure"),
        "{lines}"
    );
    let checked = bundle.json("check.json");
    assert!(
        checked
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["what"] == "second_factor")
    );
    assert_eq!(bundle.json("dataplane/status.json")["revision"], 2);
    assert_eq!(
        bundle.json("controlplane/revisions.json")["items"][0]["number"],
        2
    );
    let metrics = bundle.text("dataplane/metrics.txt");
    assert!(metrics.contains("countersign_logins_total"), "{metrics}");
    let system = bundle.json("system.json");
    assert!(system["files"]["/proc/version"].is_string(), "{system}");
    assert!(
        system["processes"].as_array().unwrap().len() >= 3,
        "{system}"
    );
    for name in ["-other.log", "-authproxy.log.6"] {
        let log = bundle.text(&bundle.named(name));
        assert!(
            log.contains("an ordinary line\n") && log.ends_with("an ordinary end\n"),
            "{log}"
        );
    }
    // The gateway's own.
    let log = bundle.text(&bundle.named("-authproxy.log"));
    assert!(log.contains("user-"), "{log}");

    // Words of our own, which people typed for names, garble nothing.
    for name in SPRAYED {
        assert!(!bundle.has(&format!("user={name} ")), "{name}");
    }
    assert!(system["container"].is_boolean(), "{system}");
    let served = bundle.json("controlplane/status.json");
    assert!(
        served["source"]
            .as_str()
            .unwrap()
            .ends_with("authproxy.cfg")
    );
    for line in log.lines().filter(|line| line.contains("login attempt")) {
        assert!(line.contains(" [radius_server_auto] (('"), "{line}");
        assert!(line.contains("login attempt for username 'user-"), "{line}");
    }
    assert_eq!(redaction["names_not_looked_for"], 0);

    let named = lab.bundle(&gateway.data_dir(), &["--with-users", "--no-check"]);
    assert!(named.has("alice.planted") && named.has("carol.planted"));
    let items = named.manifest["items"].as_array().unwrap();
    assert!(items.iter().all(|one| one["name"] != "check.json"));
    // The same name in every bundle.
    let again = lab.bundle(&gateway.data_dir(), &["--no-check"]);
    assert_eq!(again.text("events.jsonl"), bundle.text("events.jsonl"));

    let there = lab.folder.path().join("other.log");
    let refused = lab.support(&gateway.data_dir(), &there, &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("is there already")
    );
    let nowhere = lab.folder.path().join("no/such/folder.tar.gz");
    let failed = lab.support(&gateway.data_dir(), &nowhere, &["--no-check"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

#[test]
fn a_bundle_of_a_gateway_that_has_ended_is_made_of_its_data_folder() {
    let lab = Lab::new();
    let mut gateway = lab.start();
    protect(&gateway, &lab);
    lab.log_in(&gateway);
    assert!(gateway.stop().success());
    lab.write_logs();
    let listed = || {
        let entries = fs::read_dir(gateway.data_dir().join("controlplane")).unwrap();
        let mut names: Vec<_> = entries.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listed();
    let config = gateway.config();
    let bundle = lab.bundle(&gateway.data_dir(), &["--config", config.to_str().unwrap()]);
    assert_eq!(listed(), before, "the data folder is as it was");
    bundle.seen().assert_none_of(&lab.planted);
    assert_eq!(bundle.manifest["roles_that_answer"], json!([]));
    assert_eq!(bundle.text("events.jsonl").lines().count(), 3);
    for place in ["stored", "last-good", "file"] {
        let text = bundle.text(&format!("configuration/{place}/authproxy.cfg"));
        assert!(
            text.contains("[radius_server_eap]") && text.contains("[secret]"),
            "{place}: {text}"
        );
    }
    assert_eq!(bundle.json("controlplane/revisions.json")[0]["number"], 2);
    let rows = bundle.json("check.json");
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .any(|row| row["what"] == "second_factor")
    );
    let why = bundle.failed("controlplane/status.json");
    assert!(why.contains("cannot reach"), "{why}");

    // Of a file that is refused as well, and of one that is none.
    let secret = lab.planted.of("radius secret");
    let bad = format!(
        "{}prot={secret}\nradius_ip_8=192.0.2.8 ; was another-{secret}-of-before\n\
         radius_secret_8=eight\nexempt_username_2=vip.planted\n",
        lab.text
    );
    fs::write(&config, bad).unwrap();
    let bundle = lab.bundle(&gateway.data_dir(), &["--config", config.to_str().unwrap()]);
    bundle.seen().assert_none_of(&lab.planted);
    assert!(
        bundle
            .text("configuration/file/lines.txt")
            .contains("prot=[secret]")
    );
    let found = bundle.json("configuration/file/validate.json");
    assert!(found["diagnostics"].to_string().contains("prot"), "{found}");
    assert!(found.to_string().contains("192.0.2.8"), "{found}");
    for hidden in ["vip.planted", "of-before"] {
        assert!(!bundle.has(hidden), "{hidden}");
    }

    // And where nothing is at all.
    let empty = tempfile::tempdir().unwrap();
    let (data, file) = (empty.path().join("none"), empty.path().join("a.tar.gz"));
    let arguments = ["support", "--no-check", "--config", "/no/such.cfg", "--out"];
    let arguments = [&arguments[..], &[file.to_str().unwrap()]].concat();
    let output = on_data_dir(&arguments, &data, "");
    assert!(output.status.success(), "{output:?}");
    let why = Bundle::unpack(&file).failed("configuration/file/lines.txt");
    assert!(why.contains("/no/such.cfg"), "{why}");
    assert!(!data.exists(), "nothing is made");
}

#[test]
fn a_control_plane_that_is_stuck_holds_a_bundle_up_for_seconds_alone() {
    let lab = Lab::new();
    let gateway = lab.start();
    protect(&gateway, &lab);
    lab.log_in(&gateway);
    lab.write_logs();
    let stuck = gateway.role("controlplane");
    kill(stuck, Signal::SIGSTOP).unwrap();
    let began = e2e::clock::now();
    let bundle = lab.bundle(&gateway.data_dir(), &[]);
    let took = began.elapsed();
    bundle.seen().assert_none_of(&lab.planted);
    assert!(took < Duration::from_secs(90), "{took:?}");
    let why = bundle.failed("controlplane/status.json");
    assert!(why.contains("no answer within"), "{why}");
    assert_eq!(bundle.manifest["roles_that_answer"], json!(["dataplane"]));
    // Of what lies beside it.
    assert_eq!(bundle.text("events.jsonl").lines().count(), 3);
    assert!(bundle.json("check.json").as_array().unwrap().len() > 5);
    assert!(
        bundle
            .text("configuration/last-good/authproxy.cfg")
            .contains("[radius_server_auto]")
    );

    let other = gateway.role("dataplane");
    kill(other, Signal::SIGSTOP).unwrap();
    let bundle = lab.bundle(&gateway.data_dir(), &["--no-check"]);
    assert_eq!(bundle.manifest["roles_that_answer"], json!([]));
    let why = bundle.failed("dataplane/status.json");
    assert!(why.contains("no answer within"), "{why}");
    bundle.seen().assert_none_of(&lab.planted);
    for one in [stuck, other] {
        kill(one, Signal::SIGCONT).unwrap();
    }
}

#[test]
fn a_bundle_that_is_stopped_leaves_nothing() {
    let lab = Lab::new();
    let mut gateway = lab.start();
    assert!(gateway.stop().success());
    // Whoever has it alone keeps the copy waiting.
    let script = "import sqlite3, sys\n\
        base = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
        base.execute('pragma locking_mode=exclusive')\n\
        base.execute('begin exclusive')\n\
        print('held', flush=True)\n\
        sys.stdin.read()\n";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(gateway.data_dir().join("controlplane/controlplane.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = String::new();
    let said = holder.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut held).unwrap();
    assert_eq!(held, "held\n");

    for end in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let left = || fs::read_dir(folder.path()).unwrap().count();
        let mut support = Command::new(e2e::countersign::program());
        support
            .args(["support", "--out"])
            .arg(folder.path().join("bundle.tar.gz"))
            .arg("--data-dir")
            .arg(gateway.data_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let support = support.spawn().unwrap();
        wait_until("the copy is being made", LONG, || left() == 1);
        kill(Pid::from_raw(support.id().try_into().unwrap()), end).unwrap();
        let output = support.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.contains("stopped by a signal"), "{why}");
        assert_eq!(left(), 0, "{end}");
    }
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}

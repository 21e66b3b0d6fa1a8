//! What an installation cannot lose: its backup, its restore, its keys.
#![cfg(test)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start, program},
    gateway::{Site, on_data_dir},
    nas::code,
    peers::fakeduo::{Outcome, User},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What makes a backup bad.
type Spoil = fn(&Path);

const LONG: Duration = Duration::from_secs(20);

fn out(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn done(data: &Path, arguments: &[&str]) -> String {
    let output = on_data_dir(arguments, data, "");
    assert!(output.status.success(), "{arguments:?}: {}", out(&output));
    out(&output)
}

fn refused(data: &Path, arguments: &[&str], want: &str) {
    let output = on_data_dir(arguments, data, "");
    assert!(!output.status.success(), "{arguments:?}: {}", out(&output));
    let said = out(&output);
    assert!(said.contains(want), "{arguments:?}: {said}");
}

fn call(gateway: &Countersign, method: &str, path: &str, body: &Value) -> Value {
    let socket = gateway.control_socket();
    let path = format!("/api/v1{path}");
    let answer = e2e::http::request_local(&socket, method, &path, &body.to_string()).unwrap();
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.json()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A gateway whose database is the truth, with one section.
struct Lab {
    site: Site,
    gateway: Countersign,
    folder: TempDir,
}

impl Lab {
    fn start() -> Self {
        let site = Site::new();
        site.duo.everybody(User::who(Outcome::Allow));
        let mut gateway = Start::beside(&site.config("")).launch();
        wait_until("it says what to do", LONG, || {
            gateway.output().contains("countersign import FILE")
        });
        let file = gateway.config();
        let done = gateway.command(&["import", file.to_str().unwrap(), "--yes"]);
        assert!(done.status.success(), "{}", out(&done));
        gateway.wait_ready();
        Self {
            site,
            gateway,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn login(&self, user: &str) -> u8 {
        let nas = self.site.nas();
        nas.exchange(&nas.access(user, "any"), LONG).unwrap().code
    }

    fn backup(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        done(&self.gateway.data_dir(), &["backup", to.to_str().unwrap()]);
        to
    }
}

#[test]
fn a_backup_of_a_running_gateway_is_restored_and_serves() {
    let mut lab = Lab::start();
    assert_eq!(lab.login("alice"), code::ACCESS_ACCEPT);
    drop(lab.gateway.event_of("alice", 1));
    let backup = lab.backup("good");
    assert_eq!(mode(&backup), 0o700);
    for file in [
        "manifest.json",
        "controlplane/controlplane.db",
        "controlplane/controlplane.key",
    ] {
        assert_eq!(mode(&backup.join(file)), 0o600, "{file}");
    }
    let name = backup.to_str().unwrap().to_owned();
    let data = lab.gateway.data_dir();
    refused(&data, &["backup", &name], "is there already");
    // What comes after is not in it.
    let path = "/integrations/radius_server_auto";
    call(
        &lab.gateway,
        "PATCH",
        path,
        &json!({"exempt_users": ["bob"]}),
    );
    wait_until("it is live", LONG, || lab.gateway.revision() == 2);

    refused(&data, &["restore", &name], "runs");
    refused(&data, &["restore", &name, "--replace"], "runs");
    lab.gateway.stop();
    refused(&data, &["restore", &name], "is not empty");
    let said = done(&data, &["restore", &name, "--replace"]);
    assert!(said.contains("What was there is in"), "{said}");
    let kept: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|one| one.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("replaced-")
        })
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].join("controlplane/controlplane.db").exists());
    assert!(!data.join(".restore").exists());
    assert_eq!(mode(&data.join("controlplane")), 0o700);
    assert_eq!(mode(&data.join("controlplane/controlplane.key")), 0o600);

    lab.gateway.restart();
    assert_eq!(lab.gateway.revision(), 1);
    assert_eq!(lab.login("carol"), code::ACCESS_ACCEPT);
    assert_eq!(lab.login("bob"), code::ACCESS_ACCEPT);
    assert_eq!(lab.site.duo.pushes("bob"), 1, "the exemption came later");
    drop(lab.gateway.event_of("alice", 1));
    let verified = call(&lab.gateway, "GET", "/audit/verify", &json!({}));
    assert_eq!(verified["whole"], true);
}

#[test]
fn a_damaged_partial_or_newer_backup_is_refused_and_nothing_is_touched() {
    let mut lab = Lab::start();
    lab.gateway.stop();
    let data = tempfile::tempdir().unwrap();
    let into = data.path().join("data");
    let cases: [(&str, &str, Spoil); 7] = [
        ("octet", "is not what was backed up", |folder| {
            let path = folder.join("controlplane/controlplane.db");
            let mut octets = fs::read(&path).unwrap();
            let last = octets.len() - 1;
            octets[last] ^= 1;
            fs::write(&path, octets).unwrap();
        }),
        ("cut", "is not what was backed up", |folder| {
            let path = folder.join("controlplane/controlplane.key");
            fs::write(&path, [0; 31]).unwrap();
        }),
        ("no file", "cannot copy", |folder| {
            let path = folder.join("controlplane/controlplane.key");
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        }),
        ("gone", "cannot copy", |folder| {
            fs::remove_file(folder.join("controlplane/controlplane.key")).unwrap();
        }),
        ("unfinished", "is no whole backup", |folder| {
            fs::remove_file(folder.join("manifest.json")).unwrap();
        }),
        ("newer form", "made by countersign", |folder| {
            let path = folder.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        }),
        ("elsewhere", "names a file that is none", |folder| {
            let path = folder.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("controlplane/controlplane.key", "../../stolen");
            fs::write(&path, text).unwrap();
        }),
    ];
    for (name, want, spoil) in cases {
        let backup = lab.backup(name);
        spoil(&backup);
        refused(&into, &["restore", backup.to_str().unwrap()], want);
        let left = fs::read_dir(&into).map_or(0, |all| {
            all.map(|one| one.unwrap().file_name())
                .filter(|name| name != "run" && name != "lock")
                .count()
        });
        assert_eq!(left, 0, "{name}");
    }
    // A restore that was cut short lets nothing start until it is done again.
    let backup = lab.backup("good");
    fs::create_dir_all(into.join(".restore/controlplane")).unwrap();
    refused(&into, &["seal"], "a restore into");
    refused(&into, &["master-key", "rotate"], "a restore into");
    done(&into, &["restore", backup.to_str().unwrap()]);
    assert!(into.join("controlplane/controlplane.db").exists());
}

#[test]
fn the_built_in_second_factor_is_backed_up_with_its_keys() {
    let site = Site::new();
    let config = format!(
        "[duo_only_client]\n\n[radius_server_auto]\napi_host=builtin\nclient=duo_only_client\n\
         failmode=secure\nradius_ip_1=127.0.0.0/8\nradius_secret_1={}\nport={}\n",
        e2e::peers::SECRET,
        site.port
    );
    let listen = e2e::ports::loopback(e2e::ports::free_tcp()).to_string();
    let mut gateway = Start::with(&config)
        .argument("--second-factor-listen")
        .argument(&listen)
        .ready();
    let data = gateway.data_dir();
    for arguments in [
        &["factor", "add", "dave"][..],
        &["factor", "add-device", "dave", "phone", "--number", "1"],
        &["factor", "script", "dave", "approve"],
    ] {
        done(&data, arguments);
    }
    let nas = site.nas();
    let login = || nas.exchange(&nas.access("dave", "any"), LONG).unwrap().code;
    assert_eq!(login(), code::ACCESS_ACCEPT);
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    done(&data, &["backup", backup.to_str().unwrap()]);
    for file in ["secondfactor.db", "secret.key", "ca.pem", "ca.key"] {
        assert!(backup.join("secondfactor").join(file).exists(), "{file}");
    }
    done(&data, &["factor", "delete", "dave"]);
    gateway.stop();
    done(&data, &["restore", backup.to_str().unwrap(), "--replace"]);
    gateway.restart();
    assert_eq!(login(), code::ACCESS_ACCEPT);
}

#[test]
fn the_master_key_is_rotated_under_a_running_gateway_and_nothing_is_lost() {
    let mut lab = Lab::start();
    let data = lab.gateway.data_dir();
    let key = data.join("controlplane/controlplane.key");
    let before = fs::read(&key).unwrap();
    let old = lab.backup("before");
    let sealed = on_data_dir(&["seal"], &data, "hunter2\n");
    let sealed = String::from_utf8(sealed.stdout).unwrap().trim().to_owned();
    let said = done(&data, &["master-key", "rotate", "--new-data-key"]);
    assert!(said.contains("2 data keys"), "{said}");
    let after = fs::read(&key).unwrap();
    assert_eq!(mode(&key), 0o600);
    assert_eq!(after[32..], before[..], "the one before it stays for files");
    // The gateway goes on, and writes.
    let path = "/integrations/radius_server_auto";
    call(
        &lab.gateway,
        "PATCH",
        path,
        &json!({"exempt_users": ["bob"]}),
    );
    wait_until("it is live", LONG, || lab.gateway.revision() == 2);
    assert_eq!(lab.login("alice"), code::ACCESS_ACCEPT);
    let audit = call(&lab.gateway, "GET", "/audit", &json!({}));
    assert!(audit.to_string().contains("master-key.rotate"), "{audit}");
    // A value of before, and one of after, are taken by the gateway that ran all the time.
    let new = on_data_dir(&["seal"], &data, "hunter2\n");
    let new = String::from_utf8(new.stdout).unwrap().trim().to_owned();
    let strange = format!("sealed:{}", "A".repeat(80));
    for (value, want) in [(&sealed, 0), (&new, 0), (&strange, 2)] {
        let text = lab.site.config("").replace(
            &format!("radius_secret_1={}", e2e::peers::SECRET),
            &format!("radius_secret_protected_1={value}"),
        );
        let file = lab.folder.path().join("protected.cfg");
        fs::write(&file, text).unwrap();
        let tried = ["import", file.to_str().unwrap(), "--dry-run"];
        let tried = lab.gateway.command(&tried);
        assert_eq!(tried.status.code(), Some(want), "{value}: {}", out(&tried));
    }
    lab.gateway.restart();
    assert_eq!(lab.login("alice"), code::ACCESS_ACCEPT);
    let verified = call(&lab.gateway, "GET", "/audit/verify", &json!({}));
    assert_eq!(verified["whole"], true);
    lab.gateway.stop();
    // The old key opens no database of today.
    fs::write(&key, &before).unwrap();
    let refused = on_data_dir(&["master-key", "rotate"], &data, "");
    assert!(
        out(&refused).contains("not the one this database"),
        "{}",
        out(&refused)
    );
    fs::write(&key, &after).unwrap();
    // A backup of before has the key that it needs.
    done(&data, &["restore", old.to_str().unwrap(), "--replace"]);
    lab.gateway.restart();
    assert_eq!(lab.login("alice"), code::ACCESS_ACCEPT);
}

#[test]
fn a_rotation_killed_at_any_moment_leaves_an_installation_that_serves() {
    let mut lab = Lab::start();
    let data = lab.gateway.data_dir();
    let folder = data.join("controlplane");
    let length = || fs::metadata(folder.join("controlplane.key")).unwrap().len();
    // The new key file before it has its name; a killed one leaves it.
    let beside = || {
        let all = fs::read_dir(&folder).unwrap();
        all.filter(|one| {
            let name = one.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("controlplane.key.new-")
        })
        .count()
    };
    let written = || {
        let about = fs::metadata(folder.join("controlplane.db-wal")).ok()?;
        Some((about.len(), about.modified().unwrap()))
    };
    // Rounds that were cut short with the new key in the file.
    let mut half = 0;
    for round in 0..20_u64 {
        let (octets, files, log) = (length(), beside(), written());
        let mut child = Command::new(program())
            .args(["master-key", "rotate", "--new-data-key", "--data-dir"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let grew = || length() > octets;
        let ended = loop {
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            let reached = match round % 5 {
                0 => true,
                1 => beside() > files || grew(),
                2 => grew(),
                3 => grew() && written() != log,
                _ => false,
            };
            if reached {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            thread::yield_now();
        };
        if round % 5 == 4 {
            assert!(ended.success() && grew(), "round {round}: {ended}");
        }
        half += u32::from(grew() && ended.signal().is_some());
        let path = "/integrations/radius_server_auto";
        let users = json!({"exempt_users": [format!("user{round}")]});
        call(&lab.gateway, "PATCH", path, &users);
    }
    assert!(half > 0, "none was killed between its steps");
    lab.gateway.restart();
    assert_eq!(lab.login("alice"), code::ACCESS_ACCEPT);
    let verified = call(&lab.gateway, "GET", "/audit/verify", &json!({}));
    assert_eq!(verified["whole"], true);
    let found = call(
        &lab.gateway,
        "GET",
        "/integrations/radius_server_auto",
        &json!({}),
    );
    assert_eq!(found["exempt_users"], json!(["user19"]));
    done(&data, &["master-key", "rotate"]);
}

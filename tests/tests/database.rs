//! The control plane's database: shared by two of them, and not to be lost with any.
#![cfg(test)]

use std::{fs, path::Path, process::Command, thread, time::Duration};

use e2e::{
    clock::{poll, wait_until},
    controlplane::ControlPlane,
    countersign::{Start, command, program},
    gateway::{Site, on_data_dir},
    http,
    nas::{Nas, code},
    nodes::{Node, Nodes},
    peers::{Postgres, SECRET, require},
};
use nix::sys::signal::{Signal, kill};
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);

/// The revision that a control plane serves; zero when it serves none.
fn revision(socket: &Path) -> u64 {
    let status = http::request_local(socket, "GET", "/status", "").unwrap();
    status.json()["revision"]["number"].as_u64().unwrap_or(0)
}

/// Every word of the command lines and environments of a process and its children.
fn words(group: nix::unistd::Pid) -> String {
    let mut words = String::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let of = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&of("stat")).into_owned();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        if rest.split(' ').nth(2) == Some(&group.to_string()) {
            words += &String::from_utf8_lossy(&of("cmdline"));
            words += &String::from_utf8_lossy(&of("environ"));
        }
    }
    words
}

#[test]
fn what_one_control_plane_publishes_another_on_the_same_database_serves_within_a_second() {
    let site = Site::new();
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("database");
    fs::write(&file, format!("{url}\n")).unwrap();
    let config = |more: &str| site.config(&format!("interface={}\n{more}", Nodes::A));
    let a = Start::with(&config(""))
        .argument("--database-url-file")
        .argument(file.to_str().unwrap())
        .argument("--node")
        .argument("a")
        .ready();
    let key = a.data_dir().join("controlplane/controlplane.key");
    let mut b = ControlPlane::launch(Some(&url), Some(&key));
    assert_eq!(revision(&b.socket()), 1, "it is there from the start");
    let mut node = Node::launch("b", Nodes::B, &b.socket(), &[]);
    node.wait_serves(1);

    for number in 2..=6 {
        a.rewrite_config(&config(&format!("exempt_username_2=user{number}\n")));
        let (from, to) = (a.control_socket(), b.socket());
        wait_until("the one has it", LONG, || revision(&from) == number);
        let served = poll(Duration::from_secs(1), || revision(&to) == number);
        assert!(served, "{number}: {}", b.output());
        node.wait_serves(number);
    }
    // Each node tells its own control plane, and the one has the events of both.
    for (nas, want) in [
        (node.nas(site.radius().port()), "b"),
        (
            Nas::new((Nodes::A, site.radius().port()).into(), SECRET),
            "a",
        ),
    ] {
        let user = format!("user6@{want}");
        let answer = nas.exchange(&nas.access(&user, "any"), LONG);
        assert_eq!(answer.unwrap().code, code::ACCESS_ACCEPT);
        let event = a.event_of(&user, 1);
        assert_eq!(event["node"], want, "{event:#}");
    }

    // One that was away takes in at its start what it missed.
    b.kill();
    a.rewrite_config(&config("exempt_username_2=user7\n"));
    let from = a.control_socket();
    wait_until("the one has it", LONG, || revision(&from) == 7);
    b.start();
    assert_eq!(revision(&b.socket()), 7);

    // A control plane that dies is told anew which database is meant.
    let old = a.role("controlplane");
    kill(old, Signal::SIGKILL).unwrap();
    a.wait_restarted("controlplane", old, LONG);
    let socket = a.control_socket();
    wait_until("it serves again", LONG, || {
        http::request_local(&socket, "GET", "/status", "").is_ok()
    });
    assert_eq!(revision(&socket), 7);

    let words = words(a.pid());
    assert!(words.contains("--database-from-stdin"), "{words}");
    for shown in [words, a.output(), b.output()] {
        assert!(!shown.contains(Postgres::PASSWORD), "{shown}");
    }
}

#[test]
fn changes_made_at_two_control_planes_at_once_are_all_kept_or_refused() {
    const CHANGES: usize = 10;
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let a = ControlPlane::launch(Some(&url), None);
    let key = a.key();
    let b = ControlPlane::launch(Some(&url), Some(&key));
    let path = "/api/v1/authenticators";
    thread::scope(|scope| {
        for (name, control) in [("a", &a), ("b", &b)] {
            scope.spawn(move || {
                for number in 0..CHANGES {
                    let id = format!("{name}{number}");
                    let body = json!({"id": id, "kind": "duo_only"}).to_string();
                    let made = poll(LONG, || {
                        let answer = http::request_local(&control.socket(), "POST", path, &body);
                        let status = answer.unwrap().status;
                        // The other was first; nothing is changed then.
                        assert!(
                            matches!(status, 201 | 409),
                            "{status}: {}",
                            control.output()
                        );
                        status == 201
                    });
                    assert!(made, "{id}");
                }
            });
        }
    });
    for control in [&a, &b] {
        let socket = control.socket();
        wait_until("all of them are served", LONG, || {
            revision(&socket) == 2 * CHANGES as u64
        });
        let list = http::request_local(&socket, "GET", path, "").unwrap();
        assert_eq!(list.json()["total"], 2 * CHANGES, "{}", list.body);
    }
}

#[test]
fn a_database_that_was_away_is_used_again_when_it_is_back() {
    let site = Site::new();
    let mut postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let a = Start::with(&site.config(""))
        .variable("COUNTERSIGN_DATABASE", &url)
        .ready();
    let nas = site.nas();
    let accepts = |user: &str| {
        let answer = nas.exchange(&nas.access(user, "any"), LONG);
        assert_eq!(answer.unwrap().code, code::ACCESS_ACCEPT, "{user}");
    };
    accepts("alice");
    let _stored = a.event_of("alice", 1);
    postgres.kill();
    accepts("bob");
    a.rewrite_config(&site.config("exempt_username_2=carol\n"));
    postgres.restart();
    let event = a.event_of("bob", 1);
    assert_eq!(event["outcome"], "accept", "{event:#}");
    let socket = a.control_socket();
    wait_until("the new file is served", LONG, || revision(&socket) == 2);
    assert!(!a.output().contains(Postgres::PASSWORD));
}

#[test]
fn another_key_than_that_of_the_database_is_refused_with_what_helps() {
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database());
    let first = ControlPlane::launch(Some(&url), None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("database");
    fs::write(&file, url).unwrap();
    let arguments = ["controlplane", "--database-url-file", "database"];
    let arguments = [&arguments[..], &["--data-dir", "data"]].concat();
    let refused = command(&arguments, folder.path());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("copy it from a control plane"), "{said}");
    drop(first);
}

#[test]
fn a_bad_database_is_refused_and_its_password_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad");
    fs::write(&file, "mysql://u:hunter2@h/d").unwrap();
    for (arguments, want) in [
        (
            &["--database", "postgres://u:hunter2@h/d"][..],
            "--database-url-file",
        ),
        (&["--database", "mysql://u:hunter2@h/d"], "postgres://"),
        (&["--database-url-file", "bad"], "bad: the database URL"),
        (&["--database-url-file", "none"], "cannot read none"),
    ] {
        for role in ["controlplane", "run"] {
            let all = [&[role, "--data-dir", "data"], arguments].concat();
            let refused = command(&all, folder.path());
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_ne!(refused.status.code(), Some(0), "{all:?}");
            assert!(said.contains(want), "{all:?}: {said}");
            assert!(!said.contains("hunter2"), "{all:?}: {said}");
        }
    }
    let both = Command::new(require("env", "coreutils"))
        .arg("COUNTERSIGN_DATABASE=postgres://u:hunter2@h/d")
        .arg("COUNTERSIGN_DATABASE_FILE=bad")
        .arg(program())
        .args(["controlplane", "--data-dir", "data"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
    let said = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(said.contains("both set"), "{said}");
}

#[test]
fn a_damaged_database_ends_the_start_with_what_helps() {
    let mut control = ControlPlane::launch(None, None);
    control.kill();
    let data = control.data_dir();
    let database = data.join("controlplane/controlplane.db");
    for name in ["controlplane.db-wal", "controlplane.db-shm"] {
        fs::remove_file(database.with_file_name(name)).unwrap();
    }
    fs::write(&database, [0x5a; 65_536]).unwrap();
    let refused = on_data_dir(&["controlplane"], &data, "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("countersign restore"), "{said}");
}

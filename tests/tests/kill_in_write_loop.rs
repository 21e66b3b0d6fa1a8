//! kill -9 of the control plane while others write, again and again: whatever it said yes to is there
//! after, revisions have no gaps, the audit is whole, and a node has the newest.
#![cfg(test)]

use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use e2e::{
    clock::{poll, unix_seconds},
    controlplane::ControlPlane,
    gateway::Site,
    http,
    nodes::{Node, Nodes},
    peers::Postgres,
};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);

/// How often it is killed; the variable `KILLS` says another number.
const KILLS: u32 = 100;
/// Writers of each kind.
const WRITERS: usize = 2;
/// Answers of each kind that a round waits for.
const ANSWERS: usize = 5;

/// What was said yes to.
#[derive(Default)]
struct Acknowledged {
    /// Numbers of logins that were reported.
    events: HashSet<u64>,
    /// Revisions, by their numbers: what each was made for.
    revisions: BTreeMap<u64, String>,
}

/// A report of one login with this number, of now: old ones are forgotten.
fn report(number: u64) -> Value {
    json!({"node": "writer", "dropped": 0, "events": [{
        "id": format!("{number:032x}"), "at_ms": unix_seconds() * 1_000,
        "node": "writer", "revision": 1, "integration": "radius_server_auto", "ikey": "DI",
        "client": "192.0.2.1:1024", "user": "writer", "outcome": "accept",
        "reason": "approved", "elapsed_us": 7, "timeline": [],
    }]})
}

/// Reports one login; true when it was taken.
fn write_event(socket: &Path, number: u64) -> bool {
    let path = "/countersign.v1.DataPlane/ReportEvents";
    let answer = http::request_local(socket, "POST", path, &report(number).to_string());
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Changes the configuration; the number of the revision when it was taken.
fn write_revision(socket: &Path, message: &str) -> Option<u64> {
    let path = format!("/api/v1/integrations/radius_server_auto?message={message}");
    let body = json!({"exempt_users": [message]}).to_string();
    let answer = http::request_local(socket, "PATCH", &path, &body).ok()?;
    // One that is cut off in the middle has its head at least, which is sent after the write.
    (answer.status == 200)
        .then(|| answer.header("countersign-revision")?.parse().ok())
        .flatten()
}

/// All events that are stored.
fn events(control: &ControlPlane) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/events?limit=1000{cursor}");
        let mut page = control.call("GET", &path, "").json();
        match page["items"].take() {
            Value::Array(items) => all.extend(items),
            other => panic!("{path}: {other}"),
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Writes until it is killed, which is after a few answers.
fn round(control: &mut ControlPlane, round: u32, next: &AtomicU64, yes: &Mutex<Acknowledged>) {
    let socket = control.socket();
    let dead = AtomicBool::new(false);
    let count = || {
        let yes = yes.lock().unwrap();
        (yes.events.len(), yes.revisions.len())
    };
    let before = count();
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !dead.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if write_event(&socket, number) {
                        yes.lock().unwrap().events.insert(number);
                    }
                }
            });
            scope.spawn(|| {
                while !dead.load(Ordering::Relaxed) {
                    let message = format!("w{}", next.fetch_add(1, Ordering::Relaxed));
                    if let Some(number) = write_revision(&socket, &message) {
                        let mut yes = yes.lock().unwrap();
                        let twice = yes.revisions.insert(number, message);
                        assert_eq!(twice, None, "revision {number}");
                    }
                }
            });
        }
        let enough = poll(LONG, || {
            let now = count();
            now.0 >= before.0 + ANSWERS && now.1 >= before.1 + ANSWERS
        });
        control.kill();
        dead.store(true, Ordering::Relaxed);
        assert!(enough, "round {round}: {}", control.output());
    });
}

/// Holds what is stored against what was said yes to.
fn look(control: &ControlPlane, round: u32, yes: &Acknowledged) {
    let stored: HashSet<u64> = events(control)
        .iter()
        .map(|one| u64::from_str_radix(one["event"]["id"].as_str().unwrap(), 16).unwrap())
        .collect();
    let lost: Vec<_> = yes.events.difference(&stored).collect();
    assert_eq!(lost, Vec::<&u64>::new(), "round {round}");

    // The newest first, and a thousand of them are kept.
    let page = control.call("GET", "/revisions?limit=1000", "");
    let page = page.json();
    let revisions: Vec<(u64, String)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let message = one["message"].as_str().unwrap().to_owned();
            (one["number"].as_u64().unwrap(), message)
        })
        .collect();
    let newest = control.revision();
    for (index, (number, message)) in revisions.iter().enumerate() {
        assert_eq!(*number, newest - index as u64, "a gap in round {round}");
        if let Some(said) = yes.revisions.get(number) {
            assert_eq!(said, message, "round {round}, revision {number}");
        }
    }
    let last = yes.revisions.keys().last().copied().unwrap_or(0);
    assert!(newest >= last, "round {round}: {newest} of {last}");
    let path = "/integrations/radius_server_auto";
    let now = control.call("GET", path, "").json();
    assert_eq!(now["exempt_users"][0], *revisions[0].1, "round {round}");
    let audit = control.call("GET", "/audit/verify", "").json();
    assert_eq!(audit["whole"], true, "round {round}: {audit}");
}

fn kill_in_a_write_loop(url: Option<&str>, address: std::net::IpAddr) {
    let site = Site::new();
    let mut control = ControlPlane::launch(url, None);
    let text = site.config(&format!("interface={address}\n"));
    let ca = fs::read_to_string(site.bundle()).unwrap();
    let name = site.bundle().to_str().unwrap().to_owned();
    let sent = json!({"text": text, "files": {name: ca}});
    let _imported = control.call("POST", "/config/import?message=w0", &sent.to_string());
    let mut node = Node::launch("b", address, &control.socket(), &[]);
    node.wait_follows();

    let (next, yes) = (AtomicU64::new(1), Mutex::new(Acknowledged::default()));
    let kills = env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    for number in 0..kills {
        round(&mut control, number, &next, &yes);
        control.start();
        look(&control, number, &yes.lock().unwrap());
        // A node asks again a little later each time that nobody answers.
        if number % 10 == 0 || number + 1 == kills {
            node.wait_serves(control.revision());
        }
    }
}

#[test]
fn kill_9_in_a_write_loop_loses_no_acknowledged_write_of_sqlite() {
    kill_in_a_write_loop(None, Nodes::A);
}

#[test]
fn kill_9_in_a_write_loop_loses_no_acknowledged_write_of_postgres() {
    let postgres = Postgres::start();
    let database = postgres.database();
    // A password costs a program that is not optimised a tenth of a second for each connection, and
    // this is about what is written.
    let _trusted = postgres.sql(
        &database,
        "DO $$ BEGIN EXECUTE format('COPY (VALUES (''host all all 127.0.0.1/32 trust'')) TO %L', \
         current_setting('hba_file')); PERFORM pg_reload_conf(); END $$",
    );
    let url = format!("{}?sslmode=disable", postgres.url(&database));
    kill_in_a_write_loop(Some(&url), Nodes::B);
}

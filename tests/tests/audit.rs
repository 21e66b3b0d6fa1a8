//! An audit that somebody had their hands on who can write to the database: found over HTTP and on the
//! command line.
#![cfg(test)]

use std::{fs, process::Command, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    http,
    peers::{Postgres, require},
};
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);

/// Runs a statement beside the gateway.
type Sql<'a> = &'a dyn Fn(&Countersign, &str);

fn verified(gateway: &Countersign) -> (bool, String) {
    let socket = gateway.control_socket();
    let answer = http::request_local(&socket, "GET", "/api/v1/audit/verify", "").unwrap();
    let told = answer.json();
    let fault = told["fault"].as_str().unwrap_or_default().to_owned();
    let command = gateway.command(&["audit", "verify"]);
    let said = String::from_utf8([command.stdout, command.stderr].concat()).unwrap();
    let whole = told["whole"].as_bool().unwrap();
    assert_eq!(command.status.code(), Some(i32::from(!whole)), "{said}");
    assert!(said.contains(&fault), "{said}, {fault}");
    (whole, fault)
}

fn change(gateway: &Countersign, user: &str) {
    let path = "/api/v1/integrations/radius_server_auto";
    let body = json!({"exempt_users": [user]}).to_string();
    let done = http::request_local(&gateway.control_socket(), "PATCH", path, &body).unwrap();
    assert_eq!(done.status, 200, "{done:?}");
}

fn tampered(start: Start, sql: Sql<'_>) {
    let mut gateway = start.launch();
    wait_until("it waits for a file", LONG, || {
        gateway.output().contains("countersign import FILE")
    });
    let file = gateway.config();
    let done = gateway.command(&["import", file.to_str().unwrap(), "--yes"]);
    assert!(done.status.success(), "{done:?}");
    for user in ["a", "b", "c", "d"] {
        change(&gateway, user);
    }
    assert_eq!(verified(&gateway), (true, String::new()));
    for (done, undone, want) in [
        (
            "UPDATE audit SET actor = 'x' || actor WHERE seq = 2",
            "UPDATE audit SET actor = substr(actor, 2) WHERE seq = 2",
            "entry 2 is not the one",
        ),
        (
            "UPDATE audit SET seq = 1003 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = 1003",
            "entry 3 is missing",
        ),
        (
            "UPDATE audit SET seq = seq + 100 WHERE seq IN (3, 4); \
             UPDATE audit SET seq = 107 - seq WHERE seq IN (103, 104)",
            "UPDATE audit SET seq = seq + 100 WHERE seq IN (3, 4); \
             UPDATE audit SET seq = 107 - seq WHERE seq IN (103, 104)",
            "entry 3 is not the one",
        ),
        (
            "DELETE FROM audit WHERE seq > 3",
            "SELECT 1",
            "the entries after 3 are missing, up to 5",
        ),
    ] {
        sql(&gateway, done);
        let (whole, fault) = verified(&gateway);
        assert!(!whole && fault.contains(want), "{done}: {fault}");
        sql(&gateway, undone);
    }
    // What comes later does not cover it, and neither does another start.
    change(&gateway, "e");
    assert!(verified(&gateway).1.contains("entry 4 is missing"));
    gateway.restart();
    assert!(verified(&gateway).1.contains("entry 4 is missing"));
    assert!(gateway.stop().success());
}

#[test]
fn whoever_tampers_with_the_audit_in_sqlite_is_found() {
    let site = Site::new();
    tampered(Start::beside(&site.config("")), &|gateway, statement| {
        let database = gateway.data_dir().join("controlplane/controlplane.db");
        let done = Command::new(require("sqlite3", "sqlite3"))
            .args(["-cmd", ".timeout 10000"])
            .arg(database)
            .arg(statement)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    });
}

#[test]
fn whoever_tampers_with_the_audit_in_postgresql_is_found() {
    let site = Site::new();
    let postgres = Postgres::start();
    let database = postgres.database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    fs::write(&file, postgres.url(&database)).unwrap();
    let start = Start::beside(&site.config(""))
        .argument("--database-url-file")
        .argument(file.to_str().unwrap());
    tampered(start, &|_, statement| {
        let _rows = postgres.sql(&database, statement);
    });
}

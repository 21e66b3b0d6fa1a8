//! The database as the truth: a file is brought in, changed over REST, written out and gone back from.
#![cfg(test)]

use std::{fs, process::Output, time::Duration};

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    nas::code,
    peers::fakeduo::{Outcome, User},
};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(10);

fn out(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn import(gateway: &Countersign, more: &[&str]) -> Output {
    let file = gateway.config();
    let mut arguments = vec!["import", file.to_str().unwrap()];
    arguments.extend(more);
    gateway.command(&arguments)
}

fn call(gateway: &Countersign, method: &str, path: &str, body: &Value) -> Value {
    let socket = gateway.control_socket();
    let path = format!("/api/v1{path}");
    let answer = e2e::http::request_local(&socket, method, &path, &body.to_string()).unwrap();
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.json()
}

#[test]
fn a_gateway_without_a_file_waits_for_one_and_serves_what_is_brought_in() {
    let site = Site::new();
    site.duo.everybody(User::who(Outcome::Allow));
    let mut gateway = Start::beside(&site.config("")).launch();
    wait_until("it says what to do", LONG, || {
        gateway.output().contains("countersign import FILE")
    });
    assert_eq!(gateway.get("/readyz").status, 503);

    let asked = import(&gateway, &[]);
    assert_eq!(
        asked.status.code(),
        Some(2),
        "nobody can be asked: {}",
        out(&asked)
    );
    assert!(out(&asked).contains("+ integrations[radius_server_auto]"));
    let tried = import(&gateway, &["--dry-run"]);
    assert_eq!((tried.status.code(), gateway.revision()), (Some(0), 0));
    let done = import(&gateway, &["--yes"]);
    assert!(
        out(&done).contains("revision 1 is served"),
        "{}",
        out(&done)
    );
    gateway.wait_ready();
    let nas = site.nas();
    let login = |user: &str| nas.exchange(&nas.access(user, "any"), LONG).unwrap().code;
    assert_eq!(login("alice"), code::ACCESS_ACCEPT);
    assert!(out(&import(&gateway, &["--yes"])).contains("nothing changes"));

    // Changed live: the second factor is asked nobody of whom it is exempt.
    let path = "/integrations/radius_server_auto";
    call(&gateway, "PATCH", path, &json!({"exempt_users": ["bob"]}));
    wait_until("it is live", LONG, || gateway.revision() == 2);
    assert_eq!(login("bob"), code::ACCESS_ACCEPT);
    assert_eq!(site.duo.pushes("bob"), 0);
    call(&gateway, "POST", "/revisions/1/rollback", &json!({}));
    wait_until("it is gone back to", LONG, || gateway.revision() == 3);
    assert_eq!(login("bob"), code::ACCESS_ACCEPT);
    assert_eq!(site.duo.pushes("bob"), 1);

    // It is all there after a restart, and says who did what.
    gateway.restart();
    gateway.wait_ready();
    assert_eq!(gateway.revision(), 3);
    let audit = out(&gateway.command(&["audit", "list"]));
    assert_eq!(audit.lines().count(), 3, "{audit}");
    let whole = gateway.command(&["audit", "verify"]);
    assert!(whole.status.success() && out(&whole).starts_with("3 entries, whole"));
    assert!(gateway.stop().success());
}

#[test]
fn what_is_exported_brings_the_same_in_and_no_secret_is_shown() {
    let site = Site::new();
    let config = site.config("");
    let mut gateway = Start::beside(&config).launch();
    wait_until("it waits", LONG, || {
        gateway.output().contains("countersign import FILE")
    });
    assert!(import(&gateway, &["--yes"]).status.success());
    gateway.wait_ready();
    let shown = out(&gateway.command(&["export"]));
    assert!(shown.contains("skey_protected=[secret]"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let sealed = gateway.command(&["export", "--sealed", "--to", to]);
    assert!(sealed.status.success(), "{}", out(&sealed));
    let text = fs::read_to_string(folder.path().join("authproxy.cfg")).unwrap();
    for secret in [e2e::peers::SECRET, e2e::peers::FakeDuo::SKEY] {
        assert!(
            !shown.contains(secret) && !text.contains(secret),
            "{secret}"
        );
    }
    let again = folder.path().join("authproxy.cfg");
    let again = gateway.command(&["import", again.to_str().unwrap(), "--yes"]);
    assert!(out(&again).contains("nothing changes"), "{}", out(&again));
    assert!(gateway.stop().success());
}

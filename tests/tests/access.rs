//! The REST API at a running gateway's admin address: tokens of the command line, and what a
//! supervisor hands on.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::{
    clock::wait_until,
    countersign::{Countersign, Start},
    gateway::Site,
    peers::{
        FakeDuo,
        fakeduo::{Fault, Outcome, Place, User},
    },
};
use serde_json::{Value, json};

fn ask(admin: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(admin: SocketAddr, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncountersign-page: 1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn said(gateway: &Countersign, arguments: &[&str]) -> String {
    let output = gateway.command(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_token_of_the_command_line_opens_the_api_until_it_is_revoked() {
    let site = Site::new();
    let gateway = Start::with(&site.config("")).ready();
    let admin = gateway.admin;
    let token = said(&gateway, &["token", "create", "a script"]);
    let bearer = format!("authorization: Bearer {token}")
        .trim_end()
        .to_owned()
        + "\r\n";
    let settings = "/api/v1/settings";

    let answer = ask(admin, settings, &format!("{bearer}x-request-id: mine\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-request-id: mine\r\n"), "{answer}");
    assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    let answer = ask(admin, settings, "");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // Neither the admin socket nor what nodes speak is behind it.
    for (path, refused) in [
        ("/api/v1/tokens", "HTTP/1.1 403"),
        ("/api/../status", "HTTP/1.1 404"),
        ("/api/v1/../../status", "HTTP/1.1 404"),
    ] {
        let answer = ask(admin, path, &bearer);
        assert!(answer.starts_with(refused), "{path}: {answer}");
    }

    let list: Value = serde_json::from_str(&said(&gateway, &["token", "list", "--json"])).unwrap();
    let one = &list["items"][0];
    assert_eq!(
        (&one["name"], &one["role"]),
        (&"a script".into(), &"viewer".into())
    );
    assert!(one["last_used_at_ms"].is_u64(), "{list}");
    said(&gateway, &["token", "revoke", "a script"]);
    let answer = ask(admin, settings, &bearer);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let again = gateway.command(&["token", "revoke", "a script"]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    let secret = token.trim_end().rsplit('_').next().unwrap();
    assert!(!gateway.output().contains(secret));
}

#[test]
fn the_first_start_shows_a_link_with_which_the_first_administrator_is_invited() {
    let site = Site::new();
    let gateway = Start::with(&site.config("")).ready();
    let admin = gateway.admin;
    let before = format!("http://{admin}/setup#");
    let shown = gateway.output();
    let (_, rest) = shown
        .split_once(&before)
        .unwrap_or_else(|| panic!("{shown}"));
    let setup = rest.split_whitespace().next().unwrap();
    let post = |path: &str, body: &Value| post(admin, path, body);
    let wanted = |setup: &str| serde_json::json!({ "setup": setup, "name": "alice" });
    let wrong = post("/api/v1/setup", &wanted("cst_none"));
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    for _ in 0..2 {
        let invited = post("/api/v1/setup", &wanted(setup));
        assert!(
            invited.starts_with("HTTP/1.1 201"),
            "until one is taken: {invited}"
        );
        assert!(invited.contains("\"role\":\"admin\""), "{invited}");
    }
    // Whoever may use the API already is enough to end it.
    said(&gateway, &["token", "create", "a script"]);
    let late = post("/api/v1/setup", &wanted(setup));
    assert!(late.starts_with("HTTP/1.1 401"), "{late}");
    let log: Vec<&str> = shown.lines().filter(|line| line.contains(setup)).collect();
    assert_eq!(log.len(), 1, "once, and in no line of the log: {log:?}");
}

#[test]
fn an_administrator_signs_in_with_the_second_factor_of_an_integration_and_never_without() {
    let site = Site::new();
    let mut gateway = Start::with(&site.config("")).ready();
    gateway.wait_ready();
    let admin = gateway.admin;
    let through = "radius_server_auto";
    let invite = |more: &[&str]| {
        let arguments = [&["admin", "invite", "alice"], more].concat();
        said(&gateway, &arguments).trim().to_owned()
    };
    let elsewhere = gateway.command(&["admin", "invite", "alice", "--integration", "none"]);
    assert_eq!(elsewhere.status.code(), Some(2), "{elsewhere:?}");
    let invitation = invite(&["--integration", through]);
    let listed = said(&gateway, &["admin", "list"]);
    assert!(listed.contains(through), "{listed}");
    let password = "PLANTED long password";
    let take = json!({"name": "alice", "invitation": invitation, "password": password});
    let sign_in = |passcode: &str| {
        let body = json!({"name": "alice", "password": password, "passcode": passcode});
        post(admin, "/api/v1/session", &body)
    };

    site.duo.user("alice", User::who(Outcome::Deny));
    let refused = post(admin, "/api/v1/invitation", &take);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    site.duo.user("alice", User::default());
    let taken = post(admin, "/api/v1/invitation", &take);
    assert!(taken.starts_with("HTTP/1.1 200"), "a push: {taken}");
    assert!(taken.contains("\"active\":true"), "{taken}");
    for (typed, status) in [
        (FakeDuo::PASSCODE, "HTTP/1.1 201"),
        ("000000", "HTTP/1.1 401"),
        ("push", "HTTP/1.1 201"),
        ("phone", "HTTP/1.1 201"),
    ] {
        let answer = sign_in(typed);
        assert!(answer.starts_with(status), "{typed}: {answer}");
        let cookie = answer.contains("set-cookie: __Host-countersign=");
        assert_eq!(cookie, status.ends_with("201"), "{typed}: {answer}");
    }
    site.duo.fail(Place::anywhere(), Fault::Status(500));
    let away = sign_in("push");
    assert!(away.starts_with("HTTP/1.1 503"), "{away}");
    assert!(!away.contains("set-cookie"), "{away}");
    site.duo.heal();
    let back = sign_in("push");
    assert!(back.starts_with("HTTP/1.1 201"), "{back}");

    let before = gateway.revision();
    let renamed = site
        .config("")
        .replace("[radius_server_auto]", "[radius_server_auto2]");
    gateway.rewrite_config(&renamed);
    said(&gateway, &["reload"]);
    let limit = Duration::from_secs(20);
    wait_until("it is served", limit, || gateway.revision() != before);
    let gone = sign_in("push");
    assert!(gone.starts_with("HTTP/1.1 409"), "{gone}");
    assert!(gone.contains("countersign admin invite"), "{gone}");
    assert!(invite(&[]).starts_with("cst_"), "mends it");
    let log = gateway.output();
    for secret in [password, FakeDuo::PASSCODE, invitation.as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
}

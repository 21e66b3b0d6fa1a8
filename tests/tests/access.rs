//! The REST API at a running gateway's admin address: tokens of the command line, and what a
//! supervisor hands on.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use e2e::{
    countersign::{Countersign, Start},
    gateway::Site,
};
use serde_json::Value;

fn ask(admin: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n{headers}\r\n");
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
    for path in [
        "/api/v1/tokens",
        "/status",
        "/api/../status",
        "/api/v1/../../status",
    ] {
        let answer = ask(admin, path, &bearer);
        let refused = ["HTTP/1.1 403", "HTTP/1.1 404"];
        assert!(
            refused.iter().any(|status| answer.starts_with(status)),
            "{path}: {answer}"
        );
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
    let post = |path: &str, body: &Value| {
        let mut stream = TcpStream::connect(admin).unwrap();
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
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

//! Texts that strangers write: as a user's name they reach the log, the directory, the second factor,
//! the API and exports, and mean nothing anywhere but themselves.
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use e2e::{
    clock::wait_until,
    config::{MAIN, ad_client, server},
    countersign::Countersign,
    nas::{Answer, Nas, attribute, code},
    peers::{FakeDuo, Pki, SECRET, Slapd},
    ports,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);

/// What nobody can read as a name: refused before anybody is asked.
const UNREADABLE: [&str; 4] = [
    "eve\r\nHost: evil.example\r\n\r\nGET / HTTP/1.1",
    "eve\n2026-01-01T00:00:00+0000 [x] Sending response code 2",
    "eve\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m",
    "eve\u{85}root",
];

/// What is a name, if an odd one.
const ODD: [&str; 9] = [
    "a&username=admin&factor=passcode",
    "a%0d%0aX-Injected:%201",
    "a+b=c;d %26 e",
    "eve\u{202e}nimda\u{2066}\u{200b}",
    "eve\u{2028}2026-01-01T00:00:00+0000 [x] Sending response code 2",
    "=cmd|'/C calc'!A0",
    "x\",\"outcome\":\"accept",
    "../../rest/v1/users",
    "<script>alert(1)</script>",
];

/// What ends a line, speaks to a terminal, or turns the rest of a line round.
fn speaks(one: char) -> bool {
    one.is_control()
        || ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&one)
        || ('\u{2028}'..='\u{202e}').contains(&one)
        || ('\u{2066}'..='\u{2069}').contains(&one)
}

fn said(gateway: &Countersign, arguments: &[&str]) -> String {
    let output = gateway.command(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A table as a spreadsheet reads it (RFC 4180).
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut rest = csv.chars().peekable();
    while let Some(one) = rest.next() {
        let row = rows.last_mut().unwrap();
        match one {
            '"' if quoted && rest.peek() == Some(&'"') => {
                row.last_mut().unwrap().push('"');
                let _ = rest.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => rows.push(vec![String::new()]),
            one => row.last_mut().unwrap().push(one),
        }
    }
    assert_eq!(rows.pop(), Some(vec![String::new()]), "ends with its line");
    rows
}

#[test]
fn no_name_makes_a_line_a_cell_or_a_parameter() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}log_auth_events=true\nlog_dir=logs\n[duo_only_client]\n{}client=duo_only_client\n",
        server("radius_server_auto", port, &duo),
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    assert_eq!(nas.login("alice", "any").code, code::ACCESS_ACCEPT);
    // What an honest name makes the gateway say, and all that any name may.
    let shape = |user: &str| -> BTreeSet<(String, String)> {
        let of_user = duo.requests().into_iter();
        let of_user = of_user.filter(|one| one.user.as_deref() == Some(user));
        of_user
            .flat_map(|one| {
                let path = one.path;
                let names = one.params.into_keys();
                names
                    .map(move |name| (path.clone(), name))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let honest = shape("alice");
    assert!(!honest.is_empty());
    for name in ODD {
        let answer = nas.login(name, "any");
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{name:?}");
        assert_eq!(shape(name), honest, "{name:?}");
    }
    let asked = duo.requests().len();
    for name in UNREADABLE {
        let answer = nas.login(name, "any");
        assert_eq!(answer.code, code::ACCESS_REJECT, "{name:?}");
    }
    assert_eq!(duo.requests().len(), asked, "nobody is asked for these");
    assert_eq!(nas.login("alice", "any").code, code::ACCESS_ACCEPT);
    assert_eq!(duo.violations(), Vec::<String>::new());

    let logins = 2 + ODD.len() + UNREADABLE.len();
    let stored = || -> usize { said(&gateway, &["events", "--json"]).lines().count() };
    wait_until("all logins are stored", LONG, || stored() == logins);
    for line in said(&gateway, &["events", "--json"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(event.is_object());
    }
    let logs = gateway.config().parent().unwrap().join("logs");
    let read = |name: &str| fs::read_to_string(PathBuf::from(&logs).join(name)).unwrap();
    wait_until("all logins are in the log", LONG, || {
        ["authevents.log", "authproxy.log"]
            .map(read)
            .iter()
            .all(|text| text.contains("script"))
    });
    for line in read("authevents.log").lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(event.is_object());
    }
    for text in [
        read("authevents.log"),
        read("authproxy.log"),
        gateway.output(),
        said(&gateway, &["events"]),
        said(&gateway, &["events", "--steps"]),
    ] {
        let shown = text.chars().find(|one| *one != '\n' && speaks(*one));
        assert_eq!(shown, None, "{text}");
        assert!(text.contains("nimda"), "{text}");
        let forged = text.lines().find(|line| line.starts_with("2026-01-01T00"));
        assert_eq!(forged, None, "{text}");
    }
    let table = rows(&said(&gateway, &["events", "--csv"]));
    assert_eq!(table.len(), logins + 1);
    let user = table[0].iter().position(|name| name == "user").unwrap();
    for row in &table {
        assert_eq!(row.len(), table[0].len(), "{row:?}");
    }
    let users: BTreeSet<&str> = table.iter().map(|row| row[user].as_str()).collect();
    for name in ODD {
        let formula = format!("'{name}");
        let cell = if name.starts_with('=') {
            &formula
        } else {
            name
        };
        assert!(users.contains(cell), "{cell:?} in {users:?}");
    }
}

/// All of an answer that does not depend on the moment.
fn told(answer: &Answer) -> (u8, Vec<(u8, Vec<u8>)>) {
    let mut attributes = answer.attributes.clone();
    attributes.retain(|(kind, _)| *kind != attribute::MESSAGE_AUTHENTICATOR);
    (answer.code, attributes)
}

#[test]
fn no_name_is_a_filter_and_nobody_learns_who_is_in_the_directory() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}host=127.0.0.1\nport={}\ntransport=ldaps\nssl_ca_certs_file=ca.pem\n\
         {}client=ad_client\nfailmode=secure\n",
        ad_client("ad_client"),
        slapd.tls_port,
        server("radius_server_auto", port, &duo),
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    let wrong = nas.login("alice", "not-the-password");
    assert_eq!(wrong.code, code::ACCESS_REJECT, "{}", gateway.output());
    let unknown = nas.login("nobody-of-this-name", "not-the-password");
    assert_eq!(told(&wrong), told(&unknown), "who is there is not told");
    for name in [
        "*",
        "a*ice",
        "alice)(uid=*",
        "*)(uid=alice",
        "*))(|(uid=alice",
        "alice)(!(uid=bob",
        "al\\69ce",
        "\\61lice",
        "uid=alice",
        "uid=alice,ou=people,dc=example,dc=com",
        "alice,ou=people,dc=example,dc=com",
        "alice+uid=bob",
        "EXAMPLE\\*",
        "*@example.com",
    ] {
        let answer = nas.login(name, "pw-alice");
        assert_eq!(told(&answer), told(&unknown), "{name}");
        let event = gateway.event_of(name, 1);
        assert_eq!(event["reason"], "unknown_user", "{name}: {event:#}");
    }
    assert_eq!(duo.requests().len(), 0, "who is enrolled is not told");
    // A name of such signs is a name, and nothing else was wrong.
    for (name, password) in [("O'Hara(x)*y", "pw-OHaraxy"), ("alice", "pw-alice")] {
        assert_eq!(
            nas.login(name, password).code,
            code::ACCESS_ACCEPT,
            "{name}"
        );
    }
}

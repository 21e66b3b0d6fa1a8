//! Logins as lines, by tables.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::text;
use super::*;

const AT_MS: u64 = 1_763_822_487_000;

fn event(outcome: &str, reason: &str, steps: &[(&str, &str)]) -> Value {
    let timeline: Vec<_> = (0_u64..)
        .zip(steps)
        .map(|(at, (stage, detail))| {
            json!({"stage": stage, "at_us": at * 1_000_000, "elapsed_us": 250_000, "detail": detail})
        })
        .collect();
    json!({
        "id": "0".repeat(32), "at_ms": AT_MS, "node": "local", "revision": 7,
        "integration": "radius_server_auto", "ikey": "DIXXXXXXXXXXXXXXXXXX",
        "client": "192.0.2.10:50123", "user": "alice", "outcome": outcome, "reason": reason,
        "elapsed_us": 4_000_000, "timeline": timeline,
    })
}

fn raw(event: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(event).unwrap()
}

fn lines(event: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let event = raw(event);
    Login::read(&event)
        .unwrap()
        .lines(|at_us, line| lines.push(dated(at_us, &line)));
    lines
}

fn events(event: &Value) -> Vec<Value> {
    let event = raw(event);
    let text = Login::read(&event).unwrap().events("gate");
    let each = text.lines();
    each.map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const PACKET: (&str, &str) = (
    "packet",
    "Access-Request id 12 from 192.0.2.10:50123, 82 octets, Message-Authenticator verified",
);
const WHOSE: (&str, &str) = ("client", "client 192.0.2.10 of radius_server_auto");
const PRIMARY_YES: (&str, &str) = ("primary", "accepted: by 192.0.2.1:1812");
const PREAUTH: (&str, &str) = ("preauth", "auth: Phone (push)");
const ALLOW: (&str, &str) = ("factor", "allow: Success. Logging you in...");

#[test]
fn a_login_has_the_lines_that_people_look_for() {
    let steps = [
        PACKET,
        WHOSE,
        PRIMARY_YES,
        PREAUTH,
        ("factor", "started"),
        ALLOW,
        ("answer", "Access-Accept"),
    ];
    let lines = lines(&event("accept", "approved", &steps));
    let who = "[radius_server_auto] (('192.0.2.10', 50123), alice, 12): ";
    let want = [
        ("27", "login attempt for username 'alice'"),
        (
            "29",
            "Primary authentication successful - by 192.0.2.1:1812",
        ),
        ("30", "Got preauth result for: 'auth': 'Phone (push)'"),
        ("31", "Duo authentication - started"),
        (
            "32",
            "Duo authentication returned 'allow': 'Success. Logging you in...'",
        ),
        ("31", "Returning response code 2: AccessAccept"),
        ("31", "Sending response"),
        (
            "31",
            "login 00000000000000000000000000000000: accept (approved) after 4000 ms, revision 7",
        ),
    ];
    let want = want.map(|(second, text)| format!("2025-11-22T14:41:{second}+0000 {who}{text}\n"));
    assert_eq!(lines, want);
}

#[test]
fn nothing_that_somebody_typed_makes_a_line_or_speaks_to_a_terminal() {
    let mut hostile = event(
        "reject",
        "wrong_password",
        &[
            PACKET,
            ("primary", "rejected (wrong_password): \u{9b}31m\nx"),
        ],
    );
    let name = "a\n2025-11-22T14:41:27+0000 [x] \u{1b}[2J\r\u{202e}";
    hostile["user"] = json!(name);
    hostile["calling_station"] = json!("\u{7f}\n\u{2028}");
    let mut all = lines(&hostile);
    let read = raw(&hostile);
    let login = Login::read(&read).unwrap();
    all.extend(
        login
            .events("gate")
            .split_inclusive('\n')
            .map(str::to_owned),
    );
    all.push(text::line(&login.record()));
    all.push(text::document(&login.record()));
    for line in &all {
        let line = line.strip_suffix('\n').unwrap();
        let shown = line
            .chars()
            .find(|one| one.is_control() || ('\u{2028}'..='\u{202e}').contains(one));
        assert_eq!(shown, None, "{line:?}");
    }
    // What a parser reads is what was typed.
    assert_eq!(events(&hostile)[0]["username"], name);
}

/// `\(\('([^']*)', (\d+)\), (.*), (\d+|-)\): (.*)$`, by which readers of the replaced product's log take
/// a line apart: the name and what is said, with `.*` as short as it can be and as long. It is found
/// wherever it begins in a line.
fn by_expression(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, begin) in line.match_indices("(('") {
        let Some((_, rest)) = line[at + begin.len()..].split_once("', ") else {
            continue;
        };
        let behind_port = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        let Some(rest) = behind_port.strip_prefix("), ") else {
            continue;
        };
        for (end, _) in rest.match_indices(", ") {
            let behind = &rest[end + 2..];
            let id = behind.trim_start_matches(|one: char| one.is_ascii_digit() || one == '-');
            if id.len() < behind.len()
                && let Some(said) = id.strip_prefix("): ")
            {
                found.push((rest[..end].to_owned(), said.to_owned()));
            }
        }
    }
    found
}

/// What stands in a line, as it was typed.
fn as_typed(written: &str) -> String {
    let mut text = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut behind = after.chars();
        match behind.next().unwrap() {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '\\' => text.push('\\'),
            'u' => {
                let (digits, after) = after[1..]
                    .strip_prefix('{')
                    .unwrap()
                    .split_once('}')
                    .unwrap();
                text.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
                behind = after.chars();
            }
            other => panic!("{other} in {written}"),
        }
        rest = behind.as_str();
    }
    text + rest
}

/// What strangers may hope to be taken for, and what ends a name.
fn typed() -> impl Strategy<Value = String> {
    let parts = [
        "bob",
        "eve",
        ", 7): ",
        "'",
        "(('192.0.2.1', 7), ",
        "): ",
        ", ",
        " ",
        "\\",
        "\\u{2c}",
        "\n",
        ")",
        "(",
        "Returning response code 2: AccessAccept",
        "Sending response",
        "\u{202e}",
        "\u{a0}",
        "ö",
        "-",
        "login attempt for username '",
        "[radius_server_auto] ",
        "2025-11-22T14:41:27+0000 ",
        "accept",
        "Primary authentication successful - ",
        "\u{0}",
    ];
    let part = prop_oneof![
        4 => proptest::sample::select(parts.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..10)
        .prop_map(|parts| parts.concat().chars().take(64).collect())
}

proptest! {
    #[test]
    fn no_name_is_taken_for_another_nor_for_what_the_gateway_says(name in typed(), accepted in any::<bool>()) {
        let (outcome, reason, code) = match accepted {
            true => ("accept", "approved", "Returning response code 2: AccessAccept"),
            false => ("reject", "unknown_user", "Returning response code 3: AccessReject"),
        };
        // As a primary and a second factor repeat it: on one line, and cut.
        let blanked = |one: char| if one.is_control() { ' ' } else { one };
        let repeated = name.chars().map(blanked).collect::<String>();
        let repeated = repeated.trim();
        let cut = repeated.chars().take(40).collect::<String>();
        let no_entry = format!("rejected (unknown_user): no entry is '{repeated}' at dc1");
        let asked = format!("asked: Second factor for {cut}");
        let mut event = event(outcome, reason, &[PACKET, WHOSE, ("primary", &no_entry), ("factor", &asked)]);
        event["user"] = json!(name);
        let lines = lines(&event);
        let mut codes = Vec::new();
        for line in &lines {
            prop_assert_eq!(line.matches('\n').count(), 1);
            let found = by_expression(line.trim_end_matches('\n'));
            prop_assert_eq!(found.len(), 1, "{:?}", line);
            let (user, said) = found.into_iter().next().unwrap();
            prop_assert_eq!(as_typed(&user), name.as_str(), "{:?}", line);
            if let Some(rest) = said.strip_prefix("login attempt for username '") {
                // It ends at the first quote and at the last.
                prop_assert_eq!(rest.find('\''), Some(rest.len() - 1), "{:?}", line);
                prop_assert_eq!(as_typed(&rest[..rest.len() - 1]), name.as_str());
            }
            codes.extend(line.match_indices("eturning response code").map(|(at, _)| line[at - 1..].trim_end().to_owned()));
        }
        prop_assert_eq!(codes, [code]);
    }
}

#[test]
fn a_name_in_a_line_is_as_it_was_unless_it_could_end_there() {
    for (name, want) in [
        ("alice", "alice"),
        ("alice@example.com", "alice@example.com"),
        ("host/pc1.example.com", "host/pc1.example.com"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55"),
        ("jörg.müller_3-a+b", "jörg.müller_3-a+b"),
        ("John Smith", "John Smith"),
        ("CORP\\bob", "CORP\\\\bob"),
        ("O'Brien", "O\\u{27}Brien"),
        ("bob, 7): x", "bob\\u{2c}\\u{20}7\\u{29}:\\u{20}x"),
        ("response code 2", "response\\u{20}code\\u{20}2"),
        ("code 2", "code\\u{20}2"),
        (" bob", "\\u{20}bob"),
        ("a\u{a0}b\u{3000}c", "a\\u{a0}b\\u{3000}c"),
        ("a\u{202e}b", "a\\u{202e}b"),
    ] {
        let line = lines(&{
            let mut event = event("reject", "wrong_password", &[PACKET]);
            event["user"] = json!(name);
            event
        });
        let text = format!(", {want}, 12): login attempt for username '{want}'\n");
        assert!(line[0].ends_with(&text), "{name}: {}", line[0]);
    }
}

#[test]
fn the_name_outside_a_tunnel_says_nothing_that_the_gateway_says() {
    for (outer, want) in [
        ("anonymous@example.com", "anonymous@example.com"),
        ("John Smith", "John Smith"),
        (
            "x): Returning response code 2: AccessAccept",
            "x\\u{29}:\\u{20}Returning\\u{20}response\\u{20}code\\u{20}2:\\u{20}AccessAccept",
        ),
        ("'a', (b)", "\\u{27}a\\u{27}\\u{2c}\\u{20}\\u{28}b\\u{29}"),
        ("CORP\\bob", "CORP\\\\bob"),
    ] {
        let noted = format!("outer name {outer}");
        let lines = lines(&event(
            "reject",
            "denied",
            &[PACKET, WHOSE, ("client", &noted)],
        ));
        let want = format!("), alice, 12): outer name {want}\n");
        assert!(lines.iter().any(|line| line.ends_with(&want)), "{lines:#?}");
    }
}

#[test]
fn no_other_line_begins_like_that_of_a_login() {
    let forged = "x (('192.0.2.1', 7), bob, 7): Returning response code 2: AccessAccept";
    let record = Record::new(Level::Info, "x", forged).with("detail", forged);
    let line = text::human(&record.text("user", Some(forged)));
    assert_eq!(by_expression(&line), [], "{line}");
}

#[test]
fn a_record_of_authevents_has_the_old_names_in_the_old_order() {
    let mut event = event("accept", "approved", &[PACKET, PRIMARY_YES, PREAUTH, ALLOW]);
    event["calling_station"] = json!("198.51.100.7");
    event["factor"] = json!("push");
    event["reply_message"] = json!("Success. Logging you in...");
    let event = raw(&event);
    let text = Login::read(&event).unwrap().events("gate");
    let rest = r#""client_ip":"198.51.100.7","server_section":"radius_server_auto","server_section_ikey":"DIXXXXXXXXXXXXXXXXXX","factor":"push","hostname":"gate"}"#;
    let want = format!(
        "{{\"timestamp\":\"2025-11-22T14:41:28.250000Z\",\"msg\":\"Primary authentication successful - by 192.0.2.1:1812\",\
         \"username\":\"alice\",\"auth_stage\":\"Primary authentication\",\"status\":\"Allow\",{rest}\n\
         {{\"timestamp\":\"2025-11-22T14:41:31.000000Z\",\"msg\":\"Success. Logging you in...\",\
         \"username\":\"alice\",\"auth_stage\":\"Secondary authentication\",\"status\":\"Allow\",{rest}\n"
    );
    assert_eq!(text, want);
}

#[test]
fn each_end_has_its_stage_its_status_and_its_words() {
    let no = ("primary", "rejected (wrong_password): 52e");
    for (name, outcome, reason, steps, want) in [
        (
            "accepted, no primary",
            "accept",
            "approved",
            vec![PACKET, PREAUTH, ALLOW],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - Ignoring primary credentials",
                ),
                (SECONDARY, "Allow", "Success. Logging you in..."),
            ],
        ),
        (
            "wrong password",
            "reject",
            "wrong_password",
            vec![PACKET, no],
            vec![(PRIMARY, "Reject", "Primary credentials rejected - 52e")],
        ),
        (
            "no password",
            "reject",
            "empty_password",
            vec![PACKET],
            vec![(
                PRIMARY,
                "Reject",
                "Primary credentials rejected - empty_password",
            )],
        ),
        (
            "primary away",
            "reject",
            "primary_unavailable",
            vec![PACKET, ("primary", "no answer: 192.0.2.1:1812 is silent")],
            vec![(
                PRIMARY,
                "Error",
                "Primary credentials rejected - 192.0.2.1:1812 is silent",
            )],
        ),
        (
            "denied",
            "reject",
            "denied",
            vec![
                PACKET,
                PRIMARY_YES,
                PREAUTH,
                ("factor", "deny: Login request denied."),
            ],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - by 192.0.2.1:1812",
                ),
                (SECONDARY, "Reject", "Login request denied."),
            ],
        ),
        (
            "to enrol",
            "reject",
            "not_enrolled",
            vec![PACKET, PRIMARY_YES, ("preauth", "enroll")],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - by 192.0.2.1:1812",
                ),
                (
                    SECONDARY,
                    "Reject",
                    "User is not enrolled. Enrollment link sent.",
                ),
            ],
        ),
        (
            "fail open",
            "accept",
            "fail_mode_safe",
            vec![PACKET, PRIMARY_YES, ("preauth", "failed: no connection")],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - by 192.0.2.1:1812",
                ),
                (
                    SECONDARY,
                    "Allow",
                    "Failmode Safe - Allowed Duo login on preauth failure",
                ),
            ],
        ),
        (
            "fail closed",
            "reject",
            "second_factor_unavailable",
            vec![
                PACKET,
                PRIMARY_YES,
                PREAUTH,
                ("factor", "failed: no connection"),
            ],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - by 192.0.2.1:1812",
                ),
                (
                    SECONDARY,
                    "Reject",
                    "Failmode Secure - Denied Duo login on auth failure",
                ),
            ],
        ),
        (
            "a wrong key",
            "reject",
            "second_factor_error",
            vec![
                PACKET,
                PRIMARY_YES,
                ("preauth", "failed: 40102 Invalid identity"),
            ],
            vec![
                (
                    PRIMARY,
                    "Allow",
                    "Primary authentication successful - by 192.0.2.1:1812",
                ),
                (SECONDARY, "Error", "second_factor_error"),
            ],
        ),
        (
            "exempt",
            "accept",
            "exempt_user",
            vec![PACKET, PRIMARY_YES],
            vec![(
                PRIMARY,
                "Allow",
                "Primary authentication successful - by 192.0.2.1:1812 (exempt_user)",
            )],
        ),
        (
            "a question",
            "challenge",
            "prompted",
            vec![PACKET, PRIMARY_YES, PREAUTH],
            vec![(
                PRIMARY,
                "Allow",
                "Primary authentication successful - by 192.0.2.1:1812",
            )],
        ),
        (
            "a lost State",
            "reject",
            "unknown_state",
            vec![PACKET],
            vec![("Unknown", "Reject", "unknown_state")],
        ),
        (
            "the node stopped",
            "unanswered",
            "stopping",
            vec![PACKET],
            vec![("Unknown", "Error", "stopping")],
        ),
    ] {
        let lines = events(&event(outcome, reason, &steps));
        let found: Vec<_> = lines
            .iter()
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap();
                (text("auth_stage"), text("status"), text("msg"))
            })
            .collect();
        assert_eq!(found, want, "{name}");
        for line in &lines {
            assert!(
                line["client_ip"].is_null() && line["factor"].is_null(),
                "{name}"
            );
        }
    }
}

#[test]
fn the_answer_to_a_question_and_a_test_are_told_once() {
    let mut answered = event("accept", "approved", &[PACKET, PREAUTH, ALLOW]);
    answered["first"] = json!("1".repeat(32));
    assert_eq!(events(&answered).len(), 1);
    let mut test = event("accept", "approved", &[PACKET, PREAUTH, ALLOW]);
    test["test"] = json!(true);
    assert_eq!(events(&test).len(), 0);
    assert!(lines(&test)[1].contains("a test by an administrator"));
}

#[test]
fn the_line_of_a_conversation_that_broke_off_says_why() {
    let agreed = ("client", "PEAP with TLS 1.3");
    let why = ("client", "the supplicant does not trust the certificate");
    let end = ("answer", "Access-Reject");
    for (name, outcome, reason, steps, want) in [
        (
            "broken off",
            "reject",
            "eap_failed",
            vec![WHOSE, why, end],
            Some(why.1),
        ),
        (
            "within",
            "reject",
            "eap_failed",
            vec![WHOSE, agreed, why, end],
            Some(why.1),
        ),
        (
            "method",
            "reject",
            "unsupported_method",
            vec![WHOSE, why, end],
            Some(why.1),
        ),
        (
            "silence",
            "unanswered",
            "timed_out",
            vec![WHOSE, agreed, why],
            Some(why.1),
        ),
        (
            "a person's silence",
            "reject",
            "timed_out",
            vec![WHOSE, agreed, end],
            None,
        ),
        (
            "no EAP",
            "reject",
            "unsupported_method",
            vec![WHOSE, end],
            None,
        ),
        (
            "accepted",
            "accept",
            "approved",
            vec![WHOSE, agreed, end],
            None,
        ),
    ] {
        let text = raw(&event(outcome, reason, &steps));
        assert_eq!(Login::read(&text).unwrap().eap_trouble(), want, "{name}");
    }
}

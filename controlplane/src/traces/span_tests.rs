//! Which spans a login has.

use proto::event::{Ask, AuthEvent, Call, Reason, Stage, Step};
use proto::id::LoginId;

use super::*;

const MS: u64 = 1_000_000;

pub(in crate::traces) fn call(ask: Ask, host: &str, at_us: u64, result: &str) -> Call {
    Call {
        ask,
        host: host.to_owned(),
        at_us,
        elapsed_us: 10,
        result: result.to_owned(),
    }
}

pub(in crate::traces) fn step(stage: Stage, at_us: u64, elapsed_us: u64, calls: Vec<Call>) -> Step {
    Step {
        stage,
        at_us,
        elapsed_us,
        detail: "bound as uid=alice".to_owned(),
        calls,
    }
}

/// A push after a directory whose first host was away.
pub(in crate::traces) fn event() -> AuthEvent {
    let json = serde_json::json!({
        "id": "0102030405060708090a0b0c0d0e0f10", "at_ms": 1_000, "node": "one", "revision": 7,
        "integration": "radius_server_auto", "ikey": "DI", "authenticator": "ad_client",
        "client": "192.0.2.1:1024", "signed": true, "user": "alice",
        "calling_station": "198.51.100.7", "outcome": "accept", "reason": "approved",
        "factor": "push", "reply_message": "Hello alice", "elapsed_us": 500, "timeline": [],
    });
    let mut event: AuthEvent = serde_json::from_value(json).unwrap();
    let duo = "api.example.com:443";
    event.timeline = vec![
        step(Stage::Packet, 0, 0, vec![]),
        step(
            Stage::Primary,
            5,
            30,
            vec![
                call(Ask::Ldap, "ldap1.example.com:636", 6, "timed_out"),
                call(Ask::Ldap, "[2001:db8::1]:636", 17, "accepted"),
            ],
        ),
        step(
            Stage::Preauth,
            40,
            10,
            vec![call(Ask::Preauth, duo, 40, "auth")],
        ),
        step(
            Stage::Factor,
            60,
            10,
            vec![call(Ask::Auth, duo, 60, "started")],
        ),
        step(
            Stage::Factor,
            80,
            10,
            vec![call(Ask::AuthStatus, duo, 80, "waiting")],
        ),
        step(
            Stage::Factor,
            90,
            400,
            vec![call(Ask::AuthStatus, duo, 90, "allow")],
        ),
        step(Stage::Answer, 500, 0, vec![]),
    ];
    event
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let mut found = span.attributes.iter().filter(|(name, _)| *name == key);
    let value = found.next().map(|(_, value)| value);
    assert_eq!(found.next(), None, "{key} stands twice in {span:?}");
    value
}

fn said(span: &Span, key: &str) -> Option<String> {
    attribute(span, key).map(|value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
    })
}

#[test]
fn a_login_is_a_span_with_its_stages_below() {
    let spans = spans(&event(), Person::Hidden);
    let of = |name: &str| spans.iter().position(|span| span.name == name);
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let parent = spans.iter().find(|other| Some(other.id) == span.parent);
            let whom = said(span, "server.address");
            (
                span.name,
                parent.map(|parent| parent.name),
                (span.start - 1_000 * MS) / 1_000,
                (span.end - 1_000 * MS) / 1_000,
                whom,
                said(span, "countersign.result"),
                span.error.is_some(),
            )
        })
        .collect();
    let duo = Some("api.example.com".to_owned());
    let word = |word: &str| Some(word.to_owned());
    let login = Some("login");
    let want = [
        ("login", None, 0, 500, None, None, false),
        ("primary", login, 5, 35, None, word("accepted"), false),
        (
            "ldap",
            Some("primary"),
            6,
            16,
            word("ldap1.example.com"),
            word("timed_out"),
            true,
        ),
        (
            "ldap",
            Some("primary"),
            17,
            27,
            word("2001:db8::1"),
            word("accepted"),
            false,
        ),
        ("preauth", login, 40, 50, duo.clone(), word("auth"), false),
        ("auth", login, 60, 70, duo.clone(), word("started"), false),
        ("poll", login, 80, 90, duo.clone(), word("waiting"), false),
        ("poll", login, 90, 490, duo, word("allow"), false),
        ("answer", login, 500, 500, None, None, false),
    ];
    assert_eq!(told, want);
    assert_eq!(of("login"), Some(0), "the login comes first");
    let login = &spans[0];
    assert_eq!(login.kind, Kind::Server);
    assert_eq!(login.trace, event().id.to_bytes());
    let moments: Vec<_> = login.moments.iter().map(|one| one.name).collect();
    assert_eq!(moments, ["packet"]);
    for (key, want) in [
        (
            "countersign.login",
            Some("0102030405060708090a0b0c0d0e0f10"),
        ),
        ("countersign.node", Some("one")),
        ("countersign.revision", Some("7")),
        ("countersign.integration", Some("radius_server_auto")),
        ("countersign.authenticator", Some("ad_client")),
        ("countersign.outcome", Some("accept")),
        ("countersign.reason", Some("approved")),
        ("countersign.factor", Some("push")),
        ("countersign.message_authenticator", Some("true")),
        ("countersign.test", None),
        ("client.address", Some("192.0.2.1")),
        ("client.port", Some("1024")),
        ("user.name", None),
        ("countersign.calling_station", None),
        ("countersign.detail", None),
    ] {
        assert_eq!(said(login, key).as_deref(), want, "{key}");
    }
    assert_eq!(said(&spans[3], "server.port").as_deref(), Some("636"));
}

#[test]
fn nobody_is_named_unless_that_is_asked_for() {
    let hidden = format!("{:?}", spans(&event(), Person::Hidden));
    for word in ["alice", "198.51.100.7"] {
        assert!(!hidden.contains(word), "{hidden}");
    }
    let shown = spans(&event(), Person::Shown);
    assert_eq!(said(&shown[0], "user.name").as_deref(), Some("alice"));
    let station = said(&shown[0], "countersign.calling_station");
    assert_eq!(station.as_deref(), Some("198.51.100.7"));
    let detail = said(&shown[1], "countersign.detail");
    assert_eq!(detail.as_deref(), Some("bound as uid=alice"));
    assert!(
        !format!("{shown:?}").contains("Hello"),
        "what the user read"
    );
}

#[test]
fn ids_are_those_of_the_login_whoever_makes_them() {
    let first = event();
    assert_eq!(spans(&first, Person::Hidden), spans(&first, Person::Hidden));
    let mut answer = event();
    answer.id = LoginId::from_bytes([9; 16]);
    answer.first = Some(first.id);
    answer.node = proto::id::NodeId::new("two").unwrap();
    let (first, answer) = (
        spans(&first, Person::Hidden),
        spans(&answer, Person::Hidden),
    );
    assert_eq!(answer[0].name, "challenge response");
    assert_eq!(answer[0].parent, Some(first[0].id));
    for span in first.iter().chain(&answer) {
        assert_eq!(span.trace, first[0].trace);
    }
    let mut ids: Vec<_> = first.iter().chain(&answer).map(|span| span.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "no id stands for two spans");
    let mut zero = event();
    zero.id = LoginId::from_bytes([0; 16]);
    assert_ne!(
        spans(&zero, Person::Hidden)[0].trace,
        [0; 16],
        "zeros are no id"
    );
}

#[test]
fn a_login_fails_by_others_than_the_one_who_logs_in() {
    for (reason, want) in [
        (Reason::Approved, false),
        (Reason::WrongPassword, false),
        (Reason::Denied, false),
        (Reason::TimedOut, false),
        (Reason::FailModeSafe, false),
        (Reason::PrimaryUnavailable, true),
        (Reason::PrimaryMisconfigured, true),
        (Reason::SecondFactorUnavailable, true),
        (Reason::Overloaded, true),
        (Reason::Internal, true),
    ] {
        let spans = spans(&AuthEvent { reason, ..event() }, Person::Hidden);
        let told = spans[0].error.as_deref();
        assert_eq!(told, want.then_some(reason.as_str()), "{reason}");
    }
}

/// A node of the release before says nothing of its calls.
#[test]
fn a_timeline_without_calls_is_told_as_far_as_it_goes() {
    let mut event = event();
    for step in &mut event.timeline {
        step.calls.clear();
    }
    // Passed on the primary alone: nobody was asked.
    event.timeline.push(step(Stage::Preauth, 495, 0, vec![]));
    let spans = spans(&event, Person::Hidden);
    let names: Vec<_> = spans.iter().map(|span| span.name).collect();
    assert_eq!(
        names,
        [
            "login", "primary", "preauth", "auth", "poll", "poll", "answer"
        ]
    );
    let moments: Vec<_> = spans[0].moments.iter().map(|one| one.name).collect();
    assert_eq!(moments, ["packet", "preauth"]);
    assert!(
        spans
            .iter()
            .all(|span| said(span, "server.address").is_none())
    );
}

#[test]
fn spans_are_counted_without_making_them() {
    let mut later = event();
    later.timeline[1].calls[0].ask = Ask::Unknown;
    let mut bare = event();
    bare.timeline.clear();
    for event in [event(), later, bare] {
        assert_eq!(count(&event), spans(&event, Person::Shown).len());
    }
}

#[test]
fn whatever_a_node_says_makes_spans() {
    let mut event = event();
    event.at_ms = u64::MAX;
    event.elapsed_us = u64::MAX;
    event.client = "0.0.0.0:0".parse().unwrap();
    event.test = true;
    event.timeline[1].at_us = u64::MAX;
    event.timeline[1].elapsed_us = u64::MAX;
    event.timeline[1].calls[0].host = "no port here".to_owned();
    event.timeline[1].calls[1].host = "x".repeat(10_000);
    event.timeline[1].calls[1].result = "é".repeat(10_000);
    let spans = spans(&event, Person::Shown);
    assert_eq!(said(&spans[0], "client.address"), None);
    assert_eq!(said(&spans[0], "countersign.test").as_deref(), Some("true"));
    assert_eq!(
        said(&spans[2], "server.address").as_deref(),
        Some("no port here")
    );
    for span in &spans {
        assert!(span.start <= span.end, "{span:?}");
        for (_, value) in &span.attributes {
            if let Value::Text(text) = value {
                assert!(text.chars().count() <= TEXT_CHARACTERS, "{}", text.len());
            }
        }
        assert!(
            span.error
                .as_ref()
                .is_none_or(|why| why.len() <= 2 * TEXT_CHARACTERS)
        );
    }
}

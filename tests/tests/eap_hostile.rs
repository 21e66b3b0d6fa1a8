//! Mode `eap`: supplicants that keep to nothing.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock::wait_until,
    eap::{Gateway, PASSWORD},
    nas::{Nas, attribute, code},
    peers::{
        SECRET, Supplicant,
        supplicant::{Method, Mischief, Reply, Session, Step, Verdict, packet::kind, typed},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(200);

/// How far a login has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Named,
    Offered,
    Handshake,
    Tunnel,
    Answered,
}

const STAGES: [Stage; 5] = [
    Stage::Named,
    Stage::Offered,
    Stage::Handshake,
    Stage::Tunnel,
    Stage::Answered,
];

fn at(gateway: &Gateway<1>, stage: Stage, user: &str, outer: &str) -> Session {
    let mut peer = Supplicant::new(Method::Peap, user);
    outer.clone_into(&mut peer.outer);
    let mut session = peer.session(gateway.address(0));
    match stage {
        Stage::Named => {}
        Stage::Offered => session.rounds(1),
        Stage::Handshake => {
            session.rounds(2);
            // Not where an acknowledgement is due.
            while session.response().len() <= 6 {
                session.rounds(1);
            }
        }
        Stage::Tunnel => session.until_tunnel(),
        Stage::Answered => {
            assert_eq!(session.until_asked(), PASSWORD);
            assert_eq!(session.reply("pw-alice".into()), Step::Going);
        }
    }
    session
}

#[test]
fn no_mischief_lets_anybody_in_and_each_has_its_event() {
    let gateway = Gateway::with(["factors=push\n"]);
    let all = [
        Mischief::OtherVersion,
        Mischief::StartFlag,
        Mischief::HugeLength(u32::MAX),
        Mischief::HugeLength(65_537),
        Mischief::Garbage(300),
        Mischief::LengthCutShort,
        Mischief::Acknowledgement,
        Mischief::PlainGtc("pw-alice".to_owned()),
        Mischief::Nak(vec![kind::MD5]),
    ];
    let mut count = 0;
    for stage in &STAGES[1..] {
        for mischief in &all {
            // The same inside and outside: its event has the one or the other.
            let user = format!("x{count}");
            count += 1;
            let mut session = at(&gateway, *stage, &user, &user);
            session.misbehave(mischief);
            // Another version is another tunnel's beginning, before there is one.
            session.supplicant().timeout = LONG;
            let login = session.run(|_| Reply::Typed(b"nope".to_vec()));
            let name = format!("{stage:?} {mischief:?}");
            assert_ne!(login.verdict, Verdict::Accepted, "{name}");
            if matches!(login.verdict, Verdict::Broken(_)) {
                // The peer gave up on a version that it did not want.
                assert_eq!(
                    *mischief,
                    Mischief::OtherVersion,
                    "{name}: {:?}",
                    login.verdict
                );
                continue;
            }
            assert_eq!(login.verdict, Verdict::Rejected, "{name}");
            assert!(login.seen.eap_failure, "{name}");
            let events = gateway.running.events_of(&user, 1);
            assert_eq!(events.len(), 1, "{name}: {events:#?}");
            let event = &events[0];
            let reason = event["reason"].as_str().unwrap();
            let want: &[&str] = match (mischief, stage) {
                (Mischief::Nak(_), Stage::Offered) => &["unsupported_method"],
                _ => &["eap_failed"],
            };
            assert!(want.contains(&reason), "{name}: {event:#}");
            assert!(
                event["timeline"].as_array().unwrap().len() >= 4,
                "{name}: {event:#}"
            );
        }
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    let output = gateway.running.output();
    for word in ["panicked", "could not be handled", "ERROR", "pw-alice"] {
        assert!(!output.contains(word), "{word}: {output}");
    }
    let _ = gateway.login(0, "alice", &["pw-alice"]).accepted();
}

#[test]
fn what_answers_nothing_changes_nothing() {
    let gateway = Gateway::with(["factors=push\n"]);
    for stage in STAGES {
        // The last two are no packets of a supplicant at all. What belongs to no conversation has to be
        // answered.
        let begins = matches!(stage, Stage::Named);
        for (mischief, answered) in [
            (Mischief::WrongIdentifier, false),
            (Mischief::Request, begins),
            (Mischief::PastTheEnd, begins),
        ] {
            if matches!(
                (stage, &mischief),
                (Stage::Named, Mischief::WrongIdentifier)
            ) {
                continue;
            }
            let mut session = at(&gateway, stage, "alice", "anon");
            let good = session.response().clone();
            session.misbehave(&mischief);
            let bad = session.response().clone();
            let state = session.state().clone();
            let request = session.request(&bad, state);
            session.send_request(request);
            let answer = session.receive(if answered { LONG } else { MOMENT });
            let got = answer.map(|answer| answer.code);
            let want = answered.then_some(code::ACCESS_REJECT);
            assert_eq!(got, want, "{stage:?} {mischief:?}");
            *session.response() = good;
            let login = session.run(typed(match stage {
                Stage::Answered => &[],
                _ => &["pw-alice"],
            }));
            let _ = login.accepted();
        }
    }
    for event in gateway.running.events_of("anon", 2) {
        assert_eq!(event["reason"], "bad_request", "{event:#}");
    }
}

#[test]
fn a_name_amid_a_conversation_begins_another_and_leaves_it_as_it_was() {
    let gateway = Gateway::with(["factors=push\n"]);
    for stage in &STAGES[1..] {
        let mut session = at(&gateway, *stage, "alice", "anon");
        let good = session.response().clone();
        session.misbehave(&Mischief::Identity);
        session.send();
        let answer = session.receive(LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_CHALLENGE, "{stage:?}");
        let eap = answer.first(attribute::EAP_MESSAGE).unwrap();
        assert_eq!(eap[2..], [0, 6, kind::PEAP, 0x21], "{stage:?}: a start");
        assert_ne!(answer.first(attribute::STATE), session.state().as_deref());
        *session.response() = good;
        let login = session.run(typed(match stage {
            Stage::Answered => &[],
            _ => &["pw-alice"],
        }));
        let _ = login.accepted();
    }
}

#[test]
fn fragments_come_to_an_end() {
    let gateway = Gateway::with([""]);
    for (outer, octets, total, most, says) in [
        (
            "said",
            3_000,
            Some(65_536),
            40,
            "the length of the message is not what was said",
        ),
        (
            "unsaid",
            3_000,
            None,
            40,
            "the message is longer than 65536 octets",
        ),
        ("small", 10, None, 80, "more than 50 rounds"),
        ("empty", 0, None, 80, "a fragment is empty"),
        (
            "more than said",
            3_000,
            Some(4_000),
            40,
            "the length of the message",
        ),
    ] {
        let mut session = at(&gateway, Stage::Offered, "alice", outer);
        let (taken, verdict) = session.endless(octets, total, most);
        assert_eq!(verdict, Verdict::Rejected, "{outer}");
        assert!(taken < most && taken * octets <= 65_536, "{outer}: {taken}");
        gateway
            .event(outer, 1)
            .assert(("reject", "eap_failed"), says);
    }
    // A whole message of that size is not TLS either.
    let mut session = at(&gateway, Stage::Offered, "alice", "whole");
    session.misbehave(&Mischief::Garbage(3_500));
    let _ = session.run(typed(&[])).rejected();
    gateway
        .event("whole", 1)
        .assert(("reject", "eap_failed"), "TLS");
    wait_until("nothing is kept", LONG, || {
        gateway.running.metric("countersign_eap_sessions") == 0.0
    });
}

#[test]
fn the_inside_of_the_tunnel_is_read_with_the_same_care() {
    let gateway = Gateway::with(["factors=push\n"]);
    let long = vec![b'a'; 20_000];
    let avp = |code: u32, flags: u8, value: &[u8]| {
        let length = u32::try_from(8 + value.len()).unwrap().to_be_bytes();
        let mut avp = [&code.to_be_bytes()[..], &[flags], &length[1..], value].concat();
        avp.resize(avp.len().next_multiple_of(4), 0);
        avp
    };
    let cases: Vec<(&str, Method, Reply, &str)> = vec![
        (
            "another type",
            Method::Peap,
            Reply::Method(kind::MD5, vec![1; 16]),
            "of another type",
        ),
        (
            "its name again",
            Method::Peap,
            Reply::Method(kind::IDENTITY, b"bob".to_vec()),
            "of another type",
        ),
        (
            "a result",
            Method::Peap,
            Reply::Raw(vec![2, 9, 0, 11, 33, 0x80, 3, 0, 2, 0, 1]),
            "",
        ),
        ("octets", Method::Peap, Reply::Raw(vec![0xff; 3]), ""),
        ("much", Method::Peap, Reply::Typed(long.clone()), ""),
        (
            "a NUL",
            Method::Peap,
            Reply::Typed(b"pw\0alice".to_vec()),
            "",
        ),
        ("no UTF-8", Method::Peap, Reply::Typed(vec![0xff, 0xfe]), ""),
        ("nothing", Method::Peap, Reply::Typed(Vec::new()), ""),
        (
            "half an AVP",
            Method::TtlsGtc,
            Reply::Raw(vec![0, 0, 0, 79, 0x40, 0]),
            "malformed",
        ),
        (
            "a long AVP",
            Method::TtlsPap,
            Reply::Raw(vec![0, 0, 0, 2, 0x40, 0xff, 0xff, 0xff, 1]),
            "malformed",
        ),
        (
            "an AVP of 0",
            Method::TtlsPap,
            Reply::Raw(vec![0; 8]),
            "malformed",
        ),
        (
            "unknown",
            Method::TtlsPap,
            Reply::Raw(avp(9_999, 0x40, b"x")),
            "insists on an attribute",
        ),
        (
            "a name alone",
            Method::TtlsPap,
            Reply::Raw(avp(1, 0x40, b"alice")),
            "neither a password nor EAP",
        ),
        (
            "CHAP",
            Method::TtlsPap,
            Reply::Raw(avp(3, 0x40, &[0; 17])),
            "wants CHAP",
        ),
        (
            "late PAP",
            Method::TtlsGtc,
            Reply::Raw([avp(1, 0x40, b"alice"), avp(2, 0x40, b"pw-alice")].concat()),
            "",
        ),
        ("no password", Method::TtlsPap, Reply::Typed(Vec::new()), ""),
        ("zeros", Method::TtlsPap, Reply::Typed(vec![0; 64]), ""),
    ];
    for (name, method, reply, says) in cases {
        // The same inside and outside: its event has the one or the other.
        let mut peer = Supplicant::new(method, name);
        name.clone_into(&mut peer.outer);
        let login = peer.login(gateway.address(0), |_| reply.clone());
        gateway.assert_clean(&login);
        let _ = (name, login.rejected());
        if !says.is_empty() {
            gateway.event(name, 1).assert(
                (
                    "reject",
                    if name == "CHAP" {
                        "unsupported_method"
                    } else {
                        "eap_failed"
                    },
                ),
                says,
            );
        }
    }
    let output = gateway.running.output();
    for word in ["panicked", "could not be handled", " ERROR "] {
        assert!(!output.contains(word), "{word}: {output}");
    }
    assert_eq!(gateway.duo.pushes("alice"), 0);
    let _ = gateway.login(0, "alice", &["pw-alice"]).accepted();
}

#[test]
fn the_same_answer_twice_is_answered_alike() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut session = gateway.session(0, "alice");
    let eap = |answer: &e2e::nas::Answer| answer.all(attribute::EAP_MESSAGE).concat();
    let mut asked = false;
    loop {
        session.send();
        let first = session.receive(LONG).unwrap();
        if first.code != code::ACCESS_CHALLENGE {
            assert_eq!(session.take(&first), Step::Ended(Verdict::Accepted));
            break;
        }
        // The same response with another id, before and after its answer was taken. The first of all
        // has no State, and begins another conversation.
        if session.state().is_some() {
            session.send();
            let again = session.receive(LONG).unwrap();
            assert_eq!(eap(&again), eap(&first));
        }
        let had_state = session.state().is_some();
        let step = session.take(&first);
        if had_state {
            session.send_previous();
            let again = session.receive(LONG).unwrap();
            assert_eq!(eap(&again), eap(&first));
        }
        if let Step::Asked(prompt) = step {
            assert_eq!(prompt, PASSWORD);
            assert!(!asked, "asked twice");
            asked = true;
            session.reply("pw-alice".into());
        }
    }
    assert_eq!(gateway.duo.pushes("alice"), 1);
    assert_eq!(gateway.upstream.count("alice"), 1);
    let events = gateway.running.events_of("alice", 1);
    assert_eq!(events.len(), 1, "{events:#?}");
}

#[test]
fn a_state_after_the_end_is_refused_with_the_reason() {
    let gateway = Gateway::with(["factors=push\n"]);
    for (count, password) in (1..).zip(["pw-alice", "nope"]) {
        let mut session = gateway.session(0, "alice");
        assert_eq!(session.until_asked(), PASSWORD);
        session.reply(password.into());
        while session.step() == Step::Going {}
        let last = session.last().unwrap().clone();
        let want = if password == "nope" {
            code::ACCESS_REJECT
        } else {
            code::ACCESS_ACCEPT
        };
        assert_eq!(last.code, want);
        // The same packet: its answer again.
        session.retransmit();
        wait_until("its answer again", LONG, || {
            let fresh = session.receive(MOMENT);
            assert_eq!(fresh, None, "it answers what was answered");
            !session.late().is_empty()
        });
        let again = session.late().last().map(|late| late.bytes.clone());
        assert_eq!(again, Some(last.bytes));
        // The same response in a request of its own: the same end, for that request.
        session.send();
        let answer = session.receive(LONG).unwrap();
        assert_eq!(answer.code, want);
        // Another response with that State.
        session.send_previous();
        let answer = session.receive(LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_REJECT);
        assert_eq!(answer.microsoft(e2e::nas::microsoft::MPPE_SEND_KEY), None);
        let event = gateway.event("anon", count);
        event.assert(("reject", "unknown_state"), "the EAP conversation is over");
    }
    // A State that is none.
    let nas = Nas::new(gateway.address(0), SECRET);
    let mut session = gateway.session(0, "alice");
    session.rounds(1);
    let response = session.response().clone();
    let sent = session.state().clone().unwrap();
    let other = [&sent[..1], &[0x55; 16], &sent[17..]].concat();
    for state in [
        vec![0],
        vec![0xea],
        vec![0xff; 253],
        other,
        sent[..17].to_vec(),
    ] {
        let request = session.request(&response, Some(state));
        let answer = nas.exchange(&request, LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_REJECT);
    }
    for event in gateway.running.events_of("anon", 7) {
        assert_eq!(event["reason"], "unknown_state");
    }
    let _ = session.run(typed(&["pw-alice"])).accepted();
}

#[test]
fn the_last_answer_twice_at_once_ends_it_once() {
    const LOGINS: usize = 30;
    let gateway = Gateway::with(["factors=push\n"]);
    for _ in 0..LOGINS {
        let mut session = gateway.session(0, "alice");
        assert_eq!(session.until_asked(), PASSWORD);
        session.reply("pw-alice".into());
        assert_eq!(session.step(), Step::Going, "the result inside the tunnel");
        session.send();
        session.send();
        let answers = [session.receive(LONG), session.receive(LONG)].map(Option::unwrap);
        assert_eq!(
            answers.each_ref().map(|one| one.code),
            [code::ACCESS_ACCEPT; 2]
        );
    }
    let events = gateway.running.events_of("alice", LOGINS);
    assert_eq!(events.len(), LOGINS);
    assert!(
        events.iter().all(|one| one["reason"] == "approved"),
        "{events:#?}"
    );
    assert_eq!(gateway.duo.pushes("alice"), LOGINS);
    assert_eq!(gateway.running.events_of("anon", 0).len(), 0);
}

#[test]
fn more_beginnings_than_there_is_room_for_are_refused_and_counted() {
    let gateway = Gateway::terse(["factors=push\n"]);
    let refused = |limit: &str| {
        let series = format!("countersign_eap_refused_total{{limit=\"{limit}\"}}");
        gateway.running.metric(&series)
    };
    let mut under_way = gateway.session(0, "alice");
    assert_eq!(under_way.until_asked(), PASSWORD);
    wait_until("it is counted", LONG, || {
        gateway.running.metric("countersign_eap_sessions") == 1.0
    });
    let nas = Nas::from_address(
        [127, 0, 0, 9].into(),
        ports::loopback(gateway.ports[0]),
        SECRET,
    );
    let mut rejects = 0;
    for _ in 0..80 {
        let identity = [2, 1, 0, 10, kind::IDENTITY, b'f', b'l', b'o', b'o', b'd'];
        for _ in 0..64 {
            let request = nas.named("flood").with(attribute::EAP_MESSAGE, &identity);
            nas.send(&request.encode());
        }
        for _ in 0..64 {
            let answer = nas.receive(LONG).unwrap();
            rejects += u32::from(answer[0] == code::ACCESS_REJECT);
        }
    }
    assert!(rejects > 0);
    wait_until("they are counted", LONG, || {
        let all = [
            "sessions",
            "handshakes",
            "client",
            "client_handshakes",
            "octets",
        ]
        .map(&refused);
        all.iter().sum::<f64>() == f64::from(rejects)
    });
    let event = gateway.running.event_of("flood", 1);
    assert_eq!(event["reason"], "overloaded", "{event:#}");
    // Who was under way goes on.
    under_way.reply("pw-alice".into());
    let _ = under_way.run(typed(&[])).accepted();
}

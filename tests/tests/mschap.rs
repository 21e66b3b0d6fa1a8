//! CHAP, MS-CHAP and MS-CHAPv2: relayed to an upstream RADIUS server, with keys and errors coming back;
//! refused where nobody can check them.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::{MAIN, ad_client, pair, radius_client, server, upstreams},
    countersign::Countersign,
    mschap::{MsChap2, mschap_nt_key},
    nas::{Answer, Nas, Request, attribute, code, microsoft},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, SECRET, Said, ScriptedUpstream,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";

fn nas(port: u16) -> Nas {
    Nas::new(ports::loopback(port), SECRET)
}

fn ask(nas: &Nas, request: &Request) -> Answer {
    nas.exchange(request, LONG).expect("an answer")
}

/// What MS-CHAP-Error says, without the octet before it.
fn error(answer: &Answer) -> String {
    let value = answer
        .microsoft(microsoft::CHAP_ERROR)
        .expect("an MS-CHAP-Error");
    String::from_utf8_lossy(&value[1..]).into_owned()
}

/// What must not be in an answer to somebody who is not let in.
fn has_keys_or_success(answer: &Answer) -> bool {
    [
        microsoft::CHAP2_SUCCESS,
        microsoft::CHAP_MPPE_KEYS,
        microsoft::MPPE_SEND_KEY,
        microsoft::MPPE_RECV_KEY,
    ]
    .iter()
    .any(|kind| answer.microsoft(*kind).is_some())
}

#[test]
fn proofs_are_relayed_and_the_second_factor_follows() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| radius_client(
            name, &radius
        )),
    ));
    let nas = nas(port);
    let run = |user: &str, password: &str| MsChap2::new(user, password).respond(nas.named(user));
    // Name, user, request, whether the password is right, the event's reason.
    for (count, (name, user, request, reason)) in [
        (
            "CHAP",
            "alice",
            nas.named("alice").chap("pw-alice", false),
            "approved",
        ),
        (
            "CHAP-Challenge",
            "alice",
            nas.named("alice").chap("pw-alice", true),
            "approved",
        ),
        (
            "CHAP, wrong",
            "alice",
            nas.named("alice").chap("nope", true),
            "primary_rejected",
        ),
        (
            "MS-CHAP",
            "alice",
            nas.named("alice").mschap("pw-alice"),
            "approved",
        ),
        (
            "MS-CHAP, wrong",
            "alice",
            nas.named("alice").mschap("nope"),
            "wrong_password",
        ),
        ("MS-CHAPv2", "alice", run("alice", "pw-alice"), "approved"),
        (
            "MS-CHAPv2, wrong",
            "alice",
            run("alice", "nope"),
            "wrong_password",
        ),
        // Whole passwords are hashed: nothing can be split off.
        (
            "MS-CHAPv2, appended",
            "alice",
            run("alice", "pw-alice,push"),
            "wrong_password",
        ),
        (
            "beyond ASCII",
            "unicode",
            run("unicode", "pässwörd-€"),
            "approved",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let before = duo.requests().len();
        let answer = ask(&nas, &request);
        let event = gateway.event_of(user, if user == "alice" { count + 1 } else { 1 });
        assert_eq!(event["reason"], reason, "{name}: {event:#}");
        if reason == "approved" {
            assert_eq!(answer.code, code::ACCESS_ACCEPT, "{name}: {event:#}");
            assert_eq!(answer.message(), IN, "{name}");
            assert!(
                duo.requests().len() > before,
                "{name}: the second factor is asked"
            );
        } else {
            assert_eq!(answer.code, code::ACCESS_REJECT, "{name}: {event:#}");
            assert!(!has_keys_or_success(&answer), "{name}: {answer:?}");
            assert_eq!(duo.requests().len(), before, "{name}: nobody else is asked");
        }
        if name.starts_with("MS-CHAP") && reason != "approved" {
            assert!(
                error(&answer).starts_with("E=691"),
                "{name}: {}",
                error(&answer)
            );
        }
    }
    assert!(!gateway.output().contains("pw-alice"));
}

#[test]
fn the_keys_that_reach_the_device_are_those_of_the_password() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    duo.user("bob", User::who(Outcome::Deny));
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| radius_client(
            name, &radius
        )),
    ));
    let nas = nas(port);
    let request = nas.named("alice").mschap("pw-alice");
    let answer = ask(&nas, &request);
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    let hidden = answer
        .microsoft(microsoft::CHAP_MPPE_KEYS)
        .expect("MS-CHAP-MPPE-Keys");
    assert_eq!(request.reveal(hidden)[8..24], mschap_nt_key("pw-alice"));

    // Two logins, whose keys differ.
    for _ in 0..2 {
        let run = MsChap2::new("alice", "pw-alice");
        let request = run.respond(nas.named("alice"));
        let answer = ask(&nas, &request);
        assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
        let success = answer.microsoft(microsoft::CHAP2_SUCCESS);
        assert_eq!(success, Some(&run.success("pw-alice")[..]));
        for (name, kind, key) in [
            ("send", microsoft::MPPE_SEND_KEY, run.keys().send),
            ("receive", microsoft::MPPE_RECV_KEY, run.keys().receive),
        ] {
            let hidden = answer
                .microsoft(kind)
                .unwrap_or_else(|| panic!("no {name} key"));
            assert_eq!(request.reveal_salted(hidden), Some(key.to_vec()), "{name}");
        }
        let salts = [microsoft::MPPE_SEND_KEY, microsoft::MPPE_RECV_KEY]
            .map(|kind| answer.microsoft(kind).unwrap()[..2].to_vec());
        assert_ne!(
            salts[0], salts[1],
            "RFC 2548 section 2.4.2: a salt is used once in a packet"
        );
        // What goes with the keys, and nothing else of what the upstream said.
        for kind in [7, 8] {
            assert!(
                answer.microsoft(kind).is_some(),
                "MS-MPPE-Encryption-… {kind}"
            );
        }
        assert_eq!(answer.first(attribute::CLASS), None);
        assert_eq!(answer.first(attribute::FILTER_ID), None);
    }

    // The upstream accepts, and the person does not: no proof of the password, no keys.
    for request in [
        MsChap2::new("bob", "pw-bob").respond(nas.named("bob")),
        nas.named("bob").mschap("pw-bob"),
        nas.named("bob").chap("pw-bob", true),
    ] {
        let answer = ask(&nas, &request);
        assert_eq!(answer.code, code::ACCESS_REJECT);
        assert_eq!(answer.message(), "Login request denied.");
        assert!(!has_keys_or_success(&answer), "{answer:?}");
    }
    assert_eq!(duo.pushes("bob"), 3);
}

#[test]
fn an_expired_password_is_said_and_its_change_relayed() {
    let duo = FakeDuo::start(Pki::shared());
    let radius = FreeRadius::start(Kind::Plain);
    let success = b"\0S=0123456789012345678901234567890123456789";
    let upstream = ScriptedUpstream::start(move |asked| {
        Some(if asked.microsoft(microsoft::CHAP2_CPW).is_some() {
            Said::accept().vendor(microsoft::VENDOR, microsoft::CHAP2_SUCCESS, success)
        } else {
            let error = b"\0E=648 R=0 C=00112233445566778899AABBCCDDEEFF V=3 M=Password expired";
            Said::reject("Change it").vendor(microsoft::VENDOR, microsoft::CHAP_ERROR, error)
        })
    });
    let [real, scripted] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        pair(1, real, &duo, "radius_client", |name| radius_client(
            name, &radius
        )),
        pair(2, scripted, &duo, "radius_client", |name| upstreams(
            name,
            &[upstream.address()]
        )),
    ));
    let user = "mustchange";
    for (count, port) in [(1, real), (2, scripted)] {
        let nas = nas(port);
        let run = MsChap2::new(user, "pw-mustchange");
        let answer = ask(&nas, &run.respond(nas.named(user)));
        assert_eq!(answer.code, code::ACCESS_REJECT, "{}", gateway.output());
        assert!(
            error(&answer).starts_with("E=648 R=0 C="),
            "{}",
            error(&answer)
        );
        assert!(
            error(&answer).ends_with("V=3 M=Password expired"),
            "{}",
            error(&answer)
        );
        let event = gateway.event_of(user, count);
        assert_eq!(event["reason"], "password_expired", "{event:#}");
    }
    assert_eq!(duo.requests().len(), 0);

    let nas = nas(scripted);
    let run = MsChap2::new(user, "pw-mustchange");
    let request = run.change(nas.named(user), "pw-new");
    let answer = ask(&nas, &request);
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(
        answer.microsoft(microsoft::CHAP2_SUCCESS),
        Some(&success[..])
    );
    assert_eq!(
        duo.pushes(user),
        1,
        "the second factor follows a change too"
    );
    let vendors = |attributes: &[(u8, Vec<u8>)]| -> Vec<Vec<u8>> {
        let of_vendors = attributes
            .iter()
            .filter(|(kind, _)| *kind == attribute::VENDOR_SPECIFIC);
        of_vendors.map(|(_, value)| value.clone()).collect()
    };
    let received = upstream.requests().pop().unwrap();
    // Challenge, change and the three pieces of the new password, as they came.
    assert_eq!(vendors(&received.attributes), vendors(&request.attributes));
    assert_eq!(vendors(&received.attributes).len(), 5);
    assert_eq!(received.user(), user);
    assert_eq!(received.first(attribute::USER_PASSWORD), None);
}

#[test]
fn proofs_are_refused_with_a_reason_where_nobody_can_check_them() {
    let duo = FakeDuo::start(Pki::shared());
    let directory = ports::dead();
    let [with_directory, alone] = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&format!(
        "{MAIN}{}[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\n",
        pair(1, with_directory, &duo, "ad_client", |name| {
            let (host, port) = (directory.ip(), directory.port());
            ad_client(name) + &format!("host={host}\nport={port}\ntransport=clear\n")
        }),
        server("radius_server_auto2", alone, &duo),
    ));
    let mut count = 0;
    for (section, port) in [("ad_client", with_directory), ("duo_only_client", alone)] {
        let nas = nas(port);
        for (name, request) in [
            ("CHAP", nas.named("alice").chap("pw-alice", true)),
            ("MS-CHAP", nas.named("alice").mschap("pw-alice")),
            (
                "MS-CHAP",
                MsChap2::new("alice", "pw-alice").respond(nas.named("alice")),
            ),
        ] {
            let answer = ask(&nas, &request);
            assert_eq!(answer.code, code::ACCESS_REJECT, "{section}: {name}");
            let text = answer.message();
            assert!(
                text.contains(name) && text.contains("PAP"),
                "{section}: {name}: {text}"
            );
            count += 1;
            let event = gateway.event_of("alice", count);
            assert_eq!(
                event["reason"], "unsupported_method",
                "{section}: {name}: {event:#}"
            );
        }
    }
    assert_eq!(duo.count(Endpoint::Auth) + duo.count(Endpoint::Preauth), 0);
}

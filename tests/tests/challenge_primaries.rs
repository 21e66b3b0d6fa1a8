//! Challenge mode over each kind of primary: the password goes there whole, and what came with its
//! accept comes out with ours.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::{MAIN, ad_client, challenge, radius_client, upstreams},
    countersign::Countersign,
    mschap::MsChap2,
    nas::{Answer, Nas, attribute, code, microsoft},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, SECRET, Said, ScriptedUpstream, Slapd,
        fakeduo::{Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";
const WRONG: &str = "Wrong user name or password.";

fn nas(port: u16) -> Nas {
    Nas::new(ports::loopback(port), SECRET)
}

#[track_caller]
fn is(answer: &Answer, code: u8, gateway: &Countersign) {
    assert_eq!(
        answer.code,
        code,
        "{}\n{}",
        answer.message(),
        gateway.output()
    );
}

/// A gateway whose passwords FreeRADIUS checks, and its client.
fn over(radius: &FreeRadius, duo: &FakeDuo) -> (Countersign, Nas) {
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        radius_client("radius_client", radius),
        challenge(1, port, duo, "radius_client", ""),
    ));
    (gateway, nas(port))
}

#[test]
fn a_directory_checks_the_whole_password() {
    let (duo, slapd) = (FakeDuo::start(Pki::shared()), Slapd::start(Pki::shared()));
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}host=127.0.0.1\nport={}\ntransport=clear\n{}",
        ad_client("ad_client"),
        slapd.port,
        challenge(1, port, &duo, "ad_client", ""),
    ));
    let nas = nas(port);
    for (user, password) in [("alice", "pw-alice"), ("comma", "pw,with,commas")] {
        let question = nas.login(user, password);
        is(&question, code::ACCESS_CHALLENGE, &gateway);
        let done = nas.reply(user, "123456", &question);
        is(&done, code::ACCESS_ACCEPT, &gateway);
        assert_eq!(done.message(), IN);
    }
    let before = duo.requests().len();
    for (user, password) in [
        ("alice", "nope"),
        ("alice", "pw-alice,push"),
        ("alice", "pw-alice,123456"),
    ] {
        let refused = nas.login(user, password);
        is(&refused, code::ACCESS_REJECT, &gateway);
        assert_eq!(refused.message(), WRONG, "{password}");
    }
    assert_eq!(duo.requests().len(), before, "nobody is asked in vain");
}

#[test]
fn an_upstream_is_asked_once_with_the_whole_password() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(|asked| {
        Some(match asked.password().as_str() {
            "pw,push" => Said::accept(),
            _ => Said::reject("No"),
        })
    });
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        upstreams("radius_client", &[upstream.address()]),
        challenge(1, port, &duo, "radius_client", ""),
    ));
    let nas = nas(port);
    let question = nas.login("alice", "pw,push");
    is(&question, code::ACCESS_CHALLENGE, &gateway);
    is(
        &nas.reply("alice", "push", &question),
        code::ACCESS_ACCEPT,
        &gateway,
    );
    assert_eq!(
        upstream.count("alice"),
        1,
        "the answer is none of its business"
    );
    is(
        &nas.login("bob", "other,push"),
        code::ACCESS_REJECT,
        &gateway,
    );
    assert_eq!(
        upstream.count("bob"),
        1,
        "nothing is tried without the comma"
    );
}

#[test]
fn what_came_with_the_upstreams_accept_comes_out_with_ours() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(|_| {
        Some(
            Said::accept()
                .with(attribute::CLASS, b"class-of-alice")
                .with(attribute::FILTER_ID, b"vpn-users")
                .tagged(attribute::TUNNEL_PASSWORD, 3, b"tunnel secret")
                .vendor_salted(microsoft::VENDOR, microsoft::MPPE_SEND_KEY, &[1; 16]),
        )
    });
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}pass_through_all=true\n{}",
        upstreams("radius_client", &[upstream.address()]),
        challenge(1, port, &duo, "radius_client", "passcode_retries=1\n"),
    ));
    let nas = nas(port);
    let carried = |answer: &Answer| {
        let kinds = [
            attribute::CLASS,
            attribute::FILTER_ID,
            attribute::TUNNEL_PASSWORD,
            attribute::VENDOR_SPECIFIC,
        ];
        kinds
            .iter()
            .filter(|kind| answer.first(**kind).is_some())
            .count()
    };
    // By way of codes by SMS and a wrong one: it rides through each further question.
    let mut question = nas.login("alice", "pw");
    for typed in ["sms", "000000"] {
        is(&question, code::ACCESS_CHALLENGE, &gateway);
        assert_eq!(carried(&question), 0, "not before the second factor");
        question = nas.reply("alice", typed, &question);
    }
    is(&question, code::ACCESS_CHALLENGE, &gateway);
    let request = nas.access_with_state("alice", "123456", &question);
    let done = nas.exchange(&request, LONG).unwrap();
    is(&done, code::ACCESS_ACCEPT, &gateway);
    assert_eq!(done.message(), IN);
    assert_eq!(done.all(attribute::CLASS), [b"class-of-alice"]);
    assert_eq!(done.all(attribute::FILTER_ID), [b"vpn-users"]);
    let tunnel = done.first(attribute::TUNNEL_PASSWORD).unwrap();
    assert_eq!(tunnel[0], 3, "the tag");
    let clear = request.reveal_salted(&tunnel[1..]);
    assert_eq!(clear.as_deref(), Some(&b"tunnel secret"[..]));
    let key = done.microsoft(microsoft::MPPE_SEND_KEY).unwrap();
    assert_eq!(request.reveal_salted(key), Some(vec![1; 16]));
    assert_eq!(gateway.metric("countersign_state_spills_total"), 0.0);

    // Nothing of it with a reject.
    duo.user("bob", User::who(Outcome::Deny));
    let denied = nas.reply("bob", "push", &nas.login("bob", "pw"));
    is(&denied, code::ACCESS_REJECT, &gateway);
    assert_eq!(carried(&denied), 0, "{denied:?}");
}

#[test]
fn a_proof_by_chap_is_relayed_and_its_keys_come_with_the_end() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let (gateway, nas) = over(&radius, &duo);
    let send = |request: &e2e::nas::Request| nas.exchange(request, LONG).expect("an answer");
    let question = send(&nas.named("alice").chap("pw-alice", true));
    is(&question, code::ACCESS_CHALLENGE, &gateway);
    let done = nas.reply("alice", "1", &question);
    is(&done, code::ACCESS_ACCEPT, &gateway);

    let run = MsChap2::new("alice", "pw-alice");
    let question = send(&run.respond(nas.named("alice")));
    is(&question, code::ACCESS_CHALLENGE, &gateway);
    assert_eq!(question.microsoft(microsoft::CHAP2_SUCCESS), None);
    assert_eq!(question.microsoft(microsoft::MPPE_SEND_KEY), None);
    let request = nas.access_with_state("alice", "1", &question);
    let done = send(&request);
    is(&done, code::ACCESS_ACCEPT, &gateway);
    let success = done.microsoft(microsoft::CHAP2_SUCCESS);
    assert_eq!(success, Some(&run.success("pw-alice")[..]));
    for (kind, key) in [
        (microsoft::MPPE_SEND_KEY, run.keys().send),
        (microsoft::MPPE_RECV_KEY, run.keys().receive),
    ] {
        let hidden = done.microsoft(kind).expect("a key");
        assert_eq!(request.reveal_salted(hidden), Some(key.to_vec()));
    }

    // An answer that is hidden by CHAP cannot be read.
    let question = send(&nas.named("alice").chap("pw-alice", true));
    let state = question.first(attribute::STATE).unwrap();
    let hidden = nas
        .named("alice")
        .chap("1", true)
        .with(attribute::STATE, state);
    let refused = send(&hidden);
    is(&refused, code::ACCESS_REJECT, &gateway);
    let text = "The answer cannot be read. Set the device to send answers with PAP, not with CHAP.";
    assert_eq!(refused.message(), text);

    let before = duo.requests().len();
    for request in [
        nas.named("alice").chap("nope", true),
        MsChap2::new("alice", "nope").respond(nas.named("alice")),
    ] {
        is(&send(&request), code::ACCESS_REJECT, &gateway);
    }
    assert_eq!(duo.requests().len(), before);
}

#[test]
fn the_upstreams_question_comes_first_and_then_the_menu() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let (gateway, nas) = over(&radius, &duo);
    let theirs = nas.login("chal", "pw-chal");
    is(&theirs, code::ACCESS_CHALLENGE, &gateway);
    assert_eq!(theirs.message(), "Enter the code");
    assert_eq!(duo.requests().len(), 0, "the password is not proven yet");
    let ours = nas.reply("chal", "123456", &theirs);
    is(&ours, code::ACCESS_CHALLENGE, &gateway);
    assert!(
        ours.message().starts_with("Second factor for chal\n"),
        "{}",
        ours.message()
    );
    assert_eq!(duo.pushes("chal"), 0);
    let done = nas.reply("chal", "1", &ours);
    is(&done, code::ACCESS_ACCEPT, &gateway);
    assert_eq!(duo.pushes("chal"), 1);
    let events = gateway.events_of("chal", 3);
    let first = &events[2]["id"];
    assert_eq!(events[2]["reason"], "primary_challenge", "{events:#?}");
    assert_eq!(events[1]["reason"], "prompted", "{events:#?}");
    assert_eq!(
        (&events[0]["first"], &events[1]["first"]),
        (first, first),
        "{events:#?}"
    );
    // A wrong code ends it before the menu.
    let wrong = nas.reply("chal", "654321", &nas.login("chal", "pw-chal"));
    is(&wrong, code::ACCESS_REJECT, &gateway);
    assert_eq!(duo.pushes("chal"), 1);
}

//! The State of a challenge: what an answer must bring, and what happens to one that brings another.
#![cfg(test)]

use std::{sync::Barrier, thread, time::Duration};

use e2e::{
    clock::wait_until,
    config::{MAIN, challenge, upstreams},
    countersign::Countersign,
    nas::{Answer, Nas, Request, attribute, code},
    peers::{
        FakeDuo, Pki, SECRET, Said, ScriptedUpstream,
        fakeduo::{Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
/// Long enough for an answer that should not come.
const QUIET: Duration = Duration::from_millis(300);
const IN: &str = "Success. Logging you in...";
const UNKNOWN: &str = "This answer belongs to no login that is under way. Please log in again.";
const SECOND: &str = "This question was answered before. Please log in again.";

/// A gateway with two sections that have everything in common but their ports.
fn start(duo: &FakeDuo) -> (Countersign, [u16; 2]) {
    let ports = std::array::from_fn(|_| ports::free_udp());
    let gateway = Countersign::run(&config(duo, ports));
    (gateway, ports)
}

fn config(duo: &FakeDuo, ports: [u16; 2]) -> String {
    format!(
        "{MAIN}[duo_only_client]\n{}{}",
        challenge(1, ports[0], duo, "duo_only_client", ""),
        challenge(2, ports[1], duo, "duo_only_client", "")
    )
}

fn nas(port: u16) -> Nas {
    Nas::new(ports::loopback(port), SECRET)
}

/// The step in which the State was looked at, as the timeline tells it.
fn client_step(gateway: &Countersign, user: &str, count: usize) -> String {
    let event = gateway.event_of(user, count);
    assert_eq!(event["outcome"], "reject", "{event:#}");
    assert_eq!(event["reason"], "unknown_state", "{event:#}");
    let steps = event["timeline"].as_array().unwrap();
    let details = steps.iter().map(|step| step["detail"].as_str().unwrap());
    details.collect::<Vec<_>>().join("\n")
}

#[test]
fn proxy_states_come_back_with_the_question_and_with_the_end() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, [port, _]) = start(&duo);
    let nas = nas(port);
    let routes: [&[u8]; 2] = [b"route", b"another route"];
    let with = |request: Request| {
        routes.iter().fold(request, |request, route| {
            request.with(attribute::PROXY_STATE, route)
        })
    };
    let question = nas
        .exchange(&with(nas.access("alice", "any")), LONG)
        .unwrap();
    assert_eq!(
        question.code,
        code::ACCESS_CHALLENGE,
        "{}",
        gateway.output()
    );
    assert!(question.message_authenticator_is_first());
    assert_eq!(question.all(attribute::PROXY_STATE), routes);
    assert_eq!(question.all(attribute::STATE).len(), 1);
    let answer = with(nas.access_with_state("alice", "1", &question));
    let done = nas.exchange(&answer, LONG).unwrap();
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert!(done.message_authenticator_is_first());
    assert_eq!(done.all(attribute::PROXY_STATE), routes);
    assert_eq!(done.first(attribute::STATE), None);
}

#[test]
fn an_answer_that_is_repeated_makes_one_push_and_one_answer() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, [port, _]) = start(&duo);
    let nas = nas(port);
    // A repeated first request gets the same question.
    let first = nas.access("alice", "any");
    let question = nas.exchange(&first, LONG).unwrap();
    assert_eq!(nas.exchange(&first, LONG).unwrap().bytes, question.bytes);

    duo.user("alice", User::who(Outcome::Wait));
    let answer = nas.access_with_state("alice", "push", &question);
    nas.send(&answer.encode());
    wait_until("the push is out", LONG, || duo.pushes("alice") == 1);
    let repeats = r#"countersign_duplicates_total{kind="in_progress"}"#;
    for _ in 0..3 {
        nas.send(&answer.encode());
    }
    wait_until("the repeats are counted", LONG, || {
        gateway.metric(repeats) == 3.0
    });
    duo.decide("alice", Outcome::Allow);
    let done = nas.receive(LONG).expect("an answer");
    assert_eq!(answer.check(&done).unwrap().code, code::ACCESS_ACCEPT);
    assert_eq!(nas.receive(QUIET), None, "one answer");
    nas.send(&answer.encode());
    assert_eq!(nas.receive(LONG), Some(done), "{}", gateway.output());
    assert_eq!(duo.pushes("alice"), 1);
}

#[test]
fn a_state_is_good_once_also_while_its_login_waits() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, [port, _]) = start(&duo);
    let (nas, other) = (nas(port), nas(port));
    let question = nas.login("alice", "any");
    duo.user("alice", User::who(Outcome::Wait));
    let answer = nas.access_with_state("alice", "push", &question);
    nas.send(&answer.encode());
    wait_until("the push is out", LONG, || duo.pushes("alice") == 1);
    // The device may answer from another port.
    let second = other.reply("alice", "push", &question);
    assert_eq!(second.code, code::ACCESS_REJECT, "{}", gateway.output());
    assert_eq!(second.message(), SECOND);
    let why = client_step(&gateway, "alice", 2);
    assert!(why.contains("used before"), "{why}");
    duo.decide("alice", Outcome::Allow);
    let done = nas.receive(LONG).expect("an answer");
    assert_eq!(answer.check(&done).unwrap().code, code::ACCESS_ACCEPT);
    assert_eq!(duo.pushes("alice"), 1);
    // And after it.
    let third = other.reply("alice", "123456", &question);
    assert_eq!(third.code, code::ACCESS_REJECT);
    let replayed = r#"countersign_states_total{result="replayed"}"#;
    assert_eq!(gateway.metric(replayed), 2.0);
    let said = "state=\"the State was used before\"";
    wait_until("the log says why", LONG, || gateway.output().contains(said));
    assert!(
        !gateway.output().contains("first=\""),
        "ids are said plainly"
    );

    let question = nas.login("bob", "any");
    let done = other.reply("bob", "push", &question);
    assert_eq!(
        (done.code, done.message().as_str()),
        (code::ACCESS_ACCEPT, IN),
        "from another port: {}",
        gateway.output()
    );
}

#[test]
fn who_signed_the_first_request_must_sign_the_answer() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, [port, _]) = start(&duo);
    let nas = nas(port);
    let send = |request: &Request, signed: bool| {
        let datagram = match signed {
            true => request.encode(),
            false => request.encode_without_message_authenticator(),
        };
        nas.send(&datagram);
        request
            .check(&nas.receive(LONG).expect("an answer"))
            .unwrap()
    };
    for (user, question, answer, want) in [
        ("both", true, true, code::ACCESS_ACCEPT),
        ("later", false, true, code::ACCESS_ACCEPT),
        ("never", false, false, code::ACCESS_ACCEPT),
        ("no-more", true, false, code::ACCESS_REJECT),
    ] {
        let asked = send(&nas.access(user, "any"), question);
        assert_eq!(asked.code, code::ACCESS_CHALLENGE, "{user}");
        let ended = send(&nas.access_with_state(user, "123456", &asked), answer);
        assert_eq!(ended.code, want, "{user}: {}", gateway.output());
        assert!(ended.message_authenticator_is_first(), "{user}");
    }
    let why = client_step(&gateway, "no-more", 2);
    assert!(why.contains("carry a Message-Authenticator"), "{why}");
}

#[test]
fn of_answers_that_come_at_once_one_is_taken() {
    const ANSWERS: usize = 8;
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, [port, _]) = start(&duo);
    let question = nas(port).login("alice", "any");
    let together = Barrier::new(ANSWERS);
    let codes: Vec<u8> = thread::scope(|scope| {
        let answer = || {
            let nas = nas(port);
            let request = nas.access_with_state("alice", "push", &question);
            together.wait();
            nas.exchange(&request, LONG).expect("an answer").code
        };
        let all: Vec<_> = (0..ANSWERS).map(|_| scope.spawn(answer)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let accepted = codes.iter().filter(|one| **one == code::ACCESS_ACCEPT);
    assert_eq!(accepted.count(), 1, "{codes:?}\n{}", gateway.output());
    assert_eq!(duo.pushes("alice"), 1);
}

#[test]
fn an_answer_is_not_taken_where_others_check_passwords_by_now() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let upstream = ScriptedUpstream::start(|_| Some(Said::accept()));
    let config = |client: &str| {
        format!(
            "{MAIN}[duo_only_client]\n{}{}",
            upstreams("radius_client", &[upstream.address()]),
            challenge(1, port, &duo, client, "")
        )
    };
    let gateway = Countersign::run(&config("duo_only_client"));
    let nas = nas(port);
    let question = nas.login("alice", "any");
    assert_eq!(question.code, code::ACCESS_CHALLENGE);
    gateway.rewrite_config(&config("radius_client"));
    wait_until("the next revision is served", LONG, || {
        gateway.revision() == 2
    });
    let refused = nas.reply("alice", "123456", &question);
    assert_eq!(refused.code, code::ACCESS_REJECT, "{}", gateway.output());
    let why = client_step(&gateway, "alice", 2);
    assert!(why.contains("made for another"), "{why}");
}

#[test]
fn a_state_is_good_for_its_section_its_client_and_its_user() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, ports) = start(&duo);
    let [here, elsewhere] = ports.map(nas);
    let other_client = Nas::from_address([127, 0, 0, 9].into(), ports::loopback(ports[0]), SECRET);
    let forged = |question: &Answer, change: fn(&mut Vec<u8>)| {
        let mut forged = question.clone();
        let mut attributes = forged.attributes.iter_mut();
        let (_, state) = attributes
            .find(|(kind, _)| *kind == attribute::STATE)
            .unwrap();
        change(state);
        forged
    };
    let foreign = "was made for another client or user";
    let changed = "changed on its way";
    // The user of the question, the one of the answer.
    for (nas, asked, user, change, why, label) in [
        (&elsewhere, "alice", "alice", None, foreign, "foreign"),
        (&other_client, "bob", "bob", None, foreign, "foreign"),
        (&here, "carol", "dave", None, foreign, "foreign"),
        (&here, "erin", "ERIN", None, foreign, "foreign"),
        (
            &here,
            "frank",
            "frank",
            Some((|state| *state.last_mut().unwrap() ^= 1) as fn(&mut Vec<u8>)),
            changed,
            "tampered",
        ),
        (
            &here,
            "grace",
            "grace",
            Some(|state| state.truncate(state.len() - 1)),
            changed,
            "tampered",
        ),
        (
            &here,
            "heidi",
            "heidi",
            Some(|state| *state = b"made up".to_vec()),
            foreign,
            "foreign",
        ),
    ] {
        let series = format!(r#"countersign_states_total{{result="{label}"}}"#);
        let before = gateway.metric(&series);
        let question = here.login(asked, "any");
        assert_eq!(
            question.code,
            code::ACCESS_CHALLENGE,
            "{}",
            gateway.output()
        );
        let brought = match change {
            Some(change) => forged(&question, change),
            None => question.clone(),
        };
        let refused = nas.reply(user, "123456", &brought);
        assert_eq!(refused.code, code::ACCESS_REJECT, "{asked}");
        assert_eq!(refused.message(), UNKNOWN, "{asked}");
        let count = if asked == user { 2 } else { 1 };
        let said = client_step(&gateway, user, count);
        assert!(said.contains(why), "{asked}: {said}");
        assert!(gateway.metric(&series) > before, "{asked}: {series}");
        assert_eq!(duo.pushes(asked), 0, "{asked}");
        // What went wrong elsewhere has not spent it.
        let done = here.reply(asked, "123456", &question);
        assert_eq!(
            (done.code, done.message().as_str()),
            (code::ACCESS_ACCEPT, IN),
            "{asked}: {}",
            gateway.output()
        );
    }
}

#[test]
fn an_answer_outlives_a_revision_and_a_restart() {
    let duo = FakeDuo::start(Pki::shared());
    let (mut gateway, ports) = start(&duo);
    let nas = nas(ports[0]);
    let (first, second) = (nas.login("alice", "any"), nas.login("bob", "any"));
    gateway.rewrite_config(&(config(&duo, ports) + "factors=passcode\n"));
    wait_until("the next revision is served", LONG, || {
        gateway.revision() == 2
    });
    let done = nas.reply("alice", "1", &first);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    gateway.restart();
    let done = nas.reply("bob", "1", &second);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
}

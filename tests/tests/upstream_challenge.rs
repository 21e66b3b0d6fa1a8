//! An upstream that asks a question of its own: passed to the device, its answer taken back, and the
//! second factor after it.
#![cfg(test)]

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    config::{MAIN, pair, radius_client, upstreams},
    countersign::Countersign,
    nas::{Answer, Nas, attribute, code},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, Received, SECRET, Said, ScriptedUpstream,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";
const UNKNOWN: &str = "This answer belongs to no login that is under way. Please log in again.";
const SECOND: &str = "This question was answered before. Please log in again.";

fn nas(port: u16) -> Nas {
    Nas::new(ports::loopback(port), SECRET)
}

fn login(nas: &Nas, user: &str, password: &str) -> Answer {
    nas.exchange(&nas.access(user, password), LONG)
        .expect("an answer")
}

fn answer(nas: &Nas, user: &str, typed: &str, question: &Answer) -> Answer {
    let request = nas.access_with_state(user, typed, question);
    nas.exchange(&request, LONG).expect("an answer")
}

/// The parameters of the last request to `/auth/v2/auth` for a user.
fn last_auth(duo: &FakeDuo, user: &str) -> Option<BTreeMap<String, String>> {
    let mut asked = duo.requests();
    asked.retain(|one| one.endpoint == Endpoint::Auth && one.user.as_deref() == Some(user));
    asked.pop().map(|one| one.params)
}

/// Asks everybody for a code after the password `pw`; `123456` is right. Its State is `upstream-` and
/// the user's name.
fn asks_for_a_code(asked: &Received) -> Option<Said> {
    let state = format!("upstream-{}", asked.user());
    Some(
        match (asked.first(attribute::STATE), asked.password().as_str()) {
            (None, "pw") => Said::challenge("Code, please", state.as_bytes()),
            (Some(found), "123456") if found == state.as_bytes() => Said::accept(),
            (Some(_), _) => Said::reject("Wrong code"),
            (None, _) => Said::reject("Wrong password"),
        },
    )
}

#[test]
fn a_question_is_answered_and_then_the_second_factor_is_asked() {
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
    let question = login(&nas, "chal", "pw-chal");
    assert_eq!(
        question.code,
        code::ACCESS_CHALLENGE,
        "{}",
        gateway.output()
    );
    assert_eq!(question.message(), "Enter the code");
    assert!(question.message_authenticator_is_first());
    let event = gateway.event_of("chal", 1);
    assert_eq!(event["outcome"], "challenge", "{event:#}");
    assert_eq!(duo.requests().len(), 0, "the password is not proven yet");
    let done = answer(&nas, "chal", "123456", &question);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(done.message(), IN);
    assert_eq!(duo.pushes("chal"), 1);

    let question = login(&nas, "chal", "pw-chal");
    let wrong = answer(&nas, "chal", "654321", &question);
    assert_eq!(wrong.code, code::ACCESS_REJECT);
    assert_eq!(login(&nas, "chal", "nope").code, code::ACCESS_REJECT);
    assert_eq!(duo.pushes("chal"), 1, "nobody is asked about a wrong code");

    // The question after the question.
    let first = login(&nas, "chal2", "pw-chal2");
    assert_eq!(first.message(), "Enter the first code");
    let second = answer(&nas, "chal2", "111111", &first);
    assert_eq!(second.code, code::ACCESS_CHALLENGE, "{}", gateway.output());
    assert_eq!(second.message(), "Enter the second code");
    assert_ne!(
        second.first(attribute::STATE),
        first.first(attribute::STATE)
    );
    assert_eq!(duo.pushes("chal2"), 0);
    let done = answer(&nas, "chal2", "222222", &second);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(duo.pushes("chal2"), 1);

    duo.user("chal", User::who(Outcome::Deny));
    let question = login(&nas, "chal", "pw-chal");
    let denied = answer(&nas, "chal", "123456", &question);
    assert_eq!(denied.code, code::ACCESS_REJECT);
    assert_eq!(denied.message(), "Login request denied.");
    let output = gateway.output();
    for secret in ["pw-chal", "123456", "654321", "111111", "222222"] {
        assert!(
            !output.contains(secret),
            "{secret} in the output:\n{output}"
        );
    }
}

#[test]
fn the_answer_goes_to_the_host_that_asked_with_its_state() {
    let duo = FakeDuo::start(Pki::shared());
    let [first, second] = std::array::from_fn(|_| ScriptedUpstream::start(asks_for_a_code));
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| {
            upstreams(name, &[first.address(), second.address()]) + "retries=3\nretry_wait=1\n"
        }),
    ));
    let nas = nas(port);
    first.silence(true);
    let question = login(&nas, "alice", "pw");
    assert_eq!(
        question.code,
        code::ACCESS_CHALLENGE,
        "{}",
        gateway.output()
    );
    assert_eq!(question.message(), "Code, please");
    let state = question.first(attribute::STATE).unwrap();
    let theirs = b"upstream-alice";
    let shows = state.windows(theirs.len()).any(|window| window == theirs);
    assert!(
        !shows,
        "the device does not see what the upstream keeps there"
    );
    first.silence(false);
    let (at_first, at_second) = (first.count("alice"), second.count("alice"));
    let done = answer(&nas, "alice", "123456", &question);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(first.count("alice"), at_first, "it asked nothing");
    assert_eq!(second.count("alice"), at_second + 1);
    let last = second.requests().pop().unwrap();
    assert_eq!(last.first(attribute::STATE), Some(&theirs[..]));
    assert_eq!(last.password(), "123456");

    // What the upstream says to a wrong answer is what the user reads.
    let question = login(&nas, "bob", "pw");
    let wrong = answer(&nas, "bob", "000000", &question);
    assert_eq!(
        (wrong.code, wrong.message().as_str()),
        (code::ACCESS_REJECT, "Wrong code")
    );
    assert_eq!(duo.pushes("bob"), 0);
}

#[test]
fn only_the_answer_to_this_question_is_taken() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(asks_for_a_code);
    let ports: [u16; 2] = std::array::from_fn(|_| ports::free_udp());
    let host = [upstream.address()];
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        pair(1, ports[0], &duo, "radius_client", |name| upstreams(
            name, &host
        )),
        pair(2, ports[1], &duo, "radius_client", |name| upstreams(
            name, &host
        )),
    ));
    let [here, elsewhere] = ports.map(nas);
    let spent = login(&here, "alice", "pw");
    assert_eq!(
        answer(&here, "alice", "123456", &spent).code,
        code::ACCESS_ACCEPT
    );
    let open = login(&here, "bob", "pw");
    let mut forged = open.clone();
    for (kind, value) in &mut forged.attributes {
        if *kind == attribute::STATE {
            *value.last_mut().unwrap() ^= 1;
        }
    }
    let mut foreign = open.clone();
    foreign.attributes = vec![(attribute::STATE, b"upstream-bob".to_vec())];
    let before = upstream.requests().len();
    let pushes = duo.count(Endpoint::Auth);
    for (name, nas, user, question, text) in [
        ("a State that was used", &here, "alice", &spent, SECOND),
        ("another user's", &here, "carol", &open, UNKNOWN),
        ("another integration's", &elsewhere, "bob", &open, UNKNOWN),
        ("a forged one", &here, "bob", &forged, UNKNOWN),
        ("the upstream's own", &here, "bob", &foreign, UNKNOWN),
    ] {
        let refused = answer(nas, user, "123456", question);
        assert_eq!(refused.code, code::ACCESS_REJECT, "{name}");
        assert_eq!(refused.message(), text, "{name}");
    }
    let event = gateway.event_of("carol", 1);
    assert_eq!(event["reason"], "unknown_state", "{event:#}");
    assert_eq!(
        upstream.requests().len(),
        before,
        "the upstream hears nothing of it"
    );
    assert_eq!(duo.count(Endpoint::Auth), pushes);

    // A request that is repeated gets the answer that was given, not another login.
    let question = login(&here, "dave", "pw");
    let request = here.access_with_state("dave", "123456", &question);
    let once = here.exchange(&request, LONG).unwrap();
    let twice = here.exchange(&request, LONG).unwrap();
    assert_eq!(
        (once.code, &once.bytes),
        (code::ACCESS_ACCEPT, &twice.bytes)
    );
    assert_eq!(duo.pushes("dave"), 1);
}

#[test]
fn a_factor_that_was_appended_to_the_password_waits_for_its_turn() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(asks_for_a_code);
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| upstreams(
            name,
            &[upstream.address()]
        )),
    ));
    let nas = nas(port);
    for (user, password, factor) in [
        ("alice", "pw,phone", "phone"),
        ("bob", "pw,push", "push"),
        ("carol", "pw,123456", "passcode"),
        ("dave", "pw", "auto"),
    ] {
        let question = login(&nas, user, password);
        assert_eq!(
            question.code,
            code::ACCESS_CHALLENGE,
            "{user}: {}",
            gateway.output()
        );
        assert_eq!(
            upstream.requests().pop().unwrap().password(),
            "pw",
            "{user}"
        );
        assert_eq!(
            last_auth(&duo, user),
            None,
            "{user}: not before the password is proven"
        );
        let done = answer(&nas, user, "123456", &question);
        assert_eq!(
            done.code,
            code::ACCESS_ACCEPT,
            "{user}: {}",
            gateway.output()
        );
        let params = last_auth(&duo, user).unwrap();
        assert_eq!(params["factor"], factor, "{user}: {params:?}");
    }
    // An answer goes upstream whole: what looks like a factor is a part of it.
    let question = login(&nas, "erin", "pw");
    let wrong = answer(&nas, "erin", "123456,push", &question);
    assert_eq!(
        (wrong.code, wrong.message().as_str()),
        (code::ACCESS_REJECT, "Wrong code")
    );
    assert_eq!(upstream.requests().pop().unwrap().password(), "123456,push");
    assert_eq!(duo.pushes("erin"), 0);
}

#[test]
fn a_question_outlives_the_node_and_the_gateway_that_passed_it_on() {
    let (duo, upstream, port) = (
        FakeDuo::start(Pki::shared()),
        ScriptedUpstream::start(asks_for_a_code),
        ports::free_udp(),
    );
    let mut gateway = Countersign::run(&format!(
        "{MAIN}{}",
        pair(1, port, &duo, "radius_client", |name| {
            upstreams(name, &[upstream.address()])
        }),
    ));
    let nas = nas(port);
    let (first, second) = (login(&nas, "alice", "pw"), login(&nas, "bob", "pw"));
    gateway.restart();
    for (user, question) in [("alice", &first), ("bob", &second)] {
        let done = answer(&nas, user, "123456", question);
        assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
        assert_eq!(duo.pushes(user), 1);
    }
    assert_eq!(
        gateway.metric(r#"countersign_states_total{result="opened"}"#),
        2.0
    );
}

//! A device that repeats its request: one login, one push, one answer, the same octets.
#![cfg(test)]

use std::{thread, time::Duration};

use e2e::{
    clock::wait_until,
    config::{MAIN, server},
    countersign::Countersign,
    nas::{Nas, attribute, code},
    peers::{
        FakeDuo, Pki, Radclient, SECRET,
        fakeduo::{Endpoint, Outcome, User},
    },
    ports,
};

const LONG: Duration = Duration::from_secs(20);
/// Long enough for an answer that should not come.
const QUIET: Duration = Duration::from_millis(300);
const IN_PROGRESS: &str = r#"countersign_duplicates_total{kind="in_progress"}"#;
const REPLAYED: &str = r#"countersign_duplicates_total{kind="replayed"}"#;

fn gateway(duo: &FakeDuo) -> (Countersign, u16) {
    let port = ports::free_udp();
    let config = format!(
        "{MAIN}[duo_only_client]\n{}",
        server("radius_server_auto", port, duo)
    );
    (Countersign::run(&config), port)
}

#[test]
fn repeats_during_a_push_make_one_push_and_one_answer() {
    let duo = FakeDuo::start(Pki::shared());
    duo.everybody(User::who(Outcome::Wait));
    let (gateway, port) = gateway(&duo);
    let nas = Nas::new(ports::loopback(port), SECRET);
    let request = nas
        .access("alice", "any")
        .with(attribute::PROXY_STATE, b"route");
    let datagram = request.encode();
    nas.send(&datagram);
    wait_until("the push is out", LONG, || duo.pushes("alice") == 1);
    for _ in 0..10 {
        nas.send(&datagram);
    }
    wait_until("all repeats are counted", LONG, || {
        gateway.metric(IN_PROGRESS) == 10.0
    });
    // Another device with the same request is another login.
    let other = Nas::from_address([127, 0, 0, 2].into(), ports::loopback(port), SECRET);
    other.send(&datagram);
    wait_until("the other one's push", LONG, || duo.pushes("alice") == 2);
    duo.decide("alice", Outcome::Allow);

    let first = nas.receive(LONG).expect("an answer");
    let answer = request.check(&first).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert!(answer.message_authenticator_is_first());
    assert_eq!(answer.all(attribute::PROXY_STATE), [b"route"]);
    assert_eq!(
        nas.receive(QUIET),
        None,
        "one answer, not one for each repeat"
    );
    let of_other = other.receive(LONG).expect("an answer");
    assert_eq!(request.check(&of_other).unwrap().code, code::ACCESS_ACCEPT);

    // The answer was lost: it comes again, octet for octet, and nobody is asked.
    let asked = duo.requests().len();
    for _ in 0..3 {
        nas.send(&datagram);
        assert_eq!(
            nas.receive(LONG),
            Some(first.clone()),
            "{}",
            gateway.output()
        );
    }
    assert_eq!(gateway.metric(REPLAYED), 3.0);
    assert_eq!(duo.requests().len(), asked);
    assert_eq!(duo.pushes("alice"), 2);
}

#[test]
fn an_identifier_that_is_used_again_is_a_new_login() {
    let duo = FakeDuo::start(Pki::shared());
    let (gateway, port) = gateway(&duo);
    let nas = Nas::new(ports::loopback(port), SECRET);
    let first = nas.access("alice", "any");
    assert_eq!(
        nas.exchange(&first, LONG).unwrap().code,
        code::ACCESS_ACCEPT
    );
    let mut second = nas.access("bob", "any");
    second.id = first.id;
    assert_eq!(
        nas.exchange(&second, LONG).unwrap().code,
        code::ACCESS_ACCEPT
    );
    assert_eq!(
        (duo.pushes("alice"), duo.pushes("bob")),
        (1, 1),
        "{}",
        gateway.output()
    );

    // While a login runs, another that borrows its identifier leaves it alone.
    duo.user("carol", User::who(Outcome::Wait));
    let third = nas.access("carol", "any");
    nas.send(&third.encode());
    wait_until("the push is out", LONG, || duo.pushes("carol") == 1);
    let mut fourth = nas.access("dave", "any");
    fourth.id = third.id;
    let answer = nas.exchange(&fourth, LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    duo.decide("carol", Outcome::Allow);
    let bytes = nas.receive(LONG).expect("an answer");
    assert_eq!(third.check(&bytes).unwrap().code, code::ACCESS_ACCEPT);
    assert_eq!((duo.pushes("carol"), duo.pushes("dave")), (1, 1));
}

#[test]
fn radclient_that_loses_patience_gets_its_answer_all_the_same() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user("alice", User::who(Outcome::Wait));
    let (gateway, port) = gateway(&duo);
    let reply = thread::scope(|scope| {
        let login = scope.spawn(move || {
            Radclient::login(ports::loopback(port), SECRET, "alice", "any")
                .patience(20, Duration::from_millis(500))
                .send()
        });
        wait_until("it repeated itself", LONG, || {
            gateway.metric(IN_PROGRESS) >= 2.0
        });
        duo.decide("alice", Outcome::Allow);
        login.join().unwrap()
    });
    assert!(reply.is("Access-Accept"), "{reply:?}\n{}", gateway.output());
    assert_eq!((duo.pushes("alice"), duo.count(Endpoint::Preauth)), (1, 1));
    let event = gateway.event_of("alice", 1);
    assert_eq!(event["outcome"], "accept", "{event:#}");
}

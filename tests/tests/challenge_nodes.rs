//! A challenge of one node that is answered at another, whatever happened in between.
#![cfg(test)]

use std::{thread, time::Duration};

use e2e::{
    clock::{ahead, unix_seconds, wait_until},
    config::{MAIN, challenge, radius_client, server, upstreams},
    gateway::on_data_dir,
    nas::{Answer, Nas, attribute, code},
    nodes::{Node, Nodes},
    peers::{
        FakeDuo, FreeRadius, Kind, Pki, SECRET, Said, ScriptedUpstream,
        fakeduo::{Preauth, User},
    },
    ports,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
const DAY: u64 = 86_400;

/// Two nodes that serve one section over `[duo_only_client]`.
struct Pair {
    duo: FakeDuo,
    port: u16,
    nodes: Nodes,
    a: Nas,
    b: Nas,
}

impl Pair {
    fn start() -> Self {
        let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
        let nodes = Nodes::start(&config(&duo, port, ""));
        let (a, b) = (nodes.nas_a(port), nodes.nas_b(port));
        Self {
            duo,
            port,
            nodes,
            a,
            b,
        }
    }

    /// A challenge of node A.
    fn asked(&self, user: &str) -> Answer {
        let question = self.a.login(user, "any");
        is(&question, code::ACCESS_CHALLENGE, &self.nodes);
        question
    }
}

fn config(duo: &FakeDuo, port: u16, options: &str) -> String {
    format!(
        "{MAIN}[duo_only_client]\n{}",
        challenge(1, port, duo, "duo_only_client", options)
    )
}

#[track_caller]
fn is(answer: &Answer, code: u8, nodes: &Nodes) {
    assert_eq!(
        answer.code,
        code,
        "{}\nA: {}\nB: {}",
        answer.message(),
        nodes.a.output(),
        nodes.b.output()
    );
}

/// Which key a State was sealed with.
fn key(question: &Answer) -> Vec<u8> {
    question.first(attribute::STATE).unwrap()[..3].to_vec()
}

/// The one login whose State was good for nothing, and what its timeline says of it.
fn refusal(nodes: &Nodes, user: &str, count: usize) -> String {
    let events = nodes.a.events_of(user, count);
    let refused: Vec<&Value> = events
        .iter()
        .filter(|one| one["reason"] == "unknown_state")
        .collect();
    let [refused] = refused[..] else {
        panic!("{events:#?}");
    };
    refused["timeline"].to_string()
}

#[test]
fn every_kind_of_answer_is_good_at_the_other_node() {
    let (duo, radius) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
    );
    let [menu, auto, upstream] = std::array::from_fn(|_| ports::free_udp());
    let nodes = Nodes::start(&format!(
        "{MAIN}[duo_only_client]\n{}{}{}client=duo_only_client\nfactors=passcode\nfailmode=secure\n{}",
        radius_client("radius_client", &radius),
        challenge(1, menu, &duo, "duo_only_client", ""),
        server("radius_server_auto", auto, &duo),
        challenge(2, upstream, &duo, "radius_client", ""),
    ));
    let ends = |user: &str, answer: &Answer, path: &[&str]| {
        is(answer, code::ACCESS_ACCEPT, &nodes);
        let events = nodes.a.events_of(user, path.len());
        // One login, told from its first request on, oldest last.
        let first = &events.last().unwrap()["id"];
        let went: Vec<&Value> = events.iter().rev().map(|one| &one["node"]).collect();
        assert_eq!(went, path, "{user}: {events:#?}");
        for one in &events[..events.len() - 1] {
            assert_eq!(&one["first"], first, "{user}: {events:#?}");
        }
    };
    let (a, b) = (nodes.nas_a(menu), nodes.nas_b(menu));
    for (user, typed) in [
        ("number", "2"),
        ("name", "push"),
        ("numbered", "phone1"),
        ("passcode", "123456"),
    ] {
        let question = a.login(user, "any");
        is(&question, code::ACCESS_CHALLENGE, &nodes);
        ends(user, &b.reply(user, typed, &question), &["local", "b"]);
    }

    // There and back again.
    let question = a.login("sms", "any");
    let codes = b.reply("sms", "3", &question);
    is(&codes, code::ACCESS_CHALLENGE, &nodes);
    let done = a.reply("sms", "123456", &codes);
    ends("sms", &done, &["local", "b", "local"]);

    let (a, b) = (nodes.nas_a(auto), nodes.nas_b(auto));
    let question = a.login("auto", "any");
    is(&question, code::ACCESS_CHALLENGE, &nodes);
    ends(
        "auto",
        &b.reply("auto", "123456", &question),
        &["local", "b"],
    );

    let (a, b) = (nodes.nas_a(upstream), nodes.nas_b(upstream));
    let theirs = a.login("chal", "pw-chal");
    assert_eq!(theirs.message(), "Enter the code");
    let ours = b.reply("chal", "123456", &theirs);
    is(&ours, code::ACCESS_CHALLENGE, &nodes);
    let done = a.reply("chal", "1", &ours);
    ends("chal", &done, &["local", "b", "local"]);

    let link = "https://enroll.example.com/".to_owned();
    duo.user("new", User::default().preauth(Preauth::Enroll(link)));
    let (a, b) = (nodes.nas_a(menu), nodes.nas_b(menu));
    let question = a.login("new", "any");
    is(&question, code::ACCESS_CHALLENGE, &nodes);
    let refused = b.reply("new", "1", &question);
    is(&refused, code::ACCESS_REJECT, &nodes);
    assert_eq!(
        refused.message(),
        "Finish the enrolment first, then log in again."
    );
    assert_eq!(
        nodes
            .b
            .metric(r#"countersign_states_total{result="opened"}"#),
        8.0
    );
}

#[test]
fn the_node_that_asked_and_the_control_plane_may_be_gone() {
    let mut pair = Pair::start();
    let [first, second, third] = ["alice", "bob", "carol"].map(|user| pair.asked(user));
    // A node that is killed takes with it what it has not told yet.
    let asked = pair.nodes.a.event_of("carol", 1);
    pair.nodes.restart_a();
    is(
        &pair.a.reply("alice", "1", &first),
        code::ACCESS_ACCEPT,
        &pair.nodes,
    );
    is(
        &pair.b.reply("bob", "1", &second),
        code::ACCESS_ACCEPT,
        &pair.nodes,
    );
    pair.nodes.a.stop();
    is(
        &pair.b.reply("carol", "1", &third),
        code::ACCESS_ACCEPT,
        &pair.nodes,
    );
    // What B told nobody yet, it tells when the control plane is back.
    pair.nodes.a.restart();
    let event = pair.nodes.a.event_of("carol", 2);
    assert_eq!(event["node"], "b", "{event:#}");
    assert_eq!(event["outcome"], "accept", "{event:#}");
    assert_eq!(event["first"], asked["id"], "{event:#}");
}

#[test]
fn a_balancer_may_send_each_request_anywhere() {
    const USERS: usize = 24;
    let pair = Pair::start();
    let login = |number: usize| {
        let user = format!("user{number}");
        // Each request at one node or the other, in all orders that three have.
        let nas = |round: usize| {
            let [a, b] = [Nodes::A, Nodes::B];
            let at = if (number >> round) & 1 == 0 { a } else { b };
            Nas::new((at, pair.port).into(), SECRET)
        };
        let question = nas(0).login(&user, "any");
        let codes = nas(1).reply(&user, "sms", &question);
        nas(2).reply(&user, "123456", &codes).code
    };
    let codes: Vec<u8> = thread::scope(|scope| {
        let all: Vec<_> = (0..USERS)
            .map(|number| scope.spawn(move || login(number)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(codes, [code::ACCESS_ACCEPT; USERS]);
    for number in 0..USERS {
        let events = pair.nodes.a.events_of(&format!("user{number}"), 3);
        let first = &events[2]["id"];
        assert_eq!(&events[0]["first"], first, "{events:#?}");
        assert_eq!(&events[1]["first"], first, "{events:#?}");
    }
}

#[test]
fn a_node_that_starts_without_the_control_plane_answers_its_own_questions() {
    let mut pair = Pair::start();
    let of_a = pair.asked("alice");
    pair.nodes.a.stop();
    pair.nodes.b.stop();
    pair.nodes.b.restart();
    pair.nodes.b.until("it serves its sealed copy", |status| {
        status["source"] == "sealed_copy" && status["revision"] == 1
    });
    let [first, second] = ["bob", "carol"].map(|user| {
        let question = pair.b.login(user, "any");
        is(&question, code::ACCESS_CHALLENGE, &pair.nodes);
        question
    });
    let done = pair.b.reply("bob", "1", &first);
    is(&done, code::ACCESS_ACCEPT, &pair.nodes);
    // The keys that all nodes have are with the control plane.
    let refused = pair.b.reply("alice", "1", &of_a);
    is(&refused, code::ACCESS_REJECT, &pair.nodes);
    pair.nodes.a.restart();
    pair.nodes.b.wait_follows();
    let done = pair.b.reply("carol", "1", &second);
    is(&done, code::ACCESS_ACCEPT, &pair.nodes);
    let done = pair.b.reply("alice", "1", &of_a);
    is(&done, code::ACCESS_ACCEPT, &pair.nodes);
}

#[test]
fn the_login_command_asks_the_node_of_its_folder() {
    let pair = Pair::start();
    let data = pair.nodes.b.data_dir();
    let login = on_data_dir(&["login", "alice"], &data, "any\n1\n");
    let printed = String::from_utf8(login.stdout).unwrap();
    assert_eq!(login.status.code(), Some(0), "{printed}");
    let events = pair.nodes.a.events_of("alice", 2);
    assert!(events.iter().all(|one| one["node"] == "b"), "{events:#?}");
}

#[test]
fn a_revision_in_between_changes_nothing_for_who_was_asked() {
    let mut pair = Pair::start();
    let question = pair.asked("alice");
    let text = config(&pair.duo, pair.port, "prompt_format=short\n");
    pair.nodes.reconfigure(&text);
    is(
        &pair.b.reply("alice", "1", &question),
        code::ACCESS_ACCEPT,
        &pair.nodes,
    );
    let short = pair.b.login("bob", "any");
    assert!(short.message().starts_with("Choose"), "{}", short.message());
}

#[test]
fn a_new_day_brings_a_new_key_and_the_one_before_opens_for_a_while() {
    let mut pair = Pair::start();
    let [early, late] = ["early", "late"].map(|user| pair.asked(user));
    let mut known = key(&early);
    pair.nodes.a.stop();
    let midnight = DAY - unix_seconds() % DAY;
    let mut probes = 0;
    for (at, user, question, outcome) in [
        // Shortly before midnight, and the day after.
        (
            midnight.saturating_sub(2),
            "early",
            &early,
            code::ACCESS_ACCEPT,
        ),
        (midnight + DAY, "late", &late, code::ACCESS_REJECT),
    ] {
        let control = pair.nodes.control_plane_ahead(at);
        // It hears of the new key while it serves, and seals with it from then on.
        wait_until("B has the key of the day", LONG, || {
            probes += 1;
            let probe = pair.b.login(&format!("probe{probes}"), "any");
            is(&probe, code::ACCESS_CHALLENGE, &pair.nodes);
            key(&probe) != known && {
                known = key(&probe);
                true
            }
        });
        is(&pair.b.reply(user, "1", question), outcome, &pair.nodes);
        drop(control);
    }
    assert_eq!(
        pair.nodes
            .b
            .metric(r#"countersign_states_total{result="foreign"}"#),
        1.0
    );
}

#[test]
fn a_state_that_was_used_is_refused_at_its_node_and_taken_once_at_the_other() {
    let pair = Pair::start();
    let question = pair.asked("alice");
    let (a, b) = (&pair.a, &pair.b);
    for (nas, code) in [
        (b, code::ACCESS_ACCEPT),
        (b, code::ACCESS_REJECT),
        (a, code::ACCESS_ACCEPT),
        (a, code::ACCESS_REJECT),
    ] {
        is(&nas.reply("alice", "1", &question), code, &pair.nodes);
    }
    assert_eq!(pair.duo.pushes("alice"), 2, "once for each node");
}

#[test]
fn an_answer_that_comes_too_late_is_refused() {
    let pair = Pair::start();
    let question = pair.asked("alice");
    // Sooner than waiting for it: a node that lives 300 seconds later.
    let address = [127, 0, 0, 3].into();
    let control = pair.nodes.a.control_socket();
    let mut later = Node::launch("c", address, &control, &ahead(300));
    later.wait_follows();
    let refused = later.nas(pair.port).reply("alice", "1", &question);
    is(&refused, code::ACCESS_REJECT, &pair.nodes);
    let text = "Your answer came too late. Please log in again.";
    assert_eq!(refused.message(), text);
    let why = refusal(&pair.nodes, "alice", 2);
    assert!(why.contains("expired"), "{why}");
    let expired = r#"countersign_states_total{result="expired"}"#;
    assert_eq!(later.metric(expired), 1.0);
    // At a node whose clock is right it is good still.
    is(
        &pair.b.reply("alice", "1", &question),
        code::ACCESS_ACCEPT,
        &pair.nodes,
    );
}

#[test]
fn a_long_state_is_good_only_at_the_node_that_asked() {
    let duo = FakeDuo::start(Pki::shared());
    let upstream = ScriptedUpstream::start(|_| {
        let class = |said: Said, octet| said.with(attribute::CLASS, &[octet; 100]);
        Some((b'a'..=b'd').fold(Said::accept(), class))
    });
    let port = ports::free_udp();
    let mut nodes = Nodes::start(&format!(
        "{MAIN}{}pass_through_all=true\n{}",
        upstreams("radius_client", &[upstream.address()]),
        challenge(1, port, &duo, "radius_client", ""),
    ));
    let (a, b) = (nodes.nas_a(port), nodes.nas_b(port));
    let [question, other] = ["alice", "bob"].map(|user| {
        let question = a.login(user, "pw");
        is(&question, code::ACCESS_CHALLENGE, &nodes);
        question
    });
    assert_eq!(nodes.a.metric("countersign_state_spills_total"), 2.0);
    let refused = b.reply("alice", "1", &question);
    is(&refused, code::ACCESS_REJECT, &nodes);
    let why = refusal(&nodes, "alice", 2);
    assert!(why.contains("another node has it"), "{why}");
    let lost = r#"countersign_states_total{result="lost"}"#;
    assert_eq!(nodes.b.metric(lost), 1.0);
    assert_eq!(duo.pushes("alice"), 0);
    let done = a.reply("alice", "1", &question);
    is(&done, code::ACCESS_ACCEPT, &nodes);
    assert_eq!(done.all(attribute::CLASS).len(), 4);
    // It ends with its node.
    nodes.restart_a();
    is(&a.reply("bob", "1", &other), code::ACCESS_REJECT, &nodes);
    let why = refusal(&nodes, "bob", 2);
    assert!(why.contains("started again"), "{why}");
}

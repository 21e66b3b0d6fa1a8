//! Mode `eap` on several nodes: a conversation is at home on one of them.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::{MAIN, upstreams},
    eap::{PASSWORD, by_name, section},
    nas::{attribute, code},
    nodes::Nodes,
    peers::{
        FakeDuo, Pki, ScriptedUpstream, Supplicant,
        supplicant::{Method, Step, typed},
    },
    ports,
};
use nix::sys::signal::{Signal, kill};

const LONG: Duration = Duration::from_secs(10);

struct Pair {
    duo: FakeDuo,
    port: u16,
    nodes: Nodes,
    _upstream: ScriptedUpstream,
}

impl Pair {
    fn start() -> Self {
        let (duo, port) = (FakeDuo::start(Pki::shared()), ports::free_udp());
        let upstream = ScriptedUpstream::start(|request| Some(by_name(request)));
        let nodes = Nodes::start(&format!(
            "{MAIN}{}{}",
            upstreams("radius_client", &[upstream.address()]),
            section(1, port, &duo, "radius_client", ""),
        ));
        Self {
            duo,
            port,
            nodes,
            _upstream: upstream,
        }
    }
}

#[test]
fn a_request_that_reaches_another_node_is_refused_with_the_name_of_the_first() {
    let pair = Pair::start();
    let peer = Supplicant::new(Method::Peap, "alice");
    for (count, rounds) in (1..).zip([1, 3]) {
        let mut session = peer.session((Nodes::A, pair.port).into());
        session.rounds(rounds);
        let (response, state) = (session.response().clone(), session.state().clone());
        let request = session.request(&response, state);
        let answer = pair
            .nodes
            .nas_b(pair.port)
            .exchange(&request, LONG)
            .unwrap();
        assert_eq!(answer.code, code::ACCESS_REJECT);
        let eap = answer.first(attribute::EAP_MESSAGE).unwrap();
        assert_eq!(eap, [4, response[1], 0, 4]);
        let event = pair.nodes.a.event_of("anon", count);
        assert_eq!(
            (&event["node"], &event["reason"]),
            (&"b".into(), &"unknown_state".into())
        );
        let said = event["timeline"].to_string();
        assert!(
            said.contains("the EAP conversation is at the node local"),
            "{event:#}"
        );
        // At home it goes on.
        let login = session.run(typed(&["pw-alice", "push"]));
        let _ = login.accepted();
    }
    // The other way, and a whole login at the other node.
    let mut session = peer.session((Nodes::B, pair.port).into());
    session.rounds(2);
    let (response, state) = (session.response().clone(), session.state().clone());
    let request = session.request(&response, state);
    let answer = pair
        .nodes
        .nas_a(pair.port)
        .exchange(&request, LONG)
        .unwrap();
    assert_eq!(answer.code, code::ACCESS_REJECT);
    let event = pair.nodes.a.event_of("anon", 3);
    assert!(
        event["timeline"].to_string().contains("is at the node b,"),
        "{event:#}"
    );
    let _ = session.run(typed(&["pw-alice", "push"])).accepted();
    let event = pair.nodes.a.event_of("alice", 3);
    assert_eq!(event["node"], "b");
    assert_eq!(pair.duo.pushes("alice"), 3);
}

#[test]
fn it_goes_on_while_the_control_plane_is_away() {
    let pair = Pair::start();
    let peer = Supplicant::new(Method::Peap, "alice");
    let mut begun = peer.session((Nodes::A, pair.port).into());
    assert_eq!(begun.until_asked(), PASSWORD);
    let control = pair.nodes.a.role("controlplane");
    kill(control, Signal::SIGSTOP).unwrap();
    begun.reply("pw-alice".into());
    let _ = begun.run(typed(&["push"])).accepted();
    for node in [Nodes::A, Nodes::B] {
        let login = peer.login((node, pair.port).into(), typed(&["pw-alice", "push"]));
        let _ = login.accepted();
    }
    kill(control, Signal::SIGCONT).unwrap();
    // What happened meanwhile is told afterwards.
    let events = pair.nodes.a.events_of("alice", 3);
    assert!(
        events.iter().all(|one| one["outcome"] == "accept"),
        "{events:#?}"
    );
}

#[test]
fn a_node_that_was_started_again_says_so() {
    let mut pair = Pair::start();
    let peer = Supplicant::new(Method::Peap, "alice");
    let mut session = peer.session((Nodes::A, pair.port).into());
    assert_eq!(session.until_asked(), PASSWORD);
    pair.nodes.restart_a();
    assert_eq!(session.reply("pw-alice".into()), Step::Going);
    let login = session.run(typed(&[]));
    let _ = login.rejected();
    let event = pair.nodes.a.event_of("anon", 1);
    assert_eq!(event["reason"], "unknown_state", "{event:#}");
    assert!(
        event["timeline"]
            .to_string()
            .contains("the node was started again"),
        "{event:#}"
    );
    let login = peer.login((Nodes::A, pair.port).into(), typed(&["pw-alice", "push"]));
    let _ = login.accepted();
}

//! Mode `eap`: how a conversation begins after one that was broken off, and what a supplicant that
//! cannot be asked does.
#![cfg(test)]

use e2e::{
    config::{MAIN, eap_server, radius_client},
    countersign::Countersign,
    peers::{
        EapMethod, EapolTest, FakeDuo, FreeRadius, Kind, Pki, SECRET, Supplicant,
        fakeduo::Endpoint,
        supplicant::{Method, typed},
    },
    ports,
};

/// hostapd, and so many access points, sends the last State that it had beside the name that begins
/// the next conversation.
#[test]
fn a_name_begins_anew_whatever_state_comes_with_it() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}factors=auto\n",
        radius_client("radius_client", &radius),
        eap_server(port, &duo, "radius_client", "chain"),
    ));
    let peer = Supplicant::new(Method::Peap, "alice");
    let server = ports::loopback(port);
    for (name, rounds) in [("the method", 1), ("the handshake", 3)] {
        let mut broken_off = peer.session(server);
        broken_off.rounds(rounds);
        let stale = broken_off.state().clone();
        assert!(stale.is_some(), "{name}");
        let mut anew = peer.session(server);
        *anew.state() = stale;
        let login = anew.run(typed(&["pw-alice"]));
        let _ = (name, login.accepted());
    }
    let mut broken_off = peer.session(server);
    assert_eq!(broken_off.until_asked(), "Password: ");
    let mut foreign = peer.session(server);
    *foreign.state() = Some(b"of another server".to_vec());
    let _ = foreign.run(typed(&["pw-alice"])).accepted();
    let event = gateway.event_of("alice", 3);
    assert_eq!(event["reason"], "approved", "{event:#}");
}

#[test]
fn a_password_that_answers_the_menu_goes_nowhere() {
    let (duo, radius, port) = (
        FakeDuo::start(Pki::shared()),
        FreeRadius::start(Kind::Plain),
        ports::free_udp(),
    );
    let gateway = Countersign::run(&format!(
        "{MAIN}{}{}",
        radius_client("radius_client", &radius),
        eap_server(port, &duo, "radius_client", "chain"),
    ));
    let outcome =
        EapolTest::new(EapMethod::PeapGtc, "alice", "pw-alice").run(ports::loopback(port), SECRET);
    assert!(!outcome.success && outcome.failure, "{}", outcome.output);
    let event = gateway.event_of("alice", 1);
    assert_eq!(event["reason"], "eap_failed", "{event:#}");
    assert!(
        event.to_string().contains("write factors=auto"),
        "{event:#}"
    );
    assert_eq!(duo.count(Endpoint::Auth), 0);
}

//! Stopping: logins in flight finish within the grace period, new ones are not begun.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    clock::{now, wait_until},
    countersign::Start,
    gateway::Site,
    nas::code,
    peers::fakeduo::{Endpoint, Outcome, User},
};
use nix::sys::signal::Signal;

const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_login_that_waits_for_its_push_finishes_and_new_ones_are_not_answered() {
    let site = Site::new();
    site.duo.everybody(User::who(Outcome::Wait));
    let mut gateway = Start::with(&site.config(""))
        .argument("--grace")
        .argument("14")
        .ready();
    let (nas, late) = (site.nas(), site.nas());
    let request = nas.access("alice", "any");
    nas.send(&request.encode());
    wait_until("the push is out", LONG, || {
        site.duo.count(Endpoint::Auth) == 1
    });
    gateway.signal(Signal::SIGTERM);
    wait_until("it drains", LONG, || {
        let output = gateway.output();
        output.contains("stopping in_flight=1") && gateway.get("/readyz").status == 503
    });
    late.send(&late.access("exempt", "any").encode());
    assert_eq!(late.receive(SHORT), None, "a new login");
    // The same request again begins no second login.
    nas.send(&request.encode());
    site.duo.decide("alice", Outcome::Allow);
    let answer = request
        .check(&nas.receive(LONG).expect("its answer"))
        .unwrap();
    assert_eq!(answer.code, code::ACCESS_ACCEPT);
    assert_eq!(gateway.wait(LONG).code(), Some(0));
    assert_eq!(site.duo.pushes("alice"), 1);
    assert!(gateway.output().contains("outcome=accept"), "it is told of");
}

#[test]
fn a_login_that_waits_longer_than_the_grace_period_is_left_and_counted() {
    let site = Site::new();
    site.duo.everybody(User::who(Outcome::Wait));
    let mut gateway = Start::with(&site.config(""))
        .argument("--grace")
        .argument("1")
        .ready();
    let nas = site.nas();
    for user in ["alice", "bob", "carol"] {
        nas.send(&nas.access(user, "any").encode());
    }
    wait_until("the pushes are out", LONG, || {
        site.duo.count(Endpoint::Auth) == 3
    });
    let begun = now();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait(LONG).code(), Some(0));
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "the grace period is given"
    );
    assert_eq!(nas.receive(SHORT), None, "no verdict is made up");
    let output = gateway.output();
    assert!(
        output.contains("still waiting") && output.contains("left=3"),
        "{output}"
    );
}

#[test]
fn an_idle_gateway_stops_at_once_on_either_signal() {
    let site = Site::new();
    let mut gateway = Start::with(&site.config("")).ready();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let begun = now();
        gateway.signal(signal);
        assert_eq!(gateway.wait(LONG).code(), Some(0), "{signal}");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{signal}: {:?}",
            begun.elapsed()
        );
        gateway.restart();
    }
}

//! A wall clock that jumps by an hour, either way, under a running gateway: no login is lost.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    built_in::BuiltIn,
    clock::{WallClock, wait_until},
    countersign::Start,
    gateway::Site,
    nas::code,
    peers::fakeduo::{Outcome, User},
};

const LONG: Duration = Duration::from_secs(30);
const HOUR: i64 = 3_600;

#[test]
fn a_clock_that_jumps_costs_no_login_of_a_hosted_second_factor() {
    let (site, clock) = (Site::new(), WallClock::new());
    let gateway = Start::with(&site.config(""))
        .variables(clock.environment())
        .ready();
    for (turn, jump) in [HOUR, -HOUR, 0].into_iter().enumerate() {
        let waiting = format!("waits{turn}");
        site.duo.user(&waiting, User::who(Outcome::Wait));
        let nas = site.nas();
        let request = nas.access(&waiting, "any");
        nas.send(&request.encode());
        wait_until("its push is out", LONG, || site.duo.pushes(&waiting) == 1);
        clock.set(jump);
        // The service refuses dates that are more than five minutes off; its own is learned and used.
        let answer = site.nas().login(&format!("new{turn}"), "any");
        assert_eq!(
            answer.code,
            code::ACCESS_ACCEPT,
            "{jump}: {}\n{}",
            answer.message(),
            gateway.output()
        );
        site.duo.decide(&waiting, Outcome::Allow);
        let datagram = nas.receive(LONG).expect("an answer");
        let answer = request.check(&datagram).unwrap();
        assert_eq!(
            answer.code,
            code::ACCESS_ACCEPT,
            "{jump}: {}\n{}",
            answer.message(),
            gateway.output()
        );
        assert_eq!(site.duo.pushes(&waiting), 1);
        // Its repeat is a repeat still.
        nas.send(&request.encode());
        assert_eq!(nas.receive(LONG), Some(datagram), "{jump}");
    }
    assert!(
        site.duo
            .violations()
            .iter()
            .any(|one| one.contains("too far off")),
        "the clock did not jump: {:?}",
        site.duo.violations()
    );
}

#[test]
fn a_clock_that_jumps_costs_no_login_of_the_built_in_second_factor() {
    let clock = WallClock::new();
    let site = BuiltIn::start_as(|start| start.variables(clock.environment()));
    site.approving("alice");
    let codes = site.codes("alice", 3);
    for (jump, passcode) in [HOUR, -HOUR, 0].into_iter().zip(&codes) {
        clock.set(jump);
        for typed in ["any".to_owned(), format!("any,{passcode}")] {
            let answer = site.login("alice", &typed);
            assert_eq!(
                answer.code,
                code::ACCESS_ACCEPT,
                "{jump}: {}\n{}",
                answer.message(),
                site.gateway.output()
            );
        }
        let again = site.login("alice", &format!("any,{passcode}"));
        assert_eq!(again.code, code::ACCESS_REJECT, "{jump}");
    }
}

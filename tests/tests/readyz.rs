//! `/readyz` of a whole gateway: of all roles, and of one alone, which another that hangs does not touch.
#![cfg(test)]

use std::time::Duration;

use e2e::{clock, countersign::Countersign, gateway::Site};
use nix::sys::signal::{Signal, kill};

#[test]
fn a_role_is_asked_alone_while_another_hangs() {
    let site = Site::new();
    let gateway = Countersign::run(&site.config(""));
    let asked = |query: &str| {
        let answer = gateway.get(&format!("/readyz{query}"));
        (answer.status, answer.json())
    };
    assert_eq!(asked("").0, 200);
    let stuck = gateway.role("controlplane");
    kill(stuck, Signal::SIGSTOP).unwrap();
    let began = clock::now();
    let (status, said) = asked("?role=dataplane");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it waits for nobody else"
    );
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["roles"]["dataplane"]["ready"], true, "{said}");
    assert_eq!(said["roles"].as_object().unwrap().len(), 1, "{said}");
    assert_eq!(asked("?role=controlplane").0, 503);
    kill(stuck, Signal::SIGCONT).unwrap();
    for wrong in ["?role=gate", "?role="] {
        let (status, said) = asked(wrong);
        assert_eq!(status, 400, "{wrong}: {said}");
        let why = said["why"].as_str().unwrap();
        assert!(
            why.contains("write controlplane, dataplane or secondfactor"),
            "{why}"
        );
    }
}

//! Mode `eap`: a device that asks again while somebody is waited for, and answers that get mixed up.
#![cfg(test)]

use std::{mem, thread, time::Duration};

use e2e::{
    clock::wait_until,
    eap::{Gateway, PASSWORD},
    nas::{attribute, code},
    peers::{
        fakeduo::{Outcome, User},
        supplicant::{Mischief, Session, Step, Verdict, typed},
    },
};
use nix::sys::signal::Signal;

const LONG: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(300);

/// A login whose password has been sent, and whose push waits for [`Gateway::duo`]'s decision.
fn waits(gateway: &Gateway<1>, user: &str) -> Session {
    gateway.duo.user(user, User::who(Outcome::Wait));
    let before = gateway.duo.pushes(user);
    let mut session = gateway.session(0, user);
    assert_eq!(session.until_asked(), PASSWORD);
    assert_eq!(
        session.reply(format!("pw-{user}").as_str().into()),
        Step::Going
    );
    session.send();
    wait_until("the push is out", LONG, || {
        gateway.duo.pushes(user) > before
    });
    session
}

fn ends(gateway: &Gateway<1>, session: Session) {
    let login = session.run(typed(&[]));
    gateway.assert_clean(&login);
    let _ = login.accepted();
}

#[test]
fn the_same_packet_again_waits_for_the_same_push() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut session = waits(&gateway, "alice");
    for _ in 0..3 {
        session.retransmit();
    }
    assert_eq!(session.receive(MOMENT), None);
    gateway.duo.decide("alice", Outcome::Allow);
    let answer = session.receive(LONG).unwrap();
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    assert_eq!(session.receive(MOMENT), None, "one answer");
    // What was answered is answered again with the same octets.
    session.retransmit();
    assert_eq!(session.receive(LONG).unwrap().bytes, answer.bytes);
    assert_eq!(session.take(&answer), Step::Going);
    ends(&gateway, session);
    assert_eq!(gateway.duo.pushes("alice"), 1);
    assert_eq!(gateway.upstream.count("alice"), 1);
    assert_eq!(gateway.event("alice", 1).end(), ("accept", "approved"));
}

#[test]
fn the_same_response_in_a_new_request_takes_the_place_of_the_old_one() {
    let gateway = Gateway::with(["factors=push\n"]);
    // From the same port, with another id and authenticator.
    let mut session = waits(&gateway, "alice");
    let (response, state) = (session.response().clone(), session.state().clone());
    session.send();
    let newest = session.request(&response, state);
    session.send_request(newest.clone());
    assert_eq!(session.receive(MOMENT), None);
    gateway.duo.decide("alice", Outcome::Allow);
    let answer = session.receive(LONG).unwrap();
    assert!(
        newest.check(&answer.bytes).is_ok(),
        "an older one was answered"
    );
    assert_eq!(session.receive(MOMENT), None, "the older ones never are");
    assert_eq!(session.take(&answer), Step::Going);
    ends(&gateway, session);

    // From another port.
    let mut session = waits(&gateway, "bob");
    session.move_port();
    session.send();
    assert_eq!(session.receive(MOMENT), None);
    gateway.duo.decide("bob", Outcome::Allow);
    let answer = session.receive(LONG).unwrap();
    assert_eq!(session.receive_on_old_port(MOMENT), None);
    assert_eq!(session.take(&answer), Step::Going);
    ends(&gateway, session);

    for user in ["alice", "bob"] {
        assert_eq!(gateway.duo.pushes(user), 1);
        assert_eq!(gateway.upstream.count(user), 1);
        let events = gateway.running.events_of(user, 1);
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(events[0]["reason"], "approved");
    }
}

#[test]
fn another_response_meanwhile_is_ignored() {
    let gateway = Gateway::with(["factors=push\n"]);
    let mut session = waits(&gateway, "alice");
    let (response, state) = (session.response().clone(), session.state().clone());
    for mischief in [
        Mischief::Garbage(100),
        Mischief::WrongIdentifier,
        Mischief::Acknowledgement,
        Mischief::Nak(vec![4]),
        Mischief::PlainGtc("pw-alice".to_owned()),
        Mischief::OtherVersion,
    ] {
        session.response().clone_from(&response);
        session.misbehave(&mischief);
        let stray = session.response().clone();
        let request = session.request(&stray, state.clone());
        session.send_request(request);
    }
    assert_eq!(session.receive(MOMENT), None);
    session.response().clone_from(&response);
    gateway.duo.decide("alice", Outcome::Allow);
    let answer = session.receive(LONG).unwrap();
    assert_eq!(session.take(&answer), Step::Going);
    ends(&gateway, session);
    assert_eq!(gateway.duo.pushes("alice"), 1);
    let events = gateway.running.events_of("alice", 1);
    assert_eq!(
        (events.len(), &events[0]["reason"]),
        (1, &"approved".into())
    );
}

#[test]
fn swapped_states_let_nobody_in_as_the_other() {
    let gateway = Gateway::with(["factors=push\n"]);
    for inside in [false, true] {
        let mut sessions = ["alice", "bob"].map(|user| {
            let mut session = gateway.session(0, user);
            session.supplicant().timeout = Duration::from_secs(2);
            if inside {
                assert_eq!(session.until_asked(), PASSWORD);
                session.reply(format!("pw-{user}").as_str().into());
            } else {
                session.rounds(2);
            }
            session
        });
        let [one, two] = &mut sessions;
        mem::swap(one.state(), two.state());
        for session in sessions {
            let login = session.run(typed(&["pw-alice"]));
            assert_ne!(login.verdict, Verdict::Accepted);
        }
    }
    assert_eq!(gateway.upstream.requests().len(), 0);

    // While the push of one waits, the other brings its State.
    let mut waiting = waits(&gateway, "alice");
    let mut other = gateway.session(0, "bob");
    other.supplicant().timeout = MOMENT;
    assert_eq!(other.until_asked(), PASSWORD);
    other.reply("pw-bob".into());
    let own = other.state().clone();
    other.state().clone_from(waiting.state());
    assert_eq!(other.step(), Step::Ended(Verdict::Silent));
    gateway.duo.decide("alice", Outcome::Allow);
    assert_eq!(waiting.wait(), Step::Going);
    ends(&gateway, waiting);
    assert_eq!(gateway.upstream.count("bob"), 0);
    // Its own is as it was.
    *other.state() = own;
    other.supplicant().timeout = LONG;
    let _ = other.run(typed(&[])).accepted();
}

#[test]
fn a_state_is_of_one_client_and_one_section() {
    let gateway = Gateway::with(["factors=push\n", "factors=push\n"]);
    let mut session = gateway.session(0, "alice");
    session.rounds(2);
    let (response, state) = (session.response().clone(), session.state().clone());
    let request = session.request(&response, state);
    for (local, section) in [([127, 0, 0, 5], 0), ([127, 0, 0, 1], 1)] {
        let address = gateway.address(section);
        let nas = e2e::nas::Nas::from_address(local.into(), address, e2e::peers::SECRET);
        let answer = nas.exchange(&request, LONG).unwrap();
        assert_eq!(answer.code, code::ACCESS_REJECT);
        let eap = answer.first(attribute::EAP_MESSAGE).unwrap();
        assert_eq!((eap[0], eap[1]), (4, response[1]));
    }
    for event in gateway.running.events_of("anon", 2) {
        assert_eq!(event["reason"], "unknown_state");
        assert!(
            event.to_string().contains("with another client"),
            "{event:#}"
        );
    }
    // Whose it is goes on.
    let _ = session.run(typed(&["pw-alice"])).accepted();
}

#[test]
fn many_at_once_do_not_get_in_each_others_way() {
    const PEERS: usize = 24;
    const LOGINS: usize = 3;
    let gateway = Gateway::with([""]);
    thread::scope(|scope| {
        for number in 0..PEERS {
            let gateway = &gateway;
            scope.spawn(move || {
                let user = format!("u{number}");
                for _ in 0..LOGINS {
                    let login = gateway.login(0, &user, &[&format!("pw-{user}"), "push"]);
                    let _ = login.accepted();
                    // In between, somebody who does not know the password.
                    let login = gateway.login(0, &user, &["pw-u999"]);
                    let _ = login.rejected();
                }
            });
        }
    });
    for number in 0..PEERS {
        let user = format!("u{number}");
        assert_eq!(gateway.duo.pushes(&user), LOGINS);
        let events = gateway.running.events_of(&user, 2 * LOGINS);
        let accepted = events.iter().filter(|one| one["outcome"] == "accept");
        assert_eq!((accepted.count(), events.len()), (LOGINS, 2 * LOGINS));
    }
}

#[test]
fn a_push_that_nobody_answers_ends_with_the_time_for_it() {
    let gateway = Gateway::with(["factors=push\napi_timeout=1\n"]);
    gateway.duo.user("alice", User::who(Outcome::Wait));
    let login = gateway.login(0, "alice", &["pw-alice"]);
    assert_eq!(login.rejected().result, Some(false));
    assert_eq!(gateway.event("alice", 1).end(), ("reject", "timed_out"));
}

#[test]
fn a_node_that_drains_lets_those_finish_who_wait() {
    let mut gateway = Gateway::with(["factors=push\n"]);
    let session = waits(&gateway, "alice");
    gateway.running.signal(Signal::SIGTERM);
    wait_until("it drains", LONG, || {
        let output = gateway.running.output();
        output.contains("stopping in_flight=1") && gateway.running.get("/readyz").status == 503
    });
    gateway.duo.decide("alice", Outcome::Allow);
    // What the supplicant says to the result comes while it drains.
    let login = session.run(typed(&[]));
    let _ = login.accepted();
    assert!(gateway.running.wait(LONG).success());
    let output = gateway.running.output();
    let line = "user=\"alice\" outcome=accept reason=approved";
    assert!(output.contains(line), "{output}");
}

#[test]
fn an_end_that_was_lost_comes_again_and_nothing_is_decided_anew() {
    let gateway = Gateway::with(["factors=push\n"]);
    for (user, said, end) in [
        ("alice", Outcome::Allow, (code::ACCESS_ACCEPT, "approved")),
        ("bob", Outcome::Deny, (code::ACCESS_REJECT, "denied")),
    ] {
        let mut session = waits(&gateway, user);
        gateway.duo.decide(user, said);
        assert_eq!(session.wait(), Step::Going);
        session.send();
        let lost = session.receive(LONG).unwrap();
        // Not the same octets: a request of its own, with its own keys.
        session.send();
        let answer = session.receive(LONG).unwrap();
        assert_eq!((lost.code, answer.code), (end.0, end.0), "{user}");
        assert_ne!(lost.bytes[4..], answer.bytes[4..]);
        let Step::Ended(verdict) = session.take(&answer) else {
            panic!("{user}: it goes on");
        };
        let login = session.end(verdict);
        if user == "alice" {
            let _ = login.accepted();
        } else {
            let _ = login.rejected();
        }
        let events = gateway.running.events_of(user, 1);
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(events[0]["reason"], end.1);
        assert_eq!(gateway.duo.pushes(user), 1);
    }
}

#[test]
fn a_stop_tells_of_whoever_waits() {
    let mut gateway = Gateway::with(["factors=push\n"]);
    let session = waits(&gateway, "alice");
    assert!(gateway.running.stop().success());
    let output = gateway.running.output();
    let line = "user=\"alice\" outcome=unanswered reason=stopping";
    assert!(output.contains(line), "{output}");
    drop(session);
}

//! Who is asked, and with what: nobody who needs no factor, and no more than `factors` let through.

use super::challenge::{ANY, MENU, answered, asked, asks_for_passcode, challenge, outcome};
use super::*;
use crate::flow::AnswerCode::{Accept, Challenge, Reject};
use crate::flow::Pending;

#[test]
fn who_needs_no_factor_sees_no_menu() {
    let status_msg = || "Said so.".to_owned();
    for (preauth, want) in [
        (
            Preauth::Allow {
                status_msg: status_msg(),
            },
            (Accept, Reason::Bypassed, "Said so."),
        ),
        (
            Preauth::Deny {
                status_msg: status_msg(),
            },
            (Reject, Reason::SecondFactorRefused, "Said so."),
        ),
    ] {
        let one = challenge(|_| {});
        let mut first = Login::new(Arc::clone(&one), ANY, "pw");
        let mut second = answered(&one, asked(&one), "1");
        for login in [&mut first, &mut second] {
            login.asks_preauth(Event::Begin);
            let answer = login.answer(Event::Preauth(Ok(preauth.clone())));
            assert_eq!(outcome(&answer), want);
        }
    }
    let exempt = challenge(|one| one.exempt_users = vec!["alice".to_owned()]);
    let answer = Login::new(exempt, ANY, "pw").answer(Event::Begin);
    assert_eq!((answer.code, answer.reason), (Accept, Reason::ExemptUser));
}

#[test]
fn the_link_to_enrol_comes_as_is_set_and_no_answer_to_it_lets_in() {
    let enroll = || {
        Event::Preauth(Ok(Preauth::Enroll {
            status_msg: "Enroll a device.".to_owned(),
            portal_url: Some("https://api.example.com/p?c=1".to_owned()),
        }))
    };
    let text = "Enroll a device. https://api.example.com/p?c=1";
    for (asks, code) in [(true, Challenge), (false, Reject)] {
        let one = challenge(|one| one.prompt.enroll_challenge = asks);
        let mut login = Login::new(Arc::clone(&one), ANY, "pw");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(enroll());
        assert_eq!(outcome(&answer), (code, Reason::NotEnrolled, text));
        assert_eq!(answer.pending, asks.then_some(Pending::Enrolment));
        for typed in ["", "ok", "push", "123456"] {
            let answer = answered(&one, Pending::Enrolment, typed).answer(Event::Begin);
            let want = "Finish the enrolment first, then log in again.";
            assert_eq!(outcome(&answer), (Reject, Reason::NotEnrolled, want));
        }
    }
    // Nobody is asked in the modes that ask for nothing.
    let mut login = Login::auto(ANY, "pw");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(enroll());
    assert_eq!(outcome(&answer), (Reject, Reason::NotEnrolled, text));
}

#[test]
fn factors_filter_the_menu() {
    use FactorChoice::{Auto, Passcode, Phone, Push, Sms};
    let from = |names: &str| format!("Choose a secondary factor from ({names}):");
    for (factors, want) in [
        (vec![Auto], MENU.to_owned()),
        (vec![Phone, Auto], MENU.to_owned()),
        (vec![Phone], from("'phone1', 'phone2'")),
        (vec![Sms, Push], from("'push1', 'push2', 'sms1', 'sms2'")),
        (
            vec![Push, Passcode],
            "Choose a secondary factor from ('push1', 'push2') or enter passcode:".to_owned(),
        ),
        (vec![Passcode], "Enter passcode:".to_owned()),
    ] {
        let one = challenge(|one| one.factors = factors.clone());
        let mut login = Login::new(one, ANY, "pw");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices()));
        assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*want));
    }
    let one = challenge(|one| one.factors = vec![Push]);
    let mut login = Login::new(one, ANY, "pw");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(can_use(vec![device("B", "phone")]));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::NoUsableFactor)
    );
}

#[test]
fn auto_mode_asks_for_a_passcode_where_factors_say_so() {
    let text = "Enter passcode:";
    for (factors, can, asks) in [
        (vec![FactorChoice::Passcode], "auto push", true),
        (
            vec![FactorChoice::Push, FactorChoice::Passcode],
            "phone",
            true,
        ),
        (vec![FactorChoice::Auto, FactorChoice::Passcode], "", true),
        (
            vec![FactorChoice::Push, FactorChoice::Passcode],
            "push",
            false,
        ),
    ] {
        let one = integration(Mode::Auto, |one| one.factors = factors.clone());
        let mut login = Login::new(one, ANY, "pw");
        login.asks_preauth(Event::Begin);
        match login.step(can_use(vec![device("A", can)])) {
            Action::Answer(answer) if asks => {
                assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, text));
            }
            Action::Auth { .. } if !asks => {}
            other => panic!("{factors:?}: {other:?}"),
        }
    }
    // What was appended is used.
    let one = asks_for_passcode(|_| {});
    let mut login = Login::new(Arc::clone(&one), ANY, "pw,123456");
    login.asks_preauth(Event::Begin);
    assert_eq!(login.asks_auth(can_use(devices())), passcode("123456"));
    // Names work as an answer; there is no list to count in.
    for (typed, want) in [
        ("push", AuthFactor::Push(id("A"))),
        ("phone2", AuthFactor::Phone(id("C"))),
        ("1", passcode("1")),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        assert_eq!(login.asks_auth(can_use(devices())), want, "{typed}");
    }
    let mut login = answered(&one, asked(&one), "");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(can_use(devices()));
    let again = format!("Nothing was typed. {text}");
    assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*again));
}

#[test]
fn a_prompt_takes_as_much_room_as_there_is() {
    let one = integration(Mode::Challenge, |one| one.prompt.split = true);
    let many: Vec<_> = (0..12)
        .map(|n| device(&format!("Phone number {n:04}"), "push phone sms"))
        .collect();
    let shown = |room: Option<usize>| {
        let mut login = Login::new(Arc::clone(&one), ANY, "pw");
        if let Some(room) = room {
            login.flow = login.flow.with_reply_room(room);
        }
        login.asks_preauth(Event::Begin);
        login.answer(can_use(many.clone())).reply_message.unwrap()
    };
    assert!(shown(Some(3_000)).contains("36. SMS passcodes to"));
    assert!(shown(Some(900)).starts_with("Choose a secondary factor from"));
    assert_eq!(shown(None), "Choose a secondary factor or enter passcode:");
}

//! Numbers that a prompt shows and that are typed on the phone to approve a push, and what the
//! built-in service is told besides.

use std::net::IpAddr;

use super::challenge::{ANY, MENU, answered, asks_for_passcode, challenge, outcome};
use super::*;
use crate::duo::message::{AuthRequest, PreauthRequest, PushNumber};
use crate::flow::AnswerCode::Challenge;
use crate::flow::{Pending, Prompted, texts};

const PIN: &str = "-----BEGIN CERTIFICATE-----";

fn built_in(one: &mut raw::Integration) {
    one.application.pinned_ca = Some(PIN.to_owned());
}

fn numbered(code: &str, txid: &str, devices: Vec<Device>) -> Event {
    Event::Preauth(Ok(Preauth::Auth {
        status_msg: "Account is active".to_owned(),
        devices,
        number: Some(PushNumber {
            txid: Txid(txid.to_owned()),
            code: code.to_owned(),
        }),
    }))
}

fn preauth(action: Action) -> PreauthRequest {
    match action {
        Action::Preauth { request, .. } => request,
        other => panic!("preauth not asked but {other:?}"),
    }
}

fn auth(action: Action) -> AuthRequest {
    match action {
        Action::Auth { request, .. } => request,
        other => panic!("no auth request but {other:?}"),
    }
}

fn prompted(answer: Answer) -> Prompted {
    match answer.pending {
        Some(Pending::Prompt(prompted)) => prompted,
        other => panic!("{other:?}"),
    }
}

fn from_client(login: Login) -> Login {
    let client: IpAddr = "::ffff:192.0.2.9".parse().unwrap();
    Login {
        flow: login.flow.from_client(Some(client)),
        ..login
    }
}

/// A prompt that showed 481 for `t-1`.
fn asked(integration: &Arc<Integration>) -> Pending {
    let mut login = Login::new(Arc::clone(integration), ANY, "pw");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(numbered("481", "t-1", devices()));
    Pending::Prompt(prompted(answer))
}

#[test]
fn only_the_built_in_service_is_told_and_only_a_menu_shows_numbers() {
    let eap = |change: fn(&mut raw::Integration)| {
        integration(Mode::Eap, |one| {
            one.append.allow = false;
            one.factors.clear();
            change(one);
        })
    };
    let auto = integration(Mode::Auto, built_in);
    let nothing = |_: &mut raw::Integration| {};
    let table = [
        ("challenge", challenge(built_in), true, Some(true)),
        ("challenge, hosted", challenge(nothing), true, None),
        ("EAP's menu", eap(built_in), true, Some(true)),
        ("EAP's menu, hosted", eap(nothing), true, None),
        ("EAP that cannot ask", eap(built_in), false, Some(false)),
        ("auto", auto, true, Some(false)),
        (
            "a question for a passcode",
            asks_for_passcode(built_in),
            true,
            Some(false),
        ),
        (
            "EAP's question for a passcode",
            eap(|one| {
                built_in(one);
                one.factors = vec![FactorChoice::Passcode];
            }),
            true,
            Some(false),
        ),
    ];
    for (name, one, asks, want) in table {
        let mut login = from_client(Login::new(one, ASK, "pw"));
        if !asks {
            login.flow = login.flow.without_questions();
        }
        login.asks_primary(Event::Begin);
        let request = preauth(login.step(accepted()));
        assert_eq!(request.shows_numbers, want == Some(true), "{name}");
        let hostname = want.map(|_| "192.0.2.9".to_owned());
        assert_eq!(request.hostname, hostname, "{name}");
        // A decision is asked for by the same name.
        if let Action::Auth { request, .. } = login.step(can_use(devices())) {
            assert_eq!(request.hostname, hostname, "{name}");
            assert_eq!(request.txid, None, "{name}");
        }
    }
}

#[test]
fn the_number_is_shown_and_goes_along_with_the_push_that_it_was_shown_for() {
    let one = challenge(built_in);
    let mut login = Login::new(Arc::clone(&one), ANY, "pw");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(numbered("481", "t-1", devices()));
    let text = format!("If you choose a push, type 481 on your phone. {MENU}");
    assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*text));
    assert_eq!(
        prompted(answer).number,
        PushNumber::new("t-1", "481").map(Box::new)
    );

    let listed = [
        ("1", Some("t-1")),
        ("push2", Some("t-1")),
        (" 481 ", Some("t-1")),
        ("phone", None),
        ("sms", None),
        ("7", None),
    ];
    for (typed, txid) in listed {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        // The service makes a number anew each time; the one that was shown counts.
        let request = auth(login.step(numbered("999", "t-2", devices())));
        assert_eq!(
            request.txid,
            txid.map(|one| Txid(one.to_owned())),
            "{typed}"
        );
        // The service wants none any more: the one that was shown counts all the same.
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        let request = auth(login.step(can_use(devices())));
        assert_eq!(
            request.txid,
            txid.map(|one| Txid(one.to_owned())),
            "{typed}"
        );
    }
    let mut login = answered(&one, asked(&one), "123456");
    assert_eq!(auth(login.step(Event::Begin)).txid, None);
}

#[test]
fn a_number_that_is_wanted_meanwhile_is_shown_before_the_push() {
    let one = challenge(built_in);
    let mut login = Login::new(Arc::clone(&one), ANY, "pw");
    login.asks_preauth(Event::Begin);
    let pending = Pending::Prompt(prompted(login.answer(can_use(devices()))));
    let mut login = answered(&one, pending, "1");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(numbered("999", "t-2", devices()));
    let line = texts::NUMBER_WANTED;
    let text = format!("{line} If you choose a push, type 999 on your phone. {MENU}");
    assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*text));
    let next = prompted(answer);
    assert_eq!(next.repeats, 1);
    assert_eq!(next.number, PushNumber::new("t-2", "999").map(Box::new));
    let mut login = answered(&one, Pending::Prompt(next), "1");
    login.asks_preauth(Event::Begin);
    let request = auth(login.step(numbered("111", "t-3", devices())));
    assert_eq!(request.txid, Some(Txid("t-2".to_owned())));
}

#[test]
fn another_prompt_shows_the_number_of_its_own() {
    let one = challenge(|one| {
        built_in(one);
        one.prompt.passcode_retries = 3;
    });
    let wrong = Event::Auth(Ok(AuthReply::Decided(decision(
        AuthResult::Deny,
        AuthStatus::Deny,
        "Invalid passcode.",
    ))));
    let mut login = answered(&one, asked(&one), "123456");
    login.asks_auth(Event::Begin);
    login.asks_preauth(wrong);
    let answer = login.answer(numbered("222", "t-2", devices()));
    let text = format!("Invalid passcode. If you choose a push, type 222 on your phone. {MENU}");
    assert_eq!(outcome(&answer), (Challenge, Reason::Denied, &*text));
    assert_eq!(
        prompted(answer).number,
        PushNumber::new("t-2", "222").map(Box::new)
    );
}

#[test]
fn who_has_no_such_factor_reads_what_there_is() {
    let has = || vec![device("A", "auto push sms")];
    let list = "Choose a secondary factor from ('push1', 'sms1') or enter passcode:";
    let menu = challenge(|_| {});
    let question = asks_for_passcode(|_| {});
    let eap = |factors: Vec<FactorChoice>| {
        integration(Mode::Eap, |one| {
            one.append.allow = false;
            one.factors = factors;
        })
    };
    let named = "You have no 'phone'. You can use: push1, sms1, a passcode.";
    for (name, one, want) in [
        ("challenge", menu, format!("You have no 'phone'. {list}")),
        ("auto", question, format!("{named} Enter passcode:")),
        (
            "EAP's menu",
            eap(Vec::new()),
            format!("You have no 'phone'. {list}"),
        ),
        (
            "EAP's question",
            eap(vec![FactorChoice::Passcode]),
            format!("{named} Enter passcode:"),
        ),
    ] {
        let mut login = Login::new(Arc::clone(&one), ASK, "pw");
        login.asks_primary(Event::Begin);
        login.asks_preauth(accepted());
        let pending = login.answer(can_use(has())).pending.unwrap();
        let start = epoch();
        let mut login = Login {
            flow: Flow::resume(one, request("phone"), ASK, pending).unwrap(),
            start,
            now: start,
        };
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(has()));
        assert_eq!(
            outcome(&answer),
            (Challenge, Reason::Prompted, &*want),
            "{name}"
        );
    }
    // Appended, it ends the login.
    let mut login = Login::auto(ASK, "pw,phone");
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    assert_eq!(outcome(&login.answer(can_use(has()))).2, named);
}

#[test]
fn a_menu_without_pushes_shows_no_number() {
    for (factors, devices) in [
        (vec![FactorChoice::Passcode, FactorChoice::Phone], devices()),
        (vec![FactorChoice::Auto], vec![device("B", "phone")]),
    ] {
        let one = challenge(|one| {
            built_in(one);
            one.factors = factors;
        });
        let mut login = Login::new(one, ANY, "pw");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(numbered("481", "t-1", devices));
        assert!(!outcome(&answer).2.contains("481"), "{answer:?}");
        assert_eq!(prompted(answer).number, None);
    }
}

#[test]
fn a_number_that_is_typed_at_the_prompt_means_the_push() {
    for (code, typed, want) in [
        ("481", "481", AuthFactor::Push(id("A"))),
        ("aB3d", "AB3D", AuthFactor::Push(id("A"))),
        ("481", "482", passcode("482")),
        // The option goes before it.
        ("3", "3", AuthFactor::Phone(id("B"))),
    ] {
        let one = challenge(built_in);
        let mut login = Login::new(Arc::clone(&one), ANY, "pw");
        login.asks_preauth(Event::Begin);
        let pending = prompted(login.answer(numbered(code, "t-1", devices())));
        let mut login = answered(&one, Pending::Prompt(pending), typed);
        let mut action = login.step(Event::Begin);
        if matches!(action, Action::Preauth { .. }) {
            action = login.step(can_use(devices()));
        }
        assert_eq!(auth(action).factor, want, "{typed}");
    }
}

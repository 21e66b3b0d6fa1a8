//! Logins while an administrator lets the primary be enough.

use super::*;
use crate::flow::AnswerCode::{Accept, Challenge, Reject};
use crate::flow::Pending;
use crate::primary::{Asked, Method, Relayed, UpstreamAttribute, UpstreamValue};

const RELAYS: PrimaryUse = PrimaryUse::Ask {
    budget: BUDGET,
    relays: true,
};

fn granted(mode: Mode, primary: PrimaryUse, password: &str) -> Login {
    let mut login = Login::new(integration(mode, |_| {}), primary, password);
    login.flow.set_primary_only(true);
    login
}

fn let_in() -> Answer {
    Answer {
        code: Accept,
        reason: Reason::PrimaryOnly,
        reply_message: Some(
            "The second factor is not asked for now. You are let in on your password.".to_owned(),
        ),
        factor: None,
        attributes: Vec::new(),
        pending: None,
    }
}

#[test]
fn whom_the_primary_accepts_is_let_in_without_a_factor() {
    for (mode, typed, asked) in [
        (Mode::Auto, "pw", "pw"),
        (Mode::Auto, "pw,push", "pw"),
        (Mode::Auto, "pw,123456", "pw"),
        // What follows the delimiter may be missing: nobody looks at it.
        (Mode::Concat, "pw", "pw"),
        (Mode::Concat, "pw,123456", "pw"),
        (Mode::Challenge, "pw", "pw"),
        (Mode::Challenge, "pw,push", "pw,push"),
        (Mode::Eap, "pw", "pw"),
    ] {
        for fail_mode in [FailMode::Safe, FailMode::Secure] {
            let one = integration(mode, |i| i.fail_mode = fail_mode);
            let mut login = Login::new(one, ASK, typed);
            login.flow.set_primary_only(true);
            assert_eq!(login.asks_primary(Event::Begin), asked, "{mode} {typed}");
            assert_eq!(login.answer(accepted()), let_in(), "{mode} {typed}");
        }
    }
}

#[test]
fn whom_the_primary_does_not_accept_is_told_the_same_as_ever() {
    use crate::primary::{PrimaryFailure, PrimaryFailureKind};
    let away = || {
        Event::Primary(Err(PrimaryFailure {
            kind: PrimaryFailureKind::Unavailable,
            detail: String::new(),
        }))
    };
    for mode in [Mode::Auto, Mode::Challenge, Mode::Eap, Mode::Concat] {
        for (event, reason) in [
            (rejected(Reason::WrongPassword), Reason::WrongPassword),
            (rejected(Reason::NotPermitted), Reason::NotPermitted),
            (rejected(Reason::AccountLocked), Reason::AccountLocked),
            (away(), Reason::PrimaryUnavailable),
            (Event::TimedOut, Reason::PrimaryUnavailable),
        ] {
            let mut login = granted(mode, ASK, "pw");
            login.asks_primary(Event::Begin);
            let answer = login.answer(event);
            assert_eq!((answer.code, answer.reason), (Reject, reason), "{mode}");
        }
        let answer = granted(mode, ASK, "").answer(Event::Begin);
        assert_eq!(answer.reason, Reason::EmptyPassword, "{mode}");
    }
    // The part before the delimiter, then the whole: neither is a password.
    let mut login = granted(Mode::Auto, ASK, "pw,push");
    assert_eq!(login.asks_primary(Event::Begin), "pw");
    let whole = login.asks_primary(rejected(Reason::WrongPassword));
    assert_eq!(whole, "pw,push");
    let answer = login.answer(rejected(Reason::WrongPassword));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::WrongPassword)
    );
}

#[test]
fn where_nobody_checks_a_password_nothing_is_opened() {
    for mode in [Mode::Auto, Mode::Challenge] {
        granted(mode, PrimaryUse::AnyPassword, "pw").asks_preauth(Event::Begin);
    }
    granted(Mode::Concat, PrimaryUse::AnyPassword, "pw,123456").asks_preauth(Event::Begin);
    let bare = granted(Mode::Concat, PrimaryUse::AnyPassword, "pw").answer(Event::Begin);
    assert_eq!((bare.code, bare.reason), (Reject, Reason::FactorMissing));
    for primary in [PrimaryUse::None, PrimaryUse::AnyPassword, ASK] {
        granted(Mode::DuoOnly, primary, "123456").asks_preauth(Event::Begin);
    }
}

#[test]
fn an_exempt_user_is_told_so_and_no_other() {
    let exempt = integration(Mode::Auto, |i| i.exempt_users = vec!["alice".to_owned()]);
    let mut login = Login::new(exempt, ASK, "pw");
    login.flow.set_primary_only(true);
    login.asks_primary(Event::Begin);
    assert_eq!(login.answer(accepted()).reason, Reason::ExemptUser);
}

#[test]
fn a_proof_that_an_upstream_accepts_is_enough() {
    for mode in [Mode::Auto, Mode::Challenge, Mode::Concat] {
        let request = Request {
            credential: Credential::Relayed(Relayed {
                method: Method::MsChap,
                attributes: Secret::new(vec![1, 2, 3]),
            }),
            ..request("")
        };
        let mut flow = Flow::new(integration(mode, |_| {}), request, RELAYS).unwrap();
        flow.set_primary_only(true);
        let now = epoch();
        let action = flow.step(now, Event::Begin);
        assert!(
            matches!(action, Action::Primary { .. }),
            "{mode} {action:?}"
        );
        let keys = UpstreamAttribute {
            vendor: Some(311),
            number: 17,
            value: UpstreamValue::Plain(vec![1]),
            always: true,
        };
        let accepted = Acceptance {
            attributes: vec![keys.clone()],
            ..Acceptance::default()
        };
        let action = flow.step(now, Event::Primary(Ok(Verdict::Accepted(accepted))));
        let want = Answer {
            attributes: vec![keys],
            ..let_in()
        };
        assert_eq!(action, Action::Answer(want), "{mode}");
    }
}

#[test]
fn what_is_in_force_when_the_primary_answers_counts() {
    // It ends, or is revoked, while the primary is asked.
    let mut login = granted(Mode::Auto, ASK, "pw");
    login.asks_primary(Event::Begin);
    login.flow.set_primary_only(false);
    login.asks_preauth(accepted());
    // Nothing was appended, since nothing had to be when it was typed.
    let mut login = granted(Mode::Concat, ASK, "pw");
    login.asks_primary(Event::Begin);
    login.flow.set_primary_only(false);
    login.asks_preauth(accepted());
    let answer = login.answer(can_use(devices()));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::FactorMissing)
    );
    // It begins meanwhile.
    let mut login = Login::auto(ASK, "pw");
    login.asks_primary(Event::Begin);
    login.flow.set_primary_only(true);
    assert_eq!(login.answer(accepted()), let_in());
}

#[test]
fn a_login_that_the_second_factor_has_already_goes_on_with_it() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    login.flow.set_primary_only(true);
    let denied = decision(AuthResult::Deny, AuthStatus::Fraud, "No");
    let answer = login.answer(Event::Poll(Ok(denied)));
    assert_eq!((answer.code, answer.reason), (Reject, Reason::Fraud));
    let mut login = Login::auto(ASK, "pw");
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    login.flow.set_primary_only(true);
    let deny = Preauth::Deny {
        status_msg: "No".to_owned(),
    };
    let answer = login.answer(Event::Preauth(Ok(deny)));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::SecondFactorRefused)
    );
}

#[test]
fn the_answer_to_a_prompt_goes_to_the_second_factor() {
    let one = integration(Mode::Challenge, |i| i.prompt.passcode_retries = 3);
    let mut login = Login::new(Arc::clone(&one), ASK, "pw");
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    let asked = login.answer(can_use(devices()));
    assert_eq!(asked.code, Challenge);
    let pending = asked.pending.unwrap();
    for (typed, wants_list) in [("1", true), ("123456789", false), ("", true)] {
        let mut flow =
            Flow::resume(Arc::clone(&one), request(typed), ASK, pending.clone()).unwrap();
        flow.set_primary_only(true);
        let action = flow.step(login.now, Event::Begin);
        match wants_list {
            true => assert!(
                matches!(action, Action::Preauth { .. }),
                "{typed} {action:?}"
            ),
            false => assert!(matches!(action, Action::Auth { .. }), "{typed} {action:?}"),
        }
        // A wrong passcode is asked again; it is no way round the second factor either.
        if !wants_list {
            let denied = decision(AuthResult::Deny, AuthStatus::Deny, "No");
            let action = flow.step(login.now, Event::Auth(Ok(AuthReply::Decided(denied))));
            assert!(matches!(action, Action::Preauth { .. }), "{action:?}");
            let failed = Event::Preauth(Err(failure(FailureKind::Connect)));
            let Action::Answer(answer) = flow.step(login.now, failed) else {
                panic!("no answer");
            };
            assert_eq!((answer.code, answer.reason), (Reject, Reason::Denied));
        }
    }
}

#[test]
fn the_answer_to_an_upstreams_question_is_judged_by_the_upstream() {
    let pending = Pending::Upstream {
        asked: Asked {
            host: 0,
            state: Some(b"theirs".to_vec()),
        },
        typed: None,
    };
    let auto = integration(Mode::Auto, |_| {});
    let mut flow = Flow::resume(auto, request("42"), RELAYS, pending).unwrap();
    flow.set_primary_only(true);
    let now = epoch();
    let action = flow.step(now, Event::Begin);
    assert!(matches!(action, Action::Primary { .. }), "{action:?}");
    assert_eq!(flow.step(now, accepted()), Action::Answer(let_in()));
}

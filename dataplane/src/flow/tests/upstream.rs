//! Proofs that only an upstream can check, and questions that it asks.

use super::*;
use crate::flow::AnswerCode::{Accept, Challenge, Reject};
use crate::flow::Pending;
use crate::primary::{Asked, Method, Question, Relayed, UpstreamAttribute, UpstreamValue};

const RELAYS: PrimaryUse = PrimaryUse::Ask {
    budget: BUDGET,
    relays: true,
};

fn proof(method: Method) -> Credential {
    Credential::Relayed(Relayed {
        method,
        attributes: Secret::new(vec![1, 2, 3]),
    })
}

fn with(credential: Credential) -> Request {
    Request {
        credential,
        ..request("")
    }
}

fn flow(mode: Mode, primary: PrimaryUse, credential: Credential) -> Flow {
    let exempt = |i: &mut raw::Integration| i.exempt_users = vec!["exempt".to_owned()];
    Flow::new(integration(mode, exempt), with(credential), primary).unwrap()
}

fn answer(action: Action) -> Answer {
    match action {
        Action::Answer(answer) => answer,
        other => panic!("no answer but {other:?}"),
    }
}

fn question(text: &str) -> Event {
    Event::Primary(Ok(Verdict::Asked(Question {
        asked: asked(),
        message: Some(text.to_owned()),
        attributes: vec![given()],
        detail: "192.0.2.1:1812 asked".to_owned(),
    })))
}

fn asked() -> Asked {
    Asked {
        host: 1,
        state: Some(b"theirs".to_vec()),
    }
}

fn given() -> UpstreamAttribute {
    UpstreamAttribute {
        vendor: None,
        number: 18,
        value: UpstreamValue::Plain(b"Code?".to_vec()),
        always: true,
    }
}

#[test]
fn a_proof_goes_to_the_upstream_and_the_second_factor_follows() {
    let login = Login::auto(RELAYS, "");
    let now = login.now;
    for method in [Method::Chap, Method::MsChap] {
        let mut flow = flow(Mode::Auto, RELAYS, proof(method));
        let Action::Primary {
            credential,
            answers: None,
            ..
        } = flow.step(now, Event::Begin)
        else {
            panic!("{method:?} is not relayed");
        };
        assert_eq!(credential, proof(method));
        let action = flow.step(now, accepted());
        assert!(matches!(action, Action::Preauth { .. }), "{action:?}");
    }
}

#[test]
fn a_proof_that_nobody_can_check_is_refused_before_anybody_is_asked() {
    let now = Login::auto(ASK, "").now;
    for (mode, primary, what) in [
        (Mode::Auto, ASK, "PAP"),
        (Mode::Auto, PrimaryUse::AnyPassword, "PAP"),
        (Mode::DuoOnly, RELAYS, "PAP"),
        (Mode::Concat, RELAYS, "nothing appended"),
    ] {
        for method in [Method::Chap, Method::MsChap] {
            let mut flow = flow(mode, primary, proof(method));
            let answer = answer(flow.step(now, Event::Begin));
            assert_eq!(
                (answer.code, answer.reason),
                (Reject, Reason::UnsupportedMethod),
                "{mode} {method:?}"
            );
            let said = answer.reply_message.unwrap();
            assert!(said.contains(what), "{mode} {method:?}: {said}");
        }
    }
}

#[test]
fn a_question_of_the_upstream_is_passed_on_and_its_answer_taken_back() {
    let mut login = Login::auto(RELAYS, "pw,push");
    assert_eq!(login.asks_primary(Event::Begin), "pw");
    let now = login.now;
    let challenge = login.answer(question("Code?"));
    assert_eq!(
        (challenge.code, challenge.reason),
        (Challenge, Reason::PrimaryChallenge)
    );
    assert_eq!(challenge.reply_message.as_deref(), Some("Code?"));
    assert_eq!(challenge.attributes, [given()]);
    let pending = challenge.pending.unwrap();
    let want = Pending::Upstream {
        asked: asked(),
        typed: Some(Secret::from("push")),
    };
    assert_eq!(pending, want);

    // The answer is never split, and may be empty.
    for typed in ["12,34", ""] {
        let credential = Credential::Password(Secret::from(typed));
        let again = with(credential.clone());
        let auto = integration(Mode::Auto, |_| {});
        let mut flow = Flow::resume(auto, again, RELAYS, pending.clone()).unwrap();
        let Action::Primary {
            credential: sent,
            answers,
            ..
        } = flow.step(now, Event::Begin)
        else {
            panic!("the upstream is not asked");
        };
        assert_eq!((sent, answers), (credential, Some(asked())));
        // It may ask again: what was appended is kept.
        let again = answer(flow.step(now, question("And?")));
        assert_eq!(again.pending, Some(pending.clone()));
    }
}

#[test]
fn the_factor_appended_before_the_question_is_used_after_it() {
    let now = Login::auto(RELAYS, "").now;
    let is_phone: fn(&AuthFactor) -> bool = |factor| matches!(factor, AuthFactor::Phone(_));
    let is_code: fn(&AuthFactor) -> bool = |factor| *factor == passcode("123456");
    for (mode, typed, is_right) in [
        (Mode::Auto, "phone", is_phone),
        (Mode::Concat, "123456", is_code),
    ] {
        let pending = Pending::Upstream {
            asked: asked(),
            typed: Some(Secret::from(typed)),
        };
        let again = with(Credential::Password(Secret::from("42")));
        let one = integration(mode, |_| {});
        let mut flow = Flow::resume(one, again, RELAYS, pending).unwrap();
        flow.step(now, Event::Begin);
        flow.step(now, accepted());
        let Action::Auth { request, .. } = flow.step(now, can_use(devices())) else {
            panic!("{mode}: the second factor is not asked");
        };
        assert!(is_right(&request.factor), "{mode}: {:?}", request.factor);
    }
}

#[test]
fn a_refused_answer_is_a_reject_and_no_second_try() {
    let now = Login::auto(RELAYS, "").now;
    let pending = Pending::Upstream {
        asked: asked(),
        typed: None,
    };
    let again = with(Credential::Password(Secret::from("1,2")));
    let auto = integration(Mode::Auto, |_| {});
    let mut flow = Flow::resume(auto, again, RELAYS, pending.clone()).unwrap();
    flow.step(now, Event::Begin);
    let refused = answer(flow.step(now, rejected(Reason::PrimaryRejected)));
    assert_eq!((refused.code, refused.pending), (Reject, None));
}

#[test]
fn an_answer_goes_to_nobody_but_an_upstream() {
    let now = Login::auto(RELAYS, "").now;
    // The configuration changed since the question: to a directory, to none, to another mode.
    for (mode, primary) in [
        (Mode::Auto, ASK),
        (Mode::Concat, ASK),
        (Mode::Auto, PrimaryUse::AnyPassword),
        (Mode::DuoOnly, RELAYS),
        (Mode::DuoOnly, PrimaryUse::None),
    ] {
        for credential in [
            Credential::Password(Secret::from("")),
            Credential::Password(Secret::from("42")),
            proof(Method::Chap),
        ] {
            let pending = Pending::Upstream {
                asked: asked(),
                typed: None,
            };
            let one = integration(mode, |_| {});
            let mut flow = Flow::resume(one, with(credential), primary, pending).unwrap();
            let refused = answer(flow.step(now, Event::Begin));
            assert_eq!(
                (refused.code, refused.reason),
                (Reject, Reason::UnknownState),
                "{mode} {primary:?}"
            );
        }
    }
}

#[test]
fn what_a_reject_says_to_the_client_goes_on_to_it() {
    let mut login = Login::auto(RELAYS, "pw");
    login.asks_primary(Event::Begin);
    let error = UpstreamAttribute {
        vendor: Some(311),
        number: 2,
        ..given()
    };
    let refused = login.answer(Event::Primary(Ok(Verdict::Rejected(Rejection {
        attributes: vec![error.clone()],
        ..Rejection::new(Reason::PasswordExpired, "by 192.0.2.1:1812")
    }))));
    assert_eq!(refused.attributes, [error]);
    assert_ne!(refused.code, Accept);
}

#[test]
fn an_upstreams_proof_and_keys_go_to_nobody_whom_the_second_factor_refuses() {
    let now = Login::auto(RELAYS, "").now;
    let success = UpstreamAttribute {
        vendor: Some(311),
        number: 26,
        ..given()
    };
    for (decided, code, want) in [
        (AuthResult::Allow, Accept, vec![success.clone()]),
        // And no MS-CHAP-Error of ours: the password was right.
        (AuthResult::Deny, Reject, vec![]),
    ] {
        let mut flow = flow(Mode::Auto, RELAYS, proof(Method::MsChap));
        flow.step(now, Event::Begin);
        flow.step(
            now,
            Event::Primary(Ok(Verdict::Accepted(Acceptance {
                attributes: vec![success.clone()],
                ..Acceptance::default()
            }))),
        );
        flow.step(now, can_use(devices()));
        let decision = Decision {
            result: decided,
            status: AuthStatus::Other,
            status_msg: "Decided.".to_owned(),
        };
        let event = Event::Auth(Ok(AuthReply::Decided(decision)));
        let answer = answer(flow.step(now, event));
        assert_eq!((answer.code, answer.attributes), (code, want));
    }
}

//! How logins end: the peer's table (observed part 2) under our rules, and every failure.

use super::*;
use crate::duo::failure::{Call, FailureKind as K};
use crate::duo::message::{AuthResult as R, AuthStatus as S};
use crate::flow::AnswerCode::{Accept, Reject};
use crate::primary::{UpstreamAttribute, UpstreamValue};

#[test]
fn a_push_that_is_approved_lets_in_with_the_words_of_the_service() {
    let mut login = Login::auto(ASK, "pw").until_poll();
    assert_eq!(login.polls(waiting()), (None, 35_000));
    let allowed = decision(R::Allow, S::Other, "Success. Logging you in...");
    assert_eq!(
        login.answer(Event::Poll(Ok(allowed))),
        Answer {
            code: Accept,
            reason: Reason::Approved,
            reply_message: Some("Success. Logging you in...".to_owned()),
            factor: Some(Factor::Auto),
            attributes: Vec::new(),
            pending: None,
        }
    );
}

#[test]
fn preauth_alone_can_end_a_login() {
    let url = "https://api.example.com/portal?code=48bac5d9393fb2c2";
    let table = [
        (
            Preauth::Allow {
                status_msg: "Bypassed".to_owned(),
            },
            (Accept, Reason::Bypassed, "Bypassed".to_owned()),
        ),
        (
            Preauth::Deny {
                status_msg: "Your account is disabled".to_owned(),
            },
            (
                Reject,
                Reason::SecondFactorRefused,
                "Your account is disabled".to_owned(),
            ),
        ),
        (
            Preauth::Enroll {
                status_msg: "Enroll a device".to_owned(),
                portal_url: Some(url.to_owned()),
            },
            (
                Reject,
                Reason::NotEnrolled,
                format!("Enroll a device {url}"),
            ),
        ),
        (
            Preauth::Enroll {
                status_msg: "Enroll a device".to_owned(),
                portal_url: None,
            },
            (Reject, Reason::NotEnrolled, "Enroll a device".to_owned()),
        ),
    ];
    for (preauth, want) in table {
        for fail_mode in [FailMode::Safe, FailMode::Secure] {
            let integration = integration(Mode::Auto, |i| i.fail_mode = fail_mode);
            let mut login = Login::new(integration, PrimaryUse::AnyPassword, "pw");
            login.asks_preauth(Event::Begin);
            let answer = login.answer(Event::Preauth(Ok(preauth.clone())));
            let got = (answer.code, answer.reason, answer.reply_message.unwrap());
            assert_eq!(got, want, "{preauth:?}");
            assert_eq!(answer.factor, None, "{preauth:?}");
        }
    }
}

#[test]
fn the_decision_of_the_service_is_the_answer() {
    let table = [
        (R::Allow, S::Other, Accept, Reason::Approved),
        (R::Allow, S::Bypass, Accept, Reason::Bypassed),
        (R::Deny, S::Other, Reject, Reason::Denied),
        (R::Deny, S::Deny, Reject, Reason::Denied),
        (R::Deny, S::Bypass, Reject, Reason::Denied),
        (R::Deny, S::Timeout, Reject, Reason::TimedOut),
        (R::Deny, S::Fraud, Reject, Reason::Fraud),
        (R::Deny, S::LockedOut, Reject, Reason::LockedOut),
        (R::Deny, S::Sent, Reject, Reason::PasscodesSent),
    ];
    for (result, status, code, reason) in table {
        let said = decision(result, status, "The words of the service.");
        let want = Answer {
            code,
            reason,
            reply_message: Some("The words of the service.".to_owned()),
            factor: Some(Factor::Auto),
            attributes: Vec::new(),
            pending: None,
        };
        let mut polled = Login::auto(ASK, "pw").until_poll();
        let event = Event::Poll(Ok(said.clone()));
        assert_eq!(polled.answer(event), want, "{result:?} {status:?} by poll");
        let mut at_once = Login::auto(ASK, "pw").until_auth();
        let event = Event::Auth(Ok(AuthReply::Decided(said)));
        assert_eq!(at_once.answer(event), want, "{result:?} {status:?} at once");
    }
}

/// Every failure of the two calls before a transaction, under both fail modes.
#[test]
fn fail_mode_decides_only_what_reached_nobody() {
    let safe = (Accept, Reason::FailModeSafe);
    let away = (Reject, Reason::SecondFactorUnavailable);
    let error = (Reject, Reason::SecondFactorError);
    let unreadable = (Reject, Reason::SecondFactorUnreadable);
    let internal = (Reject, Reason::Internal);
    // kind, [preauth safe, preauth secure], [auth safe, auth secure]
    let table = [
        (Some(K::Connect), [safe, away], [safe, away]),
        (Some(K::TimedOut), [safe, away], [away, away]),
        (None, [safe, away], [away, away]),
        (Some(K::Closed), [safe, away], [away, away]),
        (Some(K::Server), [safe, away], [safe, away]),
        (Some(K::RateLimited), [error, error], [error, error]),
        (Some(K::Credentials), [error, error], [error, error]),
        (Some(K::BadRequest), [error, error], [error, error]),
        (Some(K::Refused), [error, error], [error, error]),
        (
            Some(K::Unreadable),
            [unreadable, unreadable],
            [unreadable, unreadable],
        ),
        (
            Some(K::Internal),
            [internal, internal],
            [internal, internal],
        ),
    ];
    for (kind, preauth, auth) in table {
        for (call, wants) in [(Call::Preauth, preauth), (Call::Auth, auth)] {
            for (fail_mode, want) in [FailMode::Safe, FailMode::Secure].into_iter().zip(wants) {
                let name = format!("{call:?} {kind:?} {fail_mode}");
                let integration = integration(Mode::Auto, |i| i.fail_mode = fail_mode);
                let mut login = Login::new(integration, ASK, "pw");
                let event = match (call, kind) {
                    (_, None) => Event::TimedOut,
                    (Call::Preauth, Some(kind)) => Event::Preauth(Err(failure(kind))),
                    (_, Some(kind)) => Event::Auth(Err(failure(kind))),
                };
                if call == Call::Auth {
                    login = login.until_auth();
                } else {
                    login.asks_primary(Event::Begin);
                    login.asks_preauth(accepted());
                }
                let answer = login.answer(event);
                assert_eq!((answer.code, answer.reason), want, "{name}");
                assert!(answer.reply_message.is_some(), "{name}");
            }
        }
    }
}

#[test]
fn an_auth_request_that_may_have_been_seen_keeps_its_factor() {
    for event in [Event::TimedOut, Event::Auth(Err(failure(K::Closed)))] {
        let mut login = Login::auto(ASK, "pw").until_auth();
        assert_eq!(login.answer(event).factor, Some(Factor::Auto));
    }
}

#[test]
fn a_passcode_or_sms_that_is_not_decided_at_once_cannot_be_followed() {
    for typed in ["pw", "pw,123456", "pw,sms"] {
        let mut login = Login::auto(ASK, typed).until_auth();
        let undecided = decision(R::Waiting, S::Other, "Wait");
        let answer = login.answer(Event::Auth(Ok(AuthReply::Decided(undecided))));
        assert_eq!(
            (answer.code, answer.reason),
            (Reject, Reason::SecondFactorUnreadable),
            "{typed}"
        );
    }
}

#[test]
fn a_transaction_is_followed_whatever_factor_began_it() {
    let mut login = Login::auto(ASK, "pw,123456").until_poll();
    let allowed = decision(R::Allow, S::Other, "Success");
    let answer = login.answer(Event::Poll(Ok(allowed)));
    assert_eq!(answer.reason, Reason::Approved);
    assert_eq!(answer.factor, Some(Factor::Passcode));
}

#[test]
fn sent_passcodes_end_the_login_with_the_words_of_the_service() {
    for (status_msg, text) in [
        ("New SMS passcodes sent.", "New SMS passcodes sent."),
        (
            "",
            "New passcodes were sent. Please log in again with one of them.",
        ),
    ] {
        let mut login = Login::auto(ASK, "pw,sms").until_auth();
        let sent = decision(R::Deny, S::Sent, status_msg);
        let answer = login.answer(Event::Auth(Ok(AuthReply::Decided(sent))));
        assert_eq!(answer.code, Reject);
        assert_eq!(answer.reason, Reason::PasscodesSent);
        assert_eq!(answer.factor, Some(Factor::Sms));
        assert_eq!(answer.reply_message.as_deref(), Some(text));
    }
}

#[test]
fn the_primary_says_why_it_refuses_else_we_do() {
    for (message, want) in [
        (Some("Go away"), "Go away"),
        (Some(" "), "Your account is locked."),
        (None, "Your account is locked."),
    ] {
        let mut login = Login::auto(ASK, "pw");
        login.asks_primary(Event::Begin);
        let answer = login.answer(Event::Primary(Ok(Verdict::Rejected(Rejection {
            message: message.map(str::to_owned),
            ..Rejection::new(Reason::AccountLocked, "not for the user")
        }))));
        assert_eq!(answer.reason, Reason::AccountLocked);
        assert_eq!(answer.reply_message.as_deref(), Some(want));
    }
}

#[test]
fn every_accept_carries_what_the_upstream_gave_and_no_reject_does() {
    let given = vec![UpstreamAttribute {
        vendor: Some(9),
        number: 1,
        value: UpstreamValue::Plain(b"ip:inacl#1=permit".to_vec()),
        always: false,
    }];
    let allow = |result| Event::Auth(Ok(AuthReply::Decided(decision(result, S::Other, "Said"))));
    let bypass = Event::Preauth(Ok(Preauth::Allow {
        status_msg: String::new(),
    }));
    let scripts = [
        (vec![can_use(devices()), allow(R::Allow)], Reason::Approved),
        (vec![can_use(devices()), allow(R::Deny)], Reason::Denied),
        (vec![bypass], Reason::Bypassed),
        (vec![Event::TimedOut], Reason::FailModeSafe),
    ];
    for (script, reason) in scripts {
        let mut login = Login::auto(ASK, "pw");
        login.asks_primary(Event::Begin);
        let mut action = login.step(Event::Primary(Ok(Verdict::Accepted(Acceptance {
            detail: String::new(),
            attributes: given.clone(),
        }))));
        for event in script {
            action = login.step(event);
        }
        let Action::Answer(answer) = action else {
            panic!("no answer: {action:?}");
        };
        let want = match answer.code {
            crate::flow::AnswerCode::Challenge => panic!("nobody asked"),
            Accept => given.clone(),
            Reject => Vec::new(),
        };
        assert_eq!(answer.reason, reason);
        assert_eq!(answer.attributes, want, "{reason}");
    }
}

#[test]
fn an_event_out_of_place_is_a_fault_and_not_a_panic() {
    let events = [
        accepted(),
        can_use(devices()),
        started(),
        waiting(),
        Event::TimedOut,
    ];
    for event in events {
        let mut login = Login::auto(ASK, "pw");
        let answer = login.answer(event.clone());
        let got = (answer.code, answer.reason);
        assert_eq!(got, (Reject, Reason::Internal), "{event:?}");
    }
    let mut login = Login::auto(ASK, "pw").until_auth();
    let answer = login.answer(Event::Begin);
    assert_eq!((answer.code, answer.reason), (Reject, Reason::Internal));
}

#[test]
fn nothing_a_login_holds_shows_a_password() {
    let mut login = Login::auto(ASK, "hunter2,push").until_poll();
    assert!(!format!("{:?}", login.flow).contains("hunter2"));
    let lost = Event::Poll(Err(failure(K::Connect)));
    assert!(!format!("{:?}", login.step(lost)).contains("hunter2"));
    let mut login = Login::auto(ASK, "hunter2,424242");
    assert!(!format!("{:?}", login.step(Event::Begin)).contains("hunter2"));
    login.asks_preauth(accepted());
    let asks = login.step(can_use(devices()));
    assert!(!format!("{asks:?}{:?}", login.flow).contains("424242"));
}

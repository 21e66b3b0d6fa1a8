//! How logins end: the peer's table (observed part 2) under our rules, and every failure.

use super::*;
use crate::duo::failure::{Call, FailureKind as K};
use crate::duo::message::{AuthResult as R, AuthStatus as S};
use crate::flow::AnswerCode::{Accept, Reject};

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

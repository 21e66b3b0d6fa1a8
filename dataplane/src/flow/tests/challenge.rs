//! The user is asked for a factor: the prompt, each kind of answer to it, and what comes again.

use proto::config::PromptFormat;

use super::*;
use crate::duo::failure::FailureKind as K;
use crate::flow::AnswerCode::{Accept, Challenge, Reject};
use crate::flow::{AnswerCode, Pending, Prompted};
use crate::primary::{Method, Relayed, UpstreamAttribute, UpstreamValue};

pub(super) const ANY: PrimaryUse = PrimaryUse::AnyPassword;

pub(super) const MENU: &str = "Choose a secondary factor from \
    ('push1', 'push2', 'phone1', 'phone2', 'sms1', 'sms2') or enter passcode:";

pub(super) fn challenge(change: impl FnOnce(&mut raw::Integration)) -> Arc<Integration> {
    integration(Mode::Challenge, |one| {
        one.prompt.format = PromptFormat::Short;
        change(one);
    })
}

/// `factors=passcode` in mode `auto`.
pub(super) fn asks_for_passcode(change: impl FnOnce(&mut raw::Integration)) -> Arc<Integration> {
    integration(Mode::Auto, |one| {
        one.factors = vec![FactorChoice::Passcode];
        change(one);
    })
}

/// What a prompt with the menu of [`devices`] seals.
pub(super) fn asked(integration: &Arc<Integration>) -> Pending {
    let mut login = Login::new(Arc::clone(integration), ANY, "pw");
    login.asks_preauth(Event::Begin);
    let answer = login.answer(can_use(devices()));
    assert_eq!((answer.code, answer.reason), (Challenge, Reason::Prompted));
    answer.pending.unwrap()
}

/// The login goes on with what was typed.
pub(super) fn answered(integration: &Arc<Integration>, pending: Pending, typed: &str) -> Login {
    answered_by(integration, pending, request(typed))
}

fn answered_by(integration: &Arc<Integration>, pending: Pending, request: Request) -> Login {
    let start = epoch();
    Login {
        flow: Flow::resume(Arc::clone(integration), request, ANY, pending).unwrap(),
        start,
        now: start,
    }
}

fn denied(status: AuthStatus, text: &str) -> Event {
    Event::Auth(Ok(AuthReply::Decided(decision(
        AuthResult::Deny,
        status,
        text,
    ))))
}

fn allowed() -> Event {
    Event::Auth(Ok(AuthReply::Decided(decision(
        AuthResult::Allow,
        AuthStatus::Other,
        "Success.",
    ))))
}

pub(super) fn outcome(answer: &Answer) -> (AnswerCode, Reason, &str) {
    let text = answer.reply_message.as_deref().unwrap_or_default();
    (answer.code, answer.reason, text)
}

fn class() -> Vec<UpstreamAttribute> {
    vec![UpstreamAttribute {
        vendor: None,
        number: 25,
        value: UpstreamValue::Plain(b"staff".to_vec()),
        always: false,
    }]
}

#[test]
fn the_password_is_checked_whole_and_then_the_menu_is_shown() {
    let mut login = Login::new(challenge(|_| {}), ASK, "pw,push");
    assert_eq!(login.asks_primary(Event::Begin), "pw,push");
    let right = Event::Primary(Ok(Verdict::Accepted(Acceptance {
        detail: String::new(),
        attributes: class(),
    })));
    login.asks_preauth(right);
    let answer = login.answer(can_use(devices()));
    assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, MENU));
    assert!(answer.attributes.is_empty(), "they are the accept's");
    let Some(Pending::Prompt(prompted)) = answer.pending else {
        panic!("{answer:?}");
    };
    assert_eq!((prompted.wrong, prompted.repeats), (0, 0));
    assert_eq!(prompted.attributes, class());

    // A wrong password asks nobody.
    let mut login = Login::new(challenge(|_| {}), ASK, "pw,push");
    login.asks_primary(Event::Begin);
    let answer = login.answer(rejected(Reason::WrongPassword));
    assert_eq!(answer.code, Reject);
}

#[test]
fn each_kind_of_answer_means_one_factor() {
    let one = challenge(|_| {});
    let listed = [
        ("1", AuthFactor::Push(id("A"))),
        (" 2 ", AuthFactor::Push(id("C"))),
        ("03", AuthFactor::Phone(id("B"))),
        ("4", AuthFactor::Phone(id("C"))),
        ("6", AuthFactor::Sms(id("C"))),
        ("push", AuthFactor::Push(id("A"))),
        ("PUSH2", AuthFactor::Push(id("C"))),
        ("Phone 2", AuthFactor::Phone(id("C"))),
        ("sms", AuthFactor::Sms(id("A"))),
        ("sms2", AuthFactor::Sms(id("C"))),
        ("7", passcode("7")),
        ("0", passcode("0")),
    ];
    for (typed, want) in listed {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        assert_eq!(login.asks_auth(can_use(devices())), want, "{typed}");
    }
    // What can only be a passcode is asked about at once.
    for (typed, want) in [
        ("123456", "123456"),
        ("123 456", "123456"),
        (" 12 3 ", "123"),
        ("1 2", "1 2"),
        (" 001 ", "001"),
        ("cccbbb", "cccbbb"),
        ("123 45a", "123 45a"),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        assert_eq!(login.asks_auth(Event::Begin), passcode(want), "{typed}");
    }
}

#[test]
fn a_factor_that_is_approved_lets_in_with_what_the_upstream_gave() {
    let one = challenge(|_| {});
    let Pending::Prompt(prompted) = asked(&one) else {
        panic!();
    };
    let pending = Pending::Prompt(Prompted {
        attributes: class(),
        ..prompted
    });
    let mut login = answered(&one, pending, "1");
    login.asks_preauth(Event::Begin);
    login.asks_auth(can_use(devices()));
    login.polls(started());
    let answer = login.answer(Event::Poll(Ok(decision(
        AuthResult::Allow,
        AuthStatus::Other,
        "Success.",
    ))));
    assert_eq!(outcome(&answer), (Accept, Reason::Approved, "Success."));
    assert_eq!(answer.attributes, class());
    assert_eq!(answer.factor, Some(Factor::Push));
}

#[test]
fn keys_that_a_guessed_answer_would_show_are_left_behind() {
    let hidden = UpstreamAttribute {
        vendor: Some(311),
        number: 12,
        value: UpstreamValue::Hidden(Secret::new(vec![1; 32])),
        always: true,
    };
    let mut login = Login::new(challenge(|_| {}), ASK, "pw");
    login.asks_primary(Event::Begin);
    login.asks_preauth(Event::Primary(Ok(Verdict::Accepted(Acceptance {
        detail: String::new(),
        attributes: [class(), vec![hidden]].concat(),
    }))));
    let Some(Pending::Prompt(prompted)) = login.answer(can_use(devices())).pending else {
        panic!("no prompt");
    };
    assert_eq!(prompted.attributes, class());
}

#[test]
fn the_filter_of_today_holds_for_a_prompt_of_yesterday() {
    let wide = challenge(|_| {});
    let narrow = challenge(|one| one.factors = vec![FactorChoice::Push]);
    for (typed, line) in [
        ("123456", "Passcodes cannot be used here. "),
        ("phone", "'phone' cannot be used here. "),
        ("1", "The menu has changed. Please choose again. "),
        ("phone2", "The menu has changed. Please choose again. "),
    ] {
        let mut login = answered(&narrow, asked(&wide), typed);
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices()));
        let want = format!("{line}Choose a secondary factor from ('push1', 'push2'):");
        assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*want));
    }
    // Nor does a number cross from one mode to the other.
    let auto = asks_for_passcode(|_| {});
    for (pending, now) in [(asked(&wide), &auto), (asked(&auto), &wide)] {
        let mut login = answered(now, pending, "1");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices()));
        assert_eq!((answer.code, answer.reason), (Challenge, Reason::Prompted));
    }
}

#[test]
fn each_kind_of_useless_answer_has_a_count_of_its_own() {
    let one = challenge(|one| one.prompt.passcode_retries = 1);
    let again = |pending, typed: &str| {
        let mut login = answered(&one, pending, typed);
        match login.step(Event::Begin) {
            Action::Preauth { .. } => {}
            Action::Auth { .. } => match login.step(denied(AuthStatus::Deny, "No.")) {
                Action::Preauth { .. } => {}
                Action::Answer(answer) => return answer,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        login.answer(can_use(devices()))
    };
    let answer = again(asked(&one), "111111");
    assert_eq!((answer.code, answer.reason), (Challenge, Reason::Denied));
    let answer = again(answer.pending.unwrap(), "");
    assert_eq!((answer.code, answer.reason), (Challenge, Reason::Prompted));
    let answer = again(answer.pending.unwrap(), "222222");
    assert_eq!((answer.code, answer.reason), (Reject, Reason::Denied));
}

#[test]
fn what_preauth_says_before_another_prompt_counts() {
    let one = challenge(|one| one.prompt.passcode_retries = 9);
    let status_msg = || "Said so.".to_owned();
    for (preauth, want) in [
        (
            Preauth::Deny {
                status_msg: status_msg(),
            },
            (Reject, Reason::SecondFactorRefused),
        ),
        (
            Preauth::Allow {
                status_msg: status_msg(),
            },
            (Accept, Reason::Bypassed),
        ),
        (
            Preauth::Enroll {
                status_msg: status_msg(),
                portal_url: None,
            },
            (Challenge, Reason::NotEnrolled),
        ),
    ] {
        let mut login = answered(&one, asked(&one), "123456");
        login.asks_auth(Event::Begin);
        login.asks_preauth(denied(AuthStatus::Deny, "No."));
        let answer = login.answer(Event::Preauth(Ok(preauth)));
        assert_eq!((answer.code, answer.reason), want);
    }
}

#[test]
fn what_counts_in_another_list_is_asked_again() {
    let one = challenge(|_| {});
    let mut fewer = devices();
    fewer.remove(0);
    for (typed, again) in [
        ("1", true),
        ("push2", true),
        ("99", true),
        ("push", false),
        ("phone", false),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        match login.step(can_use(fewer.clone())) {
            Action::Answer(answer) if again => {
                let want = "The menu has changed. Please choose again. Choose a secondary factor \
                     from ('push1', 'phone1', 'phone2', 'sms1') or enter passcode:";
                assert_eq!(
                    outcome(&answer),
                    (Challenge, Reason::Prompted, want),
                    "{typed}"
                );
                // The new list counts from now on.
                let mut login = answered(&one, answer.pending.unwrap(), "1");
                login.asks_preauth(Event::Begin);
                let factor = login.asks_auth(can_use(fewer.clone()));
                assert_eq!(factor, AuthFactor::Push(id("C")));
            }
            Action::Auth { .. } if !again => {}
            other => panic!("{typed}: {other:?}"),
        }
    }
    // Another name for a device changes nothing.
    let mut renamed = devices();
    renamed[0].display_name = "Other".to_owned();
    let mut login = answered(&one, asked(&one), "1");
    login.asks_preauth(Event::Begin);
    assert_eq!(login.asks_auth(can_use(renamed)), AuthFactor::Push(id("A")));
}

#[test]
fn an_answer_that_is_none_is_asked_again_and_not_for_ever() {
    let one = challenge(|one| one.factors = vec![FactorChoice::Push]);
    let menu = "Choose a secondary factor from ('push1', 'push2'):";
    for (typed, line) in [
        ("", "Nothing was typed."),
        ("  ", "Nothing was typed."),
        ("push9", "You have no 'push9'."),
        ("phone", "'phone' cannot be used here."),
        ("phone9", "You have no 'phone9'."),
        ("123456", "Passcodes cannot be used here."),
        ("9", "There is no option 9."),
    ] {
        let mut pending = asked(&one);
        for _ in 0..10 {
            let mut login = answered(&one, pending, typed);
            login.asks_preauth(Event::Begin);
            let answer = login.answer(can_use(devices()));
            let want = format!("{line} {menu}");
            assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, &*want));
            pending = answer.pending.unwrap();
        }
        let mut login = answered(&one, pending, typed);
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices()));
        let text = "Too many answers could not be used. Please log in again.";
        assert_eq!(outcome(&answer), (Reject, Reason::TooManyAnswers, text));
    }
}

#[test]
fn codes_are_sent_and_asked_for() {
    for one in [challenge(|_| {}), asks_for_passcode(|_| {})] {
        let mut login = answered(&one, asked(&one), "sms");
        login.asks_preauth(Event::Begin);
        assert_eq!(
            login.asks_auth(can_use(devices())),
            AuthFactor::Sms(id("A"))
        );
        login.asks_preauth(denied(AuthStatus::Sent, "New SMS passcodes sent."));
        let answer = login.answer(can_use(devices()));
        let (code, reason, text) = outcome(&answer);
        assert_eq!((code, reason), (Challenge, Reason::PasscodesSent));
        assert!(text.starts_with("New SMS passcodes sent. "), "{text}");
        assert!(text.ends_with("nter passcode:"), "{text}");
        assert_eq!(answer.factor, Some(Factor::Sms));
        let mut login = answered(&one, answer.pending.unwrap(), "123456");
        login.asks_auth(Event::Begin);
        let answer = login.answer(allowed());
        assert_eq!(outcome(&answer), (Accept, Reason::Approved, "Success."));
    }
    // The service says nothing, and is away when the list is asked for: the codes are out.
    let one = challenge(|_| {});
    for failed in [Event::Preauth(Err(failure(K::Server))), Event::TimedOut] {
        let mut login = answered(&one, asked(&one), "5");
        login.asks_preauth(Event::Begin);
        login.asks_auth(can_use(devices()));
        login.asks_preauth(denied(AuthStatus::Sent, " "));
        let answer = login.answer(failed);
        let text = "New passcodes were sent. Please log in again with one of them.";
        assert_eq!(outcome(&answer), (Reject, Reason::PasscodesSent, text));
    }
}

#[test]
fn a_wrong_passcode_is_asked_again_as_often_as_is_set() {
    for retries in [0, 1, 3] {
        for one in [
            challenge(|one| one.prompt.passcode_retries = retries),
            asks_for_passcode(|one| one.prompt.passcode_retries = retries),
        ] {
            let mut pending = asked(&one);
            for wrong in 0..=retries {
                let mut login = answered(&one, pending.clone(), "123456");
                login.asks_auth(Event::Begin);
                let no = denied(AuthStatus::Deny, "Invalid passcode.");
                if wrong == retries {
                    let answer = login.answer(no);
                    let want = (Reject, Reason::Denied, "Invalid passcode.");
                    assert_eq!(outcome(&answer), want);
                    break;
                }
                login.asks_preauth(no);
                let answer = login.answer(can_use(devices()));
                let (code, reason, text) = outcome(&answer);
                assert_eq!((code, reason), (Challenge, Reason::Denied));
                assert!(text.starts_with("Invalid passcode. "), "{text}");
                pending = answer.pending.unwrap();
            }
        }
    }
}

#[test]
fn who_was_refused_gets_in_by_no_failure() {
    let one = challenge(|one| one.prompt.passcode_retries = 9);
    for failed in [
        Event::Preauth(Err(failure(K::Connect))),
        Event::Preauth(Err(failure(K::Server))),
        Event::TimedOut,
    ] {
        let mut login = answered(&one, asked(&one), "123456");
        login.asks_auth(Event::Begin);
        login.asks_preauth(denied(AuthStatus::Deny, ""));
        let answer = login.answer(failed);
        let want = (Reject, Reason::Denied, "The login was denied.");
        assert_eq!(outcome(&answer), want);
    }
    // Nor is anybody asked again who is locked out, or whose push was denied.
    for (typed, status, reason) in [
        ("123456", AuthStatus::LockedOut, Reason::LockedOut),
        ("123456", AuthStatus::Timeout, Reason::TimedOut),
        ("push", AuthStatus::Deny, Reason::Denied),
        ("push", AuthStatus::Fraud, Reason::Fraud),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        match login.step(Event::Begin) {
            Action::Preauth { .. } => drop(login.asks_auth(can_use(devices()))),
            Action::Auth { .. } => {}
            other => panic!("{other:?}"),
        }
        let answer = login.answer(denied(status, "No."));
        assert_eq!(outcome(&answer), (Reject, reason, "No."), "{typed}");
    }
}

#[test]
fn the_fail_mode_decides_at_each_call() {
    for (mode, want) in [
        (FailMode::Safe, (Accept, Reason::FailModeSafe)),
        (FailMode::Secure, (Reject, Reason::SecondFactorUnavailable)),
    ] {
        let one = challenge(|one| one.fail_mode = mode);
        let away = || Event::Preauth(Err(failure(K::Connect)));
        let mut login = Login::new(Arc::clone(&one), ANY, "pw");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(away());
        assert_eq!((answer.code, answer.reason), want);

        let mut login = answered(&one, asked(&one), "1");
        login.asks_preauth(Event::Begin);
        let answer = login.answer(away());
        assert_eq!((answer.code, answer.reason), want);

        let mut login = answered(&one, asked(&one), "123456");
        login.asks_auth(Event::Begin);
        let answer = login.answer(Event::Auth(Err(failure(K::Connect))));
        assert_eq!((answer.code, answer.reason), want);

        // Its answer was lost: a passcode may have been used up, and nobody is let in on that.
        let mut login = answered(&one, asked(&one), "123456");
        login.asks_auth(Event::Begin);
        let answer = login.answer(Event::TimedOut);
        assert_eq!(answer.code, Reject);
    }
}

#[test]
fn nobody_is_asked_who_had_to_append() {
    let was = integration(Mode::Concat, |one| {
        one.exempt_users = vec!["alice".to_owned()]
    });
    let relays = PrimaryUse::Ask {
        budget: BUDGET,
        relays: true,
    };
    let asked = crate::primary::Asked {
        host: 0,
        state: None,
    };
    let mut flow = Flow::new(was, request("pw"), relays).unwrap();
    let now = epoch();
    flow.step(now, Event::Begin);
    let question = Event::Primary(Ok(Verdict::Asked(crate::primary::Question {
        asked,
        message: None,
        attributes: Vec::new(),
        detail: String::new(),
    })));
    let Action::Answer(answer) = flow.step(now, question) else {
        panic!("the question is not passed on");
    };
    // The exemption is taken away while the question is out.
    let one = integration(Mode::Concat, |one| {
        one.factors = vec![FactorChoice::Passcode]
    });
    let mut flow = Flow::resume(one, request("42"), relays, answer.pending.unwrap()).unwrap();
    flow.step(now, Event::Begin);
    flow.step(now, accepted());
    let Action::Answer(answer) = flow.step(now, can_use(devices())) else {
        panic!("a factor is used that nobody typed");
    };
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::FactorMissing)
    );
}

#[test]
fn an_answer_that_is_hidden_or_that_nobody_asked_for_is_refused() {
    let one = challenge(|_| {});
    for method in [Method::Chap, Method::MsChap] {
        let hidden = Request {
            credential: Credential::Relayed(Relayed {
                method,
                attributes: Secret::new(vec![1]),
            }),
            ..request("")
        };
        let mut login = answered_by(&one, asked(&one), hidden);
        let answer = login.answer(Event::Begin);
        assert_eq!(
            (answer.code, answer.reason),
            (Reject, Reason::UnsupportedMethod)
        );
    }
    for mode in [Mode::Concat, Mode::DuoOnly] {
        let now = integration(mode, |_| {});
        let answer = answered(&now, asked(&one), "push").answer(Event::Begin);
        assert_eq!((answer.code, answer.reason), (Reject, Reason::UnknownState));
    }
}

//! Mode `eap`: a login within a tunnel, where a question is another prompt of the same method, or,
//! with PAP, cannot be asked at all.

use super::*;
use crate::duo::failure::FailureKind as K;
use crate::flow::AnswerCode::{Accept, Challenge, Reject};
use crate::flow::{AnswerCode, Pending, texts};
use crate::primary::{Asked, Question};

const MENU: &str = "Choose a secondary factor from \
    ('push1', 'push2', 'phone1', 'phone2', 'sms1', 'sms2') or enter passcode:";
const PASSCODE: &str = "Enter passcode:";

fn eap(change: impl FnOnce(&mut raw::Integration)) -> Arc<Integration> {
    integration(Mode::Eap, change)
}

/// As the file is by default: nothing is split, and no factors are set.
fn menu() -> Arc<Integration> {
    eap(|one| {
        one.append.allow = false;
        one.factors.clear();
    })
}

fn passcode_wanted() -> Arc<Integration> {
    eap(|one| {
        one.append.allow = false;
        one.factors = vec![FactorChoice::Passcode];
    })
}

fn login(integration: &Arc<Integration>, password: &str, asks: bool) -> Login {
    let login = Login::new(Arc::clone(integration), ASK, password);
    silenced(login, asks)
}

fn answered(integration: &Arc<Integration>, pending: Pending, typed: &str) -> Login {
    answered_with(integration, ASK, pending, typed)
}

fn answered_with(
    integration: &Arc<Integration>,
    primary: PrimaryUse,
    pending: Pending,
    typed: &str,
) -> Login {
    let start = epoch();
    let one = Arc::clone(integration);
    Login {
        flow: Flow::resume(one, request(typed), primary, pending).unwrap(),
        start,
        now: start,
    }
}

fn silenced(login: Login, asks: bool) -> Login {
    match asks {
        true => login,
        false => Login {
            flow: login.flow.without_questions(),
            ..login
        },
    }
}

/// The question that follows a good password.
fn asked(integration: &Arc<Integration>) -> Pending {
    let mut login = login(integration, "pw", true);
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    let answer = login.answer(can_use(devices()));
    assert_eq!((answer.code, answer.reason), (Challenge, Reason::Prompted));
    answer.pending.unwrap()
}

fn outcome(answer: &Answer) -> (AnswerCode, Reason, &str) {
    let text = answer.reply_message.as_deref().unwrap_or_default();
    (answer.code, answer.reason, text)
}

/// What follows a good password.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Uses(AuthFactor),
    Asks(String),
    Refuses(Reason),
}

/// Whether something may be appended, `factors`, what was typed, the part that is the password, and
/// what comes of it where something can be asked and where nothing can.
type Row<'a> = (bool, &'a [FactorChoice], &'a str, &'a str, Next, Next);

#[test]
fn what_follows_the_password_is_appended_or_set_or_asked_for() {
    use FactorChoice as F;
    let menu = || Next::Asks(MENU.to_owned());
    let prompt = || Next::Asks(PASSCODE.to_owned());
    let push = || Next::Uses(AuthFactor::Push(id("A")));
    let nothing = || Next::Refuses(Reason::NoUsableFactor);
    let table: Vec<Row<'_>> = vec![
        (
            true,
            &[],
            "pw",
            "pw",
            Next::Uses(AuthFactor::Auto),
            Next::Uses(AuthFactor::Auto),
        ),
        (
            true,
            &[F::Auto],
            "pw",
            "pw",
            Next::Uses(AuthFactor::Auto),
            Next::Uses(AuthFactor::Auto),
        ),
        (true, &[F::Push], "pw", "pw", push(), push()),
        (true, &[F::Passcode], "pw", "pw", prompt(), nothing()),
        (true, &[F::Passcode, F::Push], "pw", "pw", prompt(), push()),
        (true, &[F::Push, F::Passcode], "pw", "pw", push(), push()),
        (
            true,
            &[],
            "pw,phone2",
            "pw",
            Next::Uses(AuthFactor::Phone(id("C"))),
            Next::Uses(AuthFactor::Phone(id("C"))),
        ),
        (
            true,
            &[F::Push],
            "pw,123456",
            "pw",
            Next::Uses(passcode("123456")),
            Next::Uses(passcode("123456")),
        ),
        (true, &[F::Passcode], "pw,push", "pw", push(), push()),
        (true, &[], "pw,push7", "pw", nothing(), nothing()),
        (
            true,
            &[],
            "pw,",
            "pw",
            Next::Uses(AuthFactor::Auto),
            Next::Uses(AuthFactor::Auto),
        ),
        (false, &[], "pw", "pw", menu(), Next::Uses(AuthFactor::Auto)),
        (
            false,
            &[],
            "pw,push",
            "pw,push",
            menu(),
            Next::Uses(AuthFactor::Auto),
        ),
        (
            false,
            &[F::Auto],
            "pw",
            "pw",
            Next::Uses(AuthFactor::Auto),
            Next::Uses(AuthFactor::Auto),
        ),
        (false, &[F::Push], "pw,123456", "pw,123456", push(), push()),
        (
            false,
            &[F::Phone, F::Push],
            "pw",
            "pw",
            Next::Uses(AuthFactor::Phone(id("B"))),
            Next::Uses(AuthFactor::Phone(id("B"))),
        ),
        (false, &[F::Passcode], "pw", "pw", prompt(), nothing()),
        (
            false,
            &[F::Passcode, F::Auto],
            "pw",
            "pw",
            prompt(),
            Next::Uses(AuthFactor::Auto),
        ),
    ];
    for (allow, factors, typed, password, where_asked, where_not) in table {
        for (asks, want) in [(true, where_asked), (false, where_not)] {
            let name = format!("allow_concat={allow} {factors:?} {typed} asks={asks}");
            let one = eap(|one| {
                one.append.allow = allow;
                one.factors = factors.to_vec();
            });
            let mut login = login(&one, typed, asks);
            assert_eq!(login.asks_primary(Event::Begin), password, "{name}");
            login.asks_preauth(accepted());
            let got = match login.step(can_use(devices())) {
                Action::Auth { request, .. } => Next::Uses(request.factor),
                Action::Answer(answer) if answer.code == Challenge => {
                    assert_eq!(answer.reason, Reason::Prompted, "{name}");
                    Next::Asks(answer.reply_message.unwrap())
                }
                Action::Answer(answer) => Next::Refuses(answer.reason),
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(got, want, "{name}");
        }
    }
}

#[test]
fn each_kind_of_answer_to_the_menu_means_one_factor() {
    let one = menu();
    for (typed, want) in [
        ("1", AuthFactor::Push(id("A"))),
        ("4", AuthFactor::Phone(id("C"))),
        (" Push2 ", AuthFactor::Push(id("C"))),
        ("sms", AuthFactor::Sms(id("A"))),
        ("7", passcode("7")),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        assert_eq!(login.asks_auth(can_use(devices())), want, "{typed}");
    }
    let mut login = answered(&one, asked(&one), "123 456");
    assert_eq!(login.asks_auth(Event::Begin), passcode("123456"));
}

#[test]
fn where_only_a_passcode_was_asked_for_numbers_mean_nothing() {
    let one = passcode_wanted();
    let mut login = answered(&one, asked(&one), "1");
    login.asks_preauth(Event::Begin);
    assert_eq!(login.asks_auth(can_use(devices())), passcode("1"));
    let mut login = answered(&one, asked(&one), "push");
    login.asks_preauth(Event::Begin);
    assert_eq!(
        login.asks_auth(can_use(devices())),
        AuthFactor::Push(id("A"))
    );
}

#[test]
fn codes_that_were_sent_lead_to_another_prompt_unless_they_were_asked_for_behind_the_password() {
    let sent = || {
        Event::Auth(Ok(AuthReply::Decided(decision(
            AuthResult::Deny,
            AuthStatus::Sent,
            "New SMS passcodes sent.",
        ))))
    };
    for (one, prompt) in [(menu(), MENU), (passcode_wanted(), PASSCODE)] {
        let mut login = answered(&one, asked(&one), "sms");
        login.asks_preauth(Event::Begin);
        assert_eq!(
            login.asks_auth(can_use(devices())),
            AuthFactor::Sms(id("A"))
        );
        login.asks_preauth(sent());
        let answer = login.answer(can_use(devices()));
        let want = format!("New SMS passcodes sent. {prompt}");
        assert_eq!(
            outcome(&answer),
            (Challenge, Reason::PasscodesSent, want.as_str())
        );
        let mut login = answered(&one, answer.pending.unwrap(), "123456");
        assert_eq!(login.asks_auth(Event::Begin), passcode("123456"));
    }
    let mut login = login(&eap(|_| {}), "pw,sms", true);
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    login.asks_auth(can_use(devices()));
    let answer = login.answer(sent());
    assert_eq!(
        outcome(&answer),
        (Reject, Reason::PasscodesSent, "New SMS passcodes sent.")
    );
}

#[test]
fn what_is_no_answer_is_asked_again_with_a_line_that_says_so() {
    let one = menu();
    for (typed, line) in [
        ("", texts::NOTHING_TYPED),
        ("  ", texts::NOTHING_TYPED),
        ("phone3", "You have no 'phone3'."),
    ] {
        let mut login = answered(&one, asked(&one), typed);
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices()));
        let want = format!("{line} {MENU}");
        assert_eq!(
            outcome(&answer),
            (Challenge, Reason::Prompted, want.as_str()),
            "{typed:?}"
        );
    }
}

#[test]
fn a_question_may_be_longer_than_a_reply_message() {
    let many: Vec<Device> = (0..20)
        .map(|n| device(&n.to_string(), "push phone"))
        .collect();
    let mut login = login(&menu(), "pw", true);
    login.asks_primary(Event::Begin);
    login.asks_preauth(accepted());
    let text = login.answer(can_use(many)).reply_message.unwrap();
    assert!(
        text.contains("'push20'") && text.contains("'phone20'"),
        "{text}"
    );
    assert!((254..=900).contains(&text.len()), "{}", text.len());
}

#[test]
fn a_refusal_and_an_enrolment_are_shown_in_a_question_whose_answers_change_nothing() {
    let deny = || {
        Event::Preauth(Ok(Preauth::Deny {
            status_msg: "Account disabled.".to_owned(),
        }))
    };
    let enroll = || {
        Event::Preauth(Ok(Preauth::Enroll {
            status_msg: "Enroll.".to_owned(),
            portal_url: Some("https://enroll.example/x".to_owned()),
        }))
    };
    let refused = Reason::SecondFactorRefused;
    let table = [
        (
            "deny",
            deny(),
            refused,
            "Account disabled.",
            texts::of(refused),
        ),
        (
            "enroll",
            enroll(),
            Reason::NotEnrolled,
            "Enroll. https://enroll.example/x",
            texts::ENROL_FIRST,
        ),
    ];
    for (name, event, reason, text, after) in table {
        for one in [menu(), passcode_wanted(), eap(|_| {})] {
            let first = |asks| {
                let mut login = login(&one, "pw", asks);
                login.asks_primary(Event::Begin);
                login.asks_preauth(accepted());
                login.answer(event.clone())
            };
            let shown = first(true);
            assert_eq!((shown.code, shown.reason), (Challenge, reason), "{name}");
            let shown_text = shown.reply_message.unwrap().replace('\n', " ");
            assert_eq!(shown_text, text, "{name}");
            for typed in ["", "1", "push", "123456", "pw"] {
                let mut login = answered(&one, shown.pending.clone().unwrap(), typed);
                let answer = login.answer(Event::Begin);
                assert_eq!(
                    outcome(&answer),
                    (Reject, reason, after),
                    "{name} {typed:?}"
                );
            }
            let told = first(false);
            assert_eq!((told.code, told.reason), (Reject, reason), "{name}");
            assert_eq!(told.pending, None, "{name}");
        }
    }
}

#[test]
fn a_question_of_the_upstream_is_passed_on_where_there_is_a_way() {
    let relays = PrimaryUse::Ask {
        budget: BUDGET,
        relays: true,
    };
    let theirs = Asked {
        host: 1,
        state: Some(b"theirs".to_vec()),
    };
    let question = || {
        Event::Primary(Ok(Verdict::Asked(Question {
            asked: theirs.clone(),
            message: Some("Token?".to_owned()),
            attributes: Vec::new(),
            detail: String::new(),
        })))
    };
    let one = menu();
    let mut login = silenced(Login::new(Arc::clone(&one), relays, "pw"), false);
    login.asks_primary(Event::Begin);
    let answer = login.answer(question());
    assert_eq!(
        outcome(&answer),
        (Reject, Reason::UnsupportedMethod, texts::CANNOT_ASK)
    );

    let mut login = Login::new(Arc::clone(&one), relays, "pw");
    login.asks_primary(Event::Begin);
    let answer = login.answer(question());
    assert_eq!(
        outcome(&answer),
        (Challenge, Reason::PrimaryChallenge, "Token?")
    );
    let mut login = answered_with(&one, relays, answer.pending.unwrap(), "4711");
    let action = login.step(Event::Begin);
    let Action::Primary {
        credential: Credential::Password(typed),
        answers,
        ..
    } = action
    else {
        panic!("{action:?}");
    };
    assert_eq!((typed.expose().as_str(), answers), ("4711", Some(theirs)));
    // Its question first, then ours.
    login.asks_preauth(accepted());
    let answer = login.answer(can_use(devices()));
    assert_eq!(outcome(&answer), (Challenge, Reason::Prompted, MENU));
}

#[test]
fn an_answer_that_comes_where_nothing_is_asked_any_more_lets_nobody_in() {
    let pending = asked(&menu());
    // Another revision, or another method, has no questions.
    let mut login = silenced(answered(&menu(), pending, "1"), false);
    let answer = login.answer(Event::Begin);
    assert_eq!((answer.code, answer.reason), (Reject, Reason::UnknownState));
}

#[test]
fn who_needs_no_second_factor_is_let_in_and_an_outage_follows_the_fail_mode() {
    for asks in [true, false] {
        let exempt = eap(|one| one.exempt_users = vec!["alice".to_owned()]);
        let mut one = login(&exempt, "pw", asks);
        one.asks_primary(Event::Begin);
        assert_eq!(one.answer(accepted()).reason, Reason::ExemptUser);

        let mut one = login(&menu(), "pw", asks);
        one.asks_primary(Event::Begin);
        one.asks_preauth(accepted());
        let bypass = Preauth::Allow {
            status_msg: "Bypass".to_owned(),
        };
        let answer = one.answer(Event::Preauth(Ok(bypass)));
        assert_eq!(outcome(&answer), (Accept, Reason::Bypassed, "Bypass"));

        for (fail_mode, code) in [(FailMode::Safe, Accept), (FailMode::Secure, Reject)] {
            let mut one = login(&eap(|one| one.fail_mode = fail_mode), "pw", asks);
            one.asks_primary(Event::Begin);
            one.asks_preauth(accepted());
            let answer = one.answer(Event::Preauth(Err(failure(K::Connect))));
            assert_eq!(answer.code, code, "{fail_mode}");
        }

        let mut one = login(&menu(), "pw", asks);
        one.asks_primary(Event::Begin);
        assert_eq!(one.answer(rejected(Reason::WrongPassword)).code, Reject);
        let mut one = login(&menu(), "", asks);
        assert_eq!(one.answer(Event::Begin).reason, Reason::EmptyPassword);
    }
}

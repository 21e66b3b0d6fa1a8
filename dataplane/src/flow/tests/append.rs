//! What is typed in the password field (observed part 5), and the factor it becomes.

use proptest::prelude::*;
use proto::config::Append;

use super::*;
use crate::flow::AnswerCode::{Accept, Reject};
use crate::flow::factor::{Typed, split};
use crate::primary::{PrimaryFailure, PrimaryFailureKind as P};

#[test]
fn an_appended_factor_is_taken_off_the_password() {
    // typed, what the primary is asked, what the second factor is asked
    let table = [
        ("pw", "pw", AuthFactor::Auto),
        ("pw,push", "pw", AuthFactor::Push(id("A"))),
        ("pw,push2", "pw", AuthFactor::Push(id("C"))),
        ("pw,PUSH", "pw", AuthFactor::Push(id("A"))),
        ("pw, Push 2 ", "pw", AuthFactor::Push(id("C"))),
        ("pw,phone", "pw", AuthFactor::Phone(id("B"))),
        ("pw,phone2", "pw", AuthFactor::Phone(id("C"))),
        ("pw,sms", "pw", AuthFactor::Sms(id("A"))),
        ("pw,sms2", "pw", AuthFactor::Sms(id("C"))),
        ("pw,123456", "pw", passcode("123456")),
        ("pw, 000000 ", "pw", passcode("000000")),
        ("pw,x", "pw", passcode("x")),
        ("pw,pushy", "pw", passcode("pushy")),
        ("pw,1", "pw", AuthFactor::Push(id("A"))),
        ("pw,03", "pw", AuthFactor::Phone(id("B"))),
        ("pw,6", "pw", AuthFactor::Sms(id("C"))),
        ("pw,7", "pw", passcode("7")),
        ("pw,0", "pw", passcode("0")),
        ("pw,001", "pw", passcode("001")),
        ("pw,", "pw", AuthFactor::Auto),
        ("pw, ", "pw", AuthFactor::Auto),
        ("a,b,push", "a,b", AuthFactor::Push(id("A"))),
        (",123456", ",123456", AuthFactor::Auto),
        (",", ",", AuthFactor::Auto),
        ("push", "push", AuthFactor::Auto),
    ];
    for (typed, password, factor) in table {
        let mut login = Login::auto(ASK, typed);
        assert_eq!(login.asks_primary(Event::Begin), password, "{typed}");
        login.asks_preauth(accepted());
        assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed}");

        let mut login = Login::auto(PrimaryUse::AnyPassword, typed);
        login.asks_preauth(Event::Begin);
        assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed} alone");
    }
}

#[test]
fn the_whole_string_is_tried_when_its_first_part_is_refused() {
    for reason in [Reason::WrongPassword, Reason::PrimaryRejected] {
        let mut login = Login::auto(ASK, "a,b");
        assert_eq!(login.asks_primary(Event::Begin), "a", "{reason}");
        assert_eq!(login.asks_primary(rejected(reason)), "a,b", "{reason}");
        login.asks_preauth(accepted());
        let factor = login.asks_auth(can_use(devices()));
        assert_eq!(factor, AuthFactor::Auto, "{reason}");
    }
    let mut login = Login::auto(ASK, "a,b");
    login.asks_primary(Event::Begin);
    login.asks_primary(rejected(Reason::WrongPassword));
    let answer = login.answer(rejected(Reason::WrongPassword));
    assert_eq!(
        (answer.code, answer.reason),
        (Reject, Reason::WrongPassword)
    );
}

#[test]
fn an_account_that_may_not_log_in_is_not_tried_twice() {
    let events = [
        (rejected(Reason::AccountLocked), Reason::AccountLocked),
        (rejected(Reason::AccountDisabled), Reason::AccountDisabled),
        (rejected(Reason::AccountExpired), Reason::AccountExpired),
        (rejected(Reason::PasswordExpired), Reason::PasswordExpired),
        (
            rejected(Reason::PasswordMustChange),
            Reason::PasswordMustChange,
        ),
        (rejected(Reason::UnknownUser), Reason::UnknownUser),
        (rejected(Reason::AmbiguousUser), Reason::AmbiguousUser),
        (rejected(Reason::NotPermitted), Reason::NotPermitted),
        (rejected(Reason::PrimaryChallenge), Reason::PrimaryChallenge),
        (Event::TimedOut, Reason::PrimaryUnavailable),
        (primary_failed(P::Unavailable), Reason::PrimaryUnavailable),
        (
            primary_failed(P::Misconfigured),
            Reason::PrimaryMisconfigured,
        ),
        (primary_failed(P::Internal), Reason::Internal),
    ];
    for (event, reason) in events {
        let mut login = Login::auto(ASK, "a,b");
        login.asks_primary(Event::Begin);
        let answer = login.answer(event.clone());
        assert_eq!((answer.code, answer.reason), (Reject, reason), "{event:?}");
        assert!(answer.reply_message.is_some(), "{event:?}");
        assert_eq!(answer.factor, None, "{event:?}");
    }
}

#[test]
fn where_nothing_may_be_appended_the_whole_string_is_the_password() {
    for typed in ["pw,push", "pw,123456", "pw,"] {
        let never = integration(Mode::Auto, |i| {
            i.append.allow = false;
            i.append.password_length = Some(2);
        });
        let mut login = Login::new(never, ASK, typed);
        assert_eq!(login.asks_primary(Event::Begin), typed);
        let answer = login.answer(rejected(Reason::WrongPassword));
        assert_eq!(answer.reason, Reason::WrongPassword, "{typed}");
    }
}

#[test]
fn a_fixed_length_or_another_delimiter_splits_as_well() {
    // delimiter, password length, typed, what the primary is asked, what the second factor is
    let table = [
        ("##", None, "pw##push", "pw", AuthFactor::Push(id("A"))),
        ("##", None, "pw#push", "pw#push", AuthFactor::Auto),
        (",", Some(4), "pässpush", "päss", AuthFactor::Push(id("A"))),
        (",", Some(4), "päss,push", "päss", AuthFactor::Push(id("A"))),
        (",", Some(4), "päss123456", "päss", passcode("123456")),
        (",", Some(4), "pw,xpush", "pw,x", AuthFactor::Push(id("A"))),
        (",", Some(4), "pw,x,push", "pw,x", AuthFactor::Push(id("A"))),
        (",", Some(4), "päss", "päss", AuthFactor::Auto),
        (",", Some(4), "päss,", "päss", AuthFactor::Auto),
        (",", Some(4), "p,1", "p,1", AuthFactor::Auto),
        (",", Some(5), "pw,push", "pw,pu", passcode("sh")),
    ];
    for (delimiter, length, typed, password, factor) in table {
        let integration = integration(Mode::Auto, |i| {
            i.append.delimiter = delimiter.to_owned();
            i.append.password_length = length;
        });
        let mut login = Login::new(integration, ASK, typed);
        assert_eq!(login.asks_primary(Event::Begin), password, "{typed}");
        login.asks_preauth(accepted());
        assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed}");
    }
}

#[test]
fn concat_needs_a_factor_after_a_password() {
    for primary in [ASK, PrimaryUse::AnyPassword] {
        for (typed, reason) in [
            ("pw", Reason::FactorMissing),
            ("pw,", Reason::FactorMissing),
            ("pw, ", Reason::FactorMissing),
            ("123456", Reason::FactorMissing),
            (",", Reason::FactorMissing),
            (",123456", Reason::EmptyPassword),
            ("", Reason::EmptyPassword),
        ] {
            let mut login = Login::new(integration(Mode::Concat, |_| {}), primary, typed);
            let answer = login.answer(Event::Begin);
            assert_eq!((answer.code, answer.reason), (Reject, reason), "{typed}");
        }
    }
    let mut login = Login::new(integration(Mode::Concat, |_| {}), ASK, "a,b,phone2");
    assert_eq!(login.asks_primary(Event::Begin), "a,b");
    login.asks_preauth(accepted());
    let factor = login.asks_auth(can_use(devices()));
    assert_eq!(factor, AuthFactor::Phone(id("C")));
}

#[test]
fn concat_has_no_other_password_to_try() {
    let mut login = Login::new(integration(Mode::Concat, |_| {}), ASK, "a,123456");
    login.asks_primary(Event::Begin);
    let answer = login.answer(rejected(Reason::WrongPassword));
    assert_eq!(answer.reason, Reason::WrongPassword);
}

#[test]
fn duo_only_takes_the_password_field_for_the_factor() {
    for (typed, factor) in [
        ("push", AuthFactor::Push(id("A"))),
        ("Phone2", AuthFactor::Phone(id("C"))),
        ("sms", AuthFactor::Sms(id("A"))),
        ("2", AuthFactor::Push(id("C"))),
        ("123456", passcode("123456")),
        ("x", passcode("x")),
        ("pw,push", passcode("pw,push")),
    ] {
        for primary in [PrimaryUse::None, ASK, PrimaryUse::AnyPassword] {
            let mut login = Login::new(integration(Mode::DuoOnly, |_| {}), primary, typed);
            login.asks_preauth(Event::Begin);
            assert_eq!(login.asks_auth(can_use(devices())), factor, "{typed}");
        }
    }
    for typed in ["", " "] {
        let mut login = Login::new(integration(Mode::DuoOnly, |_| {}), PrimaryUse::None, typed);
        let answer = login.answer(Event::Begin);
        assert_eq!(
            (answer.code, answer.reason),
            (Reject, Reason::EmptyPassword)
        );
    }
}

#[test]
fn an_empty_password_asks_nobody() {
    for primary in [ASK, PrimaryUse::AnyPassword] {
        let answer = Login::auto(primary, "").answer(Event::Begin);
        assert_eq!(
            (answer.code, answer.reason),
            (Reject, Reason::EmptyPassword)
        );
    }
}

#[test]
fn exempt_users_pass_the_primary_and_nothing_else() {
    let exempt = |mode| integration(mode, |i| i.exempt_users = vec!["alice".to_owned()]);
    let want = Answer {
        code: Accept,
        reason: Reason::ExemptUser,
        reply_message: Some("You are exempt from the second factor.".to_owned()),
        factor: None,
        attributes: Vec::new(),
        pending: None,
    };
    for (mode, typed, asked) in [
        (Mode::Auto, "pw", "pw"),
        (Mode::Auto, "pw,push", "pw"),
        (Mode::Concat, "pw", "pw"),
        (Mode::Concat, "pw,123456", "pw"),
    ] {
        let mut login = Login::new(exempt(mode), ASK, typed);
        assert_eq!(login.asks_primary(Event::Begin), asked, "{mode} {typed}");
        assert_eq!(login.answer(accepted()), want, "{mode} {typed}");
        let mut login = Login::new(exempt(mode), PrimaryUse::AnyPassword, typed);
        assert_eq!(login.answer(Event::Begin), want, "{mode} {typed}");
        let mut login = Login::new(exempt(mode), ASK, "pw");
        login.asks_primary(Event::Begin);
        let answer = login.answer(rejected(Reason::WrongPassword));
        assert_eq!(answer.code, Reject, "{mode} {typed}");
    }
}

#[test]
fn nobody_is_exempt_where_no_password_is_checked() {
    for primary in [PrimaryUse::None, PrimaryUse::AnyPassword, ASK] {
        let exempt = integration(Mode::DuoOnly, |i| i.exempt_users = vec!["alice".to_owned()]);
        Login::new(exempt, primary, "123456").asks_preauth(Event::Begin);
    }
}

#[test]
fn a_name_is_exempt_octet_for_octet() {
    for name in ["Alice", "alice ", "DOM\\alice", "alic"] {
        let exempt = integration(Mode::Auto, |i| i.exempt_users = vec![name.to_owned()]);
        Login::new(exempt, PrimaryUse::AnyPassword, "pw").asks_preauth(Event::Begin);
    }
}

#[test]
fn the_first_of_factors_that_a_device_can_do_is_used() {
    use FactorChoice::{Auto, Passcode, Phone, Push};
    let one = |can: &str| vec![device("A", can)];
    // factors, devices, what is asked; none where nothing can be
    let table = [
        (vec![Auto], devices(), Some(AuthFactor::Auto)),
        (vec![Auto], one("auto"), Some(AuthFactor::Auto)),
        (vec![Auto], one("push"), Some(AuthFactor::Auto)),
        (vec![Auto], one("phone"), Some(AuthFactor::Auto)),
        (vec![Auto], one("sms"), None),
        (vec![Auto], one(""), None),
        (vec![Auto], Vec::new(), None),
        (vec![Push], devices(), Some(AuthFactor::Push(id("A")))),
        (vec![Push], one("phone"), None),
        (
            vec![Phone, Push],
            devices(),
            Some(AuthFactor::Phone(id("B"))),
        ),
        (
            vec![Phone, Push],
            one("push"),
            Some(AuthFactor::Push(id("A"))),
        ),
        // A passcode is asked for only where nothing before it can be done.
        (
            vec![Push, Passcode],
            devices(),
            Some(AuthFactor::Push(id("A"))),
        ),
    ];
    for (factors, devices, want) in table {
        let integration = integration(Mode::Auto, |i| i.factors = factors.clone());
        let mut login = Login::new(integration, PrimaryUse::AnyPassword, "pw");
        login.asks_preauth(Event::Begin);
        match (login.step(can_use(devices)), want) {
            (Action::Auth { request, .. }, Some(want)) => {
                assert_eq!(request.factor, want, "{factors:?}");
            }
            (Action::Answer(answer), None) => {
                assert_eq!(answer.reason, Reason::NoUsableFactor, "{factors:?}");
                assert_eq!(
                    answer.reply_message.as_deref(),
                    Some(
                        "None of your devices can be used here. \
                         Log in with your password, then ',', then a passcode."
                    )
                );
            }
            (action, want) => panic!("{factors:?}: {action:?}, not {want:?}"),
        }
    }
}

#[test]
fn a_factor_that_no_device_has_is_refused_with_those_there_are() {
    let all = "push1, push2, phone1, phone2, sms1, sms2, a passcode";
    for (typed, devices, want) in [
        (
            "pw,push9",
            devices(),
            format!("You have no 'push9'. You can use: {all}."),
        ),
        (
            "pw,phone0",
            devices(),
            format!("You have no 'phone0'. You can use: {all}."),
        ),
        (
            "pw,push",
            Vec::new(),
            "You have no 'push'. You can use: a passcode.".to_owned(),
        ),
    ] {
        let mut login = Login::auto(PrimaryUse::AnyPassword, typed);
        login.asks_preauth(Event::Begin);
        let answer = login.answer(can_use(devices));
        assert_eq!(answer.reason, Reason::NoUsableFactor, "{typed}");
        assert_eq!(answer.reply_message, Some(want), "{typed}");
    }
    let mut many = Login::auto(PrimaryUse::AnyPassword, "pw,push1001");
    many.asks_preauth(Event::Begin);
    let answer = many.answer(can_use(vec![device("A", "push phone sms"); 1_000]));
    assert!(answer.reply_message.unwrap().len() <= 253);
}

#[test]
fn a_passcode_needs_no_device() {
    let mut login = Login::auto(PrimaryUse::AnyPassword, "pw,123456");
    login.asks_preauth(Event::Begin);
    assert_eq!(login.asks_auth(can_use(Vec::new())), passcode("123456"));
}

#[test]
fn no_flow_is_made_that_would_skip_the_password_or_the_prompt() {
    let make = |mode, primary| {
        Flow::new(integration(mode, |_| {}), request("pw"), primary)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    for primary in [ASK, PrimaryUse::AnyPassword, PrimaryUse::None] {
        assert_eq!(make(Mode::DuoOnly, primary), Ok(()));
    }
    assert_eq!(make(Mode::Eap, ASK), Ok(()));
    for primary in [PrimaryUse::AnyPassword, PrimaryUse::None] {
        let want = "mode eap needs an authenticator".to_owned();
        assert_eq!(make(Mode::Eap, primary), Err(want));
    }
    for mode in [Mode::Auto, Mode::Challenge, Mode::Concat] {
        assert_eq!(make(mode, ASK), Ok(()));
        assert_eq!(make(mode, PrimaryUse::AnyPassword), Ok(()));
        let want = format!("mode {mode} needs an authenticator");
        assert_eq!(make(mode, PrimaryUse::None), Err(want));
    }
}

proptest! {
    #[test]
    fn what_was_joined_is_split_again(
        password in any::<String>(),
        factor in "[a-zA-Z0-9 ]{0,20}",
        delimiter in "[,;#|/ _-]{1,3}",
    ) {
        let joined = format!("{password}{delimiter}{factor}");
        // Otherwise the last delimiter is another one.
        prop_assume!(joined.rfind(&delimiter) == Some(password.len()));
        let append = delimited(&delimiter);
        let (before, after) = split(&joined, &append).unwrap();
                prop_assert_eq!((before, after), (password.as_str(), factor.as_str()));
    }

    #[test]
    fn a_fixed_length_splits_after_so_many_characters(
        password in "\\PC{1,12}",
        factor in "[a-z0-9]{1,12}",
        delimited in any::<bool>(),
    ) {
        let between = if delimited { "," } else { "" };
        let length = password.chars().count().try_into().unwrap();
        let append = integration(Mode::Auto, |i| i.append.password_length = Some(length))
            .append
            .clone();
        let joined = format!("{password}{between}{factor}");
        prop_assert_eq!(split(&joined, &append), Some((password.as_str(), factor.as_str())));
        prop_assert_eq!(split(&password, &append), None);
    }

    #[test]
    fn reading_a_factor_never_fails_and_keeps_a_passcode(text in any::<String>()) {
        match Typed::parse(&text) {
            None => prop_assert!(text.trim().is_empty()),
            Some(Typed::Text(kept)) => prop_assert_eq!(kept.expose().as_str(), text.trim()),
            Some(Typed::Named(kind, _)) => {
                prop_assert!(text.trim().to_lowercase().starts_with(kind.as_str()));
            }
        }
    }
}

fn delimited(delimiter: &str) -> Append {
    integration(Mode::Auto, |i| i.append.delimiter = delimiter.to_owned())
        .append
        .clone()
}

fn primary_failed(kind: P) -> Event {
    Event::Primary(Err(PrimaryFailure {
        kind,
        detail: String::new(),
    }))
}

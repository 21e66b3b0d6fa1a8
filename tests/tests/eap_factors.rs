//! Mode `eap`: how the second factor is chosen, asked for and answered, option by option.
#![cfg(test)]

use e2e::{
    eap::{Gateway, MENU, PASSWORD},
    peers::{
        FakeDuo, Supplicant,
        fakeduo::{Endpoint, Fault, Outcome, Place, Preauth, User},
        supplicant::Method,
    },
};

const ONE: &str = "DPE2EPHONE0000000001";
const TWO: &str = "DPE2EPHONE0000000002";
const CODE: &str = FakeDuo::PASSCODE;
const PASSCODE: &str = "Enter passcode:";

/// Prompts after the password, whether it was let in, and what the service was asked to do.
type Want<'a> = (&'a [&'a str], bool, &'a [(&'a str, &'a str)]);

fn assert_login(gateway: &Gateway<8>, name: &str, section: usize, typed: &[&str], want: Want<'_>) {
    let (prompts, lets_in, asked) = want;
    let user = "alice";
    let before = gateway.asked(user).len();
    let login = gateway.login(section, user, typed);
    let seen = match lets_in {
        true => login.accepted(),
        false => login.rejected(),
    };
    assert_eq!(seen.prompts[0], PASSWORD, "{name}");
    assert_eq!(seen.prompts[1..], *prompts, "{name}");
    let all = gateway.asked(user);
    let now: Vec<_> = all[before..]
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(now, asked, "{name}");
}

#[test]
fn options_and_what_was_appended_choose_the_factor() {
    const MENU_OR_NOTHING: usize = 0;
    let gateway = Gateway::with([
        "",
        "factors=push\n",
        "factors=passcode\n",
        "allow_concat=true\n",
        "allow_concat=true\nfactors=passcode\n",
        "allow_concat=true\nfactors=phone,push\ndelimiter=;;\n",
        "allow_concat=true\ndelimited_password_length=8\ndelimiter=;\n",
        "allow_concat=false\ndelimited_password_length=8\nfactors=phone\n",
    ]);
    let push = &[("push", ONE)][..];
    let phone = &[("phone", ONE)][..];
    let auto = &[("auto", "auto")][..];
    let code = &[("passcode", CODE)][..];
    let menu = &[MENU][..];
    let passcode = &[PASSCODE][..];
    let refused: Want<'_> = (&[], false, &[]);
    for (name, section, typed, want) in [
        (
            "nothing set: a list",
            MENU_OR_NOTHING,
            &["pw-alice", "1"][..],
            (menu, true, push),
        ),
        ("nothing is split off", 0, &["pw-alice,push"], refused),
        (
            "factors: used at once",
            1,
            &["pw-alice"],
            (&[][..], true, push),
        ),
        (
            "factors: nothing is split off",
            1,
            &["pw-alice,push"],
            refused,
        ),
        (
            "passcode: asked for",
            2,
            &["pw-alice", CODE],
            (passcode, true, code),
        ),
        (
            "passcode: a name is good too",
            2,
            &["pw-alice", "phone"],
            (passcode, true, phone),
        ),
        (
            "concat: the service chooses",
            3,
            &["pw-alice"],
            (&[], true, auto),
        ),
        (
            "concat: appended name",
            3,
            &["pw-alice,push"],
            (&[], true, push),
        ),
        (
            "concat: appended name, blanks and case",
            3,
            &["pw-alice, Push 1 "],
            (&[], true, push),
        ),
        (
            "concat: appended code",
            3,
            &["pw-alice,123456"],
            (&[], true, code),
        ),
        (
            "concat: wrong code",
            3,
            &["pw-alice,654321"],
            (&[], false, &[("passcode", "654321")]),
        ),
        (
            "concat: appended, no such device",
            3,
            &["pw-alice,push2"],
            (&[], false, &[]),
        ),
        ("concat: wrong password", 3, &["nope,123456"], refused),
        (
            "concat and passcode: asked for",
            4,
            &["pw-alice", CODE],
            (passcode, true, code),
        ),
        (
            "concat and passcode: appended",
            4,
            &["pw-alice,123456"],
            (&[], true, code),
        ),
        (
            "concat and passcode: appended name",
            4,
            &["pw-alice,phone"],
            (&[], true, phone),
        ),
        (
            "delimiter: order of factors",
            5,
            &["pw-alice"],
            (&[], true, phone),
        ),
        (
            "delimiter: appended",
            5,
            &["pw-alice;;push"],
            (&[], true, push),
        ),
        (
            "delimiter: another one is none",
            5,
            &["pw-alice,push"],
            refused,
        ),
        (
            "length: appended",
            6,
            &["pw-alice123456"],
            (&[], true, code),
        ),
        (
            "length: appended with delimiter",
            6,
            &["pw-alice;123456"],
            (&[], true, code),
        ),
        (
            "length: nothing appended",
            6,
            &["pw-alice"],
            (&[], true, auto),
        ),
        ("false wins over a length", 7, &["pw-alice123456"], refused),
        (
            "false wins over a length: factors",
            7,
            &["pw-alice"],
            (&[], true, phone),
        ),
    ] {
        assert_login(&gateway, name, section, typed, want);
    }
    assert_eq!(gateway.duo.violations(), Vec::<String>::new());
}

#[test]
fn the_list_takes_numbers_names_and_passcodes() {
    let gateway = Gateway::with([""]);
    let phones = vec![
        User::phone(ONE, "XXX-XXX-0100"),
        User::phone(TWO, "XXX-XXX-0200"),
    ];
    gateway.duo.everybody(User::default().devices(phones));
    let menu = "Choose a secondary factor from ('push1', 'push2', 'phone1', 'phone2', 'sms1', \
                'sms2') or enter passcode:";
    for (number, (typed, factor, value)) in [
        ("1", "push", ONE),
        ("2", "push", TWO),
        ("3", "phone", ONE),
        (" 4 ", "phone", TWO),
        ("push", "push", ONE),
        ("PUSH 2", "push", TWO),
        ("phone2", "phone", TWO),
        ("123456", "passcode", CODE),
        (" 123 456 ", "passcode", CODE),
    ]
    .into_iter()
    .enumerate()
    {
        for method in [Method::Peap, Method::TtlsGtc] {
            let user = format!("u{number}{}", usize::from(method == Method::Peap));
            let peer = Supplicant::new(method, &user);
            let login = gateway.login_of(&peer, 0, &[&format!("pw-{user}"), typed]);
            assert_eq!(login.accepted().prompts, [PASSWORD, menu], "{typed}");
            let want = [(factor.to_owned(), value.to_owned())];
            assert_eq!(gateway.asked(&user), want, "{typed}");
            // A passcode needs no list of devices.
            let preauths = if factor == "passcode" { 1 } else { 2 };
            assert_eq!(gateway.preauths(&user), preauths, "{typed}");
        }
    }
}

#[test]
fn an_answer_that_is_none_is_asked_for_again() {
    let gateway = Gateway::with([
        "",
        "passcode_retries=1\n",
        "factors=passcode\npasscode_retries=2\n",
    ]);
    let push_only = User::only(User::phone(ONE, "XXX-XXX-0100"), &["push"]);
    gateway
        .duo
        .user("pusher", User::default().devices(vec![push_only]));
    let again = |line: &str, menu: &str| format!("{line} {menu}");
    let push = "Choose a secondary factor from ('push1') or enter passcode:";

    let login = gateway.login(
        0,
        "pusher",
        &["pw-pusher", "", "phone", "sms", "push3", "push"],
    );
    let want = [
        PASSWORD.to_owned(),
        push.to_owned(),
        again("Nothing was typed.", push),
        again("You have no 'phone'.", push),
        again("You have no 'sms'.", push),
        again("You have no 'push3'.", push),
    ];
    assert_eq!(login.accepted().prompts, want);
    assert_eq!(
        gateway.asked("pusher"),
        [("push".to_owned(), ONE.to_owned())]
    );

    // Codes are sent, and asked for.
    let login = gateway.login(0, "bob", &["pw-bob", "sms", "3", "123456"]);
    let sent = again("New SMS passcodes sent.", MENU);
    assert_eq!(login.accepted().prompts[1..], [MENU, &sent, &sent]);
    let factors: Vec<String> = gateway.asked("bob").into_iter().map(|one| one.0).collect();
    assert_eq!(factors, ["sms", "sms", "passcode"]);
    let event = gateway.event("bob", 1);
    assert_eq!(event.end(), ("accept", "approved"));
    let asked: Vec<String> = event.steps().into_iter().map(|one| one.1).collect();
    assert_eq!(
        asked
            .iter()
            .filter(|one| one.starts_with("asked: "))
            .count(),
        3,
        "{asked:?}"
    );

    // A wrong code ends it, where nothing else is said.
    let login = gateway.login(0, "carol", &["pw-carol", "654321"]);
    assert_eq!(login.rejected().prompts.len(), 2);
    assert_eq!(gateway.event("carol", 1).end(), ("reject", "denied"));
    let wrong = again("Invalid passcode, please try again.", MENU);
    let login = gateway.login(1, "dave", &["pw-dave", "654321", "123456"]);
    assert_eq!(login.accepted().prompts[1..], [MENU, &wrong]);
    let login = gateway.login(1, "erin", &["pw-erin", "654321", "654321"]);
    assert_eq!(login.rejected().prompts.len(), 3);
    let wrong = again("Invalid passcode, please try again.", PASSCODE);
    let login = gateway.login(2, "frank", &["pw-frank", "1", "12", "123456"]);
    assert_eq!(login.accepted().prompts[1..], [PASSCODE, &wrong, &wrong]);

    // There is an end to it.
    let answers = ["pw-grace", "", "", "", "", "", "", "", "", "", "", ""];
    let login = gateway.login(0, "grace", &answers);
    assert_eq!(login.rejected().prompts.len(), 12);
    assert_eq!(
        gateway.event("grace", 1).end(),
        ("reject", "too_many_answers")
    );

    // The devices changed between the question and its answer.
    let mut session = gateway.session(0, "heidi");
    assert_eq!(session.until_asked(), PASSWORD);
    session.reply("pw-heidi".into());
    assert_eq!(session.until_asked(), MENU);
    let other = vec![User::phone(TWO, "XXX-XXX-0200")];
    gateway.duo.user("heidi", User::default().devices(other));
    session.reply("1".into());
    assert_eq!(
        session.until_asked(),
        again("The menu has changed. Please choose again.", MENU)
    );
    session.reply("1".into());
    let _ = session.run(|prompt| panic!("{prompt}")).accepted();
    assert_eq!(
        gateway.asked("heidi"),
        [("push".to_owned(), TWO.to_owned())]
    );
    gateway.assert_secret("bob", 1, &["pw-bob", "123456", "654321"]);
}

#[test]
fn who_is_not_asked_and_who_is_refused() {
    let gateway = Gateway::with([
        "exempt_username_1=exempt\n",
        "factors=push\nexempt_username_1=exempt\n",
    ]);
    let user = |name: &str, preauth| gateway.duo.user(name, User::default().preauth(preauth));
    user("bypass", Preauth::Allow("Hello".to_owned()));
    user(
        "denied",
        Preauth::Deny("Your account is disabled.".to_owned()),
    );
    user(
        "new",
        Preauth::Enroll("https://enroll.example/abc".to_owned()),
    );
    for section in [0, 1] {
        for method in [Method::Peap, Method::TtlsGtc, Method::TtlsPap] {
            let log = |name: &str, more: &[&str]| {
                let peer = Supplicant::new(method, name);
                let password = format!("pw-{name}");
                let answers: Vec<&str> = match method {
                    Method::TtlsPap => vec![&password],
                    _ => [&[password.as_str()], more].concat(),
                };
                let login = gateway.login_of(&peer, section, &answers);
                let event = gateway.running.events_of(name, 1).swap_remove(0);
                let reason = event["reason"].as_str().unwrap().to_owned();
                (login, reason)
            };
            let (login, _) = log("exempt", &[]);
            let _ = login.accepted();
            let (login, _) = log("bypass", &[]);
            let _ = login.accepted();
            // A text and a question whose answers change nothing.
            let (login, reason) = log("denied", &["whatever"]);
            let prompts = login.rejected().prompts.clone();
            assert_eq!(reason, "second_factor_refused");
            let (enrol, reason) = log("new", &["123456"]);
            let enrol = enrol.rejected().prompts.clone();
            assert_eq!(reason, "not_enrolled");
            if method != Method::TtlsPap {
                assert_eq!(prompts[1..], ["Your account is disabled."]);
                assert!(
                    enrol[1].ends_with("https://enroll.example/abc"),
                    "{enrol:?}"
                );
                assert!(
                    enrol[1].starts_with("Enroll an authentication device"),
                    "{enrol:?}"
                );
            }
        }
    }
    assert_eq!(gateway.event("exempt", 6).end(), ("accept", "exempt_user"));
    assert_eq!(gateway.event("bypass", 6).end(), ("accept", "bypassed"));
    assert_eq!(gateway.duo.count(Endpoint::Auth), 0);
    assert_eq!(gateway.preauths("exempt"), 0);
    gateway.assert_secret("new", 6, &["enroll.example", "pw-new"]);
}

#[test]
fn a_push_that_is_denied_ends_in_a_failure() {
    let gateway = Gateway::with(["", "factors=push\n"]);
    for (name, outcome, reason) in [
        ("denies", Outcome::Deny, "denied"),
        ("fraud", Outcome::Fraud, "fraud"),
        ("sleeps", Outcome::TimeOut, "timed_out"),
        ("locked", Outcome::LockedOut, "locked_out"),
    ] {
        gateway.duo.user(name, User::who(outcome));
        let password = format!("pw-{name}");
        let login = gateway.login(0, name, &[&password, "push"]);
        assert_eq!(login.rejected().result, Some(false), "{name}");
        let _ = gateway.login(1, name, &[&password]).rejected();
        for event in gateway.running.events_of(name, 2) {
            assert_eq!(
                (&event["outcome"], &event["reason"]),
                (&"reject".into(), &reason.into())
            );
            assert_eq!(event["factor"], "push");
        }
    }
}

#[test]
fn the_fail_mode_decides_while_the_second_factor_is_away() {
    let gateway = Gateway::with(["failmode=safe\n", "failmode=secure\n"]);
    gateway
        .duo
        .fail(Place::at(Endpoint::Preauth), Fault::Status(500));
    let login = gateway.login(0, "alice", &["pw-alice"]);
    assert_eq!(login.accepted().prompts, [PASSWORD]);
    assert_eq!(
        gateway.event("alice", 1).end(),
        ("accept", "fail_mode_safe")
    );
    let login = gateway.login(1, "alice", &["pw-alice"]);
    assert_eq!(login.rejected().prompts, [PASSWORD]);
    assert_eq!(
        gateway.event("alice", 2).end(),
        ("reject", "second_factor_unavailable")
    );
    let _ = gateway.login(0, "alice", &["nope"]).rejected();
    gateway.duo.heal();
    // Away once the question was answered.
    gateway
        .duo
        .fail(Place::at(Endpoint::Auth), Fault::Status(503));
    let _ = gateway.login(0, "bob", &["pw-bob", "push"]).accepted();
    let _ = gateway.login(1, "bob", &["pw-bob", "push"]).rejected();
    assert_eq!(
        gateway.event("bob", 2).end(),
        ("reject", "second_factor_unavailable")
    );
}

#[test]
fn who_cannot_be_asked_gets_the_automatic_factor() {
    let gateway = Gateway::with([
        "",
        "factors=passcode\n",
        "factors=passcode,phone\n",
        "allow_concat=true\nfactors=passcode\n",
    ]);
    let pap = Supplicant::new(Method::TtlsPap, "alice");
    let _ = gateway.login_of(&pap, 0, &["pw-alice"]).accepted();
    let _ = gateway.login_of(&pap, 1, &["pw-alice"]).rejected();
    let event = gateway.event("alice", 2);
    assert_eq!(event.end(), ("reject", "no_usable_factor"), "{event:?}");
    let _ = gateway.login_of(&pap, 2, &["pw-alice"]).accepted();
    let _ = gateway.login_of(&pap, 3, &["pw-alice"]).rejected();
    let _ = gateway.login_of(&pap, 3, &["pw-alice,123456"]).accepted();
    let asked: Vec<String> = gateway
        .asked("alice")
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(asked, ["auto", "phone", "passcode"]);
    // A token alone gives passcodes only.
    gateway
        .duo
        .user("bob", User::default().devices(vec![User::token("DHTOKEN")]));
    let bob = Supplicant::new(Method::TtlsPap, "bob");
    let _ = gateway.login_of(&bob, 0, &["pw-bob"]).rejected();
    assert_eq!(
        gateway.event("bob", 1).end(),
        ("reject", "no_usable_factor")
    );
    let login = gateway.login(0, "bob", &["pw-bob", CODE]);
    assert_eq!(login.accepted().prompts[1..], [PASSCODE]);
}

//! `[radius_server_challenge]`: what users answer to the menu, and what comes of it.
#![cfg(test)]

use std::{collections::BTreeMap, thread, time::Duration};

use e2e::{
    config::{MAIN, challenges, server},
    countersign::Countersign,
    gateway::on_data_dir,
    nas::{Answer, Nas, attribute, code},
    peers::{
        FakeDuo, Pki, Radclient, SECRET,
        fakeduo::{Endpoint, Fault, Outcome, Place, Preauth, User},
    },
    ports,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);
const IN: &str = "Success. Logging you in...";
const WRONG: &str = "Invalid passcode, please try again.";
const SENT: &str = "New SMS passcodes sent.";
const ONE: &str = "DPE2EPHONE0000000001";
const TWO: &str = "DPE2EPHONE0000000002";

/// A gateway with one section for each text of options, over `[duo_only_client]`.
struct Gateway<const SECTIONS: usize> {
    duo: FakeDuo,
    ports: [u16; SECTIONS],
    gateway: Countersign,
}

impl<const SECTIONS: usize> Gateway<SECTIONS> {
    fn with(options: [&str; SECTIONS]) -> Self {
        let duo = FakeDuo::start(Pki::shared());
        let (config, ports) = challenges(&duo, options);
        let gateway = Countersign::run(&config);
        Self {
            duo,
            ports,
            gateway,
        }
    }

    fn nas(&self, section: usize) -> Nas {
        Nas::new(ports::loopback(self.ports[section]), SECRET)
    }

    /// What the service was asked to do for a user, in order.
    fn asked(&self, user: &str) -> Vec<BTreeMap<String, String>> {
        let mut asked = self.duo.requests();
        asked.retain(|one| one.endpoint == Endpoint::Auth && one.user.as_deref() == Some(user));
        asked.into_iter().map(|one| one.params).collect()
    }

    fn preauths(&self, user: &str) -> usize {
        let requests = self.duo.requests();
        let of_user = requests
            .iter()
            .filter(|one| one.endpoint == Endpoint::Preauth && one.user.as_deref() == Some(user));
        of_user.count()
    }

    fn expect(&self, answer: &Answer, code: u8, text: &str) {
        assert_eq!(
            (answer.code, answer.message().as_str()),
            (code, text),
            "{}",
            self.gateway.output()
        );
    }

    /// The prompt again, with this line above it.
    fn expect_again(&self, answer: &Answer, line: &str, first: &Answer) {
        let want = format!("{line}\n{}", first.message());
        self.expect(answer, code::ACCESS_CHALLENGE, &want);
        assert_ne!(
            answer.first(attribute::STATE),
            first.first(attribute::STATE)
        );
    }
}

fn phone(id: &str, number: &str) -> Value {
    let mut device = User::phone(id, number);
    device["display_name"] = number.into();
    device
}

fn two_phones() -> User {
    User::default().devices(vec![phone(ONE, "XXX-XXX-0100"), phone(TWO, "XXX-XXX-0200")])
}

fn push_only() -> User {
    User::default().devices(vec![User::only(phone(ONE, "XXX-XXX-0100"), &["push"])])
}

#[test]
fn numbers_words_and_passcodes_are_answers() {
    let gateway = Gateway::with([""]);
    let nas = gateway.nas(0);
    for (number, (typed, factor, value)) in [
        ("1", "push", ONE),
        ("2", "push", TWO),
        ("3", "phone", ONE),
        ("4", "phone", TWO),
        (" 4 ", "phone", TWO),
        ("push", "push", ONE),
        ("push2", "push", TWO),
        ("Push 2", "push", TWO),
        ("phone", "phone", ONE),
        (" PHONE2", "phone", TWO),
        ("123456", "passcode", "123456"),
        (" 123 456 ", "passcode", "123456"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user{number}");
        gateway.duo.user(&user, two_phones());
        let question = nas.login(&user, "any");
        assert_eq!(
            question.code,
            code::ACCESS_CHALLENGE,
            "{typed}: {}",
            gateway.gateway.output()
        );
        assert!(question.message_authenticator_is_first());
        assert!(
            question.first(attribute::STATE).unwrap().len() <= 253,
            "{typed}"
        );
        let done = nas.reply(&user, typed, &question);
        let asked = gateway.asked(&user);
        assert_eq!(asked.len(), 1, "{typed}: {asked:?}");
        gateway.expect(&done, code::ACCESS_ACCEPT, IN);
        assert_eq!(asked[0]["factor"], factor, "{typed}");
        let (what, preauths) = match factor {
            "passcode" => ("passcode", 1),
            _ => ("device", 2),
        };
        assert_eq!(asked[0][what], value, "{typed}");
        assert_eq!(gateway.preauths(&user), preauths, "{typed}");
        let events = gateway.gateway.events_of(&user, 2);
        let [answer, first] = &events[..] else {
            panic!("{events:#?}");
        };
        assert_eq!(first["outcome"], "challenge", "{typed}: {first:#}");
        assert_eq!(first["first"], Value::Null, "{typed}: {first:#}");
        assert_eq!(answer["outcome"], "accept", "{typed}: {answer:#}");
        assert_eq!(answer["factor"], factor, "{typed}: {answer:#}");
        assert_eq!(answer["first"], first["id"], "{typed}: {answer:#}");
    }
    assert_eq!(gateway.duo.violations(), [""; 0]);
    let output = gateway.gateway.output();
    assert!(!output.contains("123456"), "{output}");
}

#[test]
fn codes_are_sent_and_asked_for() {
    let gateway = Gateway::with([""]);
    let nas = gateway.nas(0);
    for (user, typed) in [("a", "3"), ("b", "sms"), ("c", "SMS 1")] {
        let question = nas.login(user, "any");
        let again = nas.reply(user, typed, &question);
        gateway.expect_again(&again, SENT, &question);
        let asked = gateway.asked(user);
        assert_eq!((&*asked[0]["factor"], &*asked[0]["device"]), ("sms", ONE));
        let done = nas.reply(user, "123456", &again);
        gateway.expect(&done, code::ACCESS_ACCEPT, IN);
        let events = gateway.gateway.events_of(user, 3);
        let [last, sent, first] = &events[..] else {
            panic!("{events:#?}");
        };
        assert_eq!(sent["reason"], "passcodes_sent", "{sent:#}");
        assert_eq!(sent["outcome"], "challenge", "{sent:#}");
        assert_eq!(sent["first"], first["id"], "{sent:#}");
        assert_eq!(last["first"], first["id"], "{last:#}");
    }
    // After the codes, anything else may still be chosen.
    let question = nas.login("d", "any");
    let again = nas.reply("d", "3", &question);
    gateway.expect(&nas.reply("d", "1", &again), code::ACCESS_ACCEPT, IN);
}

#[test]
fn what_cannot_be_done_is_asked_again() {
    let gateway = Gateway::with(["", "factors=push\n"]);
    gateway.duo.everybody(push_only());
    let (nas, no_passcodes) = (gateway.nas(0), gateway.nas(1));
    for (user, nas, typed) in [
        ("empty", &nas, ""),
        ("blank", &nas, "  "),
        ("absent", &nas, "phone"),
        ("absent2", &nas, "push2"),
        ("beyond", &no_passcodes, "2"),
        ("passcode", &no_passcodes, "123456"),
        ("filtered", &no_passcodes, "sms"),
    ] {
        let question = nas.login(user, "any");
        let again = nas.reply(user, typed, &question);
        assert_eq!(
            again.code,
            code::ACCESS_CHALLENGE,
            "{user}: {}\n{}",
            again.message(),
            gateway.gateway.output()
        );
        let message = again.message();
        let line = message.strip_suffix(&question.message()).unwrap();
        assert!(line.trim().len() > 10, "{user}: {message}");
        assert_eq!(gateway.asked(user).len(), 0, "{user}");
        let done = nas.reply(user, "1", &again);
        gateway.expect(&done, code::ACCESS_ACCEPT, IN);
    }
}

#[test]
fn nobody_is_asked_again_for_ever() {
    let gateway = Gateway::with([""]);
    let nas = gateway.nas(0);
    let mut question = nas.login("alice", "any");
    for round in 0..10 {
        question = nas.reply("alice", "", &question);
        assert_eq!(
            question.code,
            code::ACCESS_CHALLENGE,
            "{round}: {}",
            gateway.gateway.output()
        );
    }
    let last = nas.reply("alice", "", &question);
    assert_eq!(last.code, code::ACCESS_REJECT);
    assert_eq!(gateway.asked("alice").len(), 0);
    let event = gateway.gateway.event_of("alice", 12);
    assert_eq!(event["reason"], "too_many_answers", "{event:#}");

    // Nor are codes sent for ever.
    let mut question = nas.login("bob", "any");
    while question.code == code::ACCESS_CHALLENGE {
        question = nas.reply("bob", "sms", &question);
    }
    gateway.expect(&question, code::ACCESS_REJECT, SENT);
    assert_eq!(gateway.asked("bob").len(), 11);
}

#[test]
fn a_wrong_passcode_ends_the_login_unless_it_may_be_tried_again() {
    let gateway = Gateway::with(["", "passcode_retries=2\n"]);
    let (strict, patient) = (gateway.nas(0), gateway.nas(1));
    let question = strict.login("alice", "any");
    let wrong = strict.reply("alice", "000000", &question);
    gateway.expect(&wrong, code::ACCESS_REJECT, WRONG);
    let event = gateway.gateway.event_of("alice", 2);
    assert_eq!(event["reason"], "denied", "{event:#}");

    let question = patient.login("bob", "any");
    let second = patient.reply("bob", "000000", &question);
    gateway.expect_again(&second, WRONG, &question);
    let third = patient.reply("bob", "000001", &second);
    gateway.expect_again(&third, WRONG, &question);
    let last = patient.reply("bob", "000002", &third);
    gateway.expect(&last, code::ACCESS_REJECT, WRONG);

    // The State of an earlier round is no way back to more tries.
    let replayed = patient.reply("bob", "123456", &second);
    assert_eq!(replayed.code, code::ACCESS_REJECT);
    assert_eq!(gateway.asked("bob").len(), 3);

    let question = patient.login("carol", "any");
    let second = patient.reply("carol", "000000", &question);
    let done = patient.reply("carol", "123456", &second);
    gateway.expect(&done, code::ACCESS_ACCEPT, IN);

    // A push that is denied is no wrong passcode.
    gateway.duo.user("dave", User::who(Outcome::Deny));
    let question = patient.login("dave", "any");
    let denied = patient.reply("dave", "push", &question);
    gateway.expect(&denied, code::ACCESS_REJECT, "Login request denied.");
}

#[test]
fn nobody_gets_in_by_a_fail_mode_after_a_wrong_passcode() {
    let gateway = Gateway::with(["failmode=safe\npasscode_retries=3\n"]);
    let nas = gateway.nas(0);
    let question = nas.login("alice", "any");
    let preauth = Place::at(Endpoint::Preauth).of("alice");
    gateway.duo.fail(preauth, Fault::Status(503));
    let wrong = nas.reply("alice", "000000", &question);
    gateway.expect(&wrong, code::ACCESS_REJECT, WRONG);
    let event = gateway.gateway.event_of("alice", 2);
    assert_eq!(event["reason"], "denied", "{event:#}");
}

#[test]
fn devices_that_changed_in_between_are_noticed() {
    let gateway = Gateway::with([""]);
    let nas = gateway.nas(0);
    let other = || User::default().devices(vec![phone(TWO, "XXX-XXX-0200")]);
    // A number of the menu that was shown is none of the menu there is now.
    let question = nas.login("alice", "any");
    gateway.duo.user("alice", other());
    let again = nas.reply("alice", "1", &question);
    assert_eq!(
        again.code,
        code::ACCESS_CHALLENGE,
        "{}",
        gateway.gateway.output()
    );
    assert!(
        again.message().contains("1. Duo Push to XXX-XXX-0200"),
        "{}",
        again.message()
    );
    assert_eq!(
        gateway.asked("alice").len(),
        0,
        "nobody is asked by mistake"
    );
    let done = nas.reply("alice", "1", &again);
    gateway.expect(&done, code::ACCESS_ACCEPT, IN);
    assert_eq!(gateway.asked("alice")[0]["device"], TWO);

    // A word means the same in both.
    let question = nas.login("bob", "any");
    gateway.duo.user("bob", other());
    let done = nas.reply("bob", "push", &question);
    gateway.expect(&done, code::ACCESS_ACCEPT, IN);
    assert_eq!(gateway.asked("bob")[0]["device"], TWO);

    // A passcode as well.
    let question = nas.login("carol", "any");
    gateway.duo.user("carol", other());
    let done = nas.reply("carol", "123456", &question);
    gateway.expect(&done, code::ACCESS_ACCEPT, IN);

    // Who was let in or refused in between is let in or refused.
    for (user, preauth, code) in [
        (
            "dave",
            Preauth::Allow("Bypass".to_owned()),
            code::ACCESS_ACCEPT,
        ),
        (
            "erin",
            Preauth::Deny("Gone".to_owned()),
            code::ACCESS_REJECT,
        ),
    ] {
        let question = nas.login(user, "any");
        gateway.duo.user(user, User::default().preauth(preauth));
        assert_eq!(nas.reply(user, "1", &question).code, code, "{user}");
        assert_eq!(gateway.asked(user).len(), 0, "{user}");
    }
}

#[test]
fn who_needs_no_factor_is_not_asked_for_one() {
    let gateway = Gateway::with(["exempt_username_1=exempt\n"]);
    let nas = gateway.nas(0);
    let users = [
        ("bypass", Preauth::Allow("Bypass user".to_owned())),
        ("denied", Preauth::Deny("Account disabled".to_owned())),
    ];
    for (user, preauth) in users {
        gateway.duo.user(user, User::default().preauth(preauth));
    }
    for (user, code, reason) in [
        ("bypass", code::ACCESS_ACCEPT, "bypassed"),
        ("denied", code::ACCESS_REJECT, "second_factor_refused"),
        ("exempt", code::ACCESS_ACCEPT, "exempt_user"),
    ] {
        assert_eq!(nas.login(user, "any").code, code, "{user}");
        let event = gateway.gateway.event_of(user, 1);
        assert_eq!(event["reason"], reason, "{event:#}");
    }
    assert_eq!(gateway.preauths("exempt"), 0);
    let denied = nas.login("denied", "any");
    gateway.expect(&denied, code::ACCESS_REJECT, "Account disabled");
}

#[test]
fn each_failure_follows_the_fail_mode_or_rejects_at_each_step() {
    use Endpoint::{Auth, Preauth};
    let gateway = Gateway::with(["failmode=safe\napi_timeout=2\n", "api_timeout=2\n"]);
    let (down, hang) = (Fault::Status(503), Fault::Hang);
    // What is typed after the menu, if it comes to that; what fails from then on; whether the fail
    // mode decides. A push that may have been asked for is nothing to be let in on.
    let table = [
        (None, Preauth, &down, true),
        (None, Preauth, &hang, true),
        (None, Preauth, &Fault::Garbage, false),
        (Some("1"), Preauth, &down, true),
        (Some("1"), Preauth, &hang, true),
        (Some("1"), Preauth, &Fault::Status(401), false),
        (Some("push"), Auth, &down, true),
        (Some("push"), Auth, &hang, false),
        (Some("123456"), Auth, &down, true),
        (Some("123456"), Auth, &hang, false),
        (Some("sms"), Auth, &down, true),
    ];
    thread::scope(|scope| {
        for (number, (typed, endpoint, fault, decides)) in table.into_iter().enumerate() {
            for (section, code) in [(0, code::ACCESS_ACCEPT), (1, code::ACCESS_REJECT)] {
                let gateway = &gateway;
                scope.spawn(move || {
                    let (user, nas) = (format!("user{number}-{section}"), gateway.nas(section));
                    let fail = || {
                        let place = Place::at(endpoint).of(&user);
                        gateway.duo.fail(place, fault.clone());
                    };
                    let answer = match typed {
                        None => {
                            fail();
                            nas.login(&user, "any")
                        }
                        Some(typed) => {
                            let question = nas.login(&user, "any");
                            fail();
                            nas.reply(&user, typed, &question)
                        }
                    };
                    let name = format!("{typed:?} {fault:?} {section}");
                    let want = if decides { code } else { code::ACCESS_REJECT };
                    let output = gateway.gateway.output();
                    assert_eq!(answer.code, want, "{name}: {}\n{output}", answer.message());
                    let count = if typed.is_some() { 2 } else { 1 };
                    let event = gateway.gateway.event_of(&user, count);
                    let let_in = event["reason"] == "fail_mode_safe";
                    assert_eq!(let_in, decides && section == 0, "{name}: {event:#}");
                });
            }
        }
    });
}

#[test]
fn a_passcode_question_of_auto_mode_is_answered_too() {
    let duo = FakeDuo::start(Pki::shared());
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}client=duo_only_client\nfailmode=secure\nfactors=passcode\n\
         passcode_retries=1\n",
        server("radius_server_auto", port, &duo)
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    let ask = |user: &str| {
        let question = nas.login(user, "any");
        assert_eq!(
            (question.code, question.message().as_str()),
            (code::ACCESS_CHALLENGE, "Enter passcode:"),
            "{}",
            gateway.output()
        );
        question
    };
    let last_factor = |user: &str| {
        let requests = duo.requests();
        let of_user = requests
            .into_iter()
            .rfind(|one| one.endpoint == Endpoint::Auth && one.user.as_deref() == Some(user));
        of_user.map(|one| one.params["factor"].clone())
    };
    for (user, typed, factor) in [
        ("alice", "123456", "passcode"),
        ("bob", "push", "push"),
        ("carol", " Phone ", "phone"),
    ] {
        let done = nas.reply(user, typed, &ask(user));
        assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
        assert_eq!(last_factor(user).as_deref(), Some(factor), "{user}");
    }
    let question = ask("dave");
    let again = nas.reply("dave", "sms", &question);
    assert_eq!(again.code, code::ACCESS_CHALLENGE, "{}", gateway.output());
    assert!(again.message().starts_with(SENT), "{}", again.message());
    assert!(again.message().ends_with("Enter passcode:"));
    let again = nas.reply("dave", "000000", &again);
    assert_eq!(again.code, code::ACCESS_CHALLENGE, "{}", gateway.output());
    assert!(again.message().starts_with(WRONG), "{}", again.message());
    let done = nas.reply("dave", "123456", &again);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    // What was appended needs no question.
    let done = nas.login("erin", "any,123456");
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
}

#[test]
fn auto_mode_asks_for_a_passcode_where_nothing_before_it_can_be_done() {
    let duo = FakeDuo::start(Pki::shared());
    duo.user(
        "token",
        User::default().devices(vec![User::token("DHE2ETOKEN0000000001")]),
    );
    let port = ports::free_udp();
    let gateway = Countersign::run(&format!(
        "{MAIN}[duo_only_client]\n{}client=duo_only_client\nfactors=push,passcode\n",
        server("radius_server_auto", port, &duo)
    ));
    let nas = Nas::new(ports::loopback(port), SECRET);
    let done = nas.login("alice", "any");
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
    assert_eq!(duo.pushes("alice"), 1);
    let question = nas.login("token", "any");
    assert_eq!(
        (question.code, question.message().as_str()),
        (code::ACCESS_CHALLENGE, "Enter passcode:"),
        "{}",
        gateway.output()
    );
    let done = nas.reply("token", "123456", &question);
    assert_eq!(done.code, code::ACCESS_ACCEPT, "{}", gateway.output());
}

#[test]
fn radclient_and_the_login_command_answer_the_menu() {
    let gateway = Gateway::with([""]);
    let server = ports::loopback(gateway.ports[0]);
    let send = |typed: &str, state: Option<&str>| {
        let request = Radclient::login(server, SECRET, "alice", typed).patience(1, LONG);
        match state {
            Some(state) => request.attribute("State", state).send(),
            None => request.send(),
        }
    };
    let question = send("any", None);
    assert!(question.is("Access-Challenge"), "{question:?}");
    let text = question.all("Reply-Message").concat();
    assert!(text.contains("1. Duo Push to XXX-XXX-0100\n"), "{text}");
    let done = send("1", Some(question.all("State")[0]));
    assert!(done.is("Access-Accept"), "{done:?}");
    assert_eq!(done.all("Reply-Message"), [IN]);
    assert_eq!(gateway.duo.pushes("alice"), 1);

    let data = gateway.gateway.data_dir();
    let login = on_data_dir(&["login", "bob"], &data, "any\nsms\n123456\n");
    let printed = String::from_utf8(login.stdout).unwrap();
    assert_eq!(login.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("3. SMS passcodes to XXX-XXX-0100"),
        "{printed}"
    );
    assert!(printed.contains(SENT) && printed.contains(IN), "{printed}");
}

//! What challenge mode shows the user, octet for octet as sent.
#![cfg(test)]

use std::time::Duration;

use e2e::{
    config::challenges,
    countersign::Countersign,
    nas::{Answer, Nas, attribute, code},
    peers::{
        FakeDuo, Pki, SECRET,
        fakeduo::{Preauth, User},
    },
    ports,
};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);

/// A gateway with a section for each text of options, over `[duo_only_client]`.
struct Gateway<const SECTIONS: usize> {
    duo: FakeDuo,
    ports: [u16; SECTIONS],
    gateway: Countersign,
}

impl<const SECTIONS: usize> Gateway<SECTIONS> {
    fn with(options: [&str; SECTIONS]) -> Self {
        let duo = FakeDuo::start(Pki::shared());
        duo.everybody(phones(1));
        let (config, ports) = challenges(&duo, options);
        let gateway = Countersign::run(&config);
        Self {
            duo,
            ports,
            gateway,
        }
    }

    /// The Reply-Message attributes that a user is asked with.
    fn prompt(&self, section: usize, user: &str) -> Vec<String> {
        let answer = self.asked(section, user);
        let message = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let texts = answer.all(attribute::REPLY_MESSAGE);
        texts.into_iter().map(message).collect()
    }

    fn asked(&self, section: usize, user: &str) -> Answer {
        let nas = Nas::new(ports::loopback(self.ports[section]), SECRET);
        let answer = nas.login(user, "any");
        assert_eq!(
            answer.code,
            code::ACCESS_CHALLENGE,
            "{user}: {}\n{}",
            answer.message(),
            self.gateway.output()
        );
        answer
    }
}

fn phone(number: u32) -> Value {
    let shown = format!("XXX-XXX-01{number:02}");
    let mut device = User::phone(&format!("DPE2EPHONE{number:010}"), &shown);
    device["display_name"] = shown.into();
    device
}

fn phones(count: u32) -> User {
    User::default().devices((0..count).map(phone).collect())
}

fn with_token() -> User {
    User::default().devices(vec![User::token("DHE2ETOKEN0000000001")])
}

const CONSOLE: &str = "Second factor for alice

Type a passcode, or the number of an option:

1. Duo Push to XXX-XXX-0100
2. Phone call to XXX-XXX-0100
3. SMS passcodes to XXX-XXX-0100 (next code starts with: 1)

Passcode or option (1-3): ";

const HTML: &str = "Second factor for alice<br><br>\
    Type a passcode, or the number of an option:<br><br>\
    1. Duo Push to XXX-XXX-0100<br>\
    2. Phone call to XXX-XXX-0100<br>\
    3. SMS passcodes to XXX-XXX-0100 (next code starts with: 1)<br><br>\
    Passcode or option (1-3):";

const SHORT: &str = "Choose a secondary factor from ('push1', 'phone1', 'sms1') or enter passcode:";
const SHORTEST: &str = "Choose a secondary factor or enter passcode:";

#[test]
fn the_menu_is_written_in_each_format() {
    let gateway = Gateway::with([
        "",
        "prompt_format=console\n",
        "prompt_format=html\n",
        "prompt_format=short\n",
    ]);
    let known = User::next_code(phone(0), "1");
    gateway
        .duo
        .user("alice", User::default().devices(vec![known]));
    gateway.duo.user("token", with_token());
    for (section, menu, passcode) in [
        (0, CONSOLE, "Second factor for token\n\nPasscode: "),
        (1, CONSOLE, "Second factor for token\n\nPasscode: "),
        (2, HTML, "Second factor for token<br><br>Passcode:"),
        (3, SHORT, "Enter passcode:"),
    ] {
        assert_eq!(gateway.prompt(section, "alice"), [menu], "{section}");
        assert_eq!(gateway.prompt(section, "token"), [passcode], "{section}");
    }
    let event = gateway.gateway.event_of("alice", 4);
    assert_eq!(event["outcome"], "challenge", "{event:#}");
    assert_eq!(event["reason"], "prompted", "{event:#}");
    assert_eq!(event["first"], Value::Null, "{event:#}");
}

#[test]
fn options_stand_by_kind_and_then_by_device() {
    let gateway = Gateway::with(["prompt_split=true\n", "prompt_format=short\n"]);
    let call = User::only(phone(1), &["phone"]);
    let devices = vec![
        User::token("DHE2ETOKEN0000000001"),
        phone(0),
        call,
        phone(2),
    ];
    gateway.duo.user("alice", User::default().devices(devices));
    let menu = "Second factor for alice

Type a passcode, or the number of an option:

1. Duo Push to XXX-XXX-0100
2. Duo Push to XXX-XXX-0102
3. Phone call to XXX-XXX-0100
4. Phone call to XXX-XXX-0101
5. Phone call to XXX-XXX-0102
6. SMS passcodes to XXX-XXX-0100
7. SMS passcodes to XXX-XXX-0102

Passcode or option (1-7): ";
    assert_eq!(gateway.prompt(0, "alice").concat(), menu);
    assert_eq!(
        gateway.prompt(1, "alice"),
        [
            "Choose a secondary factor from ('push1', 'push2', 'phone1', 'phone2', 'phone3', 'sms1', \
             'sms2') or enter passcode:"
        ]
    );
}

#[test]
fn what_factors_leaves_out_is_not_shown() {
    let gateway = Gateway::with([
        "factors=push,phone\n",
        "factors=push\nprompt_format=short\n",
        "factors=passcode\n",
        "factors=sms,passcode\n",
        "factors=passcode\nprompt_format=short\n",
        "factors=auto\n",
    ]);
    for (section, want) in [
        (
            0,
            "Second factor for alice\n\nType the number of an option:\n\n1. Duo Push to XXX-XXX-0100\n\
             2. Phone call to XXX-XXX-0100\n\nOption (1-2): ",
        ),
        (1, "Choose a secondary factor from ('push1'):"),
        (2, "Second factor for alice\n\nPasscode: "),
        (
            3,
            "Second factor for alice\n\nType a passcode, or the number of an option:\n\n\
             1. SMS passcodes to XXX-XXX-0100\n\nPasscode or option (1-1): ",
        ),
        (4, "Enter passcode:"),
        (
            5,
            "Second factor for alice\n\nType a passcode, or the number of an option:\n\n\
             1. Duo Push to XXX-XXX-0100\n2. Phone call to XXX-XXX-0100\n\
             3. SMS passcodes to XXX-XXX-0100\n\nPasscode or option (1-3): ",
        ),
    ] {
        assert_eq!(gateway.prompt(section, "alice"), [want], "{section}");
    }
    // Nobody can be asked who has nothing of it.
    gateway.duo.user("token", with_token());
    let nas = Nas::new(ports::loopback(gateway.ports[0]), SECRET);
    let refused = nas.login("token", "any");
    assert_eq!(refused.code, code::ACCESS_REJECT);
    let event = gateway.gateway.event_of("token", 1);
    assert_eq!(event["reason"], "no_usable_factor", "{event:#}");
}

#[test]
fn a_menu_that_is_too_long_is_said_shorter() {
    let gateway = Gateway::with(["", "prompt_format=html\n", "prompt_format=short\n"]);
    let two = "Choose a secondary factor from ('push1', 'push2', 'phone1', 'phone2', 'sms1', 'sms2') or \
               enter passcode:";
    gateway.duo.user("two", phones(2));
    gateway.duo.user("eight", phones(8));
    for section in 0..3 {
        assert_eq!(gateway.prompt(section, "two"), [two], "{section}");
        assert_eq!(gateway.prompt(section, "eight"), [SHORTEST], "{section}");
    }
    // The longest that fits, and one octet more.
    let fits = 253 - gateway.prompt(0, "a")[0].len() + 1;
    let (longest, too_long) = ("n".repeat(fits), "n".repeat(fits + 1));
    let whole = gateway.prompt(0, &longest).concat();
    assert_eq!(whole.len(), 253, "{whole}");
    assert!(whole.starts_with("Second factor for n"), "{whole}");
    assert_eq!(gateway.prompt(0, &too_long), [SHORT]);
}

#[test]
fn a_long_menu_can_be_split_over_several_attributes() {
    let gateway = Gateway::with([
        "prompt_split=true\n",
        "prompt_split=true\nprompt_format=html\n",
    ]);
    gateway.duo.user("eight", phones(8));
    for (section, lines) in [(0, "\n"), (1, "<br>")] {
        let prompt = gateway.prompt(section, "eight");
        assert!(prompt.len() > 1, "{prompt:?}");
        assert!(prompt.iter().all(|one| one.len() <= 253), "{prompt:?}");
        let whole = prompt.concat();
        let last = format!("{lines}24. SMS passcodes to XXX-XXX-0107{lines}{lines}");
        assert!(whole.starts_with("Second factor for eight"), "{whole}");
        assert!(whole.contains(&last), "{whole}");
        // One that fits is not split.
        assert_eq!(gateway.prompt(section, "alice").len(), 1);
    }
    // Names so long that a packet has no room for 72 lines of them: the short form, split as well.
    let long = |number: u32| {
        let device = phone(number);
        let name = format!("{number:02} {}", "long ".repeat(20));
        User::named(device, &name)
    };
    let many = User::default().devices((0..24).map(long).collect());
    gateway.duo.user("many", many);
    let prompt = gateway.prompt(0, "many");
    assert_eq!(prompt.len(), 3, "{prompt:?}");
    let whole = prompt.concat();
    assert!(
        whole.starts_with("Choose a secondary factor from ('push1', 'push2', "),
        "{whole}"
    );
    assert!(whole.ends_with("'sms24') or enter passcode:"), "{whole}");
}

#[test]
fn a_prompt_leaves_room_for_proxy_states_and_splits_at_characters() {
    let gateway = Gateway::with(["prompt_split=true\n"]);
    let odd = |number: u32| User::named(phone(number), &format!("Zoës Gerät № {number:02}"));
    let devices = (0..8).map(odd).collect();
    gateway.duo.user("zoë", User::default().devices(devices));
    let whole = gateway.prompt(0, "zoë").concat();
    assert!(whole.contains("\n24. SMS passcodes to Zoës Gerät № 07\n"));
    assert!(whole.starts_with("Second factor for zoë\n"), "{whole}");
    // What a chain of proxies wants back takes the room of the long form.
    let nas = Nas::new(ports::loopback(gateway.ports[0]), SECRET);
    let route = [b'r'; 253];
    let request = (0..13).fold(nas.access("zoë", "any"), |request, _| {
        request.with(attribute::PROXY_STATE, &route)
    });
    let answer = nas.exchange(&request, LONG).expect("an answer");
    assert_eq!(answer.code, code::ACCESS_CHALLENGE);
    assert_eq!(answer.all(attribute::PROXY_STATE).len(), 13);
    assert!(
        answer.message().starts_with("Choose a secondary factor"),
        "{}",
        answer.message()
    );
    assert!(answer.first(attribute::STATE).is_some());
}

#[test]
fn what_happened_stands_above_the_prompt() {
    let gateway = Gateway::with([
        "",
        "prompt_format=html\n",
        "prompt_format=short\n",
        "prompt_split=true\n",
    ]);
    gateway.duo.user("eight", phones(8));
    let above = "New SMS passcodes sent.";
    for (section, user, between) in [
        (0, "alice", "\n"),
        (1, "alice", "<br>"),
        (2, "alice", " "),
        (0, "eight", "\n"),
        (1, "eight", "<br>"),
        (2, "eight", " "),
        (3, "eight", "\n"),
    ] {
        let question = gateway.asked(section, user);
        let nas = Nas::new(ports::loopback(gateway.ports[section]), SECRET);
        let again = nas.reply(user, "sms", &question);
        assert_eq!(again.code, code::ACCESS_CHALLENGE);
        let want = format!("{above}{between}{}", question.message());
        assert_eq!(again.message(), want, "{section} {user}");
    }
}

#[test]
fn names_are_no_markup() {
    let gateway = Gateway::with(["prompt_format=html\n", "prompt_format=console\n"]);
    let device = User::named(User::only(phone(0), &["push"]), "<script>");
    let user = User::default().devices(vec![device]);
    gateway.duo.user("o'neil & <b>\"x\"", user);
    let html = gateway.prompt(0, "o'neil & <b>\"x\"").concat();
    let plain = gateway.prompt(1, "o'neil & <b>\"x\"").concat();
    let unescaped = html
        .replace("<br>", "\n")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    assert_eq!(unescaped, plain.trim_end());
    let markup = html.replace("<br>", "");
    for raw in ["<", ">", "\"", "'", "& "] {
        assert!(!markup.contains(raw), "{raw} in {html}");
    }
}

#[test]
fn enrolment_is_a_challenge_or_a_reject_with_the_text_and_the_link() {
    let gateway = Gateway::with(["", "enroll_challenge=true\n", "enroll_challenge=false\n"]);
    let link = "https://enroll.example.com/portal?code=48bac5d9393fb2c2";
    let user = User::default().preauth(Preauth::Enroll(link.to_owned()));
    gateway.duo.user("new", user);
    let text = format!("Enroll an authentication device to proceed {link}");
    for section in 0..2 {
        let question = gateway.asked(section, "new");
        assert_eq!(question.message(), text);
        let nas = Nas::new(ports::loopback(gateway.ports[section]), SECRET);
        let before = gateway.duo.requests().len();
        let refused = nas.reply("new", "1", &question);
        assert_eq!(refused.code, code::ACCESS_REJECT);
        assert_eq!(
            refused.message(),
            "Finish the enrolment first, then log in again."
        );
        assert_eq!(gateway.duo.requests().len(), before, "nobody is asked");
        let events = gateway.gateway.events_of("new", 2 * section + 2);
        for event in &events {
            assert_eq!(event["reason"], "not_enrolled", "{event:#}");
            // Whoever has the link can enrol as the user.
            assert!(
                !event.to_string().contains("enroll.example.com"),
                "{event:#}"
            );
        }
    }
    let nas = Nas::new(ports::loopback(gateway.ports[2]), SECRET);
    let refused = nas.login("new", "any");
    assert_eq!(refused.code, code::ACCESS_REJECT);
    assert_eq!(refused.message(), text);
    assert_eq!(refused.first(attribute::STATE), None);
}

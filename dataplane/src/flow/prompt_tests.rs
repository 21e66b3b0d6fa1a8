use proptest::prelude::*;
use proto::config::FactorChoice;

use super::*;
use crate::duo::message::{Capabilities, Device};

fn phone(name: &str) -> Device {
    Device {
        id: name.to_owned(),
        display_name: name.to_owned(),
        number: None,
        capabilities: Capabilities {
            auto: true,
            push: true,
            phone: true,
            sms: true,
        },
        sms_next_code: Some("1".to_owned()),
    }
}

fn token() -> Device {
    Device {
        id: "DH1".to_owned(),
        display_name: "0".to_owned(),
        ..Device::default()
    }
}

fn settings(format: PromptFormat) -> Prompt {
    Prompt {
        format,
        ..Prompt::default()
    }
}

fn shown(devices: &[Device], factors: &[FactorChoice], format: PromptFormat) -> String {
    let offer = Offer::filtered(devices, factors);
    let parts = Parts {
        user: "alice",
        offer: &offer,
        line: None,
        number: None,
    };
    write(parts, &settings(format), 255)
}

const AUTO: &[FactorChoice] = &[FactorChoice::Auto];
const PUSH: &[FactorChoice] = &[FactorChoice::Push];

#[test]
fn each_shape_of_a_prompt() {
    use PromptFormat::{Console, Html, Short};
    let phones = [phone("XXX-XXX-0100")];
    let tokens = [token()];
    let table = [
        (
            &phones,
            AUTO,
            Console,
            "Second factor for alice\n\nType a passcode, or the number of an option:\n\n\
                 1. Duo Push to XXX-XXX-0100\n2. Phone call to XXX-XXX-0100\n\
                 3. SMS passcodes to XXX-XXX-0100 (next code starts with: 1)\n\n\
                 Passcode or option (1-3): ",
        ),
        (
            &phones,
            PUSH,
            Console,
            "Second factor for alice\n\nType the number of an option:\n\n\
                 1. Duo Push to XXX-XXX-0100\n\nOption (1-1): ",
        ),
        (
            &tokens,
            AUTO,
            Console,
            "Second factor for alice\n\nPasscode: ",
        ),
        (
            &phones,
            AUTO,
            Html,
            "Second factor for alice<br><br>Type a passcode, or the number of an option:<br><br>\
                 1. Duo Push to XXX-XXX-0100<br>2. Phone call to XXX-XXX-0100<br>\
                 3. SMS passcodes to XXX-XXX-0100 (next code starts with: 1)<br><br>\
                 Passcode or option (1-3):",
        ),
        (
            &tokens,
            AUTO,
            Html,
            "Second factor for alice<br><br>Passcode:",
        ),
        (
            &phones,
            AUTO,
            Short,
            "Choose a secondary factor from ('push1', 'phone1', 'sms1') or enter passcode:",
        ),
        (
            &phones,
            PUSH,
            Short,
            "Choose a secondary factor from ('push1'):",
        ),
        (&tokens, AUTO, Short, "Enter passcode:"),
    ];
    for (devices, factors, format, want) in table {
        assert_eq!(shown(devices, factors, format), want);
    }
}

#[test]
fn a_number_stands_in_every_shape() {
    use PromptFormat::{Console, Html, Short};
    let phones = [phone("XXX-XXX-0100")];
    let many = vec![phone("XXX-XXX-0100"); 20];
    let shown = |devices, line, format| {
        let offer = Offer::filtered(devices, AUTO);
        let parts = Parts {
            user: "alice",
            offer: &offer,
            line,
            number: Some("481"),
        };
        write(parts, &settings(format), 255)
    };
    let console = "Second factor for alice\n\nType a passcode, or the number of an option:\n\n\
         1. Duo Push to XXX-XXX-0100\n\n\
         If you choose a push, type 481 on your phone.\n\nPasscode or option (1-1): ";
    let push_only = [Device {
        capabilities: Capabilities {
            push: true,
            ..Capabilities::default()
        },
        ..phone("XXX-XXX-0100")
    }];
    let list = "Choose a secondary factor from ('push1', 'phone1', 'sms1') or enter passcode:";
    let number = "If you choose a push, type 481 on your phone.";
    let bare = "Choose a secondary factor or enter passcode:";
    let wrong = Some("Wrong passcode.");
    for (devices, line, format, want) in [
        (&push_only[..], None, Console, console.to_owned()),
        (
            &push_only,
            None,
            Html,
            console.trim_end().replace('\n', "<br>"),
        ),
        // The whole list with the number is longer than a Reply-Message.
        (&phones, None, Console, format!("{number}\n{list}")),
        (&phones, None, Short, format!("{number} {list}")),
        (
            &phones,
            wrong,
            Short,
            format!("Wrong passcode. {number} {list}"),
        ),
        (
            &many,
            wrong,
            Short,
            format!("Wrong passcode. {number} {bare}"),
        ),
        (
            &many,
            wrong,
            Console,
            format!("Wrong passcode.\n{number}\n{bare}"),
        ),
        (
            &many,
            wrong,
            Html,
            format!("Wrong passcode.<br>{number}<br>{bare}"),
        ),
    ] {
        assert_eq!(shown(devices, line, format), want);
    }
}

#[test]
fn a_device_is_told_by_its_number_where_that_tells_it() {
    let numbered = |name: &str, number: &str| Device {
        number: Some(number.to_owned()),
        ..phone(name)
    };
    let shown = |devices: &[Device]| shown(devices, PUSH, PromptFormat::Console);
    let text = shown(&[numbered("Old", "XXX-0100"), numbered("New", "XXX-0101")]);
    assert!(
        text.contains("1. Duo Push to XXX-0100\n2. Duo Push to XXX-0101\n"),
        "{text}"
    );
    let text = shown(&[numbered("Old", "XXX-0100"), numbered("New", "XXX-0100")]);
    assert!(
        text.contains("1. Duo Push to Old\n2. Duo Push to New\n"),
        "{text}"
    );
}

#[test]
fn a_long_prompt_becomes_shorter_exactly_when_it_does_not_fit() {
    let phones = |count: usize| vec![phone("XXX-XXX-0100"); count];
    let console = |count| shown(&phones(count), AUTO, PromptFormat::Console);
    assert!(console(1).starts_with("Second factor"));
    assert_eq!(
        console(2),
        "Choose a secondary factor from ('push1', 'push2', 'phone1', 'phone2', 'sms1', 'sms2') \
             or enter passcode:"
    );
    assert_eq!(console(9), "Choose a secondary factor or enter passcode:");

    // The limit itself, found by the length of the user's name.
    let devices = phones(1);
    let offer = Offer::filtered(&devices, AUTO);
    let room = |user: &str| {
        let parts = Parts {
            user,
            offer: &offer,
            line: None,
            number: None,
        };
        write(parts, &settings(PromptFormat::Console), 255)
    };
    let filling = "a".repeat(REPLY_OCTETS - room("").len());
    assert_eq!(room(&filling).len(), REPLY_OCTETS);
    assert!(room(&filling).starts_with("Second factor"));
    assert!(room(&format!("{filling}a")).starts_with("Choose a secondary factor from"));
}

#[test]
fn a_split_prompt_is_whole_while_the_answer_has_room() {
    let devices = vec![phone("XXX-XXX-0100"); 20];
    let offer = Offer::filtered(&devices, AUTO);
    let parts = Parts {
        user: "alice",
        offer: &offer,
        line: None,
        number: None,
    };
    let split = Prompt {
        split: true,
        ..settings(PromptFormat::Console)
    };
    let whole = write(parts, &split, 4_000);
    assert!(whole.contains("60. SMS passcodes to"), "{whole}");
    let needed = framed(&whole);
    assert_eq!(write(parts, &split, needed), whole);
    let less = write(parts, &split, needed - 1);
    assert!(less.starts_with("Choose a secondary factor from"), "{less}");
    assert_eq!(
        write(parts, &split, 255),
        "Choose a secondary factor or enter passcode:"
    );
}

#[test]
fn a_line_stands_above() {
    let devices = [phone("XXX-XXX-0100")];
    let offer = Offer::filtered(&devices, PUSH);
    let shown = |line: &str, format| {
        let parts = Parts {
            user: "alice",
            offer: &offer,
            line: Some(line),
            number: None,
        };
        write(parts, &settings(format), 255)
    };
    let table = [
        (
            "New codes\nsent.",
            PromptFormat::Console,
            "New codes sent.\nSecond factor for alice\n\nType",
        ),
        (
            "1 < 2",
            PromptFormat::Html,
            "1 &lt; 2<br>Second factor for alice<br><br>Type",
        ),
        (
            "Sent.",
            PromptFormat::Short,
            "Sent. Choose a secondary factor from ('push1'):",
        ),
    ];
    for (line, format, want) in table {
        let text = shown(line, format);
        assert!(text.starts_with(want), "{text}");
    }
    // It is the line that is cut, not the question; and no entity.
    let long = "<".repeat(400);
    for format in PromptFormat::ALL {
        let text = shown(&long, *format);
        assert!(text.ends_with("Choose a secondary factor:"), "{text}");
        assert!(text.len() > REPLY_OCTETS - 8, "{text}");
        assert!(!text.contains("&l<") && !text.contains("&lt<"), "{text}");
    }
}

#[test]
fn nothing_of_others_becomes_markup() {
    let devices = [phone("<img src=x onerror='alert(1)'>&\"")];
    let offer = Offer::filtered(&devices, PUSH);
    let parts = Parts {
        user: "<b>",
        offer: &offer,
        line: None,
        number: None,
    };
    let text = write(parts, &settings(PromptFormat::Html), 255);
    assert_eq!(
        text,
        "Second factor for &lt;b&gt;<br><br>Type the number of an option:<br><br>1. Duo Push to \
             &lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;&quot;<br><br>Option (1-1):"
    );
}

fn plainly(status_msg: &str, portal_url: Option<&str>) -> String {
    enrolment(
        status_msg,
        portal_url,
        &settings(PromptFormat::Console),
        255,
    )
}

#[test]
fn an_enrolment_link_is_kept_whole() {
    let url = format!("https://api.example.com/{}", "p".repeat(200));
    let long = "Enroll an authentication device to proceed. ".repeat(4);
    let text = plainly(&long, Some(&url));
    assert!(text.starts_with("Enroll an auth"), "{text}");
    assert!(text.ends_with(&url), "{text}");
    assert!(text.len() <= REPLY_OCTETS, "{}", text.len());

    let short = "https://api.example.com/portal";
    let table = [
        ("Enroll", Some(short), format!("Enroll {short}")),
        (
            "",
            Some(short),
            format!("{} {short}", texts::of(Reason::NotEnrolled)),
        ),
        (
            "At https://api.example.com/portal",
            Some(short),
            format!("At {short}"),
        ),
        ("Enroll", Some(" "), "Enroll".to_owned()),
        ("Enroll", None, "Enroll".to_owned()),
    ];
    for (status_msg, url, want) in table {
        assert_eq!(plainly(status_msg, url), want);
    }
    let endless = format!("https://api.example.com/{}", "p".repeat(300));
    assert_eq!(plainly("Enroll", Some(&endless)), "Enroll");
    let filling = format!("https://api.example.com/{}", "p".repeat(229));
    assert_eq!(filling.len(), REPLY_OCTETS);
    assert_eq!(plainly("Enroll", Some(&filling)), filling);
}

#[test]
fn a_long_link_is_split_where_that_is_asked_for_and_no_link_becomes_markup() {
    let url = format!("https://api.example.com/{}", "p".repeat(300));
    let split = Prompt {
        split: true,
        ..settings(PromptFormat::Console)
    };
    assert_eq!(
        enrolment("Enroll", Some(&url), &split, 600),
        format!("Enroll {url}")
    );
    assert_eq!(enrolment("Enroll", Some(&url), &split, 255), "Enroll");
    let html = settings(PromptFormat::Html);
    assert_eq!(
        enrolment(
            "Enroll <now>\nor never",
            Some("https://e.example/?a=1&b=2"),
            &html,
            255
        ),
        "Enroll &lt;now&gt; or never https://e.example/?a=1&amp;b=2"
    );
}

proptest! {
    #[test]
    fn every_invitation_fits(
        text in any::<String>(),
        url in any::<String>(),
        format in proptest::sample::select(PromptFormat::ALL),
        split in any::<bool>(),
        room in 255_usize..1_024,
    ) {
        let settings = Prompt { split, ..settings(format) };
        let text = enrolment(&text, Some(&url), &settings, room);
        prop_assert!(!text.is_empty());
        if split {
            prop_assert!(framed(&text) <= room, "{}", text.len());
        } else {
            prop_assert!(text.len() <= REPLY_OCTETS, "{}", text.len());
        }
    }

    #[test]
    fn every_prompt_fits(
        user in any::<String>(),
        names in proptest::collection::vec(any::<String>(), 0..6),
        line in any::<Option<String>>(),
        number in proptest::option::of("[0-9A-Za-z]{1,8}"),
        format in proptest::sample::select(PromptFormat::ALL),
        split in any::<bool>(),
        room in 255_usize..4_096,
    ) {
        let devices: Vec<_> = names.iter().map(|name| phone(name)).collect();
        let offer = Offer::filtered(&devices, AUTO);
        let number = number.as_deref();
        let parts = Parts { user: &user, offer: &offer, line: line.as_deref(), number };
        let text = write(parts, &Prompt { split, ..settings(format) }, room);
        if split {
            prop_assert!(framed(&text) <= room, "{}", text.len());
        } else {
            prop_assert!(text.len() <= REPLY_OCTETS, "{}", text.len());
        }
        prop_assert!(!text.is_empty());
        if let Some(number) = number {
            prop_assert!(text.contains(&texts::number_on_phone(number)), "{text:?}");
        }
        if format == PromptFormat::Html {
            prop_assert!(!text.replace("<br>", "").contains('<'));
        }
    }
}

//! The text of a prompt: a list of options in one of three shapes, made short enough for the answer
//! that carries it. Pure text.

use std::borrow::Cow;

use proto::config::{Prompt, PromptFormat};
use proto::event::Reason;

use super::factor::{Kind, MenuEntry, Offer};
use super::texts::{self, REPLY_OCTETS, clean, quoted, shorten};

/// What a prompt is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Whom it is for.
    pub(super) user: &'a str,
    /// What to choose from.
    pub(super) offer: &'a Offer<'a>,
    /// What is said above it.
    pub(super) line: Option<&'a str>,
}

/// Writes a prompt: the whole list where it fits, else a short one, else none.
///
/// It has at most [`REPLY_OCTETS`] octets, or with `prompt_split` as many as the Reply-Message
/// attributes of the answer may take: `room`, framing included.
pub(super) fn write(parts: Parts<'_>, settings: &Prompt, room: usize) -> String {
    let fits = |text: &String| fits(text, settings, room);
    let format = settings.format;
    let line = parts.line.map(one_line);
    let line = line.as_deref();
    let full = (format != PromptFormat::Short).then(|| above(line, &full(parts, format), format));
    full.into_iter()
        .chain([above(line, &listed(parts.offer), format)])
        .find(fits)
        .unwrap_or_else(|| {
            let bare = bare(parts.offer);
            let left = REPLY_OCTETS.saturating_sub(bare.len() + joint(format).len());
            let line = line.map(|line| fitted(line, left, format));
            above(line, bare, format)
        })
}

/// One line, whatever is set: for where a question is the exception.
pub(super) fn write_short(parts: Parts<'_>) -> String {
    let short = Prompt {
        format: PromptFormat::Short,
        ..Prompt::default()
    };
    write(parts, &short, 0)
}

/// An invitation to enrol with its link. The link is kept whole, and the text before it shortened
/// where both do not fit; a link that fits no Reply-Message is left out then, because a part of it
/// leads nowhere.
pub(super) fn enrolment(
    status_msg: &str,
    portal_url: Option<&str>,
    settings: &Prompt,
    room: usize,
) -> String {
    let format = settings.format;
    let said = quoted(status_msg).unwrap_or_else(|| texts::of(Reason::NotEnrolled).to_owned());
    let said = match format {
        PromptFormat::Console => said,
        PromptFormat::Html | PromptFormat::Short => one_line(&said),
    };
    let show = |text: &str| match format {
        PromptFormat::Html => escaped(text).into_owned(),
        PromptFormat::Console | PromptFormat::Short => text.to_owned(),
    };
    let whole = show(&said);
    let link = portal_url
        .map(|url| show(&one_line(url)))
        .filter(|url| !url.is_empty() && !whole.contains(url));
    let whole = match &link {
        Some(link) => format!("{whole} {link}"),
        None => whole,
    };
    if fits(&whole, settings, room) {
        return whole;
    }
    let before = |octets| show(fitted(&said, octets, format));
    let left = |link: &String| REPLY_OCTETS.checked_sub(link.len());
    match link.and_then(|link| Some((left(&link)?, link))) {
        Some((left, link)) => {
            let text = format!("{} {link}", before(left.saturating_sub(1)));
            text.trim_start().to_owned()
        }
        None => before(REPLY_OCTETS),
    }
}

/// Whether an answer has room for a text.
fn fits(text: &str, settings: &Prompt, room: usize) -> bool {
    match settings.split {
        true => framed(text) <= room,
        false => text.len() <= REPLY_OCTETS,
    }
}

/// Header, invitation, options and the last line, which is where the cursor stands.
fn full(parts: Parts<'_>, format: PromptFormat) -> String {
    let Offer { passcodes, .. } = *parts.offer;
    let options = parts.offer.listed();
    let mut lines = vec![format!("Second factor for {}", parts.user), String::new()];
    if !options.is_empty() {
        let invitation = match passcodes {
            true => "Type a passcode, or the number of an option:",
            false => "Type the number of an option:",
        };
        lines.extend([invitation.to_owned(), String::new()]);
        lines.extend((1..).zip(options).map(|(number, one)| option(number, one)));
        lines.push(String::new());
    }
    lines.push(match (passcodes, options.len()) {
        (true, 0) => "Passcode: ".to_owned(),
        (true, last) => format!("Passcode or option (1-{last}): "),
        (false, last) => format!("Option (1-{last}): "),
    });
    match format {
        PromptFormat::Console | PromptFormat::Short => lines.join("\n"),
        PromptFormat::Html => {
            let lines: Vec<_> = lines.iter().map(|line| escaped(line.trim())).collect();
            lines.join(joint(format))
        }
    }
}

fn option(number: usize, entry: &MenuEntry<'_>) -> String {
    let name = one_line(&entry.device.display_name);
    let name = shorten(&name, DEVICE_OCTETS);
    match entry.kind {
        Kind::Push => format!("{number}. Duo Push to {name}"),
        Kind::Phone => format!("{number}. Phone call to {name}"),
        Kind::Sms => {
            let next = entry.device.sms_next_code.as_deref().map(one_line);
            match next.as_deref().map(|next| shorten(next, NEXT_CODE_OCTETS)) {
                None | Some("") => format!("{number}. SMS passcodes to {name}"),
                Some(next) => {
                    format!("{number}. SMS passcodes to {name} (next code starts with: {next})")
                }
            }
        }
    }
}

/// One line that names the options.
fn listed(offer: &Offer<'_>) -> String {
    let names: Vec<String> = offer
        .listed()
        .iter()
        .map(|entry| format!("'{}{}'", entry.kind.as_str(), entry.number))
        .collect();
    match (names.is_empty(), offer.passcodes) {
        (true, _) => bare(offer).to_owned(),
        (false, true) => format!(
            "Choose a secondary factor from ({}) or enter passcode:",
            names.join(", ")
        ),
        (false, false) => format!("Choose a secondary factor from ({}):", names.join(", ")),
    }
}

/// One line that names none.
fn bare(offer: &Offer<'_>) -> &'static str {
    match (offer.listed().is_empty(), offer.passcodes) {
        (true, _) => "Enter passcode:",
        (false, true) => "Choose a secondary factor or enter passcode:",
        (false, false) => "Choose a secondary factor:",
    }
}

/// Puts a line above a text. In html the text is html already, and the line is not.
fn above(line: Option<&str>, text: &str, format: PromptFormat) -> String {
    let joint = joint(format);
    match line {
        None | Some("") => text.to_owned(),
        Some(line) if format == PromptFormat::Html => format!("{}{joint}{text}", escaped(line)),
        Some(line) => format!("{line}{joint}{text}"),
    }
}

/// What stands between two lines.
const fn joint(format: PromptFormat) -> &'static str {
    match format {
        PromptFormat::Console => "\n",
        PromptFormat::Html => "<br>",
        PromptFormat::Short => " ",
    }
}

/// As much of a line as has so many octets once it is written.
fn fitted(line: &str, octets: usize, format: PromptFormat) -> &str {
    if format != PromptFormat::Html {
        return shorten(line, octets).trim_end();
    }
    let mut left = octets;
    let end = line.char_indices().find_map(|(at, one)| {
        let written = escape(one).map_or_else(|| one.len_utf8(), str::len);
        left.checked_sub(written)
            .map(|rest| left = rest)
            .is_none()
            .then_some(at)
    });
    end.and_then(|end| line.get(..end))
        .unwrap_or(line)
        .trim_end()
}

/// Text as html: what came from users and devices is not to become markup on a login page.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.chars().all(|one| escape(one).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len());
    for one in text.chars() {
        match escape(one) {
            Some(entity) => written.push_str(entity),
            None => written.push(one),
        }
    }
    Cow::Owned(written)
}

const fn escape(one: char) -> Option<&'static str> {
    match one {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// The octets of a text in Reply-Message attributes of which each is cut at a character, framing
/// included.
fn framed(text: &str) -> usize {
    let mut octets = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let first = shorten(rest, REPLY_OCTETS).len();
        octets += first + FRAMING_OCTETS;
        rest = rest.get(first..).unwrap_or_default();
    }
    octets
}

/// Type and length of an attribute.
const FRAMING_OCTETS: usize = 2;
/// The most octets of a device's name.
const DEVICE_OCTETS: usize = 96;
/// The service gives one digit.
const NEXT_CODE_OCTETS: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::config::FactorChoice;

    use super::*;
    use crate::duo::message::{Capabilities, Device};

    fn phone(name: &str) -> Device {
        Device {
            id: name.to_owned(),
            display_name: name.to_owned(),
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
            format in proptest::sample::select(PromptFormat::ALL),
            split in any::<bool>(),
            room in 255_usize..4_096,
        ) {
            let devices: Vec<_> = names.iter().map(|name| phone(name)).collect();
            let offer = Offer::filtered(&devices, AUTO);
            let parts = Parts { user: &user, offer: &offer, line: line.as_deref() };
            let text = write(parts, &Prompt { split, ..settings(format) }, room);
            if split {
                prop_assert!(framed(&text) <= room, "{}", text.len());
            } else {
                prop_assert!(text.len() <= REPLY_OCTETS, "{}", text.len());
            }
            prop_assert!(!text.is_empty());
            if format == PromptFormat::Html {
                prop_assert!(!text.replace("<br>", "").contains('<'));
            }
        }
    }
}

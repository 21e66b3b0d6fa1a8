//! The text of a prompt: a list of options in one of three shapes, made short enough for the answer
//! that carries it. Pure text.

use std::borrow::Cow;

use proto::config::{Prompt, PromptFormat};
use proto::event::Reason;

use super::factor::{Kind, MenuEntry, Offer};
use super::texts::{self, REPLY_OCTETS, clean, quoted, shorten};
use crate::duo::message::Device;

/// What a prompt is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Whom it is for.
    pub(super) user: &'a str,
    /// What to choose from.
    pub(super) offer: &'a Offer<'a>,
    /// What is said above it.
    pub(super) line: Option<&'a str>,
    /// What a push is approved with: letters and digits, never left out.
    pub(super) number: Option<&'a str>,
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
    let number = parts.number.map(texts::number_on_phone);
    let number = number.as_deref();
    let full = (format != PromptFormat::Short).then(|| above(line, &full(parts, format), format));
    full.into_iter()
        .chain([above(
            line,
            &above(number, &listed(parts.offer), format),
            format,
        )])
        .find(fits)
        .unwrap_or_else(|| {
            let bare = above(number, bare(parts.offer), format);
            let left = REPLY_OCTETS.saturating_sub(bare.len() + joint(format).len());
            let line = line.map(|line| fitted(line, left, format));
            above(line, &bare, format)
        })
}

/// One line for EAP, where a question may be longer than a Reply-Message.
pub(super) fn write_line(parts: Parts<'_>) -> String {
    let short = Prompt {
        format: PromptFormat::Short,
        split: true,
        ..Prompt::default()
    };
    write(parts, &short, EAP_OCTETS)
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
        lines.extend(
            (1..)
                .zip(options)
                .map(|(number, one)| option(number, one, options)),
        );
        lines.push(String::new());
    }
    if let Some(number) = parts.number {
        lines.extend([texts::number_on_phone(number), String::new()]);
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

fn option(number: usize, entry: &MenuEntry<'_>, options: &[MenuEntry<'_>]) -> String {
    let name = one_line(name(entry.device, options));
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

/// What tells a device from the others: its number, which is shorter than its name, unless another
/// one's looks the same.
fn name<'a>(device: &'a Device, options: &[MenuEntry<'_>]) -> &'a str {
    let looks_the_same =
        |one: &MenuEntry<'_>| one.device.id != device.id && one.device.number == device.number;
    match &device.number {
        Some(number) if !options.iter().any(looks_the_same) => number,
        _ => &device.display_name,
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

/// A question that fits into one packet inside a tunnel.
const EAP_OCTETS: usize = 900;
/// Type and length of an attribute.
const FRAMING_OCTETS: usize = 2;
/// The most octets of a device's name.
const DEVICE_OCTETS: usize = 96;
/// The service gives one digit.
const NEXT_CODE_OCTETS: usize = 4;

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;

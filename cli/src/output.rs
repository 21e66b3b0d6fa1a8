//! What commands print on standard output.

use std::fmt::Arguments;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use proto::secret::Secret;
use serde::Serialize;

/// One line of text. A reader that has gone, such as `head`, is no fault.
pub(crate) fn line(text: Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// One line that must not be overlooked: red at a terminal.
pub(crate) fn alarm(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    drop(match out.is_terminal() {
        true => writeln!(out, "\x1b[1;31m{text}\x1b[0m"),
        false => writeln!(out, "{text}"),
    });
}

/// A question to a person, without an end of line: not on standard output, which may go elsewhere.
pub(crate) fn question(text: Arguments<'_>) {
    let mut out = std::io::stderr().lock();
    drop(write!(out, "{text}").and_then(|()| out.flush()));
}

/// What was refused or left out: seen also where the output goes to a file or nowhere.
pub(crate) fn complaint(text: Arguments<'_>) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// What is to be known beside the output, and no part of it.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "note: {text}"));
}

/// The link with which the first administrator is invited: for whoever looks at the terminal, and not
/// among the lines of the log. The journal keeps what it gets, shows it to its readers and may pass it
/// on: there stands how else to begin.
pub(crate) fn setup_link(url: &str, token: &Secret<String>) {
    if goes_to_journal() {
        return question(format_args!(
            "Nobody may use this gateway yet. The journal has other readers, so the link for the first \
             administrator is not shown here: write countersign admin invite NAME, on this machine.\n"
        ));
    }
    let token = token.expose();
    let how = match controlplane::has_dashboard() {
        true => "Open it in a browser. Without one:".to_owned(),
        false => format!(
            "This program was built without its dashboard: send what is behind the # to\n\
             POST {url}/api/v1/setup. Or:"
        ),
    };
    question(format_args!(
        "\nNobody may use this gateway yet. This link is for the first administrator, good for a day:\n\
         \n    {url}/setup#{token}\n\n\
         {how} countersign admin invite NAME, or token create NAME, on this machine.\n\n"
    ));
}

/// Whether standard error is the stream that systemd made for the journal (systemd.exec(5),
/// `$JOURNAL_STREAM`).
fn goes_to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(error) = std::io::stderr().as_fd().try_clone_to_owned() else {
        return false;
    };
    let about = File::from(error).metadata();
    about.is_ok_and(|it| stream == format!("{}:{}", it.dev(), it.ino()))
}

/// Where an invitation is taken that stands in the next line.
pub(crate) fn invited(name: &str) {
    let where_to = match controlplane::has_dashboard() {
        true => "in a browser, at /invitation#INVITATION of the admin address",
        false => "at POST /api/v1/invitation",
    };
    question(format_args!(
        "This is shown once, and good for a day. {name} takes it {where_to}\n"
    ));
}

/// One JSON document, indented.
pub(crate) fn json<T: Serialize>(document: &T) {
    // Our own documents have text keys and finite numbers only, so they always have a JSON form.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    line(format_args!("{text}"));
}

/// One JSON document in one line, for a supervisor.
pub(crate) fn json_line<T: Serialize>(document: &T) {
    let text = serde_json::to_string(document).unwrap_or_default();
    line(format_args!("{text}"));
}

/// Without what would tell a terminal, or an editor, to do something or to begin a line: strangers type names, and nodes
/// are not believed.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        ) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_begins_a_line_or_turns_one_round() {
        for (text, want) in [
            (
                "a\n\r\t\u{1b}[2J\u{9b}m\u{85}",
                "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}[2J\u{fffd}m\u{fffd}",
            ),
            ("a\u{2028}b\u{2029}c", "a\u{fffd}b\u{fffd}c"),
            (
                "a\u{202e}b\u{2066}c\u{200f}d\u{61c}",
                "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}",
            ),
            // A joiner is how some languages write names.
            ("می\u{200c}خواهم ☎\u{fe0f}", "می\u{200c}خواهم ☎\u{fe0f}"),
        ] {
            assert_eq!(printable(text), want, "{text:?}");
        }
    }
}

//! What commands print on standard output.

use std::fmt::Arguments;
use std::io::Write;

use serde::Serialize;

/// One line of text. A reader that has gone, such as `head`, is no fault.
pub(crate) fn line(text: Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
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

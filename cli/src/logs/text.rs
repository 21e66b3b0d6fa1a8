//! How a record looks in each sink, and what of a text could fool a reader is escaped. Pure.

use std::fmt::Write;

use proto::date::utc;
use serde_json::{Map, json};

use super::record::{Field, Record, Value};

/// As a line for people at a terminal: time, level, where, message, fields.
pub(crate) fn line(record: &Record) -> String {
    let mut text = String::with_capacity(160);
    let (at, level) = (micros(record.at_us), record.level.as_str());
    text.push_str(&format!("{at} {level:>5} "));
    for span in &record.spans {
        escape(&mut text, &span.name);
        if !span.fields.is_empty() {
            text.push('{');
            fields(&mut text, &span.fields);
            text.push('}');
        }
        text.push(':');
    }
    if !record.spans.is_empty() {
        text.push(' ');
    }
    escape(&mut text, &record.target);
    text.push_str(": ");
    said(&mut text, record);
    text.push('\n');
    text
}

/// As a line of `authproxy.log`, without its time.
pub(crate) fn human(record: &Record) -> String {
    let mut text = String::with_capacity(160);
    text.push('[');
    escape(&mut text, &record.target);
    text.push('#');
    text.push_str(record.level.lower());
    text.push_str("] ");
    said(&mut text, record);
    no_login(text)
}

/// A line of `authproxy.log` that tells of no login has nothing in it that begins one that does.
pub(crate) fn no_login(line: String) -> String {
    match line.contains(LOGIN_BEGINS) {
        true => line.replace(LOGIN_BEGINS, "((\\u{27}"),
        false => line,
    }
}

/// As a JSON document.
pub(crate) fn document(record: &Record) -> String {
    let values = |list: &[Field]| -> Map<String, serde_json::Value> {
        let value = |value: &Value| match value {
            Value::Text(text) | Value::Shown(text) => json!(text),
            Value::Signed(number) => json!(number),
            Value::Unsigned(number) => json!(number),
            Value::Float(number) => json!(number),
            Value::Flag(flag) => json!(flag),
        };
        let each = list.iter();
        each.map(|field| (field.name.to_string(), value(&field.value)))
            .collect()
    };
    let mut said = values(&record.fields);
    said.insert("message".to_owned(), json!(record.message));
    let mut document = json!({
        "timestamp": micros(record.at_us),
        "level": record.level.as_str(),
        "target": record.target,
        "fields": said,
    });
    let spans: Vec<_> = record
        .spans
        .iter()
        .map(|span| {
            let mut values = values(&span.fields);
            values.insert("name".to_owned(), json!(span.name));
            values
        })
        .collect();
    if !spans.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.insert("spans".to_owned(), json!(spans));
    }
    json_line(&document.to_string())
}

/// A JSON text as one line that shows nothing by itself.
pub(crate) fn json_line(document: &str) -> String {
    let mut text = String::with_capacity(document.len() + 1);
    for one in document.chars() {
        // Outside of strings, where it would mean another thing, JSON has none of them.
        if is_hostile(one) {
            // Beyond U+FFFF it has two (RFC 8259 section 7).
            for unit in one.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(one);
        }
    }
    text.push('\n');
    text
}

fn said(text: &mut String, record: &Record) {
    escape(text, &record.message);
    if !record.message.is_empty() && !record.fields.is_empty() {
        text.push(' ');
    }
    fields(text, &record.fields);
}

fn fields(text: &mut String, list: &[Field]) {
    for (index, field) in list.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        escape(text, &field.name);
        text.push('=');
        let written = match &field.value {
            // Between quotes, and with what could end them escaped.
            Value::Text(value) => {
                seen(text, &format!("{value:?}"));
                Ok(())
            }
            Value::Shown(value) => {
                escape(text, value);
                Ok(())
            }
            Value::Signed(number) => write!(text, "{number}"),
            Value::Unsigned(number) => write!(text, "{number}"),
            Value::Float(number) => write!(text, "{number}"),
            Value::Flag(flag) => write!(text, "{flag}"),
        };
        // A string takes everything.
        let _: std::fmt::Result = written;
    }
}

/// Adds a text, with what would begin a line, move a terminal's cursor, turn the reading direction or
/// hide written out, and what writes it out twice.
pub(crate) fn escape(text: &mut String, of_others: &str) {
    for one in of_others.chars() {
        match one {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            one if is_hostile(one) => written_out(text, one),
            one => text.push(one),
        }
    }
}

/// [`escape`], by itself.
pub(crate) fn escaped(of_others: &str) -> String {
    let mut text = String::with_capacity(of_others.len());
    escape(&mut text, of_others);
    text
}

/// A user's name in a line of `authproxy.log`: [`escaped`], and what ends a name there, or makes of it
/// something that the gateway says, written out too. A blank stays where it is the only one and parts
/// two letters.
pub(crate) fn name(typed: &str) -> String {
    let letter = |side: Option<char>| side.is_some_and(char::is_alphabetic);
    let two_words = typed.split_once(' ').is_some_and(|(one, other)| {
        !other.contains(' ') && letter(one.chars().next_back()) && letter(other.chars().next())
    });
    let mut text = String::with_capacity(typed.len());
    let mut one_of = [0; 4];
    for one in typed.chars() {
        match one {
            ' ' if two_words => text.push(' '),
            '\'' | ',' | '(' | ')' => written_out(&mut text, one),
            '\n' | '\r' | '\t' => escape(&mut text, one.encode_utf8(&mut one_of)),
            one if one.is_whitespace() => written_out(&mut text, one),
            one => escape(&mut text, one.encode_utf8(&mut one_of)),
        }
    }
    text
}

/// What stands between the quotes of a field, or where a line of `authproxy.log` names a user, as it was
/// typed: undoes [`escape`], [`name`], and what Rust and JSON write between quotes.
pub(crate) fn typed(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let (one, behind) = undone(after).unwrap_or(('\\', after));
        text.push(one);
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// What the writing behind a backslash stands for, and what is behind it.
fn undone(after: &str) -> Option<(char, &str)> {
    let first = after.chars().next()?;
    let behind = after.get(first.len_utf8()..)?;
    let one = match first {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'b' => '\u{8}',
        'f' => '\u{c}',
        '\\' | '"' | '\'' | '/' => first,
        'u' => {
            if let Some((digits, behind)) =
                behind.strip_prefix('{').and_then(|it| it.split_once('}'))
            {
                let code = u32::from_str_radix(digits, 16).ok()?;
                return Some((char::from_u32(code)?, behind));
            }
            let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
            let (first, behind) = (unit(behind)?, behind.get(4..)?);
            if let Some(one) = char::from_u32(u32::from(first)) {
                return Some((one, behind));
            }
            // Beyond U+FFFF it has two (RFC 8259 section 7).
            let behind = behind.strip_prefix("\\u")?;
            let pair = [first, unit(behind)?];
            let one = char::decode_utf16(pair).next()?.ok()?;
            return Some((one, behind.get(4..)?));
        }
        _ => return None,
    };
    Some((one, behind))
}

/// A text about a login in a line of `authproxy.log`: [`escaped`], and wherever the user's name stands
/// in it, or its beginning, as [`name`] writes it.
pub(crate) fn about(detail: &str, typed: &str) -> String {
    if name(typed) == typed {
        return no_login(escaped(detail));
    }
    let blanked = |one: char| if one.is_control() { ' ' } else { one };
    let typed: String = typed.chars().map(blanked).collect();
    let typed: Vec<char> = typed.trim().chars().collect();
    let all: Vec<char> = detail.chars().collect();
    let mut text = String::with_capacity(detail.len());
    let mut rest = all.as_slice();
    while let Some((first, others)) = rest.split_first() {
        let same = rest.iter().zip(&typed).take_while(|(a, b)| a == b).count();
        // A text may be cut within the name.
        if same > 0 && (same == typed.len() || same >= BEGINNING) {
            let (found, behind) = rest.split_at(same);
            text.push_str(&name(&found.iter().collect::<String>()));
            rest = behind;
        } else {
            escape(&mut text, first.encode_utf8(&mut [0; 4]));
            rest = others;
        }
    }
    no_login(text)
}

/// Adds what is escaped already, for [`is_hostile`] knows more than Rust.
fn seen(text: &mut String, escaped: &str) {
    for one in escaped.chars() {
        match is_hostile(one) {
            true => written_out(text, one),
            false => text.push(one),
        }
    }
}

fn written_out(text: &mut String, one: char) {
    let _ = write!(text, "\\u{{{:x}}}", u32::from(one));
}

/// What begins a line, moves a cursor, turns the reading direction, or is not seen.
const fn is_hostile(one: char) -> bool {
    matches!(
        one,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What the address of a login stands behind, in each of its lines and nowhere else.
const LOGIN_BEGINS: &str = "(('";
/// What the name outside a tunnel stands behind, in a detail of a login.
pub(crate) const OUTER: &str = "outer name ";
/// So many characters of a name are taken for the name.
const BEGINNING: usize = 4;

/// `2026-11-22T03:24:13.000000Z`.
pub(crate) fn micros(at_us: u64) -> String {
    let seconds = utc(at_us / 1_000);
    let seconds = seconds.trim_end_matches('Z');
    format!("{seconds}.{:06}Z", at_us % 1_000_000)
}

/// `2026-11-22T03:24:13+0000`, which begins a line of `authproxy.log`.
pub(crate) fn seconds(at_us: u64) -> String {
    utc(at_us / 1_000).replace('Z', "+0000")
}

#[cfg(test)]
mod tests {
    use super::super::record::{Level, Span};
    use super::*;

    fn record() -> Record {
        let mut record = Record::new(Level::Warn, "dataplane::node", "it \u{1b}[2Jfailed\nagain")
            .with("login", "01")
            .text("user", Some("a\"b\r\n2026-11-22 \u{9b}31m\u{202e}"));
        record.at_us = 1_763_822_487_000_042;
        record
    }

    #[test]
    fn each_form_is_one_line_that_shows_nothing_by_itself() {
        let mut spans = record();
        spans.spans = vec![Span {
            name: "request".into(),
            fields: record().fields,
        }];
        let time = "2025-11-22T14:41:27.000042Z";
        let values = r#"login=01 user="a\"b\r\n2026-11-22 \u{9b}31m\u{202e}""#;
        let message = r"it \u{1b}[2Jfailed\nagain";
        for (name, got, want) in [
            (
                "text",
                line(&record()),
                format!("{time}  WARN dataplane::node: {message} {values}\n"),
            ),
            (
                "in a span",
                line(&spans),
                format!("{time}  WARN request{{{values}}}: dataplane::node: {message} {values}\n"),
            ),
            (
                "human",
                human(&record()),
                format!("[dataplane::node#warn] {message} {values}"),
            ),
        ] {
            assert_eq!(got, want, "{name}");
        }
        for record in [record(), spans] {
            let text = document(&record);
            let shown = text.strip_suffix('\n').unwrap();
            assert!(!shown.chars().any(is_hostile), "{text:?}");
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["timestamp"], time);
            assert_eq!(read["level"], "WARN");
            assert_eq!(read["fields"]["message"], record.message);
            assert_eq!(read["fields"]["login"], "01");
            assert_eq!(
                read["fields"]["user"],
                "a\"b\r\n2026-11-22 \u{9b}31m\u{202e}"
            );
        }
    }

    #[test]
    fn what_is_not_seen_or_turns_the_direction_is_written_out() {
        for one in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{202e}',
            '\u{2066}',
            '\u{206a}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            let code = u32::from(one);
            let written = format!("a\\u{{{code:x}}}b");
            let typed = format!("a{one}b");
            assert_eq!(escaped(&typed), written, "{code:x}");
            assert_eq!(name(&typed), written, "{code:x}");
            let record = Record::new(Level::Info, "x", "").text("user", Some(&typed));
            assert!(
                line(&record).ends_with(&format!("user=\"{written}\"\n")),
                "{code:x}"
            );
            let text = document(&record);
            assert!(text.is_ascii(), "{text}");
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["fields"]["user"], typed, "{code:x}");
        }
        assert_eq!(escaped("Zoë Ångström 中文 ’ €"), "Zoë Ångström 中文 ’ €");
        assert_eq!(escaped("a\\n"), "a\\\\n", "typed, and no line end");
    }

    #[test]
    fn what_no_writing_makes_stays_as_it_stands() {
        for (written, want) in [
            ("CORP\\carol", "CORP\\carol"),
            ("a\\", "a\\"),
            ("a\\u", "a\\u"),
            ("a\\u{", "a\\u{"),
            ("a\\u{110000}", "a\\u{110000}"),
            ("a\\ud83d", "a\\ud83d"),
            ("a\\ud83d\\u0041", "a\\ud83dA"),
            ("a\\ud83d\\ude00", "a😀"),
            ("a\\u00e", "a\\u00e"),
            ("\\\\n", "\\n"),
        ] {
            assert_eq!(typed(written), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn each_writing_of_a_name_is_read_as_it_was_typed(
            text in "([a-z\"'\\\\,() \n\t\u{0}\u{8}é😀\u{202e}\u{301}]|\\PC|.){0,20}",
        ) {
            let record = Record::new(Level::Info, "x", "").text("user", Some(&text));
            let shown = line(&record);
            let quoted = shown.split_once("user=\"").and_then(|(_, rest)| rest.strip_suffix("\"\n"));
            let json = json_line(&serde_json::to_string(&text).unwrap());
            let json = json.strip_prefix('"').and_then(|rest| rest.strip_suffix("\"\n"));
            for written in [&name(&text), &escaped(&text), quoted.unwrap(), json.unwrap()] {
                proptest::prop_assert_eq!(typed(written), text.as_str(), "{}", written);
            }
        }
    }

    #[test]
    fn times_are_those_of_the_old_files() {
        assert_eq!(seconds(1_763_822_487_999_999), "2025-11-22T14:41:27+0000");
        assert_eq!(micros(1_763_822_487_000_001), "2025-11-22T14:41:27.000001Z");
    }
}

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
    text
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
            let _ = write!(text, "\\u{:04x}", u32::from(one));
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
            Value::Text(value) => write!(text, "{value:?}"),
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

/// Adds a text, with what would begin a line, move a terminal's cursor or turn the reading direction
/// written out.
pub(crate) fn escape(text: &mut String, of_others: &str) {
    for one in of_others.chars() {
        match one {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            one if is_hostile(one) => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(one));
            }
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

const fn is_hostile(one: char) -> bool {
    matches!(
        one,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

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
    fn times_are_those_of_the_old_files() {
        assert_eq!(seconds(1_763_822_487_999_999), "2025-11-22T14:41:27+0000");
        assert_eq!(micros(1_763_822_487_000_001), "2025-11-22T14:41:27.000001Z");
    }
}

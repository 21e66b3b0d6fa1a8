//! Events as CSV (RFC 4180), for spreadsheets: one row a login, without its timeline. Pure.
//!
//! Names in it were typed by strangers. A cell that a spreadsheet would take for a formula has an
//! apostrophe in front.

use std::fmt::Display;

use bytes::Bytes;

use crate::admin::StoredEvent;
use crate::event_filter::chain;

/// The type of the table.
pub(crate) const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

const COLUMNS: [&str; 19] = [
    "seq",
    "at",
    "at_ms",
    "id",
    "first",
    "node",
    "revision",
    "integration",
    "ikey",
    "authenticator",
    "client",
    "user",
    "calling_station",
    "outcome",
    "reason",
    "factor",
    "reply_message",
    "elapsed_us",
    "steps",
];

/// The row that names the columns.
pub(crate) fn head() -> Bytes {
    (COLUMNS.join(",") + "\r\n").into()
}

/// Appends one row.
pub(crate) fn write(table: &mut Vec<u8>, stored: &StoredEvent) {
    fn shown<T: Display>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let StoredEvent { seq, event } = stored;
    let cells: [String; COLUMNS.len()] = [
        seq.to_string(),
        proto::date::utc(event.at_ms),
        event.at_ms.to_string(),
        event.id.to_string(),
        chain(event).to_string(),
        event.node.to_string(),
        event.revision.to_string(),
        event.integration.to_string(),
        event.ikey.to_string(),
        shown(event.authenticator.as_ref()),
        match event.test {
            true => event.shown_client(),
            false => event.client.to_string(),
        },
        shown(event.user.as_ref()),
        shown(event.calling_station.as_ref()),
        event.outcome.to_string(),
        event.reason.to_string(),
        shown(event.factor),
        shown(event.reply_message.as_ref()),
        event.elapsed_us.to_string(),
        event.timeline.len().to_string(),
    ];
    for (place, text) in cells.iter().enumerate() {
        if place > 0 {
            table.push(b',');
        }
        cell(table, text);
    }
    table.extend(b"\r\n");
}

fn cell(table: &mut Vec<u8>, text: &str) {
    // Blanks in front are passed over by some, and so are full-width forms taken for plain ones.
    let first = text.trim_start_matches([' ', '\u{a0}']).chars().next();
    let is_formula = first.is_some_and(|first| FORMULAS.contains(&first));
    let is_quoted = text.contains(['"', ',', '\r', '\n', ';', '\t']) || text != text.trim();
    if is_quoted {
        table.push(b'"');
    }
    if is_formula {
        table.push(b'\'');
    }
    match is_quoted {
        true => table.extend(text.replace('"', "\"\"").bytes()),
        false => table.extend(text.bytes()),
    }
    if is_quoted {
        table.push(b'"');
    }
}

/// What a formula begins with, or what is skipped before one.
const FORMULAS: [char; 12] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠',
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> String {
        let mut table = Vec::new();
        cell(&mut table, text);
        String::from_utf8(table).unwrap()
    }

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (text, want) in [
            ("", ""),
            ("alice", "alice"),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" blank", "\" blank\""),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            (" =1", "\"' =1\""),
            ("＝1", "'＝1"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            (
                "=HYPERLINK(\"x\",\"y\")",
                "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"",
            ),
            ("1-1", "1-1"),
        ] {
            assert_eq!(of(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let event = json!({
            "id": "00000000000000000000000000000002", "at_ms": 1_763_822_487_123_u64, "node": "one",
            "revision": 3, "integration": "a", "ikey": "DI", "client": "192.0.2.1:1024",
            "user": "=x", "outcome": "accept", "reason": "approved", "factor": "push",
            "elapsed_us": 7, "timeline": [],
        });
        let stored = StoredEvent {
            seq: 5,
            event: serde_json::from_value(event).unwrap(),
        };
        let mut table = head().to_vec();
        write(&mut table, &stored);
        let text = String::from_utf8(table).unwrap();
        let [head, row, ""] = text.split("\r\n").collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        assert_eq!(head.split(',').count(), row.split(',').count());
        assert_eq!(
            row,
            "5,2025-11-22T14:41:27Z,1763822487123,00000000000000000000000000000002,\
             00000000000000000000000000000002,one,3,a,DI,,192.0.2.1:1024,'=x,,accept,approved,push,,\
             7,0"
        );
    }

    /// Reads one cell back, as RFC 4180 says.
    fn read(cell: &str) -> String {
        match cell.strip_prefix('"') {
            Some(inner) => inner.strip_suffix('"').unwrap().replace("\"\"", "\""),
            None => {
                assert!(!cell.contains(['"', ',', '\r', '\n']));
                cell.to_owned()
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_begins_no_formula(text in "[ =+@\t\r\n\",;'a-c\u{a0}＝-]{0,12}") {
            let back = read(&of(&text));
            let plain = back.strip_prefix('\'').unwrap_or(&back);
            prop_assert!(back == text || plain == text);
            prop_assert!(!back.trim_start().starts_with(['=', '+', '-', '@']));
        }
    }
}

//! `text/event-stream`, as browsers read it (the HTML standard, 9.2). Pure.

use bytes::Bytes;

use crate::admin::StoredEvent;

/// The type of the body.
pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// An event: its number is the id that a reader comes back with.
pub(crate) fn login(stored: &StoredEvent) -> Result<Bytes, serde_json::Error> {
    // JSON has no line's end outside of what is written as an escape.
    let data = serde_json::to_string(stored)?;
    Ok(format!("id: {}\nevent: login\ndata: {data}\n\n", stored.seq).into())
}

/// What a reader was too slow for.
pub(crate) fn lagged(missed: u64) -> Bytes {
    format!("event: lagged\ndata: {{\"missed\":{missed}}}\n\n").into()
}

/// A comment that says that the stream lives, and up to which event it has come.
pub(crate) fn heartbeat(seen: Option<u64>) -> Bytes {
    match seen {
        Some(seq) => format!(": heartbeat\nid: {seq}\n\n").into(),
        None => Bytes::from_static(b": heartbeat\n\n"),
    }
}

/// Whether an `Accept` asks for it.
pub(crate) fn is_wanted(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let name = range.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case(CONTENT_TYPE)
    })
}

/// What came of a `Last-Event-ID`; none when it is none of ours.
pub(crate) fn last_id(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn frames_are_as_browsers_read_them() {
        let event = json!({
            "id": "00000000000000000000000000000001", "at_ms": 1, "node": "one", "revision": 1,
            "integration": "a", "ikey": "DI", "client": "192.0.2.1:1024", "user": "a\n\ndata: x",
            "outcome": "accept", "reason": "approved", "elapsed_us": 7, "timeline": [],
        });
        let stored = StoredEvent {
            seq: 5,
            event: serde_json::from_value(event).unwrap(),
        };
        let frame = String::from_utf8(login(&stored).unwrap().to_vec()).unwrap();
        let lines: Vec<&str> = frame.split('\n').collect();
        let [id, event, data, "", ""] = lines.as_slice() else {
            panic!("{frame}")
        };
        assert_eq!((*id, *event), ("id: 5", "event: login"));
        let back: StoredEvent = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(back, stored, "a name cannot end the frame");
        assert_eq!(lagged(7), "event: lagged\ndata: {\"missed\":7}\n\n");
        assert_eq!(heartbeat(None), ": heartbeat\n\n");
        assert_eq!(heartbeat(Some(9)), ": heartbeat\nid: 9\n\n");
    }

    #[test]
    fn the_stream_is_for_who_asks_for_it() {
        for (accept, want) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.9", true),
            ("*/*", false),
            ("", false),
            ("text/event-streams", false),
        ] {
            assert_eq!(is_wanted(accept), want, "{accept}");
        }
    }

    #[test]
    fn a_last_id_is_a_number_of_ours() {
        for (text, want) in [
            ("17", Some(17)),
            (" 17 ", Some(17)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(last_id(text), want, "{text}");
        }
    }
}

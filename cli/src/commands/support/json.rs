//! What stands in a JSON document, replaced one string after the other: its form, its order and its numbers
//! stay as they are. Pure.

use serde::de::IgnoredAny;

/// A piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The name of a field.
    Key(&'a str),
    /// A string, of the field of that name.
    Text { of: &'a str, text: &'a str },
    /// A number, as it is written.
    Number { of: &'a str, text: &'a str },
}

/// The document with each piece that `each` has another text for replaced by that, as a string. None when it
/// is no JSON.
pub(super) fn replaced(
    document: &str,
    mut each: impl FnMut(Piece<'_>) -> Option<String>,
) -> Option<String> {
    // It is JSON, and not deeper than serde_json goes: below nothing need be looked at twice.
    serde_json::from_str::<IgnoredAny>(document).ok()?;
    let mut out = String::with_capacity(document.len());
    let (mut rest, mut key, mut outer) = (document, String::new(), Vec::new());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest)?,
            '-' | '0'..='9' => rest
                .find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        let new = match first {
            '"' => {
                let text: String = serde_json::from_str(token).ok()?;
                if after.trim_start().starts_with(':') {
                    let new = each(Piece::Key(&text));
                    key = text;
                    new
                } else {
                    each(Piece::Text {
                        of: &key,
                        text: &text,
                    })
                }
            }
            '-' | '0'..='9' => each(Piece::Number {
                of: &key,
                text: token,
            }),
            '{' | '[' => {
                outer.push(key.clone());
                None
            }
            '}' | ']' => {
                key = outer.pop()?;
                None
            }
            _ => None,
        };
        match new {
            Some(new) => out.push_str(&serde_json::to_string(&new).ok()?),
            None => out.push_str(token),
        }
    }
    Some(out)
}

/// How many octets the string has that a text begins with, its quotes included.
fn string(text: &str) -> Option<usize> {
    let mut escaped = false;
    let (at, _) = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    })?;
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_seen_with_its_field_and_the_form_stays() {
        let document =
            " {\"b\" : [1, \"x\", {\"c\": \"\\\"y\\\\\"}, \"z\"],\n\"a\":-2.5e3,\"n\":null} ";
        let mut seen = Vec::new();
        let same = replaced(document, |piece| {
            seen.push(match piece {
                Piece::Key(key) => format!("key {key}"),
                Piece::Text { of, text } => format!("{of}={text}"),
                Piece::Number { of, text } => format!("{of}:{text}"),
            });
            None
        });
        assert_eq!(same.as_deref(), Some(document));
        let want = [
            "key b", "b:1", "b=x", "key c", "c=\"y\\", "b=z", "key a", "a:-2.5e3", "key n",
        ];
        assert_eq!(seen, want);
        let new = replaced(document, |piece| match piece {
            Piece::Text { text: "x", .. } => Some("\"".to_owned()),
            Piece::Number { of: "a", .. } => Some("[secret]".to_owned()),
            _ => None,
        });
        let want = document
            .replace("\"x\"", "\"\\\"\"")
            .replace("-2.5e3", "\"[secret]\"");
        assert_eq!(new, Some(want));
        for none in ["", "{", "{\"a\":1}x", "a=1", "\"\\ud800\""] {
            assert_eq!(replaced(none, |_| None), None, "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_replaced_stays_a_document(text in ".{0,40}", number in proptest::num::f64::NORMAL) {
            let document = serde_json::json!({ &text: [&text, number, {"x": &text}] }).to_string();
            let new = replaced(&document, |_| Some("\"\\ ü".to_owned())).unwrap();
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&new).is_ok(), "{}", new);
        }
    }
}

//! Documents as BSON (bsonspec.org, version 1.1), as far as answers of version 1 need it. Pure.

use serde_json::{Map, Value};

/// Writes a document.
pub(super) fn document(members: &Map<String, Value>) -> Vec<u8> {
    let mut elements = Vec::new();
    for (name, value) in members {
        element(&mut elements, name, value);
    }
    framed(elements)
}

fn element(out: &mut Vec<u8>, name: &str, value: &Value) {
    let (kind, octets) = match value {
        Value::Null => (NULL, Vec::new()),
        Value::Bool(truth) => (BOOLEAN, vec![u8::from(*truth)]),
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or(i64::MAX);
            match i32::try_from(number) {
                Ok(number) => (INT32, number.to_le_bytes().to_vec()),
                Err(_) => (INT64, number.to_le_bytes().to_vec()),
            }
        }
        Value::String(text) => (STRING, string(text)),
        Value::Array(values) => {
            let mut elements = Vec::new();
            for (place, value) in values.iter().enumerate() {
                element(&mut elements, &place.to_string(), value);
            }
            (ARRAY, framed(elements))
        }
        Value::Object(members) => (DOCUMENT, document(members)),
    };
    out.push(kind);
    // A name ends at the first NUL; ours have none.
    out.extend(name.bytes().filter(|octet| *octet != 0));
    out.push(0);
    out.extend(octets);
}

/// Length, elements, end.
fn framed(elements: Vec<u8>) -> Vec<u8> {
    let mut framed = length(elements.len().saturating_add(5)).to_vec();
    framed.extend(elements);
    framed.push(0);
    framed
}

/// Length with the NUL, text, NUL.
fn string(text: &str) -> Vec<u8> {
    let mut octets = length(text.len().saturating_add(1)).to_vec();
    octets.extend(text.as_bytes());
    octets.push(0);
    octets
}

/// Answers are far from what 31 bits can count.
fn length(octets: usize) -> [u8; 4] {
    i32::try_from(octets).unwrap_or(i32::MAX).to_le_bytes()
}

const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BOOLEAN: u8 = 0x08;
const NULL: u8 = 0x0a;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_written_as_the_specification_has_them() {
        let table: [(&str, Value, &[u8]); 7] = [
            // The first is the example of bsonspec.org's FAQ.
            (
                "a text",
                json!({"hello": "world"}),
                b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0",
            ),
            ("nothing", json!({}), b"\x05\0\0\0\0"),
            (
                "a number",
                json!({"code": 40103}),
                b"\x0f\0\0\0\x10code\0\xa7\x9c\0\0\0",
            ),
            (
                "a long number",
                json!({"t": 4_294_967_296_u64}),
                b"\x10\0\0\0\x12t\0\0\0\0\0\x01\0\0\0\0",
            ),
            (
                "within another",
                json!({"r": {"s": ""}}),
                b"\x15\0\0\0\x03r\0\x0d\0\0\0\x02s\0\x01\0\0\0\0\0\0",
            ),
            (
                "true and nothing",
                json!({"a": true, "b": null}),
                b"\x0c\0\0\0\x08a\0\x01\x0ab\0\0",
            ),
            (
                "a list",
                json!({"a": ["x"]}),
                b"\x16\0\0\0\x04a\0\x0e\0\0\0\x020\0\x02\0\0\0x\0\0\0",
            ),
        ];
        for (name, value, want) in table {
            assert_eq!(document(value.as_object().unwrap()), want, "{name}");
        }
    }
}

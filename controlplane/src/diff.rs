//! What differs between two documents, for people and for programs. Pure; the documents have no
//! secrets in them, or their masks.

use std::collections::HashMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// One place in which they differ.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Difference {
    /// Where: `integrations[vpn].clients[192.0.2.1].secret`. An element of a list is named as it names
    /// itself, where it does.
    pub(crate) path: String,
    /// What it was; none where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// What it is; none where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {path}: {}", Shown(after)),
            (Some(before), None) => write!(f, "- {path}: {}", Shown(before)),
            (Some(before), Some(after)) => {
                write!(f, "~ {path}: {} -> {}", Shown(before), Shown(after))
            }
            (None, None) => Ok(()),
        }
    }
}

/// A value in one line.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get("fingerprint").and_then(Value::as_str) {
            Some(fingerprint) => write!(f, "a secret ({fingerprint})"),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Where `after` differs from `before`, in the order of `after`; what is gone comes last in each place.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(before), Some(after)) if is_mask(before) || is_mask(after) => {
            found.push(Difference {
                path: path.to_owned(),
                before: Some(before.clone()),
                after: Some(after.clone()),
            });
        }
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            for name in after.keys().chain(gone) {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                compare(&path, before.get(name), after.get(name), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after)))
            if named(before) && named(after) =>
        {
            let (was, is) = (by_name(before), by_name(after));
            for one in after.iter().chain(before) {
                let Some(name) = name_of(one) else { continue };
                let (before, after) = (was.get(name).copied(), is.get(name).copied());
                // What is there still was met with those of `after`.
                let met = after.is_some_and(|after| !std::ptr::eq(after, one));
                if !met && before != after {
                    compare(&format!("{path}[{name}]"), before, after, found);
                }
            }
            let both = |list: &[Value], other: &HashMap<&str, &Value>| -> Vec<String> {
                list.iter()
                    .filter_map(name_of)
                    .filter(|name| other.contains_key(name))
                    .map(str::to_owned)
                    .collect()
            };
            let (was, is) = (both(before, &is), both(after, &was));
            if was != is {
                found.push(Difference {
                    path: format!("{path} (order)"),
                    before: Some(was.into()),
                    after: Some(is.into()),
                });
            }
        }
        (before, after) => found.push(Difference {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// The elements of a list whose elements have names.
fn by_name(list: &[Value]) -> HashMap<&str, &Value> {
    list.iter()
        .filter_map(|one| Some((name_of(one)?, one)))
        .collect()
}

/// Whether all elements have names, each its own.
fn named(list: &[Value]) -> bool {
    by_name(list).len() == list.len()
}

fn name_of(element: &Value) -> Option<&str> {
    let name = element.get("id").or_else(|| element.get("address"))?;
    name.as_str()
}

fn is_mask(value: &Value) -> bool {
    value.get("fingerprint").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: &Value, after: &Value) -> Vec<String> {
        let found = differences(before, after);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_differs_is_said_place_by_place() {
        let before = json!({
            "settings": {"debug": false},
            "integrations": [
                {"id": "vpn", "port": 1812, "clients": [
                    {"address": "192.0.2.1", "secret": {"set": true, "fingerprint": "aa"}},
                    {"address": "192.0.2.2", "secret": {"set": true, "fingerprint": "bb"}},
                ]},
                {"id": "old", "port": 1813},
            ],
        });
        let after = json!({
            "settings": {"debug": true, "proxy": "p"},
            "integrations": [
                {"id": "new", "port": 1814},
                {"id": "vpn", "port": 1645, "clients": [
                    {"address": "192.0.2.1", "secret": {"set": true, "fingerprint": "cc"}},
                    {"address": "192.0.2.2", "secret": {"set": true, "fingerprint": "bb"}},
                ]},
            ],
        });
        assert_eq!(
            shown(&before, &after),
            [
                "+ integrations[new]: {\"id\":\"new\",\"port\":1814}",
                "~ integrations[vpn].clients[192.0.2.1].secret: a secret (aa) -> a secret (cc)",
                "~ integrations[vpn].port: 1812 -> 1645",
                "- integrations[old]: {\"id\":\"old\",\"port\":1813}",
                "~ settings.debug: false -> true",
                "+ settings.proxy: \"p\"",
            ]
        );
        assert_eq!(shown(&after, &after), [""; 0]);
    }

    #[test]
    fn lists_of_a_hundred_thousand_are_compared_in_a_moment() {
        let client = |n: u32| json!({"address": format!("client {n}"), "port": n});
        let before: Vec<Value> = (0..100_000).map(client).collect();
        let mut after = before.clone();
        after.rotate_left(1);
        after[70_000]["port"] = json!(0);
        let found = differences(&before.into(), &after.into());
        let paths: Vec<_> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["[client 70001].port", " (order)"]);
    }

    #[test]
    fn lists_without_names_differ_as_a_whole_and_order_counts() {
        for (before, after, want) in [
            (
                json!({"f": ["a"]}),
                json!({"f": ["b"]}),
                "~ f: [\"a\"] -> [\"b\"]",
            ),
            (
                json!({"f": [{"id": "a"}, {"id": "b"}]}),
                json!({"f": [{"id": "b"}, {"id": "a"}]}),
                "~ f (order): [\"a\",\"b\"] -> [\"b\",\"a\"]",
            ),
            (
                json!({"f": [{"id": "a"}, {"id": "a"}]}),
                json!({"f": []}),
                "~ f: [{\"id\":\"a\"},{\"id\":\"a\"}] -> []",
            ),
            (
                json!({"f": {"a": 1}}),
                json!({"f": 1}),
                "~ f: {\"a\":1} -> 1",
            ),
        ] {
            assert_eq!(shown(&before, &after), [want]);
        }
    }
}

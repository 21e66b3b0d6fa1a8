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
            let was_names: Vec<&str> = before.iter().filter_map(name_of).collect();
            let is_names: Vec<&str> = after.iter().filter_map(name_of).collect();
            let gone = was_names.iter().filter(|name| !is.contains_key(*name));
            for name in is_names.iter().chain(gone) {
                let (before, after) = (was.get(name).copied(), is.get(name).copied());
                compare(&format!("{path}[{name}]"), before, after, found);
            }
            let both = |list: &[&str], other: &HashMap<&str, &Value>| -> Vec<String> {
                let kept = list.iter().filter(|name| other.contains_key(*name));
                kept.map(|name| (*name).to_owned()).collect()
            };
            let (was, is) = (both(&was_names, &is), both(&is_names, &was));
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
    let mut names: Vec<&str> = list.iter().filter_map(name_of).collect();
    names.sort_unstable();
    names.dedup();
    names.len() == list.len()
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

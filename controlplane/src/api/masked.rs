//! Secrets in documents of the REST API: they go in, and never come out. Pure.
//!
//! A document that is read shows of each secret that it is set and a fingerprint. One that is written
//! has a new value, or leaves the secret out or sends what was read: then it stays as it is. So a
//! document can be read, changed and written back by a program that never saw a secret.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::config::{PRIVATE, raw};
use proto::secret::Secret;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::diff::{Difference, differences};
use crate::edit::BUILTIN;
use crate::seal::Key;

/// What secrets are called, in every document there is. The only list of them.
pub const SECRETS: &[&str] = &[
    "skey",
    "secret",
    "client_secret",
    "private_key",
    "service_account_password",
];

/// What the elements of a list are told apart by, where the list holds secrets.
const NAMES: &[&str] = &["id", "address"];

/// Where a secret goes is said beside it in its object. One that was kept stays only while these do: else
/// who may write and not read could have it sent to a server of theirs.
const USED_WITH: &[(&str, &[&str])] = &[
    ("skey", &["host", "port", "pinned_ca"]),
    ("secret", &["hosts"]),
    (
        "service_account_password",
        &[
            "hosts",
            "transport",
            "auth_type",
            "ca_certs",
            "verify_hostname",
        ],
    ),
];

/// A whole configuration without its number, its secrets masked.
///
/// # Errors
/// It cannot be written as JSON, which is a fault of ours.
pub(crate) fn configuration(
    snapshot: &raw::Snapshot,
    prints: &Fingerprints,
) -> Result<Value, Problem> {
    let mut document = serde_json::to_value(snapshot).map_err(|error| Problem::internal(&error))?;
    if let Some(fields) = document.as_object_mut() {
        fields.remove("revision");
    }
    prints.mask(&mut document);
    Ok(document)
}

/// What a configuration changes, secrets masked. Of integrations and authenticators only those are
/// written out that differ: there may be thousands, and mostly one does.
///
/// # Errors
/// As [`configuration`].
pub(crate) fn changes(
    before: &raw::Snapshot,
    after: &raw::Snapshot,
    prints: &Fingerprints,
) -> Result<Vec<Difference>, Problem> {
    let (integrations_before, integrations_after) =
        unlike(&before.integrations, &after.integrations, |one| &one.id);
    let (authenticators_before, authenticators_after) =
        unlike(&before.authenticators, &after.authenticators, |one| &one.id);
    let part = |of: &raw::Snapshot, integrations, authenticators| raw::Snapshot {
        revision: of.revision,
        settings: of.settings.clone(),
        authenticators,
        integrations,
    };
    let before = part(before, integrations_before, authenticators_before);
    let after = part(after, integrations_after, authenticators_after);
    Ok(differences(
        &configuration(&before, prints)?,
        &configuration(&after, prints)?,
    ))
}

/// Both lists without what is in both and the same; whole when they have another order, or two of a
/// name.
fn unlike<T: Clone + PartialEq>(
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> &String,
) -> (Vec<T>, Vec<T>) {
    let by_name = |list| -> HashMap<&String, &T> {
        let list: &[T] = list;
        list.iter().map(|one| (name(one), one)).collect()
    };
    let (was, is) = (by_name(before), by_name(after));
    let was_kept = before.iter().map(&name).filter(|one| is.contains_key(one));
    let is_kept = after.iter().map(&name).filter(|one| was.contains_key(one));
    if was.len() != before.len() || is.len() != after.len() || !was_kept.eq(is_kept) {
        return (before.to_vec(), after.to_vec());
    }
    let without = |list: &[T], other: &HashMap<&String, &T>| -> Vec<T> {
        let other_is = |one: &&T| other.get(name(one)).is_none_or(|it| *it != *one);
        list.iter().filter(other_is).cloned().collect()
    };
    (without(before, &is), without(after, &was))
}

/// What is shown in the place of secrets.
#[derive(Debug)]
pub(crate) struct Fingerprints(ring::hmac::Key);

impl Fingerprints {
    /// The fingerprints of an installation: another's differ, and nobody who has no key can try
    /// guesses at one.
    pub(crate) fn new(key: &Key) -> Self {
        let derived = key.derive(b"fingerprints of secrets", 0);
        Self(ring::hmac::Key::new(
            ring::hmac::HMAC_SHA256,
            derived.expose(),
        ))
    }

    /// Sixteen hexadecimal digits, the same for the same secret.
    pub(crate) fn of(&self, secret: &str) -> String {
        let tag = ring::hmac::sign(&self.0, secret.as_bytes());
        let octets = tag.as_ref().get(..FINGERPRINT_OCTETS).unwrap_or_default();
        data_encoding::HEXLOWER.encode(octets)
    }

    /// Puts a mask in the place of every secret.
    pub(crate) fn mask(&self, document: &mut Value) {
        match document {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        // No text holds a key that is not called one; one of before may.
                        Value::String(secret) if is_secret(name) || secret.contains(PRIVATE) => {
                            let mask = json!({"set": true, "fingerprint": self.of(secret)});
                            let clear = std::mem::replace(value, mask);
                            // Wiped, as far as a value of this library can be.
                            if let Value::String(clear) = clear {
                                drop(Secret::new(clear));
                            }
                        }
                        value => self.mask(value),
                    }
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(|one| self.mask(one)),
            _ => {}
        }
    }

    /// Puts the secrets of `old` where `document` has a mask or says nothing; gives their paths.
    ///
    /// # Errors
    /// The paths of masks that stand for another secret than the old one, or for none.
    pub(crate) fn unmask(
        &self,
        document: &mut Value,
        old: Option<&Value>,
    ) -> Result<BTreeSet<String>, Vec<String>> {
        let mut filled = Filled::default();
        self.fill(document, old, "", &mut filled);
        match filled.strange.is_empty() {
            true => Ok(filled.kept),
            false => Err(filled.strange),
        }
    }

    fn fill(&self, document: &mut Value, old: Option<&Value>, path: &str, filled: &mut Filled) {
        match document {
            Value::Object(fields) => {
                for &name in SECRETS {
                    let kept = old.and_then(|old| old.get(name)).and_then(Value::as_str);
                    self.settle(fields, name, kept, path, filled);
                }
                for (name, value) in fields.iter_mut().filter(|(name, _)| !is_secret(name)) {
                    let old = old.and_then(|old| old.get(name));
                    self.fill(value, old, &joined(path, name), filled);
                }
            }
            Value::Array(elements) => {
                let known = by_name(old);
                for (index, element) in elements.iter_mut().enumerate() {
                    let old = name_of(element).and_then(|name| known.get(&name).copied());
                    self.fill(element, old, &format!("{path}[{index}]"), filled);
                }
            }
            _ => {}
        }
    }

    /// One secret of an object.
    fn settle(
        &self,
        fields: &mut Map<String, Value>,
        name: &str,
        kept: Option<&str>,
        path: &str,
        filled: &mut Filled,
    ) {
        match (fields.get(name), kept) {
            (None, Some(kept)) => {
                fields.insert(name.to_owned(), Value::from(kept));
                filled.kept.insert(joined(path, name));
            }
            (Some(Value::Object(mask)), kept) => {
                let shown = mask.get("fingerprint").and_then(Value::as_str);
                match kept.filter(|kept| shown.is_none_or(|shown| shown == self.of(kept))) {
                    Some(kept) => {
                        fields.insert(name.to_owned(), Value::from(kept));
                        filled.kept.insert(joined(path, name));
                    }
                    None => filled.strange.push(joined(path, name)),
                }
            }
            _ => {}
        }
    }
}

/// Since when the configuration has a secret without a break, in milliseconds since 1970, by its
/// fingerprint. Of one that is not in it the time is not known: it was set before times were kept.
pub(crate) type Since = BTreeMap<String, u64>;

/// The times of a masked configuration that follows another one now.
pub(crate) fn since(after: &Value, before: &Value, known: &Since, now_ms: u64) -> Since {
    let (mut new, mut old) = (BTreeSet::new(), BTreeSet::new());
    collect(after, &mut new);
    collect(before, &mut old);
    let times = new.into_iter().filter_map(|print| {
        let at = match known.get(print) {
            Some(at) => *at,
            None if old.contains(print) => return None,
            None => now_ms,
        };
        Some((print.to_owned(), at))
    });
    times.collect()
}

/// Puts its time into each mask, as far as it is known.
pub(crate) fn date(document: &mut Value, since: &Since) {
    match document {
        Value::Object(fields) => {
            let print = fields.get("fingerprint").and_then(Value::as_str);
            let at = print.and_then(|print| since.get(print)).copied();
            match (at, fields.contains_key("set")) {
                (Some(at), true) => drop(fields.insert("set_at_ms".to_owned(), at.into())),
                _ => fields.values_mut().for_each(|one| date(one, since)),
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|one| date(one, since)),
        _ => {}
    }
}

fn collect<'a>(document: &'a Value, prints: &mut BTreeSet<&'a str>) {
    match document {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.get("fingerprint").and_then(Value::as_str) {
                    Some(print) if is_secret(name) => drop(prints.insert(print)),
                    _ => collect(value, prints),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|one| collect(one, prints)),
        _ => {}
    }
}

/// What came of the secrets of a document.
#[derive(Default)]
struct Filled {
    /// The paths of those that stay as they are.
    kept: BTreeSet<String>,
    /// The paths of masks that stand for none.
    strange: Vec<String>,
}

/// Which of the kept secrets would go somewhere else than before. Both documents say all of their fields.
pub(crate) fn moved(old: &Value, new: &Value, kept: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    find_moved(old, new, "", kept, &mut found);
    found
}

fn find_moved(
    old: &Value,
    new: &Value,
    path: &str,
    kept: &BTreeSet<String>,
    found: &mut Vec<String>,
) {
    match new {
        Value::Object(fields) => {
            for (name, beside) in USED_WITH {
                let here = joined(path, name);
                let stays = |field: &&str| is_within(new.get(*field), old.get(*field));
                if kept.contains(&here) && !is_builtin(new) && !beside.iter().all(stays) {
                    found.push(here);
                }
            }
            for (name, value) in fields {
                if let Some(old) = old.get(name) {
                    find_moved(old, value, &joined(path, name), kept, found);
                }
            }
        }
        Value::Array(elements) => {
            let known = by_name(Some(old));
            for (index, element) in elements.iter().enumerate() {
                if let Some(old) = name_of(element).and_then(|name| known.get(&name)) {
                    find_moved(old, element, &format!("{path}[{index}]"), kept, found);
                }
            }
        }
        _ => {}
    }
}

/// Whether it goes nowhere new: of a list, some may be gone.
fn is_within(new: Option<&Value>, old: Option<&Value>) -> bool {
    match (new, old) {
        (Some(Value::Array(new)), Some(Value::Array(old))) => {
            new.iter().all(|one| old.contains(one))
        }
        (new, old) => new == old,
    }
}

/// An application that this installation's own second factor is asked for.
fn is_builtin(application: &Value) -> bool {
    application.get("host").and_then(Value::as_str) == Some(BUILTIN)
        && application.get("pinned_ca").is_none()
}

/// The elements of an old list, by what they are told apart by: who has the same takes their place.
fn by_name(old: Option<&Value>) -> HashMap<(&str, &str), &Value> {
    let old = old.and_then(Value::as_array).into_iter().flatten();
    old.filter_map(|one| Some((name_of(one)?, one))).collect()
}

fn name_of(element: &Value) -> Option<(&str, &str)> {
    let name = NAMES.iter().find(|name| element.get(**name).is_some())?;
    Some((name, element.get(*name)?.as_str()?))
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

fn joined(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

const FINGERPRINT_OCTETS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprints() -> Fingerprints {
        Fingerprints::new(&Key::new([7; 32]))
    }

    fn stored() -> Value {
        json!({
            "id": "vpn",
            "port": 1812,
            "application": {"ikey": "DI", "skey": "planted-skey"},
            "clients": [
                {"address": "192.0.2.1", "secret": "planted-one"},
                {"address": "192.0.2.2", "secret": "planted-two"},
            ],
            "eap": {"certificates": "public", "private_key": "planted-key"},
        })
    }

    #[test]
    fn a_key_in_a_text_that_is_shown_is_masked() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nplanted\n-----END EC PRIVATE KEY-----\n";
        let mut document = json!({"eap": {"certificates": format!("public\n{key}")}});
        fingerprints().mask(&mut document);
        assert!(!document.to_string().contains("planted"), "{document}");
    }

    #[test]
    fn nothing_secret_is_left_and_the_rest_is() {
        let mut document = stored();
        fingerprints().mask(&mut document);
        let text = document.to_string();
        assert!(!text.contains("planted"), "{text}");
        assert_eq!(document["port"], 1812);
        assert_eq!(document["eap"]["certificates"], "public");
        let mask = &document["clients"][0]["secret"];
        assert_eq!(mask["set"], true);
        assert_eq!(mask["fingerprint"], fingerprints().of("planted-one"));
    }

    #[test]
    fn a_secret_has_the_time_since_when_it_is_there_without_a_break() {
        let prints = fingerprints();
        let masked = |secret: &str| {
            let mut document = json!({"application": {"skey": secret}});
            prints.mask(&mut document);
            document
        };
        let none = json!({});
        let (one, two) = (masked("one"), masked("two"));
        let first = since(&one, &none, &Since::new(), 1);
        assert_eq!(first, Since::from([(prints.of("one"), 1)]));
        assert_eq!(since(&one, &one, &first, 2), first, "it stays");
        let second = since(&two, &one, &first, 3);
        assert_eq!(second, Since::from([(prints.of("two"), 3)]));
        let again = since(&one, &two, &second, 4);
        assert_eq!(again, Since::from([(prints.of("one"), 4)]), "it came back");
        let unknown = since(&one, &one, &Since::new(), 5);
        assert!(unknown.is_empty(), "set before times were kept");
        let mut shown = one.clone();
        date(&mut shown, &again);
        assert_eq!(shown["application"]["skey"]["set_at_ms"], 4);
        shown = one.clone();
        date(&mut shown, &unknown);
        assert_eq!(shown, one);
    }

    #[test]
    fn fingerprints_are_of_an_installation_and_of_the_whole_secret() {
        let one = fingerprints();
        assert_eq!(one.of("a").len(), 2 * FINGERPRINT_OCTETS);
        assert_eq!(one.of("a"), one.of("a"));
        assert_ne!(one.of("a"), one.of("ab"));
        assert_ne!(one.of("a"), Fingerprints::new(&Key::new([8; 32])).of("a"));
    }

    #[test]
    fn changes_are_those_of_the_whole() {
        let one = |id: &str, kind: &str| raw::Authenticator {
            id: id.to_owned(),
            kind: serde_json::from_value(json!(kind)).unwrap(),
        };
        let of = |ids: &str, debug: &str| raw::Snapshot {
            settings: raw::Settings {
                http_ca_certs: Some(debug.to_owned()),
                ..raw::Settings::default()
            },
            authenticators: ids
                .chars()
                .map(|id| one(&id.to_string(), "duo_only"))
                .collect(),
            ..raw::Snapshot::default()
        };
        let prints = fingerprints();
        for (before, after) in [
            (of("abc", "x"), of("abc", "x")),
            (of("abc", "x"), of("abc", "y")),
            (of("abc", "x"), of("abdc", "x")),
            (of("abc", "x"), of("ac", "x")),
            (of("abc", "x"), of("acb", "x")),
            (of("abc", "x"), of("cdb", "y")),
            (of("aab", "x"), of("ab", "x")),
            (of("", "x"), of("ab", "x")),
        ] {
            let whole = differences(
                &configuration(&before, &prints).unwrap(),
                &configuration(&after, &prints).unwrap(),
            );
            assert_eq!(changes(&before, &after, &prints).unwrap(), whole);
        }
    }

    #[test]
    fn what_was_read_can_be_written_back_in_any_order() {
        let mut document = stored();
        fingerprints().mask(&mut document);
        document["clients"].as_array_mut().unwrap().reverse();
        fingerprints()
            .unmask(&mut document, Some(&stored()))
            .unwrap();
        let mut want = stored();
        want["clients"].as_array_mut().unwrap().reverse();
        assert_eq!(document, want);
    }

    #[test]
    fn a_kept_secret_stays_where_it_is_used() {
        let old = json!({"kind": {"ad": {
            "hosts": [{"name": "a", "port": 389}, {"name": "b", "port": 389}],
            "transport": "ldaps", "auth_type": "ntlm2", "ca_certs": "PEM", "verify_hostname": true,
            "timeout_seconds": 10, "service_account_password": "planted",
        }}});
        let path = "kind.ad.service_account_password";
        for (change, stays) in [
            (json!({}), true),
            (json!({"timeout_seconds": 5}), true),
            (json!({"hosts": [{"name": "b", "port": 389}]}), true),
            (json!({"hosts": [{"name": "c", "port": 389}]}), false),
            (json!({"hosts": [{"name": "a", "port": 1389}]}), false),
            (json!({"transport": "clear"}), false),
            (json!({"auth_type": "plain"}), false),
            (json!({"ca_certs": "another"}), false),
            (json!({"verify_hostname": false}), false),
        ] {
            let mut new = old.clone();
            let fields = new["kind"]["ad"].as_object_mut().unwrap();
            fields.extend(change.as_object().unwrap().clone());
            let kept = BTreeSet::from([path.to_owned()]);
            let want: &[&str] = if stays { &[] } else { &[path] };
            assert_eq!(moved(&old, &new, &kept), want, "{change}");
            let none = moved(&old, &new, &BTreeSet::new());
            assert!(none.is_empty(), "who writes it knows it: {change}");
        }
    }

    #[test]
    fn a_secret_is_set_kept_or_asked_for() {
        let table = [
            ("left out", json!({"ikey": "X"}), Ok("planted-skey")),
            ("new", json!({"skey": "new"}), Ok("new")),
            (
                "said to be set",
                json!({"skey": {"set": true}}),
                Ok("planted-skey"),
            ),
            (
                "another's mask",
                json!({"skey": {"set": true, "fingerprint": "0000000000000000"}}),
                Err("application.skey"),
            ),
        ];
        for (name, application, want) in table {
            let mut document = json!({"id": "vpn", "application": application});
            let got = fingerprints().unmask(&mut document, Some(&stored()));
            match want {
                Ok(secret) => assert_eq!(document["application"]["skey"], secret, "{name}"),
                Err(path) => assert_eq!(got, Err(vec![path.to_owned()]), "{name}"),
            }
        }
        // Nothing is invented where there was nothing.
        let mut document = json!({"clients": [
            {"address": "192.0.2.1"},
            {"address": "192.0.2.9"},
            {"address": "192.0.2.8", "secret": {"set": true}},
        ]});
        let got = fingerprints().unmask(&mut document, Some(&stored()));
        assert_eq!(got, Err(vec!["clients[2].secret".to_owned()]));
        assert_eq!(document["clients"][0]["secret"], "planted-one");
        assert_eq!(document["clients"][1].get("secret"), None);
    }
}

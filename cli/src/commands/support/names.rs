//! Names of users, and what stands in their places: the same for one name in every bundle of an
//! installation, and nothing that says whose it is without the installation's key. Pure.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use controlplane::admin::StoredEvent;
use proto::config::raw;
use ring::hmac;

use crate::logs::text::{OUTER, typed};

/// Names that were found, those first that were added first.
#[derive(Default)]
pub(super) struct Names {
    all: Vec<String>,
    there: HashSet<String>,
    /// Those that there was no room for, by their hashes.
    left: HashSet<u64>,
    hasher: RandomState,
}

impl Names {
    pub(super) fn of_events(&mut self, events: &[StoredEvent]) {
        for one in events {
            if let Some(user) = &one.event.user {
                self.add(user);
            }
            let steps = one.event.timeline.iter();
            steps
                .filter_map(|step| outer(&step.detail))
                .for_each(|name| self.add(name));
        }
    }

    /// Those that a configuration names: who is exempt.
    pub(super) fn of_snapshot(&mut self, snapshot: &raw::Snapshot) {
        for integration in &snapshot.integrations {
            integration
                .exempt_users
                .iter()
                .for_each(|name| self.add(name));
        }
    }

    /// Those that a log names as users.
    pub(super) fn of_log(&mut self, text: &str) {
        for line in text.lines() {
            for place in places(line) {
                let written = line.get(place).unwrap_or_default();
                self.add(&typed(written));
            }
        }
    }

    /// The name, and what a domain or a realm may stand around.
    pub(super) fn add(&mut self, name: &str) {
        let short = name.rsplit_once('\\').map_or(name, |(_, user)| user);
        let short = short.split_once('@').map_or(short, |(user, _)| user);
        for name in [name, short] {
            if name.is_empty() || self.there.contains(name) {
                continue;
            }
            if name.len() <= LONGEST && self.all.len() < MOST {
                self.there.insert(name.to_owned());
                self.all.push(name.to_owned());
            } else if self.left.len() < COUNTED {
                self.left.insert(self.hasher.hash_one(name));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// How many names there was no room for.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }
}

/// What stands in the place of a name.
pub(super) fn pseudonym(name: &str, key: &hmac::Key) -> String {
    let tag = hmac::sign(key, name.to_lowercase().as_bytes());
    let digits = tag.as_ref().iter().take(5);
    let digits: String = digits.map(|octet| format!("{octet:02x}")).collect();
    format!("user-{digits}")
}

/// Whether a field of this name has the name of a user.
pub(super) fn is_of_user(field: &str) -> bool {
    ["user", "username"].contains(&field)
}

/// Whether an option of a configuration file has the name of a user.
pub(super) fn is_named_user(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    option.ends_with("_username") || option.starts_with("exempt_username")
}

/// Where a line of a log names a user, in order and apart: as `user=alice`, `"user":"alice"`,
/// `(('192.0.2.1', 1), alice, id): `, `username 'alice'`, `outer name alice`. It is as it is written there.
pub(super) fn places(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for key in KEYS {
        for (at, _) in line.match_indices(key) {
            let from = at + key.len();
            let (skipped, length) = value(line.get(from..).unwrap_or_default());
            found.push(from + skipped..from + skipped + length);
        }
    }
    if let Some(tuple) = line.find("(('")
        && let Some(address) = line.get(tuple..).and_then(|text| text.find("), "))
    {
        let from = tuple + address + "), ".len();
        let length = line.get(from..).and_then(|text| text.find(", "));
        found.extend(length.map(|length| from..from + length));
    }
    for (at, _) in line.match_indices(OUTER) {
        let text = line.get(at..).unwrap_or_default();
        let is_quoted = line.get(..at).is_some_and(|before| before.ends_with('"'));
        let end = is_quoted.then(|| end_of_quoted(text)).flatten();
        if let Some(name) = outer(text.get(..end.unwrap_or(text.len())).unwrap_or_default()) {
            found.push(at + OUTER.len()..at + OUTER.len() + name.len());
        }
    }
    if let Some(at) = line.find(TYPED) {
        let from = at + TYPED.len();
        // There may be quotes in it.
        let length = line.get(from..).and_then(|text| text.rfind('\''));
        found.extend(length.map(|length| from..from + length));
    }
    found.retain(|place| !place.is_empty());
    found.sort_by_key(|place| place.start);
    let mut end = 0;
    found.retain(|place| {
        let apart = place.start >= end;
        end = end.max(place.end);
        apart
    });
    found
}

/// Where a value stands, and how long it is: in quotes, within `Some(…)` or not, or up to a blank.
fn value(text: &str) -> (usize, usize) {
    let before = if text.starts_with("Some(") { 5 } else { 0 };
    let value = text.get(before..).unwrap_or_default();
    match value.strip_prefix('"') {
        None => (before, value.find([' ', ',']).unwrap_or(value.len())),
        Some(body) => (before + 1, end_of_quoted(body).unwrap_or(body.len())),
    }
}

/// Where the first quote is that is not escaped.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

/// Whom a detail of a login names as who it is outside the tunnel, unless it is nobody.
pub(super) fn outer(detail: &str) -> Option<&str> {
    let name = detail.strip_prefix(OUTER)?;
    let user = name.split('@').next();
    (user != Some(NOBODY)).then_some(name)
}

const KEYS: [&str; 6] = [
    "user=",
    "username=",
    "\"user\":",
    "\"username\":",
    "\"user\": ",
    "\"username\": ",
];
const TYPED: &str = "username '";
/// Who a supplicant says it is outside the tunnel, so that nobody learns who it is.
const NOBODY: &str = "anonymous";
/// The most names that are looked for, and the most octets of one: RADIUS carries no more than 253.
pub(super) const MOST: usize = 20_000;
const LONGEST: usize = 256;
/// Of names that there was no room for, more are not counted.
const COUNTED: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octets: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, octets)
    }

    #[test]
    fn names_of_a_log_are_found() {
        let mut names = Names::default();
        names.of_log(
            "INFO login user=\"al \\\"x\\\" ice\" outcome=accept\n\
             INFO login user=bob outcome=reject\n\
             {\"user\":\"CORP\\\\carol\",\"n\":1} {\"username\": \"dave@example.com\"}\n\
             2026 [info] (('192.0.2.1', 40000), erin, 7): login attempt for username 'o'neil'\n\
             DEBUG user=Some(\"frank\") username=grace\n\
             2026 [info] (('192.0.2.1', 4), O\\u{27}Hara, 7): outer name Ann Lee\n\
             INFO eap=\"outer name CORP\\\\ida\" x=1\n\
             INFO eap=\"outer name anonymous@example.com\" x=1\n\
             nothing here, user= and so on\n",
        );
        let found: Vec<_> = names.iter().collect();
        let want = [
            "al \"x\" ice",
            "bob",
            "CORP\\carol",
            "carol",
            "dave@example.com",
            "dave",
            "erin",
            "o'neil",
            "frank",
            "grace",
            "O'Hara",
            "Ann Lee",
            "CORP\\ida",
            "ida",
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn places_are_in_order_and_apart() {
        for line in [
            "user=user=x username 'a user=b c', \"user\":\"user=z\"",
            "(('1', 2), user=a, 3): username 'b'",
            "(('1', 2), a, 3): outer name outer name user=x",
            "user=\"unended",
            "user=",
        ] {
            let mut end = 0;
            for place in places(line) {
                assert!(
                    place.start >= end && line.get(place.clone()).is_some(),
                    "{line}"
                );
                end = place.end;
            }
        }
    }

    #[test]
    fn a_pseudonym_is_the_same_whatever_the_case_and_another_with_another_key() {
        let one = pseudonym("Alice", &key(b"1"));
        assert_eq!(one, pseudonym("alice", &key(b"1")));
        assert_ne!(one, pseudonym("bob", &key(b"1")));
        assert_ne!(one, pseudonym("alice", &key(b"2")));
        assert_eq!(one.len(), "user-0123456789".len());
    }

    #[test]
    fn no_more_names_than_fit_and_the_others_are_counted() {
        let mut names = Names::default();
        names.add(&"x".repeat(LONGEST + 1));
        (0..MOST + 10).for_each(|number| names.add(&format!("n{number}")));
        (0..MOST + 10).for_each(|number| names.add(&format!("n{number}")));
        assert_eq!((names.iter().count(), names.left()), (MOST, 11));
    }

    #[test]
    fn options_with_names_are_known() {
        for (option, want) in [
            ("exempt_username_1", true),
            ("Service_Account_Username", true),
            ("exempt_username", true),
            ("username_attribute", false),
            ("port", false),
        ] {
            assert_eq!(is_named_user(option), want, "{option}");
        }
    }
}

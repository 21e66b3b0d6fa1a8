//! Names of users, and what stands in their places: the same for one name in every bundle of an
//! installation, and nothing that says whose it is without the installation's key. Pure.

use std::collections::BTreeSet;

use controlplane::admin::StoredEvent;
use proto::config::raw;
use ring::hmac;

use super::redact::Pseudonym;

/// Names that were found.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn of_events(&mut self, events: &[StoredEvent]) {
        for one in events {
            if let Some(user) = &one.event.user {
                self.add(user);
            }
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

    /// Those that a log has as `user=alice`, `"user":"alice"`, `(('192.0.2.1', 1), alice, id): `.
    pub(super) fn of_log(&mut self, text: &str) {
        for line in text.lines() {
            for key in [
                "user=",
                "username=",
                "\"user\":",
                "\"username\":",
                "\"user\": ",
                "\"username\": ",
            ] {
                for (at, _) in line.match_indices(key) {
                    let value = line.get(at + key.len()..).unwrap_or_default();
                    self.add(&value_of(value));
                }
            }
            if let Some((_, after)) = line.split_once("(('")
                && let Some((_, user)) = after.split_once("), ")
                && let Some((user, _)) = user.split_once(", ")
            {
                self.add(user);
            }
        }
    }

    /// The name, and what a domain or a realm may stand around.
    fn add(&mut self, name: &str) {
        let short = name.rsplit_once('\\').map_or(name, |(_, user)| user);
        let short = short.split_once('@').map_or(short, |(user, _)| user);
        for name in [name, short] {
            if !name.is_empty() && self.0.len() < MOST {
                self.0.insert(name.to_owned());
            }
        }
    }

    /// What stands in the place of each.
    pub(super) fn pseudonyms(&self, key: &hmac::Key) -> Vec<Pseudonym> {
        let one = |name: &String| Pseudonym {
            name: name.clone(),
            instead: pseudonym(name, key),
        };
        self.0.iter().map(one).collect()
    }
}

/// Events whose names are replaced where they are known for one.
pub(super) fn without_names(mut events: Vec<StoredEvent>, key: &hmac::Key) -> Vec<StoredEvent> {
    for one in &mut events {
        if let Some(user) = &mut one.event.user {
            *user = pseudonym(user, key);
        }
    }
    events
}

fn pseudonym(name: &str, key: &hmac::Key) -> String {
    let tag = hmac::sign(key, name.to_lowercase().as_bytes());
    let digits = tag.as_ref().iter().take(5);
    let digits: String = digits.map(|octet| format!("{octet:02x}")).collect();
    format!("user-{digits}")
}

/// A value in quotes, within `Some(…)` or not, as JSON or Rust writes it, or up to a blank.
fn value_of(text: &str) -> String {
    let text = text.strip_prefix("Some(").unwrap_or(text);
    if !text.starts_with('"') {
        let end = text.find([' ', ',']).unwrap_or(text.len());
        return text.get(..end).unwrap_or_default().to_owned();
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
    match stream.next() {
        Some(Ok(value)) => value,
        // Rust escapes otherwise than JSON: as it stands then.
        _ => {
            let rest = text.get(1..).unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        }
    }
}

/// The most names that are looked for.
const MOST: usize = 20_000;

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
             2026 [info] (('192.0.2.1', 40000), erin, 7): Got response\n\
             DEBUG user=Some(\"frank\") username=grace\n\
             nothing here, user= and so on\n",
        );
        let found: Vec<_> = names.0.iter().map(String::as_str).collect();
        let want = [
            "CORP\\carol",
            "al \"x\" ice",
            "bob",
            "carol",
            "dave",
            "dave@example.com",
            "erin",
            "frank",
            "grace",
        ];
        assert_eq!(found, want);
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
    fn no_more_names_than_fit() {
        let mut names = Names::default();
        (0..MOST + 10).for_each(|number| names.add(&format!("n{number}")));
        assert_eq!(names.0.len(), MOST);
    }
}

//! The second pass over a bundle: known secrets, whatever writing they are in, and what looks like one.
//! Pure. The first is that what goes in was made without secrets.

use std::cell::Cell;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, BuildError, MatchKind};

use super::patterns;
use super::writings::writings;

/// What stands in the place of a secret.
pub(super) const SECRET: &str = "[secret]";

/// Replaces secrets and, unless they are wanted, names of users.
pub(super) struct Redactor {
    secrets: AhoCorasick,
    names: AhoCorasick,
    /// What stands for each name, and whether it must stand as a word of its own.
    pseudonyms: Vec<(String, bool)>,
    replaced: Cell<u64>,
}

/// A name, and what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pseudonym {
    pub(super) name: String,
    pub(super) instead: String,
}

impl Redactor {
    pub(super) fn new<'a>(
        secrets: impl Iterator<Item = &'a [u8]>,
        names: &[Pseudonym],
    ) -> Result<Self, BuildError> {
        let forms = secrets
            .filter(|secret| secret.len() >= SHORTEST)
            .flat_map(writings)
            .filter(|form| form.len() >= SHORTEST);
        let mut patterns = Vec::new();
        let mut pseudonyms = Vec::new();
        for one in names {
            let plain = one.name.as_bytes();
            // A short one stands in many a word; an encoded one is told apart by its length alone.
            if plain.len() >= SHORTEST_NAME {
                patterns.push(plain.to_vec());
                pseudonyms.push((one.instead.clone(), true));
            }
            if plain.len() >= SHORTEST {
                let lower = one.name.to_lowercase();
                for form in writings(plain)
                    .into_iter()
                    .chain(writings(lower.as_bytes()))
                {
                    if form.len() >= SHORTEST && !form.eq_ignore_ascii_case(plain) {
                        patterns.push(form);
                        pseudonyms.push((one.instead.clone(), false));
                    }
                }
            }
        }
        Ok(Self {
            secrets: builder(false).build(forms)?,
            names: builder(true).build(patterns)?,
            pseudonyms,
            replaced: Cell::new(0),
        })
    }

    /// A document, which was made without secrets.
    pub(super) fn document(&self, octets: &[u8]) -> String {
        let clean = self.known(octets);
        self.names_of(&patterns::anywhere(&clean))
    }

    /// What programs said, line by line.
    pub(super) fn log(&self, octets: &[u8]) -> String {
        let clean = patterns::anywhere(&self.known(octets));
        self.names_of(&patterns::said(&clean))
    }

    /// How many places were replaced that were known for secrets.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.get()
    }

    fn known(&self, octets: &[u8]) -> String {
        let mut clean = Vec::with_capacity(octets.len());
        self.secrets
            .replace_all_with_bytes(octets, &mut clean, |_, _, out| {
                self.replaced.set(self.replaced.get().saturating_add(1));
                out.extend_from_slice(SECRET.as_bytes());
                true
            });
        String::from_utf8_lossy(&clean).into_owned()
    }

    fn names_of(&self, text: &str) -> String {
        if self.pseudonyms.is_empty() {
            return text.to_owned();
        }
        let mut clean = Vec::with_capacity(text.len());
        let octets = text.as_bytes();
        self.names
            .replace_all_with_bytes(octets, &mut clean, |found, matched, out| {
                let instead = self.pseudonyms.get(found.pattern().as_usize());
                let within = |at: Option<usize>| {
                    at.and_then(|at| octets.get(at))
                        .is_some_and(|octet| octet.is_ascii_alphanumeric())
                };
                match instead {
                    Some((_, true))
                        if within(found.start().checked_sub(1)) || within(Some(found.end())) =>
                    {
                        out.extend_from_slice(matched);
                    }
                    Some((instead, _)) => out.extend_from_slice(instead.as_bytes()),
                    None => out.extend_from_slice(SECRET.as_bytes()),
                }
                true
            });
        String::from_utf8_lossy(&clean).into_owned()
    }
}

fn builder(any_case: bool) -> AhoCorasickBuilder {
    let mut builder = AhoCorasick::builder();
    builder
        .match_kind(MatchKind::LeftmostLongest)
        .ascii_case_insensitive(any_case);
    builder
}

/// Shorter secrets stand in many a word by chance, and are hidden by the first pass alone.
pub(super) const SHORTEST: usize = 5;
/// Shorter names are replaced where they are known for one alone.
const SHORTEST_NAME: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str], names: &[(&str, &str)]) -> Redactor {
        let names: Vec<_> = names
            .iter()
            .map(|(name, instead)| Pseudonym {
                name: (*name).to_owned(),
                instead: (*instead).to_owned(),
            })
            .collect();
        Redactor::new(secrets.iter().map(|one| one.as_bytes()), &names).unwrap()
    }

    #[test]
    fn a_secret_goes_in_each_writing() {
        let secret = "Pl+radius \"secret\"/1 ü";
        let clean = redactor(&[secret], &[]);
        for form in writings(secret.as_bytes()) {
            let form = String::from_utf8_lossy(&form).into_owned();
            let said = clean.document(format!("a {form} b").as_bytes());
            assert!(!said.contains(&form), "{form}: {said}");
            assert!(said.contains(SECRET), "{form}: {said}");
        }
        assert!(clean.replaced() >= 8);
    }

    #[test]
    fn the_longer_of_two_secrets_goes_whole_and_short_ones_stay() {
        let clean = redactor(&["secret", "secret-and-more", "abc"], &[]);
        let said = clean.document(b"x secret-and-more secret abcdef");
        assert_eq!(said, "x [secret] [secret] abcdef");
        assert_eq!(clean.replaced(), 2);
    }

    #[test]
    fn a_name_goes_as_a_word_in_any_case() {
        let clean = redactor(&["alice-secret"], &[("Alice", "user-1"), ("bo", "user-2")]);
        for (text, want) in [
            ("user=alice: x", "user=user-1: x"),
            ("CN=ALICE,DC=x", "CN=user-1,DC=x"),
            ("alice@example.com", "user-1@example.com"),
            ("malice and alices", "malice and alices"),
            ("bo bobs", "bo bobs"),
            ("alice-secret", "[secret]"),
            ("616c696365", "user-1"),
            ("YWxpY2U=", "user-1="),
        ] {
            assert_eq!(clean.document(text.as_bytes()), want);
        }
        let untouched = redactor(&[], &[]).document("é \u{0} alice".as_bytes());
        assert_eq!(untouched, "é \u{0} alice");
    }
}

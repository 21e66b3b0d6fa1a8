//! The second pass over a bundle: known secrets, whatever writing they are in, and what looks like one; and
//! names of users, where they can stand. Pure. The first is that what goes in was made without secrets.

use std::cell::Cell;
use std::ops::Range;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use ring::hmac;

use super::json::{self, Piece};
use super::names::{self, Names, pseudonym};
use super::own_words::OwnWords;
use super::patterns;
use super::writings::{encodings, writings};
use crate::logs::text;

/// What stands in the place of a secret.
pub(super) const SECRET: &str = "[secret]";

/// What an item is, and so where names of users can stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A JSON document.
    Document,
    /// One login a line, as JSON.
    Logins,
    /// What programs said, line by line, in JSON or not.
    Log,
    /// A configuration file, as it is or with numbers of its lines.
    Settings,
    /// Metrics, and files that a configuration names: nobody's name.
    Plain,
}

/// Replaces secrets and, unless they are wanted, names of users.
pub(super) struct Redactor {
    secrets: AhoCorasick,
    names: Option<Pseudonyms>,
    replaced: Cell<u64>,
}

impl Redactor {
    /// Names stay as they are without a key for what stands in their places.
    pub(super) fn new<'a>(
        secrets: impl Iterator<Item = &'a [u8]>,
        names: &Names,
        key: Option<hmac::Key>,
    ) -> Result<Self, BuildError> {
        let forms = secrets
            .filter(|secret| secret.len() >= SHORTEST)
            .flat_map(writings)
            .filter(|form| form.len() >= SHORTEST);
        Ok(Self {
            secrets: AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(forms)?,
            names: key.map(|key| Pseudonyms::new(names, key)).transpose()?,
            replaced: Cell::new(0),
        })
    }

    /// An item of a bundle.
    pub(super) fn item(&self, kind: Kind, octets: &[u8]) -> String {
        match kind {
            Kind::Document => {
                let text = String::from_utf8_lossy(octets);
                let whole = self.json(&text, kind);
                whole.unwrap_or_else(|| self.text(&text))
            }
            Kind::Logins => {
                let text = String::from_utf8_lossy(octets);
                each_line(&text, |line| {
                    self.json(line, kind).unwrap_or_else(|| self.text(line))
                })
            }
            Kind::Log => {
                // A secret may go over the end of a line.
                let clean = patterns::anywhere(&self.known(octets));
                each_line(&clean, |line| {
                    match line.starts_with('{') {
                        true => self.json(line, kind),
                        false => None,
                    }
                    .unwrap_or_else(|| self.line(&patterns::said(line), text::typed))
                })
            }
            Kind::Settings => {
                let clean = patterns::anywhere(&self.known(octets));
                each_line(&clean, |line| self.setting(line))
            }
            Kind::Plain => patterns::anywhere(&self.known(octets)),
        }
    }

    /// A text of our own, with what others said within.
    pub(super) fn text(&self, text: &str) -> String {
        self.free(&patterns::anywhere(&self.known(text.as_bytes())))
    }

    /// A text without names: the name of a file.
    pub(super) fn file_name(&self, text: &str) -> String {
        patterns::anywhere(&self.known(text.as_bytes()))
    }

    /// How many places were replaced that were known for secrets.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.get()
    }

    /// How many names are looked for, and how many there was no room for.
    pub(super) fn names(&self) -> (usize, usize) {
        self.names
            .as_ref()
            .map_or((0, 0), |one| (one.count, one.left))
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

    /// A JSON document, whose fields keep their names; none when it is no JSON.
    fn json(&self, text: &str, kind: Kind) -> Option<String> {
        let is_log = kind == Kind::Log;
        let of_user = |field: &str| is_log || kind == Kind::Logins && names::is_of_user(field);
        json::replaced(text, |piece| {
            let (old, new) = match piece {
                Piece::Key(key) => (key, self.known(key.as_bytes())),
                Piece::Text { of, text }
                    if is_log && !text.is_empty() && patterns::is_secret(of) =>
                {
                    (text, SECRET.to_owned())
                }
                Piece::Text { of, text } => match &self.names {
                    Some(names) if of_user(of) && names::is_of_user(of) => (text, names.of(text)),
                    _ => {
                        let clean = patterns::anywhere(&self.known(text.as_bytes()));
                        match is_log {
                            true => (text, self.line(&patterns::said(&clean), str::to_owned)),
                            false => (text, self.detail(&clean, kind)),
                        }
                    }
                },
                Piece::Number { of, text } if is_log && patterns::is_secret(of) => {
                    (text, SECRET.to_owned())
                }
                Piece::Number { text, .. } => (text, self.known(text.as_bytes())),
            };
            (new != old).then_some(new)
        })
    }

    /// A text of a document, which says who somebody is outside a tunnel where it tells of a login.
    fn detail(&self, text: &str, kind: Kind) -> String {
        let outer = names::outer(text).filter(|_| kind == Kind::Logins);
        match (outer, &self.names) {
            (Some(name), Some(names)) => format!("{}{}", text::OUTER, names.of(name)),
            _ => self.free(text),
        }
    }

    /// A line of a log: names where it names users, `read` as what was typed, and wherever else they stand.
    fn line(&self, line: &str, read: fn(&str) -> String) -> String {
        let Some(names) = &self.names else {
            return line.to_owned();
        };
        let mut out = String::with_capacity(line.len());
        let mut from = 0;
        for place in names::places(line) {
            names.replace(line.get(from..place.start).unwrap_or_default(), &mut out);
            let written = line.get(place.clone()).unwrap_or_default();
            out.push_str(&names.of(&read(written)));
            from = place.end;
        }
        names.replace(line.get(from..).unwrap_or_default(), &mut out);
        out
    }

    /// A line of a configuration file: what sections and options are called stays.
    fn setting(&self, line: &str) -> String {
        let Some(names) = &self.names else {
            return line.to_owned();
        };
        // Where lines have numbers, they stand before it.
        let own = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let Some((option, value)) = line.split_once('=').filter(|_| !own.starts_with('[')) else {
            return line.to_owned();
        };
        let mut out = format!("{option}=");
        match option
            .split_whitespace()
            .last()
            .is_some_and(names::is_named_user)
        {
            true if value != SECRET => out.push_str(&names.of(value.trim())),
            _ => names.replace(value, &mut out),
        }
        out
    }

    fn free(&self, text: &str) -> String {
        let Some(names) = &self.names else {
            return text.to_owned();
        };
        let mut out = String::with_capacity(text.len());
        names.replace(text, &mut out);
        out
    }
}

/// Names, and what stands for each.
struct Pseudonyms {
    /// In lower case, as what is searched.
    forms: AhoCorasick,
    /// What stands for each form, and whether that must stand as a word of its own.
    instead: Vec<(String, bool)>,
    count: usize,
    left: usize,
    key: hmac::Key,
}

impl Pseudonyms {
    /// All names as they are come first, and then their other writings, as far as they fit.
    fn new(names: &Names, key: hmac::Key) -> Result<Self, BuildError> {
        let own = OwnWords::new();
        let (mut forms, mut instead) = (Vec::<Vec<u8>>::new(), Vec::new());
        let (mut octets, mut count, mut left) = (0, 0, names.left());
        let mut add = |form: Vec<u8>, with: &str, as_word| {
            let fits = octets + form.len() <= FORMS_OCTETS;
            if fits {
                octets += form.len();
                forms.push(form);
                instead.push((with.to_owned(), as_word));
            }
            fits
        };
        // A short one stands in many a word, and one of ours means nobody.
        let sought = |name: &&str| name.len() >= SHORTEST_NAME && !own.has(name);
        for name in names.iter().filter(sought) {
            let with = pseudonym(name, &key);
            let mut cases = vec![name.to_ascii_lowercase()];
            if !name.is_ascii() {
                cases.extend([
                    name.to_lowercase(),
                    name.to_uppercase().to_ascii_lowercase(),
                ]);
                cases.sort();
                cases.dedup();
            }
            // Of one that fits in part, the rest is no other name.
            let fits: Vec<bool> = cases
                .into_iter()
                .map(|case| add(case.into_bytes(), &with, true))
                .collect();
            match fits.contains(&false) {
                true => left += 1,
                false => count += 1,
            }
        }
        for name in names.iter().filter(sought) {
            // An encoded one is told apart by its length alone.
            if !(SHORTEST..=ENCODED).contains(&name.len()) {
                continue;
            }
            let with = pseudonym(name, &key);
            let mut cases = vec![name.to_owned(), name.to_lowercase()];
            cases.dedup();
            let mut all: Vec<_> = cases
                .iter()
                .flat_map(|case| {
                    let mut all = encodings(case.as_bytes());
                    all.push(text::name(case).into_bytes());
                    all
                })
                .collect();
            all.iter_mut().for_each(|form| form.make_ascii_lowercase());
            all.sort();
            all.dedup();
            let plain = name.to_ascii_lowercase();
            all.retain(|form| form.len() >= SHORTEST && form != plain.as_bytes());
            all.into_iter().for_each(|form| {
                add(form, &with, false);
            });
        }
        Ok(Self {
            forms: AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(forms)?,
            instead,
            count,
            left,
            key,
        })
    }

    /// What stands for a name that is known for one.
    fn of(&self, name: &str) -> String {
        // What is known for a secret was replaced before, and says so.
        match name.is_empty() || name == SECRET {
            true => name.to_owned(),
            false => pseudonym(name, &self.key),
        }
    }

    /// Writes a text with its names replaced, wherever they stand.
    fn replace(&self, text: &str, out: &mut String) {
        let lower = text.to_ascii_lowercase();
        let octets = lower.as_bytes();
        let within = |at: Option<usize>| {
            let octet = at.and_then(|at| octets.get(at));
            octet.is_some_and(u8::is_ascii_alphanumeric)
        };
        // Of those that begin at one place the longest, of those that are no word of their own none.
        let mut found: Vec<(Range<usize>, &str)> = self
            .forms
            .find_overlapping_iter(&lower)
            .filter_map(|found| {
                let (instead, as_word) = self.instead.get(found.pattern().as_usize())?;
                let is_part = within(found.start().checked_sub(1)) || within(Some(found.end()));
                (!(*as_word && is_part)).then_some((found.range(), instead.as_str()))
            })
            .collect();
        found.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
        let mut from = 0;
        for (place, instead) in found {
            if place.start < from {
                continue;
            }
            out.push_str(text.get(from..place.start).unwrap_or_default());
            out.push_str(instead);
            from = place.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
    }
}

/// Each line put through it, without its end.
fn each_line(text: &str, mut through: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        out.push_str(&through(body));
        out.push_str(line.get(body.len()..).unwrap_or_default());
    }
    out
}

/// Shorter secrets stand in many a word by chance, and are hidden by the first pass alone.
pub(super) const SHORTEST: usize = 5;
/// Shorter names are replaced where they are known for one alone.
const SHORTEST_NAME: usize = 3;
/// Of a longer name no other writing is looked for.
const ENCODED: usize = 64;
/// The most octets of all forms of names. What finds them takes some thirty times as much.
const FORMS_OCTETS: usize = 2 * 1024 * 1024;

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;

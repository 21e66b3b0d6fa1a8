//! The text of a configuration file as it was typed, for an editor: its secrets are sealed in their places,
//! and what is sent back with them is opened again. Pure.
//!
//! Where a value would be sealed, and nowhere else, it is opened: so no secret becomes the value of an option
//! that is shown.

use std::collections::HashMap;
use std::ops::Range;

use proto::secret::Secret;

use crate::authproxy::MAX_OCTETS;
use crate::authproxy::schema::{self, Kind, SectionKind};
use crate::protected::{Opener, protect};
use crate::seal::{Key, SealError};

/// The text with each secret in it sealed. A line that is nothing known is sealed whole, an option that no
/// section has among them: it may be a part of a secret that was wrapped. Comments are shown, but for
/// the values of those that look like options which are secrets.
///
/// # Errors
/// Those of sealing.
pub(super) fn seal(text: &str, key: &Key) -> Result<String, SealError> {
    let opener = Opener::new(key);
    replaced(text, |value| match opener.reveal(value) {
        Some(_) => Ok(None),
        None => protect(key, &Secret::from(value)).map(Some),
    })
}

/// The text with what [`seal`] sealed opened. Options named `_protected` keep what they have, and so does
/// all of a text that is too long to be read.
pub(super) fn open(text: &str, key: &Key) -> Secret<String> {
    if text.len() > MAX_OCTETS {
        return Secret::from(text);
    }
    let opener = Opener::new(key);
    let opened = replaced(text, |value| {
        let opened = opener.reveal(value).map(|secret| secret.expose().clone());
        // What was sealed elsewhere may be no value of one line.
        let plain = |text: &String| !text.contains('\n') && text.trim() == text;
        Ok::<_, std::convert::Infallible>(opened.filter(plain))
    });
    match opened {
        Ok(text) => Secret::new(text),
    }
}

/// The text with `new` of each secret in its place; none leaves it.
fn replaced<E>(
    text: &str,
    mut new: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<String, E> {
    let mut places = Places::default();
    let mut made = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let secret = places.secret(line);
        let value = secret.clone().and_then(|range| line.get(range));
        let (before, after) = secret.map_or((line, ""), |range| {
            let before = line.get(..range.start).unwrap_or(line);
            (before, line.get(range.end..).unwrap_or_default())
        });
        made.push_str(before);
        if let Some(value) = value {
            match new(value)? {
                Some(new) => made.push_str(&new),
                None => made.push_str(value),
            }
        }
        made.push_str(after);
    }
    Ok(made)
}

/// Where lines have secrets.
#[derive(Default)]
struct Places {
    /// That of the section that the lines are in.
    kind: Option<SectionKind>,
    /// What names were found to be, in sections of this kind.
    known: HashMap<(Option<SectionKind>, String), Named>,
    /// How many names of comments were compared with all that there are, which takes long.
    compared: usize,
}

/// What the name of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Secret,
    Shown,
    /// Of no option at all.
    Nothing,
}

impl Places {
    /// Where a line has a secret; a header changes the section.
    fn secret(&mut self, line: &str) -> Option<Range<usize>> {
        let trimmed = line.trim();
        let comment = trimmed.starts_with([';', '#']);
        let content = trimmed.trim_start_matches([';', '#', ' ', '\t', '\u{feff}']);
        if content.is_empty() {
            return None;
        }
        if let Some(name) = content.strip_prefix('[') {
            if !comment {
                self.kind = name.strip_suffix(']').and_then(SectionKind::parse);
            }
            return None;
        }
        let end = line.trim_end().len();
        let whole = (!comment).then(|| end - content.len()..end);
        let Some((name, value)) = content.split_once('=') else {
            return whole;
        };
        let (name, value) = (name.trim(), value.trim_start());
        let value = (!value.is_empty()).then(|| end - value.len()..end);
        match self.named(name) {
            Named::Secret => value,
            Named::Shown => None,
            Named::Nothing if comment => value.filter(|_| self.is_meant(name)),
            // A value that lost its name may have '=' in it.
            Named::Nothing => whole,
        }
    }

    /// What a name is: in its section or, where that does not have it, in any.
    fn named(&mut self, name: &str) -> Named {
        let place = (self.kind, name.to_owned());
        *self.known.entry(place).or_insert_with_key(|(kind, name)| {
            let here = kind.and_then(|kind| schema::find(kind, name));
            let found = || {
                let kinds = SectionKind::ALL.iter();
                kinds.filter_map(|kind| schema::find(*kind, name))
            };
            let secret =
                |found: schema::Named| found.option.kind == Kind::Secret && !found.protected;
            let lower = name.to_ascii_lowercase();
            let sounds = WORDS.iter().any(|word| lower.contains(word));
            let plain = !lower.contains("_protected") && name.chars().all(of_name);
            match here {
                Some(here) if secret(here) => Named::Secret,
                Some(_) => Named::Shown,
                None if (sounds && plain) || found().any(secret) => Named::Secret,
                None if found().next().is_some() => Named::Shown,
                None => Named::Nothing,
            }
        })
    }

    /// Whether a name that is none may be that of a secret, mistyped. One too many may be.
    fn is_meant(&mut self, name: &str) -> bool {
        let Some(kind) = self.kind else {
            return false;
        };
        self.compared += 1;
        if self.compared > COMPARED {
            return true;
        }
        let meant = schema::suggest(kind, name).and_then(|name| schema::find(kind, &name));
        meant.is_some_and(|found| found.option.kind == Kind::Secret)
    }
}

fn of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

/// What names of secrets have in them.
const WORDS: [&str; 5] = ["secret", "password", "passwd", "passphrase", "skey"];
/// How many names of comments are compared in one text; those after them are taken for secrets.
const COMPARED: usize = 500;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "; a note\n[main]\r\ndebug=true\r\n[radius_server_auto2]\n; skey = PLANTED-old\n\
        skey= PLANTED=one;x \nSkey_2=PLANTED-two\nport=1812\nradius_secret_1=PLANTED-three\n\
        radius_secret_protected_2=sealed:abc\n[ad_client]\nservice_account_pasword=PLANTED-typo\n\
        service_account_passwords=PLANTED-four\nPLANTED-rest\n PLANTED rest=\nPLANTEDQUJDRA==\nzz=PLANTED\n[other]\nPLANTEDQUJDRA==\nfailmode=safe\npassword=";

    #[test]
    fn secrets_are_sealed_in_their_places_and_opened_again() {
        let key = Key::new([1; 32]);
        let sealed = seal(TEXT, &key).unwrap();
        assert!(!sealed.contains("PLANTED"), "{sealed}");
        assert_eq!(sealed.matches("sealed:").count(), 12, "{sealed}");
        for kept in [
            "; a note\n[main]\r\ndebug=true\r\n",
            "port=1812\n",
            "radius_secret_protected_2=sealed:abc\n",
            "failmode=safe\npassword=",
        ] {
            assert!(sealed.contains(kept), "{kept:?} in {sealed}");
        }
        assert_eq!(open(&sealed, &key).expose(), TEXT);
        assert_eq!(open(&sealed, &Key::new([2; 32])).expose(), &sealed);
    }

    #[test]
    fn a_sealed_value_is_opened_only_where_it_is_hidden_again() {
        let key = Key::new([1; 32]);
        let sealed = protect(&key, &Secret::from("PLANTED")).unwrap();
        for line in [
            format!("[ad_client]\nhost={sealed}"),
            format!("[radius_server_auto]\nprompt={sealed}\n"),
            format!("; see {sealed}"),
            format!("[{sealed}]"),
            format!("[radius_server_auto]\nradius_secret_protected_1={sealed}"),
        ] {
            assert_eq!(open(&line, &key).expose(), &line);
        }
        let moved = format!("[radius_client]\nsecret={sealed}\n");
        let opened = open(&moved, &key);
        assert_eq!(opened.expose(), "[radius_client]\nsecret=PLANTED\n");
        assert!(!seal(opened.expose(), &key).unwrap().contains("PLANTED"));
    }

    #[test]
    fn a_text_that_is_too_long_or_full_of_names_is_no_work() {
        let key = Key::new([1; 32]);
        let sealed = protect(&key, &Secret::from("PLANTED")).unwrap();
        let long = format!("skey={sealed}\n{}", "a".repeat(MAX_OCTETS));
        assert_eq!(open(&long, &key).expose(), &long);

        let mut places = Places::default();
        places.secret("[ad_client]\n");
        for number in 0..COMPARED {
            assert_eq!(
                places.secret(&format!("; n{number}x=1\n")),
                None,
                "{number}"
            );
        }
        assert!(places.secret("; other=1\n").is_some(), "one too many");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "([\\[\\];#= a-z_\u{e9}\t]|secret=|\r\n|\n){0,60}") {
            let key = Key::new([1; 32]);
            let back = open(&seal(&text, &key).unwrap(), &key);
            prop_assert_eq!(back.expose(), &text);
        }
    }
}

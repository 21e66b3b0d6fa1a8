//! The text of a configuration file as it was typed, for an editor: its secrets are sealed in their places,
//! and what is sent back with them is opened again. Pure.
//!
//! Where a value would be sealed, and nowhere else, it is opened: so no secret becomes the value of an option
//! that is shown.

use std::ops::Range;

use proto::secret::Secret;

use crate::authproxy::schema::{self, Kind, SectionKind};
use crate::protected::{protect, reveal};
use crate::seal::{Key, SealError};

/// The text with each secret in it sealed. Comments that look like options are treated like options, and a
/// line that is nothing known is sealed whole: it may be a part of a secret that was wrapped.
///
/// # Errors
/// Those of sealing.
pub(super) fn seal(text: &str, key: &Key) -> Result<String, SealError> {
    replaced(text, |value| match reveal(key, value) {
        Some(_) => Ok(None),
        None => protect(key, &Secret::from(value)).map(Some),
    })
}

/// The text with what [`seal`] sealed opened. Options named `_protected` keep what they have.
pub(super) fn open(text: &str, key: &Key) -> Secret<String> {
    let opened = replaced(text, |value| {
        let opened = reveal(key, value).map(|secret| secret.expose().clone());
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
    let mut kind = None;
    let mut made = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let secret = secret(line, &mut kind);
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

/// Where a line has a secret. `kind` is that of the section it is in, which a header changes.
fn secret(line: &str, kind: &mut Option<SectionKind>) -> Option<Range<usize>> {
    let trimmed = line.trim();
    let comment = trimmed.starts_with([';', '#']);
    let content = trimmed.trim_start_matches([';', '#', ' ', '\t', '\u{feff}']);
    if content.is_empty() {
        return None;
    }
    if let Some(name) = content.strip_prefix('[') {
        if !comment {
            *kind = name.strip_suffix(']').and_then(SectionKind::parse);
        }
        return None;
    }
    let end = line.trim_end().len();
    let Some((name, value)) = content.split_once('=') else {
        return (!comment).then(|| end - content.len()..end);
    };
    let name = name.trim();
    if !comment && !name.chars().all(of_name) {
        // A value that lost its name may have '=' in it.
        return Some(end - content.len()..end);
    }
    let value = value.trim_start();
    (!value.is_empty() && is_secret(name, *kind)).then(|| end - value.len()..end)
}

/// Whether an option is one of a secret in clear, in its section or, where that does not have it, by its name.
fn is_secret(name: &str, kind: Option<SectionKind>) -> bool {
    if let Some(found) = kind.and_then(|kind| schema::find(kind, name)) {
        return found.option.kind == Kind::Secret && !found.protected;
    }
    // One that was mistyped.
    let meant = kind.and_then(|kind| schema::find(kind, &schema::suggest(kind, name)?));
    if meant.is_some_and(|found| found.option.kind == Kind::Secret) {
        return true;
    }
    let name = name.to_ascii_lowercase();
    let protected = name.contains("_protected");
    !protected && WORDS.iter().any(|word| name.contains(word))
}

fn of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

/// What names of secrets have in them.
const WORDS: [&str; 5] = ["secret", "password", "passwd", "passphrase", "skey"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "; a note\n[main]\r\ndebug=true\r\n[radius_server_auto2]\n; skey = PLANTED-old\n\
        skey= PLANTED=one;x \nSkey_2=PLANTED-two\nport=1812\nradius_secret_1=PLANTED-three\n\
        radius_secret_protected_2=sealed:abc\n[ad_client]\nservice_account_pasword=PLANTED-typo\n\
        service_account_passwords=PLANTED-four\nPLANTED-rest\n PLANTED rest=\n[other]\nfailmode=safe\npassword=";

    #[test]
    fn secrets_are_sealed_in_their_places_and_opened_again() {
        let key = Key::new([1; 32]);
        let sealed = seal(TEXT, &key).unwrap();
        assert!(!sealed.contains("PLANTED"), "{sealed}");
        assert_eq!(sealed.matches("sealed:").count(), 9, "{sealed}");
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

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "([\\[\\];#= a-z_\u{e9}\t]|secret=|\r\n|\n){0,60}") {
            let key = Key::new([1; 32]);
            let back = open(&seal(&text, &key).unwrap(), &key);
            prop_assert_eq!(back.expose(), &text);
        }
    }
}

//! What must hold for whatever a user types behind a password, or in answer to a question.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a claim that does not hold is reported"
)]

use std::num::NonZeroU32;

use proto::config::Append;

use super::factor::{Kind, Typed, split};

/// Splits a password field, and reads what a user typed. The input: the delimiter on the first line,
/// the length of a password on the second, then what was typed.
///
/// Holds: nothing panics; what a field is split into is the whole of it but for one delimiter, at the
/// last one or behind so many characters; what was typed is read the same whatever blanks are around
/// it, and the same when it is written down and read again; blanks alone are nothing; only a factor's
/// name names one, and of everything else nothing is lost but blanks.
///
/// # Panics
/// One of these does not hold.
pub fn typed(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (delimiter, length, text) = (part(), part(), part());
    if !delimiter.is_empty() {
        fields(delimiter, length.parse().unwrap_or(NonZeroU32::MIN), text);
    }
    assert_eq!(split(text, &Append::Never), None);
    words(text);
}

fn fields(delimiter: &str, password_length: NonZeroU32, text: &str) {
    let delimited = Append::Delimited {
        delimiter: delimiter.to_owned(),
    };
    match split(text, &delimited) {
        Some((password, typed)) => {
            assert_eq!(format!("{password}{delimiter}{typed}"), text);
            assert!(!typed.contains(delimiter), "not at the last delimiter");
        }
        None => assert!(!text.contains(delimiter)),
    }
    let fixed = Append::FixedLength {
        password_length,
        delimiter: delimiter.to_owned(),
    };
    let length = usize::try_from(password_length.get()).unwrap();
    match split(text, &fixed) {
        Some((password, typed)) => {
            assert_eq!(password.chars().count(), length);
            let rest = text.strip_prefix(password).unwrap();
            assert_eq!(rest.strip_prefix(delimiter).unwrap_or(rest), typed);
        }
        None => assert!(text.chars().count() <= length),
    }
}

fn words(text: &str) {
    let read = Typed::parse(text);
    assert_eq!(read.is_none(), text.trim().is_empty());
    assert_eq!(Typed::parse(&format!(" {text}\t")), read);
    let Some(read) = read else {
        return;
    };
    assert_eq!(Typed::parse(read.text().expose()).as_ref(), Some(&read));
    let bare: String = text.chars().filter(|one| !one.is_whitespace()).collect();
    match &read {
        Typed::Named(kind, nth) => {
            let name = kind.as_str();
            let bare = bare.to_ascii_lowercase();
            let digits = bare.strip_prefix(name).unwrap();
            assert_eq!(digits.is_empty(), nth.is_none());
            assert_eq!(digits.parse().ok(), *nth);
        }
        Typed::Text(kept) => {
            let kept: &str = kept.expose();
            assert_eq!(kept.trim(), kept);
            let without: String = kept.chars().filter(|one| !one.is_whitespace()).collect();
            assert_eq!(without, bare);
            let digits = text.trim().bytes().all(|one| one.is_ascii_digit());
            assert!(!digits || kept == text.trim());
            let names = Kind::ALL.map(Kind::as_str);
            assert!(
                !names.contains(&&*kept.to_ascii_lowercase()),
                "{kept} is a name"
            );
        }
    }
    if let Some(number) = read.option_number() {
        assert!(number <= 99 && read.counts() && read.may_be_listed());
    }
}

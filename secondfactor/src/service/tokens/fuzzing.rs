//! What must hold for any file of tokens.

use std::collections::HashSet;

use super::file::{FILE_TOKENS, read};
use crate::admin::DeviceKind;
use crate::fuzzing::is_told;

/// Reads a file.
///
/// Holds: nothing panics; what is wrong is told in one line for a person, which shows nothing that may be
/// of a secret; each token and each refused line is at a line of its own that the file has; no serial
/// number is there twice, and all that a token's passcodes are made of is within its bounds.
///
/// # Panics
/// One of these does not hold.
pub fn tokens_csv(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let told = |why: &str| {
        assert!(is_told(why), "{why:?}");
        let long = |word: &&str| word.len() >= 12 && word.contains(|c: char| c.is_ascii_digit());
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        for word in words.filter(long) {
            assert!(!why.contains(word), "{why:?} shows {word}");
        }
    };
    let file = match read(&text) {
        Ok(file) => file,
        Err(why) => return told(&why),
    };
    assert!(file.tokens.len() + file.refused.len() <= FILE_TOKENS);
    let most = u64::try_from(text.lines().count()).unwrap_or(u64::MAX);
    let (mut lines, mut serials) = (HashSet::new(), HashSet::new());
    for token in &file.tokens {
        assert!((2..=most).contains(&token.line) && lines.insert(token.line));
        assert!(serials.insert(&token.serial), "a serial number twice");
        assert!((1..=64).contains(&token.serial.chars().count()));
        assert!(!token.serial.contains(|c: char| c.is_control() || c == '/'));
        assert!(
            (16..=128).contains(&token.secret.len()),
            "a secret's length"
        );
        assert!((6..=8).contains(&token.digits));
        let clock = token.kind == DeviceKind::Totp;
        assert_eq!(clock, token.period_s.is_some());
        assert_eq!(clock, token.position.is_none());
        let period = token.period_s.unwrap_or(30);
        assert!((15..=300).contains(&period));
    }
    for one in &file.refused {
        assert!((2..=most).contains(&one.line) && lines.insert(one.line));
        assert!(one.serial.chars().count() <= 64);
        told(&one.why);
    }
}

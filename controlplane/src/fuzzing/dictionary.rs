//! Dictionaries in FreeRADIUS' format.

use std::path::Path;

use super::Named;
use crate::dictionary::{Dictionary, MAX_ATTRIBUTES};

/// Reads a file `names`, and another, `more`, which is what follows the first NUL: either may include
/// the other.
///
/// Holds: nothing panics, and files that include each other come to an end; each fault names its file, a
/// line that this has, and what is wrong, and quotes nothing of it that may be a secret; an attribute
/// that is known is found by its name, whatever its case, and has a place in a packet.
///
/// # Panics
/// One of these does not hold.
pub fn dictionary(octets: &[u8]) {
    let at = octets.iter().position(|octet| *octet == 0);
    let (names, more) = octets.split_at(at.unwrap_or(octets.len()));
    let more = more.get(1..).unwrap_or_default();
    let files = Named(vec![("names".into(), names), ("more".into(), more)]);
    let mut dictionary = Dictionary::default();
    let loaded = dictionary.load(Path::new("names"), &files);
    assert!(loaded.faults.len() <= 100 && loaded.files.len() <= 1_000);
    assert!(dictionary.len() <= MAX_ATTRIBUTES);
    let text = String::from_utf8_lossy(octets);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let long = |word: &&str| word.len() >= 8 && word.contains(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = words.filter(long).collect();
    for fault in &loaded.faults {
        let content = files.0.iter().find(|(name, _)| *name == fault.file);
        let lines = content.map_or(0, |(_, octets)| octets.split(|o| *o == b'\n').count());
        assert!(usize::try_from(fault.line).unwrap() <= lines);
        let message = &fault.message;
        assert!(!message.is_empty() && !message.contains(char::is_control));
        assert!(
            !words.iter().any(|word| message.contains(word)),
            "{message}"
        );
    }
    for attribute in dictionary.plain() {
        assert_ne!(attribute.number, 0);
        assert_ne!(attribute.vendor, Some(0));
        let found = dictionary.lookup(&attribute.name.to_uppercase());
        let found = found.or_else(|| dictionary.lookup(&attribute.name));
        assert_eq!(found.as_ref(), Some(&attribute));
    }
}

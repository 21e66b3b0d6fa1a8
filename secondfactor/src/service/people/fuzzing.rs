//! What must hold for any file of users.
#![allow(
    clippy::panic,
    reason = "a panic is how a claim that does not hold is reported"
)]

use std::collections::BTreeSet;

use super::file::{FILE_LINES, read};
use super::plan::Entry;
use crate::fuzzing::is_told;

/// Reads a file, writes what it says as a file, and reads that.
///
/// Holds: nothing panics; a file is refused with one line for a person; each user and each refused line
/// is at a line of its own that the file has, in their order; a user has a name; what was read and
/// written is read as the same.
///
/// # Panics
/// One of these does not hold.
pub fn users_csv(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let read_of_it = match read(&text) {
        Ok(read_of_it) => read_of_it,
        Err(why) => return assert!(is_told(&why), "{why:?}"),
    };
    assert!(read_of_it.entries.len() + read_of_it.refused.len() <= FILE_LINES);
    let ends = text.matches(['\n', '\r']).count();
    let most = u64::try_from(ends).unwrap_or(u64::MAX).saturating_add(1);
    let mut lines = BTreeSet::new();
    let of_entries = read_of_it.entries.iter().map(|one| one.line);
    let of_refused = read_of_it.refused.iter().map(|one| one.line);
    for of_one in [
        of_entries.collect::<Vec<_>>(),
        of_refused.collect::<Vec<_>>(),
    ] {
        assert!(of_one.is_sorted());
        for line in of_one {
            let Some(line) = line else {
                panic!("a user of a file without a line");
            };
            // The first names the columns.
            assert!((2..=most).contains(&line), "line {line} of {most}");
            assert!(lines.insert(line), "line {line} twice");
        }
    }
    for one in &read_of_it.refused {
        assert!(is_told(&one.why), "{:?}", one.why);
        assert!(one.name.chars().count() <= 64);
    }
    let mut file = "username,full_name,email,number,status,aliases,groups\n".to_owned();
    for entry in &read_of_it.entries {
        assert!(!entry.name.trim().is_empty());
        let list = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join("; "));
        let fields = [
            Some(entry.name.clone()),
            entry.full_name.clone(),
            entry.email.clone(),
            entry.number.clone(),
            entry.status.map(|status| status.as_str().to_owned()),
            list(&entry.aliases),
            list(&entry.groups),
        ];
        let quoted = fields.map(|field| {
            let field = field.unwrap_or_default().replace('"', "\"\"");
            format!("\"{field}\"")
        });
        file.push_str(&quoted.join(","));
        file.push('\n');
    }
    let again = match read(&file) {
        Ok(again) => again,
        Err(why) => panic!("{why}"),
    };
    assert!(again.refused.is_empty());
    let settled = |entry: &Entry| {
        // A list of separators alone says as much as none.
        let list = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
        Entry {
            line: None,
            aliases: list(&entry.aliases),
            groups: list(&entry.groups),
            ..entry.clone()
        }
    };
    let before: Vec<Entry> = read_of_it.entries.iter().map(settled).collect();
    let after: Vec<Entry> = again.entries.iter().map(settled).collect();
    assert_eq!(before, after);
}

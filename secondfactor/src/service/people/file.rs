//! A CSV file of users, read into entries. Pure. What a line says is judged elsewhere.

use super::plan::Entry;
use crate::admin::{RefusedUser, UserStatus};

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// Lines that cannot be read.
    pub(super) refused: Vec<RefusedUser>,
}

/// Reads a file.
///
/// # Errors
/// What is wrong with the file as a whole, for a person.
pub(super) fn read(text: &str) -> Result<Read, String> {
    if text.len() > FILE_OCTETS {
        return Err("the file has more than 4 MiB; import it in parts".to_owned());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Lines {
        text,
        at: 0,
        line: 1,
    };
    let mut record = csv::StringRecord::new();
    let mut columns: Vec<Column> = Vec::new();
    let mut read = Read::default();
    let mut count = 0_usize;
    let broken = |error: csv::Error| format!("the file is no CSV: {error}");
    while reader.read_record(&mut record).map_err(broken)? {
        let start = record.position().map_or(0, csv::Position::byte);
        let line = lines.of(usize::try_from(start).unwrap_or(usize::MAX));
        if columns.is_empty() {
            columns = header(&record)?;
            continue;
        }
        count += 1;
        if count > FILE_LINES {
            return Err("the file has more than 50,000 users; import it in parts".to_owned());
        }
        match entry(&columns, &record) {
            Ok(entry) => read.entries.push(Entry {
                line: Some(line),
                ..entry
            }),
            Err(why) => read.refused.push(RefusedUser {
                line: Some(line),
                name: named(&columns, &record).to_owned(),
                why,
            }),
        }
    }
    if columns.is_empty() {
        return Err(format!(
            "the file is empty: its first line names the columns, {KNOWN}"
        ));
    }
    Ok(read)
}

/// A column that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Username,
    FullName,
    Email,
    Number,
    Status,
    Aliases,
    Groups,
}

impl Column {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "username" => Self::Username,
            "full_name" => Self::FullName,
            "email" => Self::Email,
            "number" => Self::Number,
            "status" => Self::Status,
            "aliases" => Self::Aliases,
            "groups" => Self::Groups,
            _ => return None,
        })
    }
}

fn header(record: &csv::StringRecord) -> Result<Vec<Column>, String> {
    let mut columns = Vec::with_capacity(record.len());
    for name in record {
        let Some(column) = Column::from_name(name) else {
            let hint = match record.len() {
                1 if name.contains([';', '\t']) => "; columns are separated by commas",
                _ => "",
            };
            let shown = name.chars().filter(|one| !one.is_control());
            let name: String = shown.take(SHOWN).collect();
            return Err(format!(
                "line 1: there is no column '{name}'; columns are {KNOWN}{hint}"
            ));
        };
        if columns.contains(&column) {
            return Err(format!("line 1: the column '{name}' is there twice"));
        }
        columns.push(column);
    }
    if columns.contains(&Column::Username) {
        Ok(columns)
    } else {
        Err(format!(
            "line 1: there is no column 'username'; columns are {KNOWN}"
        ))
    }
}

fn entry(columns: &[Column], record: &csv::StringRecord) -> Result<Entry, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "it has {} fields, and the first line {}; write fields with commas in double quotes",
            record.len(),
            columns.len()
        ));
    }
    let mut entry = Entry::default();
    for (column, field) in columns.iter().zip(record) {
        let text = (!field.is_empty()).then(|| field.to_owned());
        match column {
            Column::Username => entry.name = text.ok_or("it names no user")?,
            Column::FullName => entry.full_name = text,
            Column::Email => entry.email = text,
            Column::Number => entry.number = text,
            Column::Status => entry.status = text.as_deref().map(status).transpose()?,
            Column::Aliases => entry.aliases = text.as_deref().map(list),
            Column::Groups => entry.groups = text.as_deref().map(list),
        }
    }
    Ok(entry)
}

fn status(text: &str) -> Result<UserStatus, String> {
    UserStatus::from_name(&text.to_ascii_lowercase()).ok_or_else(|| {
        let known: Vec<_> = UserStatus::ALL.iter().map(|one| one.as_str()).collect();
        format!("the status is one of {}", known.join(", "))
    })
}

fn list(text: &str) -> Vec<String> {
    let parts = text.split(';').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn named<'r>(columns: &[Column], record: &'r csv::StringRecord) -> &'r str {
    let place = columns.iter().position(|one| *one == Column::Username);
    let name = place
        .and_then(|place| record.get(place))
        .unwrap_or_default();
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => name.get(..end).unwrap_or_default(),
        None => name,
    }
}

/// Tells on which line an octet is; asked in order.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at a place or, where a line ends there, after it.
    fn of(&mut self, place: usize) -> u64 {
        let octets = self.text.as_bytes();
        while let Some(octet) = octets.get(self.at) {
            let ends = matches!(octet, b'\n' | b'\r');
            if self.at >= place && !ends {
                break;
            }
            // A carriage return before a line feed is counted with it.
            let pair = *octet == b'\r' && octets.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(ends && !pair);
            self.at += 1;
        }
        self.line
    }
}

const KNOWN: &str = "username, full_name, email, number, status, aliases, groups";
const FILE_OCTETS: usize = 4 * 1024 * 1024;
pub(super) const FILE_LINES: usize = 50_000;
/// Characters of a field that are shown.
const SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, line: u64) -> Entry {
        Entry {
            name: name.to_owned(),
            line: Some(line),
            ..Entry::default()
        }
    }

    #[test]
    fn a_column_that_is_not_known_is_shown_as_text() {
        let why = read("user\u{1b}[2Jname\nalice\n").unwrap_err();
        assert!(
            why.starts_with("line 1: there is no column 'user[2Jname'; "),
            "{why}"
        );
    }

    #[test]
    fn lines_are_read_however_they_are_written() {
        let alice = |line| Entry {
            full_name: Some("Alice, A.".to_owned()),
            aliases: Some(vec!["al".to_owned(), "a@corp.example".to_owned()]),
            ..named("alice", line)
        };
        for (what, text, want) in [
            (
                "plain",
                "username,full_name,aliases\nalice,\"Alice, A.\",al;a@corp.example\nbob,,\n",
                vec![alice(2), named("bob", 3)],
            ),
            (
                "a mark, CRLF, other order and case, blanks, no end",
                "\u{feff}Aliases , FULL_NAME,username\r\n al ;; a@corp.example,\"Alice, A.\", alice \r\n,,bob",
                vec![alice(2), named("bob", 3)],
            ),
            (
                "empty lines are counted",
                "\n\nusername\n\r\n\nalice\n\nbob\n",
                vec![named("alice", 6), named("bob", 8)],
            ),
            (
                "a quoted field of two lines",
                "username,groups\nalice,\"a;\nb\"\nbob,\n",
                vec![
                    Entry {
                        groups: Some(vec!["a".to_owned(), "b".to_owned()]),
                        ..named("alice", 2)
                    },
                    named("bob", 4),
                ],
            ),
            ("nobody", "username\n", vec![]),
        ] {
            let read = read(text).expect(what);
            assert_eq!(read.refused, [], "{what}");
            assert_eq!(read.entries, want, "{what}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_what_to_do() {
        let many = "u\n".repeat(50_001);
        let large = "x".repeat(4 * 1024 * 1024 + 1);
        for (text, want) in [
            ("", "the file is empty"),
            ("\u{feff}\n\n", "the file is empty"),
            (
                "username,mail\n",
                "no column 'mail'; columns are username, full_name",
            ),
            ("username;email\n", "columns are separated by commas"),
            ("email\na@b.example\n", "no column 'username'"),
            ("username,Username\n", "is there twice"),
            (&format!("username\n{many}"), "more than 50,000 users"),
            (&large, "more than 4 MiB"),
        ] {
            let error = read(text).expect_err(want);
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let text = "username,status\nalice,Active\nbob,on\ncarol\n,active\ndave,bypass,x\n";
        let read = read(text).unwrap();
        assert_eq!(read.entries.len(), 1);
        let refused: Vec<_> = read
            .refused
            .iter()
            .map(|one| (one.line.unwrap(), one.name.as_str(), one.why.as_str()))
            .collect();
        assert_eq!(
            refused,
            [
                (
                    3,
                    "bob",
                    "the status is one of active, bypass, disabled, locked_out"
                ),
                (
                    4,
                    "carol",
                    "it has 1 fields, and the first line 2; write fields with commas in double quotes"
                ),
                (5, "", "it names no user"),
                (
                    6,
                    "dave",
                    "it has 3 fields, and the first line 2; write fields with commas in double quotes"
                ),
            ]
        );
    }
}

//! What one run over a file carries along: its findings and the files it asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use proto::secret::Secret;

use super::diagnostic::{Counts, Diagnostic, Severity};
use super::files::{FileContent, Files, beside, is_windows};
use super::sections::{Entry, Section};
use crate::dictionary::Dictionary;

/// The most octets a file that the configuration names may have.
const MAX_NAMED_OCTETS: usize = 4 << 20;

/// The most findings that are told of one file.
pub(super) const KEPT: usize = 1_000;

/// A configuration file and what it may ask for.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its path, as it is to be shown; files it names are relative to its folder.
    pub path: &'a Path,
    /// Its octets.
    pub octets: &'a [u8],
    /// Its permission bits; none where the system has none.
    pub mode: Option<u32>,
    /// Milliseconds since 1970, UTC: what the validity of certificates is held against.
    pub now_ms: u64,
    /// Where the files it names come from.
    pub files: &'a dyn Files,
    /// Opens a `_protected` value that this installation sealed; none for any other text.
    pub unseal: &'a dyn Fn(&str) -> Option<Secret<String>>,
}

impl Source<'_> {
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.path.display())
    }
}

pub(super) struct Context<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) dictionary: Dictionary,
    /// At most [`KEPT`] errors and as many warnings.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Every finding, kept or not.
    said: Counts,
    pub(super) files_read: BTreeSet<PathBuf>,
}

impl<'a> Context<'a> {
    pub(super) fn new(source: &'a Source<'a>, dictionary: Dictionary) -> Self {
        Self {
            source,
            dictionary,
            diagnostics: Vec::new(),
            said: Counts::default(),
            files_read: BTreeSet::new(),
        }
    }

    /// Whether an error was found.
    pub(super) const fn refused(&self) -> bool {
        self.said.errors > 0
    }

    /// Whether another error would not be kept.
    pub(super) const fn full(&self) -> bool {
        self.said.errors >= KEPT
    }

    /// Whether another warning would not be kept.
    pub(super) const fn hushed(&self) -> bool {
        self.said.warnings >= KEPT
    }

    pub(super) fn push(&mut self, found: Diagnostic) {
        let said = match found.severity {
            Severity::Error => &mut self.said.errors,
            Severity::Warning => &mut self.said.warnings,
        };
        *said += 1;
        if *said <= KEPT {
            self.diagnostics.push(Diagnostic {
                section: found.section.map(printable),
                option: found.option.map(printable),
                message: printable(found.message),
                remedy: printable(found.remedy),
                ..found
            });
        }
    }

    /// The findings, errors before warnings where there are too many, in the order of the lines.
    pub(super) fn into_findings(self) -> (Vec<Diagnostic>, BTreeSet<PathBuf>) {
        let all = self.said.errors + self.said.warnings;
        let name = self.source.name();
        let mut kept = self.diagnostics;
        if all > KEPT {
            kept.sort_by_key(|one| one.severity == Severity::Warning);
            kept.truncate(KEPT - 1);
        }
        kept.sort_by(|a, b| {
            let other = |one: &Diagnostic| one.file != name;
            (other(a), &a.file, a.line).cmp(&(other(b), &b.file, b.line))
        });
        if all > KEPT {
            let hidden = self.said.errors > KEPT - 1;
            kept.push(Diagnostic {
                file: name,
                line: 1,
                section: None,
                option: None,
                severity: if hidden {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                message: format!("and {} more findings", all - kept.len()),
                remedy: "correct those that are shown first".to_owned(),
            });
        }
        (kept, self.files_read)
    }

    pub(super) fn say(
        &mut self,
        severity: Severity,
        line: u32,
        place: (Option<&str>, Option<&str>),
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Diagnostic {
            file: self.source.name(),
            line,
            section: place.0.map(str::to_owned),
            option: place.1.map(str::to_owned),
            severity,
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// An error of one option.
    pub(super) fn error(
        &mut self,
        section: &Section,
        entry: &Entry,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = (Some(section.name.as_str()), Some(entry.key.as_str()));
        self.say(Severity::Error, entry.line, place, message, remedy);
    }

    /// A warning about one option.
    pub(super) fn warn(
        &mut self,
        section: &Section,
        entry: &Entry,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = (Some(section.name.as_str()), Some(entry.key.as_str()));
        self.say(Severity::Warning, entry.line, place, message, remedy);
    }

    /// A finding about a section, or about an option it does not have.
    pub(super) fn of_section(
        &mut self,
        severity: Severity,
        section: &Section,
        option: Option<&str>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = (Some(section.name.as_str()), option);
        self.say(severity, section.line, place, message, remedy);
    }

    /// Where the file that an option names is, noted as one to watch; none after an error.
    pub(super) fn named_path(&mut self, section: &Section, entry: &Entry) -> Option<PathBuf> {
        if entry.value.is_empty() {
            return None;
        }
        if is_windows(&entry.value) {
            self.error(
                section,
                entry,
                format!("'{}' is a path of Windows", *entry.value),
                "copy the file to this machine and write its path here",
            );
            return None;
        }
        let path = beside(self.source.path, &entry.value);
        self.files_read.insert(path.clone());
        Some(path)
    }

    /// Reads the file that an option names.
    pub(super) fn named_file(&mut self, section: &Section, entry: &Entry) -> Option<FileContent> {
        let path = self.named_path(section, entry)?;
        let shown = path.display();
        match self.source.files.read(&path) {
            Ok(content) if content.octets.len() > MAX_NAMED_OCTETS => {
                self.error(
                    section,
                    entry,
                    format!("'{shown}' has more than {MAX_NAMED_OCTETS} octets"),
                    "name a PEM file",
                );
                None
            }
            Ok(content) => Some(content),
            Err(error) => {
                let remedy = if entry.value.contains('\\') {
                    "write '/' and not '\\' between folders; a relative path begins at this file's folder"
                } else {
                    "name a file that this user may read; a relative path begins at this file's folder"
                };
                self.error(
                    section,
                    entry,
                    format!("'{shown}' cannot be read: {error}"),
                    remedy,
                );
                None
            }
        }
    }
}

/// A text with what moves a cursor or ends a line written out: names and values are a stranger's.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

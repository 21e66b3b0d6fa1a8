//! `authproxy.cfg`: read, checked whole, and made into a snapshot.
//!
//! Nothing here does I/O: the text is an argument and files come through [`Files`]. One run finds
//! every fault ([`Diagnostic`]); a file without an error becomes an [`Imported`], from which
//! [`Imported::resolve`] makes what `proto` accepts.

mod cipher_list;
mod clients;
mod context;
mod cursor;
mod diagnostic;
pub mod differences;
mod directory;
mod dn;
mod eap;
pub mod export;
mod factors;
pub(crate) mod files;
mod filter;
mod imported;
pub(crate) mod lines;
pub mod nearest;
mod pem;
mod reader;
pub mod schema;
mod sections;
mod server_certificate;
mod servers;
mod support;
mod upstream;
mod values;

use std::path::PathBuf;

pub use context::Source;
pub use diagnostic::{Counts, Diagnostic, Severity, count, json, text};
pub use differences::Difference;
pub use files::{FileContent, Files};
pub use imported::{BuiltinApplication, Imported};
pub use lines::{Fate, Line as LineReport, Lines, Place, Shown};
pub use reader::{Content, Document, Line, MAX_OCTETS, ReadError, SyntaxFault};

use crate::dictionary::Dictionary;
use context::Context;

/// What came of a file.
#[derive(Debug)]
pub struct Report {
    /// The findings, in the order of the lines; 1,000 at the most, of which the last then says how
    /// many there are more.
    pub diagnostics: Vec<Diagnostic>,
    /// The configuration; none when there is an error.
    pub imported: Option<Imported>,
    /// Every file the configuration names, whether it could be read or not: what to watch.
    pub files_read: Vec<PathBuf>,
    /// Where what this file asks for differs from what the replaced product did.
    pub differences: Vec<&'static Difference>,
    /// What became of each line.
    pub lines: Lines,
}

/// Reads and checks a configuration file. `dictionary` is what there is before the files that
/// `[main] dictionary` names.
#[must_use]
pub fn import(source: &Source<'_>, dictionary: &Dictionary) -> Report {
    let mut context = Context::new(source, dictionary.clone());
    let sections = sections::read(&mut context);
    let differences = differences::of(&sections);
    let imported = imported::build(&mut context, &sections);
    let refused = context.refused();
    let lines = lines::of(&context, &sections);
    let (diagnostics, files_read) = context.into_findings();
    Report {
        diagnostics,
        imported: imported.filter(|_| !refused),
        files_read: files_read.into_iter().collect(),
        differences,
        lines,
    }
}

#[cfg(test)]
mod tests;

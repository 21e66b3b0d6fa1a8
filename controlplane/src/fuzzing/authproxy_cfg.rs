//! Configuration files.

use std::path::Path;
use std::sync::LazyLock;

use proto::config::{Snapshot, raw};
use proto::secret::Secret;

use super::Named;
use crate::authproxy::export::{ExportError, Style, export};
use crate::authproxy::{
    BuiltinApplication, Content, Document, Report, Severity, Source, count, import,
};
use crate::dictionary::Dictionary;
use crate::protected::reveal;
use crate::seal::Key;

/// Reads a file.
///
/// Holds: nothing panics; a file is given back as it was, octet for octet; it is refused exactly when
/// there is an error; each finding names a line that the file has, says what is wrong and what to write,
/// and shows no secret; each line is told of once; what is taken is a configuration that can be served,
/// and, written as a file and read again, is the same.
///
/// # Panics
/// One of these does not hold.
pub fn authproxy_cfg(octets: &[u8]) {
    let document = Document::parse(octets).ok();
    if let Some(document) = &document {
        assert_eq!(document.to_string().as_bytes(), octets);
    }
    let key = Key::new([7; 32]);
    let report = read(octets, &Named(Vec::new()), &key);
    let errors = count(&report.diagnostics).errors;
    assert_eq!(report.imported.is_none(), errors > 0);
    found(&report, octets, document.as_ref());
    let Some(imported) = &report.imported else {
        return;
    };
    let snapshot = imported.resolve(1, application);
    if let Err(faults) = Snapshot::try_from(snapshot.clone()) {
        panic!("a file without an error cannot be served: {faults}");
    }
    comes_back(&snapshot, &key);
}

fn read(octets: &[u8], files: &Named<'_>, key: &Key) -> Report {
    static KNOWN: LazyLock<Dictionary> = LazyLock::new(Dictionary::builtin);
    let source = Source {
        path: Path::new(NAME),
        octets,
        mode: Some(0o600),
        now_ms: 1_798_761_600_000,
        files,
        unseal: &|text| reveal(key, text),
    };
    import(&source, &KNOWN)
}

fn found(report: &Report, octets: &[u8], document: Option<&Document>) {
    let lines = octets.split(|octet| *octet == b'\n').count();
    let planted = document.is_some_and(is_planted);
    for one in &report.diagnostics {
        assert_eq!(one.file, NAME);
        let line = usize::try_from(one.line).unwrap();
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
        assert!(!one.message.is_empty() && !one.remedy.is_empty());
        let told = one.to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
        assert!(!planted || !told.contains(PLANTED), "it shows a secret");
        let error = one.severity == Severity::Error;
        assert_eq!(told.starts_with(&format!("{NAME}:{line}: error: ")), error);
    }
    let mut numbers = report.lines.told.iter().map(|line| line.number);
    assert!(numbers.by_ref().is_sorted_by(|one, other| one < other));
    if let Some(document) = document {
        let told = report.lines.told.len() + report.lines.silent + report.lines.left_out;
        assert_eq!(told, document.lines().len());
    }
}

/// Whether the planted secret stands where a secret belongs, and nowhere else.
fn is_planted(document: &Document) -> bool {
    let mut there = false;
    for line in document
        .lines()
        .iter()
        .filter(|line| line.text().contains(PLANTED))
    {
        let Content::Entry { key, value } = line.content() else {
            return false;
        };
        let secret = SECRETS.iter().any(|name| key.starts_with(name));
        if !secret || !value.contains(PLANTED) || key.contains(PLANTED) {
            return false;
        }
        there = true;
    }
    there
}

fn comes_back(snapshot: &raw::Snapshot, key: &Key) {
    static KNOWN: LazyLock<Dictionary> = LazyLock::new(Dictionary::builtin);
    let exported = match export(snapshot, &KNOWN, Style::Clear) {
        Ok(exported) => exported,
        // A control character in a secret.
        Err(ExportError::NotCarried(_)) => match export(snapshot, &KNOWN, Style::Sealed(key)) {
            Ok(exported) => exported,
            Err(error) => panic!("what came from a file cannot be written as one: {error:?}"),
        },
        Err(error) => panic!("{error:?}"),
    };
    let files = exported.files.iter();
    let files = files.map(|file| (file.name.clone().into(), file.content.expose().as_bytes()));
    let report = read(
        exported.text.expose().as_bytes(),
        &Named(files.collect()),
        key,
    );
    let again = report
        .imported
        .as_ref()
        .map(|one| one.resolve(1, application));
    assert!(
        again.as_ref() == Some(snapshot),
        "it comes back as another one"
    );
}

/// What an installation gives to `api_host=builtin`.
fn application(wanted: &BuiltinApplication) -> raw::Application {
    let made = || format!("made-for-{}", wanted.integration);
    raw::Application {
        ikey: wanted.ikey.clone().unwrap_or_else(made),
        skey: wanted.skey.clone().unwrap_or_else(|| Secret::from("made")),
        host: "127.0.0.1".to_owned(),
        port: 8402,
        pinned_ca: Some("its certificate".to_owned()),
    }
}

const NAME: &str = "authproxy.cfg";
/// A secret of the seeds.
const PLANTED: &str = "pl4ntedS3cret";
/// Options whose values are secrets begin so.
const SECRETS: [&str; 4] = [
    "skey",
    "secret",
    "radius_secret",
    "service_account_password",
];

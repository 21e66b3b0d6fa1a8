use std::path::Path;

use proto::config::{
    Append, AuthenticatorKind, FailMode, MessageAuthenticator, Mode, Snapshot, Transport, raw,
};
use proto::secret::Secret;

use super::files::InMemory;
use super::*;

mod challenge;
mod directory;
mod eap;
mod examples;
mod export;
mod export_files;
mod export_generated;
mod export_of_docs;
mod export_refused;
mod ids;
mod lines;
mod properties;
mod secrets;
mod served;
mod server_certificate;
mod severity;
mod together;
mod upstream;

/// 2027-01-01.
const NOW_MS: u64 = 1_798_761_600_000;

/// Imports a text as `conf/authproxy.cfg`, with a certificate and its key beside it.
fn run(text: &str) -> Report {
    run_with(text, &files())
}

fn run_with(text: &str, files: &InMemory) -> Report {
    run_octets(text.as_bytes(), files, Some(0o600))
}

fn run_octets(octets: &[u8], files: &InMemory, mode: Option<u32>) -> Report {
    let source = Source {
        path: Path::new("conf/authproxy.cfg"),
        octets,
        mode,
        now_ms: NOW_MS,
        files,
        unseal: &|text| text.strip_prefix("sealed:").map(Secret::from),
    };
    let report = import(&source, &Dictionary::builtin());
    // So that what is true of exports is tried with every file of these tests.
    if let Some(imported) = &report.imported {
        export::comes_back(&imported.resolve(1, export::pinned));
    }
    report
}

fn files() -> InMemory {
    InMemory::default()
        .with("conf/server.pem", include_str!("server.pem"))
        .with("conf/leaf.pem", include_str!("leaf.pem"))
        .with("conf/server.key", include_str!("server.key"))
        .with("conf/other.key", include_str!("other.key"))
        .with("conf/locked.key", include_str!("locked.key"))
        .with(
            "conf/names",
            "VENDOR Acme 99999\nBEGIN-VENDOR Acme\nATTRIBUTE Acme-Role 3 string\nEND-VENDOR Acme\n",
        )
        .with("conf/bad-names", "VENDOR Acme x\n")
        .with("conf/empty.pem", "")
}

/// The application this test gives to `api_host=builtin`.
fn made(wanted: &BuiltinApplication) -> raw::Application {
    raw::Application {
        ikey: wanted
            .ikey
            .clone()
            .unwrap_or_else(|| format!("made-for-{}", wanted.integration)),
        skey: Secret::from("made"),
        host: "127.0.0.1".to_owned(),
        port: 8402,
        pinned_ca: None,
    }
}

fn snapshot(report: &Report) -> Snapshot {
    let imported = report
        .imported
        .as_ref()
        .unwrap_or_else(|| panic!("{}", text(&report.diagnostics)));
    Snapshot::try_from(imported.resolve(1, made)).unwrap()
}

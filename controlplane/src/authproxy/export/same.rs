//! Whether what was written imports to what it was made of.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::io;
use std::path::Path;

use proto::config::{Faults, raw};
use proto::secret::Secret;
use serde_json::{Map, Value};

use super::super::{BuiltinApplication, FileContent, Files, Severity, Source, import};
use super::page::{Beside, Page, Rendered};
use crate::dictionary::Dictionary;

/// Imports a page, with a mark in the place of each secret, and compares.
pub(super) fn check(
    page: &Page,
    snapshot: &raw::Snapshot,
    dictionary: &Dictionary,
) -> Result<(), Faults> {
    let secrets = RefCell::new(Vec::new());
    let rendered = page.render(|secret| {
        let mut secrets = secrets.borrow_mut();
        secrets.push(secret.clone());
        Ok::<_, Infallible>(Rendered::Protected((secrets.len() - 1).to_string()))
    });
    let Ok(rendered) = rendered;
    let files = page
        .files()
        .map(|file| (file.name.as_str(), file))
        .collect();
    let path = Path::new("authproxy.cfg");
    let source = Source {
        path,
        octets: rendered.text.expose().as_bytes(),
        mode: None,
        // Only warnings hang on it.
        now_ms: 0,
        files: &InPage(files),
        unseal: &|mark| secrets.borrow().get(mark.parse::<usize>().ok()?).cloned(),
    };
    let report = import(&source, dictionary);
    let mut faults = Faults::default();
    if let Some(imported) = report.imported {
        let ours = snapshot.integrations.iter();
        let ours: HashMap<&str, _> = ours.map(|one| (one.id.as_str(), one)).collect();
        let again = imported.resolve(snapshot.revision, |wanted| {
            let ours = ours.get(wanted.integration.as_str());
            as_asked_for(wanted, ours.map(|one| &one.application))
        });
        if again != *snapshot {
            compare(&again, snapshot, &mut faults);
        }
    } else {
        let errors = report.diagnostics.iter();
        for one in errors.filter(|one| one.severity == Severity::Error) {
            let line = usize::try_from(one.line).unwrap_or_default();
            let paths = (Path::new(&one.file) == path).then_some(&rendered.paths);
            let path = paths.and_then(|paths| paths.get(line.checked_sub(1)?));
            let message = format!("{}; {}", one.message, one.remedy);
            faults.add(path.cloned().unwrap_or_default(), message);
        }
    }
    faults.into_result(())
}

/// The files of a page, where an import looks for them.
struct InPage<'a>(HashMap<&'a str, &'a Beside>);

impl Files for InPage<'_> {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let file = path.to_str().and_then(|name| self.0.get(name));
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        Ok(FileContent {
            octets: file.content.expose().as_bytes().to_vec(),
            mode: None,
        })
    }
}

/// The application that an installation makes where the file names its keys.
fn as_asked_for(wanted: &BuiltinApplication, ours: Option<&raw::Application>) -> raw::Application {
    raw::Application {
        ikey: wanted.ikey.clone().unwrap_or_default(),
        skey: wanted.skey.clone().unwrap_or_default(),
        host: ours.map_or_else(String::new, |ours| ours.host.clone()),
        port: ours.map_or(0, |ours| ours.port),
        pinned_ca: ours.and_then(|ours| ours.pinned_ca.clone()),
    }
}

/// Tells what became another value on its way through a file.
fn compare(again: &raw::Snapshot, snapshot: &raw::Snapshot, faults: &mut Faults) {
    let documents = [again, snapshot].map(|one| serde_json::to_value(without_secrets(one)));
    if let [Ok(again), Ok(snapshot)] = &documents {
        differing(again, snapshot, "", faults);
    }
    if faults.0.is_empty() {
        faults.add("", "a secret cannot be written");
    }
}

/// A copy that may be turned into JSON, which nothing wipes.
fn without_secrets(snapshot: &raw::Snapshot) -> raw::Snapshot {
    let mut copy = snapshot.clone();
    for one in &mut copy.authenticators {
        match &mut one.kind {
            raw::AuthenticatorKind::DuoOnly => {}
            raw::AuthenticatorKind::Radius(upstream) => upstream.secret = Secret::default(),
            raw::AuthenticatorKind::Ad(directory) => {
                directory.service_account_password = Secret::default();
            }
        }
    }
    for one in &mut copy.integrations {
        one.application.skey = Secret::default();
        for client in &mut one.clients {
            client.secret = Secret::default();
        }
        if let Some(eap) = &mut one.eap {
            eap.private_key = Secret::default();
        }
    }
    copy
}

fn differing(again: &Value, wanted: &Value, path: &str, faults: &mut Faults) {
    match (again, wanted) {
        _ if again == wanted => {}
        (Value::Object(again), Value::Object(wanted)) => {
            let names: BTreeSet<&String> = again.keys().chain(wanted.keys()).collect();
            for name in names {
                // The checks of a snapshot leave these out of their paths.
                let path = match (name.as_str(), path) {
                    ("kind" | "ad" | "radius", path) => path.to_owned(),
                    (name, "") => name.to_owned(),
                    (name, path) => format!("{path}.{name}"),
                };
                let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                differing(&value(again), &value(wanted), &path, faults);
            }
        }
        (Value::Array(again), Value::Array(wanted))
            if again.len() == wanted.len() && wanted.iter().all(Value::is_object) =>
        {
            for (index, (again, wanted)) in again.iter().zip(wanted).enumerate() {
                differing(again, wanted, &format!("{path}[{index}]"), faults);
            }
        }
        _ => faults.add(
            path,
            "an authproxy.cfg cannot say this, or says it in other words",
        ),
    }
}

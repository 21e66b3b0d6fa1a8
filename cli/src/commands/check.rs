//! `countersign check`: asks the running node to try what it serves, or tries what a file names.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use controlplane::FileDraft;
use controlplane::admin::{Diagnostic, LoadResult, Severity, Status};
use dataplane::check::{self, Ports};
use local::CallError;
use nix::unistd::{AccessFlags, access};
use proto::check::{CheckKind, CheckResult, CheckRow};
use proto::child::Role;
use proto::config::raw::Log;
use proto::config::{Snapshot, raw};
use proto::id::IntegrationId;
use proto::rpc::NodeStatus;
use proto::second_factor::Status as FactorStatus;
use serde_json::Value;

use crate::args::CheckArgs;
use crate::commands::validate;
use crate::failure::Failure;
use crate::logs::{self, Places, Written};
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: CheckArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let checked = match &args.config {
        Some(file) => of_file(file, &data).await?,
        None => of_node(&data).await?,
    };
    let told = tell(&checked.rows, args.tool.output.json);
    match checked.file {
        // Which rows say.
        File::Bad => Err(Failure::usage("")),
        File::Good => told,
    }
}

/// Prints rows, and fails when one of them did.
pub(crate) fn tell(rows: &[CheckRow], as_json: bool) -> Result<(), Failure> {
    match as_json {
        true => output::json(&rows),
        false => show(rows),
    }
    match failed(rows) {
        true => Err(Failure::plain("")),
        false => Ok(()),
    }
}

/// Whether one of them did.
pub(crate) fn failed(rows: &[CheckRow]) -> bool {
    rows.iter().any(|row| row.result == CheckResult::Failed)
}

struct Checked {
    rows: Vec<CheckRow>,
    file: File,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    Good,
    /// It is refused.
    Bad,
}

/// What the node of this data folder serves, tried by it.
async fn of_node(data: &DataDir) -> Result<Checked, Failure> {
    // The file is the control plane's, which a node may have elsewhere.
    let control = data.client(Role::ControlPlane)?;
    let status = control.get::<Status>("/status", LIMIT).await.ok();
    let (mut rows, file) = status.map_or((Vec::new(), File::Good), of_status);
    let node = data.client(Role::DataPlane)?;
    // Of a whole gateway the supervisor writes them, of roles by themselves each its own.
    let mut written = Vec::new();
    for writer in [&data.supervisor()?, &control, &node] {
        let files = writer.get::<Vec<Written>>(logs::FILES, LIMIT).await;
        written.extend(files.unwrap_or_default());
    }
    rows.extend(of_logs(written));
    let factor = data.client(Role::SecondFactor)?;
    let factor = factor.get::<FactorStatus>("/status", LIMIT).await;
    rows.extend(factor.ok().map(|status| public_address(&status)));
    let tried: Vec<CheckRow> = node
        .post("/check", &Value::Null, check::LONGEST + LIMIT)
        .await
        .map_err(|error| match error {
            CallError::Unreachable { .. } => Failure::plain(format!(
                "no gateway runs in {}; is this the right --data-dir? With --config FILE a file is \
                 checked and none need run",
                data.path().display()
            )),
            error => Failure::new("the running gateway did not check", &error),
        })?;
    rows.extend(tried);
    Ok(Checked { rows, file })
}

/// What the control plane says: of its file, and of what it serves its admin address with.
fn of_status(status: Status) -> (Vec<CheckRow>, File) {
    let (mut rows, file) = match (status.source, status.last_load) {
        (Some(path), Some(last)) => {
            let file = match last.reload.result {
                LoadResult::Refused => File::Bad,
                _ => File::Good,
            };
            (of_diagnostics(&path, &last.reload.diagnostics), file)
        }
        _ => (Vec::new(), File::Good),
    };
    let served = status.admin_certificates.into_iter();
    rows.extend(served.map(|one| {
        check::own_certificate(CheckKind::AdminCertificate, one.address, one.not_after)
    }));
    (rows, file)
}

/// Where running processes write log files, and whether they can.
fn of_logs(mut written: Vec<Written>) -> Vec<CheckRow> {
    written.sort_by(|a, b| a.path.cmp(&b.path));
    let same_folder = |a: &Written, b: &Written| a.path.parent() == b.path.parent();
    let rows = written.chunk_by(same_folder).filter_map(|files| {
        let folder = files.first()?.path.parent()?;
        let told = |one: &Written| {
            let name = one.path.file_name().unwrap_or_default().display();
            let why = one.trouble.as_ref()?;
            Some(format!("{name} cannot be written, and its lines are lost: {why}"))
        };
        let troubles: Vec<String> = files.iter().filter_map(told).collect();
        Some(match troubles.as_slice() {
            [] => log_row(folder, CheckResult::Good, "the gateway writes there".to_owned(), None),
            _ => {
                let remedy = "let the gateway's user write there, or name another log_dir; under systemd the unit's \
                              ReadWritePaths= must have it too";
                log_row(folder, CheckResult::Warning, troubles.join("; "), Some(remedy))
            }
        })
    });
    rows.collect()
}

/// Whether this user could write log files, where there are to be any: as root nearly always. The gateway's
/// user, within its unit, may see it otherwise.
fn log_folder(log: &Log, places: &Places) -> Option<CheckRow> {
    if !log.file && !log.auth_events {
        return None;
    }
    let folder = places.folder(log);
    // The gateway makes it.
    let there = folder.ancestors().find(|one| one.exists());
    let tried = there.map_or_else(
        || Err(io::ErrorKind::NotFound.into()),
        |there| access(there, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from),
    );
    Some(match tried {
        Ok(()) => {
            let found = "this user may write there".to_owned();
            log_row(&folder, CheckResult::Good, found, None)
        }
        Err(error) => {
            let found = format!("this user may not write there: {error}");
            let remedy = "let the gateway's user write there, or name another log_dir";
            log_row(&folder, CheckResult::Warning, found, Some(remedy))
        }
    })
}

fn log_row(folder: &Path, result: CheckResult, found: String, remedy: Option<&str>) -> CheckRow {
    let row = CheckRow {
        what: CheckKind::LogFolder,
        place: folder.display().to_string(),
        sections: vec!["main".to_owned()],
        from: None,
        result,
        milliseconds: 0,
        found,
        remedy: remedy.map(str::to_owned),
    };
    row.shown()
}

/// What a file names, tried by this process.
async fn of_file(file: &Path, data: &DataDir) -> Result<Checked, Failure> {
    let outcome = validate::load(file, data)?;
    let mut rows = of_diagnostics(file, &outcome.diagnostics);
    let bad = |rows| Checked {
        rows,
        file: File::Bad,
    };
    let Some(draft) = outcome.draft else {
        return Ok(bad(rows));
    };
    let unmade: Vec<String> = draft
        .builtin
        .iter()
        .map(|one| one.integration.clone())
        .collect();
    let snapshot = whole(draft);
    let snapshot = match Snapshot::try_from(snapshot) {
        Ok(snapshot) => snapshot,
        Err(faults) => {
            let faults = faults.0.into_iter();
            let faults: Vec<_> = faults
                .map(|fault| Diagnostic::error(file, fault.to_string()))
                .collect();
            rows.retain(|row| row.result != CheckResult::Good);
            rows.extend(of_diagnostics(file, &faults));
            return Ok(bad(rows));
        }
    };
    if !unmade.is_empty() {
        rows.extend(of_builtin(data, &unmade).await?);
    }
    let places = Places::new(data.path(), Some(file));
    rows.extend(log_folder(&snapshot.settings.log, &places));
    let ports = Ports::to_try(listeners(data).await?);
    let unmade: HashSet<IntegrationId> = unmade
        .into_iter()
        .filter_map(|id| IntegrationId::new(id).ok())
        .collect();
    rows.extend(check::run(Arc::new(snapshot), ports, unmade).await);
    Ok(Checked {
        rows,
        file: File::Good,
    })
}

/// The rows of a file, for a bundle.
pub(crate) async fn rows_of_file(file: &Path, data: &DataDir) -> Result<Vec<CheckRow>, Failure> {
    Ok(of_file(file, data).await?.rows)
}

/// What a file asks for. Applications that the built-in second factor makes when the file is served, and not
/// before, are nobody's.
pub(crate) fn whole(draft: FileDraft) -> raw::Snapshot {
    let unmade = draft.builtin.iter().map(|one| one.integration.clone());
    let stand_ins: BTreeMap<_, _> = unmade.map(|id| (id, stand_in())).collect();
    let mut snapshot = (draft.finish)(&stand_ins);
    snapshot.revision = 1;
    snapshot
}

/// An application of nobody, which is never asked.
fn stand_in() -> raw::Application {
    raw::Application {
        ikey: "builtin".to_owned(),
        skey: "builtin".into(),
        host: "localhost".to_owned(),
        port: 443,
        pinned_ca: None,
    }
}

/// Where the gateway of this data folder listens; nowhere, when none runs.
async fn listeners(data: &DataDir) -> Result<Vec<SocketAddr>, Failure> {
    let node = data.client(Role::DataPlane)?;
    let Ok(status) = node.get::<NodeStatus>("/status", LIMIT).await else {
        return Ok(Vec::new());
    };
    let addresses = status.listeners.iter();
    Ok(addresses
        .filter_map(|one| one.address.parse().ok())
        .collect())
}

/// Whether phones can use the address at which people set up devices and approve.
fn public_address(status: &FactorStatus) -> CheckRow {
    let (result, found, remedy) = match &status.lacks {
        None => (CheckResult::Good, "no fault is known".to_owned(), None),
        Some(lacks) => {
            let remedy = "say by --second-factor-public-url, or COUNTERSIGN_SECOND_FACTOR_PUBLIC_URL, what people's phones open: \
                          https:// and a name; nobody needs it where all have hardware tokens, or codes from you";
            (CheckResult::Warning, lacks.clone(), Some(remedy.to_owned()))
        }
    };
    CheckRow {
        what: CheckKind::PublicAddress,
        place: status.public_url.clone(),
        sections: Vec::new(),
        from: None,
        result,
        milliseconds: 0,
        found,
        remedy,
    }
    .shown()
}

/// Whether the built-in second factor of this data folder runs, and what people open there. That is all
/// that can be said of it before it serves the file.
async fn of_builtin(data: &DataDir, sections: &[String]) -> Result<Vec<CheckRow>, Failure> {
    let factor = data.client(Role::SecondFactor)?;
    let status = factor.get::<FactorStatus>("/status", LIMIT);
    let row = |result, found: String, remedy| CheckRow {
        what: CheckKind::SecondFactor,
        place: "built in".to_owned(),
        sections: sections.to_vec(),
        from: None,
        result,
        milliseconds: 0,
        found,
        remedy,
    };
    Ok(match status.await {
        Ok(status) => {
            let found = format!("it runs, and listens on {}", status.listen);
            vec![
                row(CheckResult::Good, found, None).shown(),
                public_address(&status),
            ]
        }
        Err(_) => {
            vec![row(
            CheckResult::Warning,
            "it does not run, so it was not tried".to_owned(),
            Some(
                "countersign run starts it where a section has api_host=builtin; then check \
                 without --config"
                    .to_owned(),
            ),
        )
        .shown()]
        }
    })
}

/// What `validate` finds, a row each; one row when that is nothing.
fn of_diagnostics(file: &Path, diagnostics: &[Diagnostic]) -> Vec<CheckRow> {
    let row = |place: String, sections, result, found: String, remedy| {
        CheckRow {
            what: CheckKind::File,
            place,
            sections,
            from: None,
            result,
            milliseconds: 0,
            found,
            remedy,
        }
        .shown()
    };
    if diagnostics.is_empty() {
        let place = file.display().to_string();
        let found = "no faults".to_owned();
        return vec![row(place, Vec::new(), CheckResult::Good, found, None)];
    }
    let of = |one: &Diagnostic| {
        let file = one.file.display();
        let place = match one.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_string(),
        };
        let result = match one.severity {
            Severity::Error => CheckResult::Failed,
            Severity::Warning => CheckResult::Warning,
        };
        let found = match &one.option {
            Some(option) => format!("{option}: {}", one.message),
            None => one.message.clone(),
        };
        let sections = one.section.iter().cloned().collect();
        let remedy = one.remedy.clone();
        let remedy = remedy.unwrap_or_else(|| "put it right in the file".to_owned());
        row(place, sections, result, found, Some(remedy))
    };
    diagnostics.iter().map(of).collect()
}

/// A table, with what to do under each row that is not good, and a count at its end.
pub(crate) fn show(rows: &[CheckRow]) {
    for line in table(rows) {
        output::line(format_args!("{line}"));
    }
}

fn table(rows: &[CheckRow]) -> Vec<String> {
    let places: Vec<String> = rows.iter().map(place).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let what = width(&mut rows.iter().map(|row| row.what.words().chars().count()));
    let at = width(&mut places.iter().map(|place| place.chars().count())).min(PLACE_CHARACTERS);
    let mut lines = Vec::with_capacity(rows.len() + 1);
    for (row, place) in rows.iter().zip(&places) {
        lines.push(format!(
            "{:what$}  {place:at$}  {:7}  {:>5} ms  {}",
            row.what, row.result, row.milliseconds, row.found
        ));
        if let Some(remedy) = &row.remedy {
            lines.push(format!("{:what$}  {remedy}", ""));
        }
    }
    let count = |result| rows.iter().filter(|row| row.result == result).count();
    let (good, failed) = (count(CheckResult::Good), count(CheckResult::Failed));
    let warnings = match count(CheckResult::Warning) {
        1 => "1 warning".to_owned(),
        many => format!("{many} warnings"),
    };
    lines.push(format!("{good} good, {warnings}, {failed} failed"));
    lines
}

fn place(row: &CheckRow) -> String {
    let sections = match row.sections.as_slice() {
        [] => String::new(),
        [only] => format!("[{only}] "),
        [first, others @ ..] => format!("[{first}] and {} more, ", others.len()),
    };
    match row.from {
        None => format!("{sections}{}", row.place),
        Some(from) => format!("{sections}{} from {from}", row.place),
    }
}

/// For what answers at once.
const LIMIT: Duration = Duration::from_secs(5);
/// A longer one moves only its own row.
const PLACE_CHARACTERS: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_remedy_under_what_is_not_good() {
        let good = CheckRow {
            what: CheckKind::Port,
            place: "UDP *:1812".to_owned(),
            sections: vec![
                "radius_server_auto".to_owned(),
                "radius_server_eap".to_owned(),
            ],
            from: None,
            result: CheckResult::Good,
            milliseconds: 0,
            found: "free".to_owned(),
            remedy: None,
        };
        let bad = CheckRow {
            what: CheckKind::ServiceAccount,
            place: "ldap1:636".to_owned(),
            sections: vec!["ad_client".to_owned()],
            from: Some([192, 0, 2, 1].into()),
            result: CheckResult::Failed,
            milliseconds: 12,
            found: "refused".to_owned(),
            remedy: Some("check the password".to_owned()),
        };
        assert_eq!(
            table(&[good, bad]),
            [
                "port             [radius_server_auto] and 1 more, UDP *:1812  good         0 ms  free",
                "service account  [ad_client] ldap1:636 from 192.0.2.1         failed      12 ms  refused",
                "                 check the password",
                "1 good, 0 warnings, 1 failed",
            ]
        );
        assert_eq!(table(&[]), ["0 good, 0 warnings, 0 failed"]);
    }

    #[test]
    fn a_folder_of_logs_that_cannot_be_written_to_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path(), None);
        let log = Log::default();
        let row = log_folder(&log, &places).unwrap();
        let want = folder.path().join("log").display().to_string();
        assert_eq!((row.result, row.place), (CheckResult::Good, want));
        let off = Log {
            file: false,
            ..Log::default()
        };
        assert_eq!(log_folder(&off, &places), None);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let within = Log {
            dir: Some(file.join("none").display().to_string()),
            ..Log::default()
        };
        let row = log_folder(&within, &places).unwrap();
        assert_eq!(row.result, CheckResult::Warning, "{row:?}");
        assert!(row.remedy.unwrap().contains("log_dir"));
    }

    #[test]
    fn a_public_address_that_phones_cannot_use_is_a_warning() {
        for (lacks, want) in [
            (None, CheckResult::Good),
            (Some("only this machine opens it"), CheckResult::Warning),
        ] {
            let row = public_address(&FactorStatus {
                version: String::new(),
                listen: ([127, 0, 0, 1], 8402).into(),
                public_url: "https://localhost:8402".to_owned(),
                lacks: lacks.map(str::to_owned),
                uptime_seconds: 1,
                users: 0,
                pushes_waiting: 0,
                connections: 0,
                syncs: Vec::new(),
            });
            assert_eq!((row.result, &*row.place), (want, "https://localhost:8402"));
            let remedy = row.remedy.unwrap_or_default();
            assert_eq!(
                remedy.contains("--second-factor-public-url"),
                lacks.is_some()
            );
        }
    }

    #[test]
    fn log_files_that_are_not_written_are_a_warning_of_their_folder() {
        let one = |path: &str, trouble: Option<&str>| Written {
            path: path.into(),
            trouble: trouble.map(str::to_owned),
        };
        let rows = of_logs(vec![
            one("/a/authproxy.log", None),
            one("/b/authproxy.log", None),
            one(
                "/a/authevents.log",
                Some("Read-only file system (os error 30)"),
            ),
        ]);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (&*row.place, row.result, &*row.found))
            .collect();
        let bad = "authevents.log cannot be written, and its lines are lost: Read-only file system (os error 30)";
        assert_eq!(
            shown,
            [
                ("/a", CheckResult::Warning, bad),
                ("/b", CheckResult::Good, "the gateway writes there"),
            ]
        );
        assert!(rows[0].remedy.as_ref().unwrap().contains("log_dir"));
        assert!(of_logs(Vec::new()).is_empty());
    }

    #[test]
    fn a_finding_of_the_file_is_a_row() {
        let file = Path::new("a.cfg");
        let none = of_diagnostics(file, &[]);
        assert_eq!(none.len(), 1);
        assert_eq!(
            (none[0].result, &*none[0].place),
            (CheckResult::Good, "a.cfg")
        );
        let one = Diagnostic {
            line: Some(7),
            section: Some("main".to_owned()),
            option: Some("debug".to_owned()),
            severity: Severity::Warning,
            remedy: Some("write true".to_owned()),
            ..Diagnostic::error(file, "'x' is no yes or no")
        };
        let rows = of_diagnostics(file, &[one, Diagnostic::error(file, "empty")]);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row.result, &*row.place, &*row.found, row.remedy.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    CheckResult::Warning,
                    "a.cfg:7",
                    "debug: 'x' is no yes or no",
                    Some("write true")
                ),
                (
                    CheckResult::Failed,
                    "a.cfg",
                    "empty",
                    Some("put it right in the file")
                ),
            ]
        );
    }
}

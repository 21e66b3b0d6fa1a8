//! `countersign validate`, and the same verdict for `run`.

use std::collections::BTreeSet;
use std::path::Path;

use controlplane::admin::{Diagnostic, Severity};
use controlplane::{AuthproxyFile, ConfigSource, FileRead, Key, LoadOutcome, key_file};
use proto::child::Role;
use serde_json::json;

use crate::args::ValidateArgs;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir.clone())?;
    let LoadOutcome {
        files,
        diagnostics,
        differences,
        draft,
    } = load(&args.file, &data)?;
    if args.files {
        if draft.is_none() {
            return Err(bad(&diagnostics));
        }
        let named: BTreeSet<_> = files.iter().map(FileRead::path).collect();
        for one in named.into_iter().filter(|one| *one != args.file) {
            output::line(format_args!("{}", one.display()));
        }
        return Ok(());
    }
    let count = |severity| {
        diagnostics
            .iter()
            .filter(|one| one.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let good = errors == 0 && !(args.strict && warnings > 0);
    if args.tool.output.json {
        output::json(&json!({
            "file": args.file,
            "valid": good,
            "errors": errors,
            "warnings": warnings,
            "diagnostics": diagnostics,
            "differences": differences,
        }));
    } else {
        for one in &diagnostics {
            output::line(format_args!("{one}"));
        }
        for one in &differences {
            output::line(format_args!("{}: note: {one}", args.file.display()));
        }
        let verdict = if good { "good" } else { "bad" };
        output::line(format_args!(
            "{}: {verdict}: {}, {}",
            args.file.display(),
            counted(errors, "error"),
            counted(warnings, "warning"),
        ));
    }
    if good {
        Ok(())
    } else {
        Err(Failure::usage(""))
    }
}

/// Fails with every error when the file is bad.
pub(crate) fn refuse_bad(file: &Path, data: &DataDir) -> Result<(), Failure> {
    let outcome = load(file, data)?;
    if outcome.draft.is_some() {
        Ok(())
    } else {
        Err(bad(&outcome.diagnostics))
    }
}

/// The failure of a bad file: one line each error.
pub(crate) fn bad(diagnostics: &[Diagnostic]) -> Failure {
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    Failure::usage(format!("the configuration is bad\n{}", errors.join("\n")))
}

/// A file as a control plane of this data folder reads it.
pub(crate) fn source(
    file: &Path,
    data: &DataDir,
    make_key: bool,
) -> Result<AuthproxyFile, Failure> {
    let folder = data.of(Role::ControlPlane);
    let key = if make_key || key_file(&folder).exists() {
        let key = Key::for_data_dir(&folder);
        Some(key.map_err(|error| Failure::new("the installation's key cannot be used", &error))?)
    } else {
        None
    };
    Ok(AuthproxyFile::new(file, key))
}

/// A file, read and checked.
pub(crate) fn load(file: &Path, data: &DataDir) -> Result<LoadOutcome, Failure> {
    Ok(source(file, data, false)?.load())
}

pub(crate) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

//! `countersign import` and `countersign export`: an `authproxy.cfg` into and out of a running control
//! plane whose database is the truth.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use controlplane::{AuthproxyFile, ConfigSource as _};
use proto::child::Role;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::{ExportArgs, ImportArgs};
use crate::commands::problem::refused;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn import(args: ImportArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    let plane = data.client(Role::ControlPlane)?;
    let document = with_files(&args.file)?;
    let mut path = format!("/api/v1/config/import?merge={}", args.merge);
    let dry_run = format!("{path}&dry_run=true");
    let tried: Value = plane
        .post(&dry_run, &document, LIMIT)
        .await
        .map_err(refused)?;
    if !args.output.json {
        show(&tried);
    }
    let changes = tried["differences"].as_array().map_or(0, Vec::len);
    if args.dry_run || changes == 0 {
        if args.output.json {
            output::json(&tried);
        } else if changes == 0 {
            output::line(format_args!("nothing changes"));
        }
        return Ok(());
    }
    if !args.yes {
        confirm()?;
    }
    path.push_str("&message=authproxy.cfg%20imported%20on%20the%20command%20line");
    let done: Value = plane.post(&path, &document, LIMIT).await.map_err(refused)?;
    match args.output.json {
        true => output::json(&done),
        false => output::line(format_args!(
            "revision {} is served",
            done["revision"]["number"]
        )),
    }
    Ok(())
}

/// Asks whether that is meant. Where nobody can be asked, nobody has meant it.
fn confirm() -> Result<(), Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask at: say --yes if that is meant; nothing was changed",
        ));
    }
    output::question(format_args!("Apply? [y/N] "));
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    read.map_err(|error| Failure::new("nothing can be read", &error))?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::plain("nothing was changed")),
    }
}

/// The text with the files that it names, by the last parts of their names.
fn with_files(file: &Path) -> Result<Value, Failure> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Failure::new(format!("cannot read {}", path.display()), error)
    };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let text = Zeroizing::new(text);
    // What it names, whether it is good or not: that is for the control plane to say.
    let named = AuthproxyFile::new(file, None).load().files;
    let mut files = BTreeMap::new();
    for path in named
        .iter()
        .map(|one| one.path())
        .filter(|path| *path != file)
    {
        let Ok(content) = std::fs::read_to_string(path) else {
            continue;
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if files.insert(name.clone(), content).is_some() {
            return Err(Failure::usage(format!(
                "two files that it names are called {name}; rename one"
            )));
        }
    }
    Ok(json!({"text": *text, "files": files}))
}

fn show(tried: &Value) {
    for one in tried["found"]["diagnostics"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        output::line(format_args!(
            "{}:{}: {}: {}",
            text("file"),
            one["line"],
            text("severity"),
            text("message")
        ));
    }
    for one in tried["differences"].as_array().into_iter().flatten() {
        let path = one["path"].as_str().unwrap_or_default();
        let sign = match (one.get("before"), one.get("after")) {
            (None, Some(_)) => '+',
            (Some(_), None) => '-',
            _ => '~',
        };
        output::line(format_args!("{sign} {path}"));
    }
}

pub(crate) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    let plane = data.client(Role::ControlPlane)?;
    let how = if args.sealed { "sealed" } else { "shown" };
    let path = format!("/api/v1/config?secrets={how}");
    let made: Value = plane.get(&path, LIMIT).await.map_err(refused)?;
    let text = made["text"].as_str().unwrap_or_default();
    let Some(folder) = &args.to else {
        output::line(format_args!("{}", text.trim_end()));
        return Ok(());
    };
    let files = made["files"].as_array().into_iter().flatten();
    let named = files.filter_map(|one| Some((one["name"].as_str()?, one["content"].as_str()?)));
    for (name, content) in std::iter::once(("authproxy.cfg", text)).chain(named) {
        let path = folder.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()));
        written
            .map_err(|error| Failure::new(format!("cannot write {}", path.display()), &error))?;
        output::line(format_args!("{}", path.display()));
    }
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(60);

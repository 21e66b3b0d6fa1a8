//! `countersign import` and `countersign export`: an `authproxy.cfg` into and out of a running control
//! plane whose database is the truth.

#![expect(
    clippy::indexing_slicing,
    reason = "a field that a JSON value has not is null"
)]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use controlplane::{AuthproxyFile, ConfigSource as _};
use proto::child::Role;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::report;
use crate::args::{ExportArgs, ImportArgs};
use crate::commands::problem::refused;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn import(args: ImportArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let plane = data.client(Role::ControlPlane)?;
    let Brought {
        document,
        unreadable,
    } = with_files(&args.file)?;
    let call = async |path: &str| -> Result<Value, Failure> {
        let answer = plane.post(path, &document, LIMIT).await;
        answer.map_err(|error| {
            // Why the gateway did not get a file is known here alone.
            let failure = refused(error);
            match unreadable.is_empty() {
                true => failure,
                false => failure.with_more(&unreadable.join("\n")),
            }
        })
    };
    let path = format!("/api/v1/config/import?merge={}", args.merge);
    let tried = call(&format!("{path}&dry_run=true")).await?;
    if !args.tool.output.json {
        report::show(&args.file, &tried, args.merge);
    }
    let changes = tried["differences"].as_array().map_or(0, Vec::len);
    if args.dry_run || changes == 0 {
        if args.tool.output.json {
            output::json(&tried);
        } else if changes == 0 {
            output::line(format_args!("nothing changes"));
        } else {
            output::line(format_args!("only tried: nothing was changed"));
        }
        return Ok(());
    }
    if !args.yes {
        confirm()?;
    }
    let message = "message=authproxy.cfg%20imported%20on%20the%20command%20line";
    // What was shown is what is done: the gateway refuses when somebody was faster.
    let based = tried["based_on"].as_str().unwrap_or_default();
    let based: String = based.chars().filter(char::is_ascii_hexdigit).collect();
    let done = call(&format!("{path}&{message}&based_on={based}")).await?;
    match args.tool.output.json {
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

/// What goes to the gateway.
struct Brought {
    document: Value,
    /// Files that the text names and that cannot be sent: a line each. Whether they are needed is for the
    /// gateway to say.
    unreadable: Vec<String>,
}

/// The text with the files that it names, each under its own path.
fn with_files(file: &Path) -> Result<Brought, Failure> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Failure::new(format!("cannot read {}", path.display()), error)
    };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let text = Zeroizing::new(text);
    // What it names, whether it is good or not: that is for the control plane to say.
    let named = AuthproxyFile::new(file, None).load().files;
    let mut files = BTreeMap::new();
    let mut unreadable = Vec::new();
    for path in named
        .iter()
        .map(|one| one.path())
        .filter(|path| *path != file)
    {
        match std::fs::read_to_string(path) {
            Ok(content) => {
                files.insert(path.display().to_string(), content);
            }
            Err(error) => unreadable.push(format!("cannot read {}: {error}", path.display())),
        }
    }
    Ok(Brought {
        document: json!({"text": *text, "name": file, "files": files}),
        unreadable,
    })
}

pub(crate) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    let plane = data.client(Role::ControlPlane)?;
    let how = if args.sealed { "sealed" } else { "shown" };
    let path = format!("/api/v1/config?secrets={how}");
    let made: Value = plane.get(&path, LIMIT).await.map_err(refused)?;
    let text = made["text"].as_str().unwrap_or_default();
    let left_out = made["left_out"].as_array().into_iter().flatten();
    let mut notes: Vec<String> = left_out
        .filter_map(|one| Some(format!("left out: {}", one.as_str()?)))
        .collect();
    let Some(folder) = &args.to else {
        output::line(format_args!("{}", text.trim_end()));
        let files = made["files"].as_array().map_or(0, Vec::len);
        if files > 0 {
            notes.push(format!(
                "it names {files} more: --to DIR writes them beside it"
            ));
        }
        notes.iter().for_each(|note| output::note(note));
        return Ok(());
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure::new(format!("cannot make {}", folder.display()), &error))?;
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
        if content.trim() == PLACEHOLDER {
            notes.push(format!(
                "{} is a private key, which never comes out: put it there yourself",
                path.display()
            ));
        }
    }
    if !args.sealed {
        notes.push("secrets are left out: --sealed writes them for this installation".to_owned());
    }
    notes.iter().for_each(|note| output::note(note));
    Ok(())
}

/// What stands in the place of what is not written.
const PLACEHOLDER: &str = "[secret]";
const LIMIT: Duration = Duration::from_secs(60);

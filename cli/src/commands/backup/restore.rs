//! `countersign restore`: a backup into a data folder.
//!
//! It is copied and looked over whole, within the data folder, before anything is moved. As long as that
//! copy is there no gateway starts: one that found half of its files would begin anew.

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use proto::child::Role;
use serde_json::json;

use super::manifest::{Database, Manifest};
use super::{PARTS, copy, folder, schema, sync};
use crate::args::RestoreArgs;
use crate::commands::run::only_one;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: RestoreArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let from = args.folder.as_path();
    let manifest = Manifest::read(from)?;
    refuse_running(&data)?;
    data.make_own()?;
    // Nor does one start meanwhile.
    let lock = only_one(&data)?;
    let there = occupied(&data)?;
    if !there.is_empty() && !args.replace {
        return Err(Failure::usage(format!(
            "{} is not empty; with --replace what is there is kept aside",
            data.path().display()
        )));
    }
    let stage = data.half_restored();
    // Of a restore that was cut short.
    if stage.exists() {
        fs::remove_dir_all(&stage)
            .map_err(|error| Failure::new(format!("cannot empty {}", stage.display()), &error))?;
    }
    let staged = async {
        folder(&stage)?;
        bring(&manifest, from, &stage).await?;
        refuse_running(&data)
    };
    if let Err(failure) = staged.await {
        drop(fs::remove_dir_all(&stage));
        return Err(failure);
    }
    let aside = match there.is_empty() {
        true => None,
        false => Some(format!("{REPLACED}{}", controlplane::now_ms())),
    };
    put(data.path(), &stage, aside.as_deref(), &there).map_err(|error| {
        Failure::new(
            format!("cannot fill {}; restore again", data.path().display()),
            &error,
        )
    })?;
    sync(data.path())?;
    drop(lock);
    let aside = aside.map(|name| data.path().join(name));
    if args.tool.output.json {
        output::json(&json!({ "folder": data.path(), "replaced": aside, "manifest": manifest }));
        return Ok(());
    }
    output::line(format_args!(
        "{}: as it was at {}",
        data.path().display(),
        proto::date::utc(manifest.made_at_ms)
    ));
    if let Some(aside) = aside {
        output::line(format_args!(
            "What was there is in {}; remove it when it is no longer needed.",
            aside.display()
        ));
    }
    if manifest.database != Database::Sqlite {
        output::line(format_args!(
            "The backup has the keys alone: put the dump of the PostgreSQL database back before the \
             gateway starts."
        ));
    }
    Ok(())
}

/// Copies every file, and finds out whether it is what was backed up, and can be used here.
async fn bring(manifest: &Manifest, from: &Path, stage: &Path) -> Result<(), Failure> {
    for part in &PARTS {
        let files = manifest.files.iter();
        let mut files = files
            .filter(|file| file.path.starts_with(&part.path("")))
            .peekable();
        if files.peek().is_none() {
            continue;
        }
        folder(&stage.join(part.role.as_str()))?;
        let mut database = false;
        for file in files {
            let (from, to) = (from.join(&file.path), stage.join(&file.path));
            let copied = copy(from, to, Some(file.octets)).await?;
            if !copied.is(file) {
                return Err(Failure::plain(format!(
                    "the backup is damaged: {} is not what was backed up",
                    file.path
                )));
            }
            database |= file.path == part.path(part.database);
        }
        if database {
            schema(part, stage).await?;
        }
    }
    sync(stage)
}

fn put(data: &Path, stage: &Path, aside: Option<&str>, there: &[OsString]) -> std::io::Result<()> {
    if let Some(aside) = aside {
        let aside = data.join(aside);
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&aside)?;
        for name in there {
            fs::rename(data.join(name), aside.join(name))?;
        }
    }
    for part in &PARTS {
        let (from, to) = (
            stage.join(part.role.as_str()),
            data.join(part.role.as_str()),
        );
        if from.exists() {
            fs::rename(from, to)?;
        }
    }
    fs::remove_dir(stage)
}

/// What is in the data folder, but for sockets, the lock, the log, and what was kept aside before.
fn occupied(data: &DataDir) -> Result<Vec<OsString>, Failure> {
    let read = || -> std::io::Result<Vec<OsString>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(data.path())? {
            let entry = entry?;
            let name = entry.file_name();
            let kept = name == "run"
                || name == "lock"
                || name == "log"
                || entry.path() == data.half_restored()
                || name.as_encoded_bytes().starts_with(REPLACED.as_bytes());
            if !kept {
                found.push(name);
            }
        }
        Ok(found)
    };
    read().map_err(|error| Failure::new(format!("cannot read {}", data.path().display()), &error))
}

fn refuse_running(data: &DataDir) -> Result<(), Failure> {
    let roles = [Role::ControlPlane, Role::DataPlane, Role::SecondFactor];
    for role in roles {
        if UnixStream::connect(data.socket(role)).is_ok() {
            return Err(Failure::plain(format!(
                "a gateway runs in {}: its {role} answers; stop it first",
                data.path().display()
            )));
        }
    }
    Ok(())
}

const REPLACED: &str = "replaced-";

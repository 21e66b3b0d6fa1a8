//! `countersign backup`: everything of a gateway that cannot be made again, in one folder.
//!
//! It is written under another name first, so that a folder of the name asked for is a whole one. The
//! databases are copied as they are at one moment, whether the gateway runs or not, and the key after
//! its database: a key file that was rotated meanwhile opens the one of before, too.

mod manifest;
mod restore;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use proto::child::Role;
use ring::digest::{Context, SHA256};
use serde_json::json;
use tokio::task::spawn_blocking;

use self::manifest::{Database, Kept, Manifest};
pub(crate) use self::restore::run as restore;
use crate::args::BackupArgs;
use crate::commands::database;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

/// What of a role's folder is kept. The database comes first.
struct Part {
    role: Role,
    database: &'static str,
    key: &'static str,
    files: &'static [&'static str],
}

const PARTS: [Part; 2] = [
    Part {
        role: Role::ControlPlane,
        database: "controlplane.db",
        key: "controlplane.key",
        files: &["admin.pem", "admin.key"],
    },
    Part {
        role: Role::SecondFactor,
        database: "secondfactor.db",
        key: "secret.key",
        files: &["ca.pem", "ca.key", "leaf.pem", "leaf.key", "leaf.json"],
    },
];

impl Part {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.role)
    }

    fn files(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.key).chain(self.files.iter().copied())
    }
}

pub(crate) async fn run(args: BackupArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    data.refuse_half_restored()?;
    let on_server = database::named(&args.database)?.is_some();
    let to = std::path::absolute(&args.folder)
        .map_err(|error| Failure::new(format!("cannot use {}", args.folder.display()), &error))?;
    if to.starts_with(data.path()) {
        return Err(Failure::usage(
            "a backup in the data folder is lost with it; name a folder elsewhere",
        ));
    }
    if to.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!(
            "{} is there already; name a new folder",
            to.display()
        )));
    }
    let aside = named(&to, &format!(".partial-{}", std::process::id()));
    let made = write(&data, &aside, on_server).await;
    let manifest = match made {
        Ok(manifest) => manifest,
        Err(failure) => {
            // Half a backup is none.
            drop(fs::remove_dir_all(&aside));
            return Err(failure);
        }
    };
    fs::rename(&aside, &to)
        .and_then(|()| sync_parent(&to))
        .map_err(|error| Failure::new(format!("cannot make {}", to.display()), &error))?;
    if args.tool.output.json {
        output::json(&json!({ "folder": to, "manifest": manifest }));
        return Ok(());
    }
    let octets: u64 = manifest.files.iter().map(|file| file.octets).sum();
    output::line(format_args!(
        "{}: {} files, {octets} octets. Whoever has it has the secrets: keep it as safe as the gateway.",
        to.display(),
        manifest.files.len()
    ));
    if manifest.database != Database::Sqlite {
        output::line(format_args!(
            "It has the keys alone. Dump the PostgreSQL database as well: pg_dump --format=custom"
        ));
    }
    output::line(format_args!(
        "The configuration file, and what it names, is not in it where the file is the truth."
    ));
    Ok(())
}

async fn write(data: &DataDir, to: &Path, on_server: bool) -> Result<Manifest, Failure> {
    folder(to)?;
    let mut manifest = Manifest::new();
    for part in &PARTS {
        let from = data.of(part.role);
        if !from.join(part.key).exists() {
            continue;
        }
        folder(&to.join(part.role.as_str()))?;
        let database = from.join(part.database);
        let copied = to.join(part.path(part.database));
        let with_database = database.exists() && !(on_server && part.role == Role::ControlPlane);
        if with_database {
            controlplane::copy_database(&database, &copied)
                .await
                .map_err(|error| {
                    Failure::new(format!("cannot copy {}", database.display()), &error)
                })?;
        }
        for name in part.files() {
            let (from, to) = (from.join(name), to.join(part.path(name)));
            if from.exists() {
                let kept = copy(from, to, None).await?;
                manifest.files.push(kept.named(part.path(name)));
            }
        }
        if !with_database {
            continue;
        }
        let schema = schema(part, to).await?;
        let mut kept = hashed(copied).await?.named(part.path(part.database));
        kept.schema = Some(schema);
        manifest.files.push(kept);
        if part.role == Role::ControlPlane {
            manifest.database = Database::Sqlite;
        }
    }
    if manifest.files.is_empty() {
        return Err(Failure::plain(format!(
            "there is nothing to back up in {}; is this the right --data-dir?",
            data.path().display()
        )));
    }
    manifest.write(to)?;
    sync(to)?;
    Ok(manifest)
}

/// The schema of a copied database, which must open with the key beside it.
async fn schema(part: &Part, folder: &Path) -> Result<i64, Failure> {
    let database = folder.join(part.path(part.database));
    let wrong = |error: &dyn std::error::Error| {
        Failure::new(
            format!("{} cannot be used", part.path(part.database)),
            error,
        )
    };
    if part.role == Role::ControlPlane {
        let key = folder.join(part.path(part.key));
        return controlplane::look_at_copy(&database, &key)
            .await
            .map_err(|error| wrong(&error));
    }
    // The built-in second factor has it in SQLite's `user_version` (sqlite.org/fileformat.html 1.3).
    let mut header = [0; 64];
    File::open(&database)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_err(|error| wrong(&error))?;
    let version = header.last_chunk().copied().unwrap_or_default();
    let version = i64::from(u32::from_be_bytes(version));
    if version > secondfactor::schema() {
        return Err(Failure::plain(format!(
            "{} has schema {version}, of a newer program; this one knows up to {}",
            part.path(part.database),
            secondfactor::schema()
        )));
    }
    Ok(version)
}

/// Copies a file, for its owner alone; says what was copied. With `octets` it is one of so many: of a
/// longer one no more than one octet more is copied, which tells it from that.
async fn copy(from: PathBuf, to: PathBuf, octets: Option<u64>) -> Result<Kept, Failure> {
    let named = from.display().to_string();
    let work = move || -> io::Result<Kept> {
        let source = open(&from)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        let most = octets.map_or(u64::MAX, |octets| octets.saturating_add(1));
        let kept = read(source.take(most), |octets| file.write_all(octets))?;
        file.sync_all()?;
        Ok(kept)
    };
    done(work, &format!("cannot copy {named}")).await
}

async fn hashed(path: PathBuf) -> Result<Kept, Failure> {
    let named = format!("cannot read {}", path.display());
    done(move || read(open(&path)?, |_| Ok(())), &named).await
}

async fn done<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
    what: &str,
) -> Result<T, Failure> {
    spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| Failure::new(what, &error))
}

/// Opens what has an end: a pipe without a writer would be waited for.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Reads a file piece by piece.
fn read(mut file: impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Kept> {
    let mut digest = Context::new(&SHA256);
    let mut octets = 0_u64;
    let mut piece = zeroize::Zeroizing::new(vec![0; PIECE]);
    loop {
        let length = file.read(&mut piece)?;
        let piece = piece.get(..length).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        each(piece)?;
        octets = octets.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    let digest = digest.finish();
    let sha256 = digest.as_ref().iter().map(|octet| format!("{octet:02x}"));
    Ok(Kept {
        path: String::new(),
        octets,
        sha256: sha256.collect(),
        schema: None,
    })
}

fn folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::new(format!("cannot make {}", path.display()), &error))
}

/// Keeps the names in a folder and in those below it.
fn sync(path: &Path) -> Result<(), Failure> {
    let each = || -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                File::open(entry.path())?.sync_all()?;
            }
        }
        File::open(path)?.sync_all()
    };
    each().map_err(|error| Failure::new(format!("cannot keep {}", path.display()), &error))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A name beside it.
fn named(path: &Path, more: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(more);
    path.with_file_name(name)
}

/// How much of a file is read at once.
const PIECE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn of_a_file_that_is_longer_than_it_says_no_more_is_copied_than_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::write(&from, [7; 1_000]).unwrap();
        for (name, octets, want) in [
            ("all", None, 1_000),
            ("as it says", Some(1_000), 1_000),
            ("longer", Some(10), 11),
            ("shorter", Some(2_000), 1_000),
        ] {
            let to = folder.path().join(name);
            let kept = copy(from.clone(), to.clone(), octets).await.unwrap();
            let length = to.metadata().unwrap().len();
            assert_eq!((kept.octets, length), (want, want), "{name}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe, folder.path().to_owned(), "/dev/zero".into()] {
            let (said, heard) = mpsc::channel();
            let name = path.display().to_string();
            std::thread::spawn(move || said.send(open(&path).is_err()));
            let refused = heard.recv_timeout(Duration::from_secs(10));
            assert_eq!(refused, Ok(true), "{name}");
        }
    }
}

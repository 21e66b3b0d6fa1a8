//! What a backup says of itself: `manifest.json`, written last.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{PARTS, open};
use crate::failure::Failure;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// How the folder is laid out.
    pub(super) format: u32,
    /// The version of the program that made it.
    pub(super) program: String,
    /// When, in milliseconds since 1970.
    pub(super) made_at_ms: u64,
    /// Where the control plane had its data.
    pub(super) database: Database,
    pub(super) files: Vec<Kept>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Database {
    /// In the backup.
    Sqlite,
    /// On a server, or there is none yet.
    Elsewhere,
}

/// One file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Below the folder.
    pub(super) path: String,
    pub(super) octets: u64,
    /// In hexadecimal.
    pub(super) sha256: String,
    /// A database's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<i64>,
}

impl Kept {
    pub(super) fn named(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        (self.octets, &self.sha256) == (other.octets, &other.sha256)
    }
}

impl Manifest {
    pub(super) fn new() -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_ms: controlplane::now_ms(),
            database: Database::Elsewhere,
            files: Vec::new(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(NAME);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .map_err(|error| Failure::new(format!("cannot write {}", path.display()), &error))
    }

    /// Of a backup that this program can read, with every file that belongs together.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let mut text = Vec::new();
        open(&path)
            .and_then(|file| file.take(OCTETS).read_to_end(&mut text))
            .map_err(|error| {
                let what = format!("{} is no whole backup: {NAME}", folder.display());
                Failure::new(what, &error)
            })?;
        Self::parse(&text).map_err(|why| {
            Failure::plain(format!("{} cannot be restored: {why}", folder.display()))
        })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            program: String,
        }
        let head: Head = serde_json::from_slice(text).map_err(|_| format!("{NAME} is damaged"))?;
        if head.format != FORMAT {
            return Err(format!(
                "it was made by countersign {}, in a form that is not known here; install that one",
                head.program
            ));
        }
        let read: Self = serde_json::from_slice(text).map_err(|_| format!("{NAME} is damaged"))?;
        let mut seen = HashSet::new();
        for file in &read.files {
            if !known(&file.path) {
                return Err(format!("{NAME} names a file that is none of a backup"));
            }
            if !seen.insert(file.path.as_str()) {
                return Err(format!("{NAME} names {} twice", file.path));
            }
        }
        for part in &PARTS {
            let (database, key) = (part.path(part.database), part.path(part.key));
            if seen.contains(database.as_str()) && !seen.contains(key.as_str()) {
                return Err(format!("it has {database} without {key}"));
            }
        }
        if seen.is_empty() {
            return Err("there is nothing in it".to_owned());
        }
        Ok(read)
    }
}

/// Whether a backup may have a file of this name: a strange one could lead anywhere.
fn known(path: &str) -> bool {
    PARTS.iter().any(|part| {
        let mut names = part.files().chain([part.database]);
        names.any(|name| part.path(name) == path)
    })
}

pub(super) const NAME: &str = "manifest.json";
const FORMAT: u32 = 1;
/// The longest manifest that is read.
const OCTETS: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(format: u32, paths: &[&str]) -> Value {
        let files = paths
            .iter()
            .map(|path| json!({"path": path, "octets": 1, "sha256": "00"}));
        json!({
            "format": format, "program": "9.9.9", "made_at_ms": 1, "database": "sqlite",
            "files": files.collect::<Vec<_>>(),
        })
    }

    #[test]
    fn only_a_whole_backup_of_known_files_is_taken() {
        let (db, key) = (
            "controlplane/controlplane.db",
            "controlplane/controlplane.key",
        );
        for (value, want) in [
            (manifest(1, &[db, key]), None),
            (manifest(1, &[key, "secondfactor/secret.key"]), None),
            (manifest(2, &[db, key]), Some("made by countersign 9.9.9")),
            (manifest(1, &[]), Some("nothing in it")),
            (
                manifest(1, &[db]),
                Some("without controlplane/controlplane.key"),
            ),
            (manifest(1, &[key, key]), Some("twice")),
            (manifest(1, &["../etc/passwd"]), Some("none of a backup")),
            (
                manifest(1, &["/controlplane/controlplane.key"]),
                Some("none of a backup"),
            ),
            (manifest(1, &["run/x.sock"]), Some("none of a backup")),
            (json!({"format": 1}), Some("damaged")),
            (json!("text"), Some("damaged")),
        ] {
            let found = Manifest::parse(value.to_string().as_bytes()).err();
            match want {
                None => assert_eq!(found, None, "{value}"),
                Some(want) => assert!(found.unwrap_or_default().contains(want), "{value}"),
            }
        }
    }
}

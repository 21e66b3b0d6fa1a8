//! `authproxy.cfg` on the disk as a [`ConfigSource`]: reads it, has it checked, changes no verdict.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use proto::config::raw;
use proto::secret::Secret;
use zeroize::Zeroizing;

use crate::admin::{Diagnostic, Severity};
use crate::authproxy::{self, FileContent, Files, Source};
use crate::clock;
use crate::dictionary::Dictionary;
use crate::disk::FileRead;
use crate::protected::Opener;
use crate::seal::Key;
use crate::source::{ConfigSource, FileDraft, LoadOutcome};

/// An `authproxy.cfg`.
#[derive(Debug)]
pub struct AuthproxyFile {
    path: PathBuf,
    key: Option<Key>,
    dictionary: Dictionary,
}

impl AuthproxyFile {
    /// Names the file; nothing is read yet. `key` opens `_protected` values; none means that none
    /// can be opened.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: Option<Key>) -> Self {
        Self {
            path: path.into(),
            key,
            dictionary: Dictionary::builtin(),
        }
    }
}

impl ConfigSource for AuthproxyFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn load(&self) -> LoadOutcome {
        let disk = Disk::default();
        let main = match disk.read(&self.path) {
            Ok(main) => main,
            Err(error) => {
                let remedy = "name a file that is there and that this user may read";
                let fault = Diagnostic {
                    remedy: Some(remedy.to_owned()),
                    ..Diagnostic::error(&self.path, format!("cannot be read: {error}"))
                };
                return LoadOutcome {
                    files: disk.seen.into_inner(),
                    diagnostics: vec![fault],
                    differences: Vec::new(),
                    draft: None,
                };
            }
        };
        let opener = self.key.as_ref().map(Opener::new);
        let unseal = |text: &str| opener.as_ref().and_then(|opener| opener.reveal(text));
        let source = Source {
            path: &self.path,
            octets: &main.octets,
            mode: main.mode,
            now_ms: clock::now_ms(),
            files: &disk,
            unseal: &unseal,
        };
        let report = authproxy::import(&source, &self.dictionary);
        let mut files = disk.seen.into_inner();
        let read: HashSet<PathBuf> = files.iter().map(|one| one.path.clone()).collect();
        let only_named = report.files_read.into_iter();
        files.extend(
            only_named
                .filter(|path| !read.contains(path))
                .map(FileRead::look),
        );
        let text = Secret::new(String::from_utf8_lossy(&main.octets).into_owned());
        LoadOutcome {
            files,
            diagnostics: report.diagnostics.into_iter().map(shown).collect(),
            differences: report.differences,
            draft: report.imported.map(|imported| FileDraft {
                text,
                builtin: imported.builtin().to_vec(),
                finish: Box::new(move |applications| {
                    // One that is missing gets an application that no check lets pass.
                    imported.resolve(0, |wanted| {
                        let made = applications.get(&wanted.integration);
                        made.cloned().unwrap_or_else(|| raw::Application {
                            ikey: String::new(),
                            skey: Secret::default(),
                            host: String::new(),
                            port: 0,
                            pinned_ca: None,
                        })
                    })
                }),
            }),
        }
    }
}

/// Checks a text as if it were this file's.
pub(crate) fn check(path: &Path, octets: &[u8], key: Option<&Key>) -> authproxy::Report {
    let disk = Disk::default();
    let opener = key.map(Opener::new);
    let unseal = |text: &str| opener.as_ref().and_then(|opener| opener.reveal(text));
    let source = Source {
        path,
        octets,
        mode: None,
        now_ms: clock::now_ms(),
        files: &disk,
        unseal: &unseal,
    };
    authproxy::import(&source, &Dictionary::builtin())
}

/// Puts a text in a file's place, whole or not at all, with the owner and the mode that it has. A link
/// stays one: what it leads to is replaced. `as_wanted` looks at what is there last.
pub(crate) fn replace(
    path: &Path,
    octets: &[u8],
    as_wanted: impl Fn(&[u8]) -> bool,
) -> Result<(), ReplaceError> {
    let path = fs::canonicalize(path)?;
    let about = fs::metadata(&path)?;
    look(&path, &as_wanted)?;
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|_| io::Error::other("no random numbers"))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{:016x}", u64::from_ne_bytes(number)));
    let aside = path.with_file_name(name);
    let written = beside(&aside, octets, &about)
        .map_err(ReplaceError::Failed)
        .and_then(|()| look(&path, &as_wanted))
        .and_then(|()| Ok(fs::rename(&aside, &path)?));
    if written.is_err() {
        // Nobody reads it under this name.
        drop(fs::remove_file(&aside));
        return written;
    }
    // Its name is on the disk when the folder is.
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn beside(aside: &Path, octets: &[u8], about: &Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(aside)?;
    file.write_all(octets)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
        fchown(&file, Some(about.uid()), Some(about.gid())).map_err(|error| {
            let owner = format!("it belongs to another user, which cannot be kept: {error}");
            io::Error::new(error.kind(), owner)
        })?;
    }
    file.set_permissions(about.permissions())?;
    file.sync_all()
}

/// Whether what is there is as wanted.
pub(crate) fn look(path: &Path, as_wanted: impl Fn(&[u8]) -> bool) -> Result<(), ReplaceError> {
    match as_wanted(&read(path)?) {
        true => Ok(()),
        false => Err(ReplaceError::Changed),
    }
}

/// What is there. It may hold secrets.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let (_, content) = FileRead::read(path);
    Ok(Zeroizing::new(content?.octets))
}

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// It is not the one that was wanted.
    #[error("the file was changed meanwhile")]
    Changed,
    /// The system refused.
    #[error("the file cannot be written")]
    Failed(#[from] io::Error),
}

pub(crate) fn shown(found: authproxy::Diagnostic) -> Diagnostic {
    Diagnostic {
        file: found.file.into(),
        line: Some(found.line),
        section: found.section,
        option: found.option,
        severity: match found.severity {
            authproxy::Severity::Error => Severity::Error,
            authproxy::Severity::Warning => Severity::Warning,
        },
        message: found.message,
        remedy: Some(found.remedy),
    }
}

/// Files as they are on the disk, with how each looked when it was read.
#[derive(Default)]
struct Disk {
    seen: RefCell<Vec<FileRead>>,
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let (seen, content) = FileRead::read(path);
        self.seen.borrow_mut().push(seen);
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_an_error_and_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let outcome = AuthproxyFile::new(&path, None).load();
            assert!(outcome.draft.is_none());
            assert_eq!(outcome.diagnostics.len(), 1);
            let watched: Vec<_> = outcome.files.into_iter().map(|one| one.path).collect();
            assert_eq!(watched, [path]);
        }
    }

    #[test]
    fn a_good_file_gives_a_draft_and_a_faulty_one_its_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authproxy.cfg");
        let good = "[duo_only_client]\n[radius_server_auto]\nclient=duo_only_client\n\
                    api_host=builtin\nradius_ip_1=192.0.2.1\nradius_secret_1=s\n";
        fs::write(&path, good).unwrap();
        let file = AuthproxyFile::new(&path, None);
        let draft = file.load().draft.unwrap();
        assert_eq!(draft.builtin.len(), 1);
        assert_eq!(draft.builtin[0].integration, "radius_server_auto");
        assert_eq!(draft.text.expose(), good);
        fs::write(&path, format!("{good}port=x\n")).unwrap();
        let outcome = file.load();
        assert!(outcome.draft.is_none());
        let wanted = "authproxy.cfg:7: error: [radius_server_auto] port: ";
        let shown: Vec<_> = outcome
            .diagnostics
            .iter()
            .map(Diagnostic::to_string)
            .collect();
        assert!(shown.iter().any(|one| one.contains(wanted)), "{shown:?}");
    }
}

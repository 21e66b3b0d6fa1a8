//! `authproxy.cfg` on the disk as a [`ConfigSource`]: reads it, has it checked, changes no verdict.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::config::raw;
use proto::secret::Secret;

use crate::admin::{Diagnostic, Severity};
use crate::authproxy::{self, FileContent, Files, MAX_OCTETS, Source};
use crate::dictionary::Dictionary;
use crate::protected::reveal;
use crate::seal::Key;
use crate::source::{ConfigSource, Draft, LoadOutcome};

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
        let main = match Disk.read(&self.path) {
            Ok(main) => main,
            Err(error) => {
                let fault = Diagnostic::error(&self.path, format!("cannot be read: {error}"));
                return LoadOutcome {
                    files: vec![self.path.clone()],
                    diagnostics: vec![fault],
                    draft: None,
                };
            }
        };
        let unseal = |text: &str| self.key.as_ref().and_then(|key| reveal(key, text));
        let source = Source {
            path: &self.path,
            octets: &main.octets,
            mode: main.mode,
            files: &Disk,
            unseal: &unseal,
        };
        let report = authproxy::import(&source, &self.dictionary);
        let mut files = report.files_read;
        files.push(self.path.clone());
        let text = Secret::new(String::from_utf8_lossy(&main.octets).into_owned());
        LoadOutcome {
            files,
            diagnostics: report.diagnostics.into_iter().map(shown).collect(),
            draft: report.imported.map(|imported| Draft {
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

fn shown(found: authproxy::Diagnostic) -> Diagnostic {
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

/// Files as they are on the disk.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        // A pipe would be waited for, a folder read as nothing.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let file = File::open(path)?;
        let mode = file.metadata()?.mode();
        let mut octets = Vec::new();
        file.take(LONGEST).read_to_end(&mut octets)?;
        if octets.len() > MAX_OCTETS {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(FileContent {
            octets,
            mode: Some(mode & 0o777),
        })
    }
}

/// One octet more than a file may have.
const LONGEST: u64 = MAX_OCTETS as u64 + 1;

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
            assert_eq!(outcome.files, [path]);
        }
    }

    #[test]
    fn a_good_file_gives_a_draft_and_a_faulty_one_its_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authproxy.cfg");
        let good = "[duo_only_client]\n[radius_server_auto]\nclient=duo_only_client\n\
                    api_host=builtin\nradius_ip_1=192.0.2.1\nradius_secret_1=s\n";
        std::fs::write(&path, good).unwrap();
        let file = AuthproxyFile::new(&path, None);
        let draft = file.load().draft.unwrap();
        assert_eq!(draft.builtin.len(), 1);
        assert_eq!(draft.builtin[0].integration, "radius_server_auto");
        assert_eq!(draft.text.expose(), good);
        std::fs::write(&path, format!("{good}port=x\n")).unwrap();
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

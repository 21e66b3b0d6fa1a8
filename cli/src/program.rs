//! The program as it lies on the disk, which an update may have replaced since this one was started.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::failure::Failure;
use crate::output;
use crate::supervisor::{FORM, VARIABLES};

/// Where the program was started from, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// What a program that is fit to take the place of this one says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Fit {
    version: String,
    /// The form of wills that it knows.
    form: u32,
}

/// A program that was tried.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) version: String,
    file: FileId,
}

/// Which file it is: the same content, as far as can be told without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

impl Program {
    /// Looks at this process. To be called before anything can have replaced the file.
    pub(crate) fn this() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new("cannot find this program's file", &error);
        let running = FileId::of(Path::new("/proc/self/exe")).map_err(failed)?;
        let name = std::env::args_os().next().unwrap_or_default();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let folder = std::env::current_dir().unwrap_or_default();
        let called = by_name(&name, &folder, &search, |path| {
            FileId::of(path).is_ok_and(|found| found == running)
        });
        let path = match called {
            Some(path) => path,
            None => without_mark(std::env::current_exe().map_err(failed)?),
        };
        Ok(Self::at(path))
    }

    /// This process's program, of which it is known where it was found when it was started first.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self {
            path,
            arguments: std::env::args_os().skip(1).collect(),
        }
    }

    /// Tries whether what lies there now can be started at all. Gives its version.
    pub(crate) async fn tried(&self) -> Result<String, Failure> {
        let output = self
            .asked(&["version", "--json"].map(OsString::from))
            .await?;
        let said: Option<serde_json::Value> = serde_json::from_slice(&output).ok();
        let version = said.as_ref().and_then(|said| said.get("version")?.as_str());
        version
            .map(str::to_owned)
            .ok_or_else(|| self.refused("what it says is no version of this program"))
    }

    /// Tries whether what lies there now can go on in the place of this gateway, with all that its
    /// arguments and variables name.
    pub(crate) async fn tried_as_it_is_called(self) -> Result<Tried, Failure> {
        let look = || {
            FileId::of(&self.path)
                .map_err(|error| self.refused(&format!("it cannot be started: {error}")))
        };
        let file = look()?;
        let mut arguments = self.arguments.clone();
        arguments.push(SELF_TEST.into());
        let output = self.asked(&arguments).await?;
        let said: Option<Fit> = serde_json::from_slice(&output).ok();
        let Fit { version, form } =
            said.ok_or_else(|| self.refused("what it says of itself is not understood"))?;
        if form != FORM {
            // A restart helps: what comes is none of the program's faults.
            return Err(Failure::plain(self.why_not(&format!(
                "version {version} takes over in form {form} alone, and this one hands over in form \
                 {FORM}: stop this one and start that one, once"
            ))));
        }
        Ok(Tried { version, file })
    }

    /// What it prints when it is started with these arguments and ends well.
    async fn asked(&self, arguments: &[OsString]) -> Result<Vec<u8>, Failure> {
        let asked = Command::new(&self.path)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(TRIAL, asked)
            .await
            .map_err(|_| self.refused(&format!("it does not answer within {TRIAL:?}")))?
            .map_err(|error| self.refused(&format!("it cannot be started: {error}")))?;
        if !output.status.success() {
            let mut why = format!("when it was tried it ended with {}", output.status);
            let said = String::from_utf8_lossy(&output.stderr);
            let said: String = said.trim().chars().take(REASON_CHARS).collect();
            if !said.is_empty() {
                why = format!(
                    "{why} ({})",
                    said.strip_prefix("countersign: ").unwrap_or(&said)
                );
            }
            return Err(self.refused(&why));
        }
        Ok(output.stdout)
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::unfit(self.why_not(why))
    }

    fn why_not(&self, why: &str) -> String {
        format!(
            "{} cannot take over: {why}; this one serves on",
            self.path.display()
        )
    }

    /// Whether the file that was tried is the one that lies there still.
    pub(crate) fn is_still(&self, tried: &Tried) -> Result<(), Failure> {
        match FileId::of(&self.path) {
            Ok(found) if found == tried.file => Ok(()),
            _ => Err(self.refused("it was replaced while it was tried; ask again")),
        }
    }

    /// The same command again, by the program that lies there now.
    pub(crate) fn again(&self, more: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.path);
        command.args(&self.arguments);
        for one in more {
            if !self.arguments.iter().any(|known| known == one) {
                command.arg(one);
            }
        }
        command
    }

    /// Becomes what lies there now, with the same arguments. Returns why it cannot.
    pub(crate) fn execute(&self, variables: &[(&str, String)]) -> io::Error {
        execute(
            &self.path,
            self.path.as_os_str(),
            &self.arguments,
            variables,
        )
    }

    pub(crate) fn file(&self) -> &Path {
        &self.path
    }

    pub(crate) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// Says that this program could go on in the place of the one that asks: it has looked at all that its
/// arguments name.
pub(crate) fn say_fit() {
    output::json(&Fit {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        form: FORM,
    });
}

/// Lets this process become another program, with its variables and these. Returns why it cannot; nothing
/// is changed then, unlike by `CommandExt::exec`, which lets SIGPIPE end the process from then on.
pub(crate) fn execute(
    path: &Path,
    name: &OsStr,
    arguments: &[OsString],
    variables: &[(&str, String)],
) -> io::Error {
    let text = |octets: &[u8]| CString::new(octets).map_err(io::Error::from);
    let becoming = || {
        let words = std::iter::once(name).chain(arguments.iter().map(OsString::as_os_str));
        let words = words.map(|word| text(word.as_bytes()));
        let words: Vec<CString> = words.collect::<io::Result<_>>()?;
        let kept =
            std::env::vars_os().filter(|(name, _)| !VARIABLES.iter().any(|ours| name == ours));
        let set = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let variables = kept.chain(set).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            text(name.as_bytes())
        });
        let variables: Vec<CString> = variables.collect::<io::Result<_>>()?;
        let path = text(path.as_os_str().as_bytes())?;
        nix::unistd::execve(&path, &words, &variables).map_err(io::Error::from)
    };
    match becoming() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// The file that a program was called by, made absolute and with its links as they are: an update lays
/// links anew. None where that is not the file that runs.
fn by_name(
    name: &OsStr,
    folder: &Path,
    search: &OsStr,
    runs: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        let path: PathBuf = folder.join(name).components().collect();
        return Some(path).filter(|path| runs(path));
    }
    if name.is_empty() {
        return None;
    }
    std::env::split_paths(search)
        .map(|one| folder.join(one).join(name))
        .find(|path| runs(path))
}

/// What the system names a file that runs and was removed.
fn without_mark(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(before) => PathBuf::from(OsString::from_vec(before.to_vec())),
        None => path,
    }
}

impl FileId {
    /// Of the file behind all links.
    fn of(path: &Path) -> io::Result<Self> {
        let found = path.metadata()?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            octets: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// Added to the arguments of a program that is tried; not for people.
const SELF_TEST: &str = "--self-test";
/// How long a program may take to be tried.
const TRIAL: Duration = Duration::from_secs(10);
const REASON_CHARS: usize = 2_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn what_does_not_start_is_found_out_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign");
        for (name, text, mode, want) in [
            ("missing", None, 0, "cannot be started"),
            (
                "no program",
                Some("\u{7f}ELF cut"),
                0o755,
                "cannot take over",
            ),
            (
                "not to be run",
                Some("#!/bin/sh\n"),
                0o644,
                "cannot be started",
            ),
            ("fails", Some("#!/bin/sh\nexit 1\n"), 0o755, "ended with"),
            (
                "another",
                Some("#!/bin/sh\necho hi\n"),
                0o755,
                "is no version",
            ),
        ] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(&path, mode).unwrap();
            }
            let program = Program {
                path: path.clone(),
                arguments: Vec::new(),
            };
            let error = program.tried().await.unwrap_err().to_string();
            assert!(
                error.contains(want) && error.contains("serves on"),
                "{name}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn a_program_is_tried_as_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign");
        let fit = |form| format!("echo '{{\"version\":\"9.9\",\"form\":{form}}}'");
        let expected = "[ \"$*\" = \"run --grace 3 --self-test\" ] || exit 3";
        for (name, text, want) in [
            ("fit", fit(FORM), Ok("9.9")),
            (
                "another form",
                fit(FORM + 1),
                Err("version 9.9 takes over in form"),
            ),
            (
                "no word of it",
                "echo hi".to_owned(),
                Err("is not understood"),
            ),
            (
                "something is missing",
                "echo 'countersign: cannot read F' >&2; exit 2".to_owned(),
                Err("ended with exit status: 2 (cannot read F); this one serves on"),
            ),
        ] {
            std::fs::write(&path, format!("#!/bin/sh\n{expected}\n{text}\n")).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
            let program = Program {
                path: path.clone(),
                arguments: ["run", "--grace", "3"].map(OsString::from).into(),
            };
            let tried = program.clone().tried_as_it_is_called().await;
            match want {
                Ok(version) => {
                    let tried = tried.unwrap();
                    assert_eq!(tried.version, version, "{name}");
                    program.is_still(&tried).unwrap();
                    std::fs::write(&path, "another").unwrap();
                    let error = program.is_still(&tried).unwrap_err().to_string();
                    assert!(error.contains("ask again"), "{error}");
                }
                Err(want) => {
                    let error = tried.unwrap_err();
                    assert!(error.to_string().contains(want), "{name}: {error}");
                    assert_eq!(error.is_unfit(), name != "another form", "{name}");
                }
            }
        }
    }

    #[test]
    fn a_program_is_found_by_what_it_was_called_by() {
        let found = |name: &str| {
            by_name(
                OsStr::new(name),
                Path::new("/home"),
                OsStr::new("/sbin:/opt/cur:rel:/bin"),
                |path| {
                    let same = ["/opt/cur/countersign", "/home/b/countersign", "/home/rel/x"];
                    same.iter().any(|one| path == Path::new(one))
                },
            )
        };
        for (name, want) in [
            ("countersign", Some("/opt/cur/countersign")),
            ("/opt/cur/countersign", Some("/opt/cur/countersign")),
            ("b/countersign", Some("/home/b/countersign")),
            ("./b/countersign", Some("/home/b/countersign")),
            ("x", Some("/home/rel/x")),
            ("/bin/countersign", None),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(found(name).as_deref(), want.map(Path::new), "{name}");
        }
        let marked = PathBuf::from("/opt/countersign (deleted)");
        assert_eq!(without_mark(marked), Path::new("/opt/countersign"));
    }

    #[test]
    fn nothing_is_changed_when_a_program_cannot_be_executed() {
        let ignored = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("SigIgn:"));
            line.unwrap().to_owned()
        };
        let before = ignored();
        let missing = Path::new("/nonexistent/countersign");
        let error = execute(missing, OsStr::new("x"), &[], &[]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = execute(missing, OsStr::new("a\0b"), &[], &[]);
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(ignored(), before);
    }

    #[test]
    fn it_is_started_again_with_what_it_was_started_with() {
        let program = Program {
            path: "/usr/bin/countersign".into(),
            arguments: ["dataplane", "--take-over"].map(OsString::from).into(),
        };
        let command = program.again(&["--take-over", "--other"]);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["dataplane", "--take-over", "--other"]);
    }
}

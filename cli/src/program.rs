//! The program as it lies on the disk, which an update may have replaced since this one was started.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::failure::Failure;

/// Where the program was started from, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Looks at this process. To be called before anything can have replaced the file.
    pub(crate) fn this() -> Result<Self, Failure> {
        let path = std::env::current_exe()
            .map_err(|error| Failure::new("cannot find this program's file", &error))?;
        let octets = path.as_os_str().as_bytes();
        let path = match octets.strip_suffix(b" (deleted)") {
            Some(before) => PathBuf::from(OsString::from_vec(before.to_vec())),
            None => path,
        };
        Ok(Self {
            path,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Tries whether what lies there now can be started at all. Gives its version.
    pub(crate) async fn tried(&self) -> Result<String, Failure> {
        let path = self.path.display();
        let refused = |why: String| {
            Failure::plain(format!(
                "{path} cannot take over: {why}; this one serves on"
            ))
        };
        let asked = Command::new(&self.path)
            .args(["version", "--json"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(TRIAL, asked)
            .await
            .map_err(|_| refused(format!("it says no version within {TRIAL:?}")))?
            .map_err(|error| refused(format!("it cannot be started: {error}")))?;
        if !output.status.success() {
            return Err(refused(format!(
                "asked for its version it ended with {}",
                output.status
            )));
        }
        let said: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        let version = said.as_ref().and_then(|said| said.get("version")?.as_str());
        version
            .map(str::to_owned)
            .ok_or_else(|| refused("what it says is no version of this program".to_owned()))
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

    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// How long a program may take to say its version.
const TRIAL: Duration = Duration::from_secs(10);

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

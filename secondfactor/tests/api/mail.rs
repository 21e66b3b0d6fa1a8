//! An SMTP server that is real software: Python's aiosmtpd, of `scripts/venv`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The server. It ends with its value.
pub(crate) struct Mail {
    pub(crate) port: u16,
    /// Its own certificate, for `localhost`.
    pub(crate) ca_pem: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Mail {
    /// Starts it, with `tls` or `starttls`.
    pub(crate) async fn start(mode: &str) -> Self {
        let python = python().await;
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("cert"), folder.path().join("key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/smtp_server.py");
        let mut child = Command::new(python)
            .arg(script)
            .args([certificate.as_os_str(), key.as_os_str(), mode.as_ref()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = line(&mut lines).await.parse().unwrap();
        Self {
            port,
            ca_pem: made.cert.pem(),
            lines,
            _child: child,
            _folder: folder,
        }
    }

    /// The next e-mail.
    pub(crate) async fn next(&mut self) -> Value {
        serde_json::from_str(&line(&mut self.lines).await).unwrap()
    }
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(20), lines.next_line());
    let next = next.await.expect("the SMTP server says something").unwrap();
    next.expect("the SMTP server runs; see what it says above")
}

/// Python with what tests need, which `scripts/venv` makes where it is missing.
async fn python() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new(repository.join("scripts/venv")).output().await;
    let made = made.unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "scripts/venv: {said}");
    repository.join("target/venv/bin/python")
}

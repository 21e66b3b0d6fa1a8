//! `countersign controlplane` by itself, without a file: the database is the truth.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{
    countersign::program,
    http::{self, Answer},
    process::Process,
};

/// How long it may take to answer.
const START: Duration = Duration::from_secs(20);

/// One that runs; ends when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    command: Command,
    patience: Duration,
    process: Option<Process>,
    folder: TempDir,
}

impl ControlPlane {
    /// With its data in PostgreSQL where a URL is given, and with the key of another one. Waits until
    /// it answers.
    #[must_use]
    pub fn launch(url: Option<&str>, key: Option<&Path>) -> Self {
        let mut made = Self::with(url, START);
        if let Some(key) = key {
            let folder = made.data_dir().join("controlplane");
            fs::create_dir_all(&folder).unwrap();
            fs::copy(key, folder.join("controlplane.key")).unwrap();
        }
        made.start();
        made
    }

    /// One that may take so long to start, which it was not yet.
    #[must_use]
    pub fn with(url: Option<&str>, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command
            .args(["controlplane", "--data-dir"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        if let Some(url) = url {
            command.env("COUNTERSIGN_DATABASE", url);
        }
        Self {
            command,
            patience,
            process: None,
            folder,
        }
    }

    /// Sets a variable of its environment, for the next start.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.command.env(name, value);
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        let log = self.folder.path().join("output.log");
        let mut process = Process::start("controlplane", &self.command, &log);
        let socket = self.socket();
        process.until("it answers", self.patience, || {
            http::request_local(&socket, "GET", "/status", "").is_ok()
        });
        self.process = Some(process);
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.running_mut().kill();
    }

    /// Ends it as its service manager would.
    pub fn stop(&mut self) {
        self.running_mut().stop();
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.running().pid()
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The key that opens what it stores.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.data_dir().join("controlplane/controlplane.key")
    }

    /// The socket that nodes and commands use.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.data_dir().join("run/controlplane.sock")
    }

    /// All it printed, of every start.
    #[must_use]
    pub fn output(&self) -> String {
        self.running().output()
    }

    /// Makes a request of its REST API, by the path after `/api/v1`.
    ///
    /// # Panics
    /// When it refuses.
    #[must_use]
    pub fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/api/v1{path}");
        let answer = http::request_local(&self.socket(), method, &path, body).unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer
    }

    /// The revision that it serves; zero when it serves none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        let status = http::request_local(&self.socket(), "GET", "/status", "").unwrap();
        status.json()["revision"]["number"].as_u64().unwrap_or(0)
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("it was started")
    }

    fn running_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }
}

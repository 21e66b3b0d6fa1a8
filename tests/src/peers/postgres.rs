//! A PostgreSQL server of the test's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::{
    sys::signal::Signal,
    unistd::{Gid, Uid, User, chown},
};
use tempfile::TempDir;

use super::{Pki, require};
use crate::{clock, ports, process::Process};

/// How long the server may take to answer.
const START: Duration = Duration::from_secs(60);

/// A server on 127.0.0.1 with TLS ([`Pki::server`]); the password of its superuser is asked for on
/// each connection. What it stores is not flushed to disk: the machine does not lose its power here.
#[derive(Debug)]
pub struct Postgres {
    /// Where it listens.
    pub port: u16,
    made: AtomicUsize,
    process: Process,
    folder: TempDir,
}

impl Postgres {
    /// The superuser.
    pub const USER: &str = "tester";
    /// Its password.
    pub const PASSWORD: &str = "PLANTED-database";

    /// Starts a server and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let pki = Pki::shared();
        for (name, text) in [
            ("password", Self::PASSWORD),
            ("server.pem", &pki.server.certificate),
            ("server.key", &pki.server.key),
            ("ca.pem", &pki.ca),
            ("rogue-ca.pem", &pki.rogue_ca),
        ] {
            fs::write(dir.join(name), text).unwrap();
            private(&dir.join(name));
        }
        private(dir);
        let made = tool("initdb")
            .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--username", Self::USER])
            .args(["--pwfile=password", "--pgdata=data"])
            .current_dir(dir)
            .output()
            .unwrap();
        assert_success("initdb", &made);
        let port = ports::free_tcp();
        Self {
            port,
            made: AtomicUsize::new(0),
            process: run(dir, port),
            folder,
        }
    }

    /// A server for all tests that run at the same time; it ends with the last of them.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Makes an empty database and gives its name.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.made.fetch_add(1, Ordering::Relaxed));
        let _made = self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The URL of a database, password included.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let (user, password, port) = (Self::USER, Self::PASSWORD, self.port);
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// A file of the server's folder: `ca.pem` or `rogue-ca.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs statements in a database; gives what they print, one line a row, columns apart by `|`.
    ///
    /// # Panics
    /// When the server refuses one.
    #[must_use]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let done = psql(self.port, database, statements);
        assert_success(statements, &done);
        String::from_utf8(done.stdout).unwrap()
    }

    /// Kills it: connections break, the port refuses.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Postgres::kill`], with the same port and data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.folder.path(), self.port);
    }
}

impl Drop for Postgres {
    /// Has it give back its shared memory, which nobody does for one that is killed.
    fn drop(&mut self) {
        self.process.signal(Signal::SIGQUIT);
        let _late = clock::poll(START, || self.process.ended().is_some());
    }
}

fn run(dir: &Path, port: u16) -> Process {
    let mut command = tool("postgres");
    command
        .args(["-D", "data", "-p", &port.to_string(), "-h", "127.0.0.1"])
        // Nothing of it outlives a server that is killed.
        .args(["-c", "dynamic_shared_memory_type=mmap"])
        .args(["-c", "unix_socket_directories=", "-F"])
        .args(["-c", "ssl=on", "-c", "max_connections=200"])
        .args(["-c", "ssl_cert_file=../server.pem"])
        .args(["-c", "ssl_key_file=../server.key"])
        .current_dir(dir);
    let mut process = Process::start("postgres", &command, &dir.join("postgres.log"));
    process.until("PostgreSQL answers", START, || {
        psql(port, "postgres", "SELECT 1").status.success()
    });
    process
}

fn psql(port: u16, database: &str, statements: &str) -> Output {
    Command::new(require("psql", "postgresql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
        .args(["127.0.0.1", "-p", &port.to_string(), "-U", Postgres::USER])
        .args(["-d", database, "-c", statements])
        .env("PGPASSWORD", Postgres::PASSWORD)
        .output()
        .unwrap()
}

/// A program of the server, run as a user that it accepts: not root.
fn tool(program: &str) -> Command {
    let program = server_programs().join(program);
    let Some(user) = other_user() else {
        return Command::new(program);
    };
    let mut command = Command::new(require("setpriv", "util-linux"));
    command
        .args(["--reuid", &user.uid.to_string()])
        .args(["--regid", &user.gid.to_string(), "--clear-groups"])
        // Another user's process loses the order to die with its parent, so it is given again.
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}

/// Where Debian has the programs of the newest server.
fn server_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .flatten()
        .filter_map(|one| one.file_name().to_str()?.parse::<u32>().ok())
        .max();
    match newest {
        Some(version) => PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")),
        None => require("initdb", "postgresql").parent().unwrap().to_owned(),
    }
}

/// Whom the server runs as when the tests are root's.
fn other_user() -> Option<User> {
    Uid::effective().is_root().then(|| {
        let postgres = User::from_name("postgres").unwrap();
        postgres.expect("the package postgresql makes a user `postgres`")
    })
}

/// Leaves a file to the server alone.
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if let Some(user) = other_user() {
        let (uid, gid): (Uid, Gid) = (user.uid, user.gid);
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn assert_success(what: &str, done: &Output) {
    assert!(
        done.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

//! The program under test, as its users start it.

use std::{
    env,
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};
use serde_json::Value;
use tempfile::TempDir;

use crate::{clock, http, peers::Pki, ports, process::Process};

/// How long the program may take until `/readyz` says yes.
const READY: Duration = Duration::from_secs(20);

/// How long an event may take from a login's end to the control plane's store.
const STORED: Duration = Duration::from_secs(10);

/// How to start the program.
#[derive(Debug)]
pub struct Start {
    config: String,
    program: Option<PathBuf>,
    /// Whether the file is the truth.
    named: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Start {
    /// `run` with this text as its `authproxy.cfg`. Beside the file lie the certificates of
    /// [`Pki::write`].
    #[must_use]
    pub fn with(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            program: None,
            named: true,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The same, with the database as the truth: the file only lies there, to be imported.
    #[must_use]
    pub fn beside(config: &str) -> Self {
        Self {
            named: false,
            ..Self::with(config)
        }
    }

    /// Starts this file in the place of the program where it was built.
    #[must_use]
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several variables of its environment.
    #[must_use]
    pub fn variables(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Starts it and does not wait: for files that it must refuse, and for slow starts.
    #[must_use]
    pub fn launch(self) -> Countersign {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("authproxy.cfg");
        fs::write(&config, &self.config).unwrap();
        // Others could read it otherwise, which is a warning.
        fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
        Pki::shared().write(folder.path());
        let admin = ports::loopback(ports::free_tcp());
        let mut command = Command::new(self.program.unwrap_or_else(program));
        command.arg("run");
        if self.named {
            command.arg("--config").arg(&config);
        }
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--admin-listen", &admin.to_string()])
            .args(&self.arguments)
            .envs(self.environment)
            .current_dir(folder.path());
        let process = Process::start("countersign", &command, &folder.path().join("output.log"));
        Countersign {
            admin,
            command,
            process,
            folder,
        }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With all it printed, when it ends instead, or is not ready in time.
    #[must_use]
    pub fn ready(self) -> Countersign {
        let mut running = self.launch();
        running.wait_ready();
        running
    }
}

/// A running `countersign run`; killed with all its children when dropped.
#[derive(Debug)]
pub struct Countersign {
    /// Where its admin API, dashboard and metrics are.
    pub admin: SocketAddr,
    command: Command,
    process: Process,
    folder: TempDir,
}

impl Countersign {
    /// Starts it with this `authproxy.cfg` and waits until it is ready.
    #[must_use]
    pub fn run(config: &str) -> Self {
        Start::with(config).ready()
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// With all it printed, when it ends instead, or is not ready in time.
    pub fn wait_ready(&mut self) {
        let admin = self.admin;
        self.process.until("/readyz answers 200", READY, || {
            http::get(admin, "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Fetches a path of the admin listener.
    #[must_use]
    pub fn get(&self, path: &str) -> http::Answer {
        http::get(self.admin, path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The whole record of a user's newest login, once there are `count` of them.
    ///
    /// # Panics
    /// With all events of the user, when there are not so many in time.
    #[must_use]
    pub fn event_of(&self, user: &str, count: usize) -> Value {
        self.events_of(user, count).swap_remove(0)
    }

    /// The whole records of a user's logins on all nodes, newest first, once there are `count` of them.
    ///
    /// # Panics
    /// With all events of the user, when there are not so many in time.
    #[must_use]
    pub fn events_of(&self, user: &str, count: usize) -> Vec<Value> {
        let socket = self.control_socket();
        let mut events = Vec::new();
        let there = clock::poll(STORED, || {
            let answer = http::request_local(&socket, "GET", "/events?limit=1000", "").unwrap();
            let page = answer.json();
            events.clear();
            let all = page["events"].as_array().unwrap().iter();
            let of_user = all.filter(|one| one["event"]["user"] == user);
            events.extend(of_user.map(|one| one["event"].clone()));
            events.len() >= count
        });
        assert!(there, "not {count} events of {user}: {events:#?}");
        // Nodes tell of their logins as they come to it.
        events.sort_by_key(|event| std::cmp::Reverse(event["at_ms"].as_u64()));
        events
    }

    /// The value of a series in `/metrics`, named with its labels; 0 when it is not there.
    #[must_use]
    pub fn metric(&self, series: &str) -> f64 {
        http::metric(&self.get("/metrics").body, series)
    }

    /// The file it runs on.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("authproxy.cfg")
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The socket that nodes of it follow.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir().join("run/controlplane.sock")
    }

    /// Replaces its file in one step, as a careful editor does. Whether it was applied is for the
    /// test to wait for.
    pub fn rewrite_config(&self, text: &str) {
        let new = self.folder.path().join("authproxy.cfg.new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, self.config()).unwrap();
    }

    /// The supervisor's process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// With all it printed, when it does not end in time.
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        self.process.wait(timeout)
    }

    /// Stops it with SIGTERM and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop()
    }

    /// Kills it and its children, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after its end: same file, data directory, address and arguments.
    pub fn restart(&mut self) {
        self.launch_again();
        self.wait_ready();
    }

    /// The same without waiting until it is ready.
    pub fn launch_again(&mut self) {
        self.process.kill();
        let log = self.folder.path().join("output.log");
        self.process = Process::start("countersign", &self.command, &log);
    }

    /// All that it and its children printed, of every start.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Runs another command of the program to its end, in this folder, with no input.
#[must_use]
pub fn command(arguments: &[&str], folder: &Path) -> Output {
    Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Where the program is: `COUNTERSIGN_BIN`, or beside the tests' own folder (`target/debug`).
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let file = env::var_os("COUNTERSIGN_BIN").map_or_else(
        || {
            // target/debug/deps/TEST → target/debug/countersign
            let test = env::current_exe().unwrap();
            test.ancestors().nth(2).unwrap().join("countersign")
        },
        PathBuf::from,
    );
    assert!(
        file.is_file(),
        "{} is missing: run `make test`, or first `cargo build --workspace --bins --tests`",
        file.display()
    );
    file
}

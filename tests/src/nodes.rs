//! Two data planes under one control plane: `countersign run` on 127.0.0.1, and `countersign dataplane`
//! on 127.0.0.2, as two machines of one installation would be.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    clock,
    countersign::{Countersign, Start, program},
    http,
    nas::Nas,
    peers::SECRET,
    process::Process,
};

/// How long a node may take until it serves a revision.
const SERVES: Duration = Duration::from_secs(20);

/// A gateway and a further node of it.
#[derive(Debug)]
pub struct Nodes {
    /// The control plane, and the node `local` on 127.0.0.1.
    pub a: Countersign,
    /// The node `b` on 127.0.0.2.
    pub b: Node,
}

impl Nodes {
    /// Where node A listens; its sections must say so.
    pub const A: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// Where node B listens.
    pub const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    /// Starts both with this `authproxy.cfg`, whose sections listen on [`Nodes::A`], and waits until
    /// both serve it.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::start_as(Start::with(config))
    }

    /// The same with a gateway that is started with more than a configuration.
    #[must_use]
    pub fn start_as(start: Start) -> Self {
        let a = start.ready();
        let mut b = Node::launch("b", Self::B, &a.control_socket(), &[]);
        b.wait_follows();
        Self { a, b }
    }

    /// A RADIUS client of node A.
    #[must_use]
    pub fn nas_a(&self, port: u16) -> Nas {
        Nas::new((Self::A, port).into(), SECRET)
    }

    /// A RADIUS client of node B; the same client to both, since its address is the same.
    #[must_use]
    pub fn nas_b(&self, port: u16) -> Nas {
        Nas::new((Self::B, port).into(), SECRET)
    }

    /// Kills node A's data plane and waits until the supervisor's next one is ready.
    pub fn restart_a(&mut self) {
        let old: Pid = self.a.role("dataplane");
        kill(old, Signal::SIGKILL).unwrap();
        self.a.wait_restarted("dataplane", old, SERVES);
        self.a.wait_ready();
    }

    /// Replaces the file and waits until both nodes serve the revision that comes of it.
    pub fn reconfigure(&mut self, text: &str) {
        let next = self.a.revision() + 1;
        self.a.rewrite_config(text);
        clock::wait_until("node A serves the next revision", SERVES, || {
            self.a.revision() == next
        });
        self.b.wait_serves(next);
    }

    /// Starts the control plane alone, on the folder of a gateway that was stopped, with a clock that
    /// is this many seconds ahead. Node B follows it.
    #[must_use]
    pub fn control_plane_ahead(&mut self, seconds: u64) -> Process {
        let mut command = Command::new(program());
        command
            .arg("controlplane")
            .arg("--config")
            .arg(self.a.config())
            .arg("--data-dir")
            .arg(self.a.data_dir())
            .envs(clock::ahead(seconds));
        let log = self.a.data_dir().join("ahead.log");
        let process = Process::start("controlplane", &command, &log);
        self.b.wait_follows();
        process
    }
}

/// A `countersign dataplane` by itself; ends when dropped.
#[derive(Debug)]
pub struct Node {
    address: IpAddr,
    command: Command,
    process: Process,
    folder: TempDir,
}

impl Node {
    /// Starts a node of this name that listens on this address, and does not wait. `environment` is
    /// added to its own.
    #[must_use]
    pub fn launch(
        name: &str,
        address: IpAddr,
        control: &Path,
        environment: &[(String, String)],
    ) -> Self {
        Self::launch_with(name, address, control, environment, &[])
    }

    /// The same with further arguments.
    #[must_use]
    pub fn launch_with(
        name: &str,
        address: IpAddr,
        control: &Path,
        environment: &[(String, String)],
        arguments: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command
            .args(["dataplane", "--node", name, "--interface"])
            .arg(address.to_string())
            .arg("--control-socket")
            .arg(control)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(arguments)
            .envs(environment.iter().cloned())
            .current_dir(folder.path());
        let process = Process::start(name, &command, &folder.path().join("output.log"));
        Self {
            address,
            command,
            process,
            folder,
        }
    }

    /// Starts the node that has joined a control plane with this folder's `data`, and does not wait.
    #[must_use]
    pub fn launch_joined(name: &str, address: IpAddr, folder: TempDir) -> Self {
        let mut command = Command::new(program());
        command
            .args(["dataplane", "--interface"])
            .arg(address.to_string())
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        let process = Process::start(name, &command, &folder.path().join("output.log"));
        Self {
            address,
            command,
            process,
            folder,
        }
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A RADIUS client of it.
    #[must_use]
    pub fn nas(&self, port: u16) -> Nas {
        Nas::new(SocketAddr::new(self.address, port), SECRET)
    }

    /// What it says of itself; null while it does not answer.
    #[must_use]
    pub fn status(&self) -> Value {
        let answer = http::request_local(&self.socket(), "GET", "/status", "");
        answer.map_or(Value::Null, |answer| answer.json())
    }

    /// The value of a series in its metrics, named with its labels; 0 when it is not there.
    #[must_use]
    pub fn metric(&self, series: &str) -> f64 {
        let answer = http::request_local(&self.socket(), "GET", "/metrics", "").unwrap();
        http::metric(&answer.body, series)
    }

    /// Waits until it follows the control plane and serves a revision of it.
    pub fn wait_follows(&mut self) {
        self.until("it follows the control plane", |status| {
            status["connected"] == true && status["source"] == "control_plane"
        });
    }

    /// Waits until it serves this revision.
    pub fn wait_serves(&mut self, revision: u64) {
        self.until(&format!("it serves revision {revision}"), |status| {
            status["revision"] == revision
        });
    }

    /// Waits until its status is as wanted.
    ///
    /// # Panics
    /// With all it printed, when it ends instead, or the status does not come in time.
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) {
        let socket = self.socket();
        self.process.until(what, SERVES, || {
            let answer = http::request_local(&socket, "GET", "/status", "");
            answer.is_ok_and(|answer| wanted(&answer.json()))
        });
    }

    /// Ends it as its service manager would, and waits for its end.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it again on the same folder; does not wait.
    pub fn restart(&mut self) {
        self.process.kill();
        let log = self.folder.path().join("output.log");
        self.process = Process::start("node", &self.command, &log);
    }

    /// All it printed, of every start.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    fn socket(&self) -> PathBuf {
        self.data_dir().join("run/dataplane.sock")
    }
}

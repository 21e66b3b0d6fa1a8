//! A gateway whose second factor is a double, and ways to look at its operation: its roles, its
//! status, its other commands.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    clock,
    countersign::{Countersign, program},
    nas::Nas,
    peers::{FakeDuo, Pki, SECRET},
    ports,
};

/// A double of the second factor and the `authproxy.cfg` of a gateway that asks it.
#[derive(Debug)]
pub struct Site {
    /// The second factor.
    pub duo: FakeDuo,
    /// The RADIUS port of the section `radius_server_auto`.
    pub port: u16,
    folder: TempDir,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Starts the double and reserves a port.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Pki::shared().write(folder.path());
        Self {
            duo: FakeDuo::start(Pki::shared()),
            port: ports::free_udp(),
            folder,
        }
    }

    /// The file: passwords are not checked, everybody needs the second factor but the user
    /// `exempt`. `more` is added to the server section and may go on with further sections.
    #[must_use]
    pub fn config(&self, more: &str) -> String {
        self.config_with(self.port, more)
    }

    /// The same on another port.
    #[must_use]
    pub fn config_with(&self, port: u16, more: &str) -> String {
        format!(
            "[main]\nhttp_ca_certs_file={}\n\n[duo_only_client]\n\n[radius_server_auto]\n{}port={port}\n\
             exempt_username_1=exempt\n{more}",
            self.bundle().display(),
            self.server(),
        )
    }

    /// The options of a server section for this second factor and the harness's RADIUS clients.
    #[must_use]
    pub fn server(&self) -> String {
        format!(
            "api_host={}\nikey={}\nskey={}\nclient=duo_only_client\nfailmode=secure\n\
             radius_ip_1=127.0.0.0/8\nradius_secret_1={SECRET}\n",
            self.duo.host(),
            FakeDuo::IKEY,
            FakeDuo::SKEY,
        )
    }

    /// The bundle of certificates that the gateway trusts.
    #[must_use]
    pub fn bundle(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where the gateway takes logins.
    #[must_use]
    pub fn radius(&self) -> SocketAddr {
        ports::loopback(self.port)
    }

    /// A RADIUS client of the gateway.
    #[must_use]
    pub fn nas(&self) -> Nas {
        Nas::new(self.radius(), SECRET)
    }
}

impl Countersign {
    /// Runs another command of the program on this gateway's data directory.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Output {
        on_data_dir(arguments, &self.data_dir(), "")
    }

    /// What `countersign status --json` says.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let output = self.command(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// The revision that its data plane serves, 0 while it answers none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.status()["dataplane"]["revision"].as_u64().unwrap_or(0)
    }

    /// Its roles that run now, by name (`controlplane`, `dataplane`, `secondfactor`).
    #[must_use]
    pub fn roles(&self) -> BTreeMap<String, Pid> {
        children(self.pid())
    }

    /// The process of a role.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn role(&self, role: &str) -> Pid {
        let roles = self.roles();
        *roles
            .get(role)
            .unwrap_or_else(|| panic!("no {role} in {roles:?}"))
    }

    /// Waits until a role runs as another process than this one.
    pub fn wait_restarted(&self, role: &str, old: Pid, timeout: Duration) {
        clock::wait_until(&format!("{role} runs again"), timeout, || {
            self.roles().get(role).is_some_and(|new| *new != old)
        });
    }
}

/// Runs a command of the program on a data directory, with this as its standard input.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn on_data_dir(arguments: &[&str], data_dir: &Path, input: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let typed = folder.path().join("input");
    fs::write(&typed, input).unwrap();
    Command::new(program())
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::from(fs::File::open(&typed).unwrap()))
        .output()
        .unwrap()
}

/// The children of a supervisor, by the role they run.
#[must_use]
pub fn children(parent: Pid) -> BTreeMap<String, Pid> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // PID (NAME) STATE PARENT …; the name may hold anything.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        if rest.split(' ').nth(1) != Some(&parent.to_string()) {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let role = line.split(|octet| *octet == 0).nth(1).unwrap_or_default();
        let role = String::from_utf8_lossy(role).into_owned();
        // A process that is just being made still shows its parent's command.
        if ["controlplane", "dataplane", "secondfactor"].contains(&role.as_str()) {
            found.insert(role, Pid::from_raw(pid));
        }
    }
    found
}

/// Whether a process is there and no zombie.
#[must_use]
pub fn lives(pid: Pid) -> bool {
    !fs::read(format!("/proc/{pid}/cmdline"))
        .unwrap_or_default()
        .is_empty()
}

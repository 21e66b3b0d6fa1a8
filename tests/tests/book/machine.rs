//! A scratch machine: namespaces of this one in which a command of the book does what it says, with the
//! paths, ports and addresses that it names, and leaves nothing behind.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use e2e::{
    clock,
    countersign::program,
    peers::{self, repository},
    process::Process,
};
use tempfile::TempDir;

/// How long a gateway may take to be ready, and the machine to be made.
const READY: Duration = Duration::from_secs(30);

/// What makes the machine of the namespaces: everything that may be written is a layer of its own, in
/// memory, over what this machine has. The addresses are the book's.
const INIT: &str = r#"
set -eu
mount --make-rprivate /
ip link set lo up
for address in 192.0.2.1 192.0.2.2 192.0.2.5 192.0.2.10 192.0.2.20; do ip address add $address/32 dev lo; done
hostname gate.example.com
mount -t tmpfs none /mnt
for folder in etc root srv var home; do
  mkdir -p /mnt/$folder/upper /mnt/$folder/work
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" /$folder
done
mount -t tmpfs none /run
mkdir /etc/countersign /root/book
printf '127.0.0.1 localhost gate.example.com db.example.com\n192.0.2.1 gate-a.example.com\n192.0.2.2 gate-b.example.com\n' >/etc/hosts
mount -t tmpfs -o mode=1777 none /tmp
echo the machine is there
exec tail -f /dev/null
"#;

/// The machine; it ends, with all that runs on it, when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    process: Process,
    folder: TempDir,
    /// Its first process, as this machine numbers it.
    init: u32,
    /// What runs on it beside the commands.
    beside: Vec<Process>,
    started: usize,
}

impl Machine {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(peers::require("unshare", "util-linux"));
        command
            .args([
                "--mount",
                "--uts",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["--mount-proc", "sh", "-c", INIT]);
        drop(peers::require("ip", "iproute2"));
        let mut process = Process::start("machine", &command, &folder.path().join("machine.log"));
        let (pid, log) = (process.pid(), folder.path().join("machine.log"));
        process.until("the machine is there", READY, || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("the machine is there"))
        });
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Self {
            process,
            folder,
            init: children.trim().parse().unwrap(),
            beside: Vec::new(),
            started: 0,
        }
    }

    /// Runs a line of a shell to its end.
    pub(crate) fn run(&self, line: &str) -> Output {
        let output = self
            .enter(&format!("exec 2>&1; {line}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        output.unwrap()
    }

    /// Starts what goes on while further commands run.
    pub(crate) fn start(&mut self, line: &str) {
        self.started += 1;
        let log = self.folder.path().join(format!("{}.log", self.started));
        let process = Process::start(line, &self.enter(line), &log);
        self.beside.push(process);
    }

    /// Waits until a line of a shell succeeds, while what was started last runs.
    pub(crate) fn until(&mut self, line: &str) {
        let init = self.init;
        let last = self.beside.last_mut().unwrap_or(&mut self.process);
        last.until(line, READY, || {
            enter(init, line)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        });
    }

    /// What was started last has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.beside.last().map_or_else(String::new, Process::output)
    }

    /// Stops all that runs beside the commands.
    pub(crate) fn stop(&mut self) {
        for mut process in self.beside.drain(..) {
            // `nsenter` is what is known here; the machine knows the others.
            process.kill();
        }
    }

    fn enter(&self, line: &str) -> Command {
        enter(self.init, line)
    }
}

/// A shell on the machine with this first process.
fn enter(init: u32, line: &str) -> Command {
    let program = program();
    let path = format!(
        "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        program.parent().map(Path::display).unwrap()
    );
    let mut command = Command::new(peers::require("nsenter", "util-linux"));
    command
        .args([
            "--target",
            &init.to_string(),
            "--mount",
            "--uts",
            "--net",
            "--pid",
        ])
        .args([
            "--",
            "env",
            "-i",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "RUST_BACKTRACE=0",
        ])
        .arg(format!("PATH={path}"))
        .arg(format!("REPOSITORY={}", repository().display()))
        .args([
            "bash",
            "-c",
            &format!("cd /root/book && [ ! -e ../env ] || . ../env; {line}"),
        ]);
    command
}

/// What a command printed, errors too, and how it ended.
pub(crate) fn told(output: &Output) -> (String, i32) {
    let text = [&*output.stdout, &output.stderr].concat();
    (
        String::from_utf8_lossy(&text).into_owned(),
        output.status.code().unwrap_or(-1),
    )
}

/// Waits until a comparison succeeds, or gives its last fault.
pub(crate) fn until_good(mut attempt: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let mut last = Ok(());
    let _ = clock::poll(Duration::from_secs(10), || {
        last = attempt();
        last.is_ok()
    });
    last
}

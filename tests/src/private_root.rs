//! A machine within this machine: all of its files to read, and none of them to change; a network and
//! processes of its own; with systemd, or with nobody, as its first process.
//!
//! It is made of namespaces and an overlay in memory, which needs root and no network. What is installed
//! into it is gone with it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::{clock, peers, process::Process};

/// How long it may take to come up.
const UP: Duration = Duration::from_secs(60);

/// Lays the overlay below the folder $1 and enters it. /dev has no devices but these; services of the
/// machine are not started; no policy keeps packages from starting theirs; nobody waits for an index of
/// manual pages.
const ENTER: &str = r#"
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
rm -f etc/systemd/system/*.wants/* usr/sbin/policy-rc.d var/lib/man-db/auto-update
touch run/entered
shift
exec chroot . "$@"
"#;

/// What runs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// The machine's own systemd, up to its basic target.
    Systemd,
    /// Nothing that starts anything.
    None,
}

/// The machine; it ends with all of its processes when dropped.
#[derive(Debug)]
pub struct PrivateRoot {
    first: String,
    _process: Process,
    _folder: TempDir,
}

impl PrivateRoot {
    /// Starts one and waits until it is up.
    ///
    /// # Panics
    /// When it does not come up, with what it printed.
    #[must_use]
    pub fn start(init: Init) -> Self {
        for (program, package) in [
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
            ("ip", "iproute2"),
        ] {
            drop(peers::require(program, package));
        }
        let folder = tempfile::tempdir().unwrap();
        let mount_point = folder.path().join("machine");
        fs::create_dir(&mount_point).unwrap();
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--net",
                "--pid",
                "--cgroup",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", ENTER, "enter"])
            .arg(&mount_point);
        match init {
            Init::Systemd => command.args([
                "env",
                "-i",
                "container=private",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "/lib/systemd/systemd",
                "systemd.unified_cgroup_hierarchy=1",
                "--unit=basic.target",
                "--log-target=console",
            ]),
            // It takes what ends, as the first process must.
            Init::None => command.args(["sh", "-c", "while :; do sleep 1d & wait; done"]),
        };
        let mut process = Process::start("private root", &command, &folder.path().join("log"));
        let outer = process.pid();
        let children = format!("/proc/{outer}/task/{outer}/children");
        let mut first = String::new();
        process.until("it has a first process", UP, || {
            let listed = fs::read_to_string(&children).unwrap_or_default();
            first = listed.trim().to_owned();
            // Its root is this one from then on.
            !first.is_empty() && Path::new(&format!("/proc/{first}/root/run/entered")).exists()
        });
        let machine = Self {
            first,
            _process: process,
            _folder: folder,
        };
        if init == Init::Systemd {
            clock::wait_until("systemd runs", UP, || {
                let asked = machine.run(&["systemctl", "is-system-running"]);
                matches!(
                    String::from_utf8_lossy(&asked.stdout).trim(),
                    "running" | "degraded"
                )
            });
        }
        machine
    }

    /// A file of it, as seen from outside.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        let inside = Path::new(path).strip_prefix("/").unwrap();
        Path::new(&format!("/proc/{}/root", self.first)).join(inside)
    }

    /// Runs a program in it, as root.
    #[must_use]
    pub fn run(&self, line: &[&str]) -> Output {
        self.run_with(&[], line)
    }

    /// The same with variables in its environment, which has nothing else of ours.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn run_with(&self, variables: &[(&str, &str)], line: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--target", &self.first, "--all", "--root", "--wd", "--"])
            .args(line)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("DEBIAN_FRONTEND", "noninteractive")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// Does something in its network: sockets that are opened there, by threads begun there too, are of it.
    ///
    /// # Panics
    /// When that does, or the network cannot be entered.
    pub fn network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            done.join().unwrap()
        })
    }

    /// Runs a program that must succeed; both its outputs.
    ///
    /// # Panics
    /// When it fails, with what it printed.
    pub fn ok(&self, line: &[&str]) -> String {
        succeeded(line, &self.run(line))
    }

    /// The exit code of a program, and both its outputs.
    #[must_use]
    pub fn exit(&self, line: &[&str]) -> (Option<i32>, String) {
        let output = self.run(line);
        (output.status.code(), both(&output))
    }
}

/// Both outputs of a program that must have succeeded.
///
/// # Panics
/// When it failed, with what it printed.
pub fn succeeded(line: &[&str], output: &Output) -> String {
    let printed = both(output);
    assert!(
        output.status.success(),
        "{line:?}: {}\n{printed}",
        output.status
    );
    printed
}

fn both(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

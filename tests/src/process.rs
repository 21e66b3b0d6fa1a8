//! Programs that run beside a test: started, watched, stopped, and never left behind.
//!
//! Each leads a process group of its own and is killed with it when its [`Process`] is dropped. The
//! kernel kills it too when the test program dies (`setpriv --pdeathsig`). That signal comes when
//! the *thread* that forked ends, and a test's thread ends with the test; so one thread, which lives
//! as long as the program, starts them all.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{clock, peers};

/// How long a program may take to end after a polite signal.
const GRACE: Duration = Duration::from_secs(15);

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// A running program whose output goes to a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
}

impl Process {
    /// Starts the program with no input; what it prints goes to the file `log`.
    #[must_use]
    pub fn start(name: &str, command: &Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let mut wrapped = Command::new(peers::require("setpriv", "util-linux"));
        wrapped
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program());
        wrapped.args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        let child = spawn(wrapped).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            child,
            ended: None,
            log: log.to_owned(),
        }
    }

    /// The process id, which is the id of its group.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// All it printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for a sign of life.
    ///
    /// # Panics
    /// With the output, when the program ends instead, or shows no sign within `timeout`.
    pub fn until(&mut self, what: &str, timeout: Duration, mut sign: impl FnMut() -> bool) {
        let there = clock::poll(timeout, || {
            if let Some(status) = self.ended() {
                panic!(
                    "{} ended ({status}) before: {what}\n{}",
                    self.name,
                    self.output()
                );
            }
            sign()
        });
        assert!(
            there,
            "{} runs, but in {timeout:?} not: {what}\n{}",
            self.name,
            self.output()
        );
    }

    /// Sends a signal to the program alone, not to its children.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            nix::sys::signal::kill(self.pid(), signal).unwrap();
        }
    }

    /// Stops the program and all of its group where they stand (SIGSTOP), and waits until each of their
    /// threads does.
    pub fn pause(&self) {
        killpg(self.pid(), Signal::SIGSTOP).unwrap();
        clock::wait_until(&format!("{} stands still", self.name), GRACE, || {
            thread_states(self.pid()).all(|state| state == 'T' || state == 'Z')
        });
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        killpg(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    /// With the output, when it does not end within `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let there = clock::poll(timeout, || self.ended().is_some());
        assert!(
            there,
            "{} did not end in {timeout:?}\n{}",
            self.name,
            self.output()
        );
        self.ended.unwrap()
    }

    /// Asks the program to end (SIGTERM) and waits for it.
    pub fn stop(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM);
        }
        self.wait(GRACE)
    }

    /// Kills the program and all of its group at once, and waits until none of them holds a socket or
    /// a lock.
    pub fn kill(&mut self) {
        // The group may be gone; then there is nothing to kill.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        self.wait(GRACE);
        clock::wait_until(&format!("all of {} are gone", self.name), GRACE, || {
            thread_states(self.pid()).all(|state| state == 'Z' || state == 'X')
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Children may outlive the leader, so the group is killed even after its end.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        if self.ended.is_none() {
            drop(self.child.wait());
        }
        if thread::panicking() {
            eprintln!("---- {} printed ----\n{}", self.name, self.output());
        }
    }
}

/// The states of all threads of a process group, as /proc shows them: `R`, `S`, `T`, …
fn thread_states(group: Pid) -> impl Iterator<Item = char> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_group = processes.filter(move |entry| {
        // PID (NAME) STATE PARENT GROUP …; the name may hold anything.
        fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| {
            let rest = stat.rsplit(") ").next().unwrap_or_default();
            rest.split(' ').nth(2) == Some(&group.to_string())
        })
    });
    let threads = of_group.flat_map(|entry| fs::read_dir(entry.path().join("task")));
    threads.flatten().flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    })
}

/// Has the one long-lived thread start the program.
fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, queue) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in queue {
                drop(answer.send(command.spawn()));
            }
        });
        Mutex::new(orders)
    });
    let (answer, started) = mpsc::channel();
    starter.lock().unwrap().send((command, answer)).unwrap();
    started.recv().unwrap()
}

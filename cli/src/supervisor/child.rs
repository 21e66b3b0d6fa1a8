//! One role as a child process.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use controlplane::AdminCertificate;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use proto::child::{FromChild, Role};
use rustix::process::PidfdFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::heritage::{Heir, Left, LeftPipe};
use super::{News, Plan};
use crate::failure::Failure;
use crate::logs;

/// A role, running or about to.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) role: Role,
    /// Whether it was ever ready: one that never was is not started again.
    pub(crate) was_ready: bool,
    /// Whether it was told to end, to be started as another program.
    pub(crate) replaced: bool,
    state: State,
    started: Instant,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Waiting(Instant),
    Stopped,
}

/// A process, and what it said.
#[derive(Debug)]
struct Running {
    pid: Pid,
    /// What it says to us.
    lines: Kept,
    /// What it logs.
    log: Kept,
}

/// A pipe of a process, for a program that goes on listening.
#[derive(Debug)]
struct Kept {
    file: OwnedFd,
    said: Said,
}

/// What was read of a pipe and not dealt with.
type Said = Arc<Mutex<Vec<u8>>>;

/// The end of a pipe that is listened to.
#[derive(Debug)]
struct Heard {
    reader: pipe::Receiver,
    said: Said,
}

impl Child {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            was_ready: false,
            replaced: false,
            state: State::Stopped,
            started: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// When to start it again; none while it runs.
    pub(crate) const fn restart_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(at) => Some(at),
            State::Running(_) | State::Stopped => None,
        }
    }

    /// Its process; none while it does not run.
    pub(crate) const fn pid(&self) -> Option<Pid> {
        match &self.state {
            State::Running(running) => Some(running.pid),
            State::Waiting(_) | State::Stopped => None,
        }
    }

    /// Starts the process; its lines and its end come as news.
    pub(crate) fn start(
        &mut self,
        plan: &Plan,
        admin: Option<AdminCertificate>,
        how: Start,
        news: &mpsc::Sender<News>,
    ) -> Result<(), Failure> {
        let role = self.role;
        let failed = |error: io::Error| Failure::new(format!("cannot start the {role}"), &error);
        let database = plan.database.clone();
        let database = database.filter(|_| role == Role::ControlPlane);
        let mut command = command(role, plan, admin, self.was_ready);
        if how == Start::TakeOver {
            command.arg("--take-over");
        }
        let mut process = command
            .stdin(match &database {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = process
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw);
        let pipes = (process.stdout.take(), process.stderr.take());
        let (Some(pid), (Some(stdout), Some(stderr))) = (pid, pipes) else {
            return Err(Failure::plain(format!("the {role} ended while it started")));
        };
        let stdout = stdout.into_owned_fd().map_err(failed)?;
        let stderr = stderr.into_owned_fd().map_err(failed)?;
        let pipes = ((stdout, Vec::new()), (stderr, Vec::new()));
        let (lines, log) = self.runs(pid, pipes).map_err(failed)?;
        let (stdin, news) = (process.stdin.take(), news.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the process, whose end `stop` waits for"
        )]
        drop(tokio::spawn(async move {
            if let (Some(mut stdin), Some(database)) = (stdin, database) {
                // One that ended before it read this is dealt with as one that ended.
                drop(stdin.write_all(database.expose().as_bytes()).await);
            }
            tokio::join!(read_lines((role, pid), lines, &news), read_log(role, log));
            let exit = Exit::from(process.wait().await.ok());
            drop(news.send(News::Ended(role, pid, exit)).await);
        }));
        Ok(())
    }

    /// Goes on with a process that was started by the program before in this process.
    pub(crate) fn adopt(&mut self, heir: Heir, news: &mpsc::Sender<News>) -> io::Result<()> {
        let role = self.role;
        let pid = Pid::from_raw(heir.pid);
        self.was_ready = true;
        let end = rustix::process::Pid::from_raw(pid.as_raw())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let end = rustix::process::pidfd_open(end, PidfdFlags::empty())?;
        #[expect(
            deprecated,
            reason = "what is to be called instead is unsafe; this file is owned, and open for as long as it is watched"
        )]
        let end = AsyncFd::with_interest(end, Interest::READABLE)?;
        let (lines, log) = self.runs(pid, (heir.lines, heir.log))?;
        let news = news.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the process, whose end `stop` waits for"
        )]
        drop(tokio::spawn(async move {
            tokio::join!(read_lines((role, pid), lines, &news), read_log(role, log));
            drop(end.readable().await);
            let exit = Exit::of(waitpid(pid, None));
            drop(news.send(News::Ended(role, pid, exit)).await);
        }));
        Ok(())
    }

    /// Notes that it runs. Its pipes are that of its lines and that of its log, with what was read of
    /// them already.
    fn runs(&mut self, pid: Pid, (lines, log): (Pipe, Pipe)) -> io::Result<(Heard, Heard)> {
        let (lines, heard) = listen(lines)?;
        let (log, logged) = listen(log)?;
        self.state = State::Running(Running { pid, lines, log });
        self.started = Instant::now();
        Ok((heard, logged))
    }

    /// What the next program in this process has to know of it; none when it does not run. The files
    /// are those that it names.
    pub(crate) fn left(&self, leaving: bool) -> io::Result<Option<(Left, [OwnedFd; 2])>> {
        let State::Running(running) = &self.state else {
            return Ok(None);
        };
        let (lines, lines_file) = running.lines.left()?;
        let (log, log_file) = running.log.left()?;
        let left = Left {
            role: self.role,
            pid: running.pid.as_raw(),
            lines,
            log,
            leaving,
        };
        Ok(Some((left, [lines_file, log_file])))
    }

    /// Notes the end and gives the pause before the next start.
    pub(crate) fn ended(&mut self) -> Duration {
        if self.started.elapsed() >= STEADY {
            self.pause = FIRST_PAUSE;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LAST_PAUSE);
        self.state = State::Waiting(Instant::now() + pause);
        pause
    }

    /// Notes the end that was asked for.
    pub(crate) fn stopped(&mut self) {
        self.replaced = false;
        self.pause = FIRST_PAUSE;
        self.state = State::Stopped;
    }

    /// Asks it to stop; false when it does not run.
    pub(crate) fn signal_to_stop(&mut self) -> bool {
        match self.pid() {
            Some(pid) => kill(pid, Signal::SIGTERM).is_ok(),
            None => {
                self.state = State::Stopped;
                false
            }
        }
    }

    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// A pipe, and what was read of it already.
pub(crate) type Pipe = (OwnedFd, Vec<u8>);

fn listen((file, said): Pipe) -> io::Result<(Kept, Heard)> {
    let said = Arc::new(Mutex::new(said));
    let kept = Kept {
        file: file.try_clone()?,
        said: Arc::clone(&said),
    };
    let reader = pipe::Receiver::from_owned_fd(file)?;
    Ok((kept, Heard { reader, said }))
}

impl Kept {
    fn left(&self) -> io::Result<(LeftPipe, OwnedFd)> {
        let file = self.file.try_clone()?;
        let left = LeftPipe {
            file: file.as_raw_fd(),
            said: lock(&self.said).clone(),
        };
        Ok((left, file))
    }
}

/// How a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Fresh,
    /// In the place of the one that runs.
    TakeOver,
}

/// The command of a role. Nothing secret stands in it: secrets come from files and sockets, and the
/// URL of the database on standard input.
fn command(role: Role, plan: &Plan, admin: Option<AdminCertificate>, again: bool) -> Command {
    // This very program, also when its file was replaced meanwhile by another version.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("countersign")
        .arg(role.as_str())
        .args(["--supervised", &std::process::id().to_string()])
        .arg("--data-dir")
        .arg(plan.data.path())
        .args(["--log", &plan.log]);
    match role {
        Role::ControlPlane => {
            if let Some(config) = &plan.config {
                command.arg("--config").arg(config);
            }
            // One that died while a bad file lay there serves on what it served.
            if plan.last_good || again {
                command.arg("--last-good");
            }
            if plan.database.is_some() {
                command.arg("--database-from-stdin");
            }
            if let Some(address) = plan.nodes.node_listen {
                command.args(["--node-listen", &address.to_string()]);
                let seconds = plan.nodes.node_certificate_seconds.to_string();
                command.args(["--node-certificate-seconds", &seconds]);
            }
            let retention = &plan.retention;
            command.args(["--event-days", &retention.days.to_string()]);
            command.args(["--event-count", &retention.events.to_string()]);
            command.args(["--event-octets", &retention.octets.to_string()]);
            if let Some(traces) = &plan.traces {
                command.args(["--otlp-endpoint", &traces.endpoint.to_string()]);
                if let Some(file) = &traces.header_file {
                    command.arg("--otlp-header-file").arg(file);
                }
                if let Some(file) = &traces.ca {
                    command.arg("--otlp-ca").arg(file);
                }
                if traces.user {
                    command.arg("--otlp-user");
                }
            }
            if let Some(AdminCertificate { address, not_after }) = admin {
                let served = format!("{address}={not_after}");
                command.args(["--admin-certificate", &served]);
            }
            if let Some(node) = &plan.node {
                command.args(["--local-node", node.as_str()]);
            }
        }
        Role::DataPlane => {
            command.args(["--grace", &plan.grace.as_secs().to_string()]);
            if let Some(node) = &plan.node {
                command.args(["--node", node.as_str()]);
            }
        }
        Role::SecondFactor => {
            command.args([
                "--second-factor-listen",
                &plan.second_factor_listen.to_string(),
            ]);
            let public = &plan.second_factor_public;
            if let Some(url) = &public.second_factor_public_url {
                command.args(["--second-factor-public-url", url]);
            }
            if public.second_factor_approve_by_link {
                command.arg("--second-factor-approve-by-link");
            }
            for name in &public.second_factor_names {
                command.args(["--second-factor-name", name]);
            }
            if public.second_factor_legacy_api {
                command.arg("--second-factor-legacy-api");
            }
            if public.second_factor_no_self_service {
                command.arg("--second-factor-no-self-service");
            }
            for proxy in &public.second_factor_trusted_proxies {
                command.args(["--second-factor-trusted-proxy", &proxy.to_string()]);
            }
        }
    }
    // Whose supervisor this is, the service manager knows by this process alone.
    command.env_remove("NOTIFY_SOCKET");
    // What this process got from its own environment was turned into arguments above.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
    command
}

/// Makes news of each line, until there are no more. What is no whole line yet, or has no room among
/// the news, stays in `said`.
async fn read_lines((role, pid): (Role, Pid), mut heard: Heard, news: &mpsc::Sender<News>) {
    loop {
        while heard.has_line() {
            let Ok(room) = news.reserve().await else {
                return;
            };
            let line = heard.take_line();
            match serde_json::from_slice::<FromChild>(&line) {
                Ok(line) => room.send(News::Line(role, pid, line)),
                Err(error) => tracing::warn!(
                    %role,
                    error = &error as &dyn std::error::Error,
                    "a role said something that is not understood"
                ),
            }
        }
        if !heard.more().await {
            return;
        }
    }
}

/// Takes its log in, line by line. What is longer than any line of ours is several.
async fn read_log(role: Role, mut heard: Heard) {
    let take = |line: &[u8]| logs::from_role(role, line.strip_suffix(b"\n").unwrap_or(line));
    loop {
        while heard.has_line() || heard.octets() >= LINE_OCTETS {
            take(&heard.take_line());
        }
        if !heard.more().await {
            // A process that was killed may have said half a line.
            if heard.octets() > 0 {
                take(&heard.take_line());
            }
            return;
        }
    }
}

impl Heard {
    fn has_line(&self) -> bool {
        lock(&self.said).contains(&b'\n')
    }

    fn octets(&self) -> usize {
        lock(&self.said).len()
    }

    /// The first line with its end, or all that there is when there is no whole one.
    fn take_line(&self) -> Vec<u8> {
        let mut said = lock(&self.said);
        let end = said.iter().position(|octet| *octet == b'\n');
        let end = end.map_or(said.len(), |end| end + 1);
        let rest = said.split_off(end);
        std::mem::replace(&mut *said, rest)
    }

    /// Reads on; false when there is no more.
    async fn more(&mut self) -> bool {
        let mut chunk = [0; CHUNK_OCTETS];
        match self.reader.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                lock(&self.said).extend(chunk.iter().take(read));
                true
            }
        }
    }
}

fn lock(said: &Said) -> MutexGuard<'_, Vec<u8>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    signal: Option<i32>,
}

impl From<Option<ExitStatus>> for Exit {
    fn from(status: Option<ExitStatus>) -> Self {
        use std::os::unix::process::ExitStatusExt;
        Self {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
        }
    }
}

impl Exit {
    fn of(status: nix::Result<WaitStatus>) -> Self {
        match status {
            Ok(WaitStatus::Exited(_, code)) => Self {
                code: Some(code),
                signal: None,
            },
            Ok(WaitStatus::Signaled(_, signal, _)) => Self {
                code: None,
                signal: Some(signal as i32),
            },
            _ => Self::from(None),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}

const CHUNK_OCTETS: usize = 16 * 1024;
/// The longest line of a role's log.
const LINE_OCTETS: usize = 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A role that ran this long starts again quickly.
const STEADY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use controlplane::Retention;

    use super::*;
    use crate::args::{NodeListenArgs, SecondFactorPublicArgs};
    use crate::paths::DataDir;

    #[test]
    fn each_role_is_told_what_concerns_it() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 8402));
        let plan = Plan {
            data: DataDir::new(Some("/tmp/x".into())).unwrap(),
            seed: None,
            config: None,
            database: None,
            node: None,
            admin_listen: address,
            admin_certificate: None,
            second_factor_listen: address,
            second_factor_public: SecondFactorPublicArgs {
                second_factor_public_url: Some("https://gate.example".to_owned()),
                second_factor_approve_by_link: true,
                second_factor_names: vec!["gate.example".to_owned(), "192.0.2.1".to_owned()],
                second_factor_legacy_api: true,
                second_factor_no_self_service: true,
                second_factor_trusted_proxies: vec!["192.0.2.0/28".parse().unwrap()],
            },
            nodes: NodeListenArgs::default(),
            retention: Retention {
                days: 7,
                events: 20,
                octets: 300,
                ..Retention::default()
            },
            traces: None,
            grace: Duration::ZERO,
            program: None,
            last_good: false,
            log: "info".to_owned(),
        };
        let line = |role| {
            let command = command(role, &plan, None, false);
            let words: Vec<_> = command
                .as_std()
                .get_args()
                .map(|word| word.to_str().unwrap().to_owned())
                .collect();
            words.join(" ")
        };
        let want = "--second-factor-public-url https://gate.example --second-factor-approve-by-link \
                    --second-factor-name gate.example --second-factor-name 192.0.2.1 \
                    --second-factor-legacy-api --second-factor-no-self-service \
                    --second-factor-trusted-proxy 192.0.2.0/28";
        assert!(line(Role::SecondFactor).ends_with(want));
        assert!(!line(Role::DataPlane).contains("gate.example"));
        let want = "--event-days 7 --event-count 20 --event-octets 300";
        assert!(line(Role::ControlPlane).contains(want));
        assert!(!line(Role::DataPlane).contains("--event"));
    }
}

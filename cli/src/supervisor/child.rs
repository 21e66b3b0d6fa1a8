//! One role as a child process.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use controlplane::AdminCertificate;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::child::{FromChild, Role};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{News, Plan};
use crate::failure::Failure;
use crate::logs;

/// A role, running or about to.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) role: Role,
    /// Whether it was ever ready: one that never was is not started again.
    pub(crate) was_ready: bool,
    state: State,
    started: Instant,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    Running(Pid),
    Waiting(Instant),
    Stopped,
}

impl Child {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            was_ready: false,
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

    /// Starts the process; its lines and its end come as news.
    pub(crate) fn start(
        &mut self,
        plan: &Plan,
        admin: Option<AdminCertificate>,
        news: &mpsc::Sender<News>,
    ) -> Result<(), Failure> {
        let role = self.role;
        let failed =
            |error: std::io::Error| Failure::new(format!("cannot start the {role}"), &error);
        let database = plan.database.clone();
        let database = database.filter(|_| role == Role::ControlPlane);
        let mut process = command(role, plan, admin, self.was_ready)
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
        let Some(pid) = pid else {
            return Err(Failure::plain(format!("the {role} ended while it started")));
        };
        self.state = State::Running(pid);
        self.started = Instant::now();
        let (stdin, stdout, news) = (process.stdin.take(), process.stdout.take(), news.clone());
        let stderr = process.stderr.take();
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the process, whose end `stop` waits for"
        )]
        drop(tokio::spawn(async move {
            if let (Some(mut stdin), Some(database)) = (stdin, database) {
                // One that ended before it read this is dealt with as one that ended.
                drop(stdin.write_all(database.expose().as_bytes()).await);
            }
            let said = async {
                if let Some(stdout) = stdout {
                    read_lines(role, stdout, &news).await;
                }
            };
            let logged = async {
                if let Some(stderr) = stderr {
                    read_log(role, stderr).await;
                }
            };
            tokio::join!(said, logged);
            let exit = Exit::from(process.wait().await.ok());
            drop(news.send(News::Ended(role, exit)).await);
        }));
        Ok(())
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

    /// Asks it to stop; false when it does not run.
    pub(crate) fn signal_to_stop(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::Running(pid) => {
                self.state = State::Running(pid);
                kill(pid, Signal::SIGTERM).is_ok()
            }
            State::Waiting(_) | State::Stopped => false,
        }
    }

    pub(crate) fn kill(&self) {
        if let State::Running(pid) = self.state {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
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
            for name in &public.second_factor_names {
                command.args(["--second-factor-name", name]);
            }
        }
    }
    // What this process got from its own environment was turned into arguments above.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
    command
}

async fn read_lines(role: Role, stdout: impl AsyncRead + Unpin, news: &mpsc::Sender<News>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<FromChild>(&line) {
            Ok(line) => drop(news.send(News::Line(role, line)).await),
            Err(error) => tracing::warn!(
                %role,
                error = &error as &dyn std::error::Error,
                "a role said something that is not understood"
            ),
        }
    }
}

/// Takes its log in, line by line. What is longer than any line of ours is several.
async fn read_log(role: Role, stderr: impl AsyncRead + Unpin) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut one = (&mut stderr).take(LINE_OCTETS);
        match one.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => logs::from_role(role, line.strip_suffix(b"\n").unwrap_or(&line)),
        }
    }
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

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}

/// The longest line of a role's log.
const LINE_OCTETS: u64 = 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A role that ran this long starts again quickly.
const STEADY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{NodeListenArgs, SecondFactorPublicArgs};
    use crate::paths::DataDir;

    #[test]
    fn the_second_factor_is_told_how_people_reach_it() {
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
                second_factor_names: vec!["gate.example".to_owned(), "192.0.2.1".to_owned()],
            },
            nodes: NodeListenArgs::default(),
            traces: None,
            grace: Duration::ZERO,
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
        let want = "--second-factor-public-url https://gate.example \
                    --second-factor-name gate.example --second-factor-name 192.0.2.1";
        assert!(line(Role::SecondFactor).ends_with(want));
        assert!(!line(Role::DataPlane).contains("gate.example"));
    }
}

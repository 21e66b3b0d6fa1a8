//! A role by itself makes place for the program that lies on the disk: it starts that one, which takes
//! over, and then only ends what it has under way.

use std::process::Stdio;
use std::time::Duration;

use proto::child::Role;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::upgrade::{Ask, Door, Standing, asked_elsewhere};
use crate::failure::Failure;
use crate::notify;
use crate::paths::DataDir;
use crate::program::Program;

/// Whether another process has taken over.
#[derive(Clone, Debug)]
pub(crate) enum Handed {
    /// From when this is cancelled, for good.
    Once(CancellationToken),
    /// As this says at a time.
    AtATime(watch::Receiver<bool>),
}

impl Handed {
    fn is_over(&self) -> bool {
        match self {
            Self::Once(token) => token.is_cancelled(),
            Self::AtATime(state) => *state.borrow(),
        }
    }

    /// Waits until another process has taken over.
    pub(crate) async fn over(&self) {
        match self {
            Self::Once(token) => token.cancelled().await,
            Self::AtATime(state) => until(state, true).await,
        }
    }

    /// Waits until that process is gone, and this one serves again.
    pub(crate) async fn back(&self) {
        match self {
            Self::Once(_) => std::future::pending().await,
            Self::AtATime(state) => until(state, false).await,
        }
    }
}

async fn until(state: &watch::Receiver<bool>, wanted: bool) {
    let mut state = state.clone();
    // Who says so may have ended.
    if state.wait_for(|is| *is == wanted).await.is_err() {
        std::future::pending().await
    }
}

impl From<CancellationToken> for Handed {
    fn from(token: CancellationToken) -> Self {
        Self::Once(token)
    }
}

impl From<watch::Receiver<bool>> for Handed {
    fn from(state: watch::Receiver<bool>) -> Self {
        Self::AtATime(state)
    }
}

/// What a role that no supervisor watches needs to be upgraded.
#[derive(Debug)]
pub(crate) struct Lone {
    pub(crate) role: Role,
    pub(crate) data: DataDir,
    pub(crate) program: Program,
    /// SIGUSR2.
    pub(crate) signal: Signal,
}

impl Lone {
    /// Upgrades when asked, until the role has ended. Meanwhile another process may take over, and this
    /// one serve again where that one is gone before.
    pub(crate) async fn serve(mut self, handed: Handed, stop: CancellationToken) {
        loop {
            self.one_term(&handed, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = handed.back() => notify::main_pid(std::process::id()),
                () = stop.cancelled() => return,
            }
        }
    }

    /// To the end, or until another process has taken over.
    async fn one_term(&mut self, handed: &Handed, stop: &CancellationToken) {
        let (door, asked) = Door::new(Standing {
            program: Some(self.program.file().to_owned()),
            ..Standing::default()
        });
        let socket = self.data.upgrade_socket(Some(self.role));
        let closed = CancellationToken::new();
        let served = async {
            if let Err(error) = door.clone().serve(&socket, closed.clone()).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "`countersign upgrade` cannot ask this program; SIGUSR2 can"
                );
            }
        };
        let work = async {
            let stopped = async {
                stop.cancelled().await;
                // Who took over is told of before the end.
                if handed.is_over() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = self.upgrades(&door, asked, handed) => {}
                () = stopped => {}
            }
            closed.cancel();
        };
        tokio::join!(served, work);
    }

    async fn upgrades(&mut self, door: &Door, mut asked: mpsc::Receiver<Ask>, handed: &Handed) {
        while !handed.is_over() {
            let ask = tokio::select! {
                Some(ask) = asked.recv() => Some(ask),
                Some(()) = self.signal.recv() => None,
                // Somebody started another one by hand.
                () = handed.over() => return,
            };
            door.begins();
            notify::status("upgrading");
            let outcome = self.upgrade(handed).await;
            match &outcome {
                Ok(version) => tracing::info!(version, "upgraded; this program ends its logins"),
                Err(failure) => {
                    notify::status("serving");
                    tracing::error!(%failure, "not upgraded");
                }
            }
            door.ends(&outcome);
            // Who asked may have gone.
            drop(ask.map(|ask| ask.send(outcome)));
        }
    }

    async fn upgrade(&self, handed: &Handed) -> Result<String, Failure> {
        notify::may_be_replaced()
            .map_err(|bound| Failure::plain(format!("{}; this one serves on", bound.why())))?;
        let version = self.program.tried().await?;
        tracing::info!(version, program = %self.program.path(), "upgrading");
        let mut command = tokio::process::Command::from(self.program.again(&["--take-over"]));
        let started = command.stdin(Stdio::null()).spawn();
        let mut child = started.map_err(|error| {
            Failure::new(format!("cannot start {}", self.program.path()), &error).into_unfit()
        })?;
        let pid = child.id();
        let why = tokio::select! {
            () = handed.over() => {
                if let Some(pid) = pid {
                    notify::main_pid(pid);
                }
                asked_elsewhere(&self.data.upgrade_socket(Some(self.role))).await;
                return Ok(version);
            }
            ended = child.wait() => match ended {
                Ok(status) => format!("ended with {status}; its log says why"),
                Err(error) => format!("is not heard of: {error}"),
            },
            () = tokio::time::sleep(LONGEST) => {
                drop(child.kill().await);
                format!("did not take over within {LONGEST:?}")
            }
        };
        Err(Failure::unfit(format!(
            "version {version} {why}; this one serves on"
        )))
    }
}

/// How long the new program may take until it serves.
const LONGEST: Duration = Duration::from_secs(90);

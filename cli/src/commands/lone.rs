//! A role by itself makes place for the program that lies on the disk: it starts that one, which takes
//! over, and then only ends what it has under way.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use proto::child::Role;
use tokio::process::Child;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::upgrade::{Ask, Door, Standing, asked_elsewhere, is_elsewhere};
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

/// How a term ended.
enum Term {
    /// The role has, or another process has taken over: the one that was started for that, if it was this
    /// process that did.
    Over(Option<Child>),
    /// Another process had taken over and is gone, and this one does not serve either.
    Gone(Failure),
}

/// How an upgrade went.
enum Upgraded {
    Done(String, Child),
    /// Why not; this one serves on.
    No(Failure),
    /// Why nobody serves any more.
    Gone(Failure),
}

impl Lone {
    /// Upgrades when asked, until the role has ended. Meanwhile another process may take over, and this
    /// one serve again where that one is gone before.
    ///
    /// # Errors
    /// The one that took over is gone, and this one does not serve again: whoever looks after the service
    /// is to start it anew.
    pub(crate) async fn serve(
        mut self,
        handed: Handed,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            let mut successor = match self.one_term(&handed, &stop).await {
                Term::Over(successor) => successor,
                Term::Gone(failure) => return Err(failure),
            };
            if stop.is_cancelled() && successor.is_none() {
                return Ok(());
            }
            let gone = tokio::select! {
                biased;
                () = handed.back() => {
                    notify::main_pid(std::process::id());
                    continue;
                }
                gone = self.gone(successor.as_mut()) => Some(gone),
                () = stop.cancelled() => self.is_gone(successor.as_mut()).await,
            };
            match gone {
                Some(gone) => self.left_alone(&gone, &handed, &stop).await?,
                None => return Ok(()),
            }
        }
    }

    /// To the end, or until another process has taken over.
    async fn one_term(&mut self, handed: &Handed, stop: &CancellationToken) -> Term {
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
            let term = tokio::select! {
                term = self.upgrades(&door, asked, handed, stop) => term,
                () = stopped => Term::Over(None),
            };
            closed.cancel();
            term
        };
        tokio::join!(served, work).1
    }

    async fn upgrades(
        &mut self,
        door: &Door,
        mut asked: mpsc::Receiver<Ask>,
        handed: &Handed,
        stop: &CancellationToken,
    ) -> Term {
        while !handed.is_over() {
            let ask = tokio::select! {
                Some(ask) = asked.recv() => Some(ask),
                Some(()) = self.signal.recv() => None,
                // Somebody started another one by hand.
                () = handed.over() => break,
            };
            door.begins();
            notify::status("upgrading");
            let upgraded = self.upgrade(handed, stop).await;
            let outcome = match &upgraded {
                Upgraded::Done(version, _) => {
                    tracing::info!(version, "upgraded; this program ends its logins");
                    Ok(version.clone())
                }
                Upgraded::No(failure) | Upgraded::Gone(failure) => {
                    notify::status("serving");
                    tracing::error!(%failure, "not upgraded");
                    Err(failure.clone())
                }
            };
            door.ends(&outcome);
            // Who asked may have gone.
            drop(ask.map(|ask| ask.send(outcome)));
            match upgraded {
                Upgraded::Done(_, successor) => return Term::Over(Some(successor)),
                Upgraded::No(_) => {}
                Upgraded::Gone(failure) => return Term::Gone(failure),
            }
        }
        Term::Over(None)
    }

    async fn upgrade(&self, handed: &Handed, stop: &CancellationToken) -> Upgraded {
        let (version, mut child) = match self.started().await {
            Ok(started) => started,
            Err(failure) => return Upgraded::No(failure),
        };
        let why = tokio::select! {
            biased;
            () = handed.over() => return self.handed_to(version, child, handed, stop).await,
            ended = child.wait() => match ended {
                Ok(status) => format!("ended with {status}; its log says why"),
                Err(error) => format!("is not heard of: {error}"),
            },
            () = tokio::time::sleep(LONGEST) => {
                drop(child.kill().await);
                format!("did not take over within {LONGEST:?}")
            }
        };
        // What it said last may be read later than its end is known.
        let taken = tokio::time::timeout(LAST_WORD, handed.over()).await;
        if taken.is_ok() {
            return self.handed_to(version, child, handed, stop).await;
        }
        let why = format!("version {version} {why}; this one serves on");
        Upgraded::No(Failure::unfit(why))
    }

    /// Starts what lies on the disk, which is to take over. Gives its version.
    async fn started(&self) -> Result<(String, Child), Failure> {
        notify::may_be_replaced()
            .map_err(|bound| Failure::plain(format!("{}; this one serves on", bound.why())))?;
        let version = self.program.tried().await?;
        tracing::info!(version, program = %self.program.path(), "upgrading");
        let mut command = tokio::process::Command::from(self.program.again(&["--take-over"]));
        let started = command.stdin(Stdio::null()).spawn();
        let child = started.map_err(|error| {
            Failure::new(format!("cannot start {}", self.program.path()), &error).into_unfit()
        })?;
        Ok((version, child))
    }

    /// Makes sure that the one that has taken over can be asked for the next upgrade, or is gone.
    async fn handed_to(
        &self,
        version: String,
        mut child: Child,
        handed: &Handed,
        stop: &CancellationToken,
    ) -> Upgraded {
        if let Some(pid) = child.id() {
            notify::main_pid(pid);
        }
        let socket = self.data.upgrade_socket(Some(self.role));
        let gone = tokio::select! {
            biased;
            () = handed.back() => {
                notify::main_pid(std::process::id());
                None
            }
            gone = self.gone(Some(&mut child)) => Some(gone),
            () = asked_elsewhere(&socket) => return Upgraded::Done(version, child),
        };
        if let Some(gone) = gone
            && let Err(failure) = self.left_alone(&gone, handed, stop).await
        {
            return Upgraded::Gone(failure);
        }
        Upgraded::No(Failure::unfit(format!(
            "version {version} took over and is gone; this one serves again"
        )))
    }

    /// Waits until the one that took over has ended by a fault, with nobody else in its place. Gives how.
    async fn gone(&self, successor: Option<&mut Child>) -> String {
        if let Some(successor) = successor
            && let Ok(status) = successor.wait().await
            && let Some(gone) = self.fate(status).await
        {
            return gone;
        }
        std::future::pending().await
    }

    /// The same, as it is by now.
    async fn is_gone(&self, successor: Option<&mut Child>) -> Option<String> {
        let status = successor?.try_wait().ok()??;
        self.fate(status).await
    }

    /// Whether the end of the one that took over is the end of the service, and how it ended: not where it
    /// was told to end, nor where others have taken over from it.
    async fn fate(&self, status: ExitStatus) -> Option<String> {
        let socket = self.data.upgrade_socket(Some(self.role));
        let over = status.success() || is_elsewhere(&socket).await;
        (!over).then(|| status.to_string())
    }

    /// This process is all that is left of the service: until it serves again, or has ended as well.
    async fn left_alone(
        &self,
        gone: &str,
        handed: &Handed,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        notify::main_pid(std::process::id());
        tokio::select! {
            biased;
            () = handed.back() => Ok(()),
            () = stop.cancelled() => Err(Failure::plain(format!(
                "the {} that had taken over is gone ({gone}), and nobody serves; it is to be started anew",
                self.role
            ))),
        }
    }
}

/// How long the new program may take until it serves: more than any hand-over may.
const LONGEST: Duration = Duration::from_secs(100);
/// How long it may take until what a process said before its end is read.
const LAST_WORD: Duration = Duration::from_secs(1);

//! The signals of a gateway, of which none is lost or deadly while it becomes another program: they are
//! kept waiting (sigprocmask(2)) from before execve(2) until the next program listens.

use nix::sys::signal::{SigSet, Signal as Kind, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// What a gateway listens for.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hang_up: Signal,
    /// Log files were moved.
    pub(super) user: Signal,
    pub(super) upgrade: Signal,
}

impl Signals {
    /// Listens for them from now on; what waited comes now. For the thread that is to run the gateway.
    pub(super) fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals", &error));
        let signals = Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            user: listen(SignalKind::user_defined1())?,
            upgrade: listen(SignalKind::user_defined2())?,
        };
        // Whoever started this program may have kept them from it.
        release().map_err(|error| Failure::new("cannot listen for signals", &error))?;
        Ok(signals)
    }

    /// Keeps what comes from now on waiting. True when the end was asked for before that.
    pub(super) async fn hold(&mut self) -> nix::Result<bool> {
        hold()?;
        // What was handled before is known after one turn of the runtime.
        tokio::task::yield_now().await;
        Ok(tokio::select! {
            biased;
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
            () = std::future::ready(()) => false,
        })
    }

    /// What was begun, as it is. Where that failed, what comes from now on waits, and what came before
    /// does again: for the program of before, which this process may become.
    pub(super) async fn or_wait<T>(&mut self, begun: Result<T, Failure>) -> Result<T, Failure> {
        if begun.is_err() && hold().is_ok() {
            // As in `hold`.
            tokio::task::yield_now().await;
            for (signal, kind) in [
                (&mut self.terminate, Kind::SIGTERM),
                (&mut self.interrupt, Kind::SIGINT),
                (&mut self.hang_up, Kind::SIGHUP),
                (&mut self.user, Kind::SIGUSR1),
                (&mut self.upgrade, Kind::SIGUSR2),
            ] {
                let came = tokio::select! {
                    biased;
                    _ = signal.recv() => true,
                    () = std::future::ready(()) => false,
                };
                if came {
                    // A process may signal itself.
                    let _ = kill(Pid::this(), kind);
                }
            }
        }
        begun
    }
}

/// Does this so that no thread that it starts ever hears them: what another thread than the main one takes
/// is lost when this process becomes another program.
pub(crate) fn unheard<T>(work: impl FnOnce() -> T) -> T {
    let before = SigSet::thread_get_mask();
    // These calls fail for wrong arguments alone.
    let _ = hold();
    let done = work();
    let _ = before.and_then(|before| before.thread_set_mask());
    done
}

/// Keeps them from this thread and from those that it starts from now on. They wait, also for the program
/// that this process may become.
pub(crate) fn hold() -> nix::Result<()> {
    held().thread_block()
}

/// Lets them come to this thread again.
pub(super) fn release() -> nix::Result<()> {
    held().thread_unblock()
}

fn held() -> SigSet {
    KINDS.into_iter().collect()
}

const KINDS: [Kind; 5] = [
    Kind::SIGTERM,
    Kind::SIGINT,
    Kind::SIGHUP,
    Kind::SIGUSR1,
    Kind::SIGUSR2,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_started_unheard_hears_none() {
        let blocked = || {
            let mask = SigSet::thread_get_mask().unwrap();
            KINDS.map(|kind| mask.contains(kind))
        };
        let before = blocked();
        let thread = unheard(|| std::thread::spawn(blocked));
        assert_eq!(thread.join().unwrap(), [true; KINDS.len()]);
        assert_eq!(blocked(), before);
        assert_eq!(before, [false; KINDS.len()]);
    }
}

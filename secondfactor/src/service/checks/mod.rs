//! The queue of passcodes: one task takes all that wait, checks them in one transaction, and answers
//! when that is on the disk. Each is good once and guesses are counted one after the other, as if
//! each had a transaction of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Allowed, Service};
use crate::admin::{AllowedFactor, IncidentKind};
use crate::clock;
use crate::holdings::{Attempt, Changes, Checked, bypass_place};
use crate::metrics::PasscodeBound;
use crate::rate::Allowance;
use crate::store::{NewIncident, Store, StoreError};
use crate::vault::Vault;
use crate::verdict::Verdict;

/// What waits to be checked.
pub(super) struct Checks {
    waiting: mpsc::Sender<Check>,
    /// Taken by the one task that checks.
    queue: Mutex<Option<mpsc::Receiver<Check>>>,
}

impl Default for Checks {
    fn default() -> Self {
        let (waiting, queue) = mpsc::channel(MAX_WAITING);
        Self {
            waiting,
            queue: Mutex::new(Some(queue)),
        }
    }
}

/// A passcode that somebody typed.
pub(super) struct Typed<'a> {
    /// Empty is nobody: what was typed waits with the others all the same, and is refused with them where there
    /// is too much to do, so that a name that is there and one that is not look alike.
    pub(super) user_id: &'a str,
    /// The user's name.
    pub(super) user: &'a str,
    pub(super) passcode: &'a str,
    pub(super) accepted: Allowed,
    /// Whether a wrong one counts towards a lockout.
    pub(super) counted: bool,
    /// What it was typed for; empty where that is no application.
    pub(super) application: &'a str,
    /// Where from; may be empty.
    pub(super) ip: &'a str,
}

/// A passcode and who waits for what becomes of it.
struct Check {
    user_id: String,
    /// The user's name.
    user: Box<str>,
    passcode: Zeroizing<String>,
    accepted: Allowed,
    counted: bool,
    application: Box<str>,
    ip: Box<str>,
    /// Until when it is worth looking at it.
    until: Instant,
    answer: oneshot::Sender<Result<Checked, StoreError>>,
}

impl Service {
    /// Has a passcode checked and used up, with those of others.
    pub(super) async fn queue_check(&self, typed: Typed<'_>) -> Result<Checked, StoreError> {
        let (answer, answered) = oneshot::channel();
        let check = Check {
            user_id: typed.user_id.to_owned(),
            user: typed.user.into(),
            passcode: Zeroizing::new(typed.passcode.to_owned()),
            accepted: typed.accepted,
            counted: typed.counted,
            application: typed.application.into(),
            ip: typed.ip.into(),
            until: Instant::now() + LONGEST_WAIT,
            answer,
        };
        match self.checks.waiting.try_send(check) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.metrics.passcode_refused(PasscodeBound::Service);
                return Err(StoreError::Overloaded);
            }
        }
        // Gone without an answer: it was not looked at, or nothing of it was kept.
        answered.await.unwrap_or(Err(StoreError::Overloaded))
    }

    /// Checks what comes, until the token is cancelled: nobody may wait any more then.
    pub(crate) async fn check_passcodes(&self, ended: CancellationToken) {
        let queue = self.checks.queue.lock();
        let Some(mut queue) = queue.unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let mut checks = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = queue.recv_many(&mut checks, MAX_TOGETHER) => {}
                () = ended.cancelled() => return,
            }
            self.check_together(std::mem::take(&mut checks)).await;
        }
    }

    async fn check_together(&self, mut checks: Vec<Check>) {
        let now = Instant::now();
        checks.retain(|check| !check.answer.is_closed());
        let (late, checks): (Vec<_>, Vec<_>) =
            checks.into_iter().partition(|check| check.until <= now);
        for check in late {
            self.metrics.passcode_refused(PasscodeBound::Service);
            answer(check, Err(StoreError::Overloaded));
        }
        match self.tried(&checks).await {
            Ok(done) => {
                for (check, checked) in checks.into_iter().zip(done) {
                    answer(check, Ok(checked));
                }
            }
            Err(error) if error.is_overload() || checks.len() == 1 => {
                let error = Arc::new(error);
                for check in checks {
                    answer(check, Err(StoreError::Together(Arc::clone(&error))));
                }
            }
            // Nothing was kept. What cannot be read of one user is no fault of the others.
            Err(_) => {
                for check in checks {
                    let done = self.tried(std::slice::from_ref(&check)).await;
                    let first = |done: Vec<Checked>| done.into_iter().next();
                    let checked = done.and_then(|done| first(done).ok_or(StoreError::Overloaded));
                    answer(check, checked);
                }
            }
        }
    }

    /// What becomes of each, once that is kept.
    async fn tried(&self, checks: &[Check]) -> Result<Vec<Checked>, StoreError> {
        let tries = checks.iter().map(|check| Try {
            user_id: &check.user_id,
            passcode: &check.passcode,
            accepted: check.accepted,
            counted: check.counted,
        });
        let tries: Vec<_> = tries.collect();
        let (lockout_after, now) = (self.rules.lockout_after, Instant::now());
        let tried = try_all(&self.store, &self.vault, &tries, lockout_after).await?;
        for lookup in tried.outdated {
            self.forget_account(&lookup);
        }
        for check in tried.locked_out.iter().filter_map(|at| checks.get(*at)) {
            self.metrics.lockouts.inc();
            self.refuse_pushes(Verdict::LockedOut, |push| *push.user_id == *check.user_id);
            self.report(of_check(IncidentKind::LockedOut, check));
        }
        for (check, checked) in checks.iter().zip(&tried.done) {
            let again = checked.verdict == Verdict::UsedPasscode;
            // Once in a while: who has a used passcode fills no list.
            if again && self.replay_rate.take(&check.user_id, now).is_ok() {
                self.report(of_check(IncidentKind::Replay, check));
            }
        }
        Ok(tried.done)
    }
}

/// A passcode that is tried.
#[derive(Clone, Copy)]
struct Try<'a> {
    user_id: &'a str,
    passcode: &'a str,
    accepted: Allowed,
    /// Whether a wrong one counts towards a lockout.
    counted: bool,
}

/// What became of them.
struct Tried {
    /// As many as there were tries.
    done: Vec<Checked>,
    /// Users of whom more changed than what is read from the database wherever it counts.
    outdated: Vec<String>,
    /// Which of them locked their user out.
    locked_out: Vec<usize>,
}

/// Tries passcodes one after the other, in one transaction. All of it is kept, or nothing.
async fn try_all(
    store: &Store,
    vault: &Vault,
    tries: &[Try<'_>],
    lockout_after: u32,
) -> Result<Tried, StoreError> {
    let mut ids: Vec<&str> = tries.iter().map(|check| check.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut tx = store.write().await?;
    // As it is now: other guesses may have come before these.
    let mut all = store.holdings(&mut tx, vault, &ids).await?;
    let mut changes = Changes::default();
    let mut tried = Tried {
        done: Vec::with_capacity(tries.len()),
        outdated: Vec::new(),
        locked_out: Vec::new(),
    };
    let now_ms = clock::unix_ms();
    for (at, check) in tries.iter().enumerate() {
        let Some(holdings) = all.get_mut(check.user_id) else {
            tried.done.push(Checked::ended(Verdict::Disabled));
            continue;
        };
        let attempt = Attempt {
            passcode: check.passcode,
            hash: &vault.hash(&bypass_place(check.user_id), check.passcode),
            accepted: check.accepted,
            now_ms,
            lockout_after: check.counted.then_some(lockout_after),
        };
        let (status, unanswered) = (holdings.user.status, holdings.user.unanswered);
        let checked = holdings.check(&attempt, &mut changes);
        let user = &holdings.user;
        let fewer = !matches!(checked.used, None | Some(AllowedFactor::Passcode));
        if fewer || user.status != status || user.unanswered != unanswered {
            tried.outdated.push(user.lookup.clone());
        }
        if user.status != status {
            tried.locked_out.push(at);
        }
        tried.done.push(checked);
    }
    store.keep_changes(&mut tx, &changes).await?;
    tx.commit().await?;
    Ok(tried)
}

/// An incident with a passcode.
fn of_check(kind: IncidentKind, check: &Check) -> NewIncident {
    NewIncident {
        kind,
        user: check.user.clone(),
        application: check.application.clone(),
        ip: check.ip.clone(),
        detail: match &*check.application {
            "" => "at the page for one's own devices".into(),
            _ => "".into(),
        },
    }
}

fn answer(check: Check, checked: Result<Checked, StoreError>) {
    // Who has gone meanwhile needs none.
    drop(check.answer.send(checked));
}

/// The most passcodes that wait; the next one is refused.
const MAX_WAITING: usize = 4_096;

/// The most that are checked in one transaction.
const MAX_TOGETHER: usize = 256;

/// How long one waits at most; then it is refused without a look. Callers give up soon after.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often it is told of a user that a passcode came a second time.
pub(super) const REPLAY_RATE: Allowance = Allowance {
    at_once: 1,
    each: Duration::from_secs(600),
    known: 100_000,
};

#[cfg(test)]
mod tests;

//! What is written down after something was decided: approvals and pushes that nobody approved, what is
//! remembered, incidents. Nobody waits for it, and many are written together. What cannot be written now
//! is tried again for a while. No login waits for it; what must hold at once is written before the answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Service;
use super::directory::new_id;
use super::risk::Streak;
use crate::account::{Account, lookup_key};
use crate::admin::{IncidentKind, NewUserPolicy, UserStatus, UsernameNormalization};
use crate::clock;
use crate::gate::Inside;
use crate::push::Push;
use crate::store::{NewIncident, Place, StoreError, Transaction};
use crate::verdict::Verdict;

/// The queue of what is to be written.
pub(super) struct Notes {
    queue: mpsc::Sender<Queued>,
    /// Until somebody writes.
    unwritten: Mutex<Option<Unwritten>>,
    missed: Arc<AllMissed>,
}

/// The other end of the queue.
pub(crate) struct Unwritten(mpsc::Receiver<Queued>);

struct Queued {
    note: Note,
    at_ms: u64,
    /// A handover waits for what follows from a change.
    inside: Option<Inside>,
}

enum Note {
    Ended(Ended),
    Passed(Login),
    Incident(NewIncident),
    /// A bypass is over.
    Over {
        user_id: Box<str>,
        lookup: Box<str>,
    },
}

/// A push that ended.
struct Ended {
    login: Login,
    verdict: Verdict,
    /// Whether it may let in again.
    remembered: Remembering,
    /// Where nobody approved it.
    missed: Option<Missed>,
}

/// How many pushes and calls of each user, by its id, nobody approved that are not written down yet. As
/// many as notes wait at the most.
#[derive(Default)]
struct AllMissed(Mutex<HashMap<Box<str>, u32>>);

impl AllMissed {
    fn table(&self) -> MutexGuard<'_, HashMap<Box<str>, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, until it is written down or lost.
struct Missed {
    all: Arc<AllMissed>,
    user_id: Box<str>,
    settled: AtomicBool,
}

impl Missed {
    fn of(user_id: &str, all: &Arc<AllMissed>) -> Self {
        let count = |count: &mut u32| *count = count.saturating_add(1);
        all.table()
            .entry(user_id.into())
            .and_modify(count)
            .or_insert(1);
        Self {
            all: Arc::clone(all),
            user_id: user_id.into(),
            settled: AtomicBool::new(false),
        }
    }

    fn settle(&self) {
        if self.settled.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut table = self.all.table();
        match table.get_mut(&self.user_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(table.remove(&self.user_id)),
        }
    }
}

impl Drop for Missed {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Whose login it was, and from where.
pub(super) struct Login {
    pub(super) user_id: Box<str>,
    pub(super) user: Box<str>,
    pub(super) application: Arc<str>,
    pub(super) client: Box<str>,
    pub(super) ip: Box<str>,
}

/// Whether an approval may let in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembering {
    /// Where the policy says so.
    ByPolicy,
    /// No: somebody answered in the person's place, for this one login.
    Never,
}

impl Default for Notes {
    fn default() -> Self {
        let (queue, unwritten) = mpsc::channel(MAX_NOTES);
        Self {
            queue,
            unwritten: Mutex::new(Some(Unwritten(unwritten))),
            missed: Arc::default(),
        }
    }
}

impl Service {
    /// Tells an administrator of something. It is in the log as well.
    pub(crate) fn report(&self, incident: NewIncident) {
        self.metrics.incident(incident.kind);
        tracing::warn!(
            kind = incident.kind.as_str(),
            user = &*incident.user,
            application = &*incident.application,
            ip = &*incident.ip,
            "incident"
        );
        self.note(Note::Incident(incident));
    }

    /// A push ended.
    pub(super) fn note_end(&self, push: &Push, verdict: Verdict, remembered: Remembering) {
        let counts = matches!(
            verdict,
            Verdict::Allow | Verdict::Deny | Verdict::Timeout | Verdict::Fraud
        );
        if counts {
            let missed = verdict != Verdict::Allow;
            self.note(Note::Ended(Ended {
                login: Login {
                    user_id: push.user_id.clone(),
                    user: push.user.clone(),
                    application: Arc::clone(&push.application),
                    client: push.details.client.clone(),
                    ip: push.details.ip.clone(),
                },
                verdict,
                remembered,
                missed: missed.then(|| Missed::of(&push.user_id, &self.notes.missed)),
            }));
        }
    }

    /// How many pushes and calls of a user, by its id, nobody approved of which its row does not know yet.
    pub(super) fn missed_of(&self, user_id: &str) -> u32 {
        self.notes.missed.table().get(user_id).copied().unwrap_or(0)
    }

    /// The same, and those that wait.
    pub(crate) fn open_pushes_of(&self, user_id: &str) -> u32 {
        let waiting = self.pushes.of_user(user_id);
        waiting.saturating_add(self.missed_of(user_id))
    }

    /// A passcode was good, and may be remembered.
    pub(super) fn note_pass(&self, login: Login) {
        self.note(Note::Passed(login));
    }

    /// A bypass is over. Whoever reads it knows that by its time.
    pub(super) fn note_over(&self, account: &Account) {
        self.note(Note::Over {
            user_id: account.id.as_str().into(),
            lookup: account.lookup.as_str().into(),
        });
    }

    fn note(&self, note: Note) {
        let queued = Queued {
            note,
            at_ms: clock::unix_ms(),
            inside: self.gate.follow(),
        };
        if self.notes.queue.try_send(queued).is_err() {
            self.metrics.notes_dropped.inc();
        }
    }

    /// Writes what there is to be written, until it is told that all is over; the rest is given back.
    pub(crate) async fn write_notes(&self, over: &CancellationToken) -> Option<Unwritten> {
        let unwritten = self.notes.unwritten.lock();
        let unwritten = unwritten.unwrap_or_else(PoisonError::into_inner).take();
        let mut unwritten = unwritten?;
        let mut some = Vec::new();
        loop {
            tokio::select! {
                count = unwritten.0.recv_many(&mut some, AT_ONCE) => {
                    if count == 0 {
                        return None;
                    }
                    self.write_some(std::mem::take(&mut some), over).await;
                }
                () = over.cancelled() => return Some(unwritten),
            }
        }
    }

    /// Writes what is left, when nothing can come any more.
    pub(crate) async fn write_rest(&self, Unwritten(mut unwritten): Unwritten) {
        let over = CancellationToken::new();
        over.cancel();
        loop {
            let mut some = Vec::new();
            while some.len() < AT_ONCE
                && let Ok(queued) = unwritten.try_recv()
            {
                some.push(queued);
            }
            if some.is_empty() {
                return;
            }
            self.write_some(some, &over).await;
        }
    }

    async fn write_some(&self, mut some: Vec<Queued>, over: &CancellationToken) {
        // What timed out while another process took over is its own to write, or nobody's.
        let before = some.len();
        for queued in &mut some {
            queued.inside = queued.inside.take().or_else(|| self.gate.follow());
        }
        some.retain(|queued| queued.inside.is_some());
        let mut dropped = before - some.len();
        if let Err(error) = self.write_in_time(&some, over).await {
            // What cannot be written of one user is no fault of the others.
            let mut lost = some.len();
            if !error.may_pass() && lost > 1 {
                for queued in some.chunks(1) {
                    lost -= usize::from(self.write_in_time(queued, over).await.is_ok());
                }
            }
            dropped += lost;
            tracing::error!(
                error = &error as &dyn std::error::Error,
                count = lost,
                "what was decided is not written down"
            );
        }
        let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
        self.metrics.notes_dropped.inc_by(dropped);
    }

    /// Tries again while the database is busy or full, but not when that holds up the end or a handover.
    async fn write_in_time(
        &self,
        some: &[Queued],
        over: &CancellationToken,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + TRIED_FOR;
        loop {
            let done = self.write_all(some).await;
            let leaving = self.gate.leaving();
            let waits = Instant::now() < until && !over.is_cancelled() && !leaving.is_cancelled();
            match done {
                Err(error) if error.may_pass() && waits => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    count = some.len(),
                    "what was decided is not written down yet"
                ),
                done => return done,
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = over.cancelled() => {}
                () = leaving.cancelled() => {}
            }
        }
    }

    async fn write_all(&self, some: &[Queued]) -> Result<(), StoreError> {
        if some.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        let (mut remembered, mut incidents) = (false, false);
        let mut began = Vec::new();
        for queued in some {
            let now_ms = queued.at_ms;
            match &queued.note {
                Note::Incident(incident) => {
                    self.store
                        .insert_incident(&mut tx, incident, now_ms)
                        .await?;
                    incidents = true;
                }
                Note::Over { user_id, .. } => {
                    self.store.end_bypass(&mut tx, user_id, now_ms).await?;
                }
                Note::Passed(login) => {
                    remembered |= self.remember(&mut tx, login, now_ms).await?;
                }
                Note::Ended(ended) if ended.verdict == Verdict::Allow => {
                    self.store
                        .approved(&mut tx, &ended.login.user_id, now_ms)
                        .await?;
                    if ended.remembered == Remembering::ByPolicy {
                        remembered |= self.remember(&mut tx, &ended.login, now_ms).await?;
                    }
                }
                Note::Ended(ended) => began.extend(self.missed(&mut tx, ended, now_ms).await?),
            }
        }
        if remembered {
            self.store
                .trim_remembered(&mut tx, clock::unix_ms())
                .await?;
        }
        if incidents {
            self.store.trim_incidents(&mut tx).await?;
        }
        tx.commit().await?;
        for queued in some {
            match &queued.note {
                Note::Ended(Ended { login, missed, .. }) => {
                    if let Some(missed) = missed {
                        missed.settle();
                    }
                    self.forget_account(&lookup_key(&login.user, UsernameNormalization::None));
                }
                Note::Over { lookup, .. } => self.forget_account(lookup),
                Note::Passed(_) | Note::Incident(_) => {}
            }
        }
        for incident in began {
            self.report(incident);
        }
        Ok(())
    }

    /// Counts a push or a call that nobody approved; the incident, where with it they are too many.
    async fn missed(
        &self,
        tx: &mut Transaction,
        ended: &Ended,
        now_ms: u64,
    ) -> Result<Option<NewIncident>, StoreError> {
        let login = &ended.login;
        if ended.verdict == Verdict::Fraud {
            self.store
                .forget_remembered_in(tx, &login.user_id, now_ms)
                .await?;
        }
        let Some(account) = self.store.account_in(tx, &login.user_id).await? else {
            return Ok(None);
        };
        let conditions = self.conditions_of(login, &account);
        let (streak, begins) = Streak::of(&account).one_more(&conditions, now_ms);
        self.store
            .set_unanswered(tx, &account.id, (streak.count, streak.last_ms))
            .await?;
        let detail = format!(
            "{} pushes or calls in a row were not approved",
            streak.count
        );
        Ok(begins.then(|| NewIncident {
            kind: IncidentKind::PushFatigue,
            user: login.user.clone(),
            application: login.application.as_ref().into(),
            ip: login.ip.clone(),
            detail: detail.into(),
        }))
    }

    /// Remembers an approval, where the policy says so; whether it did.
    async fn remember(
        &self,
        tx: &mut Transaction,
        login: &Login,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        if login.client.is_empty() || login.ip.is_empty() {
            return Ok(false);
        }
        let account = self.store.account_in(tx, &login.user_id).await?;
        let active = |account: &Account| account.status_at(now_ms) == UserStatus::Active;
        let Some(account) = account.filter(active) else {
            return Ok(false);
        };
        let window_ms = self.conditions_of(login, &account).remember_ms;
        if window_ms == 0 {
            return Ok(false);
        }
        let place = Place {
            user_id: &login.user_id,
            application: &login.application,
            client: &login.client,
            station: &login.ip,
        };
        let lives = (now_ms, now_ms.saturating_add(window_ms));
        self.store.remember(tx, &new_id("RM")?, place, lives).await
    }

    fn conditions_of(&self, login: &Login, account: &Account) -> super::policy::Conditions {
        // What becomes of new users does not matter here.
        let policies = self.policies();
        policies.conditions(&login.application, &account.groups, NewUserPolicy::Enroll)
    }
}

/// The most notes that wait to be written; the next one is dropped and counted. As many as pushes that may
/// wait, which can all end at once, and some more.
const MAX_NOTES: usize = 65_536;

/// How many are written together at the most.
const AT_ONCE: usize = 512;

/// How long what cannot be written is tried again, and how often.
const TRIED_FOR: Duration = Duration::from_secs(300);
const AGAIN_AFTER: Duration = Duration::from_secs(1);

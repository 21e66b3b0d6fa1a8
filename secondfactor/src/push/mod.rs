//! The authentications that wait for a person, and those that ended a moment ago.
//!
//! In memory only: what waits outlives the process only by being handed to the next (`handed`).
//! Nothing here knows HTTP or SQL. Time is an argument, but for the one task that waits for what is
//! due.

mod handed;
mod number;
mod watch;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Application, Device};
use crate::clock::{self, NoRandomness};
use crate::verdict::{Asked, Verdict};
pub(crate) use handed::{Ended, Exported, TOLD, Waits};
pub(crate) use number::{NUMBER_SECONDS, NoNumber, Number};
pub(crate) use watch::MAX_WATCHERS;

/// A transaction's id: a UUID of version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Txid(u128);

impl Txid {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let random = u128::from_be_bytes(clock::random::<16>()?);
        let version = 0xf_u128 << 76;
        let variant = 0b11_u128 << 62;
        Ok(Self(
            (random & !version & !variant) | (4 << 76) | (0b10 << 62),
        ))
    }

    /// Reads the form that [`fmt::Display`] writes; none for any other.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.split('-').collect();
        let id = Self(u128::from_str_radix(&digits, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for Txid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |shift: u32, mask: u128| (self.0 >> shift) & mask;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            group(96, 0xffff_ffff),
            group(80, 0xffff),
            group(64, 0xffff),
            group(48, 0xffff),
            group(0, 0xffff_ffff_ffff),
        )
    }
}

impl From<Txid> for String {
    fn from(txid: Txid) -> Self {
        txid.to_string()
    }
}

impl TryFrom<String> for Txid {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no transaction's id")
    }
}

/// What a person is told about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    pub(crate) ip: Box<str>,
    /// The RADIUS client, as the application names it.
    #[serde(default)]
    pub(crate) client: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) display_name: Box<str>,
    /// Names and values, in the order given.
    pub(crate) info: Box<[(Box<str>, Box<str>)]>,
}

/// A request to a person.
pub(crate) struct Push {
    pub(crate) txid: Txid,
    /// The application's name.
    pub(crate) application: Arc<str>,
    pub(crate) user_id: Box<str>,
    /// The user's name.
    pub(crate) user: Box<str>,
    /// The device's id.
    pub(crate) device: Arc<str>,
    pub(crate) asked: Asked,
    pub(crate) details: Details,
    pub(crate) sent: Instant,
    /// What the login shows, and who approves must type.
    number: Option<Number>,
    polled: AtomicBool,
    /// Whether the call was picked up.
    answered: AtomicBool,
    /// Whether somebody was told so.
    told: AtomicBool,
    verdict: OnceLock<Verdict>,
    changed: Notify,
}

impl Push {
    /// A request that nobody has seen yet.
    pub(crate) fn new(
        parties: (Arc<Application>, Arc<Account>, Arc<Device>),
        asked: Asked,
        details: Details,
        now: Instant,
    ) -> Result<Self, NoRandomness> {
        let (application, account, device) = parties;
        Ok(Self {
            txid: Txid::random()?,
            application: Arc::clone(&application.name),
            user_id: account.id.as_str().into(),
            user: account.name.as_str().into(),
            device: Arc::clone(&device.id),
            asked,
            details,
            sent: now,
            number: None,
            polled: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            told: AtomicBool::new(false),
            verdict: OnceLock::new(),
            changed: Notify::new(),
        })
    }

    /// The same under an id that [`Txid::numbered`] made: who approves must type its number.
    pub(crate) fn with_number(self, txid: Txid, number: Number) -> Self {
        Self {
            txid,
            number: Some(number),
            ..self
        }
    }

    /// Whether who approves must type the number that the login shows.
    pub(crate) const fn needs_number(&self) -> bool {
        self.number.is_some()
    }

    /// Whether this may be approved by a person who typed this.
    pub(crate) fn takes(&self, typed: Option<&str>) -> bool {
        self.number
            .is_none_or(|number| typed.is_some_and(|typed| number.is(typed)))
    }

    /// Whether who asks for its state now hears something new: it is the first time, or the call was
    /// picked up meanwhile.
    pub(crate) fn is_news(&self) -> bool {
        let first = !self.polled.swap(true, Ordering::Relaxed);
        first || (self.answered.load(Ordering::Relaxed) && !self.told.load(Ordering::Relaxed))
    }

    /// Notes that the call was picked up, and tells who waits.
    pub(crate) fn set_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// `status` and `status_msg` while it waits.
    pub(crate) fn progress(&self) -> (&'static str, &'static str) {
        match self.asked {
            Asked::Phone if self.answered.load(Ordering::Relaxed) => {
                self.told.store(true, Ordering::Relaxed);
                ("answered", "Answered. Press '#' on your phone to log in.")
            }
            asked => (asked.status(), asked.text()),
        }
    }

    /// How it ended; none while it waits.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict.get().copied()
    }

    /// Waits for its end, or until the time given or a token is cancelled; none when it waits still.
    pub(crate) async fn ended(&self, until: Instant, over: &CancellationToken) -> Option<Verdict> {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // Before the look: an end between the look and the wait wakes it too.
        changed.as_mut().enable();
        if let Some(verdict) = self.verdict() {
            return Some(verdict);
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(until) => {}
            () = over.cancelled() => {}
        }
        self.verdict()
    }
}

/// What a transaction id stands for.
pub(crate) enum Found {
    /// It waits.
    Waiting(Arc<Push>),
    /// It ended.
    Ended(Verdict),
}

/// When a request ends by itself, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) after: Duration,
    pub(crate) verdict: Verdict,
}

/// All transactions of the service.
#[derive(Default)]
pub(crate) struct Pushes {
    table: Mutex<Table>,
    sooner: Notify,
}

#[derive(Default)]
struct Table {
    waiting: HashMap<Txid, Waiting>,
    due: BTreeSet<(Instant, Txid)>,
    by_device: BTreeSet<(Arc<str>, Txid)>,
    /// How many wait of each user, by its id.
    by_user: HashMap<Box<str>, u32>,
    ended: HashMap<Txid, (Arc<str>, Verdict)>,
    ended_order: VecDeque<(Instant, Txid)>,
    /// Whether another process decides, or may be about to: nothing ends by itself.
    paused: bool,
    /// The devices whose pages wait for a change.
    watched: HashMap<Arc<str>, channel::Sender<()>>,
    /// The process before this one, and what it waits to hear of.
    predecessor: Option<handed::Predecessor>,
}

struct Waiting {
    push: Arc<Push>,
    due: Instant,
    verdict: Verdict,
}

/// Why a request is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The table of waiting requests is full, or too many wait on that device.
    Full,
    /// There is one of that id, or was a moment ago.
    Used,
    /// More of its user's would wait than may.
    TooMany,
}

impl Pushes {
    /// Takes a request in, where fewer of its user's wait than `most`, if that is said.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn insert(
        &self,
        push: Push,
        due: Due,
        most: Option<u32>,
    ) -> Result<Arc<Push>, Refused> {
        let push = Arc::new(push);
        let at = push.sent + due.after;
        let mut table = self.table();
        if table.waiting.len() >= MAX_WAITING
            || table.of_device(&push.device).count() >= MAX_WAITING_ON_A_DEVICE
        {
            return Err(Refused::Full);
        }
        if table.knows(push.txid) {
            return Err(Refused::Used);
        }
        // Under the lock: of many that are asked for at once no more go out.
        if most.is_some_and(|most| table.of_user(&push.user_id) >= most) {
            return Err(Refused::TooMany);
        }
        let first = table.due.first().is_none_or(|(first, _)| at < *first);
        table.due.insert((at, push.txid));
        table
            .by_device
            .insert((Arc::clone(&push.device), push.txid));
        table.one_more_of(&push.user_id);
        let waiting = Waiting {
            push: Arc::clone(&push),
            due: at,
            verdict: due.verdict,
        };
        table.waiting.insert(push.txid, waiting);
        table.wake(&push.device);
        drop(table);
        if first {
            self.sooner.notify_one();
        }
        Ok(push)
    }

    /// Takes in what ended before anybody waited.
    pub(crate) fn insert_ended(
        &self,
        txid: Txid,
        owner: &Arc<str>,
        verdict: Verdict,
        now: Instant,
    ) {
        self.table().remember(txid, Arc::clone(owner), verdict, now);
    }

    /// Whether there is such a transaction, or was a moment ago.
    pub(crate) fn knows(&self, txid: Txid) -> bool {
        self.table().knows(txid)
    }

    /// Finds a transaction of the application of a name.
    pub(crate) fn find(&self, txid: Txid, application: &str, now: Instant) -> Option<Found> {
        let mut table = self.table();
        table.forget(now);
        if let Some(waiting) = table.waiting.get(&txid) {
            let own = *waiting.push.application == *application;
            return own.then(|| Found::Waiting(Arc::clone(&waiting.push)));
        }
        let (owner, verdict) = table.ended.get(&txid)?;
        (**owner == *application).then_some(Found::Ended(*verdict))
    }

    /// Ends a request; none when it does not wait, or `which` does not take it.
    pub(crate) fn end(
        &self,
        txid: Txid,
        verdict: Verdict,
        now: Instant,
        which: impl FnOnce(&Push) -> bool,
    ) -> Option<Arc<Push>> {
        let mut table = self.table();
        let push = Arc::clone(
            &table
                .waiting
                .get(&txid)
                .filter(|found| which(&found.push))?
                .push,
        );
        table.end(txid, verdict, now);
        Some(push)
    }

    /// Ends every request that `which` takes, and answers them.
    pub(crate) fn end_all(
        &self,
        verdict: Verdict,
        now: Instant,
        which: impl Fn(&Push) -> bool,
    ) -> Vec<Arc<Push>> {
        let mut table = self.table();
        let all = table.waiting.values().map(|found| &found.push);
        let ended: Vec<_> = all.filter(|push| which(push)).cloned().collect();
        for push in &ended {
            table.end(push.txid, verdict, now);
        }
        ended
    }

    /// What waits on one device, oldest first, at most `most`.
    pub(crate) fn of_device(&self, device: &Arc<str>, most: usize) -> Vec<Arc<Push>> {
        let table = self.table();
        let mut pushes: Vec<_> = table.of_device(device).cloned().collect();
        drop(table);
        pushes.sort_by_key(|push| push.sent);
        pushes.truncate(most);
        pushes
    }

    /// How many of a user's wait, by its id.
    pub(crate) fn of_user(&self, user_id: &str) -> u32 {
        self.table().of_user(user_id)
    }

    /// A request that waits; none when it ended or never was.
    pub(crate) fn get(&self, txid: Txid) -> Option<Arc<Push>> {
        let table = self.table();
        table
            .waiting
            .get(&txid)
            .map(|found| Arc::clone(&found.push))
    }

    /// What waits, oldest first, at most `most`.
    pub(crate) fn list(&self, most: usize) -> Vec<Arc<Push>> {
        let table = self.table();
        let mut pushes: Vec<_> = table
            .waiting
            .values()
            .map(|found| Arc::clone(&found.push))
            .collect();
        drop(table);
        pushes.sort_by_key(|push| push.sent);
        pushes.truncate(most);
        pushes
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.table().waiting.len()
    }

    /// Ends what is due, whenever it is; returns at the shutdown.
    pub(crate) async fn run(&self, shutdown: CancellationToken, ended: impl Fn(&Push, Verdict)) {
        loop {
            let (due, next) = self.table().take_due(Instant::now());
            for (push, verdict) in due {
                ended(&push, verdict);
            }
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.sooner.notified() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing below can panic between two changes that belong together.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What waits on one device, in no order.
    fn of_device(&self, device: &Arc<str>) -> impl Iterator<Item = &Arc<Push>> {
        let range = (Arc::clone(device), Txid(0))..=(Arc::clone(device), Txid(u128::MAX));
        let found = self.by_device.range(range);
        found.filter_map(|(_, txid)| self.waiting.get(txid).map(|found| &found.push))
    }

    fn of_user(&self, user_id: &str) -> u32 {
        self.by_user.get(user_id).copied().unwrap_or(0)
    }

    fn one_more_of(&mut self, user_id: &str) {
        match self.by_user.get_mut(user_id) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.by_user.insert(user_id.into(), 1)),
        }
    }

    fn one_less_of(&mut self, user_id: &str) {
        match self.by_user.get_mut(user_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.by_user.remove(user_id)),
        }
    }

    fn knows(&self, txid: Txid) -> bool {
        self.waiting.contains_key(&txid) || self.ended.contains_key(&txid)
    }

    fn take_due(&mut self, now: Instant) -> (Vec<(Arc<Push>, Verdict)>, Option<Instant>) {
        let mut ended = Vec::new();
        if self.paused {
            return (ended, None);
        }
        while let Some(&(at, txid)) = self.due.first() {
            if at > now {
                return (ended, Some(at));
            }
            let Some(waiting) = self.waiting.get(&txid) else {
                self.due.pop_first();
                continue;
            };
            let verdict = waiting.verdict;
            ended.push((Arc::clone(&waiting.push), verdict));
            self.end(txid, verdict, now);
        }
        (ended, None)
    }

    fn end(&mut self, txid: Txid, verdict: Verdict, now: Instant) {
        let Some(Waiting { push, due, .. }) = self.waiting.remove(&txid) else {
            return;
        };
        self.due.remove(&(due, txid));
        self.by_device.remove(&(Arc::clone(&push.device), txid));
        self.one_less_of(&push.user_id);
        self.remember(txid, Arc::clone(&push.application), verdict, now);
        if let Some(predecessor) = &mut self.predecessor {
            predecessor.tell(txid, verdict);
        }
        // A second end is impossible: the first took it out of the table.
        if push.verdict.set(verdict).is_ok() {
            push.changed.notify_waiters();
        }
        self.wake(&push.device);
    }

    fn remember(&mut self, txid: Txid, owner: Arc<str>, verdict: Verdict, now: Instant) {
        self.forget(now);
        if self.ended_order.len() >= MAX_ENDED
            && let Some((_, oldest)) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.ended.insert(txid, (owner, verdict));
        self.ended_order.push_back((now, txid));
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(at, txid)) = self.ended_order.front()
            && now.saturating_duration_since(at) > ENDED_LIFE
        {
            self.ended_order.pop_front();
            self.ended.remove(&txid);
        }
    }
}

/// The most requests that wait; the next one is refused with 42901.
pub(crate) const MAX_WAITING: usize = 50_000;

/// The most requests that wait on one device; the next one is refused with 42901. Whoever has a
/// password can ask again and again until a tired person approves, or so that nobody sees the one
/// request that is meant.
const MAX_WAITING_ON_A_DEVICE: usize = 5;

/// The most ended transactions that still repeat their answer; the oldest goes first.
const MAX_ENDED: usize = 50_000;

/// How long an ended transaction repeats its answer: as long as its number could be used once more.
const ENDED_LIFE: Duration = Duration::from_secs(NUMBER_SECONDS);

#[cfg(test)]
mod tests;

//! Retransmissions: one request is one login, and its answer is the same each time (RFC 5080
//! section 2.2.2).
//!
//! Pure: the clock is an argument, nothing waits. Each call does a bounded amount of work, so the
//! cache may stand behind a mutex on the receive path.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::radius::Authenticator;

/// How long an answer is kept after it was last asked for. A client with a time-out of 60 s and
/// three tries repeats itself after 60 and 120 s.
pub const KEPT: Duration = Duration::from_secs(180);

/// The most answers kept.
pub const MAX_ANSWERS: usize = 262_144;

/// The most octets of answers kept.
pub const MAX_ANSWER_OCTETS: usize = 64 * 1024 * 1024;

/// The most logins in progress that are known. The server admits fewer.
pub const MAX_RUNNING: usize = 65_536;

/// What a request is found by. The Request Authenticator is no part of it: it is what tells a
/// retransmission from a new request that uses an identifier again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    address: IpAddr,
    port: u16,
    local_port: u16,
    identifier: u8,
}

impl Key {
    /// Makes the key of a request from its source, the port that was asked, and its identifier.
    #[must_use]
    pub const fn new(source: SocketAddr, local_port: u16, identifier: u8) -> Self {
        // Neither the flow label nor the scope of an IPv6 source: the first may change from one
        // datagram to the next.
        Self {
            address: source.ip(),
            port: source.port(),
            local_port,
            identifier,
        }
    }

    /// The source's address and port, the port that was asked, the identifier.
    pub(crate) const fn parts(&self) -> (IpAddr, u16, u16, u8) {
        (self.address, self.port, self.local_port, self.identifier)
    }
}

/// One entry, on its way to a process that goes on with this cache.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) key: Key,
    pub(crate) authenticator: Authenticator,
    /// Another request came under its key since.
    pub(crate) superseded: bool,
    /// Its answer, and how long ago that was last asked for; none while it is in progress.
    pub(crate) answer: Option<(Arc<[u8]>, Duration)>,
}

/// What is known of a request. `Debug` shows nothing of an answer but its length.
#[derive(Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing: it is to be served.
    New,
    /// It is being served: the datagram is dropped.
    InProgress,
    /// It was answered: the same octets go out again.
    Replay(Arc<[u8]>),
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::InProgress => f.write_str("in progress"),
            Self::Replay(reply) => write!(f, "replay of {} octets", reply.len()),
        }
    }
}

/// How much is kept; for a cache that is one of several, its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers. Default [`MAX_ANSWERS`].
    pub answers: usize,
    /// Octets of answers. Default [`MAX_ANSWER_OCTETS`].
    pub octets: usize,
    /// Logins in progress. Default [`MAX_RUNNING`].
    pub running: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answers: MAX_ANSWERS,
            octets: MAX_ANSWER_OCTETS,
            running: MAX_RUNNING,
        }
    }
}

/// As many logins are in progress as can be known; this one was not noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{running} logins are in progress")]
pub struct TooManyRunning {
    /// The limit.
    pub running: usize,
}

/// What the cache holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Answers kept, those that have expired but were not yet let go included.
    pub answers: usize,
    /// Their octets.
    pub octets: usize,
    /// Logins in progress.
    pub running: usize,
    /// Answers let go before their time since the start, because a limit was reached.
    pub evicted: u64,
}

/// The requests in progress, and the answers of those that are done.
///
/// A key has one *current* request, the one that came last. A new authenticator under a key drops
/// the current answer at once. A login that still runs then is no longer current but stays known,
/// and so does its answer: a retransmission of it starts nothing, and its answer is given to
/// nobody else.
#[derive(Debug)]
pub struct DuplicateCache {
    limits: Limits,
    current: HashMap<Key, usize>,
    superseded: HashMap<(Key, Authenticator), usize>,
    entries: Vec<Entry>,
    /// The first unused entry; they are linked by `newer`.
    free: Option<usize>,
    /// The ends of the list of answers, in the order in which they were last asked for.
    oldest: Option<usize>,
    newest: Option<usize>,
    occupancy: Occupancy,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    authenticator: Authenticator,
    state: State,
    older: Option<usize>,
    newer: Option<usize>,
}

enum State {
    Unused,
    Running,
    Answered { reply: Arc<[u8]>, asked_at: Instant },
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unused => "unused",
            Self::Running => "running",
            Self::Answered { .. } => "answered",
        })
    }
}

impl Default for DuplicateCache {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl DuplicateCache {
    /// Makes an empty cache; it grows as it is used.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            current: HashMap::new(),
            superseded: HashMap::new(),
            entries: Vec::new(),
            free: None,
            oldest: None,
            newest: None,
            occupancy: Occupancy::default(),
        }
    }

    /// Looks a request up. An answer that is found is kept for another [`KEPT`]. Allocates
    /// nothing.
    pub fn lookup(&mut self, now: Instant, key: &Key, authenticator: &Authenticator) -> Lookup {
        self.expire(now);
        let Some(index) = self.find(key, authenticator) else {
            return Lookup::New;
        };
        let found = match self.entries.get_mut(index).map(|entry| &mut entry.state) {
            Some(State::Running) => return Lookup::InProgress,
            Some(State::Answered { reply, asked_at }) if !is_over(*asked_at, now) => {
                *asked_at = now;
                Lookup::Replay(Arc::clone(reply))
            }
            Some(State::Answered { .. } | State::Unused) | None => return Lookup::New,
        };
        self.unlink(index);
        self.link_newest(index);
        found
    }

    /// Notes that a request which [`lookup`](Self::lookup) did not know is being served. One that
    /// is in progress already stays as it is.
    ///
    /// # Errors
    /// Too many are in progress: the request is to be discarded.
    pub fn begin(
        &mut self,
        now: Instant,
        key: Key,
        authenticator: &Authenticator,
    ) -> Result<(), TooManyRunning> {
        self.expire(now);
        if let Some(index) = self.find(&key, authenticator) {
            match self.entries.get(index).map(|entry| &entry.state) {
                Some(State::Running) => return Ok(()),
                _ => self.remove(index),
            }
        }
        let running = self.limits.running;
        if self.occupancy.running >= running {
            return Err(TooManyRunning { running });
        }
        if let Some(&before) = self.current.get(&key) {
            match self.entries.get(before) {
                Some(Entry {
                    state: State::Running,
                    authenticator,
                    ..
                }) => {
                    self.superseded.insert((key, *authenticator), before);
                }
                _ => self.remove(before),
            }
        }
        let index = self.allocate(key, *authenticator);
        self.current.insert(key, index);
        self.occupancy.running += 1;
        Ok(())
    }

    /// Keeps the answer of a request that was begun, and lets the oldest go where a limit is
    /// reached. An answer to a request that is not in progress is not kept.
    pub fn finish(
        &mut self,
        now: Instant,
        key: &Key,
        authenticator: &Authenticator,
        reply: Arc<[u8]>,
    ) {
        self.expire(now);
        let Some(index) = self.find(key, authenticator) else {
            return;
        };
        let octets = reply.len();
        match self.entries.get_mut(index).map(|entry| &mut entry.state) {
            Some(state @ State::Running) => {
                *state = State::Answered {
                    reply,
                    asked_at: now,
                }
            }
            _ => return,
        }
        self.link_newest(index);
        self.occupancy.running -= 1;
        self.occupancy.answers += 1;
        self.occupancy.octets += octets;
        while self.occupancy.answers > self.limits.answers
            || self.occupancy.octets > self.limits.octets
        {
            let Some(oldest) = self.oldest else { break };
            self.remove(oldest);
            self.occupancy.evicted += 1;
        }
    }

    /// Forgets a request in progress that ends without an answer: its retransmission is served
    /// anew.
    pub fn abandon(&mut self, key: &Key, authenticator: &Authenticator) {
        if let Some(index) = self.find(key, authenticator)
            && let Some(Entry {
                state: State::Running,
                ..
            }) = self.entries.get(index)
        {
            self.remove(index);
        }
    }

    /// Lets go of a few answers whose time is over; gives how many. Each other call does the same,
    /// so this is for times when no datagram comes.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut let_go = 0;
        while let_go < EXPIRED_PER_CALL
            && let Some(index) = self.oldest
            && let Some(Entry {
                state: State::Answered { asked_at, .. },
                ..
            }) = self.entries.get(index)
            && is_over(*asked_at, now)
        {
            self.remove(index);
            let_go += 1;
        }
        let_go
    }

    /// All that is worth keeping, the answers that were asked for longest ago first.
    pub(crate) fn kept(&self, now: Instant) -> Vec<Kept> {
        let mut all = Vec::with_capacity(self.occupancy.running + self.occupancy.answers);
        let mut next = self.oldest;
        while let Some(entry) = next.and_then(|index| self.entries.get(index)) {
            all.extend(self.kept_entry(entry, now));
            next = entry.newer;
        }
        let running = self.entries.iter();
        let running = running.filter(|entry| matches!(entry.state, State::Running));
        all.extend(running.filter_map(|entry| self.kept_entry(entry, now)));
        all
    }

    fn kept_entry(&self, entry: &Entry, now: Instant) -> Option<Kept> {
        let answer = match &entry.state {
            State::Unused => return None,
            State::Running => None,
            State::Answered { asked_at, .. } if is_over(*asked_at, now) => return None,
            State::Answered { reply, asked_at } => {
                let age = now.saturating_duration_since(*asked_at);
                Some((Arc::clone(reply), age))
            }
        };
        let current = self.current.get(&entry.key);
        let current = current.and_then(|index| self.entries.get(*index));
        Some(Kept {
            key: entry.key,
            authenticator: entry.authenticator,
            superseded: current.is_none_or(|one| one.authenticator != entry.authenticator),
            answer,
        })
    }

    /// Takes in what another cache had. One that is known here already stays as it is.
    ///
    /// # Errors
    /// Too many are in progress.
    pub(crate) fn take_in(&mut self, now: Instant, kept: Kept) -> Result<(), TooManyRunning> {
        let Kept {
            key,
            authenticator,
            superseded,
            answer,
        } = kept;
        if self.find(&key, &authenticator).is_some() {
            return Ok(());
        }
        let running = self.limits.running;
        if self.occupancy.running >= running {
            return Err(TooManyRunning { running });
        }
        let index = self.allocate(key, authenticator);
        self.occupancy.running += 1;
        if superseded || self.current.contains_key(&key) {
            self.superseded.insert((key, authenticator), index);
        } else {
            self.current.insert(key, index);
        }
        if let Some((reply, age)) = answer {
            let asked_at = now.checked_sub(age).unwrap_or(now);
            self.finish(asked_at, &key, &authenticator, reply);
        }
        Ok(())
    }

    /// What the cache holds.
    #[must_use]
    pub const fn occupancy(&self) -> Occupancy {
        self.occupancy
    }

    /// The entry of exactly this request.
    fn find(&self, key: &Key, authenticator: &Authenticator) -> Option<usize> {
        if let Some(&index) = self.current.get(key)
            && self
                .entries
                .get(index)
                .is_some_and(|entry| entry.authenticator == *authenticator)
        {
            return Some(index);
        }
        if self.superseded.is_empty() {
            return None;
        }
        self.superseded.get(&(*key, *authenticator)).copied()
    }

    fn allocate(&mut self, key: Key, authenticator: Authenticator) -> usize {
        let entry = Entry {
            key,
            authenticator,
            state: State::Running,
            older: None,
            newer: None,
        };
        if let Some(index) = self.free
            && let Some(unused) = self.entries.get_mut(index)
        {
            self.free = unused.newer;
            *unused = entry;
            return index;
        }
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Takes an entry out of everything.
    fn remove(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else {
            return;
        };
        let (key, authenticator) = (entry.key, entry.authenticator);
        match std::mem::replace(&mut entry.state, State::Unused) {
            State::Unused => return,
            State::Running => self.occupancy.running -= 1,
            State::Answered { reply, .. } => {
                self.occupancy.answers -= 1;
                self.occupancy.octets -= reply.len();
                self.unlink(index);
            }
        }
        if self.current.get(&key) == Some(&index) {
            self.current.remove(&key);
        } else {
            self.superseded.remove(&(key, authenticator));
        }
        let free = self.free.replace(index);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.newer = free;
        }
    }

    fn unlink(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else {
            return;
        };
        let (older, newer) = (entry.older.take(), entry.newer.take());
        match older.and_then(|older| self.entries.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match newer.and_then(|newer| self.entries.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
    }

    fn link_newest(&mut self, index: usize) {
        let before = self.newest.replace(index);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.older = before;
        }
        match before.and_then(|before| self.entries.get_mut(before)) {
            Some(before) => before.newer = Some(index),
            None => self.oldest = Some(index),
        }
    }
}

fn is_over(asked_at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked_at) >= KEPT
}

/// Answers let go in one call at the most. Each call adds one at the most, so they cannot pile up,
/// and none holds the lock for long.
const EXPIRED_PER_CALL: usize = 16;

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;

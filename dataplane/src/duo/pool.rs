//! The connections to one host: which one a request gets, and when another is opened.
//!
//! What a connection carries is not known here. Over HTTP/2 a connection is given to at most
//! [`STREAMS`] requests at a time, or to fewer when the peer says so, because a request beyond the
//! peer's limit would wait for the end of a long poll. Over HTTP/1.1 it is given to one at a time,
//! the last used first. Requests that find none wait; connections are opened by tasks of the pool,
//! so that a request that gives up does not take with it what others wait for. Which protocol the
//! host speaks is learnt from the first connection: until then only one is opened.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::{Budget, Room};
use super::dial::Dialer;
use super::failure::{Failure, FailureKind};
use super::send::{self, Carrier, H1, H2, Opened};
use crate::clock;

/// Owns the connections: they end when it is dropped.
pub(crate) struct Pool(pub(super) Arc<Shared>);

impl Pool {
    pub(crate) fn new(dialer: Dialer, budget: Arc<Budget>) -> Self {
        Self(Arc::new(Shared {
            dialer,
            budget,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
            clock_offset: AtomicI64::new(0),
            clock_gate: Semaphore::new(1),
        }))
    }

    /// A connection for one request.
    ///
    /// # Errors
    /// Connect when none could be opened, Internal when there is no room for one.
    pub(crate) async fn lease(&self, freshness: Duration) -> Result<Lease, Failure> {
        let receiver = {
            let mut state = self.0.lock();
            if state.waiting.is_empty()
                && let Some(slot) = state.take(freshness, clock::now())
            {
                return Ok(self.0.lease(slot));
            }
            if state.waiting.len() >= WAITING {
                return Err(self
                    .0
                    .budget
                    .refuse(format!("{WAITING} requests wait for a connection already")));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(Waiter { freshness, sender });
            receiver
        };
        self.0.pump();
        // The sender is dropped unused only when the pool is, which the caller's borrow prevents.
        receiver.await.unwrap_or_else(|_| {
            Err(Failure {
                kind: FailureKind::Internal,
                detail: "the connections were closed".to_owned(),
            })
        })
    }

    /// Whether those who have waited since that moment waited for our own bound: the host took a
    /// connection meanwhile, refused none, and lets none hang.
    pub(crate) fn kept_waiting(&self, since: Instant) -> bool {
        let now = clock::now();
        let state = self.0.lock();
        let hangs = |begun| now.saturating_duration_since(begun) >= HANGS;
        state.opened.is_some_and(|at| at >= since)
            && state.failed.is_none_or(|at| at < since)
            && !state.dialing.iter().any(|(_, begun)| hangs(*begun))
    }

    /// Seconds to add to our clock to get the service's.
    pub(crate) fn clock_offset(&self) -> i64 {
        self.0.clock_offset.load(Ordering::Relaxed)
    }

    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.0.clock_offset.store(seconds, Ordering::Relaxed);
    }

    /// One at a time asks the service for its time.
    pub(crate) fn clock_gate(&self) -> &Semaphore {
        &self.0.clock_gate
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.cancel.cancel();
        self.0.tasks.close();
        let idle = {
            let mut state = self.0.lock();
            (std::mem::take(&mut state.h1), std::mem::take(&mut state.h2))
        };
        drop(idle);
    }
}

pub(crate) struct Shared {
    pub(super) dialer: Dialer,
    budget: Arc<Budget>,
    state: Mutex<State>,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
    clock_offset: AtomicI64,
    clock_gate: Semaphore,
}

#[derive(Default)]
struct State {
    protocol: Option<Protocol>,
    /// The last is the one used last.
    h1: Vec<Idle>,
    h2: Vec<Multiplexed>,
    waiting: VecDeque<Waiter>,
    /// When each connection in the making was begun, by its number.
    dialing: Vec<(u64, Instant)>,
    /// When a connection was last opened.
    opened: Option<Instant>,
    /// When one could last not be opened.
    failed: Option<Instant>,
    sweeping: bool,
    next_id: u64,
}

#[derive(Clone, Copy)]
enum Protocol {
    H1,
    /// With the streams one connection takes.
    H2(usize),
}

struct Idle {
    id: u64,
    sender: H1,
    born: Instant,
    since: Instant,
}

struct Multiplexed {
    id: u64,
    sender: H2,
    /// The peer's limit on streams.
    limit: Arc<AtomicUsize>,
    in_flight: usize,
    used: bool,
    born: Instant,
    since: Instant,
}

struct Waiter {
    freshness: Duration,
    sender: oneshot::Sender<Result<Lease, Failure>>,
}

/// A connection, or a part of one, taken out of the state.
struct Slot {
    id: u64,
    born: Instant,
    reused: bool,
    carrier: Carrier,
}

impl State {
    /// Takes a connection with room, if there is one that is young and fresh enough.
    fn take(&mut self, freshness: Duration, now: Instant) -> Option<Slot> {
        for one in &mut self.h2 {
            let limit = STREAMS.min(one.limit.load(Ordering::Relaxed));
            if one.in_flight < limit && one.sender.is_ready() && !old(one.born, now) {
                one.in_flight += 1;
                return Some(Slot {
                    id: one.id,
                    born: one.born,
                    reused: std::mem::replace(&mut one.used, true),
                    carrier: Carrier::H2(one.sender.clone()),
                });
            }
        }
        while let Some(one) = self.h1.pop_if(|one| {
            let usable = one.sender.is_ready() && !old(one.born, now);
            !usable || now.saturating_duration_since(one.since) <= freshness
        }) {
            if one.sender.is_ready() && !old(one.born, now) {
                return Some(Slot {
                    id: one.id,
                    born: one.born,
                    reused: true,
                    carrier: Carrier::H1(one.sender),
                });
            }
        }
        None
    }

    /// A number that no connection had.
    const fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// How many connections ought to be in the making for those who wait.
    fn wanted(&self) -> usize {
        let waiting = self.waiting.len();
        match self.protocol {
            None => waiting.min(1),
            Some(Protocol::H1) => waiting.min(DIALS),
            Some(Protocol::H2(streams)) => waiting.div_ceil(streams.max(1)).min(DIALS),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the state is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(self: &Arc<Self>, slot: Slot) -> Lease {
        Lease {
            shared: Arc::clone(self),
            id: slot.id,
            born: slot.born,
            reused: slot.reused,
            carrier: Some(slot.carrier),
        }
    }

    /// Hands out what is free to those who wait longest, and opens connections for the others.
    fn pump(self: &Arc<Self>) {
        loop {
            let (waiter, slot) = {
                let mut state = self.lock();
                while state
                    .waiting
                    .pop_front_if(|w| w.sender.is_closed())
                    .is_some()
                {}
                let Some(freshness) = state.waiting.front().map(|w| w.freshness) else {
                    break;
                };
                let Some(slot) = state.take(freshness, clock::now()) else {
                    break;
                };
                let Some(waiter) = state.waiting.pop_front() else {
                    break;
                };
                (waiter, slot)
            };
            // Outside the lock: a lease that nobody takes comes back through its `Drop`.
            drop(waiter.sender.send(Ok(self.lease(slot))));
        }
        self.dial();
    }

    fn dial(self: &Arc<Self>) {
        let mut begun = Vec::new();
        let failed: Vec<Waiter> = {
            let mut state = self.lock();
            while state.dialing.len() < state.wanted() && !self.cancel.is_cancelled() {
                let Some(room) = self.budget.take() else {
                    break;
                };
                let number = state.number();
                state.dialing.push((number, clock::now()));
                begun.push(Dialing {
                    shared: Arc::clone(self),
                    number,
                    room: Some(room),
                });
            }
            // Without a connection in the making only the end of another request would help.
            if state.dialing.is_empty() {
                state.waiting.drain(..).collect()
            } else {
                Vec::new()
            }
        };
        // Outside the lock: a task that ends at once takes it.
        for dialing in begun {
            self.tasks.spawn(async move {
                let shared = Arc::clone(&dialing.shared);
                tokio::select! {
                    () = shared.cancel.cancelled() => {}
                    result = send::open(&shared.dialer, &shared) => dialing.ended(result),
                }
            });
        }
        for waiter in failed {
            let failure = self.budget.refuse(format!(
                "all {} connections to second factors are in use",
                self.budget.limit()
            ));
            drop(waiter.sender.send(Err(failure)));
        }
    }

    fn dialed(self: &Arc<Self>, number: u64, opened: Opened, room: Room) {
        let now = clock::now();
        let (slot, driver) = {
            let mut state = self.lock();
            state.dialing.retain(|(one, _)| *one != number);
            state.opened = Some(now);
            let id = number;
            match opened {
                Opened::H1(sender, driver) => {
                    state.protocol = Some(Protocol::H1);
                    let slot = Slot {
                        id,
                        born: now,
                        reused: false,
                        carrier: Carrier::H1(sender),
                    };
                    (Some(slot), driver)
                }
                Opened::H2(sender, limit, driver) => {
                    let streams = STREAMS.min(limit.load(Ordering::Relaxed));
                    state.protocol = Some(Protocol::H2(streams));
                    state.h2.push(Multiplexed {
                        id,
                        sender,
                        limit,
                        in_flight: 0,
                        used: false,
                        born: now,
                        since: now,
                    });
                    (None, driver)
                }
            }
        };
        let open = Open {
            shared: Arc::clone(self),
            id: slot.as_ref().map(|slot| slot.id),
            room: Some(room),
        };
        self.tasks.spawn(async move {
            tokio::select! {
                () = open.shared.cancel.cancelled() => {}
                () = driver => {}
            }
        });
        self.sweep();
        match slot {
            Some(slot) => self.first_use(slot),
            None => self.pump(),
        }
    }

    /// Gives a new HTTP/1.1 connection to the longest waiter, or keeps it for the next request.
    fn first_use(self: &Arc<Self>, slot: Slot) {
        let waiter = {
            let mut state = self.lock();
            while state
                .waiting
                .pop_front_if(|w| w.sender.is_closed())
                .is_some()
            {}
            state.waiting.pop_front()
        };
        let lease = self.lease(slot);
        match waiter {
            Some(waiter) => drop(waiter.sender.send(Ok(lease))),
            None => drop(lease),
        }
        self.pump();
    }

    /// A connection that cannot be opened is the answer for its share of those who wait.
    fn failed(self: &Arc<Self>, number: u64, failure: &Failure) {
        let failed: Vec<Waiter> = {
            let mut state = self.lock();
            let share = state.waiting.len().div_ceil(state.dialing.len().max(1));
            state.dialing.retain(|(one, _)| *one != number);
            state.failed = Some(clock::now());
            // What the host speaks may have changed while it was away.
            state.protocol = None;
            state.waiting.drain(..share).collect()
        };
        for waiter in failed {
            drop(waiter.sender.send(Err(failure.clone())));
        }
    }

    fn closed(self: &Arc<Self>, id: Option<u64>) {
        {
            let mut state = self.lock();
            match id {
                Some(id) => state.h1.retain(|one| one.id != id),
                None => state.h2.retain(|one| !one.sender.is_closed()),
            }
        }
        // Without a runtime nothing can be opened for those who wait: it is being shut down.
        if !self.cancel.is_cancelled() && Handle::try_current().is_ok() {
            self.pump();
        }
    }

    fn stream_ended(self: &Arc<Self>, id: u64) {
        {
            let mut state = self.lock();
            if let Some(one) = state.h2.iter_mut().find(|one| one.id == id) {
                one.in_flight -= 1;
                one.since = clock::now();
            }
            if state.waiting.is_empty() {
                return;
            }
        }
        self.pump();
    }

    fn park(self: &Arc<Self>, id: u64, born: Instant, sender: H1) {
        {
            let mut state = self.lock();
            if self.cancel.is_cancelled() || !sender.is_ready() || state.h1.len() >= IDLE {
                return;
            }
            state.h1.push(Idle {
                id,
                sender,
                born,
                since: clock::now(),
            });
        }
        self.sweep();
        self.pump();
    }

    /// Starts the task that closes what nobody uses; it ends with the last idle connection.
    fn sweep(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().sweeping, true) {
            return;
        }
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = shared.cancel.cancelled() => return,
                    () = tokio::time::sleep(SWEEP) => {}
                }
                if shared.swept(clock::now()) {
                    return;
                }
            }
        });
    }

    /// Closes idle connections; tells whether none is left.
    fn swept(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let idle = |since| now.saturating_duration_since(since) > IDLE_TIME;
        state
            .h1
            .retain(|one| one.sender.is_ready() && !idle(one.since) && !old(one.born, now));
        // What still carries requests lives on in their leases.
        state.h2.retain(|one| {
            !old(one.born, now)
                && !one.sender.is_closed()
                && (one.in_flight > 0 || !idle(one.since))
        });
        let none = state.h1.is_empty() && state.h2.is_empty();
        state.sweeping = !none;
        none
    }
}

/// A connection in the making. However its task ends, it is counted no longer then, and nobody goes
/// on waiting for it.
struct Dialing {
    shared: Arc<Shared>,
    number: u64,
    room: Option<Room>,
}

impl Dialing {
    fn ended(mut self, result: Result<Opened, Failure>) {
        match (result, self.room.take()) {
            (Ok(opened), Some(room)) => self.shared.dialed(self.number, opened, room),
            (Err(failure), room) => {
                drop(room);
                self.shared.failed(self.number, &failure);
                self.shared.pump();
            }
            (Ok(_), None) => {}
        }
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        // Taken by what came of it, unless its task panicked or was cut off.
        if let Some(room) = self.room.take() {
            drop(room);
            let failure = Failure {
                kind: FailureKind::Internal,
                detail: "opening a connection broke off".to_owned(),
            };
            self.shared.failed(self.number, &failure);
        }
    }
}

/// An open connection. However its task ends, it is counted no longer then.
struct Open {
    shared: Arc<Shared>,
    id: Option<u64>,
    room: Option<Room>,
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(self.room.take());
        self.shared.closed(self.id);
    }
}

/// The right to send one request. Dropping it gives back what is left of the connection.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    id: u64,
    born: Instant,
    /// Whether the connection has carried a request before.
    pub(crate) reused: bool,
    carrier: Option<Carrier>,
}

impl Lease {
    pub(crate) const fn carrier(&mut self) -> Option<&mut Carrier> {
        self.carrier.as_mut()
    }

    /// The connection broke: nobody is to get it again.
    pub(crate) fn discard(mut self) {
        let id = self.id;
        if let Some(Carrier::H2(_)) = self.carrier.take() {
            self.shared.lock().h2.retain(|one| one.id != id);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.carrier.take() {
            Some(Carrier::H2(_)) => self.shared.stream_ended(self.id),
            Some(Carrier::H1(sender)) if sender.is_ready() => {
                self.shared.park(self.id, self.born, sender);
            }
            Some(Carrier::H1(mut sender)) if !sender.is_closed() => {
                // An answer whose last octets are being taken in, or one that nobody waits for.
                let (shared, id, born) = (Arc::clone(&self.shared), self.id, self.born);
                self.shared.tasks.spawn(async move {
                    if let Ok(Ok(())) = tokio::time::timeout(SETTLE, sender.ready()).await {
                        shared.park(id, born, sender);
                    }
                });
            }
            Some(Carrier::H1(_)) | None => {}
        }
    }
}

fn old(born: Instant, now: Instant) -> bool {
    now.saturating_duration_since(born) > LIFE
}

/// The most requests on one HTTP/2 connection at a time.
pub(crate) const STREAMS: usize = 100;
/// An idle connection may be used by a request that may be repeated.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(60);
/// A connection is not used for new requests after that: a name may point elsewhere by now.
const LIFE: Duration = Duration::from_secs(600);
/// How often unused connections are looked for.
const SWEEP: Duration = Duration::from_secs(15);
/// The most idle HTTP/1.1 connections to one host.
const IDLE: usize = 1_024;
/// The most connections to one host that are being opened.
const DIALS: usize = 64;
/// A connection that takes longer to be opened is one that the host lets hang.
const HANGS: Duration = Duration::from_secs(5);
/// The most requests that wait for a connection to one host.
const WAITING: usize = 65_536;
/// How long the end of an HTTP/1.1 exchange may take before its connection is given up.
const SETTLE: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;

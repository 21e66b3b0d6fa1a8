//! The sockets towards one upstream host: how many there are, and which of the host's addresses
//! they go to.
//!
//! One socket at a time is opened, and one look-up of the name is under way: those who wait for it
//! give up in their own time, and it goes on for the next. While nothing comes back from an address
//! the name is looked up again now and then, and the next address takes its turn.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounterVec;
use proto::config::{Host, MessageAuthenticator};
use tokio::net::lookup_host;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::health::{Health, Heard, Pace, Sign};
use super::probe::probe;
use super::socket::{Socket, Ticket, Waiter, receive};
use crate::primary::check::now;
use crate::radius::SharedSecret;

/// What every socket of a host has in common.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) host: Host,
    /// For events and metrics: `192.0.2.1:1812`.
    pub(super) label: String,
    pub(super) authenticator: String,
    pub(super) secret: Arc<SharedSecret>,
    pub(super) policy: MessageAuthenticator,
    /// NAS-IP-Address, where the settings name one.
    pub(super) nas: Option<IpAddr>,
    pub(super) health: Health,
    pub(super) pace: Pace,
    /// Told when the host's system refuses the port.
    pub(super) refused: Notify,
    /// Told when the host is alive again.
    pub(super) revived: Notify,
    /// The log says that it answers without Message-Authenticator.
    pub(super) unsigned_said: AtomicBool,
    pub(super) unsigned: IntCounterVec,
    pub(super) discards: IntCounterVec,
    pub(super) tasks: TaskTracker,
}

impl Peer {
    /// Takes note of what the system says of the way to the host.
    pub(super) fn failed(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.health.seen(now(), Sign::Closed);
            self.refused.notify_waiters();
        }
        tracing::debug!(host = %self.label, error = %error, "upstream socket");
    }

    /// Ends when the host's system has refused the port since then.
    pub(super) async fn refused(&self, then: Instant) {
        let mut refused = pin!(self.refused.notified());
        // From here on nothing is missed.
        refused.as_mut().enable();
        if self.health.seen_since(then) != Some(Sign::Closed) {
            refused.await;
        }
    }

    /// Takes note of a verified answer.
    pub(super) fn heard(&self, to_probe: bool, signed: bool) {
        if let Heard::Revived(away) = self.health.heard(now(), to_probe) {
            self.revived.notify_one();
            if let Some(away) = away {
                tracing::info!(
                    authenticator = %self.authenticator,
                    host = %self.label,
                    away_seconds = away.as_secs(),
                    "the upstream host answers again"
                );
            }
        }
        if signed {
            return;
        }
        self.unsigned
            .with_label_values(&[self.authenticator.as_str(), &self.label])
            .inc();
        if !self.unsigned_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                authenticator = %self.authenticator,
                host = %self.label,
                "the upstream host answers without Message-Authenticator, so its answers can be \
                 forged (CVE-2024-3596); update it, then set force_message_authenticator=true"
            );
        }
    }
}

/// The sockets towards one host. They close when it is dropped.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) peer: Arc<Peer>,
    pub(super) inner: Arc<Inner>,
    _stopped_with_this: DropGuard,
}

/// What the tasks of a host share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) peer: Arc<Peer>,
    lookup: Lookup,
    state: Mutex<State>,
    /// Held while a socket is opened or the name looked up.
    opening: Arc<Semaphore>,
    /// Open sockets, those that are only waited for included.
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// Those that requests may leave over.
    sockets: Vec<Arc<Socket>>,
    /// Where the newest go to.
    current: Option<SocketAddr>,
    /// What the name stood for, and when.
    resolved: Option<(Instant, Vec<SocketAddr>)>,
    /// When and why a socket could not be opened.
    failed: Option<(Instant, String)>,
    /// When silence last made us look for another address.
    renewed: Option<Instant>,
}

type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up.
pub(super) struct Lookup(Box<dyn Fn(&Host) -> Looked + Send + Sync>);

impl Lookup {
    pub(super) fn new(lookup: impl Fn(&Host) -> Looked + Send + Sync + 'static) -> Self {
        Self(Box::new(lookup))
    }

    /// As the system does.
    pub(super) fn system() -> Self {
        Self::new(|host| {
            let (name, port) = (host.name.clone(), host.port);
            Box::pin(async move { Ok(lookup_host((name, port)).await?.collect()) })
        })
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

impl Sockets {
    pub(super) fn new(peer: Peer, lookup: Lookup) -> Self {
        let stop = CancellationToken::new();
        let peer = Arc::new(peer);
        Self {
            _stopped_with_this: stop.clone().drop_guard(),
            inner: Arc::new(Inner {
                peer: Arc::clone(&peer),
                lookup,
                state: Mutex::default(),
                opening: Arc::new(Semaphore::new(1)),
                open: Arc::default(),
                stop,
            }),
            peer,
        }
    }

    /// Takes note that a request that began then was not answered in its turn. A host that this
    /// makes a dead one is probed from now on.
    pub(super) fn silent(&self, began: Instant) {
        if self.peer.health.silent(began, now()) {
            let inner = Arc::clone(&self.inner);
            self.peer.tasks.spawn(async move {
                tokio::select! {
                    () = inner.stop.cancelled() => {}
                    () = probe(&inner) => {}
                }
            });
        }
    }

    /// Open sockets.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.inner.open.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// Takes an identifier. None when all are taken. The error says why there is no way to the host
    /// by `until`.
    pub(super) async fn ticket(
        self: &Arc<Self>,
        waiter: &Waiter,
        until: Instant,
    ) -> Result<Option<Ticket>, String> {
        if let Some(found) = self.take(waiter) {
            return Ok(found);
        }
        timeout_at(until.into(), self.open_for(waiter))
            .await
            .unwrap_or_else(|_| Err("no address in time".to_owned()))
    }

    async fn open_for(self: &Arc<Self>, waiter: &Waiter) -> Result<Option<Ticket>, String> {
        loop {
            let permit = Arc::clone(&self.opening)
                .acquire_owned()
                .await
                .map_err(|error| error.to_string())?;
            // Others may have opened one meanwhile, or failed to.
            if let Some(found) = self.take(waiter) {
                return Ok(found);
            }
            if let Some((at, why)) = &self.state().failed
                && now().saturating_duration_since(*at) < FAILED
            {
                return Err(why.clone());
            }
            let inner = Arc::clone(self);
            let opening = self.peer.tasks.spawn(async move {
                let stop = inner.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => Ok(()),
                    opened = inner.open(permit) => opened,
                }
            });
            opening.await.map_err(|error| error.to_string())??;
        }
    }

    /// Takes note that a request was given up without an answer. When nothing at all came back for
    /// a while, the name is looked up again and the next address takes its turn.
    pub(super) fn renew(self: &Arc<Self>) {
        let at = now();
        {
            let mut state = self.state();
            let soon = |renewed| at.saturating_duration_since(renewed) < RENEW;
            if self.literal().is_some() || state.renewed.is_some_and(soon) {
                return;
            }
            state.renewed = Some(at);
            let mut answered = false;
            for socket in &state.sockets {
                answered |= socket.has_answered();
            }
            if answered {
                return;
            }
        }
        // Whoever opens a socket now looks the name up anyway.
        let Ok(permit) = Arc::clone(&self.opening).try_acquire_owned() else {
            return;
        };
        let inner = Arc::clone(self);
        self.peer.tasks.spawn(async move {
            tokio::select! {
                () = inner.stop.cancelled() => {}
                () = inner.move_on(permit) => {}
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An identifier of the first socket that has one. The outer none: open another socket; the
    /// inner: there may be no more.
    fn take(&self, waiter: &Waiter) -> Option<Option<Ticket>> {
        let state = self.state();
        if let Some(ticket) = state.sockets.iter().find_map(|one| one.take(waiter)) {
            return Some(Some(ticket));
        }
        (self.open.load(Ordering::Relaxed) >= MAX_SOCKETS).then_some(None)
    }

    /// The address that stands in place of a name.
    fn literal(&self) -> Option<SocketAddr> {
        let Host { name, port } = &self.peer.host;
        let address = name.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(address, *port))
    }

    /// Opens one more socket, to the first address that there is a way to.
    async fn open(self: Arc<Self>, _permit: OwnedSemaphorePermit) -> Result<(), String> {
        let opened = self.open_socket().await;
        let mut state = self.state();
        match opened {
            Ok(socket) => {
                let socket = Arc::new(socket);
                state.failed = None;
                state.current = Some(socket.address);
                state.sockets.push(Arc::clone(&socket));
                self.peer
                    .tasks
                    .spawn(receive(socket, Arc::downgrade(&self), self.stop.clone()));
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                state.failed = Some((now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn open_socket(&self) -> io::Result<Socket> {
        let known = {
            let state = self.state();
            let fresh = |at| now().saturating_duration_since(at) < RENEW;
            match &state.resolved {
                Some((at, known)) if fresh(*at) || !state.sockets.is_empty() => known.clone(),
                _ => Vec::new(),
            }
        };
        let addresses = if known.is_empty() {
            self.resolve().await?
        } else {
            known
        };
        let current = self.state().current;
        let first = addresses
            .iter()
            .position(|address| Some(*address) == current)
            .unwrap_or_default();
        let mut fault = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses.iter().cycle().skip(first).take(addresses.len()) {
            match Socket::open(*address, &self.peer, &self.open).await {
                Ok(socket) => return Ok(socket),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self.literal() {
            Some(address) => vec![address],
            None => {
                let mut found = (self.lookup.0)(&self.peer.host).await?;
                found.truncate(ADDRESSES);
                found
            }
        };
        self.state().resolved = Some((now(), addresses.clone()));
        Ok(addresses)
    }

    /// Looks the name up and turns to the address after the present one. Sockets that go elsewhere
    /// are only waited for from then on.
    async fn move_on(&self, _permit: OwnedSemaphorePermit) {
        let addresses = match self.resolve().await {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::debug!(host = %self.peer.label, error = %error, "not looked up again");
                return;
            }
        };
        let mut state = self.state();
        let next = match addresses
            .iter()
            .position(|address| Some(*address) == state.current)
        {
            Some(present) => addresses.iter().cycle().nth(present + 1),
            None => addresses.first(),
        };
        let Some(next) = next.copied() else {
            return;
        };
        if state.current != Some(next) {
            state.current = Some(next);
            for socket in state.sockets.drain(..) {
                socket.retire();
            }
        }
    }

    /// Whether an idle socket may close: then nobody takes an identifier of it any more.
    pub(super) fn close_when_idle(&self, socket: &Arc<Socket>) -> bool {
        let mut state = self.state();
        if socket.is_taken() {
            return false;
        }
        state.sockets.retain(|other| !Arc::ptr_eq(other, socket));
        true
    }
}

/// Sockets towards one host: 16,384 requests in flight.
const MAX_SOCKETS: usize = 64;

/// The most addresses of a name that are used.
const ADDRESSES: usize = 16;

/// How often silence makes us look a name up, and how long what was found holds for new sockets.
const RENEW: Duration = Duration::from_secs(5);

/// How long a failure to open a socket is the answer for all who want one.
const FAILED: Duration = Duration::from_millis(500);

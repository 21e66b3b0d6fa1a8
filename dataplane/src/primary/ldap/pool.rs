//! The connections to one host, in two pools: few that are bound as the service account and carry
//! many searches each, and some that bind as one user after the other, one at a time each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapResult};
use proto::secret::Secret;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::connection::{self, Endpoint, Found, Search};
use super::{Fault, answer};
use crate::primary::check::now;

/// What the service account binds as.
#[derive(Debug)]
pub(super) struct ServiceAccount {
    pub(super) name: String,
    pub(super) password: Secret<String>,
}

/// The connections for searches.
#[derive(Debug)]
pub(super) struct ServicePool {
    slots: [Slot; SERVICE_CONNECTIONS],
    searches: Semaphore,
    refused: Mutex<Option<(Instant, Fault)>>,
}

/// Room for one connection.
#[derive(Debug)]
struct Slot {
    session: Mutex<Option<Session>>,
    /// One at a time opens a connection; the others wait for it.
    opening: Semaphore,
    searching: AtomicUsize,
}

#[derive(Debug)]
struct Session {
    ldap: Ldap,
    /// Tells it from its successors.
    number: usize,
    used: Instant,
}

impl ServicePool {
    pub(super) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot {
                session: Mutex::new(None),
                opening: Semaphore::new(1),
                searching: AtomicUsize::new(0),
            }),
            searches: Semaphore::new(SEARCHES),
            refused: Mutex::new(None),
        }
    }

    /// Searches on the least busy connection. When that was an old one and is lost, once more on a
    /// new one.
    pub(super) async fn search(
        &self,
        endpoint: &Endpoint,
        account: &ServiceAccount,
        search: Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, LdapResult), Fault> {
        let _permit = permit(&self.searches, deadline).await?;
        let Some(slot) = self
            .slots
            .iter()
            .min_by_key(|slot| slot.searching.load(Ordering::Relaxed))
        else {
            return Err(Fault::Internal("no slot for a connection".to_owned()));
        };
        let _searching = Counted::new(&slot.searching);
        let (outcome, age) = self
            .search_once(slot, endpoint, account, search, deadline)
            .await;
        match (outcome, age) {
            (Err(Fault::Lost(_)), Age::Pooled) => {
                self.search_once(slot, endpoint, account, search, deadline)
                    .await
                    .0
            }
            (outcome, _) => outcome,
        }
    }

    async fn search_once(
        &self,
        slot: &Slot,
        endpoint: &Endpoint,
        account: &ServiceAccount,
        search: Search<'_>,
        deadline: Instant,
    ) -> (Result<(Vec<Found>, LdapResult), Fault>, Age) {
        let (mut flight, age) = match self.session(slot, endpoint, account, deadline).await {
            Ok(found) => found,
            Err(fault) => return (Err(fault), Age::New),
        };
        let outcome = connection::search(&mut flight.ldap, search, deadline).await;
        flight.sound = outcome.is_ok();
        (outcome, age)
    }

    /// The slot's connection, opened and bound when there is none.
    async fn session<'a>(
        &self,
        slot: &'a Slot,
        endpoint: &Endpoint,
        account: &ServiceAccount,
        deadline: Instant,
    ) -> Result<(Flight<'a>, Age), Fault> {
        if let Some(flight) = slot.current() {
            return Ok((flight, Age::Pooled));
        }
        let _opening = permit(&slot.opening, deadline).await?;
        if let Some(flight) = slot.current() {
            return Ok((flight, Age::Pooled));
        }
        // A directory locks an account out after some refusals: do not try again for each login.
        if let Some((until, fault)) = &*locked(&self.refused)
            && now() < *until
        {
            return Err(fault.clone());
        }
        let mut ldap = endpoint.connect(deadline).await?;
        let bound = connection::bind(&mut ldap, &account.name, &account.password, deadline).await?;
        if let Err(fault) = answer::service_bind(&bound, &account.name) {
            if matches!(fault, Fault::Misconfigured(_)) {
                *locked(&self.refused) = Some((now() + REFUSED, fault.clone()));
            }
            return Err(fault);
        }
        *locked(&self.refused) = None;
        Ok((slot.keep(ldap), Age::New))
    }
}

impl Slot {
    fn current(&self) -> Option<Flight<'_>> {
        let mut slot = locked(&self.session);
        let session = slot.as_mut()?;
        if !connection::is_usable(&mut session.ldap, session.used) {
            *slot = None;
            return None;
        }
        session.used = now();
        Some(Flight {
            slot: self,
            ldap: session.ldap.clone(),
            number: session.number,
            sound: false,
        })
    }

    fn keep(&self, ldap: Ldap) -> Flight<'_> {
        let number = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
        *locked(&self.session) = Some(Session {
            ldap: ldap.clone(),
            number,
            used: now(),
        });
        Flight {
            slot: self,
            ldap,
            number,
            sound: false,
        }
    }
}

/// A search under way. When it did not end well, be it dropped, the next search opens a new
/// connection; those that share the old one may finish there.
struct Flight<'a> {
    slot: &'a Slot,
    ldap: Ldap,
    number: usize,
    sound: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.sound {
            return;
        }
        let mut session = locked(&self.slot.session);
        if session.as_ref().is_some_and(|s| s.number == self.number) {
            *session = None;
        }
    }
}

/// Counts one while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections for users' binds.
///
/// A connection keeps the identity of its last bind while it waits; nothing but the next bind is
/// sent over it, which replaces it (RFC 4511 section 4.2.1).
#[derive(Debug)]
pub(super) struct UserPool {
    open: Semaphore,
    idle: Mutex<Vec<(Ldap, Instant)>>,
}

impl UserPool {
    pub(super) fn new() -> Self {
        Self {
            open: Semaphore::new(USER_CONNECTIONS),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Binds as a user. When that was on an old connection and it is lost, once more on a new one.
    ///
    /// A connection whose bind did not end is dropped with its lease: whose it is now, nobody
    /// knows.
    pub(super) async fn bind(
        &self,
        endpoint: &Endpoint,
        dn: &str,
        password: &Secret<String>,
        deadline: Instant,
    ) -> Result<LdapResult, Fault> {
        let _permit = permit(&self.open, deadline).await?;
        if let Some(mut ldap) = self.take() {
            match connection::bind(&mut ldap, dn, password, deadline).await {
                Ok(result) => {
                    self.give_back(ldap);
                    return Ok(result);
                }
                // Its neighbours were most likely lost with it.
                Err(Fault::Lost(_)) => locked(&self.idle).clear(),
                Err(fault) => return Err(fault),
            }
        }
        let mut ldap = endpoint.connect(deadline).await?;
        let result = connection::bind(&mut ldap, dn, password, deadline).await?;
        self.give_back(ldap);
        Ok(result)
    }

    /// The one used last.
    fn take(&self) -> Option<Ldap> {
        let mut idle = locked(&self.idle);
        while let Some((mut ldap, used)) = idle.pop() {
            if connection::is_usable(&mut ldap, used) {
                return Some(ldap);
            }
        }
        None
    }

    fn give_back(&self, ldap: Ldap) {
        let mut idle = locked(&self.idle);
        // The first ones have waited longest.
        while idle
            .first_mut()
            .is_some_and(|(ldap, used)| !connection::is_usable(ldap, *used))
        {
            idle.remove(0);
        }
        idle.push((ldap, now()));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Pooled,
    New,
}

async fn permit(semaphore: &Semaphore, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
    match timeout_at(deadline.into(), semaphore.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(Fault::Internal("the connections are closed".to_owned())),
        Err(_) => Err(Fault::Busy),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections bound as the service account, to one host.
const SERVICE_CONNECTIONS: usize = 4;

/// Searches under way at one host.
const SEARCHES: usize = 256;

/// Connections that bind as users, to one host. All may lie idle after a burst; those that are not
/// needed again grow old and are closed.
const USER_CONNECTIONS: usize = 128;

/// How long a refused service account is not tried again.
const REFUSED: Duration = Duration::from_secs(5);

static NEXT_SESSION: AtomicUsize = AtomicUsize::new(0);

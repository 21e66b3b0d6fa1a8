//! The connections to one host, in two pools: those that are bound as the service account, for
//! searches, and those that bind as one user after the other. Whoever has a connection has it alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::answer::Tried;
use super::connection::{Connection, Endpoint};
use super::fault::{Fault, Wait};
use super::message::{BindAnswer, Found, Outcome, Search};
use super::sign_on::{Person, SignOn};
use crate::primary::check::now;

/// The connections for searches.
#[derive(Debug)]
pub(super) struct ServicePool {
    open: Semaphore,
    idle: Idle,
    opening: Semaphore,
    /// Whether the service account was accepted the last time. Until then it is shown by one login
    /// at a time.
    accepted: AtomicBool,
    first: Semaphore,
    refused: Mutex<Option<Refused>>,
}

/// A service account that was refused.
#[derive(Clone, Debug)]
struct Refused {
    /// Until when it is not tried again.
    until: Instant,
    wait: Duration,
    fault: Fault,
}

impl ServicePool {
    pub(super) fn new() -> Self {
        Self {
            open: Semaphore::new(SERVICE_CONNECTIONS),
            idle: Idle::default(),
            opening: Semaphore::new(OPENING),
            accepted: AtomicBool::new(false),
            first: Semaphore::new(1),
            refused: Mutex::new(None),
        }
    }

    /// Searches. When that was on an old connection and it is lost, once more on a new one.
    pub(super) async fn search(
        &self,
        endpoint: &Endpoint,
        sign_on: &SignOn,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, Outcome), Fault> {
        let _permit = permit(&self.open, deadline).await?;
        let (mut connection, age) = self.connection(endpoint, sign_on, deadline).await?;
        match connection.search(search, deadline).await {
            Ok(found) => {
                self.idle.put(connection);
                Ok(found)
            }
            Err(Fault::Lost(_)) if age == Age::Pooled => {
                // Its neighbours were most likely lost with it.
                self.idle.clear();
                self.search_anew(endpoint, sign_on, search, deadline).await
            }
            Err(fault) => Err(fault),
        }
    }

    /// Searches on a new connection, which the next search may use.
    pub(super) async fn search_anew(
        &self,
        endpoint: &Endpoint,
        sign_on: &SignOn,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<(Vec<Found>, Outcome), Fault> {
        let opening = self.turn(deadline).await?;
        let mut connection = self.open(endpoint, sign_on, deadline).await?;
        drop(opening);
        let found = connection.search(search, deadline).await?;
        self.idle.put(connection);
        Ok(found)
    }

    /// Lets go of the connections that nobody uses.
    pub(super) fn clear(&self) {
        self.idle.clear();
    }

    /// A connection that nobody uses, or a new one.
    async fn connection(
        &self,
        endpoint: &Endpoint,
        sign_on: &SignOn,
        deadline: Instant,
    ) -> Result<(Connection, Age), Fault> {
        if let Some(connection) = self.idle.take() {
            return Ok((connection, Age::Pooled));
        }
        let _opening = self.turn(deadline).await?;
        // One may have come back while this waited.
        if let Some(connection) = self.idle.take() {
            return Ok((connection, Age::Pooled));
        }
        let connection = self.open(endpoint, sign_on, deadline).await?;
        Ok((connection, Age::New))
    }

    /// Waits to open a connection. When nobody's turn ends, the host lets nobody in.
    async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        let late = |fault| match fault {
            Fault::Busy => Fault::TimedOut(Wait::Connection),
            other => other,
        };
        if !self.accepted.load(Ordering::Relaxed) {
            let first = permit(&self.first, deadline).await.map_err(late)?;
            if !self.accepted.load(Ordering::Relaxed) {
                return Ok(first);
            }
        }
        permit(&self.opening, deadline).await.map_err(late)
    }

    /// A new connection, bound.
    async fn open(
        &self,
        endpoint: &Endpoint,
        sign_on: &SignOn,
        deadline: Instant,
    ) -> Result<Connection, Fault> {
        // A directory locks an account out after some refusals: do not try again for each login.
        if let Some(refused) = &*locked(&self.refused)
            && now() < refused.until
        {
            return Err(refused.fault.clone());
        }
        let mut connection = endpoint.connect(deadline).await?;
        match sign_on.service(&mut connection, deadline).await {
            Ok(()) => {
                self.accepted.store(true, Ordering::Relaxed);
                *locked(&self.refused) = None;
                Ok(connection)
            }
            Err(fault) => {
                if matches!(fault, Fault::Misconfigured(_)) {
                    self.accepted.store(false, Ordering::Relaxed);
                    self.refuse(&fault);
                }
                Err(fault)
            }
        }
    }

    /// Remembers a refusal, for longer each time.
    fn refuse(&self, fault: &Fault) {
        let mut refused = locked(&self.refused);
        let wait = refused
            .as_ref()
            .map_or(REFUSED, |before| (before.wait * 2).min(REFUSED_AT_MOST));
        *refused = Some(Refused {
            until: now() + wait,
            wait,
            fault: fault.clone(),
        });
    }
}

/// The connections for users' binds.
///
/// A connection keeps the identity of its last bind while it waits; nothing but the next bind is
/// sent over it, which replaces it (RFC 4511 section 4.2.1).
#[derive(Debug)]
pub(super) struct UserPool {
    open: Semaphore,
    idle: Idle,
}

impl UserPool {
    pub(super) fn new() -> Self {
        Self {
            open: Semaphore::new(USER_CONNECTIONS),
            idle: Idle::default(),
        }
    }

    /// Binds as a user. When that was on an old connection and it is lost, once more on a new one.
    ///
    /// A connection whose bind did not end is dropped: whose it is now, nobody knows. So is one that
    /// is sealed for the user, over which nobody else can bind.
    pub(super) async fn bind(
        &self,
        endpoint: &Endpoint,
        sign_on: &SignOn,
        person: &Person<'_>,
        deadline: Instant,
    ) -> Result<(BindAnswer, Tried), Fault> {
        let _permit = permit(&self.open, deadline).await?;
        if let Some(connection) = self.idle.take() {
            match self.bind_over(connection, sign_on, person, deadline).await {
                // Its neighbours were most likely lost with it.
                Err(Fault::Lost(_)) => self.idle.clear(),
                other => return other,
            }
        }
        let connection = endpoint.connect(deadline).await?;
        self.bind_over(connection, sign_on, person, deadline).await
    }

    /// Lets go of the connections that nobody uses.
    pub(super) fn clear(&self) {
        self.idle.clear();
    }

    async fn bind_over(
        &self,
        mut connection: Connection,
        sign_on: &SignOn,
        person: &Person<'_>,
        deadline: Instant,
    ) -> Result<(BindAnswer, Tried), Fault> {
        let tried = sign_on.tried(&connection);
        let answer = sign_on.user(&mut connection, person, deadline).await?;
        if connection.is_sealed() {
            connection.close();
        } else {
            self.idle.put(connection);
        }
        Ok((answer, tried))
    }
}

/// Connections that nobody uses, each with the time since when; the one used last is the last.
#[derive(Debug, Default)]
struct Idle(Mutex<Vec<(Connection, Instant)>>);

impl Idle {
    /// The one used last that is still good.
    fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = locked(&self.0).pop()?;
            if now().saturating_duration_since(since) >= IDLE {
                connection.close();
            } else if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps one whose operation ended well.
    fn put(&self, mut connection: Connection) {
        connection.rest();
        let at = now();
        let mut idle = locked(&self.0);
        idle.push((connection, at));
        // The first ones have waited longest. One a time is enough.
        let old = idle
            .first()
            .is_some_and(|(_, since)| at.saturating_duration_since(*since) >= IDLE)
            .then(|| idle.remove(0));
        drop(idle);
        if let Some((connection, _)) = old {
            connection.close();
        }
    }

    fn clear(&self) {
        let all = std::mem::take(&mut *locked(&self.0));
        drop(all);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Pooled,
    New,
}

async fn permit(semaphore: &Semaphore, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
    // Most often there is one.
    if let Ok(permit) = semaphore.try_acquire() {
        return Ok(permit);
    }
    match timeout_at(deadline.into(), semaphore.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(Fault::Internal("the connections are closed".to_owned())),
        Err(_) => Err(Fault::Busy),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections bound as the service account, to one host: searches at once.
const SERVICE_CONNECTIONS: usize = 128;

/// Connections of the service account that are opened at once.
const OPENING: usize = 8;

/// Connections that bind as users, to one host. All may lie idle after a burst; those that are not
/// needed again grow old and are closed.
pub(super) const USER_CONNECTIONS: usize = 128;

/// How long a connection may lie unused: below what firewalls commonly allow.
const IDLE: Duration = Duration::from_secs(60);

/// How long a refused service account is not tried again; twice as long after each refusal.
const REFUSED: Duration = Duration::from_secs(5);
const REFUSED_AT_MOST: Duration = Duration::from_secs(60);

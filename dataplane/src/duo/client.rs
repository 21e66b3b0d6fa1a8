//! Calls of Auth API v2: signed, sent over shared connections, repeated where that is safe.
//!
//! [`DuoClients`] lives as long as the data plane and is asked for a [`DuoClient`] per integration
//! with every snapshot; clients of one host share its connections, also from one snapshot to the
//! next. What a failure means for a login is not decided here: see [`super::failure::reaction`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use proto::config::{Application, Settings};
use rustls::ClientConfig;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::budget::Budget;
use super::date::rfc1123;
use super::dial::{Dialer, Reached, Unreached};
use super::failure::{Failure, FailureKind};
use super::message::{AuthReply, AuthRequest, Decision, Preauth, PreauthRequest, Txid};
use super::pool::{IDLE_TIME, Pool};
use super::send::{Answer, RetryAfter, SendFault, Signed, Target, exchange};
use super::sign::SigningKey;
use super::trust::{BuildError, client_config};
use super::wire::{self, Written};
use crate::clock;

/// Makes clients and keeps track of their connections.
#[derive(Debug)]
pub struct DuoClients {
    budget: Arc<Budget>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    pools: HashMap<PoolKey, Weak<Pool>>,
    trust: HashMap<Option<String>, Weak<ClientConfig>>,
}

/// Clients that agree in all of this share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PoolKey {
    host: String,
    port: u16,
    /// The only roots; none means the system's.
    roots: Option<String>,
    proxy: Option<(String, u16)>,
}

impl DuoClients {
    /// Bounds the open connections to all hosts together; [`CONNECTIONS`] is the usual bound, less
    /// where the file limit allows less.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self {
            budget: Arc::new(Budget::new(connections)),
            known: Mutex::default(),
        }
    }

    /// Makes the client of one integration. Nothing is connected yet.
    ///
    /// Connections live as long as a client that uses them: make the clients of a new snapshot
    /// before those of the old one are dropped.
    ///
    /// # Errors
    /// [`BuildError`] when the host is no host, or there are no certificates to trust.
    pub fn client(
        &self,
        application: &Application,
        settings: &Settings,
    ) -> Result<Arc<DuoClient>, BuildError> {
        // A header value is what the key becomes part of.
        if application.ikey.contains(|c: char| c.is_control()) {
            return Err(BuildError::IntegrationKey);
        }
        let pinned = application.pinned_ca.clone();
        let key = PoolKey {
            host: application.host.to_ascii_lowercase(),
            port: application.port,
            proxy: match (&pinned, &settings.http_proxy) {
                (None, Some(proxy)) => Some((proxy.host.clone(), proxy.port)),
                _ => None,
            },
            roots: pinned.or_else(|| settings.http_ca_certs.clone()),
        };
        Ok(Arc::new(DuoClient {
            target: Target::new(&key.host, key.port)?,
            signer: SigningKey::new(&application.ikey, &application.skey),
            host: key.host.clone(),
            pool: self.pool(key)?,
        }))
    }

    /// Connections open or being opened, to all hosts.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.budget.open()
    }

    /// Requests refused so far because a bound was reached.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.budget.refused()
    }

    fn pool(&self, key: PoolKey) -> Result<Arc<Pool>, BuildError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = known.pools.get(&key).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        known.pools.retain(|_, pool| pool.strong_count() > 0);
        known.trust.retain(|_, config| config.strong_count() > 0);
        let tls = match known.trust.get(&key.roots).and_then(Weak::upgrade) {
            Some(tls) => tls,
            None => {
                let tls = client_config(key.roots.as_deref())?;
                known.trust.insert(key.roots.clone(), Arc::downgrade(&tls));
                tls
            }
        };
        let dialer = Dialer::new(&key.host, key.port, key.proxy.clone(), tls)?;
        let pool = Arc::new(Pool::new(dialer, Arc::clone(&self.budget)));
        known.pools.insert(key, Arc::downgrade(&pool));
        Ok(pool)
    }
}

/// The second factor of one integration.
pub struct DuoClient {
    pool: Arc<Pool>,
    target: Target,
    signer: SigningKey,
    host: String,
}

impl std::fmt::Debug for DuoClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DuoClient")
            .field("host", &self.host)
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

/// Whether a request that may have been seen may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Safe,
    /// And it is: a poll is asked again after a failure of any kind that may pass.
    Polled,
    Never,
}

impl DuoClient {
    /// Asks what the user can do.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn preauth(
        &self,
        request: &PreauthRequest,
        deadline: Instant,
    ) -> Result<Preauth, Failure> {
        let body = self
            .call(wire::preauth(request), Repeat::Safe, deadline)
            .await?;
        wire::read_preauth(&body, request.shows_numbers)
    }

    /// Asks for a decision, or for one to be begun when the factor waits for a person.
    ///
    /// # Errors
    /// [`Failure`]; of the kind Connect exactly when the request certainly reached nobody. It is
    /// never sent again once it may have been seen, unless the service said that it did nothing.
    pub async fn auth(
        &self,
        request: &AuthRequest,
        deadline: Instant,
    ) -> Result<AuthReply, Failure> {
        let body = self
            .call(wire::auth(request), Repeat::Never, deadline)
            .await?;
        wire::read_auth(&body, request.factor.waits_for_a_person())
    }

    /// Asks how a transaction stands; the service may hold the answer until that changes.
    ///
    /// # Errors
    /// [`Failure`]; of the kind BadRequest when the hold ran out, or the transaction is unknown.
    pub async fn auth_status(&self, txid: &Txid, deadline: Instant) -> Result<Decision, Failure> {
        let body = self
            .call(wire::auth_status(txid), Repeat::Polled, deadline)
            .await?;
        wire::read_auth_status(&body)
    }

    /// Asks for the service's time, in seconds since 1970.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ping(&self, deadline: Instant) -> Result<u64, Failure> {
        let body = self.call(wire::ping(), Repeat::Safe, deadline).await?;
        wire::read_time(&body)
    }

    /// Asks whether the service takes our keys and clock.
    ///
    /// # Errors
    /// [`Failure`]; of the kind Credentials when it does not.
    pub async fn check(&self, deadline: Instant) -> Result<u64, Failure> {
        let body = self.call(wire::check(), Repeat::Safe, deadline).await?;
        wire::read_time(&body)
    }

    /// Opens a connection of its own and closes it, to tell what a host showed.
    ///
    /// # Errors
    /// [`Unreached`].
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<Reached, Unreached> {
        self.pool.0.dialer.reach(deadline).await
    }

    /// Learns how far our clock is from the service's; later requests to this host are dated by the
    /// service's. Returns the seconds that are added to ours.
    ///
    /// # Errors
    /// [`Failure`] of the ping.
    pub async fn learn_skew(&self, deadline: Instant) -> Result<i64, Failure> {
        // Not through `call`: this is what `call` does when the clock is refused.
        let answer = self
            .attempt(&wire::ping(), &Bytes::new(), Repeat::Safe, deadline)
            .await?;
        wire::accepted(answer.status, &answer.body).map_err(|refusal| refusal.failure)?;
        let theirs = wire::read_time(&answer.body)?;
        let offset = i64::try_from(theirs).unwrap_or(i64::MAX) - seconds(clock::unix_now());
        if offset.unsigned_abs() > SKEW_SECONDS {
            tracing::warn!(
                host = %self.host,
                seconds = offset,
                "our clock is far from the second factor's"
            );
        }
        self.pool.set_clock_offset(offset);
        Ok(offset)
    }

    async fn call(
        &self,
        mut written: Written,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        // The octets may hold a passcode: they are wiped with the last copy of the handle.
        let parameters = Bytes::from_owner(Zeroizing::new(std::mem::take(&mut written.parameters)));
        let mut clock_corrected = false;
        let mut back_off = BACK_OFF_FIRST;
        let mut busy = false;
        loop {
            let offset = self.pool.clock_offset();
            let answer = self
                .attempt(&written, &parameters, repeat, deadline)
                .await
                .map_err(|failure| still_busy(failure, repeat, busy))?;
            let Err(refusal) = wire::accepted(answer.status, &answer.body) else {
                return Ok(answer.body);
            };
            // A request that was refused had no effect, so any may be sent again.
            match refusal.failure.kind {
                FailureKind::Credentials if refusal.clock && !clock_corrected => {
                    clock_corrected = true;
                    // In a box, so that a poll that waits keeps no room for it.
                    if !Box::pin(self.correct_clock(offset, deadline)).await {
                        return Err(refusal.failure);
                    }
                }
                FailureKind::RateLimited => {
                    busy = true;
                    let wait = match answer.retry_after {
                        Some(RetryAfter::Seconds(seconds)) => Duration::from_secs(seconds),
                        Some(RetryAfter::At(unix)) => {
                            let theirs = service_time(offset);
                            Duration::from_secs(unix.saturating_sub(theirs))
                        }
                        None => back_off + jitter(),
                    };
                    back_off = back_off.saturating_mul(2);
                    let until = clock::now().checked_add(wait.max(WAIT_AT_LEAST));
                    let Some(until) = until.filter(|until| *until < deadline) else {
                        return Err(refusal.failure);
                    };
                    tokio::time::sleep_until(until.into()).await;
                }
                _ => return Err(refusal.failure),
            }
        }
    }

    /// Learns the service's time after a request dated with that offset was refused. False when
    /// nothing was learnt.
    async fn correct_clock(&self, used: i64, deadline: Instant) -> bool {
        let gate = timeout_at(deadline.into(), self.pool.clock_gate().acquire()).await;
        let Ok(Ok(_permit)) = gate else {
            return false;
        };
        // Another request may have learnt it meanwhile.
        self.pool.clock_offset() != used || self.learn_skew(deadline).await.is_ok()
    }

    /// One request and its answer of whatever status, sent again only if it was certainly not seen,
    /// or may be seen twice and met a connection that had become stale.
    async fn attempt(
        &self,
        written: &Written,
        parameters: &Bytes,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let signed = self.sign(written, parameters).ok_or_else(|| Failure {
            kind: FailureKind::Internal,
            detail: "the request cannot be signed".to_owned(),
        })?;
        let mut freshness = match repeat {
            Repeat::Safe | Repeat::Polled => IDLE_TIME,
            Repeat::Never => FRESH,
        };
        let mut unsent = 0;
        loop {
            let since = clock::now();
            let mut lease = timeout_at(deadline.into(), self.pool.lease(freshness))
                .await
                .unwrap_or_else(|_| Err(self.no_connection(repeat, since)))?;
            let Some(carrier) = lease.carrier() else {
                continue;
            };
            let sent = exchange(carrier, &signed, &self.target);
            match timeout_at(deadline.into(), sent).await {
                Err(_) => {
                    return Err(Failure {
                        kind: FailureKind::TimedOut,
                        detail: format!("no answer from {} before the deadline", self.host),
                    });
                }
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(SendFault::Final(failure))) => return Err(failure),
                Ok(Err(SendFault::Unsent(detail))) => {
                    lease.discard();
                    unsent += 1;
                    if unsent > UNSENT {
                        return Err(Failure {
                            kind: FailureKind::Connect,
                            detail: format!("connections to {} break: {detail}", self.host),
                        });
                    }
                }
                Ok(Err(SendFault::Broken(detail))) => {
                    let stale = lease.reused && freshness > Duration::ZERO;
                    lease.discard();
                    if !stale || repeat == Repeat::Never {
                        return Err(Failure {
                            kind: FailureKind::Closed,
                            detail: format!("{} closed the connection: {detail}", self.host),
                        });
                    }
                    freshness = Duration::ZERO;
                }
            }
        }
    }

    /// Why a request that has waited since that moment got no connection.
    fn no_connection(&self, repeat: Repeat, since: Instant) -> Failure {
        let host = &self.host;
        // Many wait for few connections at a time: no outage, for which `failmode` would stand in.
        if repeat != Repeat::Polled && self.pool.kept_waiting(since) {
            return Failure {
                kind: FailureKind::Internal,
                detail: format!("too many waited for a connection to {host}, which serves others"),
            };
        }
        Failure {
            // What was never sent certainly reached nobody; it matters for what may not be repeated.
            kind: match repeat {
                Repeat::Safe | Repeat::Polled => FailureKind::TimedOut,
                Repeat::Never => FailureKind::Connect,
            },
            detail: format!("no connection to {host} before the deadline"),
        }
    }

    fn sign(&self, written: &Written, parameters: &Bytes) -> Option<Signed> {
        let date = rfc1123(service_time(self.pool.clock_offset()));
        let authorization = self.signer.authorization(
            &date,
            written.method.as_str(),
            &self.host,
            written.path,
            parameters,
        )?;
        Some(Signed {
            method: written.method.clone(),
            path: written.path,
            parameters: parameters.clone(),
            date: HeaderValue::from_bytes(&date).ok()?,
            authorization,
        })
    }
}

/// A service that said that it has too much to do is there: no outage, for which `failmode` would stand
/// in, when the deadline cuts off the next try.
fn still_busy(failure: Failure, repeat: Repeat, busy: bool) -> Failure {
    if busy && repeat == Repeat::Safe && failure.kind == FailureKind::TimedOut {
        return Failure {
            kind: FailureKind::RateLimited,
            detail: format!(
                "{}, after it said that it has too much to do",
                failure.detail
            ),
        };
    }
    failure
}

/// The service's time, as far as we know it.
fn service_time(offset: i64) -> u64 {
    clock::unix_now().saturating_add_signed(offset)
}

fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

/// Up to a second, so that many who were refused together do not come back together.
fn jitter() -> Duration {
    Duration::from_millis(u64::from(crate::random::number() % 1_000))
}

/// The usual bound on open connections.
pub const CONNECTIONS: usize = 20_000;
/// A clock that far off is logged, and refused by the service (duo-auth-api 1.5).
const SKEW_SECONDS: u64 = 300;
/// An HTTP/1.1 connection idle for longer is not used for a request that may not be repeated.
const FRESH: Duration = Duration::from_secs(5);
/// How often a request may meet a connection that takes nothing.
const UNSENT: u32 = 8;
/// The wait after the first 429 that names none; doubled each time.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The shortest wait after a 429, whatever the service says.
const WAIT_AT_LEAST: Duration = Duration::from_millis(100);

//! A login's context between its challenge and the answer, sealed into the RADIUS State attribute
//! (RFC 2865 section 5.24): the device carries it, the node keeps none of it.
//!
//! A State is bound to the integration with its authenticator, the client's address and the user it
//! was made for, is good for [`LIFETIME_SECONDS`], and once. What does not fit into one attribute stays on the node in a
//! bounded table, and the State says so.

mod pending;
mod seal;
mod tables;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::{IntCounter, IntCounterVec};
use zeroize::Zeroizing;

use self::seal::{Body, Key, Opened, SEALED_ROOM};
use self::tables::{Spilled, Used};
use crate::flow::Pending;

/// Seals and opens States, and remembers those that were used.
#[derive(Debug)]
pub(crate) struct States {
    key: Key,
    tables: Mutex<Tables>,
    results: IntCounterVec,
    spills: IntCounter,
}

#[derive(Debug, Default)]
struct Tables {
    used: Used,
    spilled: Spilled,
}

/// Whom a State is for. Any difference makes it foreign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) integration: &'a str,
    /// Who checks passwords there; empty where nobody does. An answer for one upstream is not to
    /// reach another after a change of the configuration.
    pub(crate) authenticator: &'a str,
    /// The client's address, without its port: a device may answer from another one.
    pub(crate) client: IpAddr,
    /// Octet for octet.
    pub(crate) user: &'a str,
}

impl States {
    /// With a key of this node's own, which ends with it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(
        results: IntCounterVec,
        spills: IntCounter,
    ) -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; seal::KEY_OCTETS]);
        getrandom::fill(&mut *key)?;
        Ok(Self {
            key: Key::new(&key),
            tables: Mutex::default(),
            results,
            spills,
        })
    }

    /// Seals what a login needs to go on. `now` in seconds since 1970; the result has at most 253
    /// octets.
    ///
    /// # Errors
    /// [`SealError`]: the login cannot go on.
    pub(crate) fn seal(
        &self,
        now: u64,
        scope: Scope<'_>,
        pending: &Pending,
    ) -> Result<Vec<u8>, SealError> {
        let sealed = self.try_seal(now, scope, pending);
        self.count(match &sealed {
            Ok(_) => "sealed",
            Err(SealError::TooLong) => "too_long",
            Err(SealError::Random) => "no_random",
        });
        sealed
    }

    fn try_seal(
        &self,
        now: u64,
        scope: Scope<'_>,
        pending: &Pending,
    ) -> Result<Vec<u8>, SealError> {
        let until = now.saturating_add(LIFETIME_SECONDS);
        let digest = seal::digest(scope);
        let written = pending::write(pending);
        let whole;
        let body = if written.len() <= SEALED_ROOM {
            whole = written;
            Body::Whole(&whole)
        } else {
            let mut name = [0; tables::NAME_OCTETS];
            getrandom::fill(&mut name).map_err(|_| SealError::Random)?;
            let evicted = self
                .tables()
                .spilled
                .keep(now, (until, name), written)
                .ok_or(SealError::TooLong)?;
            if evicted {
                self.count("evicted");
            }
            self.spills.inc();
            Body::Spilled(name)
        };
        let mut nonce = [0; seal::NONCE_OCTETS];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        self.key
            .seal(nonce, until, digest, body)
            .ok_or(SealError::Random)
    }

    /// Opens a State that a client brought. Once: afterwards it is used.
    ///
    /// # Errors
    /// [`StateFault`] says why it is good for nothing.
    pub(crate) fn open(
        &self,
        now: u64,
        scope: Scope<'_>,
        octets: &[u8],
    ) -> Result<Pending, StateFault> {
        let opened = self.try_open(now, scope, octets);
        self.count(
            opened
                .as_ref()
                .map_or_else(|fault| fault.label(), |_| "opened"),
        );
        opened
    }

    fn try_open(&self, now: u64, scope: Scope<'_>, octets: &[u8]) -> Result<Pending, StateFault> {
        let Opened {
            nonce,
            until,
            digest,
            clear,
        } = self.key.open(octets)?;
        // Both were authenticated: nobody learns by trying, so they need no constant time.
        if digest != seal::digest(scope) {
            return Err(StateFault::Foreign);
        }
        if now >= until {
            return Err(StateFault::Expired);
        }
        let mut tables = self.tables();
        if tables.used.note(now, until, nonce)? {
            self.count("evicted");
        }
        let written = match seal::body(&clear).ok_or(StateFault::Tampered)? {
            Body::Whole(written) => Zeroizing::new(written.to_vec()),
            Body::Spilled(name) => tables
                .spilled
                .take(&(until, name))
                .ok_or(StateFault::Lost)?,
        };
        drop(tables);
        pending::read(&written).ok_or(StateFault::Tampered)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &str) {
        self.results.with_label_values(&[result]).inc();
    }
}

/// Why no State can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// Its context fits neither into an attribute nor into the node's table.
    #[error("the login's context is too long to be kept")]
    TooLong,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// Why a State is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateFault {
    /// It was made elsewhere, or for another integration, authenticator, client or user.
    #[error("the State is not of this service, or was made for another client or user")]
    Foreign,
    /// It was changed on its way, or made up.
    #[error("the State was changed on its way")]
    Tampered,
    /// Its time is over, or was cut short because very many States were used since.
    #[error("the State has expired: the answer came too late")]
    Expired,
    /// It was used before.
    #[error("the State was used before")]
    Replayed,
    /// Its context was kept on this node, and had to make room for others.
    #[error("the State's context was dropped: too many challenges wait whose context is long")]
    Lost,
}

impl StateFault {
    const fn label(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Tampered => "tampered",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::Lost => "lost",
        }
    }
}

/// How long an answer may take.
pub(crate) const LIFETIME_SECONDS: u64 = 300;

#[cfg(test)]
mod tests;

//! A login's context between its challenge and the answer, sealed into the RADIUS State attribute
//! (RFC 2865 section 5.24): the device carries it, the node keeps none of it.
//!
//! Every node of an installation has the same keys, so any of them goes on with what another began.
//! A State is bound to the integration with its authenticator, the client's address and the user it
//! was made for, is good for [`LIFETIME_SECONDS`], and once at each node. What does not fit into one
//! attribute stays on the node in a bounded table, and the State says so: such a one is good only
//! there, and ends with the node.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod pending;
mod seal;
pub(crate) mod tables;

use std::iter;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prometheus::{IntCounter, IntCounterVec};
use proto::id::LoginId;
use proto::rpc::{StateKey, StateKeys};
use proto::secret::Secret;
use zeroize::Zeroizing;

use self::seal::{Body, Key, Opened, SEALED_ROOM};
use self::tables::{Spilled, Used};
use crate::flow::{Pending, texts};
use crate::server::handover::{Frame, Heir};

/// Seals and opens States, and remembers those that were used.
#[derive(Debug)]
pub(crate) struct States {
    /// The first seals, all open. This node's own is the last: with it States are sealed until the
    /// control plane has sent some.
    keys: ArcSwap<Vec<Arc<Key>>>,
    tables: Mutex<Tables>,
    /// Who goes on with what this process spills.
    heir: Arc<Heir>,
    results: IntCounterVec,
    spills: IntCounter,
}

#[derive(Debug, Default)]
struct Tables {
    used: Used,
    spilled: Spilled,
}

/// What a login needs to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// The id of its first request, under which those that follow are found.
    pub(crate) first: LoginId,
    pub(crate) pending: Pending,
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
    /// Whether the request proved with a Message-Authenticator to be the client's. What answers a
    /// question that was asked of one that did has to: else anybody who saw the question go by
    /// could spend it.
    pub(crate) signed: bool,
}

impl States {
    /// With a key of this node's own, which ends with it and which no other node knows.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(
        results: IntCounterVec,
        spills: IntCounter,
    ) -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; seal::KEY_OCTETS]);
        crate::random::fill(&mut *key)?;
        Ok(Self {
            keys: ArcSwap::from_pointee(vec![Arc::new(Key::new(&key))]),
            tables: Mutex::default(),
            heir: Arc::default(),
            results,
            spills,
        })
    }

    /// Who goes on with this node's logins, where somebody does.
    pub(crate) fn heir(&self) -> &Arc<Heir> {
        &self.heir
    }

    /// The keys, as text; the last is this node's own.
    pub(crate) fn keys(&self) -> Vec<StateKey> {
        let keys = self.keys.load();
        let texts = keys.iter().map(|key| STANDARD.encode(key.octets()));
        texts.map(|text| StateKey(Secret::new(text))).collect()
    }

    /// Takes the place of a process that had these keys, before anything was sealed here: its own key
    /// is this one's from now on.
    ///
    /// # Errors
    /// [`BadStateKey`]; the keys before it stay.
    pub(crate) fn inherit_keys(&self, keys: &[StateKey]) -> Result<(), BadStateKey> {
        let keys = keys.iter().take(MAX_OTHERS + 2).map(read_key);
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(BadStateKey);
        }
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// What the process that takes this one's place has to know of States; from now on it is told of
    /// what is spilled. No State is opened here any more.
    pub(crate) fn hand_over(&self, tell: &mut impl FnMut(Frame)) {
        let tables = self.tables();
        let (used, forgotten) = tables.used.all();
        used.for_each(|(until, nonce)| tell(Frame::Used(until, nonce)));
        tell(Frame::Forgotten(forgotten));
        for ((until, name), context) in tables.spilled.all() {
            tell(Frame::Spilled(*until, *name, context.clone()));
        }
    }

    /// Takes in a State that another process of this node opened.
    pub(crate) fn take_used(&self, now: u64, until: u64, nonce: [u8; seal::NONCE_OCTETS]) {
        // One that is known, or ended meanwhile, is refused anyway.
        let _ = self.tables().used.note(now, until, nonce);
    }

    /// Takes in that States which end by then may have been used.
    pub(crate) fn take_forgotten(&self, until: u64) {
        self.tables().used.forget(until);
    }

    /// Takes in a context that another process of this node spilled; a successor is told.
    pub(crate) fn take_spilled(
        &self,
        now: u64,
        key: (u64, [u8; tables::NAME_OCTETS]),
        context: Zeroizing<Vec<u8>>,
    ) {
        self.spill(now, key, context);
    }

    /// Keeps a context, and says whether another was dropped for it; none when it is too long.
    fn spill(
        &self,
        now: u64,
        key: (u64, [u8; tables::NAME_OCTETS]),
        context: Zeroizing<Vec<u8>>,
    ) -> Option<bool> {
        let mut tables = self.tables();
        let told = context.clone();
        let kept = tables.spilled.keep(now, key, context)?;
        // Under the lock, so that it is handed over either with the table or by this.
        drop(self.heir.tell(Frame::Spilled(key.0, key.1, told)));
        Some(kept)
    }

    /// Takes the keys that all nodes have. What was sealed with this node's own is still opened.
    ///
    /// # Errors
    /// [`BadStateKey`]; the keys before it stay.
    pub(crate) fn set_keys(&self, keys: &StateKeys) -> Result<(), BadStateKey> {
        let mut read = iter::once(&keys.current)
            .chain(keys.others.iter().take(MAX_OTHERS))
            .map(read_key)
            .collect::<Result<Vec<_>, BadStateKey>>()?;
        read.extend(self.keys.load().last().cloned());
        self.keys.store(Arc::new(read));
        Ok(())
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
        context: &Context,
    ) -> Result<Vec<u8>, SealError> {
        let sealed = self.try_seal(now, scope, context);
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
        context: &Context,
    ) -> Result<Vec<u8>, SealError> {
        let until = now.saturating_add(LIFETIME_SECONDS);
        let digest = seal::digest(scope);
        let written = pending::write(context).ok_or(SealError::TooLong)?;
        let whole;
        let body = if written.len() <= SEALED_ROOM {
            whole = written;
            Body::Whole(&whole)
        } else {
            let mut name = [0; tables::NAME_OCTETS];
            crate::random::fill(&mut name).map_err(|_| SealError::Random)?;
            let evicted = self
                .spill(now, (until, name), written)
                .ok_or(SealError::TooLong)?;
            if evicted {
                self.count("evicted");
            }
            self.spills.inc();
            Body::Spilled(name)
        };
        let mut nonce = [0; seal::NONCE_OCTETS];
        crate::random::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let keys = self.keys.load();
        keys.first()
            .and_then(|key| key.seal(nonce, until, digest, body))
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
    ) -> Result<Context, StateFault> {
        let opened = self.try_open(now, scope, octets);
        self.count(
            opened
                .as_ref()
                .map_or_else(|fault| fault.label(), |_| "opened"),
        );
        opened
    }

    fn try_open(&self, now: u64, scope: Scope<'_>, octets: &[u8]) -> Result<Context, StateFault> {
        let Opened {
            nonce,
            until,
            digest,
            clear,
        } = self.opened(octets)?;
        // Both were authenticated: nobody learns by trying, so they need no constant time.
        let unsigned = Scope {
            signed: false,
            ..scope
        };
        if digest != seal::digest(scope) && digest != seal::digest(unsigned) {
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

    fn opened(&self, octets: &[u8]) -> Result<Opened, StateFault> {
        let mut fault = StateFault::Foreign;
        for key in self.keys.load().iter() {
            match key.open(octets) {
                // Names of keys are short: another one may have the same.
                Err(StateFault::Foreign) => {}
                Err(other) => fault = other,
                Ok(opened) => return Ok(opened),
            }
        }
        Err(fault)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &str) {
        self.results.with_label_values(&[result]).inc();
    }
}

fn read_key(StateKey(text): &StateKey) -> Result<Arc<Key>, BadStateKey> {
    let octets = STANDARD
        .decode(text.expose())
        .map(Zeroizing::new)
        .map_err(|_| BadStateKey)?;
    let key = octets.as_slice().try_into().map_err(|_| BadStateKey)?;
    Ok(Arc::new(Key::new(key)))
}

/// A key that the control plane sent is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of States is not 32 octets in base64")]
pub(crate) struct BadStateKey;

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
    /// It was made elsewhere, or for another integration, authenticator, client or user, or for one
    /// that signs its requests.
    #[error(
        "the State is not of this service, was made for another client or user, or for one whose \
         requests carry a Message-Authenticator"
    )]
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
    /// Its context was kept on a node, and is not here: the node was another one, or was started
    /// again, or the context had to make room for others.
    #[error(
        "the State's context was too long for it and is not here: another node has it, this one was \
         started again, or too many such challenges wait"
    )]
    Lost,
}

impl StateFault {
    /// What the user reads. Only who holds a genuine State learns more than that it is none.
    pub(crate) const fn said(self) -> &'static str {
        match self {
            Self::Foreign | Self::Tampered | Self::Lost => texts::UNKNOWN_STATE,
            Self::Expired => texts::LATE_ANSWER,
            Self::Replayed => texts::SECOND_ANSWER,
        }
    }

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

/// The most keys that only open.
const MAX_OTHERS: usize = 4;

/// How long an answer may take.
pub(crate) const LIFETIME_SECONDS: u64 = 300;

#[cfg(test)]
mod tests;

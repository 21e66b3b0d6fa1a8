//! What a node remembers of States: which were used, and what did not fit into them. Both tables
//! are bounded, and let go of what has expired.
//!
//! A full table lets go of what would end first. So a flood makes the time shorter that an answer
//! may take, for all; it neither makes a State good for a second use nor keeps anybody out.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::StateFault;
pub(crate) use super::seal::NONCE_OCTETS;

/// The States that were used, by their nonces: all of them ours, since only an opened State gets
/// here.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Each after the moment when it expires.
    nonces: BTreeSet<(u64, [u8; NONCE_OCTETS])>,
    /// Nonces that expire by then may have been let go of, so their States are good no more.
    /// Moves with those that expire as well: a clock that is set back brings none of them to life.
    forgotten: u64,
}

impl Used {
    /// Notes one, and says whether another was forgotten before its time, for room.
    ///
    /// # Errors
    /// [`StateFault::Replayed`]: it was used before. [`StateFault::Expired`]: it may have been.
    pub(super) fn note(
        &mut self,
        now: u64,
        until: u64,
        nonce: [u8; NONCE_OCTETS],
    ) -> Result<bool, StateFault> {
        while self.nonces.first().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
        if self.nonces.contains(&(until, nonce)) {
            return Err(StateFault::Replayed);
        }
        if until <= self.forgotten {
            return Err(StateFault::Expired);
        }
        self.nonces.insert((until, nonce));
        let evicts = self.nonces.len() > MAX_USED;
        if evicts {
            self.forget_first();
        }
        Ok(evicts)
    }

    /// All, and until when those that were forgotten were good.
    pub(super) fn all(&self) -> (impl Iterator<Item = (u64, [u8; NONCE_OCTETS])>, u64) {
        (self.nonces.iter().copied(), self.forgotten)
    }

    /// Takes in that States which end by then may have been used.
    pub(super) fn forget(&mut self, until: u64) {
        self.forgotten = self.forgotten.max(until);
    }

    fn forget_first(&mut self) {
        if let Some((until, _)) = self.nonces.pop_first() {
            self.forgotten = self.forgotten.max(until);
        }
    }
}

/// Contexts that did not fit.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    kept: BTreeMap<SpillKey, Zeroizing<Vec<u8>>>,
}

/// When a context expires, and its name.
pub(super) type SpillKey = (u64, [u8; NAME_OCTETS]);

impl Spilled {
    /// Keeps one, and says whether another was dropped before its time, for room. None when it is
    /// too long to be kept.
    pub(super) fn keep(
        &mut self,
        now: u64,
        key: SpillKey,
        context: Zeroizing<Vec<u8>>,
    ) -> Option<bool> {
        if context.len() > MAX_SPILLED_OCTETS {
            return None;
        }
        while let Some(first) = self.kept.first_entry()
            && first.key().0 <= now
        {
            first.remove();
        }
        let evicts = self.kept.len() >= MAX_SPILLED;
        if evicts {
            self.kept.pop_first();
        }
        self.kept.insert(key, context);
        Some(evicts)
    }

    /// All that is kept.
    pub(super) fn all(&self) -> impl Iterator<Item = (&SpillKey, &Zeroizing<Vec<u8>>)> {
        self.kept.iter()
    }

    /// Takes what was kept.
    pub(super) fn take(&mut self, key: &SpillKey) -> Option<Zeroizing<Vec<u8>>> {
        self.kept.remove(key)
    }
}

/// Octets of a name.
pub(crate) const NAME_OCTETS: usize = 16;

/// Used States remembered: 200 challenges a second, for as long as each is good.
pub(super) const MAX_USED: usize = 65_536;

/// Contexts kept at a time.
pub(super) const MAX_SPILLED: usize = 4_096;

/// The longest context: a packet full of attributes, with what is written before each.
pub(super) const MAX_SPILLED_OCTETS: usize = 8_192;

//! What a node remembers of States: which were used, and what did not fit into them. Both tables
//! are bounded, and let go of what has expired.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use zeroize::Zeroizing;

use super::seal::NONCE_OCTETS;

/// The States that were used, by their nonces: all of them ours, since only an opened State gets
/// here.
#[derive(Debug, Default)]
pub(super) struct Used {
    nonces: FxHashSet<[u8; NONCE_OCTETS]>,
    /// In the order they were used.
    order: VecDeque<(u64, [u8; NONCE_OCTETS])>,
}

impl Used {
    /// Notes one. None when it was used before; whether another was forgotten before its time, for
    /// room.
    pub(super) fn note(&mut self, now: u64, until: u64, nonce: [u8; NONCE_OCTETS]) -> Option<bool> {
        while let Some((until, old)) = self.order.front().copied()
            && until <= now
        {
            self.order.pop_front();
            self.nonces.remove(&old);
        }
        if !self.nonces.insert(nonce) {
            return None;
        }
        self.order.push_back((until, nonce));
        let evicts = self.order.len() > MAX_USED;
        if evicts && let Some((_, old)) = self.order.pop_front() {
            self.nonces.remove(&old);
        }
        Some(evicts)
    }
}

/// Contexts that did not fit.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    kept: FxHashMap<[u8; NAME_OCTETS], Zeroizing<Vec<u8>>>,
    order: VecDeque<(u64, [u8; NAME_OCTETS])>,
}

impl Spilled {
    /// Keeps one under this name; false when there is no room.
    pub(super) fn keep(
        &mut self,
        now: u64,
        until: u64,
        name: [u8; NAME_OCTETS],
        context: Zeroizing<Vec<u8>>,
    ) -> bool {
        while let Some((until, old)) = self.order.front().copied()
            && (until <= now || !self.kept.contains_key(&old))
        {
            self.order.pop_front();
            self.kept.remove(&old);
        }
        if self.order.len() >= MAX_SPILLED || context.len() > MAX_SPILLED_OCTETS {
            return false;
        }
        self.order.push_back((until, name));
        self.kept.insert(name, context);
        true
    }

    /// Takes what was kept under a name.
    pub(super) fn take(&mut self, name: &[u8; NAME_OCTETS]) -> Option<Zeroizing<Vec<u8>>> {
        self.kept.remove(name)
    }
}

/// Octets of a name.
pub(super) const NAME_OCTETS: usize = 16;

/// Used States remembered: 200 challenges a second, for as long as each is good.
pub(super) const MAX_USED: usize = 65_536;

/// Contexts kept at a time, those taken since among them until they are the oldest.
pub(super) const MAX_SPILLED: usize = 4_096;

/// The longest context: as much as a packet can bring.
pub(super) const MAX_SPILLED_OCTETS: usize = 4_096;

//! The caches of retransmissions of a node, behind their locks: one for conversations of EAP, which
//! take a dozen answers each, and one for all else, which a flood of handshakes is not to push out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::config::Mode;

use super::dedup::{DuplicateCache, Limits, MAX_RUNNING};

/// Both caches.
#[derive(Debug)]
pub(crate) struct Duplicates {
    eap: Mutex<DuplicateCache>,
    others: Mutex<DuplicateCache>,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self {
            eap: Mutex::new(DuplicateCache::new(OF_EAP)),
            others: Mutex::default(),
        }
    }
}

impl Duplicates {
    /// Keeps less than usual.
    #[cfg(test)]
    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            eap: Mutex::new(DuplicateCache::new(limits)),
            others: Mutex::new(DuplicateCache::new(limits)),
        }
    }

    /// The cache for requests of an integration in this mode.
    pub(crate) fn of(&self, mode: Mode) -> MutexGuard<'_, DuplicateCache> {
        let cache = match mode {
            Mode::Eap => &self.eap,
            Mode::Auto | Mode::Challenge | Mode::Concat | Mode::DuoOnly => &self.others,
        };
        cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cache of EAP, or the other.
    pub(crate) fn of_eap(&self, eap: bool) -> MutexGuard<'_, DuplicateCache> {
        self.of(if eap { Mode::Eap } else { Mode::Auto })
    }

    /// Each in turn.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, DuplicateCache>> {
        [Mode::Auto, Mode::Eap]
            .into_iter()
            .map(|mode| self.of(mode))
    }
}

/// What is kept of EAP. A repeat that is not found goes to its conversation, which knows it as well.
const OF_EAP: Limits = Limits {
    answers: 65_536,
    octets: 32 * 1024 * 1024,
    running: MAX_RUNNING,
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock;
    use crate::radius::Authenticator;
    use crate::server::dedup::{Key, Lookup};

    #[test]
    fn however_many_handshakes_there_are_the_answer_of_a_login_stays() {
        let duplicates = Duplicates::default();
        let now = clock::now();
        let authenticator = Authenticator::default();
        let key = |n: usize| {
            let [.., a, b, c] = n.to_be_bytes();
            let source = ([10, a, b, c], 1812).into();
            Key::new(source, 1812, 0)
        };
        let answered = |mode, n| {
            let mut cache = duplicates.of(mode);
            cache.begin(now, key(n), &authenticator).unwrap();
            let reply: Arc<[u8]> = vec![0; 1_024].into();
            cache.finish(now, &key(n), &authenticator, reply);
        };
        answered(Mode::Auto, 0);
        let many = OF_EAP.octets / 1_024 + 1;
        for n in 1..=many {
            answered(Mode::Eap, n);
        }
        let found = |mode, n| duplicates.of(mode).lookup(now, &key(n), &authenticator);
        assert_eq!(found(Mode::Eap, 1), Lookup::New, "the oldest went");
        for (mode, n) in [(Mode::Eap, many), (Mode::Auto, 0)] {
            assert!(matches!(found(mode, n), Lookup::Replay(_)), "{mode:?}");
        }
        let evicted: Vec<_> = duplicates
            .each()
            .map(|one| one.occupancy().evicted)
            .collect();
        assert_eq!(evicted, [0, 1]);
    }
}

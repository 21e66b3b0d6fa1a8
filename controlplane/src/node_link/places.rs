//! Places that are taken for a while, so that nobody takes all of them. Pure.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places in all, and so many for each who takes them.
pub(super) struct Places<K: Eq + Hash> {
    all: usize,
    each: usize,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    all: usize,
    by: HashMap<K, usize>,
}

/// A place, until it is dropped.
pub(super) struct Place<K: Eq + Hash> {
    of: Arc<Places<K>>,
    by: K,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            each,
            taken: Mutex::new(Taken {
                all: 0,
                by: HashMap::new(),
            }),
        })
    }

    /// A place; none when all are taken, or as many as one may have.
    pub(super) fn take(self: &Arc<Self>, by: K) -> Option<Place<K>> {
        let mut taken = self.lock();
        if taken.all >= self.all || taken.by.get(&by).is_some_and(|own| *own >= self.each) {
            return None;
        }
        taken.all += 1;
        *taken.by.entry(by.clone()).or_default() += 1;
        drop(taken);
        Some(Place {
            of: Arc::clone(self),
            by,
        })
    }
}

impl<K: Eq + Hash> Places<K> {
    fn lock(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by.get_mut(&self.by).map(|own| {
            *own = own.saturating_sub(1);
            *own
        });
        if left == Some(0) {
            taken.by.remove(&self.by);
        }
    }
}

/// Whom an address stands for: one IPv4 address, or a /64 of IPv6, which one machine has whole.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_one_may_have_and_what_is_left_can_be_taken() {
        let places = Places::new(3, 2);
        let first = places.take("a").unwrap();
        let _second = places.take("a").unwrap();
        assert!(places.take("a").is_none(), "as many as one may have");
        let other = places.take("b").unwrap();
        assert!(places.take("c").is_none(), "all are taken");
        drop(other);
        assert!(places.take("a").is_none());
        drop(first);
        assert!(places.take("a").is_some(), "and left again at once");
        assert_eq!(places.lock().by.len(), 1, "who has none is forgotten");
    }

    #[test]
    fn a_network_of_one_machine_is_one_neighbour() {
        for (a, b, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [a, b].map(|text| neighbourhood(text.parse().unwrap()));
            assert_eq!(one == other, same, "{a} {b}");
        }
    }
}

//! How many of a thing may be open at a time, connections or forms: of this machine, of others, and of one
//! address. No sockets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is open, counted.
#[derive(Debug)]
pub(crate) struct Doors {
    bounds: Bounds,
    table: Mutex<Table>,
}

/// How many may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of this machine; others cannot take them. Behind a reverse proxy here all are of this machine.
    pub(crate) local: usize,
    /// Of all others together.
    pub(crate) remote: usize,
    /// Of one other address, or of the first 64 bits of one of IPv6.
    pub(crate) of_an_address: usize,
}

#[derive(Debug, Default)]
struct Table {
    local: usize,
    remote: usize,
    /// Of others than this machine; none that has nothing open.
    by_address: HashMap<IpAddr, usize>,
}

/// Where something comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This machine: the data plane, with many logins on few connections.
    Local,
    /// Elsewhere. IPv6 is counted by its first 64 bits: one host has all the others.
    Remote(IpAddr),
}

impl Origin {
    /// As administrators read it; empty for this machine.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Local => String::new(),
            Self::Remote(address) => address.to_string(),
        }
    }

    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self::Remote(Ipv6Addr::from(network).into())
            }
            address @ IpAddr::V4(_) => Self::Remote(address),
        }
    }
}

/// What is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    doors: Arc<Doors>,
    origin: Origin,
    /// Whether it counts for its address.
    of_an_address: bool,
}

impl Doors {
    /// Nothing is open yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            table: Mutex::default(),
        }
    }

    /// Counts one more; none when there are too many already.
    pub(crate) fn enter(self: &Arc<Self>, origin: Origin) -> Option<Place> {
        self.let_in(origin, true)
    }

    /// The same for what many people come through: it has no bound of its own.
    pub(crate) fn enter_shared(self: &Arc<Self>, origin: Origin) -> Option<Place> {
        self.let_in(origin, false)
    }

    fn let_in(self: &Arc<Self>, origin: Origin, of_an_address: bool) -> Option<Place> {
        let mut table = self.table();
        match origin {
            Origin::Local if table.local >= self.bounds.local => return None,
            Origin::Local => table.local += 1,
            Origin::Remote(_) if table.remote >= self.bounds.remote => return None,
            Origin::Remote(_) if !of_an_address => table.remote += 1,
            Origin::Remote(address) => {
                let own = table.by_address.entry(address).or_default();
                if *own >= self.bounds.of_an_address {
                    return None;
                }
                *own += 1;
                table.remote += 1;
            }
        }
        drop(table);
        Some(Place {
            doors: Arc::clone(self),
            origin,
            of_an_address,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.doors.table();
        match self.origin {
            Origin::Local => table.local = table.local.saturating_sub(1),
            Origin::Remote(address) => {
                table.remote = table.remote.saturating_sub(1);
                if self.of_an_address
                    && let Some(own) = table.by_address.get_mut(&address)
                {
                    *own = own.saturating_sub(1);
                    if *own == 0 {
                        table.by_address.remove(&address);
                    }
                }
            }
        }
    }
}

/// Connections.
pub(crate) const CONNECTIONS: Bounds = Bounds {
    local: 10_000,
    remote: 8_000,
    of_an_address: 64,
};

/// Forms of the pages that are being read: before anybody has shown a credential.
pub(crate) const FORMS: Bounds = Bounds {
    local: 256,
    remote: 512,
    of_an_address: 16,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(doors: &Arc<Doors>, address: &str, times: usize) -> Vec<Option<Place>> {
        let address: IpAddr = address.parse().unwrap();
        let origin = Origin::of(address);
        (0..times).map(|_| doors.enter(origin)).collect()
    }

    #[test]
    fn an_address_has_its_bound_and_gets_its_places_back() {
        let doors = Arc::new(Doors::new(CONNECTIONS));
        let mut held = enter(&doors, "192.0.2.1", CONNECTIONS.of_an_address);
        assert!(held.iter().all(Option::is_some));
        for (address, want) in [
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("127.0.0.1", true),
        ] {
            assert_eq!(enter(&doors, address, 1)[0].is_some(), want, "{address}");
        }
        held.pop();
        assert!(enter(&doors, "192.0.2.1", 1)[0].is_some());
        drop(held);
        assert!(doors.table().by_address.is_empty(), "nothing is kept");
        let held = enter(&doors, "2001:db8::1", CONNECTIONS.of_an_address);
        assert!(enter(&doors, "2001:db8::2:3", 1)[0].is_none(), "one host");
        assert!(enter(&doors, "2001:db8:0:1::1", 1)[0].is_some());
        drop(held);
    }

    #[test]
    fn others_cannot_take_the_places_of_this_machine() {
        let doors = Arc::new(Doors::new(CONNECTIONS));
        let held: Vec<_> = (0..CONNECTIONS.remote / CONNECTIONS.of_an_address)
            .map(|host| {
                enter(
                    &doors,
                    &format!("198.51.100.{host}"),
                    CONNECTIONS.of_an_address,
                )
            })
            .collect();
        assert!(enter(&doors, "203.0.113.1", 1)[0].is_none());
        let local = enter(&doors, "127.0.0.1", CONNECTIONS.local);
        assert!(local.iter().all(Option::is_some));
        assert!(enter(&doors, "::1", 1)[0].is_none());
        drop((held, local));
        assert!(enter(&doors, "203.0.113.1", 1)[0].is_some());
    }

    #[test]
    fn what_many_come_through_has_all_places_of_others_but_no_more() {
        let doors = Arc::new(Doors::new(CONNECTIONS));
        let proxy = Origin::of([192, 0, 2, 1].into());
        let held: Vec<_> = (0..CONNECTIONS.remote)
            .map(|_| doors.enter_shared(proxy))
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(doors.enter_shared(proxy).is_none());
        assert!(doors.table().by_address.is_empty());
        let local = enter(&doors, "127.0.0.1", CONNECTIONS.local);
        assert!(local.iter().all(Option::is_some));
        drop((held, local));
        let own = enter(&doors, "192.0.2.1", 1);
        drop(doors.enter_shared(proxy));
        assert_eq!(doors.table().by_address.len(), 1, "another one's place");
        drop(own);
        assert_eq!(doors.table().remote, 0);
    }

    #[test]
    fn each_thing_has_bounds_of_its_own() {
        let forms = Arc::new(Doors::new(FORMS));
        let held = enter(&forms, "192.0.2.1", FORMS.of_an_address);
        assert!(held.iter().all(Option::is_some));
        assert!(enter(&forms, "192.0.2.1", 1)[0].is_none());
        let local = enter(&forms, "127.0.0.1", FORMS.local);
        assert!(local.iter().all(Option::is_some));
        assert!(enter(&forms, "127.0.0.1", 1)[0].is_none());
        let others: Vec<_> = (0..FORMS.remote / FORMS.of_an_address - 1)
            .map(|host| enter(&forms, &format!("198.51.100.{host}"), FORMS.of_an_address))
            .collect();
        assert!(others.iter().flatten().all(Option::is_some));
        assert!(enter(&forms, "203.0.113.1", 1)[0].is_none(), "of all");
        drop((held, local, others));
        assert!(forms.table().by_address.is_empty());
    }
}

//! How many connections may be open: of this machine, of others, and of one address. No sockets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The open connections, counted.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    local: usize,
    remote: usize,
    /// Of others than this machine; none that has no connection.
    by_address: HashMap<IpAddr, usize>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This machine: the data plane, with many logins on few connections.
    Local,
    /// Elsewhere. IPv6 is counted by its first 64 bits: one host has all the others.
    Remote(IpAddr),
}

impl Origin {
    fn of(address: IpAddr) -> Self {
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

/// A connection that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    doors: Arc<Doors>,
    pub(crate) origin: Origin,
}

impl Doors {
    /// Counts a connection; none when there are too many already.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let origin = Origin::of(address);
        let mut table = self.table();
        match origin {
            Origin::Local if table.local >= MAX_LOCAL => return None,
            Origin::Local => table.local += 1,
            Origin::Remote(_) if table.remote >= MAX_REMOTE => return None,
            Origin::Remote(address) => {
                let own = table.by_address.entry(address).or_default();
                if *own >= MAX_OF_AN_ADDRESS {
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
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.doors.table();
        match self.origin {
            Origin::Local => table.local = table.local.saturating_sub(1),
            Origin::Remote(address) => {
                table.remote = table.remote.saturating_sub(1);
                if let Some(own) = table.by_address.get_mut(&address) {
                    *own = own.saturating_sub(1);
                    if *own == 0 {
                        table.by_address.remove(&address);
                    }
                }
            }
        }
    }
}

/// The most open connections of this machine; others cannot take them.
const MAX_LOCAL: usize = 10_000;

/// The most open connections of all others.
const MAX_REMOTE: usize = 8_000;

/// The most open connections of one other address.
const MAX_OF_AN_ADDRESS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(doors: &Arc<Doors>, address: &str, times: usize) -> Vec<Option<Place>> {
        let address: IpAddr = address.parse().unwrap();
        (0..times).map(|_| doors.enter(address)).collect()
    }

    #[test]
    fn an_address_has_its_bound_and_gets_its_places_back() {
        let doors = Arc::new(Doors::default());
        let mut held = enter(&doors, "192.0.2.1", MAX_OF_AN_ADDRESS);
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
        let held = enter(&doors, "2001:db8::1", MAX_OF_AN_ADDRESS);
        assert!(enter(&doors, "2001:db8::2:3", 1)[0].is_none(), "one host");
        assert!(enter(&doors, "2001:db8:0:1::1", 1)[0].is_some());
        drop(held);
    }

    #[test]
    fn others_cannot_take_the_places_of_this_machine() {
        let doors = Arc::new(Doors::default());
        let held: Vec<_> = (0..MAX_REMOTE / MAX_OF_AN_ADDRESS)
            .map(|host| enter(&doors, &format!("198.51.100.{host}"), MAX_OF_AN_ADDRESS))
            .collect();
        assert!(enter(&doors, "203.0.113.1", 1)[0].is_none());
        let local = enter(&doors, "127.0.0.1", MAX_LOCAL);
        assert!(local.iter().all(Option::is_some));
        assert!(enter(&doors, "::1", 1)[0].is_none());
        drop((held, local));
        assert!(enter(&doors, "203.0.113.1", 1)[0].is_some());
    }
}

//! Places for connections: so many at once, and of each address no more than its share.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::throttle::neighbourhood;

/// Places for connections, all together and of each address.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(CONNECTIONS)),
            of_each: Arc::default(),
        }
    }
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    whose: IpAddr,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    pub(super) async fn accept(
        &self,
        tcp: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, Place)> {
        let all = Arc::clone(&self.all).acquire_owned().await;
        let mut all = all.map_err(io::Error::other)?;
        loop {
            let (stream, from) = tcp.accept().await?;
            match self.take(from.ip(), all) {
                Ok(place) => return Ok((stream, from, place)),
                Err(free) => {
                    tracing::debug!(%from, "too many connections of one address; one was closed");
                    all = free;
                }
            }
        }
    }

    /// A place, unless the address has as many as it may. This machine is not counted: whoever
    /// stands in front of us may be on it.
    fn take(&self, from: IpAddr, all: OwnedSemaphorePermit) -> Result<Place, OwnedSemaphorePermit> {
        let whose = neighbourhood(from);
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = of_each.entry(whose).or_default();
        if *taken >= OF_AN_ADDRESS && !whose.to_canonical().is_loopback() && !from.is_loopback() {
            return Err(all);
        }
        *taken = taken.saturating_add(1);
        Ok(Place {
            _all: all,
            whose,
            of_each: Arc::clone(&self.of_each),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = of_each.get_mut(&self.whose) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of_each.remove(&self.whose);
            }
        }
    }
}

/// The most connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 512;
/// The most of them from one address, or from one /64 of IPv6; further ones are closed.
const OF_AN_ADDRESS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_share_of_places_and_gets_them_back() {
        let places = Places::default();
        let take = |text: &str| {
            let all = Arc::clone(&places.all).try_acquire_owned().unwrap();
            places.take(text.parse().unwrap(), all).ok()
        };
        let mut held: Vec<Place> = (0..OF_AN_ADDRESS)
            .map(|_| take("2001:db8::1").unwrap())
            .collect();
        assert!(take("2001:db8::2").is_none(), "the same /64");
        assert!(take("2001:db8:0:1::1").is_some());
        assert!(take("192.0.2.1").is_some());
        held.pop();
        assert!(take("2001:db8::2").is_some());
        for _ in 0..=OF_AN_ADDRESS {
            held.push(take("127.0.0.1").unwrap());
        }
        drop(held);
        assert!(places.of_each.lock().unwrap().is_empty());
        assert_eq!(places.all.available_permits(), CONNECTIONS);
    }
}

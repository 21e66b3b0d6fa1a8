//! A UDP relay in front of a server that loses, doubles and delays datagrams, both ways.
//!
//! What becomes of a datagram follows from the seed, its direction and its number alone; which login the
//! datagram with that number belongs to is up to the threads of the test.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::ports;

/// How long a datagram that is held back waits for one to overtake it.
const HELD: Duration = Duration::from_millis(20);
/// The longest datagram of RADIUS, and some more.
const DATAGRAM: usize = 8_192;

/// How many of a hundred datagrams meet which fate, in each direction.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Never arrive.
    pub lost: u64,
    /// Arrive twice.
    pub doubled: u64,
    /// Arrive after the one that was sent next.
    pub overtaken: u64,
}

/// A running relay; ends when dropped.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    weather: Weather,
    seed: u64,
    ends: AtomicBool,
    lost: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
    back: Mutex<Vec<JoinHandle<()>>>,
}

/// What becomes of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Lost,
    Doubled,
    Overtaken,
}

impl Lossy {
    /// Listens on 127.0.0.1 for datagrams that may go on to the target.
    #[must_use]
    pub fn start(target: SocketAddr, weather: Weather, seed: u64) -> Self {
        let address = ports::loopback(ports::free_udp());
        let socket = Arc::new(UdpSocket::bind(address).unwrap());
        let shared = Arc::new(Shared {
            target,
            weather,
            seed,
            ends: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            back: Mutex::default(),
        });
        let inner = Arc::clone(&shared);
        let thread = thread::spawn(move || there(&inner, &socket));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many were lost, doubled and overtaken.
    #[must_use]
    pub fn counts(&self) -> [u64; 3] {
        [
            &self.shared.lost,
            &self.shared.doubled,
            &self.shared.overtaken,
        ]
        .map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
        for thread in self.shared.back.lock().unwrap().drain(..) {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn fate(&self, direction: u64, number: u64) -> Fate {
        let draw = mixed(self.seed ^ mixed(direction << 32 | number)) % 100;
        let Weather {
            lost,
            doubled,
            overtaken,
        } = self.weather;
        let (fate, count) = match draw {
            _ if draw < lost => (Fate::Lost, &self.lost),
            _ if draw < lost + doubled => (Fate::Doubled, &self.doubled),
            _ if draw < lost + doubled + overtaken => (Fate::Overtaken, &self.overtaken),
            _ => return Fate::Passes,
        };
        count.fetch_add(1, Ordering::Relaxed);
        fate
    }
}

/// SplitMix64's output function.
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

/// From the clients to the target, each from a socket of its own, so that they stay who they are.
fn there(shared: &Arc<Shared>, socket: &Arc<UdpSocket>) {
    let mut sockets: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    pass(shared, 0, socket, |client, datagram| {
        let onward = sockets.entry(client).or_insert_with(|| {
            let onward = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
            onward.connect(shared.target).unwrap();
            let (inner, from, to) = (Arc::clone(shared), Arc::clone(&onward), Arc::clone(socket));
            let direction = u64::from(client.port()) + 1;
            let thread = thread::spawn(move || {
                pass(&inner, direction, &from, |_, datagram| {
                    drop(to.send_to(datagram, client));
                });
            });
            shared.back.lock().unwrap().push(thread);
            onward
        });
        // The target may be away: that is as good as lost.
        drop(onward.send(datagram));
    });
}

/// Reads datagrams, and sends those that are to arrive, until the relay ends.
fn pass(
    shared: &Shared,
    direction: u64,
    from: &UdpSocket,
    mut send: impl FnMut(SocketAddr, &[u8]),
) {
    from.set_read_timeout(Some(HELD)).unwrap();
    let mut buffer = [0; DATAGRAM];
    let mut held: Option<(SocketAddr, Vec<u8>)> = None;
    let mut number = 0;
    while !shared.ends.load(Ordering::SeqCst) {
        let came = match from.recv_from(&mut buffer) {
            Ok((length, client)) => Some((client, &buffer[..length])),
            // "Connection refused" tells that the target is away.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => None,
        };
        let overtaken = held.take();
        if let Some((client, datagram)) = came {
            number += 1;
            match shared.fate(direction, number) {
                Fate::Passes => send(client, datagram),
                Fate::Lost => {}
                Fate::Doubled => {
                    send(client, datagram);
                    send(client, datagram);
                }
                Fate::Overtaken => held = Some((client, datagram.to_vec())),
            }
        }
        if let Some((client, datagram)) = overtaken {
            send(client, &datagram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64) -> Vec<Fate> {
        let shared = Shared {
            target: ports::dead(),
            weather: Weather {
                lost: 5,
                doubled: 5,
                overtaken: 10,
            },
            seed,
            ends: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            back: Mutex::default(),
        };
        (0..10_000).map(|number| shared.fate(0, number)).collect()
    }

    #[test]
    fn a_seed_is_its_weather() {
        let some = fates(1);
        assert_eq!(some, fates(1));
        assert_ne!(some, fates(2));
        for (fate, percent) in [(Fate::Lost, 5), (Fate::Doubled, 5), (Fate::Overtaken, 10)] {
            let count = some.iter().filter(|one| **one == fate).count();
            let wanted = percent * 100;
            assert!(
                (wanted - 100..wanted + 100).contains(&count),
                "{fate:?}: {count}"
            );
        }
    }
}

//! Hosts that are there and never answer. For hosts that refuse see [`crate::ports::dead`].

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::ports;

/// How often the UDP thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// A TCP server that accepts every connection, reads nothing and says nothing.
#[derive(Debug)]
pub struct BlackHoleTcp {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A UDP server that swallows every datagram.
#[derive(Debug)]
pub struct BlackHoleUdp {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    ends: AtomicBool,
}

impl BlackHoleTcp {
    /// Starts listening.
    #[must_use]
    pub fn start() -> Self {
        let address = ports::loopback(ports::free_tcp());
        let listener = TcpListener::bind(address).unwrap();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if inner.ends.load(Ordering::SeqCst) {
                    return;
                }
                held.push(stream);
                inner.count.fetch_add(1, Ordering::SeqCst);
            }
        });
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

    /// How many connections were made.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }
}

impl Drop for BlackHoleTcp {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // One more connection wakes the thread.
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

impl BlackHoleUdp {
    /// Starts swallowing.
    #[must_use]
    pub fn start() -> Self {
        let address = ports::loopback(ports::free_udp());
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !inner.ends.load(Ordering::SeqCst) {
                if socket.recv(&mut buffer).is_ok() {
                    inner.count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams came.
    #[must_use]
    pub fn received(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }
}

impl Drop for BlackHoleUdp {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

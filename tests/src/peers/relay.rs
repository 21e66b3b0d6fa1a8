//! A TCP relay in front of a peer: keeps every octet that passed, counts connections, and falls
//! silent, speaks an octet at a time or breaks connections when told to.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::ports;

/// How long connecting to the peer may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A running relay; ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    thawed: Condvar,
    ends: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    frozen: bool,
    /// How long the peer takes for each octet.
    pace: Option<Duration>,
    accepted: usize,
    to_peer: Vec<u8>,
    from_peer: Vec<u8>,
    /// Both ends of each connection.
    streams: Vec<TcpStream>,
}

impl Relay {
    /// Listens on 127.0.0.1 for connections that go on to the target.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let address = ports::loopback(ports::free_tcp());
        let listener = TcpListener::bind(address).unwrap();
        let shared = Arc::new(Shared {
            target,
            state: Mutex::default(),
            thawed: Condvar::new(),
            ends: AtomicBool::new(false),
        });
        let inner = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if inner.ends.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    begin(&inner, client);
                }
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
        self.shared.state.lock().unwrap().accepted
    }

    /// How many octets came from clients, of all connections; those held back too.
    #[must_use]
    pub fn received(&self) -> usize {
        self.shared.state.lock().unwrap().to_peer.len()
    }

    /// Whether these octets came, from a client or from the peer.
    #[must_use]
    pub fn saw(&self, octets: &[u8]) -> bool {
        let state = self.shared.state.lock().unwrap();
        let has = |stream: &[u8]| stream.windows(octets.len()).any(|window| window == octets);
        has(&state.to_peer) || has(&state.from_peer)
    }

    /// From now on nothing passes; connections are accepted, and kept.
    pub fn freeze(&self) {
        self.shared.state.lock().unwrap().frozen = true;
    }

    /// What was held back passes, and everything after it.
    pub fn thaw(&self) {
        self.shared.state.lock().unwrap().frozen = false;
        self.shared.thawed.notify_all();
    }

    /// From now on the peer's octets come one by one, with this pause before each. Without one they come
    /// as they are, those that wait too.
    pub fn drip(&self, pace: Option<Duration>) {
        self.shared.state.lock().unwrap().pace = pace;
        self.shared.thawed.notify_all();
    }

    /// Breaks all connections; new ones are taken.
    pub fn cut(&self) {
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        for stream in self.state.lock().unwrap().streams.drain(..) {
            // The other side may have closed it.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.thaw();
        self.drip(None);
        self.cut();
        // One more connection wakes the thread.
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

fn begin(shared: &Arc<Shared>, client: TcpStream) {
    shared.state.lock().unwrap().accepted += 1;
    let Ok(peer) = TcpStream::connect_timeout(&shared.target, CONNECT) else {
        return;
    };
    let copies = [&client, &peer].map(|stream| stream.try_clone().unwrap());
    let [client_copy, peer_copy] = [&client, &peer].map(|stream| stream.try_clone().unwrap());
    shared.state.lock().unwrap().streams.extend(copies);
    let (there, back) = (Arc::clone(shared), Arc::clone(shared));
    thread::spawn(move || pass(&there, client, peer, false));
    thread::spawn(move || pass(&back, peer_copy, client_copy, true));
}

/// Passes octets on until one side closes, then closes both.
fn pass(shared: &Shared, mut from: TcpStream, mut to: TcpStream, from_peer: bool) {
    let mut buffer = [0; 16_384];
    'copy: while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut state = shared.state.lock().unwrap();
        let record = match from_peer {
            true => &mut state.from_peer,
            false => &mut state.to_peer,
        };
        record.extend_from_slice(&buffer[..length]);
        state = shared
            .thawed
            .wait_while(state, |state| state.frozen)
            .unwrap();
        let mut rest = &buffer[..length];
        while let (true, Some(pace), [octet, more @ ..]) = (from_peer, state.pace, rest) {
            // Woken before when it is to drip no more.
            let waited = shared
                .thawed
                .wait_timeout_while(state, pace, |state| state.pace.is_some())
                .unwrap();
            state = waited.0;
            if to.write_all(&[*octet]).is_err() {
                break 'copy;
            }
            rest = more;
        }
        drop(state);
        if to.write_all(rest).is_err() {
            break;
        }
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

//! One simulated world: its seed, its plan, who listens where, and what happened in it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::ledger::Ledger;
use super::network::Datagram;
use super::outside::Rng;
use super::plan::Plan;

/// One process of a node, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life(pub(super) usize);

impl Life {
    pub(super) fn of_upstream(port: u16) -> Self {
        Self(usize::from(port - UPSTREAM_PORTS))
    }

    /// Where the upstreams of this process listen: it is asked of them who asks.
    pub(super) fn upstream_port(self) -> u16 {
        UPSTREAM_PORTS + u16::try_from(self.0).unwrap()
    }

    pub(super) fn service_port(self) -> u16 {
        SERVICE_PORTS + u16::try_from(self.0).unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(super) plan: Plan,
    started: Instant,
    rng: Mutex<Rng>,
    /// For what the data plane draws.
    node_rng: Mutex<Rng>,
    ports: Mutex<BTreeMap<SocketAddr, UnboundedSender<Datagram>>>,
    /// By life: the address of its node, and whether it goes on.
    lives: Mutex<Vec<(IpAddr, bool)>>,
    ledger: Mutex<Ledger>,
    trace: Mutex<Vec<String>>,
    next_port: AtomicU16,
    pub(super) tasks: TaskTracker,
}

impl World {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let world = Self {
            started: Instant::now(),
            node_rng: Mutex::new(Rng::new(!seed)),
            rng: Mutex::new(rng),
            ports: Mutex::default(),
            lives: Mutex::default(),
            ledger: Mutex::new(Ledger::new(plan.cache.is_some())),
            trace: Mutex::default(),
            next_port: AtomicU16::new(10_000),
            tasks: TaskTracker::new(),
            plan,
        };
        world.note(|| format!("seed {seed}: {:?}", world.plan));
        Arc::new(world)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap()
    }

    pub(super) fn random(&self, octets: &mut [u8]) {
        self.node_rng.lock().unwrap().fill(octets);
    }

    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    /// Waits for a drawn number of milliseconds.
    pub(super) async fn pause(&self, from_ms: u64, to_ms: u64) {
        let drawn = self.draw(|rng| rng.within(from_ms, to_ms));
        tokio::time::sleep(Duration::from_millis(drawn)).await;
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Writes a line of the trace.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        let mut text = format!("{:>9.3} ", self.elapsed().as_secs_f64());
        text.push_str(&line());
        self.trace.lock().unwrap().push(text);
    }

    /// All that happened, line by line.
    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap().clone()
    }

    pub(super) fn open(&self, address: SocketAddr) -> UnboundedReceiver<Datagram> {
        let (sender, receiver) = unbounded_channel();
        self.ports.lock().unwrap().insert(address, sender);
        receiver
    }

    pub(super) fn close(&self, address: SocketAddr) {
        self.ports.lock().unwrap().remove(&address);
    }

    /// An address that nobody had.
    pub(super) fn ephemeral(&self) -> SocketAddr {
        let port = self.next_port.fetch_add(1, Ordering::Relaxed);
        SocketAddr::new([10, 9, 0, 1].into(), port)
    }

    pub(super) fn deliver(&self, to: SocketAddr, datagram: Datagram) {
        self.note(|| {
            let Datagram { from, octets } = &datagram;
            let digest = octets
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |digest: u64, octet| {
                    (digest ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
                });
            let (code, identifier) = (octets[0], octets[1]);
            format!("{from} -> {to} code {code} id {identifier} {digest:016x}")
        });
        if let Some(port) = self.ports.lock().unwrap().get(&to) {
            // Who is gone reads nothing.
            drop(port.send(datagram));
        }
    }

    /// A process of the node at this address begins.
    pub(super) fn begin(&self, address: IpAddr) -> Life {
        let mut lives = self.lives.lock().unwrap();
        lives.push((address, true));
        let life = Life(lives.len() - 1);
        drop(lives);
        self.note(|| format!("{life:?} begins at {address}"));
        life
    }

    /// It ends at once; whatever of it still runs reaches nobody.
    pub(super) fn end(&self, life: Life) {
        self.note(|| format!("{life:?} ends"));
        let mut lives = self.lives.lock().unwrap();
        lives[life.0].1 = false;
        let address = lives[life.0].0;
        drop(lives);
        let mut ports = self.ports.lock().unwrap();
        ports.retain(|one, _| one.ip() != address);
    }

    pub(super) fn lives(&self, life: Life) -> bool {
        self.lives.lock().unwrap()[life.0].1
    }

    /// The process that runs at a node's address.
    pub(super) fn life_at(&self, address: IpAddr) -> Life {
        let lives = self.lives.lock().unwrap();
        let found = lives.iter().rposition(|one| *one == (address, true));
        Life(found.expect("a process binds its ports while it lives"))
    }
}

/// Where the second factor of each life listens.
pub(super) const SERVICE_PORTS: u16 = 30_000;
const UPSTREAM_PORTS: u16 = 20_000;

//! The network of a simulation: datagrams are lost, doubled, late and out of order; connections are
//! refused, hang, or come about late. In the place of the system's sockets.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::outside::world;
use super::world::{Life, World};
use super::{factor, world::SERVICE_PORTS};
use crate::server::socket::Asked;

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) octets: Vec<u8>,
}

type Inbox = Mutex<UnboundedReceiver<Datagram>>;

/// How bad the way between two is, per mille of datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// Those that come seconds too late.
    pub(super) late: u64,
    /// All others come within so many milliseconds, each at its own time.
    pub(super) spread_ms: u64,
}

/// A socket that a data plane listens at.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    inbox: Inbox,
    life: Life,
    world: Arc<World>,
}

impl Port {
    /// None where nothing is simulated.
    pub(crate) fn bind(listen: Option<IpAddr>, port: u16) -> Option<Self> {
        let world = world()?;
        let address = SocketAddr::new(listen.expect("simulated nodes have addresses"), port);
        Some(Self {
            address,
            inbox: Mutex::new(world.open(address)),
            life: world.life_at(address.ip()),
            world,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands one over. Waits without end once the process is gone.
    pub(crate) async fn receive(&self, each: &mut impl FnMut(&[u8], SocketAddr, Asked)) {
        let received = self.inbox.lock().await.recv().await;
        match received {
            Some(datagram) if self.world.lives(self.life) => {
                self.world.arrives(self.life, self.address, &datagram);
                each(&datagram.octets, datagram.from, Asked::THE_BOUND_ONE);
            }
            _ => std::future::pending().await,
        }
    }

    pub(crate) fn send(&self, octets: &[u8], to: SocketAddr) {
        if self.world.lives(self.life) {
            self.world.answered(self.life, self.address, to, octets);
            let way = self.world.plan.devices;
            self.world.send(self.address, to, octets, way);
        }
    }
}

/// A data plane's socket towards an upstream.
#[derive(Debug)]
pub(crate) struct Connected {
    local: SocketAddr,
    remote: SocketAddr,
    inbox: Inbox,
    life: Life,
    world: Arc<World>,
}

impl Connected {
    /// None where nothing is simulated.
    pub(crate) fn to(remote: SocketAddr) -> Option<Self> {
        let world = world()?;
        let life = Life::of_upstream(remote.port());
        let local = world.ephemeral();
        Some(Self {
            local,
            remote,
            inbox: Mutex::new(world.open(local)),
            life,
            world,
        })
    }

    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn send(&self, octets: &[u8]) {
        if self.world.lives(self.life) {
            let way = self.world.plan.upstream;
            self.world.send(self.local, self.remote, octets, way);
        }
    }

    pub(crate) async fn receive(&self, into: &mut [u8]) -> usize {
        loop {
            let received = self.inbox.lock().await.recv().await;
            let Some(Datagram { from, octets }) = received else {
                return std::future::pending().await;
            };
            // What a connected socket does with what comes from elsewhere.
            if from == self.remote {
                into[..octets.len()].copy_from_slice(&octets);
                return octets.len();
            }
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.world.close(self.local);
    }
}

/// A connection to the second factor at this port. None where nothing is simulated.
pub(crate) fn connect(port: u16) -> Option<impl Future<Output = io::Result<DuplexStream>> + Send> {
    let world = world()?;
    let life = Life(usize::from(port - SERVICE_PORTS));
    Some(async move {
        let fault = world.draw(|rng| {
            let faults = world.plan.service_connects;
            match rng.within(0, 999) {
                n if n < faults => Some(rng.pick(&[Refuses, Refuses, Hangs, Slow])),
                _ => None,
            }
        });
        if let Some(fault) = fault {
            world.service_failed(life, &format!("{fault:?}"));
        }
        match fault {
            Some(Refuses) => return Err(io::ErrorKind::ConnectionRefused.into()),
            Some(Hangs) => std::future::pending().await,
            Some(Slow) => world.pause(3_000, 25_000).await,
            None => world.pause(0, 3).await,
        }
        if !world.lives(life) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let tasks = world.tasks.clone();
        tasks.spawn(factor::serve(world, life, theirs));
        Ok(ours)
    })
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Refuses,
    Hangs,
    Slow,
}

use Fault::{Hangs, Refuses, Slow};

impl World {
    /// Puts a datagram on its way.
    pub(super) fn send(
        self: &Arc<Self>,
        from: SocketAddr,
        to: SocketAddr,
        octets: &[u8],
        way: Way,
    ) {
        let copies = self.draw(|rng| {
            if rng.chance(way.lost) {
                Vec::new()
            } else {
                let copies = if rng.chance(way.doubled) { 2 } else { 1 };
                let delay = |rng: &mut super::outside::Rng| {
                    if rng.chance(way.late) {
                        rng.within(1_000, 90_000)
                    } else {
                        rng.within(0, way.spread_ms)
                    }
                };
                (0..copies).map(|_| delay(rng)).collect()
            }
        });
        if copies.is_empty() {
            self.note(|| format!("lost {from} -> {to}"));
        }
        for delay in copies {
            let (world, octets) = (Arc::clone(self), octets.to_vec());
            self.tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                world.deliver(to, Datagram { from, octets });
            });
        }
    }
}

/// Octets on a connection that were sent and not read.
const BUFFER: usize = 64 * 1024;

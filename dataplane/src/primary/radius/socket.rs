//! The sockets towards one upstream host, and which request waits for which identifier.
//!
//! An identifier has one octet (RFC 2865 section 3), so a socket carries 256 requests; more
//! requests use more sockets, each with its own source port. Sockets close again when idle.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use prometheus::IntCounterVec;
use proto::config::{Host, MessageAuthenticator};
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::radius::{
    Authenticator, Code, MAX_PACKET_OCTETS, Packet, SharedSecret, verify_response,
};

/// What every socket of a host has in common.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) host: Host,
    /// For events and metrics: `192.0.2.1:1812`.
    pub(super) label: String,
    pub(super) authenticator: String,
    pub(super) secret: Arc<SharedSecret>,
    pub(super) policy: MessageAuthenticator,
    pub(super) discards: IntCounterVec,
    pub(super) tasks: TaskTracker,
}

/// The sockets towards one host.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) peer: Arc<Peer>,
    list: Arc<List>,
    stop: CancellationToken,
    _stopped_with_this: DropGuard,
}

type List = Mutex<Vec<Arc<Socket>>>;

#[derive(Debug)]
struct Socket {
    udp: UdpSocket,
    local: IpAddr,
    waiting: Mutex<Waiting>,
}

/// Who waits, by identifier.
#[derive(Debug)]
struct Waiting {
    slots: Vec<Option<Waiter>>,
    taken: usize,
    /// The identifier used last: the next one is the one that rested longest.
    last: u8,
}

#[derive(Clone, Debug)]
struct Waiter {
    authenticator: Authenticator,
    answers: mpsc::Sender<Answer>,
}

/// A verified answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// The authenticator of the request.
    pub(super) request: Authenticator,
    /// The packet.
    pub(super) octets: Vec<u8>,
}

/// An identifier on a socket, until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    socket: Arc<Socket>,
    pub(super) identifier: u8,
    authenticator: Authenticator,
}

impl Sockets {
    pub(super) fn new(peer: Peer) -> Self {
        let stop = CancellationToken::new();
        Self {
            peer: Arc::new(peer),
            list: Arc::default(),
            _stopped_with_this: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Takes an identifier; answers to it go to `answers`. None when all are taken.
    pub(super) async fn ticket(
        &self,
        authenticator: Authenticator,
        answers: &mpsc::Sender<Answer>,
    ) -> io::Result<Option<Ticket>> {
        let waiter = Waiter {
            authenticator,
            answers: answers.clone(),
        };
        if let Some(found) = take(&locked(&self.list), &waiter) {
            return Ok(found);
        }
        let socket = Arc::new(self.open().await?);
        let mut list = locked(&self.list);
        // Others may have opened some meanwhile.
        if let Some(found) = take(&list, &waiter) {
            return Ok(found);
        }
        list.push(Arc::clone(&socket));
        let found = take(&list, &waiter).flatten();
        drop(list);
        self.peer.tasks.spawn(receive(
            socket,
            Arc::clone(&self.peer),
            Arc::downgrade(&self.list),
            self.stop.clone(),
        ));
        Ok(found)
    }

    /// Gives up the sockets, so that the next request looks the host's name up again.
    pub(super) fn renew(&self) {
        if self.peer.host.name.parse::<IpAddr>().is_err() {
            locked(&self.list).clear();
        }
    }

    async fn open(&self) -> io::Result<Socket> {
        let Host { name, port } = &self.peer.host;
        let address = match name.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, *port),
            Err(_) => lookup_host((name.as_str(), *port))
                .await?
                .next()
                .ok_or(io::ErrorKind::NotFound)?,
        };
        let any = match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let udp = UdpSocket::bind((any, 0)).await?;
        // From then on the system drops what comes from elsewhere.
        udp.connect(address).await?;
        Ok(Socket {
            local: udp.local_addr()?.ip().to_canonical(),
            udp,
            waiting: Mutex::new(Waiting {
                slots: vec![None; IDENTIFIERS],
                taken: 0,
                last: u8::MAX,
            }),
        })
    }
}

/// An identifier of the first socket that has one. The outer none: open another socket; the inner:
/// there may be no more.
fn take(list: &[Arc<Socket>], waiter: &Waiter) -> Option<Option<Ticket>> {
    for socket in list {
        if let Some(identifier) = locked(&socket.waiting).take(waiter) {
            return Some(Some(Ticket {
                socket: Arc::clone(socket),
                identifier,
                authenticator: waiter.authenticator,
            }));
        }
    }
    (list.len() >= MAX_SOCKETS).then_some(None)
}

impl Waiting {
    fn take(&mut self, waiter: &Waiter) -> Option<u8> {
        if self.taken >= IDENTIFIERS {
            return None;
        }
        let mut identifier = self.last;
        for _ in 0..IDENTIFIERS {
            identifier = identifier.wrapping_add(1);
            if let Some(slot @ None) = self.slots.get_mut(usize::from(identifier)) {
                *slot = Some(waiter.clone());
                self.taken += 1;
                self.last = identifier;
                return Some(identifier);
            }
        }
        None
    }
}

impl Ticket {
    /// The address that requests leave from.
    pub(super) fn local(&self) -> IpAddr {
        self.socket.local
    }

    /// Sends a request.
    pub(super) async fn send(&self, octets: &[u8]) -> io::Result<()> {
        // An error may be left from an earlier datagram; then this one was not sent.
        if self.socket.udp.send(octets).await.is_err() {
            self.socket.udp.send(octets).await?;
        }
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = locked(&self.socket.waiting);
        if let Some(slot) = waiting.slots.get_mut(usize::from(self.identifier))
            && slot
                .as_ref()
                .is_some_and(|waiter| waiter.authenticator == self.authenticator)
        {
            *slot = None;
            waiting.taken = waiting.taken.saturating_sub(1);
        }
    }
}

/// Reads answers until the socket was idle for a while, or nobody can send over it any more.
async fn receive(socket: Arc<Socket>, peer: Arc<Peer>, list: Weak<List>, stop: CancellationToken) {
    let mut datagram = vec![0; MAX_PACKET_OCTETS];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = timeout(IDLE, socket.udp.recv(&mut datagram)) => received,
        };
        match received {
            Ok(Ok(octets)) => {
                let datagram = datagram.get(..octets).unwrap_or_default();
                if let Err(reason) = deliver(&socket, &peer, datagram) {
                    peer.discards
                        .with_label_values(&[peer.authenticator.as_str(), &peer.label, reason])
                        .inc();
                }
            }
            // The host refuses, or there is no way to it. Requests wait on: it may come back.
            Ok(Err(error)) => {
                tracing::debug!(host = %peer.label, error = %error, "upstream socket");
            }
            Err(_) if close_when_idle(&socket, &list) => return,
            Err(_) => {}
        }
    }
}

/// Hands an answer to the one who waits for it, or says why it is none.
fn deliver(socket: &Socket, peer: &Peer, datagram: &[u8]) -> Result<(), &'static str> {
    let answer = Packet::parse(datagram).map_err(|error| error.reason())?;
    if !ANSWERS.contains(&answer.code()) {
        return Err("code");
    }
    let waiter = locked(&socket.waiting)
        .slots
        .get(usize::from(answer.identifier()))
        .and_then(Clone::clone)
        .ok_or("identifier")?;
    let Waiter {
        authenticator,
        answers,
    } = waiter;
    verify_response(&answer, &authenticator, &peer.secret, peer.policy)
        .map_err(|error| error.reason())?;
    // Full or closed: the request has its answer already.
    answers
        .try_send(Answer {
            request: authenticator,
            octets: answer.octets().to_vec(),
        })
        .map_err(|_| "late")
}

fn close_when_idle(socket: &Arc<Socket>, list: &Weak<List>) -> bool {
    let Some(list) = list.upgrade() else {
        return true;
    };
    let mut list = locked(&list);
    if locked(&socket.waiting).taken > 0 {
        return false;
    }
    list.retain(|other| !Arc::ptr_eq(other, socket));
    true
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ANSWERS: [Code; 3] = [
    Code::ACCESS_ACCEPT,
    Code::ACCESS_REJECT,
    Code::ACCESS_CHALLENGE,
];

/// Requests in flight on one socket.
const IDENTIFIERS: usize = 256;

/// Sockets towards one host: 16,384 requests in flight.
const MAX_SOCKETS: usize = 64;

/// How long a socket stays open without an answer and without a request that waits.
const IDLE: Duration = Duration::from_secs(60);

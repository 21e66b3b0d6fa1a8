//! One socket towards an upstream host, and which request waits for which identifier.
//!
//! An identifier has one octet (RFC 2865 section 3), so a socket carries 256 requests; more
//! requests use more sockets, each with its own source port. Sockets close again when idle.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::health::Sign;
use super::host::{Inner, Peer};
use super::udp::Udp;
use crate::primary::check::now;
use crate::radius::{
    Authenticator, Code, MAX_PACKET_OCTETS, Packet, ResponseError, VerifyError, verify_response,
};

#[derive(Debug)]
pub(super) struct Socket {
    udp: Udp,
    peer: Arc<Peer>,
    /// Where its requests go.
    pub(super) address: SocketAddr,
    local: IpAddr,
    waiting: Mutex<Waiting>,
    /// It is retired and nothing waits for it.
    ended: CancellationToken,
    _counted: Counted,
}

/// Who waits, by identifier.
#[derive(Debug)]
struct Waiting {
    slots: Vec<Option<Waiter>>,
    /// Of the request that had an identifier last and waits no more.
    gone: Vec<Authenticator>,
    taken: usize,
    /// The identifier used last: the next one is the one that rested longest.
    last: u8,
    /// Nothing more is sent over it.
    retired: bool,
    /// An answer came.
    answered: bool,
}

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// Of the request.
    pub(super) authenticator: Authenticator,
    /// Where the answer goes. None for a probe: that it came is all there is to know.
    pub(super) answers: Option<mpsc::Sender<Answer>>,
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

impl Socket {
    /// Opens one, and counts it among the open ones while it lives.
    pub(super) async fn open(
        address: SocketAddr,
        peer: &Arc<Peer>,
        open: &Arc<AtomicUsize>,
    ) -> io::Result<Self> {
        let udp = Udp::connected(address).await?;
        Ok(Self {
            address,
            local: udp.local()?,
            udp,
            peer: Arc::clone(peer),
            waiting: Mutex::new(Waiting {
                slots: vec![None; IDENTIFIERS],
                gone: vec![Authenticator::default(); IDENTIFIERS],
                taken: 0,
                last: u8::MAX,
                retired: false,
                answered: false,
            }),
            ended: CancellationToken::new(),
            _counted: Counted::new(open),
        })
    }

    /// Takes an identifier; none when all are taken.
    pub(super) fn take(self: &Arc<Self>, waiter: &Waiter) -> Option<Ticket> {
        let identifier = locked(&self.waiting).take(waiter)?;
        Some(Ticket {
            socket: Arc::clone(self),
            identifier,
            authenticator: waiter.authenticator,
        })
    }

    /// Whether a request waits.
    pub(super) fn is_taken(&self) -> bool {
        locked(&self.waiting).taken > 0
    }

    /// Whether an answer came since this was last asked.
    pub(super) fn has_answered(&self) -> bool {
        std::mem::take(&mut locked(&self.waiting).answered)
    }

    /// Closes it as soon as no request waits.
    pub(super) fn retire(&self) {
        let mut waiting = locked(&self.waiting);
        waiting.retired = true;
        if waiting.taken == 0 {
            self.ended.cancel();
        }
    }
}

/// Counts one while it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    fn take(&mut self, waiter: &Waiter) -> Option<u8> {
        if self.retired || self.taken >= IDENTIFIERS {
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
        if let Err(error) = self.socket.udp.send(octets).await {
            self.socket.peer.failed(&error);
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
            if let Some(gone) = waiting.gone.get_mut(usize::from(self.identifier)) {
                *gone = self.authenticator;
            }
            waiting.taken = waiting.taken.saturating_sub(1);
            if waiting.retired && waiting.taken == 0 {
                self.socket.ended.cancel();
            }
        }
    }
}

/// Reads answers until the socket was idle for a while, or nobody can send over it any more.
pub(super) async fn receive(socket: Arc<Socket>, host: Weak<Inner>, stop: CancellationToken) {
    let peer = Arc::clone(&socket.peer);
    let mut datagram = vec![0; MAX_PACKET_OCTETS];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            () = socket.ended.cancelled() => return,
            received = timeout(IDLE, socket.udp.receive(&mut datagram)) => received,
        };
        match received {
            Ok(Ok(octets)) => {
                let datagram = datagram.get(..octets).unwrap_or_default();
                if let Err(reason) = deliver(&socket, datagram) {
                    peer.discards
                        .with_label_values(&[peer.authenticator.as_str(), &peer.label, reason])
                        .inc();
                }
            }
            // The host refuses, or there is no way to it. Requests wait on: it may come back.
            Ok(Err(error)) => peer.failed(&error),
            Err(_)
                if host
                    .upgrade()
                    .is_none_or(|host| host.close_when_idle(&socket)) =>
            {
                return;
            }
            Err(_) => {}
        }
    }
}

/// Hands an answer to the one who waits for it, or says why it is none.
fn deliver(socket: &Socket, datagram: &[u8]) -> Result<(), &'static str> {
    let peer = &socket.peer;
    let answer = Packet::parse(datagram).map_err(|error| error.reason())?;
    if !ANSWERS.contains(&answer.code()) {
        return Err("code");
    }
    let identifier = usize::from(answer.identifier());
    let (waiter, gone) = {
        let waiting = locked(&socket.waiting);
        let waiter = waiting.slots.get(identifier).and_then(Clone::clone);
        (waiter, waiting.gone.get(identifier).copied())
    };
    let Waiter {
        authenticator,
        answers,
    } = waiter.ok_or("identifier")?;
    let verify =
        |request: &Authenticator| verify_response(&answer, request, &peer.secret, peer.policy);
    verify(&authenticator).map_err(|error| {
        // A slow host is not to be told from a forger by the identifier alone.
        if gone.is_some_and(|request| verify(&request).is_ok()) {
            return "late";
        }
        let sign = match error {
            ResponseError::MessageAuthenticator(
                VerifyError::Missing | VerifyError::MissingWithProxyState,
            ) => Sign::Unsigned,
            _ => Sign::Forged,
        };
        peer.health.seen(now(), sign);
        error.reason()
    })?;
    locked(&socket.waiting).answered = true;
    peer.heard(answers.is_none(), answer.has_message_authenticator());
    let Some(answers) = answers else {
        return Ok(());
    };
    // Full or closed: the request has its answer already.
    answers
        .try_send(Answer {
            request: authenticator,
            octets: answer.octets().to_vec(),
        })
        .map_err(|_| "late")
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

/// How long a socket stays open without an answer and without a request that waits.
const IDLE: Duration = Duration::from_secs(60);

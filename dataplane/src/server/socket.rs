//! A UDP socket that reads in batches and answers from the address that was asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6,
    SockaddrStorage, recvmmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;

#[cfg(test)]
use crate::simulation::network::Port;

/// A bound socket. Made inside the runtime that reads it; any thread may send on it.
#[derive(Debug)]
pub(crate) struct Socket {
    carrier: Carrier,
    address: SocketAddr,
    /// Bound to all addresses: the one asked must be remembered for the answer.
    wildcard: bool,
    /// Datagrams read since other sockets had their turn.
    taken: AtomicUsize,
}

/// What datagrams come and go by.
#[derive(Debug)]
enum Carrier {
    System(tokio::net::UdpSocket),
    #[cfg(test)]
    Simulated(Port),
}

/// The address a datagram was sent to, where the socket is bound to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked(pub(crate) Option<IpAddr>);

impl Asked {
    /// For a socket bound to one address.
    pub(crate) const THE_BOUND_ONE: Self = Self(None);
}

/// A bound socket that no runtime watches yet, so that all can be bound before one is served.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Unwatched,
    address: SocketAddr,
    /// Octets of receive buffer that the system granted.
    pub(crate) receive_buffer: usize,
}

#[derive(Debug)]
enum Unwatched {
    System(UdpSocket),
    #[cfg(test)]
    Simulated(Port),
}

impl Bound {
    /// Binds; none means all addresses, IPv6 and IPv4 on one socket where the machine has IPv6.
    ///
    /// `leaving` are sockets of ours on the same port that close after this: only they may overlap.
    pub(crate) fn new(listen: Option<IpAddr>, port: u16, leaving: &[&Socket]) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(port) = Port::bind(listen, port) {
            return Ok(Self {
                address: port.address(),
                socket: Unwatched::Simulated(port),
                receive_buffer: RECEIVE_BUFFER,
            });
        }
        let share = |shared: bool| {
            leaving.iter().try_for_each(|socket| {
                socket2::SockRef::from(socket.system()).set_reuse_address(shared)
            })
        };
        share(true)?;
        let on = |address: IpAddr| Self::on(SocketAddr::new(address, port), !leaving.is_empty());
        let bound = match listen {
            Some(address) => on(address),
            None => match on(Ipv6Addr::UNSPECIFIED.into()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
                // A machine without IPv6 says so in several ways.
                Err(_) => on(std::net::Ipv4Addr::UNSPECIFIED.into()),
                bound => bound,
            },
        };
        share(false)?;
        bound
    }

    fn on(address: SocketAddr, share: bool) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_nonblocking(true)?;
        // Root may pass the system's limit; others get what the limit allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        if address.ip().is_unspecified() {
            if address.is_ipv6() {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            } else {
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
        }
        socket.set_reuse_address(share)?;
        socket.bind(&address.into())?;
        socket.set_reuse_address(false)?;
        Self::of(socket)
    }

    /// One that another process of this node bound, and that both have from now on.
    ///
    /// # Errors
    /// It is no bound UDP socket.
    pub(crate) fn inherited(fd: std::os::fd::OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(fd);
        if socket.r#type()? != Type::DGRAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        socket.set_nonblocking(true)?;
        Self::of(socket)
    }

    fn of(socket: socket2::Socket) -> io::Result<Self> {
        // The kernel doubles what it grants, for its own book-keeping (socket(7)).
        let receive_buffer = socket.recv_buffer_size()? / 2;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr()?;
        Ok(Self {
            socket: Unwatched::System(socket),
            address,
            receive_buffer,
        })
    }

    /// Hands it to the current runtime.
    pub(crate) fn watch(self) -> io::Result<Socket> {
        let carrier = match self.socket {
            Unwatched::System(socket) => Carrier::System(tokio::net::UdpSocket::from_std(socket)?),
            #[cfg(test)]
            Unwatched::Simulated(port) => Carrier::Simulated(port),
        };
        Ok(Socket {
            wildcard: self.address.ip().is_unspecified(),
            address: self.address,
            carrier,
            taken: AtomicUsize::new(0),
        })
    }
}

impl Socket {
    /// Waits for datagrams and hands up to [`BATCH`] of them over, in order. After as many the other
    /// sockets of the thread have their turn: a socket that is never empty, as a flood's, would keep
    /// the thread for itself, because waiting for what is there already is no wait.
    pub(crate) async fn receive(
        &self,
        mut each: impl FnMut(&[u8], SocketAddr, Asked),
    ) -> io::Result<()> {
        if self.taken.load(Ordering::Relaxed) >= BATCH {
            self.taken.store(0, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        let mut each = |octets: &[u8], source, asked| {
            self.taken.fetch_add(1, Ordering::Relaxed);
            each(octets, source, asked);
        };
        #[cfg(test)]
        if let Carrier::Simulated(port) = &self.carrier {
            port.receive(&mut each).await;
            return Ok(());
        }
        let fd = self.system();
        loop {
            fd.readable().await?;
            let read = fd.try_io(Interest::READABLE, || {
                BUFFERS.with_borrow_mut(|batches| {
                    batches
                        .entry((self.address.is_ipv6(), self.wildcard))
                        .or_insert_with(Batch::new)
                        .read(fd.as_raw_fd(), self.wildcard, &mut each)
                        .map_err(io::Error::from)
                })
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Sends one datagram from the address that was asked. Does not wait: a full send buffer drops
    /// it, as the network may, and the client asks again.
    pub(crate) fn send(&self, octets: &[u8], to: SocketAddr, from: Asked) -> io::Result<()> {
        #[cfg(test)]
        if let Carrier::Simulated(port) = &self.carrier {
            port.send(octets, to);
            return Ok(());
        }
        let fd = self.system().as_raw_fd();
        let octets = [IoSlice::new(octets)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match (self.address, to) {
            (SocketAddr::V4(_), SocketAddr::V4(to)) => {
                let to = SockaddrIn::from(to);
                match from.0 {
                    Some(IpAddr::V4(from)) => {
                        let info = libc_in_pktinfo(from);
                        let control = [ControlMessage::Ipv4PacketInfo(&info)];
                        sendmsg(fd, &octets, &control, flags, Some(&to))
                    }
                    _ => sendmsg(fd, &octets, &[], flags, Some(&to)),
                }
            }
            (_, to) => {
                let to = SockaddrIn6::from(mapped(to));
                match from.0 {
                    Some(from) => {
                        let info = libc_in6_pktinfo(from);
                        let control = [ControlMessage::Ipv6PacketInfo(&info)];
                        sendmsg(fd, &octets, &control, flags, Some(&to))
                    }
                    None => sendmsg(fd, &octets, &[], flags, Some(&to)),
                }
            }
        };
        sent.map(drop).map_err(io::Error::from)
    }

    /// Where it is bound.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, to be handed to another process.
    pub(crate) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(self.system())
    }

    const fn system(&self) -> &tokio::net::UdpSocket {
        match &self.carrier {
            Carrier::System(fd) => fd,
            #[cfg(test)]
            Carrier::Simulated(_) => panic!("a simulation has no socket of the system"),
        }
    }
}

thread_local! {
    /// The sockets of a thread take turns with these, each kind (IPv6, all addresses) with its own:
    /// the kernel writes into the headers how long source and control data were, `recvmmsg` of nix
    /// never sets them back, and the next socket's would be cut to that.
    static BUFFERS: RefCell<BTreeMap<(bool, bool), Batch>> = const { RefCell::new(BTreeMap::new()) };
}

/// Buffers for one batch.
struct Batch {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<[u8; DATAGRAM_OCTETS]>,
}

impl Batch {
    /// Allocates for [`BATCH`] datagrams.
    fn new() -> Self {
        let control = nix::cmsg_space!(nix::libc::in6_pktinfo);
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(control)),
            buffers: vec![[0; DATAGRAM_OCTETS]; BATCH],
        }
    }

    fn read(
        &mut self,
        fd: RawFd,
        wildcard: bool,
        each: &mut impl FnMut(&[u8], SocketAddr, Asked),
    ) -> nix::Result<()> {
        // There are as many, so that none is empty.
        let mut buffers = self.buffers.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            let buffer = buffers.next().map(|buffer| &mut buffer[..]);
            [IoSliceMut::new(buffer.unwrap_or_default())]
        });
        let received = recvmmsg(
            fd,
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        )?;
        for message in received {
            let Some(source) = message.address.as_ref().and_then(source) else {
                continue;
            };
            let asked = if wildcard {
                asked(message.cmsgs())
            } else {
                Asked::THE_BOUND_ONE
            };
            // One iov a message, already cut to what was received; none for an empty datagram.
            each(message.iovs().next().unwrap_or_default(), source, asked);
        }
        Ok(())
    }
}

fn asked(control: nix::Result<nix::sys::socket::CmsgIterator<'_>>) -> Asked {
    let address = control
        .into_iter()
        .flatten()
        .find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(
                u32::from_be(info.ipi_addr.s_addr).to_be_bytes(),
            )),
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
            _ => None,
        });
    Asked(address)
}

/// The source, with IPv4 written as IPv4. None for what cannot be answered.
fn source(address: &SockaddrStorage) -> Option<SocketAddr> {
    let source = if let Some(v4) = address.as_sockaddr_in() {
        SocketAddr::V4(SocketAddrV4::from(*v4))
    } else {
        SocketAddr::V6(SocketAddrV6::from(*address.as_sockaddr_in6()?))
    };
    let source = match source.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, source.port()),
        // Keeps the scope of link-local addresses.
        IpAddr::V6(_) => source,
    };
    let ip = source.ip();
    (source.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()).then_some(source)
}

fn mapped(to: SocketAddr) -> SocketAddrV6 {
    match to {
        SocketAddr::V6(v6) => v6,
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
    }
}

fn libc_in_pktinfo(from: std::net::Ipv4Addr) -> nix::libc::in_pktinfo {
    nix::libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: nix::libc::in_addr {
            s_addr: u32::from_ne_bytes(from.octets()),
        },
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    }
}

fn libc_in6_pktinfo(from: IpAddr) -> nix::libc::in6_pktinfo {
    let from = match from {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    nix::libc::in6_pktinfo {
        ipi6_addr: nix::libc::in6_addr {
            s6_addr: from.octets(),
        },
        ipi6_ifindex: 0,
    }
}

/// Datagrams read with one system call.
const BATCH: usize = 32;

/// The longest datagram read: a RADIUS packet (RFC 2865 section 3) and one octet more, so that a
/// longer one is seen as such by its length field.
const DATAGRAM_OCTETS: usize = 4_097;

/// The receive buffer asked for: it decides how large a burst can be.
pub(crate) const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo_once(listen: Option<IpAddr>, ask: &str) -> SocketAddr {
        let socket = Bound::new(listen, 0, &[]).unwrap().watch().unwrap();
        let client = tokio::net::UdpSocket::bind(if ask.contains(':') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        })
        .await
        .unwrap();
        let to = SocketAddr::new(ask.parse().unwrap(), socket.address().port());
        for text in [&b"one"[..], b"two"] {
            client.send_to(text, to).await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 2 {
            socket
                .receive(|octets, source, asked| {
                    seen.push(octets.to_vec());
                    socket.send(octets, source, asked).unwrap();
                })
                .await
                .unwrap();
        }
        assert_eq!(seen, [b"one".to_vec(), b"two".to_vec()]);
        let mut buffer = [0; 16];
        let (length, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"one");
        assert_eq!(from.port(), to.port());
        from
    }

    #[tokio::test]
    async fn answers_come_from_the_address_that_was_asked() {
        // On one thread, so each kind of socket comes after every other.
        for (listen, ask) in [
            (None, "127.0.0.1"),
            (None, "127.0.0.2"),
            (None, "::1"),
            (Some("127.0.0.3"), "127.0.0.3"),
            (None, "127.0.0.2"),
            (None, "::1"),
            (Some("0.0.0.0"), "127.0.0.2"),
            (None, "127.0.0.2"),
            (Some("::1"), "::1"),
            (Some("0.0.0.0"), "127.0.0.2"),
            (Some("127.0.0.3"), "127.0.0.3"),
        ] {
            let listen = listen.map(|address| address.parse().unwrap());
            let echo = echo_once(listen, ask);
            let from = tokio::time::timeout(std::time::Duration::from_secs(5), echo).await;
            assert_eq!(from.unwrap().ip().to_string(), ask, "{listen:?}");
        }
    }

    #[tokio::test]
    async fn a_flooded_socket_leaves_others_their_turn() {
        let here = Some("127.0.0.1".parse().unwrap());
        let [flooded, other] = [(); 2].map(|()| Bound::new(here, 0, &[]).unwrap().watch().unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let flood = 20 * BATCH;
        for _ in 0..flood {
            client.send_to(b"flood", flooded.address()).unwrap();
        }
        let taken = std::cell::Cell::new(0);
        let drained = async {
            while taken.get() < flood {
                let one = |_: &[u8], _, _| {
                    taken.set(taken.get() + 1);
                    if taken.get() == BATCH {
                        client.send_to(b"login", other.address()).unwrap();
                    }
                };
                flooded.receive(one).await.unwrap();
            }
        };
        let before = async {
            let mut before = None;
            while before.is_none() {
                let one = |_: &[u8], _, _| before = Some(taken.get());
                other.receive(one).await.unwrap();
            }
            before
        };
        let ((), before) = tokio::join!(drained, before);
        let before = before.unwrap();
        assert!(before <= 4 * BATCH, "{before} of {flood} went first");
    }

    #[tokio::test]
    async fn a_taken_port_is_said_so_unless_its_socket_is_ours_and_leaving() {
        let first = Bound::new(None, 0, &[]).unwrap().watch().unwrap();
        let (one, port) = (Some("127.0.0.1".parse().unwrap()), first.address().port());
        let taken =
            |bound: io::Result<Bound>| bound.unwrap_err().kind() == io::ErrorKind::AddrInUse;
        assert!(taken(Bound::new(one, port, &[])));
        let second = Bound::new(one, port, &[&first]).unwrap().watch().unwrap();
        assert_eq!(second.address().port(), port);
        drop(first);
        assert!(
            taken(Bound::new(one, port, &[])),
            "the port is not left open to others"
        );
    }
}

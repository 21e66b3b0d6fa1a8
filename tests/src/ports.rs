//! Free ports on loopback, and free addresses of it, that nobody else takes before the peer binds them.
//!
//! They lie below the range that the kernel gives to outgoing sockets, and a lock file per port,
//! held until this process ends, keeps other test processes of this machine away. So a port that is
//! reserved and not bound is also a host that refuses ([`dead`]).

use std::{
    env,
    fs::{self, File},
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Mutex,
};

use nix::unistd::Uid;

/// First of the ports that are given out.
const FIRST: u16 = 20_000;
/// How many there are; all stay below 32,768, where Linux's outgoing ports begin.
const COUNT: u16 = 12_000;

/// The locks of this process's ports; locks end with it.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Reserves a port on which a UDP socket can be bound.
#[must_use]
pub fn free_udp() -> u16 {
    reserve(udp_is_free)
}

/// Reserves a port on which a TCP socket can listen.
#[must_use]
pub fn free_tcp() -> u16 {
    reserve(tcp_is_free)
}

/// Reserves a port that is free for UDP and TCP.
#[must_use]
pub fn free_tcp_and_udp() -> u16 {
    reserve(|port| tcp_is_free(port) && udp_is_free(port))
}

/// Reserves an address of 127.0.0.0/8 on which TCP sockets can listen on all these ports, for servers
/// whose ports cannot be chosen.
///
/// # Panics
/// When none is found, or this user may not listen on such ports.
#[must_use]
pub fn free_address(ports: &[u16]) -> Ipv4Addr {
    let mut start = [0; 3];
    getrandom::fill(&mut start).unwrap();
    for offset in 0..=u8::MAX {
        // 127.64.0.0 to 127.191.255.255: out of the way of addresses that tests name.
        let [a, b, c] = start;
        let address = Ipv4Addr::new(127, 64 + a % 128, b, c.wrapping_add(offset));
        let lock = lock_file(&address.to_string());
        let is_free = |port: &u16| match TcpListener::bind((address, *port)) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                panic!("listening on {address}:{port} takes root, or CAP_NET_BIND_SERVICE")
            }
            Err(_) => false,
        };
        if lock.try_lock().is_ok() && ports.iter().all(is_free) {
            HELD.lock().unwrap().push(lock);
            return address;
        }
    }
    panic!("no address of 127.0.0.0/8 has the ports {ports:?} free");
}

/// An address where nobody listens, and nobody will: TCP refuses, UDP gets "port unreachable".
#[must_use]
pub fn dead() -> SocketAddr {
    loopback(free_tcp_and_udp())
}

/// This port on 127.0.0.1.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn udp_is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn tcp_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn lock_file(name: &str) -> File {
    let folder = env::temp_dir().join(format!("countersign-test-ports-{}", Uid::current()));
    fs::create_dir_all(&folder).unwrap();
    File::create(folder.join(name)).unwrap()
}

fn reserve(is_free: impl Fn(u16) -> bool) -> u16 {
    let mut start = [0; 2];
    getrandom::fill(&mut start).unwrap();
    let start = u16::from_ne_bytes(start) % COUNT;
    for offset in 0..COUNT {
        let port = FIRST + (start + offset) % COUNT;
        let lock = lock_file(&port.to_string());
        if lock.try_lock().is_ok() && is_free(port) {
            HELD.lock().unwrap().push(lock);
            return port;
        }
    }
    panic!("none of the {COUNT} ports from {FIRST} on is free");
}

//! What the machine can do at all: a server that sends back what it receives, one datagram a call.

use std::{io, net::UdpSocket, process::Command};

use e2e::ports;
use socket2::SockRef;

use crate::peers::Peer;

/// The first argument of the program when it is to be the echo.
pub(crate) const COMMAND: &str = "echo";

/// Sends back every datagram that comes to this port of 127.0.0.1, for ever.
pub(crate) fn serve(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind(ports::loopback(port))?;
    SockRef::from(&socket).set_recv_buffer_size(BUFFER_OCTETS)?;
    let mut octets = [0; 4096];
    loop {
        // A client that went away leaves an error behind; the next datagram is another's.
        if let Ok((length, from)) = socket.recv_from(&mut octets)
            && let Some(datagram) = octets.get(..length)
        {
            drop(socket.send_to(datagram, from));
        }
    }
}

/// Starts the echo as a process of its own.
pub(crate) fn start() -> Peer {
    let port = ports::free_udp();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([COMMAND, &port.to_string()]);
    Peer::start(COMMAND, &command, ports::loopback(port), |address| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        socket.send(b"ready?").is_ok() && socket.recv(&mut [0; 16]).is_ok()
    })
}

const BUFFER_OCTETS: usize = 4 << 20;
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

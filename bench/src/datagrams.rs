//! Many datagrams in one system call each way, so that the generator is not what is measured.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg},
};
use socket2::{Domain, Socket, Type};

/// Datagrams that one call takes at the most.
pub(crate) const BATCH: usize = 64;

/// The longest datagram that is received whole: every answer of a benchmark is shorter.
const OCTETS: usize = 1024;

/// The kernel's buffers that are asked for, each way.
const BUFFER_OCTETS: usize = 4 << 20;

/// A connected socket with room for a batch each way.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    received: Vec<[u8; OCTETS]>,
    lengths: Vec<usize>,
    headers_in: MultiHeaders<()>,
    headers_out: MultiHeaders<()>,
}

impl Datagrams {
    /// Opens a socket at `from` (port 0: any) that talks to `to` alone, and waits at most `patience`
    /// when it receives.
    pub(crate) fn open(from: SocketAddr, to: SocketAddr, patience: Duration) -> io::Result<Self> {
        let socket = socket(from, to)?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Self {
            socket,
            received: vec![[0; OCTETS]; BATCH],
            lengths: Vec::with_capacity(BATCH),
            headers_in: MultiHeaders::preallocate(BATCH, None),
            headers_out: MultiHeaders::preallocate(BATCH, None),
        })
    }

    /// Sends all of them, in as few calls as can be.
    pub(crate) fn send(&mut self, datagrams: &[&[u8]]) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        for batch in datagrams.chunks(BATCH) {
            let mut left: Vec<[IoSlice<'_>; 1]> =
                batch.iter().map(|octets| [IoSlice::new(octets)]).collect();
            while !left.is_empty() {
                let addresses = vec![None; left.len()];
                let headers = &mut self.headers_out;
                let sent = sendmmsg(fd, headers, &left, addresses, [], MsgFlags::empty());
                let sent = match sent {
                    Ok(results) => results.count(),
                    // What a refused datagram before this one left behind; this one is not sent.
                    Err(Errno::EINTR | Errno::ECONNREFUSED) => 0,
                    Err(errno) => return Err(errno.into()),
                };
                left.drain(..sent);
            }
        }
        Ok(())
    }

    /// Waits for one datagram and takes all that are there with it; none when patience ended.
    pub(crate) fn receive(&mut self) -> io::Result<impl Iterator<Item = &[u8]>> {
        self.receive_with(MsgFlags::MSG_WAITFORONE)
    }

    /// Takes those that are there; of longer ones their beginning.
    pub(crate) fn take(&mut self) -> io::Result<impl Iterator<Item = &[u8]>> {
        self.receive_with(MsgFlags::MSG_DONTWAIT)
    }

    fn receive_with(&mut self, flags: MsgFlags) -> io::Result<impl Iterator<Item = &[u8]>> {
        self.lengths.clear();
        {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
                .received
                .iter_mut()
                .map(|octets| [IoSliceMut::new(octets)])
                .collect();
            let fd = self.socket.as_raw_fd();
            match recvmmsg(fd, &mut self.headers_in, &mut slices, flags, None) {
                Ok(results) => self.lengths.extend(results.map(|message| message.bytes)),
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let pairs = self.received.iter().zip(&self.lengths);
        Ok(pairs.filter_map(|(octets, length)| octets.get(..*length)))
    }
}

/// A blocking connected socket with large buffers.
pub(crate) fn socket(from: SocketAddr, to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    socket.set_recv_buffer_size(BUFFER_OCTETS)?;
    socket.set_send_buffer_size(BUFFER_OCTETS)?;
    socket.bind(&from.into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_whole_and_in_order() {
        let any = "127.0.0.1:0".parse().unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Duration::from_secs(5);
        let mut near = Datagrams::open(any, far.local_addr().unwrap(), patience).unwrap();
        let sent: Vec<Vec<u8>> = (0..BATCH + 3).map(|n| vec![7; n + 1]).collect();
        let slices: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
        near.send(&slices).unwrap();
        let mut buffer = [0; OCTETS];
        for want in &sent {
            let (length, from) = far.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], want.as_slice());
            far.send_to(&buffer[..length], from).unwrap();
        }
        let mut back = Vec::new();
        while back.len() < sent.len() {
            back.extend(near.receive().unwrap().map(<[u8]>::to_vec));
        }
        assert_eq!(back, sent);
        assert_eq!(near.take().unwrap().count(), 0);
    }
}

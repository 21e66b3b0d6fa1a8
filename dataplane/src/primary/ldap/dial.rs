//! One TCP connection to a name that may have several addresses, of which some may be dead.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::fault::{Fault, Wait};
use crate::primary::check::now;

/// Tries the addresses in order, the next one as soon as those before it have failed or had a short
/// time (RFC 8305 section 5): a dead one costs every new connection that and no more.
pub(super) async fn first_of(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, Fault> {
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut fault = Fault::Unreachable("its name has no address".to_owned());
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        let until = match addresses.len() {
            0 => deadline,
            _ => deadline.min(now() + HEAD_START),
        };
        match timeout_at(until.into(), attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => fault = Fault::Unreachable(error.to_string()),
            Ok(Some(Err(error))) => return Err(Fault::Internal(format!("connect: {error}"))),
            Ok(None) => return Err(fault),
            Err(_) if now() >= deadline => return Err(Fault::TimedOut(Wait::Connection)),
            Err(_) => {}
        }
    }
}

/// How long an address is waited for before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;

    /// An address that answers no attempt to connect, and what keeps it so.
    async fn silent() -> (SocketAddr, Socket, Vec<TcpStream>) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        // Its queue is full when one is not taken.
        let full = Duration::from_millis(100);
        while let Ok(stream) = tokio::time::timeout(full, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (address, socket, waiting)
    }

    #[tokio::test]
    async fn a_dead_address_costs_a_connection_a_moment() {
        let (dead, _socket, _waiting) = silent().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let live = listener.local_addr().unwrap();
        let gone = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        for addresses in [vec![dead, live], vec![gone, live], vec![live, dead]] {
            let started = now();
            let deadline = started + Duration::from_secs(30);
            let stream = first_of(addresses, deadline).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), live);
            let took = now() - started;
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        for (addresses, want) in [
            (vec![dead], "no connection in time"),
            (vec![dead, gone], "no connection in time"),
            (vec![gone], "not reached: Connection refused (os error 111)"),
            (vec![], "not reached: its name has no address"),
        ] {
            let soon = now() + Duration::from_millis(600);
            let fault = first_of(addresses, soon).await.unwrap_err();
            assert_eq!(fault.to_string(), want);
        }
    }
}

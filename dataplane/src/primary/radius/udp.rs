//! A UDP socket that speaks with one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

#[cfg(test)]
use crate::simulation::network::Connected;

/// The system's, or what a simulation has in its place.
#[derive(Debug)]
pub(super) enum Udp {
    System(UdpSocket),
    #[cfg(test)]
    Simulated(Connected),
}

impl Udp {
    /// Opens one on a port of its own. From then on the system drops what comes from elsewhere.
    pub(super) async fn connected(address: SocketAddr) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(connected) = Connected::to(address) {
            return Ok(Self::Simulated(connected));
        }
        let any = match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let udp = UdpSocket::bind((any, 0)).await?;
        udp.connect(address).await?;
        Ok(Self::System(udp))
    }

    /// The address that it sends from.
    pub(super) fn local(&self) -> io::Result<IpAddr> {
        match self {
            Self::System(udp) => Ok(udp.local_addr()?.ip().to_canonical()),
            #[cfg(test)]
            Self::Simulated(connected) => Ok(connected.local().ip()),
        }
    }

    pub(super) async fn send(&self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::System(udp) => udp.send(octets).await.map(drop),
            #[cfg(test)]
            Self::Simulated(connected) => {
                connected.send(octets);
                Ok(())
            }
        }
    }

    /// Gives how many octets of a datagram came.
    pub(super) async fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::System(udp) => udp.recv(into).await,
            #[cfg(test)]
            Self::Simulated(connected) => Ok(connected.receive(into).await),
        }
    }
}

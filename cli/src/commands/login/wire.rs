//! Requests to the node as a client would send them, and the node's record of what came of them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use dataplane::admin::{Admit, Admitted, LoginTarget};
use dataplane::radius::salted::Hop;
use dataplane::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Authenticator, Code, EncodeError, Packet, RequestBuilder,
    SharedSecret, verify_response,
};
use local::CallError;
use proto::config::MessageAuthenticator;
use proto::event::AuthEvent;
use tokio::net::UdpSocket;

use super::LIMIT;
use crate::failure::Failure;

/// A client of the node, admitted by it.
pub(super) struct Wire {
    socket: UdpSocket,
    secret: SharedSecret,
    source: SocketAddr,
    node: local::Client,
}

/// What the node answered: authentic.
pub(super) struct Answer {
    octets: Vec<u8>,
    /// Of the request.
    authenticator: Authenticator,
}

impl Answer {
    pub(super) fn packet(&self) -> Result<Packet<'_>, Failure> {
        Packet::parse(&self.octets)
            .map_err(|error| Failure::new("the answer cannot be read", &error))
    }

    /// What hides values in it.
    pub(super) const fn hop<'a>(&'a self, wire: &'a Wire) -> Hop<'a> {
        Hop {
            authenticator: &self.authenticator,
            secret: &wire.secret,
        }
    }
}

impl Wire {
    /// Has the node admit a socket of ours.
    pub(super) async fn open(node: local::Client, target: &LoginTarget) -> Result<Self, Failure> {
        let any = match target.address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        };
        let failed = |error: std::io::Error| Failure::new("the request cannot be sent", &error);
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(target.address).await.map_err(failed)?;
        let source = socket.local_addr().map_err(failed)?;
        let admit = Admit {
            integration: target.integration.clone(),
            source,
        };
        let Admitted { secret } = node
            .post("/login/admit", &admit, LIMIT)
            .await
            .map_err(|error| Failure::new("the node does not let this login in", &error))?;
        Ok(Self {
            socket,
            secret: SharedSecret::new(secret.expose().as_bytes()),
            source,
            node,
        })
    }

    /// One request with these attributes and a name of ours, repeated like a client repeats it.
    pub(super) async fn ask(
        &self,
        identifier: u8,
        write: impl FnOnce(&mut RequestBuilder<'_>) -> Result<(), EncodeError>,
    ) -> Result<Answer, Failure> {
        let mut authenticator: Authenticator = [0; AUTHENTICATOR_OCTETS];
        getrandom::fill(&mut authenticator)
            .map_err(|_| Failure::plain("the system gives no random numbers"))?;
        let too_long = |error| Failure::new("the request cannot be written", &error);
        let mut request = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            identifier,
            authenticator,
            &self.secret,
        );
        write(&mut request).map_err(too_long)?;
        request
            .attribute(AttributeType::NAS_IDENTIFIER, b"countersign login")
            .map_err(too_long)?;
        let octets = self
            .exchange(&request.finish(), identifier, &authenticator)
            .await?;
        Ok(Answer {
            octets,
            authenticator,
        })
    }

    /// Does something, and gives the node's record of the login beside what comes of it.
    pub(super) async fn recorded<T>(
        &self,
        talk: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(T, Option<AuthEvent>), Failure> {
        let watch = self.event();
        tokio::pin!(watch);
        tokio::pin!(talk);
        // The record comes about when the answer does; whoever is second is waited for briefly.
        tokio::select! {
            done = &mut talk => {
                let done = done?;
                let event = tokio::time::timeout(LIMIT, watch).await;
                Ok((done, event.ok().flatten()))
            }
            event = &mut watch => Ok((talk.await?, event)),
        }
    }

    /// The next record from our address; none when the node cannot tell.
    async fn event(&self) -> Option<AuthEvent> {
        let path = format!("/login/finished?source={}", self.source);
        loop {
            match self.node.get(&path, LONGEST).await {
                Ok(event) => return Some(event),
                // Somebody takes his time at a prompt.
                Err(CallError::Refused { status: 408, .. }) => {}
                Err(_) => return None,
            }
        }
    }

    async fn exchange(
        &self,
        request: &[u8],
        identifier: u8,
        authenticator: &Authenticator,
    ) -> Result<Vec<u8>, Failure> {
        let mut buffer = vec![0; 4096];
        for _ in 0..TRIES {
            // A refusal by ICMP shows here or at the next call: the node is going or coming.
            drop(self.socket.send(request).await);
            let wait = async {
                loop {
                    let Ok(length) = self.socket.recv(&mut buffer).await else {
                        continue;
                    };
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if self.is_authentic(datagram, identifier, authenticator) {
                        return datagram.to_vec();
                    }
                }
            };
            if let Ok(answer) = tokio::time::timeout(RETRY, wait).await {
                return Ok(answer);
            }
        }
        Err(Failure::plain("the node did not answer"))
    }

    fn is_authentic(&self, datagram: &[u8], identifier: u8, authenticator: &Authenticator) -> bool {
        Packet::parse(datagram).is_ok_and(|packet| {
            let policy = MessageAuthenticator::Require;
            packet.identifier() == identifier
                && verify_response(&packet, authenticator, &self.secret, policy).is_ok()
        })
    }
}

/// Longer than the node lets somebody wait for a record.
const LONGEST: Duration = Duration::from_secs(340);
/// As a VPN would be set: 60 s, three times.
const RETRY: Duration = Duration::from_secs(60);
const TRIES: u32 = 3;

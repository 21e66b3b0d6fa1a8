//! A node for tests, without a network between it and its requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::config::{MessageAuthenticator, Mode, Settings};
use proto::event::{AuthEvent, Outcome as EventOutcome, Reason};
use proto::id::{NodeId, Revision};
use proto::secret::Secret;
use tokio::net::UdpSocket;
use tokio::sync::broadcast;

use super::session::Session;
use super::state::EapState;
use super::talk::{Talk, Verdict, digest};
use super::{EapThreads, tls};
use crate::clock;
use crate::control::report::Reports;
use crate::duo::client::DuoClients;
use crate::flow::tests::integration;
use crate::flow::{Answer, PrimaryUse};
use crate::metrics::Metrics;
use crate::radius::{AttributeType, Code, Packet, ReplyTo, SharedSecret};
use crate::server::clients::ClientTable;
use crate::server::dedup::{Key, Lookup};
use crate::server::exchange::Exchange;
use crate::server::receive::{Arrival, Shared};
use crate::server::served::{Series, Served, ServedClient, Site};
use crate::server::socket::{Asked, Bound};

/// A node that serves one integration to one client, handed its requests without a network.
pub(in crate::server) struct Node {
    pub(in crate::server) shared: Arc<Shared>,
    pub(in crate::server) site: Arc<Site>,
    pub(in crate::server) client: Arc<ServedClient>,
    pub(super) device: UdpSocket,
    pub(super) events: broadcast::Receiver<Arc<AuthEvent>>,
    pub(super) requests: u8,
}

impl Node {
    pub(in crate::server) async fn new() -> Self {
        let metrics = Metrics::new().unwrap();
        let (reports, _) = Reports::new(Arc::clone(&metrics));
        let events = reports.watch();
        let node = NodeId::new("here").unwrap();
        let threads = EapThreads::start(1).unwrap();
        let shared = Shared::new(node, Arc::clone(&metrics), reports, 10, threads).unwrap();
        let issued = rcgen::generate_simple_self_signed(["radius.test".to_owned()]).unwrap();
        let config = integration(Mode::Eap, |one| {
            let eap = one.eap.as_mut().unwrap();
            eap.certificates = issued.cert.pem();
            eap.private_key = Secret::new(issued.signing_key.serialize_pem());
        });
        let served = Served {
            revision: Revision(1),
            primary: None,
            primary_use: PrimaryUse::Ask {
                budget: Duration::from_secs(10),
                relays: false,
            },
            duo: DuoClients::new(1)
                .client(&config.application, &Settings::default())
                .unwrap(),
            eap: Some(tls::settings(config.eap.as_ref().unwrap()).unwrap()),
            series: Series::new(&metrics, "radius_server_test"),
            debug: false,
            config,
        };
        let client = ServedClient {
            name: "192.0.2.1".to_owned(),
            secret: SharedSecret::new(b"shared"),
            policy: MessageAuthenticator::Auto,
            served: Arc::new(served),
            waiting: Arc::default(),
        };
        let address = Some([127, 0, 0, 1].into());
        let socket = Bound::new(address, 0, &[]).unwrap().watch().unwrap();
        Self {
            shared: Arc::new(shared),
            site: Arc::new(Site::new(socket, ClientTable::new([]))),
            client: Arc::new(client),
            device: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            events,
            requests: 0,
        }
    }

    /// A request that is running, and its octets.
    pub(super) fn request(
        &mut self,
        attributes: &[(AttributeType, &[u8])],
    ) -> (Exchange, Vec<u8>, Key) {
        self.requests += 1;
        let mut octets = vec![Code::ACCESS_REQUEST.0, self.requests, 0, 0];
        octets.extend([self.requests; 16]);
        for (kind, value) in attributes {
            octets.push(kind.0);
            octets.push(u8::try_from(value.len() + 2).unwrap());
            octets.extend(*value);
        }
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        octets[2..4].copy_from_slice(&length);
        let packet = Packet::parse(&octets).unwrap();
        let arrival = Arrival {
            now: clock::now(),
            source: self.device.local_addr().unwrap(),
            asked: Asked::THE_BOUND_ONE,
        };
        let key = Key::new(arrival.source, 1812, self.requests);
        let mut duplicates = self.shared.duplicates.of(Mode::Eap);
        duplicates
            .begin(arrival.now, key, packet.authenticator())
            .unwrap();
        drop(duplicates);
        let exchange = Exchange::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.site),
            Arc::clone(&self.client),
            key,
            ReplyTo::new(&packet).unwrap(),
            arrival,
        );
        (exchange, octets, key)
    }

    pub(super) fn receives(&mut self, attributes: &[(AttributeType, &[u8])]) {
        let (exchange, octets, _) = self.request(attributes);
        super::receive(exchange, &Packet::parse(&octets).unwrap());
    }

    /// Gives code, EAP packet and State of the answer.
    pub(super) async fn asked(
        &mut self,
        attributes: &[(AttributeType, &[u8])],
    ) -> (Code, Vec<u8>, Vec<u8>) {
        self.receives(attributes);
        self.answer().await
    }

    pub(super) async fn answer(&self) -> (Code, Vec<u8>, Vec<u8>) {
        let octets = self.packet().await;
        let packet = Packet::parse(&octets).unwrap();
        let state = packet.first(AttributeType::STATE).unwrap_or_default();
        let eap = packet.eap_message().unwrap_or_default();
        (packet.code(), eap.to_vec(), state.to_vec())
    }

    /// The octets of the answer.
    pub(super) async fn packet(&self) -> Vec<u8> {
        let mut octets = vec![0; 4_096];
        let patience = Duration::from_secs(5);
        let received = tokio::time::timeout(patience, self.device.recv_from(&mut octets));
        let (length, _): (usize, SocketAddr) = received.await.unwrap().unwrap();
        octets.truncate(length);
        octets
    }

    /// Begins a conversation; gives its State.
    pub(super) async fn begins(&mut self) -> Vec<u8> {
        let (code, eap, state) = self
            .asked(&[NAME, (AttributeType::EAP_MESSAGE, IDENTITY)])
            .await;
        assert_eq!((code, eap.as_slice()), (Code::ACCESS_CHALLENGE, PEAP_START));
        state
    }

    pub(super) fn session(&self, state: &[u8]) -> Arc<Session> {
        let state = EapState::read(state).unwrap();
        self.shared.sessions().find(&state.token).unwrap()
    }

    /// What was told since the last time.
    pub(super) fn told(&mut self) -> Vec<(EventOutcome, Reason)> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| (event.outcome, event.reason))
            .collect()
    }

    pub(super) fn verdict(&self, answer: Answer) -> Verdict {
        Verdict::new(&self.shared, answer)
    }

    pub(super) fn is_running(&self, key: &Key, request: u8) -> bool {
        let mut duplicates = self.shared.duplicates.of(Mode::Eap);
        matches!(
            duplicates.lookup(clock::now(), key, &[request; 16]),
            Lookup::InProgress
        )
    }
}

impl Talk {
    /// As if this response were being decided on.
    pub(super) fn waits(&mut self, heard: &[u8], exchange: Exchange) {
        self.heard = digest(heard);
        self.said = None;
        self.waiting = Some(exchange);
    }
}

pub(super) const NAME: (AttributeType, &[u8]) = (AttributeType::USER_NAME, b"anonymous");
pub(super) const IDENTITY: &[u8] = b"\x02\x07\x00\x0e\x01anonymous";
pub(super) const PEAP_START: &[u8] = b"\x01\x08\x00\x06\x19\x21";
/// Wants TTLS.
pub(super) const NAK: &[u8] = b"\x02\x08\x00\x06\x03\x15";
pub(super) const TTLS_START: &[u8] = b"\x01\x09\x00\x06\x15\x20";
/// Wants EAP-TLS.
pub(super) const LAST_NAK: &[u8] = b"\x02\x09\x00\x06\x03\x0d";

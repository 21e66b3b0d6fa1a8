//! The ways that a datagram takes most often, one by one, so that what they cost can be counted:
//! allocations by the unit test beside this, instructions by `bench/instructions`. Built for those two
//! only. No clock is read to judge anything: a count is the same on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a way that cannot be gone is a panic, as in a test"
)]

#[cfg(test)]
mod allocations;

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use proto::config::{Integration, MessageAuthenticator, Settings, Snapshot, raw};
use proto::event::AuthEvent;
use proto::id::{NodeId, Revision};
use proto::secret::Secret;

use crate::clock;
use crate::control::report::{Queue, Reports};
use crate::duo::client::DuoClients;
use crate::duo::message::PreauthRequest;
use crate::duo::sign::SigningKey;
use crate::duo::wire;
use crate::flow::PrimaryUse;
use crate::metrics::Metrics;
use crate::radius::{AttributeType, Code, Packet, RequestBuilder, SharedSecret, verify_request};
use crate::server::clients::ClientTable;
use crate::server::eap::EapThreads;
use crate::server::receive::{Arrival, Shared, handle};
use crate::server::served::{Series, Served, ServedClient, Site};
use crate::server::socket::{Asked, Bound};

/// A way that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A request of some 80 octets is parsed and its Message-Authenticator verified.
    Verify,
    /// Discarded: nobody's address.
    Unknown,
    /// Discarded: a Message-Authenticator under another secret.
    Forged,
    /// Answered before: the same octets go out again.
    Duplicate,
    /// PAP of a user without a second factor, where no primary is asked: accepted, and told.
    Login,
    /// A preauth call of the Auth API is written down and signed.
    Sign,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Verify,
        Self::Unknown,
        Self::Forged,
        Self::Duplicate,
        Self::Login,
        Self::Sign,
    ];

    /// Its name in `bench/instructions.expected`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "parse-and-verify",
            Self::Unknown => "discard-unknown-client",
            Self::Forged => "discard-wrong-message-authenticator",
            Self::Duplicate => "answer-to-duplicate",
            Self::Login => "pap-login-exempt-user",
            Self::Sign => "sign-auth-api-call",
        }
    }
}

/// A node with one integration and one client, and the client's socket. All of it is on the thread that
/// made it.
#[derive(Debug)]
pub struct Rig {
    shared: Arc<Shared>,
    site: Arc<Site>,
    secret: SharedSecret,
    signer: SigningKey,
    preauth: PreauthRequest,
    device: UdpSocket,
    events: Queue,
    requests: u64,
}

impl Default for Rig {
    fn default() -> Self {
        Self::new()
    }
}

impl Rig {
    /// Starts the node, within the runtime that is to read its socket.
    #[must_use]
    pub fn new() -> Self {
        let config = integration();
        let metrics = Metrics::new().unwrap();
        let (reports, events) = Reports::new(Arc::clone(&metrics));
        let id = NodeId::new("here").unwrap();
        let threads = EapThreads::start(1).unwrap();
        let shared = Shared::new(id, Arc::clone(&metrics), reports, 10, threads).unwrap();
        let application = &config.application;
        let signer = SigningKey::new(&application.ikey, &application.skey);
        let duo = DuoClients::new(1)
            .client(application, &Settings::default())
            .unwrap();
        let address = config.clients[0].address;
        let client = ServedClient {
            name: address.to_string(),
            secret: SharedSecret::new(SECRET),
            waiting: Arc::default(),
            policy: MessageAuthenticator::Auto,
            served: Arc::new(Served {
                revision: Revision(1),
                primary: None,
                primary_use: PrimaryUse::AnyPassword,
                duo,
                eap: None,
                series: Series::new(&metrics, config.id.as_str()),
                debug: false,
                config,
            }),
        };
        let loopback = Some([127, 0, 0, 1].into());
        let socket = Bound::new(loopback, 0, &[]).unwrap().watch().unwrap();
        let device = UdpSocket::bind("127.0.0.1:0").unwrap();
        device.connect(socket.address()).unwrap();
        device.set_nonblocking(true).unwrap();
        let clients = ClientTable::new([(address, Arc::new(client))]);
        Self {
            shared: Arc::new(shared),
            site: Arc::new(Site::new(socket, clients)),
            secret: SharedSecret::new(SECRET),
            signer,
            preauth: PreauthRequest {
                username: USER.to_owned(),
                ipaddr: Some("198.51.100.7".to_owned()),
                hostname: None,
                shows_numbers: false,
            },
            device,
            events,
            requests: 0,
        }
    }

    /// Makes ready what a way needs: a datagram that was not seen before, under the right secret or
    /// another, or for [`Way::Duplicate`] one that was answered.
    pub fn prepare(&mut self, way: Way) -> Vec<u8> {
        let datagram = self.datagram(match way {
            Way::Forged => b"another secret",
            _ => SECRET,
        });
        if way == Way::Duplicate {
            self.go(Way::Login, &datagram);
            self.settle(Way::Login);
        }
        datagram
    }

    /// Goes a way once, from the octets that were read to the answer that was sent.
    pub fn go(&self, way: Way, datagram: &[u8]) {
        let source = match way {
            Way::Verify => {
                let packet = Packet::parse(black_box(datagram)).unwrap();
                let policy = MessageAuthenticator::Auto;
                verify_request(&packet, black_box(&self.secret), policy).unwrap();
                return;
            }
            Way::Sign => {
                let written = wire::preauth(black_box(&self.preauth));
                let (method, host) = (written.method.as_str(), "api.example.com");
                let signed = self.signer.authorization(
                    DATE,
                    method,
                    host,
                    written.path,
                    &written.parameters,
                );
                drop(black_box(signed.unwrap()));
                return;
            }
            Way::Unknown => SocketAddr::from(([192, 0, 2, 1], 1024)),
            Way::Forged | Way::Duplicate | Way::Login => self.device.local_addr().unwrap(),
        };
        self.take(datagram, source);
    }

    fn take(&self, datagram: &[u8], source: SocketAddr) {
        let arrival = Arrival {
            now: clock::now(),
            source,
            asked: Asked::THE_BOUND_ONE,
        };
        handle(&self.shared, &self.site, datagram, arrival);
    }

    /// Sends a datagram to the node's socket, which reads it and takes it.
    pub async fn through_socket(&self, datagram: &[u8]) {
        let sent = self.device.send(datagram).unwrap();
        assert_eq!(sent, datagram.len());
        let mut taken = 0;
        while taken == 0 {
            let each = |datagram: &[u8], source: SocketAddr, _: Asked| {
                self.take(datagram, source);
                taken += 1;
            };
            self.site.socket.receive(each).await.unwrap();
        }
    }

    /// Says what came of it: the answer's code, if there was one, and the event that was told of a login.
    pub fn settle(&mut self, way: Way) -> (Option<u8>, Option<AuthEvent>) {
        let mut octets = [0; 4_096];
        let answered = self.device.recv(&mut octets).is_ok();
        let code = answered.then_some(octets[0]);
        let event = self.events.try_next();
        let want = match way {
            Way::Verify | Way::Sign | Way::Unknown | Way::Forged => (None, false),
            Way::Duplicate => (Some(ACCEPT), false),
            Way::Login => (Some(ACCEPT), true),
        };
        assert_eq!((code, event.is_some()), want, "{way:?}");
        (code, event)
    }

    /// A request of a client of the usual make.
    fn datagram(&mut self, secret: &[u8]) -> Vec<u8> {
        self.requests += 1;
        let secret = SharedSecret::new(secret);
        let mut authenticator = [0x5a; 16];
        authenticator[..8].copy_from_slice(&self.requests.to_be_bytes());
        let identifier = authenticator[7];
        let mut request =
            RequestBuilder::new(Code::ACCESS_REQUEST, identifier, authenticator, &secret);
        request
            .attribute(AttributeType::USER_NAME, USER.as_bytes())
            .unwrap()
            .user_password(b"a password")
            .unwrap()
            .attribute(AttributeType::NAS_IP_ADDRESS, &[192, 0, 2, 1])
            .unwrap()
            .attribute(AttributeType::CALLING_STATION_ID, b"198.51.100.7")
            .unwrap();
        request.finish()
    }
}

fn integration() -> Arc<Integration> {
    let snapshot = raw::Snapshot {
        revision: 1,
        authenticators: vec![raw::Authenticator {
            id: "any".to_owned(),
            kind: raw::AuthenticatorKind::DuoOnly,
        }],
        integrations: vec![raw::Integration {
            id: "radius_server_auto".to_owned(),
            mode: proto::config::Mode::Auto,
            listen: None,
            port: 1812,
            application: raw::Application {
                ikey: "DIWJ8X6AEYOR5OMC6TQ1".to_owned(),
                skey: Secret::from("Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"),
                host: "api.example.com".to_owned(),
                port: 443,
                pinned_ca: None,
            },
            clients: vec![raw::Client {
                address: "127.0.0.1".to_owned(),
                secret: Secret::from(std::str::from_utf8(SECRET).unwrap()),
                message_authenticator: MessageAuthenticator::Auto,
            }],
            authenticator: Some("any".to_owned()),
            fail_mode: Default::default(),
            factors: vec![proto::config::FactorChoice::Auto],
            append: Default::default(),
            pass_through: Default::default(),
            client_ip_attribute: None,
            password_codec: Default::default(),
            api_timeout_seconds: 0,
            exempt_users: vec![USER.to_owned()],
            prompt: Default::default(),
            eap: None,
        }],
        ..Default::default()
    };
    Arc::clone(&Snapshot::try_from(snapshot).unwrap().integrations[0])
}

const USER: &str = "alice.example";
const SECRET: &[u8] = b"a shared secret";
const DATE: &[u8] = b"Tue, 21 Aug 2012 17:29:18 -0000";
/// RFC 2865 section 5: Access-Accept.
const ACCEPT: u8 = 2;

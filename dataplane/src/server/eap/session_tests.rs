use std::net::SocketAddr;

use proto::config::{MessageAuthenticator, Mode, Settings};
use proto::event::{AuthEvent, Factor};
use proto::id::{NodeId, Revision};
use tokio::net::UdpSocket;
use tokio::sync::broadcast;

use super::*;
use crate::control::report::Reports;
use crate::duo::client::DuoClients;
use crate::eap::fault::EapFault;
use crate::eap::packet::{self, EapType};
use crate::flow::PrimaryUse;
use crate::flow::tests::integration;
use crate::metrics::Metrics;
use crate::radius::{AttributeType, Code, ReplyBuilder, ReplyTo, SharedSecret};
use crate::server::clients::ClientTable;
use crate::server::dedup::{Key, Lookup};
use crate::server::eap::{EapThreads, expire, fragment_octets, tls};
use crate::server::receive::Arrival;
use crate::server::served::{Series, ServedClient, Site};
use crate::server::socket::{Asked, Bound};

/// A node that serves one integration to one client, handed its requests without a network.
struct Node {
    shared: Arc<Shared>,
    site: Arc<Site>,
    client: Arc<ServedClient>,
    device: UdpSocket,
    events: broadcast::Receiver<Arc<AuthEvent>>,
    requests: u8,
}

impl Node {
    async fn new() -> Self {
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
            primary_use: PrimaryUse::AnyPassword,
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
    fn request(&mut self, attributes: &[(AttributeType, &[u8])]) -> (Exchange, Vec<u8>, Key) {
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
        let mut duplicates = self.shared.duplicates.lock().unwrap();
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

    fn receives(&mut self, attributes: &[(AttributeType, &[u8])]) {
        let (exchange, octets, _) = self.request(attributes);
        super::super::receive(exchange, &Packet::parse(&octets).unwrap());
    }

    /// Gives code, EAP packet and State of the answer.
    async fn asked(&mut self, attributes: &[(AttributeType, &[u8])]) -> (Code, Vec<u8>, Vec<u8>) {
        self.receives(attributes);
        self.answer().await
    }

    async fn answer(&self) -> (Code, Vec<u8>, Vec<u8>) {
        let mut octets = [0; 4_096];
        let patience = Duration::from_secs(5);
        let received = tokio::time::timeout(patience, self.device.recv_from(&mut octets));
        let (length, _): (usize, SocketAddr) = received.await.unwrap().unwrap();
        let packet = Packet::parse(&octets[..length]).unwrap();
        let state = packet.first(AttributeType::STATE).unwrap_or_default();
        let eap = packet.eap_message().unwrap_or_default();
        (packet.code(), eap.to_vec(), state.to_vec())
    }

    /// Begins a conversation; gives its State.
    async fn begins(&mut self) -> Vec<u8> {
        let (code, eap, state) = self
            .asked(&[NAME, (AttributeType::EAP_MESSAGE, IDENTITY)])
            .await;
        assert_eq!((code, eap.as_slice()), (Code::ACCESS_CHALLENGE, PEAP_START));
        state
    }

    fn session(&self, state: &[u8]) -> Arc<Session> {
        let state = EapState::read(state).unwrap();
        self.shared.sessions().find(&state.token).unwrap()
    }

    /// What was told since the last time.
    fn told(&mut self) -> Vec<(EventOutcome, Reason)> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| (event.outcome, event.reason))
            .collect()
    }

    fn is_running(&self, key: &Key, request: u8) -> bool {
        let mut duplicates = self.shared.duplicates.lock().unwrap();
        matches!(
            duplicates.lookup(clock::now(), key, &[request; 16]),
            Lookup::InProgress
        )
    }
}

const NAME: (AttributeType, &[u8]) = (AttributeType::USER_NAME, b"anonymous");
const IDENTITY: &[u8] = b"\x02\x07\x00\x0e\x01anonymous";
const PEAP_START: &[u8] = b"\x01\x08\x00\x06\x19\x21";
/// Wants TTLS.
const NAK: &[u8] = b"\x02\x08\x00\x06\x03\x15";
const TTLS_START: &[u8] = b"\x01\x09\x00\x06\x15\x20";
/// Wants EAP-TLS.
const LAST_NAK: &[u8] = b"\x02\x09\x00\x06\x03\x0d";

#[tokio::test]
async fn a_conversation_goes_on_by_its_state_and_ends_once() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let with = |eap| {
        [
            NAME,
            (AttributeType::EAP_MESSAGE, eap),
            (AttributeType::STATE, &state[..]),
        ]
    };
    let want = (Code::ACCESS_CHALLENGE, TTLS_START.to_vec(), state.clone());
    assert_eq!(node.asked(&with(NAK)).await, want);
    // Again, as a request of its own: the same answer, and nothing goes on.
    assert_eq!(node.asked(&with(NAK)).await, want);
    assert_eq!(node.told(), []);
    let (code, eap, _) = node.asked(&with(LAST_NAK)).await;
    assert_eq!(
        (code, &eap[..]),
        (Code::ACCESS_REJECT, &b"\x04\x09\x00\x04"[..])
    );
    assert_eq!(
        node.told(),
        [(EventOutcome::Reject, Reason::UnsupportedMethod)]
    );
    assert_eq!(node.shared.sessions().len(), 0);
    let (code, ..) = node.asked(&with(LAST_NAK)).await;
    assert_eq!(code, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
}

#[tokio::test]
async fn what_found_a_conversation_just_before_its_end_goes_on_with_nothing() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    session.abandoned(&node.shared);
    assert_eq!(node.told(), [(EventOutcome::Unanswered, Reason::TimedOut)]);
    // It is told once, whoever else comes to its end.
    session.abandoned(&node.shared);
    session.undecided(&node.shared);
    let (exchange, octets, key) = node.request(&[NAME, (AttributeType::EAP_MESSAGE, NAK)]);
    let request = node.requests;
    let talk = session.talk();
    session.over(talk, exchange, Answer::reject(Reason::Internal), None);
    assert_eq!(node.told(), []);
    assert!(!node.is_running(&key, request), "its repeat is served anew");
    let (exchange, _, _) = node.request(&[]);
    let packet = Packet::parse(&octets).unwrap();
    session.receive(exchange, &packet, &Response::parse(NAK).unwrap(), NAK);
    assert_eq!(node.answer().await.0, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
}

#[tokio::test]
async fn a_login_that_nobody_decides_is_told_and_lets_its_request_go() {
    for (draining, reason) in [(true, Reason::Stopping), (false, Reason::Internal)] {
        let mut node = Node::new().await;
        let state = node.begins().await;
        let session = node.session(&state);
        let (exchange, _, key) = node.request(&[]);
        let request = node.requests;
        let response = digest(NAK);
        session.talk().waiting = Some(Waiting { response, exchange });
        node.shared.draining.store(draining, Ordering::Relaxed);
        assert!(node.is_running(&key, request));
        drop(Undecided {
            session,
            shared: Arc::clone(&node.shared),
            decided: false,
        });
        assert_eq!(node.told(), [(EventOutcome::Unanswered, reason)]);
        assert!(!node.is_running(&key, request));
        assert_eq!(node.shared.sessions().len(), 0);
    }
}

#[tokio::test]
async fn while_a_login_waits_its_repeat_takes_its_place_and_nothing_else_does() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    let (exchange, _, first) = node.request(&[]);
    let of_first = node.requests;
    session.talk().waiting = Some(Waiting {
        response: digest(NAK),
        exchange,
    });
    let with = |eap| {
        [
            (AttributeType::EAP_MESSAGE, eap),
            (AttributeType::STATE, &state[..]),
        ]
    };
    node.receives(&with(LAST_NAK));
    assert!(
        node.is_running(&first, of_first),
        "another response is passed over"
    );
    let (exchange, octets, second) = node.request(&with(NAK));
    let of_second = node.requests;
    super::super::receive(exchange, &Packet::parse(&octets).unwrap());
    assert!(!node.is_running(&first, of_first));
    assert!(node.is_running(&second, of_second));
    assert_eq!(node.told(), []);
    // When it has waited too long, the request goes too.
    session.abandoned(&node.shared);
    assert!(!node.is_running(&second, of_second));
}

#[tokio::test]
async fn a_state_is_good_for_its_client_and_its_node() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let elsewhere = EapState::new(&NodeId::new("there").unwrap(), [1; 16]).octets();
    let unknown = EapState::new(&NodeId::new("here").unwrap(), [1; 16]).octets();
    for state in [&elsewhere[..], &unknown, b"", b"no state", &state[..17]] {
        let eap = (AttributeType::EAP_MESSAGE, NAK);
        let (code, eap, _) = node
            .asked(&[NAME, eap, (AttributeType::STATE, state)])
            .await;
        assert_eq!(
            (code, &eap[..]),
            (Code::ACCESS_REJECT, &b"\x04\x08\x00\x04"[..])
        );
        assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
    }
    let home = std::mem::replace(
        &mut node.device,
        UdpSocket::bind("127.0.0.2:0").await.unwrap(),
    );
    let with = [
        (AttributeType::EAP_MESSAGE, NAK),
        (AttributeType::STATE, &state[..]),
    ];
    assert_eq!(node.asked(&with).await.0, Code::ACCESS_REJECT);
    assert_eq!(node.told(), [(EventOutcome::Reject, Reason::UnknownState)]);
    // It goes on where it was all the same.
    node.device = home;
    assert_eq!(node.asked(&with).await.1, TTLS_START);
}

#[tokio::test]
async fn what_begins_no_conversation_is_refused_and_keeps_nothing() {
    let mut node = Node::new().await;
    let eap = |octets: &'static [u8]| (AttributeType::EAP_MESSAGE, octets);
    // Nobody is known yet: asked who it is, and nothing is kept.
    let (code, asked, state) = node.asked(&[eap(b"")]).await;
    let identifier = node.requests;
    assert_eq!(
        (code, asked),
        (Code::ACCESS_CHALLENGE, vec![1, identifier, 0, 5, 1])
    );
    assert!(state.is_empty());
    assert_eq!(node.told(), []);
    let table = [
        ("no EAP", vec![NAME], Reason::UnsupportedMethod),
        (
            "half a packet",
            vec![NAME, eap(b"\x02\x07\x00")],
            Reason::BadRequest,
        ),
        (
            "a request",
            vec![NAME, eap(b"\x01\x07\x00\x05\x01")],
            Reason::BadRequest,
        ),
        ("no name first", vec![NAME, eap(NAK)], Reason::UnknownState),
        (
            "a name that is none",
            vec![(AttributeType::USER_NAME, b"al\nice"), eap(IDENTITY)],
            Reason::BadRequest,
        ),
        (
            "one in EAP alone",
            vec![eap(b"\x02\x07\x00\x06\x01\xff")],
            Reason::BadRequest,
        ),
    ];
    for (name, attributes, reason) in table {
        assert_eq!(
            node.asked(&attributes).await.0,
            Code::ACCESS_REJECT,
            "{name}"
        );
        assert_eq!(node.told(), [(EventOutcome::Reject, reason)], "{name}");
    }
    assert_eq!(node.shared.sessions().len(), 0);
}

#[tokio::test]
async fn only_what_nobody_goes_on_with_expires() {
    let mut node = Node::new().await;
    let state = node.begins().await;
    let session = node.session(&state);
    expire(&node.shared);
    assert_eq!((node.told(), node.shared.sessions().len()), (vec![], 1));
    let mut standing = session.standing();
    assert!(standing.handshake);
    assert!(standing.octets >= sessions::SESSION_OCTETS);
    standing.expires = clock::now();
    node.shared.sessions().note(&session.token, standing);
    expire(&node.shared);
    assert_eq!(node.told(), [(EventOutcome::Unanswered, Reason::TimedOut)]);
    assert_eq!(node.shared.sessions().len(), 0);
}

#[tokio::test]
async fn fragments_are_as_long_as_the_device_says_within_reason() {
    let mut node = Node::new().await;
    let table: [(&[u8], usize); 8] = [
        (b"\0\0\x05\x78", 1_024),
        (b"\0\0\x04\x0a", 1_024),
        (b"\0\0\x02\x0a", 512),
        (b"\0\0\0\x40", 256),
        (b"\0\0\0\0", 256),
        (b"\xff\xff\xff\xff", 1_024),
        (b"\0\x05", 1_024),
        (b"", 1_024),
    ];
    for (mtu, want) in table {
        let (exchange, octets, _) = node.request(&[(AttributeType::FRAMED_MTU, mtu)]);
        let room = exchange.reply_to.challenge_room();
        let got = fragment_octets(&Packet::parse(&octets).unwrap(), room);
        assert_eq!(got, want, "{mtu:?}");
    }
    let (exchange, octets, _) = node.request(&[]);
    let room = exchange.reply_to.challenge_room();
    assert_eq!(
        fragment_octets(&Packet::parse(&octets).unwrap(), room),
        1_024
    );
}

#[tokio::test]
async fn a_fragment_fits_beside_any_proxy_state() {
    let mut node = Node::new().await;
    let value = [b'p'; 253];
    let state = [b's'; 253];
    for proxies in 0..=13 {
        let proxy_states = vec![(AttributeType::PROXY_STATE, &value[..]); proxies];
        let (exchange, octets, _) = node.request(&proxy_states);
        let reply_to = &exchange.reply_to;
        let room = reply_to.challenge_room();
        let octets = fragment_octets(&Packet::parse(&octets).unwrap(), room);
        assert!((243..=1_024).contains(&octets), "{proxies}: {octets}");
        let data = vec![0; octets + 5];
        let eap = packet::request(1, EapType::PEAP, &data);
        let secret = SharedSecret::new(b"shared");
        let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, reply_to, &secret);
        reply.attribute(AttributeType::STATE, &state).unwrap();
        assert!(reply.eap_message(&eap).is_ok(), "{proxies}: {octets}");
    }
}

#[tokio::test]
async fn a_factor_that_was_used_is_told_though_the_supplicant_spoils_the_end() {
    let mut node = Node::new().await;
    let accepted = Answer {
        code: AnswerCode::Accept,
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Approved)
    };
    let denied = Answer {
        factor: Some(Factor::Push),
        ..Answer::reject(Reason::Denied)
    };
    for (verdict, reason) in [(accepted, Reason::EapFailed), (denied, Reason::Denied)] {
        let state = node.begins().await;
        let session = node.session(&state);
        session.talk().verdict = Some(verdict);
        let (exchange, _, _) = node.request(&[]);
        let fault = EapFault::Result("it says that it failed");
        let failure = vec![4, 9, 0, 4];
        session.end(
            session.talk(),
            exchange,
            failure.clone(),
            Outcome::Fault(fault),
        );
        let (code, eap, _) = node.answer().await;
        assert_eq!((code, eap), (Code::ACCESS_REJECT, failure));
        let event = node.events.try_recv().unwrap();
        assert_eq!((event.reason, event.factor), (reason, Some(Factor::Push)));
    }
}

#[test]
fn keys_of_a_session_are_the_halves_of_the_msk_and_the_upstreams_are_none() {
    let keys: KeyingMaterial = Secret::new(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let made = session_keys(&keys);
    let clear = |attribute: &UpstreamAttribute| match &attribute.value {
        UpstreamValue::Salted { tag: None, clear } => clear.expose().clone(),
        value => panic!("{value:?}"),
    };
    assert_eq!(made.len(), 2);
    assert_eq!((made[0].number, clear(&made[0])), (17, (0..32).collect()));
    assert_eq!((made[1].number, clear(&made[1])), (16, (32..64).collect()));
    assert!(made.iter().all(is_session_key));
    let class = UpstreamAttribute {
        vendor: None,
        number: 17,
        value: UpstreamValue::Plain(vec![1]),
        always: false,
    };
    assert!(!is_session_key(&class));
}

//! The double, and what is asked of it.

use std::net::SocketAddr;
use std::sync::Arc;

use dataplane::primary::{Credential, Primary, PrimaryFailure, PrimaryRequest, Shared, Verdict};
use dataplane::radius::{
    AttributeType, Code, MAX_PACKET_OCTETS, Packet, ReplyBuilder, ReplyTo, SharedSecret,
};
use md5::{Digest, Md5};
use prometheus::Registry;
use proto::config::{Authenticator, Snapshot, raw};
use proto::secret::Secret;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// An upstream that does as the test says.
pub(super) struct Double {
    pub(super) socket: UdpSocket,
    pub(super) secret: SharedSecret,
}

impl Double {
    pub(super) async fn at(address: &str) -> Self {
        Self {
            socket: UdpSocket::bind(address).await.unwrap(),
            secret: SharedSecret::new(b"upstream"),
        }
    }

    pub(super) async fn new() -> Self {
        Self::at("127.0.0.1:0").await
    }

    pub(super) fn host(&self) -> Value {
        let address = self.socket.local_addr().unwrap();
        json!({"name": address.ip().to_string(), "port": address.port()})
    }

    /// The next login's request. Deaf to probes.
    pub(super) async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        self.receive_code(Code::ACCESS_REQUEST).await
    }

    pub(super) async fn receive_code(&self, code: Code) -> (Vec<u8>, SocketAddr) {
        loop {
            let mut octets = vec![0; MAX_PACKET_OCTETS];
            let (count, from) = self.socket.recv_from(&mut octets).await.unwrap();
            if octets[0] == code.0 {
                octets.truncate(count);
                return (octets, from);
            }
        }
    }

    pub(super) async fn send(&self, octets: &[u8], to: SocketAddr) {
        self.socket.send_to(octets, to).await.unwrap();
    }

    pub(super) fn reply(&self, request: &[u8], code: Code, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        reply(request, code, attributes, &self.secret)
    }

    /// Answers one request.
    pub(super) async fn answer(&self, code: Code, attributes: &[(u8, &[u8])]) {
        let (request, from) = self.receive().await;
        let octets = self.reply(&request, code, attributes);
        self.socket.send_to(&octets, from).await.unwrap();
    }
}

pub(super) fn reply(
    request: &[u8],
    code: Code,
    attributes: &[(u8, &[u8])],
    secret: &SharedSecret,
) -> Vec<u8> {
    let to = ReplyTo::new(&Packet::parse(request).unwrap()).unwrap();
    let mut builder = ReplyBuilder::new(code, &to, secret);
    for (kind, value) in attributes {
        builder.attribute(AttributeType(*kind), value).unwrap();
    }
    builder.finish()
}

pub(super) struct Subject {
    pub(super) primary: Arc<Primary>,
    pub(super) shared: Shared,
    pub(super) registry: Registry,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "made in place by every caller"
)]
pub(super) fn subject(hosts: Value, over: Value) -> Subject {
    let settings = settings("radius_client", &hosts, &over);
    let registry = Registry::new();
    let shared = Shared::new(TaskTracker::new(), &registry).unwrap();
    Subject {
        primary: Primary::new(&settings, &shared).unwrap(),
        shared,
        registry,
    }
}

pub(super) fn settings(id: &str, hosts: &Value, over: &Value) -> Arc<Authenticator> {
    let mut radius = json!({
        "hosts": hosts, "secret": "upstream", "retries": 1, "retry_wait_seconds": 1,
    });
    for (key, value) in over.as_object().unwrap() {
        radius[key] = value.clone();
    }
    let raw: raw::Snapshot = serde_json::from_value(json!({
        "revision": 1,
        "authenticators": [{"id": id, "kind": {"radius": radius}}],
    }))
    .unwrap();
    Snapshot::try_from(raw).unwrap().authenticators.remove(0)
}

pub(super) fn request(password: &str) -> PrimaryRequest {
    PrimaryRequest {
        user: "alice".to_owned(),
        credential: Credential::Password(Secret::from(password)),
        calling_station: Some("198.51.100.7".to_owned()),
        pass_through: vec![32, 5, b'n', b'a', b's'],
        answers: None,
    }
}

pub(super) async fn check(
    primary: &Primary,
    request: &PrimaryRequest,
) -> Result<Verdict, PrimaryFailure> {
    let deadline = (Instant::now() + primary.budget()).into_std();
    primary.check(request, deadline, &mut Vec::new()).await
}

pub(super) fn counted(registry: &Registry, name: &str, label: &str) -> f64 {
    registry
        .gather()
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| family.get_metric())
        .filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label))
        .map(|metric| metric.get_counter().get_value())
        .sum()
}

/// An accept as an older FreeRADIUS sends it, without a Message-Authenticator, and right.
pub(super) fn unsigned(request: &[u8]) -> Vec<u8> {
    let mut octets = vec![Code::ACCESS_ACCEPT.0, request[1], 0, 20];
    // RFC 2865 section 3.
    let authenticator = Md5::new()
        .chain_update(&octets)
        .chain_update(&request[4..20])
        .chain_update(b"upstream")
        .finalize();
    octets.extend_from_slice(&authenticator);
    octets
}

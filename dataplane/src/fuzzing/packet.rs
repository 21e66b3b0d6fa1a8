//! A datagram of anybody.

use std::sync::{Arc, LazyLock};

use proto::config::{
    AttributeRef, AttributeType as DataType, Integration, MessageAuthenticator, PassThrough,
    Snapshot, raw,
};
use proto::event::USER_CHARACTERS;

use crate::flow::request::{self, Request};
use crate::primary::request_attributes;
use crate::radius::salted::{self, Hop};
use crate::radius::{
    AUTHENTICATOR_OCTETS, Attribute, AttributeType, Authenticator, Code, EncodeError,
    HEADER_OCTETS, MAX_PACKET_OCTETS, MAX_VALUE_OCTETS, Packet, ReplyBuilder, ReplyTo,
    RequestBuilder, SharedSecret, password, verify_request, verify_response,
};

/// Reads a datagram as far as the gateway ever does, and answers it.
///
/// Holds: nothing panics; the framing adds up; every attribute is found by its number; what is
/// built of what was read reads the same; an answer carries the Proxy-State unchanged and is
/// believed by who asked.
///
/// # Panics
/// One of these does not hold.
pub fn packet(octets: &[u8]) {
    let Ok(packet) = Packet::parse(octets) else {
        return;
    };
    assert!(packet.octets().len() >= HEADER_OCTETS && packet.octets().len() <= MAX_PACKET_OCTETS);
    assert!(octets.starts_with(packet.octets()));
    attributes(&packet);
    hidden(&packet);
    believed(&packet);
    rebuilt(&packet);
    answered(&packet);
    requested(&packet);
}

fn attributes(packet: &Packet<'_>) {
    let mut framed = HEADER_OCTETS;
    let mut eap = Vec::new();
    for attribute in packet.attributes() {
        framed += attribute.value.len() + 2;
        assert!(attribute.value.len() <= MAX_VALUE_OCTETS);
        assert!(
            packet
                .all(attribute.kind)
                .any(|value| value == attribute.value)
        );
        let named = reference(None, attribute.kind.0);
        assert!(packet.lookup_all(&named).eq(packet.all(attribute.kind)));
        if attribute.kind == AttributeType::EAP_MESSAGE {
            eap.extend_from_slice(attribute.value);
        }
        for sub in attribute.vendor().into_iter().flatten() {
            assert!(sub.value.len() <= 247);
            let mut found = packet.all_vendor(sub.vendor, sub.number);
            assert!(found.any(|value| value == sub.value));
            let named = reference(Some(sub.vendor), sub.number);
            assert_eq!(
                packet.lookup(&named),
                packet.first_vendor(sub.vendor, sub.number)
            );
        }
    }
    assert_eq!(framed, packet.octets().len());
    assert_eq!(packet.eap_message().as_deref().unwrap_or_default(), eap);
}

fn reference(vendor: Option<u32>, number: u8) -> AttributeRef {
    AttributeRef {
        name: String::new(),
        vendor,
        number,
        data_type: DataType::Octets,
    }
}

/// Values that are hidden by the secret.
fn hidden(packet: &Packet<'_>) {
    let secret = secret();
    let hop = Hop {
        authenticator: packet.authenticator(),
        secret: &secret,
    };
    for attribute in packet.attributes() {
        if let Ok(clear) = password::unhide(attribute.value, packet.authenticator(), &secret) {
            let clear = clear.expose();
            assert_ne!(clear.last(), Some(&0));
            let hidden = password::hide(clear, packet.authenticator(), &secret).unwrap();
            // Blocks of padding alone are not written again.
            assert!(attribute.value.starts_with(&hidden));
        }
        if let Ok(clear) = salted::decrypt(attribute.value, hop) {
            assert!(clear.expose().len() <= salted::MAX_TEXT_OCTETS);
        }
    }
}

/// What passes a policy passes every one that asks for less.
fn believed(packet: &Packet<'_>) {
    let secret = secret();
    let policies = [
        MessageAuthenticator::Require,
        MessageAuthenticator::Auto,
        MessageAuthenticator::Off,
    ];
    assert!(
        policies
            .map(|policy| verify_request(packet, &secret, policy).is_ok())
            .is_sorted()
    );
    let answer = |policy| verify_response(packet, &AUTHENTICATOR, &secret, policy).is_ok();
    assert!(policies.map(answer).is_sorted());
}

/// The same packet, written by us.
fn rebuilt(packet: &Packet<'_>) {
    let secret = secret();
    let mut built = RequestBuilder::new(
        packet.code(),
        packet.identifier(),
        *packet.authenticator(),
        &secret,
    );
    let mut wanted = Vec::new();
    for attribute in packet.attributes() {
        match built.attribute(attribute.kind, attribute.value) {
            Ok(_) => wanted.push(attribute),
            Err(EncodeError::Reserved { .. }) => {}
            Err(error) => assert_eq!(error, EncodeError::PacketTooLong),
        }
    }
    let octets = built.finish();
    let read = Packet::parse(&octets).unwrap();
    assert_eq!(
        verify_request(&read, &secret, MessageAuthenticator::Require),
        Ok(())
    );
    let read: Vec<Attribute<'_>> = read.attributes().skip(1).collect();
    assert_eq!(read, wanted);
}

fn answered(packet: &Packet<'_>) {
    let Ok(to) = ReplyTo::new(packet) else {
        return;
    };
    let secret = secret();
    let mut reply = ReplyBuilder::new(Code::ACCESS_REJECT, &to, &secret);
    reply
        .attribute(AttributeType::STATE, &[1; MAX_VALUE_OCTETS])
        .unwrap();
    reply.reply_message(&"x".repeat(MAX_VALUE_OCTETS)).unwrap();
    let octets = reply.finish();
    let answer = Packet::parse(&octets).unwrap();
    let policy = MessageAuthenticator::Require;
    assert_eq!(
        verify_response(&answer, packet.authenticator(), &secret, policy),
        Ok(())
    );
    let kind = AttributeType::PROXY_STATE;
    assert!(answer.all(kind).eq(packet.all(kind)));
}

/// As an Access-Request of an integration.
fn requested(packet: &Packet<'_>) {
    static INTEGRATION: LazyLock<Arc<Integration>> = LazyLock::new(|| {
        let text = r#"{"revision": 1, "integrations": [{
            "id": "radius_server_duo_only", "mode": "duo_only",
            "application": {"ikey": "DIEXAMPLE", "skey": "key", "host": "api.example.com"},
            "clients": [{"address": "192.0.2.1", "secret": "xyzzy5461"}]}]}"#;
        let snapshot: raw::Snapshot = serde_json::from_str(text).unwrap();
        Arc::clone(&Snapshot::try_from(snapshot).unwrap().integrations[0])
    });
    if let Ok(request) = Request::read(packet, &secret(), &INTEGRATION) {
        assert!(!request.user.is_empty() && !request.user.contains(char::is_control));
    }
    if let Some(user) = request::shown_user(packet) {
        assert!(user.chars().count() <= USER_CHARACTERS);
    }
    let all = PassThrough {
        all: true,
        attributes: Vec::new(),
    };
    let passed = request_attributes::select(packet, &all);
    let secret = secret();
    let mut onward = RequestBuilder::new(Code::ACCESS_REQUEST, 7, AUTHENTICATOR, &secret);
    match onward.raw(&passed) {
        Ok(_) => {}
        Err(error) => assert_eq!(error, EncodeError::PacketTooLong),
    }
    let onward = onward.finish();
    for kind in [1, 2, 3, 24, 33, 79].map(AttributeType) {
        assert_eq!(Packet::parse(&onward).unwrap().first(kind), None, "{kind}");
    }
}

/// That of the standards' examples, which are among the seeds.
fn secret() -> SharedSecret {
    SharedSecret::new(b"xyzzy5461")
}

/// Of a request of ours that nobody sent.
const AUTHENTICATOR: Authenticator = [7; AUTHENTICATOR_OCTETS];

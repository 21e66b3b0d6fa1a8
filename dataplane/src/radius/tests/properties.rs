//! What holds for all packets.

use proptest::prelude::*;
use proto::config::MessageAuthenticator;

use crate::fuzzing;
use crate::radius::salted::{self, Hop};
use crate::radius::tests::secret;
use crate::radius::{
    AttributeType, Authenticator, Code, Packet, ReplyBuilder, ReplyTo, RequestBuilder, password,
    verify_request, verify_response,
};

/// Attributes that a builder takes: (type, value).
fn attributes() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let kind =
        any::<u8>().prop_filter("written by the builder", |kind| ![2, 33, 80].contains(kind));
    let value = proptest::collection::vec(any::<u8>(), 0..=60);
    proptest::collection::vec((kind, value), 0..12)
}

/// Octets with a header whose length often fits, so that the attributes are reached.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    (
        proptest::collection::vec(any::<u8>(), 0..120),
        any::<bool>(),
    )
        .prop_map(|(mut octets, fits)| {
            let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
            if fits && octets.len() >= 20 {
                octets[2..4].copy_from_slice(&length);
            }
            octets
        })
}

/// Attributes whose lengths are mostly small, so that many of them fit.
fn small_attributes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![4 => 0..24_u8, 1 => any::<u8>()], 0..200).prop_map(
        |attributes| {
            let length = u16::try_from(20 + attributes.len()).unwrap().to_be_bytes();
            [&[1, 7, length[0], length[1]][..], &[0; 16], &attributes].concat()
        },
    )
}

proptest! {
    #[test]
    fn no_datagram_stops_the_parser(octets in datagram()) {
        fuzzing::packet(&octets);
    }

    #[test]
    fn no_attributes_stop_the_parser(octets in small_attributes()) {
        fuzzing::packet(&octets);
    }

    #[test]
    fn what_is_written_is_read(
        code: u8, id: u8, authenticator: Authenticator, attributes in attributes(),
    ) {
        let secret = secret();
        let mut request = RequestBuilder::new(Code(code), id, authenticator, &secret);
        for (kind, value) in &attributes {
            request.attribute(AttributeType(*kind), value).unwrap();
        }
        let octets = request.finish();
        let packet = Packet::parse(&octets).unwrap();
        prop_assert_eq!(packet.code(), Code(code));
        prop_assert_eq!(packet.identifier(), id);
        prop_assert_eq!(packet.authenticator(), &authenticator);
        let read: Vec<(u8, Vec<u8>)> =
            packet.attributes().skip(1).map(|a| (a.kind.0, a.value.to_vec())).collect();
        prop_assert_eq!(read, attributes);
    }

    #[test]
    fn no_changed_request_is_believed(
        authenticator: Authenticator, attributes in attributes(), bit: prop::sample::Index,
    ) {
        let secret = secret();
        let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, authenticator, &secret);
        for (kind, value) in &attributes {
            request.attribute(AttributeType(*kind), value).unwrap();
        }
        let mut octets = request.finish();
        let policy = MessageAuthenticator::Require;
        let sound = Packet::parse(&octets).unwrap();
        prop_assert_eq!(verify_request(&sound, &secret, policy), Ok(()));
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Packet::parse(&octets) {
            prop_assert!(verify_request(&changed, &secret, policy).is_err());
        }
    }

    #[test]
    fn no_changed_answer_is_believed(
        authenticator: Authenticator, attributes in attributes(), bit: prop::sample::Index,
    ) {
        let secret = secret();
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, authenticator, &secret).finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(Code::ACCESS_ACCEPT, &to, &secret);
        for (kind, value) in &attributes {
            reply.attribute(AttributeType(*kind), value).unwrap();
        }
        let mut octets = reply.finish();
        let policy = MessageAuthenticator::Auto;
        let sound = Packet::parse(&octets).unwrap();
        prop_assert_eq!(verify_response(&sound, &authenticator, &secret, policy), Ok(()));
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Packet::parse(&octets) {
            prop_assert!(verify_response(&changed, &authenticator, &secret, policy).is_err());
        }
    }

    #[test]
    fn a_hidden_password_is_shown(
        clear in proptest::collection::vec(any::<u8>(), 0..=128), authenticator: Authenticator,
    ) {
        let hidden = password::hide(&clear, &authenticator, &secret()).unwrap();
        let shown = password::unhide(&hidden, &authenticator, &secret()).unwrap();
        let end = clear.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        prop_assert_eq!(shown.expose(), &clear[..end]);
    }

    #[test]
    fn an_encrypted_text_is_shown(
        text in proptest::collection::vec(any::<u8>(), 0..=salted::MAX_TEXT_OCTETS),
        salt: [u8; 2], authenticator: Authenticator,
    ) {
        let secret = secret();
        let hop = Hop { authenticator: &authenticator, secret: &secret };
        let value = salted::encrypt(&text, salt, hop).unwrap();
        let shown = salted::decrypt(&value, hop).unwrap();
        prop_assert_eq!(shown.expose(), &text);
    }

    #[test]
    fn a_split_text_is_whole_and_in_characters(text in "\\PC{0,600}", secret in "\\PC{1,20}") {
        let secret = crate::radius::SharedSecret::new(secret.as_bytes());
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, 7, [0; 16], &secret).finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(Code::ACCESS_CHALLENGE, &to, &secret);
        reply.reply_messages_split(&text).unwrap();
        let octets = reply.finish();
        let answer = Packet::parse(&octets).unwrap();
        let parts: Result<Vec<&str>, _> =
            answer.all(AttributeType::REPLY_MESSAGE).map(std::str::from_utf8).collect();
        prop_assert_eq!(parts.unwrap().concat(), text);
    }
}

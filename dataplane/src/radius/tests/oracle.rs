//! Another implementation must agree: the crate `radius`, which the data path does not use.

use proptest::prelude::*;
use radius::core::avp::AVP;
use radius::core::code::Code as TheirCode;
use radius::core::packet::Packet as Theirs;
use radius::core::{rfc2865, rfc2868};

use crate::radius::salted::{self, Hop};
use crate::radius::tests::{SECRET, secret};
use crate::radius::{
    Authenticator, Code, Packet, ReplyBuilder, ReplyTo, RequestBuilder, password, verify_response,
};
use proto::config::MessageAuthenticator;

fn text(octets: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(1..=u8::MAX, octets)
}

proptest! {
    #[test]
    fn user_passwords_are_hidden_alike(clear in text(1..=128), authenticator: Authenticator) {
        let ours = password::hide(&clear, &authenticator, &secret()).unwrap();
        let theirs = AVP::from_user_password(2, &clear, SECRET, &authenticator).unwrap();
        prop_assert_eq!(&ours, &theirs.encode_bytes());
        let shown = AVP::from_bytes(2, &ours).encode_user_password(SECRET, &authenticator).unwrap();
        prop_assert_eq!(shown, clear);
    }

    /// Theirs knows no length octet, so it is given one.
    #[test]
    fn tunnel_passwords_are_encrypted_alike(clear in text(0..=200), authenticator: Authenticator) {
        let secret = secret();
        let hop = Hop { authenticator: &authenticator, secret: &secret };
        let with_length = [&[u8::try_from(clear.len()).unwrap()], &clear[..]].concat();
        let theirs =
            AVP::from_tunnel_password(69, None, &with_length, SECRET, &authenticator).unwrap();
        let (_, value) = theirs.encode_bytes().split_first().map(|(t, v)| (*t, v.to_vec())).unwrap();
        let shown = salted::decrypt(&value, hop).unwrap();
        prop_assert_eq!(shown.expose(), &clear);
        let salt = [value[0], value[1]];
        prop_assert_eq!(salted::encrypt(&clear, salt, hop).unwrap(), value);
    }

    #[test]
    fn their_answers_are_believed(
        id: u8, name in "[a-z]{1,60}", class in text(0..=253), authenticator: Authenticator,
    ) {
        let secret = secret();
        let request = RequestBuilder::new(Code::ACCESS_REQUEST, id, authenticator, &secret);
        let request = Theirs::decode(&request.finish(), SECRET).unwrap();
        let mut answer = request.make_response_packet(TheirCode::AccessAccept);
        rfc2865::add_user_name(&mut answer, &name);
        rfc2865::add_class(&mut answer, &class);
        rfc2868::add_tunnel_preference(&mut answer, None, 7);
        let octets = answer.encode().unwrap();
        let parsed = Packet::parse(&octets).unwrap();
        let policy = MessageAuthenticator::Auto;
        prop_assert_eq!(verify_response(&parsed, &authenticator, &secret, policy), Ok(()));
        prop_assert_eq!(parsed.attributes().count(), 3);
    }

    #[test]
    fn our_answers_are_believed_by_theirs(
        id: u8, message in "\\PC{0,80}", proxy_state in text(0..=200), authenticator: Authenticator,
    ) {
        let secret = secret();
        let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, id, authenticator, &secret);
        request.attribute(crate::radius::AttributeType::PROXY_STATE, &proxy_state).unwrap();
        let request = request.finish();
        let to = ReplyTo::new(&Packet::parse(&request).unwrap()).unwrap();
        let mut reply = ReplyBuilder::new(Code::ACCESS_REJECT, &to, &secret);
        reply.reply_message(&message).unwrap();
        let reply = reply.finish();
        prop_assert!(Theirs::is_authentic_response(&reply, &request, SECRET));
        let decoded = Theirs::decode(&reply, SECRET).unwrap();
        prop_assert_eq!(rfc2865::lookup_all_proxy_state(&decoded), vec![proxy_state]);
    }
}

//! Every datagram that gets no answer, by its reason.

use proto::config::MessageAuthenticator::{self, Auto, Off, Require};

use crate::radius::tests::{REQUEST_AUTHENTICATOR, packet, secret, sign};
use crate::radius::{Code, DiscardReason, Packet, ReplyTo, verify_request};

/// What a server does with a datagram of a known client, as far as the codec goes.
fn verdict(datagram: &[u8], policy: MessageAuthenticator) -> Result<(), DiscardReason> {
    let packet = Packet::parse(datagram)?;
    if let Some(reason) = DiscardReason::of_code(packet.code()) {
        return Err(reason);
    }
    verify_request(&packet, &secret(), policy)?;
    ReplyTo::new(&packet)?;
    Ok(())
}

/// A header with this length field, then these octets.
fn framed(length: u16, attributes: &[u8]) -> Vec<u8> {
    let mut octets = vec![1, 7];
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(&REQUEST_AUTHENTICATOR);
    octets.extend_from_slice(attributes);
    octets
}

/// A whole packet with these octets for attributes.
fn around(attributes: &[u8]) -> Vec<u8> {
    framed(u16::try_from(20 + attributes.len()).unwrap(), attributes)
}

const USER: (u8, &[u8]) = (1, b"nemo");
const MAC: (u8, &[u8]) = (80, &[0; 16]);
const EAP: (u8, &[u8]) = (79, &[2, 1, 0, 9, 1, b'n', b'e', b'm', b'o']);
const PROXY_STATE: (u8, &[u8]) = (33, b"hop");
const LONG_PROXY_STATE: (u8, &[u8]) = (33, &[9; 253]);

#[test]
fn every_faulty_datagram_is_discarded_for_its_own_reason() {
    let flipped = |attributes: &[(u8, &[u8])], at: usize| {
        let mut octets = sign(packet(1, attributes));
        octets[at] ^= 1;
        octets
    };
    let unsigned = |attributes: &[(u8, &[u8])]| packet(1, attributes);
    let cases: Vec<(&str, Vec<u8>, MessageAuthenticator, &str)> = vec![
        ("nothing", vec![], Auto, "short_datagram"),
        ("one octet", vec![1], Auto, "short_datagram"),
        ("no length", vec![1, 7, 0], Auto, "short_datagram"),
        (
            "no authenticator",
            vec![1, 7, 0, 20],
            Auto,
            "short_datagram",
        ),
        (
            "a header less one octet",
            framed(20, &[])[..19].to_vec(),
            Auto,
            "short_datagram",
        ),
        ("a length of 0", framed(0, &[]), Auto, "length_too_small"),
        ("a length of 19", framed(19, &[]), Auto, "length_too_small"),
        (
            "a length of 19 and attributes",
            framed(19, &[1, 3, 0]),
            Auto,
            "length_too_small",
        ),
        (
            "a length of 4097",
            framed(4097, &[0; 4077]),
            Auto,
            "length_too_large",
        ),
        (
            "a length of 4097 that is not there",
            framed(4097, &[]),
            Auto,
            "length_too_large",
        ),
        (
            "the greatest length",
            framed(u16::MAX, &[]),
            Auto,
            "length_too_large",
        ),
        (
            "a length one past the end",
            framed(21, &[]),
            Auto,
            "length_past_end",
        ),
        (
            "a length of 4096 past the end",
            framed(4096, &[1, 3, 0]),
            Auto,
            "length_past_end",
        ),
        (
            "a length in the other octet order",
            framed(0x1400, &[]),
            Auto,
            "length_too_large",
        ),
        (
            "one octet of an attribute",
            around(&[1]),
            Auto,
            "attribute_cut",
        ),
        (
            "a zero at the end",
            around(&[1, 6, 1, 2, 3, 4, 0]),
            Auto,
            "attribute_cut",
        ),
        (
            "an attribute of length 0",
            around(&[1, 0]),
            Auto,
            "attribute_length",
        ),
        (
            "an attribute of length 1",
            around(&[1, 1]),
            Auto,
            "attribute_length",
        ),
        ("zeros", around(&[0; 16]), Auto, "attribute_length"),
        (
            "length 0 in the middle",
            around(&[1, 3, 9, 2, 0, 4, 6]),
            Auto,
            "attribute_length",
        ),
        (
            "length 1 at the end",
            around(&[1, 3, 9, 26, 1]),
            Auto,
            "attribute_length",
        ),
        (
            "an attribute one past the end",
            around(&[1, 3]),
            Auto,
            "attribute_past_end",
        ),
        (
            "an attribute of 255 in 2 octets",
            around(&[1, 255]),
            Auto,
            "attribute_past_end",
        ),
        (
            "a second attribute past the end",
            around(&[1, 3, 9, 2, 18, 1, 2]),
            Auto,
            "attribute_past_end",
        ),
        (
            "an attribute that runs into the padding",
            framed(23, &[1, 4, 9, 9]),
            Auto,
            "attribute_past_end",
        ),
        (
            "a message-authenticator cut short by the end",
            around(&[80, 18, 0, 0]),
            Auto,
            "attribute_past_end",
        ),
        ("code 0", packet(0, &[USER]), Auto, "unserved_code"),
        ("an accept", packet(2, &[USER]), Auto, "unserved_code"),
        ("a reject", packet(3, &[]), Auto, "unserved_code"),
        ("a challenge", packet(11, &[]), Auto, "unserved_code"),
        ("accounting", packet(4, &[USER]), Auto, "accounting"),
        (
            "an accounting answer",
            packet(5, &[]),
            Auto,
            "unserved_code",
        ),
        ("a status-client", packet(13, &[]), Auto, "unserved_code"),
        ("a disconnect", packet(40, &[USER]), Auto, "unserved_code"),
        ("code 255", packet(255, &[]), Auto, "unserved_code"),
        (
            "required and missing",
            unsigned(&[USER]),
            Require,
            "message_authenticator_missing",
        ),
        (
            "required and missing, with proxy-state",
            unsigned(&[USER, PROXY_STATE]),
            Require,
            "message_authenticator_missing",
        ),
        (
            "proxy-state alone",
            unsigned(&[PROXY_STATE]),
            Auto,
            "message_authenticator_missing_proxy_state",
        ),
        (
            "proxy-state last",
            unsigned(&[USER, (2, &[0; 16]), PROXY_STATE]),
            Auto,
            "message_authenticator_missing_proxy_state",
        ),
        (
            "eap",
            unsigned(&[USER, EAP]),
            Auto,
            "message_authenticator_missing_eap",
        ),
        (
            "eap, off",
            unsigned(&[USER, EAP]),
            Off,
            "message_authenticator_missing_eap",
        ),
        (
            "eap, required",
            unsigned(&[USER, EAP]),
            Require,
            "message_authenticator_missing_eap",
        ),
        (
            "an empty eap-message",
            unsigned(&[(79, b"")]),
            Off,
            "message_authenticator_missing_eap",
        ),
        (
            "a bare status-server",
            packet(12, &[]),
            Off,
            "message_authenticator_missing_status_server",
        ),
        (
            "two, the first right",
            sign(packet(1, &[MAC, USER, MAC])),
            Auto,
            "message_authenticator_repeated",
        ),
        (
            "two, off",
            sign(packet(1, &[MAC, MAC])),
            Off,
            "message_authenticator_repeated",
        ),
        (
            "an empty one",
            unsigned(&[(80, b"")]),
            Auto,
            "message_authenticator_length",
        ),
        (
            "one of 15 octets",
            unsigned(&[(80, &[0; 15])]),
            Auto,
            "message_authenticator_length",
        ),
        (
            "one of 17 octets",
            unsigned(&[(80, &[0; 17])]),
            Off,
            "message_authenticator_length",
        ),
        (
            "zeros for one",
            unsigned(&[MAC, USER]),
            Auto,
            "message_authenticator_wrong",
        ),
        (
            "zeros for one, off",
            unsigned(&[MAC, USER]),
            Off,
            "message_authenticator_wrong",
        ),
        (
            "a changed identifier",
            flipped(&[MAC, USER], 1),
            Auto,
            "message_authenticator_wrong",
        ),
        (
            "a changed authenticator",
            flipped(&[MAC, USER], 4),
            Auto,
            "message_authenticator_wrong",
        ),
        (
            "a changed name",
            flipped(&[MAC, USER], 40),
            Off,
            "message_authenticator_wrong",
        ),
        (
            "a changed code",
            {
                let mut octets = sign(packet(12, &[MAC]));
                octets[0] = 1;
                octets
            },
            Auto,
            "message_authenticator_wrong",
        ),
        (
            "the mac of another packet",
            {
                let mut octets = sign(packet(1, &[MAC, USER]));
                octets[40..].copy_from_slice(b"dory");
                octets
            },
            Auto,
            "message_authenticator_wrong",
        ),
        (
            "a proxy-state that leaves no room",
            sign(packet(1, &[&[MAC][..], &[LONG_PROXY_STATE; 14]].concat())),
            Auto,
            "proxy_state_too_long",
        ),
    ];
    assert!(cases.len() >= 40, "{}", cases.len());
    for (name, datagram, policy, want) in &cases {
        let reason = verdict(datagram, *policy).expect_err(name);
        assert_eq!(reason.label(), *want, "{name}: {reason:?}");
        assert!(DiscardReason::LABELS.contains(want), "{name}");
    }
}

#[test]
fn sound_requests_are_served() {
    let long: Vec<(u8, &[u8])> = [&[MAC][..], &[LONG_PROXY_STATE; 13]].concat();
    let mut padded = packet(1, &[USER]);
    padded.extend_from_slice(&[0, 1, 2, 80, 80]);
    let mut beyond = sign(packet(1, &[USER, MAC]));
    beyond.resize(5000, 0);
    for (name, datagram, policy) in [
        ("bare", packet(1, &[]), Auto),
        ("no message-authenticator", packet(1, &[USER]), Auto),
        ("no message-authenticator, off", packet(1, &[USER]), Off),
        ("proxy-state, off", packet(1, &[USER, PROXY_STATE]), Off),
        ("first", sign(packet(1, &[MAC, USER])), Require),
        (
            "last",
            sign(packet(1, &[USER, EAP, PROXY_STATE, MAC])),
            Require,
        ),
        (
            "in the middle",
            sign(packet(1, &[USER, MAC, PROXY_STATE])),
            Auto,
        ),
        ("status-server", sign(packet(12, &[MAC])), Off),
        ("padding", padded, Auto),
        ("padding beyond 4096 octets", beyond, Require),
        (
            "as much proxy-state as may be",
            sign(packet(1, &long)),
            Auto,
        ),
        ("an empty attribute", packet(1, &[(1, b"")]), Auto),
        ("an unknown attribute", packet(1, &[(250, b"?")]), Auto),
        (
            "a vendor attribute without a vendor",
            packet(1, &[(26, b"ab")]),
            Auto,
        ),
    ] {
        assert_eq!(verdict(&datagram, policy), Ok(()), "{name}");
    }
}

#[test]
fn each_reason_has_one_label_and_each_label_a_reason() {
    let mut labels = DiscardReason::LABELS.to_vec();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), DiscardReason::LABELS.len());
    for reason in [
        DiscardReason::UnknownClient,
        DiscardReason::Accounting,
        DiscardReason::UnservedCode(Code(99)),
        DiscardReason::Overloaded,
        DiscardReason::Draining,
        DiscardReason::NoConfiguration,
    ] {
        assert!(
            DiscardReason::LABELS.contains(&reason.label()),
            "{reason:?}"
        );
    }
}

#[test]
fn only_access_request_and_status_server_are_served() {
    for number in 0..=u8::MAX {
        let served = DiscardReason::of_code(Code(number)).is_none();
        assert_eq!(served, number == 1 || number == 12, "{number}");
    }
}

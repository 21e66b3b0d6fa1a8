//! Reading requests, and writing our own.

use std::borrow::Cow;

use proto::config::{AttributeRef, AttributeType as DataType, MessageAuthenticator};

use crate::radius::tests::{REQUEST_AUTHENTICATOR, packet, secret};
use crate::radius::{
    Attribute, AttributeType, Code, DecodeError, EncodeError, Packet, RequestBuilder, password,
    verify_request,
};

#[test]
fn octets_after_the_length_are_no_part_of_the_packet() {
    let mut datagram = packet(1, &[(1, b"nemo")]);
    let octets = datagram.clone();
    datagram.extend_from_slice(b"padding");
    assert_eq!(Packet::parse(&datagram).unwrap().octets(), octets);
}

#[test]
fn errors_tell_the_numbers() {
    let mut octets = packet(1, &[(1, b"nemo"), (2, &[0; 16])]);
    octets[27] = 40;
    let want = DecodeError::AttributePastEnd {
        offset: 6,
        length: 40,
        left: 18,
    };
    assert_eq!(Packet::parse(&octets).unwrap_err(), want);
    assert_eq!(
        want.to_string(),
        "attribute at 6 has length 40 where 18 octets are left"
    );
}

#[test]
fn sub_attributes_are_those_of_the_recommended_form() {
    const CISCO: [u8; 4] = [0, 0, 0, 9];
    let with = |inside: &[u8]| [&CISCO, inside].concat();
    type SubAttributes = &'static [(u8, &'static [u8])];
    let cases: &[(&str, Vec<u8>, Option<SubAttributes>)] = &[
        ("too short for a vendor", vec![0, 0, 9], None),
        ("empty", with(&[]), Some(&[])),
        ("one", with(&[1, 4, 7, 8]), Some(&[(1, &[7, 8])])),
        ("two", with(&[1, 3, 7, 2, 2]), Some(&[(1, &[7]), (2, &[])])),
        ("length 0", with(&[1, 0]), Some(&[])),
        ("length 1", with(&[1, 3, 7, 2, 1]), Some(&[])),
        ("past the end", with(&[1, 3, 7, 2, 4, 1]), Some(&[])),
        ("cut", with(&[1, 3, 7, 2]), Some(&[])),
    ];
    for (name, value, want) in cases {
        let attribute = Attribute {
            kind: AttributeType::VENDOR_SPECIFIC,
            value,
        };
        let found: Option<Vec<(u8, &[u8])>> = attribute.vendor().map(|inside| {
            assert_eq!(inside.vendor(), 9, "{name}");
            inside.map(|sub| (sub.number, sub.value)).collect()
        });
        assert_eq!(found.as_deref(), *want, "{name}");
    }
    let other = Attribute {
        kind: AttributeType::STATE,
        value: &[0, 0, 0, 9, 1, 2],
    };
    assert!(other.vendor().is_none());
}

#[test]
fn configured_attributes_are_found_by_vendor_and_number() {
    let octets = packet(
        1,
        &[
            (31, b"first"),
            (31, b"second"),
            (26, &[0, 0, 0, 9, 1, 3, b'x', 2, 3, b'y']),
            (26, &[0, 0, 1, 0x37, 2, 3, b'm']),
            (26, &[0, 0, 0, 9, 2, 3, b'z']),
        ],
    );
    let request = Packet::parse(&octets).unwrap();
    let attribute = |vendor, number| AttributeRef {
        name: String::new(),
        vendor,
        number,
        data_type: DataType::ALL[0],
    };
    for (name, vendor, number, want) in [
        ("standard, the first of two", None, 31, Some("first")),
        ("standard, absent", None, 30, None),
        ("vendor, second inside one", Some(9), 2, Some("y")),
        ("vendor, another's number", Some(311), 1, None),
        ("vendor, another's value", Some(311), 2, Some("m")),
        ("vendor, absent", Some(10), 1, None),
    ] {
        let found = request.lookup(&attribute(vendor, number));
        assert_eq!(found, want.map(str::as_bytes), "{name}");
    }
    for (vendor, number, want) in [(None, 31, ["first", "second"]), (Some(9), 2, ["y", "z"])] {
        let found: Vec<_> = request.lookup_all(&attribute(vendor, number)).collect();
        assert_eq!(found, want.map(str::as_bytes), "{vendor:?} {number}");
    }
    assert_eq!(request.first_vendor(9, 1), Some(&b"x"[..]));
    let all: Vec<_> = request.all_vendor(9, 2).collect();
    assert_eq!(all, [b"y", b"z"]);
    let all: Vec<_> = request.all(AttributeType::CALLING_STATION_ID).collect();
    assert_eq!(all, [&b"first"[..], b"second"]);
}

#[test]
fn an_eap_packet_is_joined_in_order_and_copied_only_when_split() {
    let octets = packet(1, &[(79, b"one"), (1, b"nemo"), (79, b"two"), (79, b"")]);
    let request = Packet::parse(&octets).unwrap();
    assert_eq!(request.eap_message().as_deref(), Some(&b"onetwo"[..]));
    let octets = packet(1, &[(79, b"one")]);
    let request = Packet::parse(&octets).unwrap();
    assert!(matches!(request.eap_message(), Some(Cow::Borrowed(b"one"))));
    let octets = packet(1, &[(1, b"nemo")]);
    assert_eq!(Packet::parse(&octets).unwrap().eap_message(), None);
}

#[test]
fn debug_shows_no_value() {
    let octets = packet(
        1,
        &[(1, b"hunter2"), (26, &[0, 0, 0, 9, 1, 5, b'a', b'b', b'c'])],
    );
    let request = Packet::parse(&octets).unwrap();
    let attributes: Vec<_> = request.attributes().collect();
    let vendor: Vec<_> = attributes[1].vendor().unwrap().collect();
    let shown = format!(
        "{request:?}; {attributes:?}; {vendor:?}; {:?}",
        request.attributes()
    );
    let want = "Access-Request, id 7, 40 octets; [User-Name (7 octets), Vendor-Specific (9 octets)]; \
         [vendor 9 type 1 (3 octets)]; Attributes { rest: 20 octets, offset: 0 }";
    assert_eq!(shown, want);
}

#[test]
fn our_requests_begin_with_a_message_authenticator_and_hide_the_password() {
    let secret = secret();
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 3, REQUEST_AUTHENTICATOR, &secret);
    request
        .attribute(AttributeType::USER_NAME, b"nemo")
        .and_then(|request| request.user_password(b"arctangent"))
        .and_then(|request| request.vendor(9, 1, b"x"))
        .and_then(|request| request.raw(&[31, 3, b'c', 30, 3, b'd']))
        .unwrap();
    let octets = request.finish();
    let request = Packet::parse(&octets).unwrap();
    assert_eq!(
        (request.code(), request.identifier()),
        (Code::ACCESS_REQUEST, 3)
    );
    assert_eq!(
        verify_request(&request, &secret, MessageAuthenticator::Require),
        Ok(())
    );
    let kinds: Vec<u8> = request
        .attributes()
        .map(|attribute| attribute.kind.0)
        .collect();
    assert_eq!(kinds, [80, 1, 2, 26, 31, 30]);
    let hidden = request.first(AttributeType::USER_PASSWORD).unwrap();
    let clear = password::unhide(hidden, &REQUEST_AUTHENTICATOR, &secret).unwrap();
    assert_eq!(clear.expose(), b"arctangent");
    assert_eq!(request.first_vendor(9, 1), Some(&b"x"[..]));
}

#[test]
fn a_request_takes_no_second_message_authenticator_and_no_clear_password() {
    let secret = secret();
    let mut request = RequestBuilder::new(Code::ACCESS_REQUEST, 3, REQUEST_AUTHENTICATOR, &secret);
    for kind in [
        AttributeType::MESSAGE_AUTHENTICATOR,
        AttributeType::USER_PASSWORD,
    ] {
        let want = EncodeError::Reserved { kind };
        assert_eq!(request.attribute(kind, &[0; 16]).unwrap_err(), want);
        assert_eq!(request.raw(&[1, 3, 0, kind.0, 2]).unwrap_err(), want);
    }
    let kind = AttributeType::USER_PASSWORD;
    let want = EncodeError::ValueTooLong { kind, octets: 129 };
    assert_eq!(request.user_password(&[b'x'; 129]).unwrap_err(), want);
    assert_eq!(request.finish().len(), 38);
}

#[test]
fn a_password_has_a_length_that_can_be() {
    for octets in [0, 1, 15, 17, 127, 129, 144] {
        let error = password::unhide(&vec![0; octets], &REQUEST_AUTHENTICATOR, &secret());
        assert_eq!(error.unwrap_err(), password::PasswordError { octets });
    }
    for (octets, want) in [
        (0, 16),
        (1, 16),
        (15, 16),
        (16, 16),
        (17, 32),
        (127, 128),
        (128, 128),
    ] {
        let hidden = password::hide(&vec![b'x'; octets], &REQUEST_AUTHENTICATOR, &secret());
        assert_eq!(hidden.unwrap().len(), want, "{octets}");
    }
}

#[test]
fn only_zeros_at_the_end_of_a_password_are_padding() {
    for (name, clear, want) in [
        ("none", &b"0123456789abcdef"[..], &b"0123456789abcdef"[..]),
        ("in the middle", b"a\0b", b"a\0b"),
        ("at the end", b"a\0\0", b"a"),
        ("blanks stay", b" a ", b" a "),
        ("nothing", b"", b""),
    ] {
        let hidden = password::hide(clear, &REQUEST_AUTHENTICATOR, &secret()).unwrap();
        let shown = password::unhide(&hidden, &REQUEST_AUTHENTICATOR, &secret()).unwrap();
        assert_eq!(shown.expose(), want, "{name}");
    }
}

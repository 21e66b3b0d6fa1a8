//! How requests are read, and refused.

use proto::config::{AttributeRef, AttributeType as DataType, PasswordCodec};

use super::*;
use crate::flow::request::{calling_station, shown_user};
use crate::flow::texts;
use crate::radius::{AttributeType as T, Code, Packet, SharedSecret, password};

const AUTHENTICATOR: [u8; 16] = *b"0123456789abcdef";

fn secret() -> SharedSecret {
    SharedSecret::new(b"shared")
}

fn hidden(clear: &[u8]) -> Vec<u8> {
    password::hide(clear, &AUTHENTICATOR, &secret()).unwrap()
}

/// An Access-Request with these attributes.
fn datagram(attributes: &[(T, &[u8])]) -> Vec<u8> {
    let mut octets = vec![Code::ACCESS_REQUEST.0, 7, 0, 0];
    octets.extend(AUTHENTICATOR);
    for (kind, value) in attributes {
        octets.push(kind.0);
        octets.push(u8::try_from(value.len() + 2).unwrap());
        octets.extend(*value);
    }
    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
    octets[2..4].copy_from_slice(&length);
    octets
}

fn read(integration: &Integration, attributes: &[(T, &[u8])]) -> Result<Request, Answer> {
    let octets = datagram(attributes);
    let packet = Packet::parse(&octets).unwrap();
    Request::read(&packet, &secret(), integration)
}

#[test]
fn a_pap_request_is_read_as_it_is() {
    let integration = integration(Mode::Auto, |_| {});
    let attributes: [(T, &[u8]); 5] = [
        (T::USER_NAME, b" DOM\\Alice "),
        (T::USER_PASSWORD, &hidden("pä,push".as_bytes())),
        (T::USER_NAME, b"mallory"),
        (T::CALLING_STATION_ID, b"198.51.100.7"),
        (T::CALLING_STATION_ID, b"203.0.113.9"),
    ];
    assert_eq!(
        read(&integration, &attributes),
        Ok(Request {
            user: " DOM\\Alice ".to_owned(),
            credential: Credential::Password(Secret::from("pä,push")),
            calling_station: Some("198.51.100.7".to_owned()),
        })
    );
}

#[test]
fn what_is_typed_within_a_tunnel_needs_a_name_and_the_codec() {
    let typed = |user: &str, octets: &[u8], codec| {
        let integration = integration(Mode::Eap, |one| one.password_codec = codec);
        let octets = Secret::new(octets.to_vec());
        Request::typed(user.to_owned(), &octets, None, &integration)
            .map(|request| request.credential)
            .map_err(|answer| (answer.reason, answer.reply_message.unwrap()))
    };
    let text = |text: &str| Ok(Credential::Password(Secret::from(text)));
    let bad = |text: &str| Err((Reason::BadRequest, text.to_owned()));
    let (utf8, latin1) = (PasswordCodec::Utf8, PasswordCodec::Latin1);
    assert_eq!(typed("alice", "p\u{e4}".as_bytes(), utf8), text("p\u{e4}"));
    assert_eq!(typed("alice", b"p\xe4", latin1), text("p\u{e4}"));
    assert_eq!(typed("alice", b"", utf8), text(""));
    assert_eq!(
        typed("alice", b"p\xe4", utf8),
        bad(texts::UNDECODABLE_PASSWORD)
    );
    assert_eq!(typed("", b"secret", utf8), bad(texts::NO_USER_NAME));
}

/// What it is, its attributes, why it is refused.
type Impossible<'a> = (&'a str, Vec<(T, &'a [u8])>, Reason);

#[test]
fn impossible_requests_are_refused_with_a_reason() {
    let name = (T::USER_NAME, b"alice".as_slice());
    let good = hidden(b"pw");
    let word = (T::USER_PASSWORD, good.as_slice());
    let latin1 = hidden(&[0xff, 0xfe]);
    let long = [0; 144];
    let response = [0; 50];
    let microsoft = |number| [&[0, 0, 1, 55, number, 52], response.as_slice()].concat();
    let (mschap, mschap2) = (microsoft(1), microsoft(25));
    let table: Vec<Impossible<'_>> = vec![
        ("no name", vec![word], Reason::BadRequest),
        (
            "empty name",
            vec![(T::USER_NAME, b""), word],
            Reason::BadRequest,
        ),
        (
            "name that is no UTF-8",
            vec![(T::USER_NAME, b"al\xffce"), word],
            Reason::BadRequest,
        ),
        (
            "name with a NUL",
            vec![(T::USER_NAME, b"alice\0"), word],
            Reason::BadRequest,
        ),
        (
            "name with a line feed",
            vec![(T::USER_NAME, b"al\nice"), word],
            Reason::BadRequest,
        ),
        (
            "name with a control character beyond ASCII",
            vec![(T::USER_NAME, "al\u{85}ice".as_bytes()), word],
            Reason::BadRequest,
        ),
        ("no password", vec![name], Reason::BadRequest),
        (
            "password of 15 octets",
            vec![name, (T::USER_PASSWORD, &good[..15])],
            Reason::BadRequest,
        ),
        (
            "password of 144 octets",
            vec![name, (T::USER_PASSWORD, &long)],
            Reason::BadRequest,
        ),
        (
            "password that is no UTF-8",
            vec![name, (T::USER_PASSWORD, &latin1)],
            Reason::BadRequest,
        ),
        (
            "CHAP of 16 octets",
            vec![name, (T::CHAP_PASSWORD, &[0; 16])],
            Reason::BadRequest,
        ),
        (
            "MS-CHAP without a challenge",
            vec![name, (T::VENDOR_SPECIFIC, &mschap)],
            Reason::BadRequest,
        ),
        (
            "MS-CHAP version 2 without a challenge",
            vec![name, (T::VENDOR_SPECIFIC, &mschap2)],
            Reason::BadRequest,
        ),
        (
            "EAP with a State",
            vec![
                name,
                (T::EAP_MESSAGE, b"\x02\x00\x00\x05\x01"),
                (T::STATE, b"1"),
            ],
            Reason::UnsupportedMethod,
        ),
    ];
    for mode in [Mode::Auto, Mode::Concat, Mode::DuoOnly] {
        let integration = integration(mode, |_| {});
        for (what, attributes, reason) in &table {
            let answer = read(&integration, attributes).expect_err(what);
            assert_eq!(
                (answer.code, answer.reason),
                (crate::flow::AnswerCode::Reject, *reason),
                "{what}"
            );
            assert!(answer.reply_message.is_some(), "{what}");
        }
    }
}

#[test]
fn an_answer_needs_no_password() {
    let one = integration(Mode::Challenge, |_| {});
    let nothing = [(T::USER_NAME, &b"alice"[..]), (T::STATE, b"1")];
    let request = read(&one, &nothing).unwrap();
    assert_eq!(request.credential, Credential::Password(Secret::from("")));
}

#[test]
fn no_octets_are_an_empty_password_and_the_flow_says_what_becomes_of_it() {
    let one = integration(Mode::Auto, |_| {});
    let nothing = [(T::USER_NAME, &b"alice"[..]), (T::USER_PASSWORD, b"")];
    let request = read(&one, &nothing).unwrap();
    assert_eq!(request.credential, Credential::Password(Secret::from("")));
    let mut flow = Flow::new(one, request, PrimaryUse::AnyPassword).unwrap();
    let Action::Answer(answer) = flow.step(epoch(), Event::Begin) else {
        panic!("somebody is asked");
    };
    assert_eq!(answer.reason, Reason::EmptyPassword);
}

#[test]
fn the_codec_says_how_a_password_is_spelt() {
    let latin1 = integration(Mode::Auto, |i| i.password_codec = PasswordCodec::Latin1);
    let word = hidden(&[b'p', 0xe4, 0xff]);
    let request = read(
        &latin1,
        &[(T::USER_NAME, b"alice"), (T::USER_PASSWORD, &word)],
    );
    assert_eq!(
        request.unwrap().credential,
        Credential::Password(Secret::from("päÿ"))
    );
}

#[test]
fn a_name_that_is_no_utf8_keeps_its_event() {
    for (name, want) in [
        (b"al\xffce".as_slice(), Some("al\u{fffd}ce".to_owned())),
        (&[b'a'; 100], Some("a".repeat(64))),
        (b"", None),
    ] {
        let octets = datagram(&[(T::USER_NAME, name)]);
        assert_eq!(shown_user(&Packet::parse(&octets).unwrap()), want);
    }
}

#[test]
fn where_the_user_is_comes_from_the_attribute_that_is_named() {
    let named = |vendor, number, data_type| AttributeRef {
        name: "named".to_owned(),
        vendor,
        number,
        data_type,
    };
    let v4 = named(None, T::FRAMED_IP_ADDRESS.0, DataType::Ipv4);
    let v6 = named(None, 95, DataType::Ipv6);
    let vsa = named(Some(25461), 7, DataType::Text);
    let octets = named(None, T::FRAMED_IP_ADDRESS.0, DataType::Octets);
    let integer = named(None, T::FRAMED_IP_ADDRESS.0, DataType::Integer);
    let station = T::CALLING_STATION_ID;
    let framed = T::FRAMED_IP_ADDRESS;
    let sixteen = "2001:db8::7"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    let globalprotect = b"\x00\x00\x63\x75\x07\x0d203.0.113.9";
    // name, attribute, what the packet holds, want
    type Row<'a> = (
        &'a str,
        Option<&'a AttributeRef>,
        (T, &'a [u8]),
        Option<&'a str>,
    );
    let table: [Row<'_>; 13] = [
        (
            "text",
            None,
            (station, b"198.51.100.7"),
            Some("198.51.100.7"),
        ),
        (
            "hardware address",
            None,
            (station, b"00-11-22-33-44-55"),
            Some("00-11-22-33-44-55"),
        ),
        ("no UTF-8", None, (station, b"\xff\xfe"), None),
        (
            "control character",
            None,
            (station, b"198.51.100.7\0"),
            None,
        ),
        ("empty", None, (station, b""), None),
        ("absent", None, (framed, b"\xc6\x33\x64\x07"), None),
        (
            "IPv4",
            Some(&v4),
            (framed, b"\xc6\x33\x64\x07"),
            Some("198.51.100.7"),
        ),
        (
            "IPv4 of 3 octets",
            Some(&v4),
            (framed, b"\xc6\x33\x64"),
            None,
        ),
        ("IPv6", Some(&v6), (T(95), &sixteen), Some("2001:db8::7")),
        (
            "vendor",
            Some(&vsa),
            (T::VENDOR_SPECIFIC, globalprotect),
            Some("203.0.113.9"),
        ),
        (
            "octets",
            Some(&octets),
            (framed, b"203.0.113.9"),
            Some("203.0.113.9"),
        ),
        ("integer", Some(&integer), (framed, b"\0\0\0\x01"), None),
        ("replaced", Some(&v4), (station, b"198.51.100.7"), None),
    ];
    for (what, attribute, held, want) in table {
        let integration = integration(Mode::Auto, |i| i.client_ip_attribute = attribute.cloned());
        let octets = datagram(&[held]);
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(
            calling_station(&packet, &integration).as_deref(),
            want,
            "{what}"
        );
    }
}

#[test]
fn only_an_address_goes_to_the_second_factor() {
    for (station, want) in [
        (Some("198.51.100.7"), Some("198.51.100.7")),
        (Some(" 198.51.100.7 "), Some("198.51.100.7")),
        (Some("198.51.100.7:1234"), Some("198.51.100.7")),
        (Some("[2001:DB8::7]:443"), Some("2001:db8::7")),
        (Some("00-11-22-33-44-55"), None),
        (Some("+49 30 901820"), None),
        (None, None),
    ] {
        let mut request = request("pw");
        request.calling_station = station.map(str::to_owned);
        let integration = integration(Mode::Auto, |_| {});
        let mut flow = Flow::new(integration, request, PrimaryUse::AnyPassword).unwrap();
        let Action::Preauth { request, .. } = flow.step(epoch(), Event::Begin) else {
            panic!("no preauth");
        };
        assert_eq!(request.ipaddr.as_deref(), want, "{station:?}");
        let Action::Auth { request, .. } = flow.step(epoch(), can_use(devices())) else {
            panic!("no auth");
        };
        assert_eq!(request.ipaddr.as_deref(), want, "{station:?}");
    }
}

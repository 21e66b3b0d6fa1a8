//! The examples of the standards.

use hex_literal::hex;
use md5::{Digest, Md5};
use proto::config::MessageAuthenticator;

use crate::radius::tests::secret;
use crate::radius::{
    AttributeType, Code, Packet, RequestBuilder, ResponseError, VerifyError, password,
    verify_request, verify_response,
};

const RFC_2865_7_1_REQUEST: &[u8] = &hex!(
    "01000038 0f403f9473978057bd83d5cb98f4227a"
    "01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003"
);
const RFC_2865_7_1_ACCEPT: &[u8] = &hex!(
    "02000026 86fe220e7624ba2a1005f6bf9b55e0b2"
    "060600000001 0f0600000000 0e06c0a80103"
);
const RFC_2865_7_2_REQUEST: &[u8] = &hex!(
    "01010047 2aee86f08d0d55969ca5978e0d3367a2"
    "0108666c6f707379 031316e97557c316185895f293ff634407727504 06c0a80110 050600000014"
    "060600000002 070600000001"
);
const RFC_2865_7_2_ACCEPT: &[u8] = &hex!(
    "02010038 15efbc7dab26cfa3dc34d9c03c8601a4"
    "060600000002 070600000001 0806fffffffe 0a0600000002 0d0600000001 0c06000005dc"
);
const RFC_2865_7_3_REQUEST: &[u8] = &hex!(
    "01020039 f3a47a1f6a6d76710b947ab93041a039"
    "01076d6f707379 021233657573778289b570885e15084825c5 0406c0a80110 050600000007"
);
const RFC_2865_7_3_CHALLENGE: &[u8] = &hex!(
    "0b02004e 36f3c8764ae8c71157403c0c71ff9c45"
    "12304368616c6c656e67652033323736393433302e2020456e74657220726573706f6e7365206174"
    "2070726f6d70742e 180a3332373639343330"
);
const RFC_2865_7_3_ANSWER: &[u8] = &hex!(
    "01030043 b122556d428a13d0d6253807c457ecf0"
    "01076d6f707379 0212692c1f205fc081b919b95195f561a581 0406c0a80110 050600000007"
    "180a3332373639343330"
);
const RFC_2865_7_3_REJECT: &[u8] = &hex!("03030014 a42f4fca45916c4e09c8340f9e746aa0");
const RFC_5997_6_1_REQUEST: &[u8] =
    &hex!("0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3");
const RFC_5997_6_1_ACCEPT: &[u8] = &hex!("02da0014 ef0d552a4bf2d693ec2b6fe8b5411d66");
const RFC_5997_6_2_REQUEST: &[u8] =
    &hex!("0cb30026 925f6b66dd5fed571fcb1db7ad388260 5012e8d6eabda910875cd91fdade26367858");

const EXCHANGES: &[(&str, &[u8], &[u8])] = &[
    (
        "RFC 2865 section 7.1",
        RFC_2865_7_1_REQUEST,
        RFC_2865_7_1_ACCEPT,
    ),
    (
        "RFC 2865 section 7.2",
        RFC_2865_7_2_REQUEST,
        RFC_2865_7_2_ACCEPT,
    ),
    (
        "RFC 2865 section 7.3, challenge",
        RFC_2865_7_3_REQUEST,
        RFC_2865_7_3_CHALLENGE,
    ),
    (
        "RFC 2865 section 7.3, reject",
        RFC_2865_7_3_ANSWER,
        RFC_2865_7_3_REJECT,
    ),
    (
        "RFC 5997 section 6.1",
        RFC_5997_6_1_REQUEST,
        RFC_5997_6_1_ACCEPT,
    ),
];

#[test]
fn response_authenticators_of_the_standards_are_right() {
    let policy = MessageAuthenticator::Auto;
    for (name, request, response) in EXCHANGES {
        let request = Packet::parse(request).unwrap();
        let response = Packet::parse(response).unwrap();
        assert_eq!(request.identifier(), response.identifier(), "{name}");
        let authenticator = request.authenticator();
        let verdict = verify_response(&response, authenticator, &secret(), policy);
        assert_eq!(verdict, Ok(()), "{name}");
        let of_another = verify_response(&response, &[0; 16], &secret(), policy);
        assert_eq!(
            of_another,
            Err(ResponseError::ResponseAuthenticator),
            "{name}"
        );
        let strict = verify_response(
            &response,
            authenticator,
            &secret(),
            MessageAuthenticator::Require,
        );
        assert_eq!(strict, Err(VerifyError::Missing.into()), "{name}");
    }
}

#[test]
fn passwords_of_the_standard_are_shown() {
    for (name, request, want) in [
        ("7.1", RFC_2865_7_1_REQUEST, "arctangent"),
        ("7.3, challenge", RFC_2865_7_3_REQUEST, "challenge"),
        ("7.3, answer", RFC_2865_7_3_ANSWER, "99101462"),
    ] {
        let request = Packet::parse(request).unwrap();
        let hidden = request.first(AttributeType::USER_PASSWORD).unwrap();
        let clear = password::unhide(hidden, request.authenticator(), &secret()).unwrap();
        assert_eq!(clear.expose(), want.as_bytes(), "{name}");
        let again = password::hide(want.as_bytes(), request.authenticator(), &secret()).unwrap();
        assert_eq!(again, hidden, "{name}");
    }
}

#[test]
fn attributes_of_the_standard_are_read() {
    let request = Packet::parse(RFC_2865_7_2_REQUEST).unwrap();
    assert_eq!(request.code(), Code::ACCESS_REQUEST);
    assert_eq!(request.identifier(), 1);
    assert_eq!(
        request.first(AttributeType::USER_NAME),
        Some(&b"flopsy"[..])
    );
    let (ident, digest) = request
        .first(AttributeType::CHAP_PASSWORD)
        .unwrap()
        .split_at(1);
    // RFC 2865 section 5.3; without a CHAP-Challenge the Request Authenticator is the challenge.
    let want = Md5::new()
        .chain_update(ident)
        .chain_update(b"arctangent")
        .chain_update(request.authenticator())
        .finalize();
    assert_eq!(digest, want.as_slice());
    let kinds: Vec<u8> = request
        .attributes()
        .map(|attribute| attribute.kind.0)
        .collect();
    assert_eq!(kinds, [1, 3, 4, 5, 6, 7]);
}

#[test]
fn status_servers_of_the_standard_are_verified_and_made() {
    for (name, octets) in [("6.1", RFC_5997_6_1_REQUEST), ("6.2", RFC_5997_6_2_REQUEST)] {
        let request = Packet::parse(octets).unwrap();
        let verdict = verify_request(&request, &secret(), MessageAuthenticator::Off);
        assert_eq!(verdict, Ok(()), "{name}");
        let (code, id) = (request.code(), request.identifier());
        let ours = RequestBuilder::new(code, id, *request.authenticator(), &secret()).finish();
        assert_eq!(ours, octets, "{name}");
    }
}

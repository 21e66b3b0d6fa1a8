//! The answers of Chromium's own authenticator (`fixtures`, as `assets/webauthn.js` sends them), whole and
//! changed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hex_literal::hex;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const FIXTURES: [(&str, &str); 3] = [
    ("ES256", include_str!("fixtures/es256.json")),
    ("EdDSA", include_str!("fixtures/eddsa.json")),
    ("RS256", include_str!("fixtures/rs256.json")),
];
const REGISTRATION: &[u8] = b"registration of alice";
const APPROVAL: &[u8] = b"approval by alice.";

fn relying_party() -> RelyingParty {
    RelyingParty::of("https://gate.example").unwrap()
}

fn only(want: &'static [u8]) -> impl FnOnce(&[u8]) -> Result<(), Fault> {
    move |given| (given == want).then_some(()).ok_or(Fault::Challenge)
}

fn octets(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn kept(new: NewPasskey) -> Passkey {
    Passkey {
        credential: new.credential,
        public_key: new.public_key,
        sign_count: new.sign_count,
        transports: new.transports,
    }
}

#[test]
fn origins_have_names() {
    for (url, want) in [
        (
            "https://gate.example",
            Some(("https://gate.example", "gate.example")),
        ),
        (
            "https://Gate.example:443",
            Some(("https://gate.example", "gate.example")),
        ),
        (
            "https://localhost:8402",
            Some(("https://localhost:8402", "localhost")),
        ),
        ("https://gate:8402/vpn", Some(("https://gate:8402", "gate"))),
        ("http://gate.example", None),
        ("https://192.0.2.1:8402", None),
        ("https://[2001:db8::1]:8402", None),
        ("https://", None),
        ("gate.example", None),
        ("", None),
    ] {
        let found = RelyingParty::of(url);
        let found = found.as_ref().map(|found| (&*found.origin, &*found.id));
        assert_eq!(found, want, "{url}");
    }
}

#[test]
fn an_address_that_people_cannot_use_is_told_in_words() {
    let (keyless, local) = ("no phone and no security key", "only this machine");
    for (url, want) in [
        ("https://factor.example.com", None),
        ("https://factor.example.com:8402", None),
        ("https://localhost.example", None),
        ("https://localhost:8402", Some(local)),
        ("https://LOCALHOST", Some(local)),
        ("https://gate.localhost:8402", Some(local)),
        ("https://192.0.2.10:8402", Some(keyless)),
        ("https://[2001:db8::1]", Some(keyless)),
        ("http://factor.example.com", Some(keyless)),
        ("factor.example.com", Some(keyless)),
    ] {
        let found = lacks(url);
        assert_eq!(found.is_some(), want.is_some(), "{url}: {found:?}");
        assert!(
            found.unwrap_or_default().contains(want.unwrap_or_default()),
            "{url}: {found:?}"
        );
    }
}

#[test]
fn a_name_is_by_https_alone_where_nothing_else_can_be_beside_it() {
    for (url, host, want) in [
        ("https://gate.example", "gate.example", true),
        ("https://gate.example:443/x", "GATE.example:443", true),
        ("https://gate.example", "other.example", false),
        ("https://gate.example", "gate.example:8402", false),
        ("https://gate.example:8402", "gate.example:8402", false),
        ("https://gate.example:8402", "gate.example", false),
        ("https://localhost", "localhost", false),
        ("https://gate.localhost", "gate.localhost", false),
    ] {
        let party = RelyingParty::of(url).unwrap();
        assert_eq!(party.is_by_https_alone(host), want, "{url} {host}");
    }
}

#[test]
fn what_a_browser_made_and_signed_is_taken() {
    for (name, fixture) in FIXTURES {
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let attestation = Attestation::parse(&octets(&fixture["registration"])).unwrap();
        let made = relying_party().registered(&attestation, only(REGISTRATION));
        let passkey = kept(made.unwrap());
        assert_eq!(passkey.transports, ["internal"], "{name}");
        let assertion = |key: &str| Assertion::parse(&octets(&fixture[key])).unwrap();
        let first = assertion("assertion");
        let count = relying_party()
            .asserted(&first, &passkey, only(APPROVAL))
            .unwrap();
        assert!(count > passkey.sign_count, "{name}: {count}");
        let used = Passkey {
            sign_count: count,
            ..passkey
        };
        let again = relying_party().asserted(&first, &used, only(APPROVAL));
        assert_eq!(again, Err(Fault::Counter), "{name}");
        let next = relying_party().asserted(&assertion("again"), &used, only(APPROVAL));
        assert!(next.unwrap() > count, "{name}");
        // Who sees the next one first has a copy.
        let ahead = Passkey {
            sign_count: 1_000,
            ..used
        };
        let back = relying_party().asserted(&assertion("again"), &ahead, only(APPROVAL));
        assert_eq!(back, Err(Fault::Counter), "{name}");
    }
}

/// An authenticator that says what a test wants.
struct Soft {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// What it says.
struct Says {
    rp_id: &'static str,
    flags: u8,
    count: u32,
    client: Value,
    kind: &'static str,
    id: &'static [u8],
}

impl Says {
    fn good(ceremony: &str, challenge: &[u8]) -> Self {
        Self {
            rp_id: "gate.example",
            flags: 0x05,
            count: 1,
            client: json!({
                "type": ceremony,
                "challenge": URL_SAFE_NO_PAD.encode(challenge),
                "origin": "https://gate.example",
                "crossOrigin": false,
                "not known": {"yet": 1},
            }),
            kind: "public-key",
            id: b"credential",
        }
    }
}

impl Soft {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    fn data(says: &Says, rest: &[u8]) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, says.rp_id.as_bytes());
        let count = says.count.to_be_bytes();
        [hash.as_ref(), &[says.flags], &count, rest].concat()
    }

    fn key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let head = hex!("a5010203262001215820");
        [&head[..], &point[1..33], &hex!("225820"), &point[33..]].concat()
    }

    fn registration(&self, says: &Says, credential: &[u8]) -> Vec<u8> {
        let length = u16::try_from(credential.len()).unwrap().to_be_bytes();
        let rest = [&[0; 16][..], &length, credential, &self.key()].concat();
        let data = Self::data(says, &rest);
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let head = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59";
        let object = [&head[..], &length, &data].concat();
        octets(&json!({
            "rawId": URL_SAFE_NO_PAD.encode(says.id),
            "type": says.kind,
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(octets(&says.client)),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
            },
        }))
    }

    fn assertion(&self, says: &Says) -> Vec<u8> {
        let (data, client) = (Self::data(says, &[]), octets(&says.client));
        let hash = digest::digest(&digest::SHA256, &client);
        let message = [&data[..], hash.as_ref()].concat();
        let signature = self.pair.sign(&self.random, &message).unwrap();
        octets(&json!({
            "rawId": URL_SAFE_NO_PAD.encode(says.id),
            "type": says.kind,
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
            },
        }))
    }

    fn passkey(&self, sign_count: u32) -> Passkey {
        Passkey {
            credential: b"credential".to_vec(),
            public_key: self.key(),
            sign_count,
            transports: Vec::new(),
        }
    }
}

/// A name, what is changed, and what becomes of it.
type Row = (&'static str, fn(&mut Says), Option<Fault>);

const ROWS: &[Row] = &[
    ("nothing", |_| {}, None),
    ("backed up", |says| says.flags |= 0x18, None),
    (
        "another kind of question",
        |says| says.client["type"] = json!("payment.get"),
        Some(Fault::Ceremony),
    ),
    (
        "another challenge",
        |says| says.client["challenge"] = json!("AAAA"),
        Some(Fault::Challenge),
    ),
    (
        "no challenge",
        |says| says.client["challenge"] = Value::Null,
        Some(Fault::Malformed("client data")),
    ),
    (
        "another origin",
        |says| says.client["origin"] = json!("https://gate.example.evil"),
        Some(Fault::Origin),
    ),
    (
        "another port",
        |says| says.client["origin"] = json!("https://gate.example:8443"),
        Some(Fault::Origin),
    ),
    (
        "without TLS",
        |says| says.client["origin"] = json!("http://gate.example"),
        Some(Fault::Origin),
    ),
    (
        "in another site's frame",
        |says| says.client["crossOrigin"] = json!(true),
        Some(Fault::Origin),
    ),
    (
        "another relying party",
        |says| says.rp_id = "example",
        Some(Fault::RelyingParty),
    ),
    (
        "nobody there",
        |says| says.flags &= !0x01,
        Some(Fault::NotVerified),
    ),
    (
        "not unlocked",
        |says| says.flags &= !0x04,
        Some(Fault::NotVerified),
    ),
    (
        "backed up and cannot be",
        |says| says.flags |= 0x10,
        Some(Fault::Malformed("authenticator data")),
    ),
    (
        "another type",
        |says| says.kind = "password",
        Some(Fault::Malformed("type")),
    ),
    (
        "another id",
        |says| says.id = b"other",
        Some(Fault::Malformed("credential id")),
    ),
    (
        "no id",
        |says| says.id = b"",
        Some(Fault::Malformed("credential id")),
    ),
];

#[test]
fn an_assertion_is_refused_for_one_thing_that_is_wrong() {
    let soft = Soft::new();
    for (name, change, want) in ROWS {
        let mut says = Says::good("webauthn.get", b"c");
        change(&mut says);
        let judged = Assertion::parse(&soft.assertion(&says)).and_then(|assertion| {
            relying_party().asserted(&assertion, &soft.passkey(0), only(b"c"))
        });
        assert_eq!(judged.err(), *want, "{name}");
    }
    let says = Says::good("webauthn.create", b"c");
    let other = Assertion::parse(&soft.assertion(&says)).unwrap();
    let judged = relying_party().asserted(&other, &soft.passkey(0), only(b"c"));
    assert_eq!(judged, Err(Fault::Ceremony));
    // Signed by another authenticator, which knows the credential's id.
    let says = Says::good("webauthn.get", b"c");
    let other = Assertion::parse(&Soft::new().assertion(&says)).unwrap();
    let judged = relying_party().asserted(&other, &soft.passkey(0), only(b"c"));
    assert_eq!(judged, Err(Fault::Signature));
}

#[test]
fn a_registration_is_refused_for_one_thing_that_is_wrong() {
    let soft = Soft::new();
    for (name, change, want) in ROWS {
        let mut says = Says::good("webauthn.create", b"c");
        says.flags |= 0x40;
        change(&mut says);
        let judged = Attestation::parse(&soft.registration(&says, b"credential"))
            .and_then(|attestation| relying_party().registered(&attestation, only(b"c")));
        assert_eq!(judged.err(), *want, "{name}");
    }
    let mut says = Says::good("webauthn.get", b"c");
    says.flags |= 0x40;
    let other = Attestation::parse(&soft.registration(&says, b"credential")).unwrap();
    let judged = relying_party().registered(&other, only(b"c"));
    assert_eq!(judged, Err(Fault::Ceremony));
    let bare = Says::good("webauthn.create", b"c");
    let bare = Attestation::parse(&soft.registration(&bare, b"credential")).unwrap();
    let judged = relying_party().registered(&bare, only(b"c"));
    assert_eq!(judged, Err(Fault::Malformed("authenticator data")));
}

#[test]
fn counters_go_up_or_are_not_kept() {
    let soft = Soft::new();
    for (before, now, good) in [
        (0, 0, true),
        (0, 1, true),
        (1, 2, true),
        (7, 7, false),
        (7, 6, false),
        (7, 0, false),
        (u32::MAX, u32::MAX, false),
    ] {
        let says = Says {
            count: now,
            ..Says::good("webauthn.get", b"c")
        };
        let assertion = Assertion::parse(&soft.assertion(&says)).unwrap();
        let judged = relying_party().asserted(&assertion, &soft.passkey(before), only(b"c"));
        let want = if good { Ok(now) } else { Err(Fault::Counter) };
        assert_eq!(judged, want, "{before} {now}");
    }
}

#[test]
fn ways_to_reach_it_are_a_few_short_words() {
    let mut json: Value = serde_json::from_str(FIXTURES[0].1).unwrap();
    let mut names = vec![json!("usb"), json!("<script>"), json!("x".repeat(33))];
    names.extend((0..20).map(|number| json!(format!("way-{number}"))));
    json["registration"]["response"]["transports"] = Value::Array(names);
    let parsed = Attestation::parse(&octets(&json["registration"])).unwrap();
    assert_eq!(parsed.transports.len(), 8);
    assert_eq!(parsed.transports[..2], ["usb", "way-0"]);
}

#[test]
fn every_changed_octet_of_an_assertion_is_noticed() {
    let fixture: Value = serde_json::from_str(FIXTURES[0].1).unwrap();
    let attestation = Attestation::parse(&octets(&fixture["registration"])).unwrap();
    let passkey = kept(
        relying_party()
            .registered(&attestation, only(REGISTRATION))
            .unwrap(),
    );
    let good = Assertion::parse(&octets(&fixture["assertion"])).unwrap();
    let judge =
        |assertion: &Assertion| relying_party().asserted(assertion, &passkey, only(APPROVAL));
    assert!(judge(&good).is_ok());
    for at in 0..good.client_data.len() {
        let mut changed = good.clone();
        changed.client_data[at] ^= 1;
        assert!(judge(&changed).is_err(), "client data {at}");
    }
    for at in 0..good.authenticator_data.len() {
        let mut changed = good.clone();
        changed.authenticator_data[at] ^= 1;
        assert!(judge(&changed).is_err(), "authenticator data {at}");
    }
}

proptest! {
    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(Attestation::parse(&octets).is_err());
        prop_assert!(Assertion::parse(&octets).is_err());
    }

    #[test]
    fn no_changed_object_panics(at in 0..160usize, to: u8) {
        let fixture: Value = serde_json::from_str(FIXTURES[0].1).unwrap();
        let mut attestation = Attestation::parse(&octets(&fixture["registration"])).unwrap();
        if let Some(octet) = attestation.object.get_mut(at) {
            *octet = to;
        }
        let judged = relying_party().registered(&attestation, |_| Ok(()));
        prop_assert!(judged.is_err() || judged.is_ok_and(|made| !made.credential.is_empty()));
    }
}

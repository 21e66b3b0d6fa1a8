//! Conversations of real peers, and of some that are not, in the order in which the targets read
//! them.

use super::{conversation, inner};
use crate::eap::inner::Inner;
use crate::eap::tests::binding;

/// With its target and name.
pub(crate) fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let packets = PACKETS
        .iter()
        .map(|(name, octets)| ("eap_packet", *name, octets.to_vec()));
    let outside = conversations()
        .into_iter()
        .map(|(name, _, octets)| ("peap", name, octets));
    let inside = insides()
        .into_iter()
        .map(|(name, _, octets)| ("inner", name, octets));
    packets.chain(outside).chain(inside).collect()
}

#[test]
fn the_conversations_among_the_seeds_go_where_they_are_meant_to() {
    for (name, want, octets) in conversations() {
        match (conversation::end_of(&octets), want) {
            (Err(fault), Err(want)) => assert!(fault.to_string().contains(want), "{name}: {fault}"),
            (got, want) => assert!(got.as_ref().ok() == want.ok().as_ref(), "{name}: {got:?}"),
        }
    }
}

#[test]
fn what_is_said_inside_among_the_seeds_goes_where_it_is_meant_to() {
    for (name, want, octets) in insides() {
        match (inner::end_of(&octets), want) {
            ((Inner::Fails(fault), false), Err(want)) => {
                assert!(fault.to_string().contains(want), "{name}: {fault}");
            }
            ((Inner::Over { success }, bound), Ok(want)) => {
                assert_eq!((success, bound), want, "{name}");
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
}

/// Writes an input.
struct Script(Vec<u8>);

impl Script {
    /// A conversation over TLS 1.2 or 1.3 (`tls`: 0 or 1), with so many times 8 octets in a fragment
    /// and so many times 64 in our part of the handshake. The first request has identifier 8.
    fn conversation(tls: u8, fragment: u8, flight: u8) -> Self {
        Self(vec![tls, fragment, flight, 7])
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    fn text(self, octets: &[u8]) -> Self {
        let length = u8::try_from(octets.len()).unwrap();
        self.octets(&[length]).octets(octets)
    }

    /// The peer sends a packet of the method.
    fn sends(self, flags: u8, octets: &[u8]) -> Self {
        self.octets(&[0]).text(&[&[flags], octets].concat())
    }

    /// It wants another method.
    fn wants(self, methods: &[u8]) -> Self {
        self.octets(&[1]).text(methods)
    }

    /// It sends this, flags first, and so many times 64 octets behind it.
    fn sends_much(self, begin: &[u8], times: u8) -> Self {
        self.octets(&[8]).text(begin).octets(&[times])
    }

    /// It sends something again, with this identifier.
    fn repeats(self, identifier: u8, octets: &[u8]) -> Self {
        self.octets(&[4, identifier]).text(octets)
    }

    fn concludes(self, success: bool) -> Self {
        self.octets(&[u8::from(success)])
    }

    fn asks(self, prompt: &str) -> Self {
        self.octets(&[2]).text(prompt.as_bytes())
    }

    /// Inside PEAP: octets as they are.
    fn says(self, octets: &[u8]) -> Self {
        self.octets(&[0]).text(octets)
    }

    /// Inside PEAP: in a packet.
    fn answers(self, kind: u8, data: &[u8]) -> Self {
        self.octets(&[2, 9, kind]).text(data)
    }

    /// Inside PEAP: how it ends, with other TLVs.
    fn tells(self, status: u8, others: &[(u8, &[u8])]) -> Self {
        let count = u8::try_from(others.len()).unwrap();
        let mut script = self.octets(&[3, 9, count + 1, 0x80, 3]).text(&[0, status]);
        for (kind, value) in others {
            script = script.octets(&[0, *kind]).text(value);
        }
        script
    }

    /// Inside TTLS: attributes, each by its place among those of the target, then its vendor's where
    /// it has one, its value, and where that may be split.
    fn gives(self, padded: bool, attributes: &[(u8, Option<u8>, &[u8])]) -> Self {
        let more = u8::try_from(attributes.len() - 1).unwrap();
        let mut script = self.octets(&[1 | more << 1 | if padded { 0 } else { 8 }]);
        for (place, vendor, value) in attributes {
            script = match vendor {
                Some(vendor) => script.octets(&[*place, 0xc0, *vendor]),
                None => script.octets(&[*place, 0x40]),
            };
            script = script.text(value).octets(&[3]);
        }
        script
    }

    fn end(self) -> Vec<u8> {
        self.0
    }
}

/// With whether the peer is let in, or what of the fault is said.
type Conversation = (&'static str, Result<bool, &'static str>, Vec<u8>);

fn conversations() -> Vec<Conversation> {
    let bound = [&[0x80, 3, 0, 2, 0, 1][..], &binding::response()].concat();
    let bound = [&[2, 9, 0, 71, 33][..], &bound].concat();
    let pap = b"\0\0\0\x01\x40\0\0\x0dalice\0\0\0\0\0\0\x02\x40\0\0\x0esecret\0\0";
    let within = |version| {
        Script::conversation(1, 100, 1)
            .sends(version, b"hello")
            .sends(version, b"finished")
    };
    let ttls = |tls| {
        Script::conversation(tls, 100, 1)
            .wants(&[21])
            .sends(0, b"hello")
    };
    let mut endless = Script::conversation(0, 1, 0);
    for _ in 0..50 {
        endless = endless.sends(0x40, b"x");
    }
    vec![
        (
            "peap0-tls12-prompt-bound",
            Ok(true),
            Script::conversation(0, 16, 5)
                .sends(0, b"hello")
                .sends(0, b"")
                .sends(0, b"")
                .sends(0, b"keys")
                .sends(0, b"")
                .sends(0, b"\x01alice")
                .sends(0, b"\x06secret")
                .asks("Enter passcode:")
                .sends(0, b"\x06123456")
                .concludes(true)
                .sends(0, &bound)
                .end(),
        ),
        (
            "peap1-tls13",
            Ok(true),
            within(1)
                .sends(1, b"\x02\x09\x00\x0a\x01alice")
                .sends(1, b"\x02\x0a\x00\x0b\x06secret")
                .concludes(true)
                .sends(1, b"")
                .end(),
        ),
        (
            "peap1-refused",
            Ok(false),
            within(1)
                .sends(1, b"\x02\x09\x00\x0a\x01alice")
                .sends(1, b"\x02\x0a\x00\x0b\x06secret")
                .concludes(false)
                .sends(1, b"\x04\x0c\x00\x04")
                .end(),
        ),
        (
            "peap0-fragments-both-ways",
            Ok(true),
            Script::conversation(1, 1, 1)
                .sends(0xc0, b"\0\0\0\x05he")
                .sends(0xc0, b"\0\0\0\x05ll")
                .sends(0, b"o")
                .octets(&[0, 1, 0].repeat(7))
                .sends(0x40, b"fini")
                .sends(0, b"shed")
                .sends(0, b"\x01alice")
                .sends(0, b"")
                .sends(0, b"\x06secret")
                .concludes(true)
                .octets(&[0, 1, 0].repeat(8))
                .sends(0, b"\x02\x09\x00\x0b\x21\x80\x03\x00\x02\x00\x01")
                .end(),
        ),
        (
            "peap0-strays",
            Ok(true),
            within(0)
                .repeats(9, b"\0hello")
                .sends(0, b"\x01alice")
                .repeats(200, b"")
                .sends(0, b"\x06secret")
                .concludes(true)
                .sends(0, b"\x02\x09\x00\x0b\x21\x80\x03\x00\x02\x00\x01")
                .octets(b"\x0b\x04after the end")
                .end(),
        ),
        (
            "peap0-wants-another-inside",
            Err("wants MSCHAPv2"),
            within(0)
                .sends(0, b"\x01alice")
                .sends(0, b"\x03\x1a")
                .sends(0, b"\x02\x09\x00\x0b\x21\x80\x03\x00\x02\x00\x02")
                .end(),
        ),
        (
            "ttls-pap-tls12",
            Ok(true),
            ttls(0)
                .sends(0, b"keys")
                .sends(0, pap)
                .concludes(true)
                .end(),
        ),
        (
            "ttls-pap-with-finished",
            Ok(false),
            ttls(1)
                .sends(0, &[&b"finished"[..], pap].concat())
                .concludes(false)
                .end(),
        ),
        (
            "ttls-gtc-tls13",
            Ok(true),
            ttls(1)
                .sends(0, b"finished")
                .sends(0, b"\0\0\0\x4f\x40\0\0\x12\x02\x00\x00\x0a\x01alice\0\0")
                .sends(0, b"\0\0\0\x4f\x40\0\0\x13\x02\x0c\x00\x0b\x06secret\0")
                .asks("Enter passcode:")
                .sends(0, b"\0\0\0\x4f\x40\0\0\x13\x02\x0d\x00\x0b\x06123456\0")
                .concludes(true)
                .end(),
        ),
        (
            "ttls-silent",
            Err("says nothing"),
            ttls(0).sends(0, b"keys").sends(0, b"").sends(0, b"").end(),
        ),
        (
            "wants-eap-tls",
            Err("wants TLS"),
            Script::conversation(1, 100, 1).wants(&[13]).end(),
        ),
        (
            "bad-record",
            Err("a bad record"),
            within(0).sends(0, b"bad").sends(0, b"").end(),
        ),
        (
            "changes-version",
            Err("version 0"),
            within(1).sends(0, b"\x01alice").end(),
        ),
        (
            "leaves-the-method",
            Err("leaves the method"),
            within(1).octets(&[2, 6]).text(b"secret").end(),
        ),
        (
            "too-long",
            Err("longer than 65536"),
            Script::conversation(1, 100, 1)
                .sends_much(b"\x40", 255)
                .sends_much(b"\x40", 255)
                .sends_much(b"\x40", 255)
                .sends_much(b"\x40", 255)
                .sends_much(b"\0", 10)
                .end(),
        ),
        (
            "says-too-long",
            Err("longer than 65536"),
            Script::conversation(1, 100, 1)
                .sends_much(b"\xc0\0\x01\0\x01", 255)
                .end(),
        ),
        ("endless", Err("50 rounds"), endless.end()),
    ]
}

/// With whether it was a success and was bound, or what of the fault is said.
type Inside = (&'static str, Result<(bool, bool), &'static str>, Vec<u8>);

fn insides() -> Vec<Inside> {
    let peap = |version: u8| Script(vec![version | 4]);
    let ttls = || Script(vec![2]);
    let proof = binding::response();
    let mut wrong = proof.clone();
    wrong[59] ^= 1;
    vec![
        (
            "peap0-prompt-bound",
            Ok((true, true)),
            peap(0)
                .says(b"\x01alice")
                .says(b"\x06secret")
                .asks("Enter passcode:")
                .says(b"\x06123456")
                .concludes(true)
                .tells(1, &[(12, &proof[4..])])
                .end(),
        ),
        (
            "peap0-bound-wrongly",
            Err("other end of the tunnel"),
            peap(0)
                .says(b"\x01alice")
                .says(b"\x06secret")
                .concludes(true)
                .tells(1, &[(7, b"unknown"), (12, &wrong[4..])])
                .end(),
        ),
        (
            "peap0-headers-unbound",
            Ok((true, false)),
            peap(0)
                .answers(1, b"alice")
                .answers(6, b"secret")
                .concludes(true)
                .tells(1, &[])
                .end(),
        ),
        (
            "peap0-disagrees",
            Err("it failed"),
            peap(0)
                .says(b"\x01alice")
                .says(b"\x06secret")
                .concludes(true)
                .tells(2, &[(12, &proof[4..])])
                .end(),
        ),
        (
            "peap0-says-both",
            Err("it failed"),
            peap(0)
                .says(b"\x01alice")
                .says(b"\x06secret")
                .concludes(true)
                .tells(2, &[(3, &[0, 1])])
                .end(),
        ),
        (
            "peap0-no-header-after-all",
            Err("of another type"),
            peap(0)
                .says(b"\x01alice")
                .says(b"\x02\x09\x00\x09\x06secret")
                .end(),
        ),
        (
            "peap0-refused",
            Ok((false, false)),
            peap(0)
                .says(b"\x01alice\0")
                .says(b"\x06")
                .concludes(false)
                .tells(2, &[])
                .end(),
        ),
        (
            "peap1-prompt",
            Ok((true, false)),
            peap(1)
                .answers(1, b"j\xc3\xbcrgen")
                .answers(6, b"secret")
                .asks("Enter passcode:")
                .answers(6, b"123456")
                .concludes(true)
                .says(b"")
                .end(),
        ),
        (
            "peap1-wants-another",
            Err("wants MSCHAPv2"),
            peap(1).answers(1, b"alice").answers(3, &[26]).end(),
        ),
        (
            "peap1-no-packet",
            Err("no EAP response"),
            peap(1).says(b"\x02\x09\x00\x2a\x01alice").end(),
        ),
        (
            "ttls-pap",
            Ok((true, false)),
            ttls()
                .gives(false, &[(1, None, b"alice"), (2, None, b"secret\0\0\0")])
                .concludes(true)
                .end(),
        ),
        (
            "ttls-gtc-prompt",
            Ok((true, false)),
            ttls()
                .octets(&[0, 0])
                .gives(true, &[(0, None, b"\x02\x00\x00\x0a\x01alice")])
                .gives(true, &[(0, None, b"\x02\x01\x00\x0b\x06secret")])
                .asks("Enter passcode:")
                .gives(true, &[(0, None, b"\x02\x82\x00\x0b\x06123456")])
                .concludes(true)
                .end(),
        ),
        (
            "ttls-mschapv2",
            Err("wants MS-CHAPv2"),
            ttls()
                .gives(
                    true,
                    &[
                        (1, None, b"alice"),
                        (6, Some(0), b"challenge"),
                        (5, Some(0), b"answer"),
                    ],
                )
                .end(),
        ),
        (
            "ttls-insists",
            Err("insists"),
            ttls()
                .gives(true, &[(2, Some(1), b"x"), (2, None, b"secret")])
                .end(),
        ),
        (
            "ttls-malformed",
            Err("malformed"),
            ttls()
                .octets(&[0])
                .text(b"\0\0\0\x02\x40\0\0\x0dabcd")
                .end(),
        ),
    ]
}

const PACKETS: &[(&str, &[u8])] = &[
    ("identity", b"\x02\x07\x00\x0a\x01alice"),
    ("nak", b"\x02\x08\x00\x07\x03\x15\x2b"),
    ("nak-of-none", b"\x02\x08\x00\x06\x03\x00"),
    ("gtc", b"\x02\x09\x00\x0b\x06secret"),
    ("fragment", b"\x02\x09\x00\x0d\x19\xc1\x00\x00\x00\x05abc"),
    ("acknowledgement", b"\x02\x0a\x00\x06\x19\x01"),
    ("padded", b"\x02\x07\x00\x06\x06abc"),
    ("cut", b"\x02\x07\x00\x0b\x06secre"),
    ("no-type", b"\x02\x07\x00\x04"),
    ("success", b"\x03\x07\x00\x04"),
    ("request", b"\x01\x07\x00\x06\x19\x21"),
];

//! Crypto-binding, held against octets that were computed apart: Python's `hmac` over the definition
//! of each part, with the keys of [`material`].

use hex_literal::hex;

use super::*;
use crate::eap::binding::Binding;

use TunnelVersion::Tls12;

const REQUEST_MAC: [u8; 20] = hex!("b01c7cfc4a89e26f26797a479119c3f8596984c3");
/// Of a response whose nonce is 32 times 5a.
const RESPONSE_MAC: [u8; 20] = hex!("f374ae4cbd74ab224c00db061c1899d348f093b6");
const BOUND: [u8; KEYING_OCTETS] = hex!(
    "a1ba0c63fafab21410fe24e7730973987d41ea7d4cb63626de4bcce6940a2719
     de0d988e77c02639f0bfd0081a4d19abe3289f10de66b21b9a9491c932839247
     3654829d13f24ce2e95b6a48bd87d99a869e9e335897a5f34a151ae2c2b76be0
     daa0708da17a724c545a4afee4ed4b87a45829fbf826a4f2df0cd6e656ba4998"
);

fn keys() -> KeyingMaterial {
    Secret::new(material(b"client EAP encryption", None))
}

fn tlv(header: [u8; 8], nonce: [u8; 32], mac: [u8; 20]) -> Vec<u8> {
    [&header[..], &nonce, &mac].concat()
}

/// A peer's TLV that proves it.
pub(in crate::eap) fn response() -> Vec<u8> {
    tlv([0, 12, 0, 56, 0, 0, 0, 1], [0x5a; 32], RESPONSE_MAC)
}

#[test]
fn the_offer_is_the_definitions() {
    let (_, offer) = Binding::offer(&keys(), NONCE);
    assert_eq!(offer, tlv([0, 12, 0, 56, 0, 0, 0, 0], NONCE, REQUEST_MAC));
}

#[test]
fn a_proof_binds_the_keys() {
    let (mut binding, _) = Binding::offer(&keys(), NONCE);
    assert!(!binding.is_proven());
    assert!(binding.prove(&response()));
    assert!(binding.is_proven());
    assert_eq!(binding.keys().expose(), &BOUND);
}

#[test]
fn what_proves_nothing_is_refused() {
    let mut changed: Vec<(String, Vec<u8>)> = (0..60)
        .map(|at| {
            let mut octets = response();
            octets[at] ^= 1;
            (format!("octet {at} changed"), octets)
        })
        .collect();
    let (_, mirrored) = Binding::offer(&keys(), NONCE);
    let other: KeyingMaterial = Secret::new([1; KEYING_OCTETS]);
    let (_, of_others) = Binding::offer(&other, NONCE);
    changed.push(("our own".to_owned(), mirrored));
    changed.push(("another tunnel's".to_owned(), of_others));
    for length in 0..60 {
        changed.push((format!("cut at {length}"), response()[..length].to_vec()));
    }
    changed.push(("one more".to_owned(), [&response()[..], &[0]].concat()));
    for (name, octets) in changed {
        let (mut binding, _) = Binding::offer(&keys(), NONCE);
        assert!(!binding.prove(&octets), "{name}");
        assert!(!binding.is_proven(), "{name}");
    }
    // A proof does not stand against what is wrong after it.
    let (mut binding, _) = Binding::offer(&keys(), NONCE);
    binding.prove(&response());
    assert!(!binding.prove(&response()[1..]));
    assert!(!binding.is_proven());
}

/// A conversation that was told its success, and the peer's answer with these TLVs.
fn answered(tlvs: &[u8]) -> (Peer, Step) {
    let mut peer = Peer::deciding(Tls12, 0);
    let told = peer.is_told(true);
    assert_eq!(
        told[11..],
        tlv([0, 12, 0, 56, 0, 0, 0, 0], NONCE, REQUEST_MAC)
    );
    let length = u8::try_from(tlvs.len() + 5).unwrap();
    let answer = [&[0, 2, peer.identifier, 0, length, 33], tlvs].concat();
    let step = peer.step(&answer);
    (peer, step)
}

const SUCCESS: [u8; 6] = [0x80, 3, 0, 2, 0, 1];

#[test]
fn a_peer_that_binds_gets_the_bound_keys_and_one_that_does_not_the_tunnels() {
    let (peer, step) = answered(&[&SUCCESS[..], &response()].concat());
    assert_eq!(peer.keys(step), BOUND);
    let (peer, step) = answered(&[&response()[..], &SUCCESS].concat());
    assert_eq!(peer.keys(step), BOUND, "in any order");
    let (peer, step) = answered(&SUCCESS);
    assert_eq!(peer.keys(step), *keys().expose());
}

#[test]
fn a_peer_that_binds_wrongly_is_not_let_in() {
    let (_, mirrored) = Binding::offer(&keys(), NONCE);
    let mut wrong = response();
    wrong[59] ^= 1;
    let mut short = response();
    short.truncate(40);
    short[3] = 36;
    for (name, binding) in [("mirrored", mirrored), ("wrong", wrong), ("short", short)] {
        let (_, step) = answered(&[&SUCCESS[..], &binding].concat());
        let Step::End(packet, Outcome::Fault(EapFault::Result(text))) = step else {
            panic!("{name}: {step:?}");
        };
        assert_eq!(packet[0], 4);
        assert!(text.contains("other end of the tunnel"), "{name}: {text}");
    }
    // Nor one that says that it failed, however well it proves it.
    let failed = [&[0x80, 3, 0, 2, 0, 2], &response()[..]].concat();
    let (_, step) = answered(&failed);
    assert!(matches!(
        step,
        Step::End(_, Outcome::Fault(EapFault::Result(_)))
    ));
}

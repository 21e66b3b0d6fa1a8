//! Crypto-binding of PEAPv0: both ends of the tunnel prove that the conversation inside belongs to
//! it, with a TLV beside the result, and draw the session's keys from the proof. For GTC, which has
//! no keys of its own, the inner key is 32 octets of zero.

use std::fmt;
use std::ops::Range;

use proto::secret::Secret;
use ring::hmac;

use super::packet::EapType;
use super::tunnel::{KEYING_OCTETS, KeyingMaterial};

/// A binding that was offered, or answered.
pub(super) struct Binding {
    /// IPMK 40, CMK 20.
    compound: Secret<[u8; COMPOUND_OCTETS]>,
    proven: bool,
}

impl Binding {
    fn of(keys: &KeyingMaterial) -> Self {
        let tunnel = keys.expose().first_chunk::<TUNNEL_KEY_OCTETS>();
        let mut compound = [0; COMPOUND_OCTETS];
        let seed = [COMPOUND_LABEL, &[0; INNER_KEY_OCTETS]].concat();
        prf_plus(
            tunnel.map_or(&[][..], |tunnel| tunnel.as_slice()),
            &seed,
            &mut compound,
        );
        Self {
            compound: Secret::new(compound),
            proven: false,
        }
    }

    /// Makes one of the tunnel's keys, with the TLV that asks for it.
    pub(super) fn offer(keys: &KeyingMaterial, nonce: [u8; NONCE_OCTETS]) -> (Self, Vec<u8>) {
        let binding = Self::of(keys);
        let mut tlv = Vec::with_capacity(TLV_OCTETS);
        tlv.extend_from_slice(&TLV_HEADER);
        // Reserved, version, received version, request.
        tlv.extend_from_slice(&[0, VERSION, VERSION, REQUEST]);
        tlv.extend_from_slice(&nonce);
        let mac = binding.mac(&tlv);
        tlv.extend_from_slice(&mac);
        (binding, tlv)
    }

    /// The supplicant's end: takes what the server asks with, header and all, and gives the answer
    /// to it. None when the server proves nothing.
    pub(super) fn answer(keys: &KeyingMaterial, asked: &[u8]) -> Option<(Self, Vec<u8>)> {
        let mut binding = Self::of(keys);
        binding.proven = binding.is_proof(asked, REQUEST);
        let nonce = asked.get(NONCE).filter(|_| binding.proven)?;
        let mut tlv = Vec::with_capacity(TLV_OCTETS);
        tlv.extend_from_slice(&TLV_HEADER);
        tlv.extend_from_slice(&[0, VERSION, VERSION, RESPONSE]);
        tlv.extend_from_slice(nonce);
        let mac = binding.mac(&tlv);
        tlv.extend_from_slice(&mac);
        Some((binding, tlv))
    }

    /// Takes the peer's own, header and all; whether it proves anything.
    pub(super) fn prove(&mut self, tlv: &[u8]) -> bool {
        self.proven = self.is_proof(tlv, RESPONSE);
        self.proven
    }

    fn is_proof(&self, tlv: &[u8], of: u8) -> bool {
        let Some((said, mac)) = tlv
            .split_at_checked(TLV_OCTETS - MAC_OCTETS)
            .filter(|(_, mac)| mac.len() == MAC_OCTETS)
        else {
            return false;
        };
        let [_, _, high, low, _, _, _, subtype, ..] = *said else {
            return false;
        };
        let shape = [high, low] == [0, LENGTH] && subtype == of;
        // Of constant time: an octet that is right is not to show.
        shape && hmac::verify(&self.key(), &zeroed(said), mac).is_ok()
    }

    /// Whether the other end proved it.
    pub(super) const fn is_proven(&self) -> bool {
        self.proven
    }

    /// The session's keys.
    pub(super) fn keys(&self) -> KeyingMaterial {
        let mut keys = [0; KEYING_OCTETS];
        let ipmk = self.compound.expose().get(..IPMK_OCTETS);
        prf_plus(ipmk.unwrap_or_default(), SESSION_LABEL, &mut keys);
        Secret::new(keys)
    }

    fn mac(&self, said: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key(), &zeroed(said)).as_ref().to_vec()
    }

    fn key(&self) -> hmac::Key {
        let cmk = self.compound.expose().get(IPMK_OCTETS..);
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, cmk.unwrap_or_default())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.proven { "proven" } else { "offered" };
        f.write_str(said)
    }
}

/// What the MAC is over: the TLV with zeros in its place, and the method's type.
fn zeroed(said: &[u8]) -> Vec<u8> {
    [said, &[0; MAC_OCTETS], &[EapType::PEAP.0]].concat()
}

/// PRF+ of PEAPv0: T1 = HMAC-SHA1(key, seed | 1 0 0), Tn = HMAC-SHA1(key, Tn-1 | seed | n 0 0).
/// Label and inner key are the seed. The key's first 40 octets count.
fn prf_plus(key: &[u8], seed: &[u8], out: &mut [u8]) {
    let key = key.get(..PRF_KEY_OCTETS).unwrap_or(key);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut before: Option<hmac::Tag> = None;
    for (round, chunk) in (1_u8..).zip(out.chunks_mut(MAC_OCTETS)) {
        let mut context = hmac::Context::with_key(&key);
        if let Some(before) = &before {
            context.update(before.as_ref());
        }
        context.update(seed);
        context.update(&[round, 0, 0]);
        let tag = context.sign();
        for (octet, made) in chunk.iter_mut().zip(tag.as_ref()) {
            *octet = *made;
        }
        before = Some(tag);
    }
}

const COMPOUND_LABEL: &[u8] = b"Inner Methods Compound Keys";
/// The label, and one zero octet of context.
const SESSION_LABEL: &[u8] = b"Session Key Generating Function\0";
const TUNNEL_KEY_OCTETS: usize = 60;
const PRF_KEY_OCTETS: usize = 40;
const INNER_KEY_OCTETS: usize = 32;
const IPMK_OCTETS: usize = 40;
const COMPOUND_OCTETS: usize = 60;
pub(super) const NONCE_OCTETS: usize = 32;
const MAC_OCTETS: usize = 20;
/// Where it stands in the TLV.
const NONCE: Range<usize> = 8..8 + NONCE_OCTETS;
/// Header and all.
const TLV_OCTETS: usize = 60;
const LENGTH: u8 = 56;
/// Crypto-Binding, not mandatory: a peer may not know it.
const TLV_HEADER: [u8; 4] = [0, 12, 0, LENGTH];
const VERSION: u8 = 0;
const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;

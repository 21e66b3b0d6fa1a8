//! The peer's half of PEAPv0's crypto-binding ([MS-PEAP] sections 2.2.8.1.1, 3.1.5.5 and 3.1.5.7),
//! for an inner method without keys.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

use super::{packet::kind, tls::KEYING};

/// Octets of the TLV, header and all.
const TLV: usize = 60;
const MAC: usize = 20;

/// What both ends derive from their tunnel.
pub(super) struct Binding {
    /// For the session's keys.
    intermediate: [u8; 40],
    /// For the MACs.
    compound: [u8; 20],
}

impl Binding {
    pub(super) fn of(tunnel: &[u8; KEYING]) -> Self {
        // The inner method's key: 32 zeros, for it has none.
        let seed = [0; 32];
        let made = prf_plus(&tunnel[..40], b"Inner Methods Compound Keys", &seed, 60);
        Self {
            intermediate: made[..40].try_into().unwrap(),
            compound: made[40..].try_into().unwrap(),
        }
    }

    /// Whether the server's TLV is of this tunnel.
    pub(super) fn is_genuine(&self, tlv: &[u8]) -> bool {
        tlv.len() == TLV && tlv[7] == 0 && self.mac(tlv) == tlv[TLV - MAC..]
    }

    /// The answer to it, with its nonce.
    pub(super) fn answer(&self, tlv: &[u8]) -> Vec<u8> {
        let mut answer = tlv.to_vec();
        // Version 0, received version 0, subtype 1: a response.
        answer[4..8].copy_from_slice(&[0, 0, 0, 1]);
        let mac = self.mac(&answer);
        answer[TLV - MAC..].copy_from_slice(&mac);
        answer
    }

    /// The session's keys: MSK and EMSK.
    pub(super) fn keys(&self) -> [u8; KEYING] {
        let label = b"Session Key Generating Function";
        let made = prf_plus(&self.intermediate, label, &[0], KEYING);
        made.try_into().unwrap()
    }

    fn mac(&self, tlv: &[u8]) -> Vec<u8> {
        let mut zeroed = tlv.to_vec();
        zeroed[TLV - MAC..].fill(0);
        zeroed.push(kind::PEAP);
        let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.compound);
        sign(&key, &zeroed).as_ref().to_vec()
    }
}

/// T1 = HMAC-SHA1(key, label | seed | 1 0 0), Tn = HMAC-SHA1(key, Tn-1 | label | seed | n 0 0).
fn prf_plus(key: &[u8], label: &[u8], seed: &[u8], octets: usize) -> Vec<u8> {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let (mut made, mut last) = (Vec::new(), Vec::new());
    for number in 1_u8.. {
        if made.len() >= octets {
            break;
        }
        let said = [&last, label, seed, &[number, 0, 0]].concat();
        last = sign(&key, &said).as_ref().to_vec();
        made.extend_from_slice(&last);
    }
    made.truncate(octets);
    made
}

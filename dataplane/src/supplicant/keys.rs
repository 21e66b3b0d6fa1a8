//! The keys of a session, and whether the device was given the same.

use proto::secret::Secret;

use crate::eap::tunnel::KeyingMaterial;
use crate::radius::Packet;
use crate::radius::salted::{self, Hop, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY, VENDOR_MICROSOFT};

/// The MSK: what an access point encrypts the session with. Known to both ends of a tunnel alone.
#[derive(Debug)]
pub struct SessionKeys(KeyingMaterial);

/// What an accept has of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysVerdict {
    /// The same keys.
    Same,
    /// One of them or both are missing.
    Missing,
    /// Others, or such as do not decrypt: an access point would let nobody through.
    Different,
}

impl SessionKeys {
    pub(super) const fn new(keys: KeyingMaterial) -> Self {
        Self(keys)
    }

    /// Compares them with the MS-MPPE keys (RFC 2548 section 2.4) of an accept. `hop` is that of its
    /// request.
    #[must_use]
    pub fn compare(&self, accept: &Packet<'_>, hop: Hop<'_>) -> KeysVerdict {
        let mut verdict = KeysVerdict::Same;
        let halves = self.0.expose().chunks(HALF_OCTETS);
        for (number, half) in [MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY].into_iter().zip(halves) {
            let Some(value) = accept.first_vendor(VENDOR_MICROSOFT, number) else {
                return KeysVerdict::Missing;
            };
            // Secrets compare in constant time.
            let half = Secret::new(half.to_vec());
            if !salted::decrypt(value, hop).is_ok_and(|clear| clear == half) {
                verdict = KeysVerdict::Different;
            }
        }
        verdict
    }
}

/// Of the MSK.
const HALF_OCTETS: usize = 32;

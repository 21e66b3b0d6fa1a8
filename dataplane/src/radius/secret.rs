//! The secret that a client and a server share, with the work that needs doing only once.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::radius::AUTHENTICATOR_OCTETS;

/// A shared secret. Made once for each client; wiped when dropped; never shown.
///
/// Holds HMAC-MD5 keyed with it and MD5 begun with it: what every packet would repeat.
pub struct SharedSecret {
    octets: Zeroizing<Vec<u8>>,
    prefix: Md5,
    keyed: Hmac<Md5>,
}

impl SharedSecret {
    /// Takes the octets of a secret.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        // RFC 2104 section 2: a key over one block is hashed first, a shorter one is padded with
        // zeros. Done here, because a key of exactly one block cannot be refused.
        let mut key = Zeroizing::new([0; BLOCK_OCTETS]);
        if octets.len() > BLOCK_OCTETS {
            copy(&mut key[..], &Md5::digest(octets));
        } else {
            copy(&mut key[..], octets);
        }
        Self {
            octets: Zeroizing::new(octets.to_vec()),
            prefix: Md5::new().chain_update(octets),
            keyed: Hmac::new((&*key).into()),
        }
    }

    /// HMAC-MD5 over the parts.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; AUTHENTICATOR_OCTETS] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// MD5 over the secret, then the parts.
    pub(super) fn digest_after(&self, parts: &[&[u8]]) -> [u8; AUTHENTICATOR_OCTETS] {
        let mut digest = self.prefix.clone();
        for part in parts {
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// MD5 over the parts, then the secret.
    pub(super) fn digest_before(&self, parts: &[&[u8]]) -> [u8; AUTHENTICATOR_OCTETS] {
        let mut digest = Md5::new();
        for part in parts {
            digest.update(part);
        }
        digest.update(&*self.octets);
        digest.finalize().into()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Copies as much as fits.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// MD5's block.
const BLOCK_OCTETS: usize = 64;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2202 section 2, cases 1, 2, 3 and 6 (a key over one block).
    #[test]
    fn keyed_digests_are_those_of_rfc_2202() {
        for (name, key, text, want) in [
            (
                "1",
                &[0x0b; 16][..],
                &b"Hi There"[..],
                hex!("9294727a3638bb1c13f48ef8158bfc9d"),
            ),
            (
                "2",
                b"Jefe",
                b"what do ya want for nothing?",
                hex!("750c783e6ab0b503eaa86e310a5db738"),
            ),
            (
                "3",
                &[0xaa; 16],
                &[0xdd; 50],
                hex!("56be34521d144c88dbb8c733f0e8b3f6"),
            ),
            (
                "6",
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                hex!("6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
            ),
        ] {
            assert_eq!(SharedSecret::new(key).mac(&[text]), want, "case {name}");
        }
    }

    #[test]
    fn digests_are_over_the_parts_in_order() {
        let secret = SharedSecret::new(b"one");
        assert_eq!(
            secret.digest_after(&[b"two", b"three"]),
            *Md5::digest(b"onetwothree")
        );
        assert_eq!(
            secret.digest_before(&[b"two", b"three"]),
            *Md5::digest(b"twothreeone")
        );
    }

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", SharedSecret::new(b"xyzzy5461")), "[secret]");
    }
}

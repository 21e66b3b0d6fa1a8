//! The computations of NTLM version 2 (MS-NLMP sections 3.3.2 and 3.4.5).

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use proto::secret::Secret;
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

/// A key of 128 bits.
pub(super) type Key = Zeroizing<[u8; 16]>;

/// What a password comes to for one user of one domain: NTOWFv2.
pub(super) struct ResponseKey(pub(super) Key);

/// That the password is known.
pub(super) struct Proof {
    /// NtChallengeResponse: NTProofStr, then what it is a proof over.
    pub(super) response: Vec<u8>,
    pub(super) session_base_key: Key,
}

impl ResponseKey {
    pub(super) fn new(password: &Secret<String>, user: &str, domain: &str) -> Self {
        let hash = Zeroizing::new(<[u8; 16]>::from(Md4::digest(&*utf16(password.expose()))));
        let user: String = user.chars().map(upper).collect();
        Self(hmac_md5(&*hash, &[&utf16(&user), &utf16(domain)]))
    }

    /// NTLMv2_RESPONSE and SessionBaseKey. `client_part` is `temp` of section 3.3.2.
    pub(super) fn prove(&self, server_challenge: &[u8; 8], client_part: &[u8]) -> Proof {
        let proof = hmac_md5(&*self.0, &[server_challenge, client_part]);
        Proof {
            response: [&*proof, client_part].concat(),
            session_base_key: hmac_md5(&*self.0, &[&*proof]),
        }
    }

    /// LMv2_RESPONSE.
    pub(super) fn lm_response(
        &self,
        server_challenge: &[u8; 8],
        client_challenge: &[u8; 8],
    ) -> [u8; 24] {
        let proof = hmac_md5(&*self.0, &[server_challenge, client_challenge]);
        let mut response = [0; 24];
        for (to, from) in response
            .iter_mut()
            .zip(proof.iter().chain(client_challenge))
        {
            *to = *from;
        }
        response
    }
}

/// Which end of the connection a key belongs to.
#[derive(Clone, Copy)]
pub(super) enum End {
    Client,
    Server,
}

/// SIGNKEY with extended session security.
pub(super) fn sign_key(session_key: &Key, end: End) -> Key {
    let magic: &[u8] = match end {
        End::Client => b"session key to client-to-server signing key magic constant\0",
        End::Server => b"session key to server-to-client signing key magic constant\0",
    };
    md5(&[&**session_key, magic])
}

/// SEALKEY with extended session security and 128 bits.
pub(super) fn seal_key(session_key: &Key, end: End) -> Key {
    let magic: &[u8] = match end {
        End::Client => b"session key to client-to-server sealing key magic constant\0",
        End::Server => b"session key to server-to-client sealing key magic constant\0",
    };
    md5(&[&**session_key, magic])
}

/// HMAC_MD5.
#[expect(clippy::expect_used, reason = "an HMAC takes keys of every length")]
pub(super) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("every length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// An RC4 stream at its beginning.
#[expect(
    clippy::expect_used,
    reason = "RC4 takes 1 to 256 octets, and a key has 16"
)]
pub(super) fn rc4(key: &Key) -> Rc4 {
    Rc4::new_from_slice(&**key).expect("16 octets")
}

/// RC4K: one short text under a key of its own.
pub(super) fn rc4_once(key: &Key, clear: &[u8; 16]) -> [u8; 16] {
    let mut text = *clear;
    rc4(key).apply_keystream(&mut text);
    text
}

fn md5(parts: &[&[u8]]) -> Key {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    Zeroizing::new(digest.finalize().into())
}

/// UTF-16 in little endian, without the mark.
pub(super) fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Enough, so that nothing is left behind by growing: a character has no more units than it has
    // octets in UTF-8.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    for unit in text.encode_utf16() {
        octets.extend_from_slice(&unit.to_le_bytes());
    }
    octets
}

/// Upper case as Windows has it: one unit for one unit, and only what also leads back.
fn upper(c: char) -> char {
    let mut raised = c.to_uppercase();
    match (raised.next(), raised.next()) {
        (Some(one), None) if one.to_lowercase().eq([c]) && one.len_utf16() == 1 => one,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_raised_letter_by_letter() {
        for (name, want) in [
            ("alice", "ALICE"),
            ("\u{e4}rger-\u{e9}", "\u{c4}RGER-\u{c9}"),
            // Sharp s, dotless i, long s and the micro sign stay.
            ("stra\u{df}e", "STRA\u{df}E"),
            ("\u{131}\u{17f}\u{b5}", "\u{131}\u{17f}\u{b5}"),
            ("\u{ff}\u{44f}\u{3c9}", "\u{178}\u{42f}\u{3a9}"),
            // Beyond what one unit holds.
            ("\u{10428}", "\u{10428}"),
        ] {
            let raised: String = name.chars().map(upper).collect();
            assert_eq!(raised, want, "{name}");
        }
    }

    #[test]
    fn a_password_never_outgrows_its_buffer() {
        for text in [
            "password",
            "\u{43f}\u{430}",
            "\u{6f22}\u{5b57}",
            "\u{10428}",
            "",
        ] {
            assert!(utf16(text).len() <= text.len() * 2, "{text}");
        }
    }
}

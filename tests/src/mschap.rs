//! CHAP, MS-CHAP and MS-CHAPv2 as a device speaks them: RFC 1994, 2433, 2759, and their RADIUS
//! attributes of RFC 2865 and 2548. Keys by RFC 3079.
//!
//! Independent of the code under test on purpose, like [`crate::nas`].

use des::{
    Des,
    cipher::{Block, BlockCipherEncrypt, KeyInit as _},
};
use md4::{Digest as _, Md4};
use md5::Md5;
use rc4::{Rc4, StreamCipher as _};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::nas::{Request, attribute, microsoft};

impl Request {
    /// Adds CHAP-Password for this password; its challenge is the request's authenticator, or, with
    /// `apart`, a CHAP-Challenge (RFC 2865 section 5.40).
    #[must_use]
    pub fn chap(self, password: &str, apart: bool) -> Self {
        let ident = [self.id.wrapping_add(1)];
        let challenge: [u8; 16] = if apart { random() } else { self.authenticator };
        let response = Md5::new()
            .chain_update(ident)
            .chain_update(password)
            .chain_update(challenge)
            .finalize();
        let request = self.with(attribute::CHAP_PASSWORD, &[&ident[..], &response].concat());
        if apart {
            request.with(attribute::CHAP_CHALLENGE, &challenge)
        } else {
            request
        }
    }

    /// Adds MS-CHAP-Challenge and MS-CHAP-Response for this password (RFC 2548 section 2.1), with the
    /// NT response alone.
    #[must_use]
    pub fn mschap(self, password: &str) -> Self {
        let challenge: [u8; 8] = random();
        let response = challenge_response(challenge, nt_hash(password));
        let ident_and_flags = [self.id, 1];
        self.vendor(microsoft::VENDOR, microsoft::CHAP_CHALLENGE, &challenge)
            .vendor(
                microsoft::VENDOR,
                microsoft::CHAP_RESPONSE,
                &[&ident_and_flags[..], &[0; 24], &response].concat(),
            )
    }
}

/// The NT-Key of MS-CHAP-MPPE-Keys for a password (RFC 2548 section 2.4.1): its hash, hashed.
#[must_use]
pub fn mschap_nt_key(password: &str) -> [u8; 16] {
    Md4::digest(nt_hash(password)).into()
}

/// One run of MS-CHAPv2: the two challenges, and whom they are for.
#[derive(Debug, Clone)]
pub struct MsChap2 {
    /// What the device asked.
    pub authenticator_challenge: [u8; 16],
    /// What the peer asked.
    pub peer_challenge: [u8; 16],
    user: String,
    password: String,
    ident: u8,
}

/// The session keys of MS-CHAPv2 as the server has them (RFC 3079 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// MS-MPPE-Send-Key.
    pub send: [u8; 16],
    /// MS-MPPE-Recv-Key.
    pub receive: [u8; 16],
}

impl MsChap2 {
    /// A run with random challenges. A domain before a backslash is no part of the hashes.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            authenticator_challenge: random(),
            peer_challenge: random(),
            user: user.to_owned(),
            password: password.to_owned(),
            ident: 0,
        }
    }

    /// Adds MS-CHAP-Challenge and MS-CHAP2-Response (RFC 2548 section 2.3.2) to the request.
    #[must_use]
    pub fn respond(&self, request: Request) -> Request {
        let head = [self.ident, 0];
        let value = [
            &head[..],
            &self.peer_challenge,
            &[0; 8],
            &self.response(&self.password),
        ];
        request
            .vendor(
                microsoft::VENDOR,
                microsoft::CHAP_CHALLENGE,
                &self.authenticator_challenge,
            )
            .vendor(
                microsoft::VENDOR,
                microsoft::CHAP2_RESPONSE,
                &value.concat(),
            )
    }

    /// Adds what changes the password instead (RFC 2548 section 2.3.3 and 2.1.6): MS-CHAP2-CPW, and
    /// the new password in three pieces of MS-CHAP-NT-Enc-PW.
    #[must_use]
    pub fn change(&self, request: Request, new: &str) -> Request {
        let (old_hash, new_hash) = (nt_hash(&self.password), nt_hash(new));
        let utf16: Vec<u8> = new.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut block = [0; 516];
        block[..512].copy_from_slice(&random::<512>());
        block[512 - utf16.len()..512].copy_from_slice(&utf16);
        block[512..].copy_from_slice(&u32::try_from(utf16.len()).unwrap().to_le_bytes());
        Rc4::new_from_slice(&old_hash)
            .unwrap()
            .apply_keystream(&mut block);
        let encrypted_hash = [
            des(&new_hash[..7], &old_hash[..8]),
            des(&new_hash[7..14], &old_hash[8..]),
        ]
        .concat();
        let cpw = [
            &[7, self.ident][..],
            &encrypted_hash,
            &self.peer_challenge,
            &[0; 8],
            &self.response(new),
            &[0; 2],
        ];
        let mut request = request
            .vendor(
                microsoft::VENDOR,
                microsoft::CHAP_CHALLENGE,
                &self.authenticator_challenge,
            )
            .vendor(microsoft::VENDOR, microsoft::CHAP2_CPW, &cpw.concat());
        for (number, piece) in (1_u16..).zip(block.chunks(243)) {
            let head = [&[6, self.ident][..], &number.to_be_bytes()].concat();
            request = request.vendor(
                microsoft::VENDOR,
                microsoft::CHAP_NT_ENC_PW,
                &[&head[..], piece].concat(),
            );
        }
        request
    }

    /// The value of MS-CHAP2-Success that proves the server knows this password: the ident, then
    /// `S=` and 40 digits.
    #[must_use]
    pub fn success(&self, password: &str) -> Vec<u8> {
        let hash_hash = Md4::digest(nt_hash(password));
        let magic: &[u8] = b"Magic server to client signing constant";
        let first = sha1(&[&hash_hash, &self.response(password), magic]);
        let pad: &[u8] = b"Pad to make it do more than one iteration";
        let second = sha1(&[&first, &self.challenge(), pad]);
        let digits: String = second.iter().map(|octet| format!("{octet:02X}")).collect();
        [&[self.ident][..], b"S=", digits.as_bytes()].concat()
    }

    /// The session keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let hash_hash = Md4::digest(nt_hash(&self.password));
        let magic: &[u8] = b"This is the MPPE Master Key";
        let master = sha1(&[&hash_hash, &self.response(&self.password), magic]);
        let key = |magic: &str| {
            let parts = [&master[..16], &[0; 40], magic.as_bytes(), &[0xf2; 40]];
            *sha1(&parts).first_chunk().unwrap()
        };
        Keys {
            send: key(
                "On the client side, this is the receive key; on the server side, it is the send key.",
            ),
            receive: key(
                "On the client side, this is the send key; on the server side, it is the receive key.",
            ),
        }
    }

    /// `ChallengeHash` of RFC 2759 section 8.2.
    fn challenge(&self) -> [u8; 8] {
        let name = self.user.rsplit('\\').next().unwrap();
        let hash = sha1(&[
            &self.peer_challenge,
            &self.authenticator_challenge,
            name.as_bytes(),
        ]);
        *hash.first_chunk().unwrap()
    }

    fn response(&self, password: &str) -> [u8; 24] {
        challenge_response(self.challenge(), nt_hash(password))
    }
}

fn nt_hash(password: &str) -> [u8; 16] {
    let utf16: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Md4::digest(&utf16).into()
}

/// `ChallengeResponse` of RFC 2759 section 8.5.
fn challenge_response(challenge: [u8; 8], hash: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 21];
    key[..16].copy_from_slice(&hash);
    let mut out = [0; 24];
    for (part, key) in out.chunks_exact_mut(8).zip(key.chunks_exact(7)) {
        part.copy_from_slice(&des(key, &challenge));
    }
    out
}

/// DES with a key of 56 bits, as RFC 2759 section 8.6 spreads them over eight octets.
fn des(key: &[u8], clear: &[u8]) -> [u8; 8] {
    let bits = key
        .iter()
        .fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    let spread: [u8; 8] =
        std::array::from_fn(|at| u8::try_from(bits >> (49 - 7 * at) & 0x7f).unwrap() << 1);
    let mut block = Block::<Des>::try_from(clear).unwrap();
    Des::new_from_slice(&spread)
        .unwrap()
        .encrypt_block(&mut block);
    block.into()
}

fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &parts.concat());
    hash.as_ref().try_into().unwrap()
}

fn random<const OCTETS: usize>() -> [u8; OCTETS] {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).unwrap();
    octets
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2759 section 9.2, RFC 3079 section 3.5.3.
    fn run() -> MsChap2 {
        MsChap2 {
            authenticator_challenge: hex!("5b5d7c7d7b3f2f3e3c2c602132262628"),
            peer_challenge: hex!("21402324255e262a28295f2b3a337c7e"),
            user: "User".to_owned(),
            password: "clientPass".to_owned(),
            ident: 0,
        }
    }

    #[test]
    fn responds_as_the_rfc_does() {
        assert_eq!(run().challenge(), hex!("d02e4386bce91226"));
        assert_eq!(
            run().response("clientPass"),
            hex!("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df")
        );
        assert_eq!(
            run().success("clientPass"),
            b"\0S=407A5589115FD0D6209F510FE9C04566932CDA56"
        );
    }

    #[test]
    fn makes_the_keys_of_the_rfc() {
        // Section 3.5.3 shows the server's send key.
        assert_eq!(run().keys().send, hex!("8b7cdc149b993a1ba118cb153f56dccb"));
        assert_ne!(run().keys().send, run().keys().receive);
    }

    #[test]
    fn a_domain_is_no_part_of_the_hashes() {
        let mut with_domain = run();
        with_domain.user = "DOM\\User".to_owned();
        assert_eq!(with_domain.challenge(), run().challenge());
    }
}

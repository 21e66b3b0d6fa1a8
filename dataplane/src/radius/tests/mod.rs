//! Tests of the codec; those of one small part stand in its file.

mod malformed;
mod oracle;
mod properties;
mod replies;
mod requests;
mod salted;
mod vectors;

use crate::radius::{AUTHENTICATOR_OCTETS, Authenticator, SharedSecret};

/// The secret of the examples in RFC 2865 section 7 and RFC 5997 section 6.
fn secret() -> SharedSecret {
    SharedSecret::new(SECRET)
}

const SECRET: &[u8] = b"xyzzy5461";

const REQUEST_AUTHENTICATOR: Authenticator = [0x5a; AUTHENTICATOR_OCTETS];

/// A packet by hand: header, then attributes of (type, value).
fn packet(code: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
    let mut octets = vec![code, 7, 0, 0];
    octets.extend_from_slice(&REQUEST_AUTHENTICATOR);
    for (kind, value) in attributes {
        octets.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
        octets.extend_from_slice(value);
    }
    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
    octets[2..4].copy_from_slice(&length);
    octets
}

/// Fills the first Message-Authenticator of a request in, by the standard's words and not by our
/// code for it.
fn sign(mut octets: Vec<u8>) -> Vec<u8> {
    use hmac::{Hmac, KeyInit, Mac};
    let mut at = 20;
    while octets[at] != 80 {
        at += usize::from(octets[at + 1]);
    }
    octets[at + 2..at + 18].fill(0);
    let mut mac = Hmac::<md5::Md5>::new_from_slice(SECRET).unwrap();
    mac.update(&octets);
    octets[at + 2..at + 18].copy_from_slice(&mac.finalize().into_bytes());
    octets
}

//! Values that RADIUS hides with the shared secret: User-Password, and those with a salt.
//!
//! Independent of the code under test on purpose, like [`crate::nas`].

use md5::{Digest, Md5};

const BLOCK: usize = 16;

/// Hides a value as User-Password (RFC 2865 section 5.2) and MS-CHAP-MPPE-Keys (RFC 2548 section
/// 2.4.1) are; an empty one fills a block too.
#[must_use]
pub fn hide(secret: &str, authenticator: &[u8], clear: &[u8]) -> Vec<u8> {
    let mut padded = clear.to_vec();
    padded.resize(clear.len().next_multiple_of(BLOCK).max(BLOCK), 0);
    chained(secret, authenticator, &padded, true)
}

/// Takes [`hide`] back; the padding stays.
#[must_use]
pub fn reveal(secret: &str, authenticator: &[u8], hidden: &[u8]) -> Vec<u8> {
    chained(secret, authenticator, hidden, false)
}

/// Hides a value behind a salt, as MS-MPPE-Send-Key (RFC 2548 section 2.4.2) and Tunnel-Password
/// (RFC 2868 section 3.5, without the tag) are: the salt, then length and value.
#[must_use]
pub fn hide_salted(secret: &str, authenticator: &[u8], salt: [u8; 2], clear: &[u8]) -> Vec<u8> {
    let mut long = vec![u8::try_from(clear.len()).unwrap()];
    long.extend_from_slice(clear);
    let start = [authenticator, &salt].concat();
    [&salt[..], &hide(secret, &start, &long)].concat()
}

/// Takes [`hide_salted`] back; none where salt, length or padding cannot be.
#[must_use]
pub fn reveal_salted(secret: &str, authenticator: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
    let (salt, blocks) = hidden.split_at_checked(2)?;
    // The leftmost bit of a salt is set, so that no secret and no length is taken for one.
    if salt[0] & 0x80 == 0 || blocks.is_empty() || blocks.len() % BLOCK != 0 {
        return None;
    }
    let long = reveal(secret, &[authenticator, salt].concat(), blocks);
    let (length, rest) = long.split_first()?;
    let (value, padding) = rest.split_at_checked(usize::from(*length))?;
    (padding.len() < BLOCK && padding.iter().all(|octet| *octet == 0)).then(|| value.to_vec())
}

fn chained(secret: &str, start: &[u8], octets: &[u8], hiding: bool) -> Vec<u8> {
    let mut previous = start.to_vec();
    let mut out = Vec::with_capacity(octets.len());
    for block in octets.chunks(BLOCK) {
        let mask = Md5::new()
            .chain_update(secret)
            .chain_update(&previous)
            .finalize();
        let masked: Vec<u8> = block.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        previous = if hiding {
            masked.clone()
        } else {
            block.to_vec()
        };
        out.extend(masked);
    }
    out
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2548 has no vector; this one is of RFC 2865 section 7.1.
    #[test]
    fn a_password_is_hidden_as_the_rfc_does() {
        let authenticator = hex!("0f403f9473978057bd83d5cb98f4227a");
        let hidden = hex!("0dbe708d93d413ce3196e43f782a0aee");
        assert_eq!(hide("xyzzy5461", &authenticator, b"arctangent"), hidden);
        let clear = reveal("xyzzy5461", &authenticator, &hidden);
        assert_eq!(clear, b"arctangent\0\0\0\0\0\0");
    }

    #[test]
    fn salted_values_come_back_only_with_secret_and_authenticator() {
        for length in [0, 15, 16, 31, 32, 200] {
            let clear: Vec<u8> = (0..length).collect();
            let hidden = hide_salted("secret", &[7; 16], [0x80, 1], &clear);
            assert_eq!(hidden.len() % BLOCK, 2, "{length}");
            let back = |secret, octet| reveal_salted(secret, &[octet; 16], &hidden);
            assert_eq!(back("secret", 7), Some(clear.clone()), "{length}");
            assert_ne!(back("other", 7), Some(clear.clone()), "{length}");
            assert_ne!(back("secret", 8), Some(clear), "{length}");
        }
        let unsalted = hide_salted("secret", &[7; 16], [0x7f, 1], b"x");
        assert_eq!(reveal_salted("secret", &[7; 16], &unsalted), None);
    }
}

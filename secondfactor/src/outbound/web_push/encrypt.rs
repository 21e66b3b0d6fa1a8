//! Encryption for Web Push: keys as RFC 8291 makes them, one record as RFC 8188 frames it.

use ring::rand::SystemRandom;
use ring::{aead, agreement, hkdf};
use zeroize::Zeroizing;

use crate::clock;

/// Why a notice was not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncryptError {
    /// The browser's point is not on the curve.
    #[error("the subscription's key is no point of P-256")]
    Point,
    /// It does not fit one record.
    #[error("a notice has at most 3,993 octets")]
    Long,
    /// The cipher or the system's randomness failed.
    #[error("a notice cannot be encrypted")]
    Cipher,
}

/// Encrypts a message for a browser.
///
/// # Errors
/// [`EncryptError`].
pub(super) fn message(
    plain: &[u8],
    their_point: &[u8],
    auth: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    let ours =
        agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new())
            .map_err(|_| EncryptError::Cipher)?;
    let our_point = ours
        .compute_public_key()
        .map_err(|_| EncryptError::Cipher)?;
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, their_point);
    let shared =
        agreement::agree_ephemeral(ours, &theirs, |shared| Zeroizing::new(shared.to_vec()))
            .map_err(|_| EncryptError::Point)?;
    let input = keying_material(&shared, auth, their_point, our_point.as_ref())?;
    let salt = clock::random::<SALT_OCTETS>().map_err(|_| EncryptError::Cipher)?;
    record(plain, &input[..], &salt, our_point.as_ref())
}

/// RFC 8291 section 3.4: from what both know to the input of RFC 8188.
fn keying_material(
    shared: &[u8],
    auth: &[u8],
    their_point: &[u8],
    our_point: &[u8],
) -> Result<Zeroizing<[u8; 32]>, EncryptError> {
    derive::<32>(auth, shared, &[b"WebPush: info\0", their_point, our_point])
}

/// RFC 8188 section 2: the header, and one record that is the last.
fn record(
    plain: &[u8],
    input: &[u8],
    salt: &[u8; SALT_OCTETS],
    key_id: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    let id_octets = u8::try_from(key_id.len()).map_err(|_| EncryptError::Long)?;
    let overhead = SALT_OCTETS + 5 + key_id.len() + 1 + aead::AES_128_GCM.tag_len();
    if plain.len() + overhead > RECORD_OCTETS as usize {
        return Err(EncryptError::Long);
    }
    let key = derive::<16>(salt, input, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = derive::<12>(salt, input, &[b"Content-Encoding: nonce\0"])?;
    let key =
        aead::UnboundKey::new(&aead::AES_128_GCM, &key[..]).map_err(|_| EncryptError::Cipher)?;
    let mut sealed = Vec::with_capacity(plain.len() + 17);
    sealed.extend_from_slice(plain);
    // The delimiter of the last record; no padding.
    sealed.push(2);
    aead::LessSafeKey::new(key)
        .seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(*nonce),
            aead::Aad::empty(),
            &mut sealed,
        )
        .map_err(|_| EncryptError::Cipher)?;
    let mut all = Vec::with_capacity(plain.len() + overhead);
    all.extend_from_slice(salt);
    all.extend_from_slice(&RECORD_OCTETS.to_be_bytes());
    all.push(id_octets);
    all.extend_from_slice(key_id);
    all.extend_from_slice(&sealed);
    Ok(all)
}

/// HKDF with SHA-256 (RFC 5869).
fn derive<const N: usize>(
    salt: &[u8],
    input: &[u8],
    info: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, EncryptError> {
    struct Octets(usize);
    impl hkdf::KeyType for Octets {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(input)
        .expand(info, Octets(N))
        .and_then(|okm| okm.fill(&mut out[..]))
        .map_err(|_| EncryptError::Cipher)?;
    Ok(out)
}

const SALT_OCTETS: usize = 16;
/// What every push service takes (RFC 8030 section 7.2).
const RECORD_OCTETS: u32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64URL_NOPAD;

    fn octets(text: &str) -> Vec<u8> {
        let text: String = text.split_whitespace().collect();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    }

    /// RFC 8291 section 5 and appendix A.
    #[test]
    fn a_message_is_that_of_rfc_8291() {
        let shared = octets("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let auth = octets("BTBZMqHH6r4Tts7J_aSIgg");
        let theirs = octets(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
             aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        );
        let ours = octets(
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg\
             Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        );
        let input = keying_material(&shared, &auth, &theirs, &ours).unwrap();
        assert_eq!(
            BASE64URL_NOPAD.encode(&input[..]),
            "S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"
        );
        let salt = octets("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let plain = b"When I grow up, I want to be a watermelon";
        let found = record(plain, &input[..], &salt, &ours).unwrap();
        assert_eq!(
            BASE64URL_NOPAD.encode(&found),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
             mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
             pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    /// RFC 8188 section 3.1.
    #[test]
    fn a_record_is_that_of_rfc_8188() {
        let input = octets("yqdlZ-tYemfogSmv7Ws5PQ");
        let salt = octets("I1BsxtFttlv3u_Oo94xnmw").try_into().unwrap();
        let found = record(b"I am the walrus", &input, &salt, b"").unwrap();
        assert_eq!(
            BASE64URL_NOPAD.encode(&found),
            "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg"
        );
    }

    #[test]
    fn what_cannot_be_encrypted_is_refused() {
        assert_eq!(message(b"x", &[4; 65], &[0; 16]), Err(EncryptError::Point));
        let theirs = octets(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
             aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        );
        let most = 3_993;
        assert_eq!(
            message(&vec![0; most], &theirs, &[0; 16]).unwrap().len(),
            4_096
        );
        let long = message(&vec![0; most + 1], &theirs, &[0; 16]);
        assert_eq!(long, Err(EncryptError::Long));
    }
}

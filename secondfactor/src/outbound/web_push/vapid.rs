//! Who sends: a token that a push service can check (RFC 8292), signed with ES256 (RFC 7518).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use zeroize::Zeroizing;

use super::EncryptError;

/// A key that signs.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    /// Makes a key, in PKCS #8.
    ///
    /// # Errors
    /// [`EncryptError::Cipher`].
    pub(crate) fn generate() -> Result<Zeroizing<Vec<u8>>, EncryptError> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let made = made.map_err(|_| EncryptError::Cipher)?;
        Ok(Zeroizing::new(made.as_ref().to_vec()))
    }

    /// Takes a key in PKCS #8.
    ///
    /// # Errors
    /// [`EncryptError::Cipher`].
    pub(crate) fn new(pkcs8: &[u8]) -> Result<Self, EncryptError> {
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            pkcs8,
            &SystemRandom::new(),
        );
        Ok(Self(key.map_err(|_| EncryptError::Cipher)?))
    }

    /// What a browser subscribes with: the point on P-256, in base64url.
    pub(crate) fn public_key(&self) -> String {
        BASE64URL_NOPAD.encode(self.0.public_key().as_ref())
    }

    /// The `Authorization` header for a push service (RFC 8292 sections 2 and 3).
    ///
    /// # Errors
    /// [`EncryptError::Cipher`].
    pub(super) fn authorization(
        &self,
        audience: &str,
        contact: &str,
        now_s: u64,
    ) -> Result<String, EncryptError> {
        let head = json!({ "typ": "JWT", "alg": "ES256" }).to_string();
        let claims = json!({
            "aud": audience,
            "exp": now_s.saturating_add(TOKEN_SECONDS),
            "sub": contact,
        });
        let mut token = BASE64URL_NOPAD.encode(head.as_bytes());
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let signature = self
            .0
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| EncryptError::Cipher)?;
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(signature.as_ref()));
        Ok(format!("vapid t={token}, k={}", self.public_key()))
    }
}

/// How long a token is good; a day is the most.
const TOKEN_SECONDS: u64 = 12 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    #[test]
    fn a_token_says_for_whom_and_how_long_and_is_signed() {
        let key = Signer::generate().unwrap();
        let signer = Signer::new(&key).unwrap();
        let header = signer
            .authorization("https://push.example", "mailto:it@corp.example", 1_000)
            .unwrap();
        let rest = header.strip_prefix("vapid t=").unwrap();
        let (token, key) = rest.split_once(", k=").unwrap();
        assert_eq!(key, signer.public_key());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        let read = |text: &str| -> Value {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(read(head), json!({ "typ": "JWT", "alg": "ES256" }));
        assert_eq!(
            read(claims),
            json!({ "aud": "https://push.example", "exp": 1_000 + 43_200,
                    "sub": "mailto:it@corp.example" })
        );
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let point = decode(key);
        assert_eq!((point.len(), point[0]), (65, 4));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        assert!(Signer::new(b"x").is_err());
    }
}

//! What a provider signs (RFC 7515), and the keys that it names (RFC 7517). Pure.
//!
//! No library reads it: those that do bring a second implementation of RSA or of TLS's primitives,
//! and more algorithms than are wanted. Those here are all that is taken.

use data_encoding::BASE64URL_NOPAD as BASE64;
use ring::signature::{self as sign, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The keys of a provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Vec<Jwk>);

/// A key as it stands in the document. What is left out or of another kind verifies nothing.
#[derive(Clone, Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The head of what is signed.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// What must be understood, which nothing here does (RFC 7515 section 4.1.11).
    crit: Option<Value>,
}

impl Keys {
    /// Reads a key set. Keys of kinds that are not known are passed over.
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let Document { keys } = serde_json::from_slice(octets).ok()?;
        let known = keys.into_iter().take(KEYS);
        let known = known.filter_map(|key| serde_json::from_value(key).ok());
        Some(Self(known.collect()))
    }

    /// The claims of a token that one of the keys signed.
    ///
    /// # Errors
    /// [`JwsFault`].
    pub(crate) fn open(&self, token: &str) -> Result<Map<String, Value>, JwsFault> {
        if token.len() > TOKEN_OCTETS {
            return Err(JwsFault::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsFault::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(JwsFault::Malformed)?;
        let octets = |text: &str| {
            BASE64
                .decode(text.as_bytes())
                .map_err(|_| JwsFault::Malformed)
        };
        let head: Head = serde_json::from_slice(&octets(head)?).map_err(|_| JwsFault::Malformed)?;
        if head.crit.is_some() {
            return Err(JwsFault::Critical);
        }
        let way = Way::of(&head.alg).ok_or(JwsFault::Algorithm)?;
        let (claims, signature) = (octets(claims)?, octets(signature)?);
        let mut fit = self.0.iter().filter(|key| key.fits(&head, way));
        let key = fit.next().ok_or(JwsFault::UnknownKey)?;
        // Without a name it must be clear which one is meant (OpenID Connect Core section 10.1).
        if head.kid.is_none() && fit.next().is_some() {
            return Err(JwsFault::UnknownKey);
        }
        match key.verifies(way, signed.as_bytes(), &signature) {
            true => serde_json::from_slice(&claims).map_err(|_| JwsFault::Malformed),
            false => Err(JwsFault::Signature),
        }
    }
}

/// An algorithm that is taken: none of a shared secret, and not none.
#[derive(Clone, Copy)]
enum Way {
    Rsa(&'static RsaParameters),
    Curve(&'static str, &'static dyn sign::VerificationAlgorithm),
}

impl Way {
    fn of(alg: &str) -> Option<Self> {
        Some(match alg {
            "RS256" => Self::Rsa(&sign::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&sign::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&sign::RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&sign::RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&sign::RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&sign::RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Curve("P-256", &sign::ECDSA_P256_SHA256_FIXED),
            "ES384" => Self::Curve("P-384", &sign::ECDSA_P384_SHA384_FIXED),
            "EdDSA" => Self::Curve("Ed25519", &sign::ED25519),
            _ => return None,
        })
    }
}

impl Jwk {
    /// Whether a token with this head may be signed by it.
    fn fits(&self, head: &Head, way: Way) -> bool {
        let named = head.kid.is_none() || head.kid == self.kid;
        let meant = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_ref().is_none_or(|alg| *alg == head.alg);
        let kind = match way {
            Way::Rsa(_) => self.kty == "RSA",
            Way::Curve(curve, _) => {
                let kty = if curve == "Ed25519" { "OKP" } else { "EC" };
                self.kty == kty && self.crv.as_deref() == Some(curve)
            }
        };
        named && meant && kind
    }

    fn verifies(&self, way: Way, signed: &[u8], signature: &[u8]) -> bool {
        let part = |text: &Option<String>| BASE64.decode(text.as_deref()?.as_bytes()).ok();
        let checked = match way {
            Way::Rsa(parameters) => {
                let (Some(n), Some(e)) = (part(&self.n), part(&self.e)) else {
                    return false;
                };
                // Some write leading zeros, which the library does not take.
                let n: Vec<u8> = n.into_iter().skip_while(|octet| *octet == 0).collect();
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            Way::Curve(curve, algorithm) => {
                let point = match (curve, part(&self.x), part(&self.y)) {
                    ("Ed25519", Some(x), _) => x,
                    // Uncompressed (SEC 1 section 2.3.3).
                    (_, Some(x), Some(y)) => [&[4][..], &x, &y].concat(),
                    _ => return false,
                };
                UnparsedPublicKey::new(algorithm, point).verify(signed, signature)
            }
        };
        checked.is_ok()
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwsFault {
    /// It is no token.
    #[error("the token cannot be read")]
    Malformed,
    /// It wants something to be understood that is not.
    #[error("the token wants something that is not known")]
    Critical,
    /// Not with this algorithm.
    #[error("the token is signed in a way that is not taken")]
    Algorithm,
    /// The provider names no such key.
    #[error("the token is signed with a key that the provider does not name")]
    UnknownKey,
    /// The signature is another's.
    #[error("the token's signature is wrong")]
    Signature,
}

/// The most keys of a provider that are looked at.
const KEYS: usize = 64;
const TOKEN_OCTETS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 appendix A.2 and A.3: the keys and what they signed.
    const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// RFC 7515 appendix A.1, with a shared secret; and A.5, without a signature.
    const HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const NONE: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

    fn keys() -> Keys {
        let document = serde_json::json!({"keys": [
            {"kty": "what is this"},
            {"kty": "RSA", "n": RSA_N, "e": "AQAB", "use": "sig"},
            {"kty": "EC", "crv": "P-256", "kid": "ec",
             "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
             "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        ]});
        Keys::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn tokens_of_rfc_7515_are_taken_by_signature_and_refused_without_one() {
        for token in [RS256, ES256] {
            assert_eq!(keys().open(token).unwrap()["iss"], "joe");
        }
        for (token, want) in [
            (HS256, JwsFault::Algorithm),
            (NONE, JwsFault::Algorithm),
            ("", JwsFault::Malformed),
            ("a.b", JwsFault::Malformed),
            ("e30.e30.", JwsFault::Malformed),
        ] {
            assert_eq!(keys().open(token), Err(want), "{token}");
        }
        let head = |head: &str| {
            let (_, rest) = ES256.split_once('.').unwrap();
            format!("{}.{rest}", BASE64.encode(head.as_bytes()))
        };
        for (name, head, want) in [
            ("changed", head(r#"{"alg":"ES256" }"#), JwsFault::Signature),
            (
                "unknown key",
                head(r#"{"alg":"ES256","kid":"x"}"#),
                JwsFault::UnknownKey,
            ),
            (
                "another kind",
                head(r#"{"alg":"RS256","kid":"ec"}"#),
                JwsFault::UnknownKey,
            ),
            (
                "critical",
                head(r#"{"alg":"ES256","crit":["b64"]}"#),
                JwsFault::Critical,
            ),
            (
                "in other letters",
                head(r#"{"alg":"NONE"}"#),
                JwsFault::Algorithm,
            ),
        ] {
            assert_eq!(keys().open(&head), Err(want), "{name}");
        }
        assert_eq!(Keys::default().open(RS256), Err(JwsFault::UnknownKey));
        assert!(Keys::parse(b"[]").is_none());
    }
}

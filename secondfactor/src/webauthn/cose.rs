//! Public keys as COSE has them (RFC 9052, RFC 9053): ES256 and RS256, which platforms make, and EdDSA.

use ring::agreement::{self, EphemeralPrivateKey};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::Fault;
use super::cbor::{Item, Reader};

/// The algorithms, as browsers are asked for them, the best liked first.
pub(crate) const ALGORITHMS: [i32; 3] = [ES256, EDDSA, RS256];

const ES256: i32 = -7;
const EDDSA: i32 = -8;
const RS256: i32 = -257;

/// A key that is one of those.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// A point of P-256.
    Es256 {
        x: &'a [u8; 32],
        y: &'a [u8; 32],
    },
    /// Of Ed25519.
    EdDsa(&'a [u8; 32]),
    Rs256 {
        n: &'a [u8],
        e: &'a [u8],
    },
}

/// The parameters of a key by their labels; the meaning of the negative ones depends on the kind.
#[derive(Default)]
struct Parameters<'a> {
    kind: Option<Item<'a>>,
    algorithm: Option<Item<'a>>,
    minus: [Option<Item<'a>>; 3],
}

impl<'a> PublicKey<'a> {
    /// Reads a key and nothing after it.
    ///
    /// # Errors
    /// [`Fault::Malformed`], or [`Fault::Key`] for a key of another kind.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Fault> {
        let bad = Fault::Malformed("key");
        let mut reader = Reader::new(octets);
        let Item::Map(pairs) = reader.item()? else {
            return Err(bad);
        };
        let mut found = Parameters::default();
        for _ in 0..pairs {
            let label = reader.item()?.small().ok_or(bad)?;
            let place = match label {
                1 => &mut found.kind,
                3 => &mut found.algorithm,
                -1 => &mut found.minus[0],
                -2 => &mut found.minus[1],
                -3 => &mut found.minus[2],
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            if place.replace(reader.item()?).is_some() {
                return Err(bad);
            }
        }
        if !reader.rest().is_empty() {
            return Err(bad);
        }
        let kind = found.kind.and_then(Item::small).ok_or(bad)?;
        let algorithm = found.algorithm.and_then(Item::small).ok_or(bad)?;
        let [one, two, three] = found.minus;
        match (kind, algorithm, one.and_then(Item::small)) {
            (OCTET_PAIR, EDDSA, Some(ED25519)) => Ok(Self::EdDsa(exactly(two)?)),
            (ELLIPTIC, ES256, Some(P256)) => Ok(Self::Es256 {
                x: exactly(two)?,
                y: exactly(three)?,
            }),
            (RSA, RS256, None) => {
                let (Some(Item::Bytes(n)), Some(Item::Bytes(e))) = (one, two) else {
                    return Err(bad);
                };
                if !MODULUS_OCTETS.contains(&n.len()) || !(1..=8).contains(&e.len()) {
                    return Err(Fault::Key);
                }
                Ok(Self::Rs256 { n, e })
            }
            _ => Err(Fault::Key),
        }
    }

    /// Whether it can be a key: whether a point is on its curve.
    ///
    /// # Errors
    /// [`Fault::Key`].
    pub(super) fn check(&self) -> Result<(), Fault> {
        let Self::Es256 { x, y } = self else {
            return Ok(());
        };
        // An agreement is made with points of the curve only; what is agreed upon is not looked at.
        let random = ring::rand::SystemRandom::new();
        let own = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random)
            .map_err(|_| Fault::Key)?;
        let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point(x, y));
        agreement::agree_ephemeral(own, &theirs, |_| ()).map_err(|_| Fault::Key)
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`Fault::Signature`].
    pub(super) fn verify(&self, message: &[u8], signed: &[u8]) -> Result<(), Fault> {
        let done = match self {
            Self::Es256 { x, y } => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point(x, y))
                    .verify(message, signed)
            }
            Self::EdDsa(key) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signed)
            }
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signed,
            ),
        };
        done.map_err(|_| Fault::Signature)
    }
}

/// SEC 1 section 2.3.3, not compressed.
fn point(x: &[u8; 32], y: &[u8; 32]) -> Vec<u8> {
    [&[4], &x[..], &y[..]].concat()
}

fn exactly(item: Option<Item<'_>>) -> Result<&[u8; 32], Fault> {
    match item {
        Some(Item::Bytes(octets)) => octets.try_into().map_err(|_| Fault::Key),
        _ => Err(Fault::Key),
    }
}

/// RFC 9053 section 7.
const OCTET_PAIR: i32 = 1;
const ELLIPTIC: i32 = 2;
/// RFC 8230 section 4.
const RSA: i32 = 3;
const P256: i32 = 1;
const ED25519: i32 = 6;
/// 2,048 to 8,192 bits.
const MODULUS_OCTETS: std::ops::RangeInclusive<usize> = 256..=1_024;

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::*;

    fn es256(x: &[u8], y: &[u8]) -> Vec<u8> {
        let head = hex!("a5010203262001215820");
        [&head[..], x, &hex!("225820"), y].concat()
    }

    #[test]
    fn keys_verify_what_they_signed_and_nothing_else() {
        let random = SystemRandom::new();
        let kind = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let elliptic = es256(&point[1..33], &point[33..]);
        let signed = pair.sign(&random, b"hello").unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let edwards = Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap();
        let head = hex!("a4010103272006215820");
        let octet_pair = [&head[..], edwards.public_key().as_ref()].concat();
        for (name, key, signed) in [
            ("ES256", &elliptic, signed.as_ref().to_vec()),
            (
                "EdDSA",
                &octet_pair,
                edwards.sign(b"hello").as_ref().to_vec(),
            ),
        ] {
            let key = PublicKey::parse(key).unwrap();
            assert_eq!(key.check(), Ok(()), "{name}");
            assert_eq!(key.verify(b"hello", &signed), Ok(()), "{name}");
            assert_eq!(
                key.verify(b"hallo", &signed),
                Err(Fault::Signature),
                "{name}"
            );
            let mut other = signed.clone();
            *other.last_mut().unwrap() ^= 1;
            assert_eq!(
                key.verify(b"hello", &other),
                Err(Fault::Signature),
                "{name}"
            );
        }
        let off = es256(&point[1..33], &[7; 32]);
        assert_eq!(PublicKey::parse(&off).unwrap().check(), Err(Fault::Key));
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        let good = es256(&[1; 32], &[2; 32]);
        assert!(PublicKey::parse(&good).is_ok());
        let changed = |at: usize, to: u8| {
            let mut key = good.clone();
            key[at] = to;
            key
        };
        let after = [&good[..], &[0]].concat();
        let twice = [&[0xa6], &good[1..], &hex!("0102")[..]].concat();
        let small = [
            &hex!("a4010303390100205840")[..],
            &[9; 64],
            &hex!("2143010001"),
        ]
        .concat();
        for (name, key, want) in [
            ("another curve", changed(6, 2), Fault::Key),
            ("another algorithm", changed(4, 0x27), Fault::Key),
            ("another kind", changed(2, 1), Fault::Key),
            ("more after it", after, Fault::Malformed("key")),
            ("a label twice", twice, Fault::Malformed("key")),
            ("no map", vec![0x80], Fault::Malformed("key")),
            ("nothing in it", vec![0xa0], Fault::Malformed("key")),
            ("cut short", good[..70].to_vec(), Fault::Malformed("CBOR")),
            ("RSA of 512 bits", small, Fault::Key),
        ] {
            assert_eq!(PublicKey::parse(&key), Err(want), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(key) = PublicKey::parse(&octets) {
                let _ = key.check();
                prop_assert!(key.verify(b"", b"").is_err());
            }
        }

        #[test]
        fn changed_keys_do_not_panic(at in 0..77usize, to: u8) {
            let mut octets = es256(&[1; 32], &[2; 32]);
            if let Some(octet) = octets.get_mut(at) {
                *octet = to;
            }
            if let Ok(key) = PublicKey::parse(&octets) {
                prop_assert!(key.verify(b"", b"").is_err());
            }
        }
    }
}

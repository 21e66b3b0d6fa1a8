//! What ties a bind to the TLS connection it goes through, so that nobody in between can pass it
//! on: `tls-server-end-point` (RFC 5929 section 4), as NTLM carries it.

use md5::{Digest, Md5};
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use x509_parser::oid_registry::OID_PKCS1_RSASSAPSS;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

/// The bindings of one TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelBindings([u8; 16]);

impl ChannelBindings {
    /// Those of a connection whose server showed this certificate, in DER.
    ///
    /// None when it cannot be read, or is signed in a way for which RFC 5929 defines none, such as
    /// Ed25519.
    pub(crate) fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let algorithm = hash_of(&certificate.signature_algorithm)?;
        Self::of_data(&[PREFIX, digest(algorithm, der).as_ref()].concat())
    }

    /// The digest of a `gss_channel_bindings_struct` with both addresses left out (MS-NLMP section
    /// 2.2.2.1).
    fn of_data(data: &[u8]) -> Option<Self> {
        let length = u32::try_from(data.len()).ok()?;
        let mut md5 = Md5::new_with_prefix([0; 16]);
        md5.update(length.to_le_bytes());
        md5.update(data);
        Some(Self(md5.finalize().into()))
    }

    /// MsvAvChannelBindings.
    pub(super) const fn digest(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The hash that a signature is over; SHA-256 in place of the two that are broken.
fn hash_of(signature: &AlgorithmIdentifier<'_>) -> Option<&'static Algorithm> {
    let mut oid = signature.algorithm.to_id_string();
    if signature.algorithm == OID_PKCS1_RSASSAPSS {
        let parameters = signature.parameters.as_ref()?;
        let parameters = RsaSsaPssParams::try_from(parameters).ok()?;
        oid = parameters.hash_algorithm_oid().to_id_string();
    }
    let (_, algorithm) = HASHES.iter().find(|(known, _)| *known == oid)?;
    Some(algorithm)
}

const PREFIX: &[u8] = b"tls-server-end-point:";

/// By signature algorithm (RFC 8017 appendix A.2.4, RFC 3279 section 2.2.3, RFC 5758 section 3.2),
/// and by hash for RSASSA-PSS.
const HASHES: &[(&str, &Algorithm)] = &[
    // RSA with MD5, with SHA-1; ECDSA with SHA-1; SHA-1.
    ("1.2.840.113549.1.1.4", &SHA256),
    ("1.2.840.113549.1.1.5", &SHA256),
    ("1.2.840.10045.4.1", &SHA256),
    ("1.3.14.3.2.26", &SHA256),
    // RSA, ECDSA, and the hash alone.
    ("1.2.840.113549.1.1.11", &SHA256),
    ("1.2.840.10045.4.3.2", &SHA256),
    ("2.16.840.1.101.3.4.2.1", &SHA256),
    ("1.2.840.113549.1.1.12", &SHA384),
    ("1.2.840.10045.4.3.3", &SHA384),
    ("2.16.840.1.101.3.4.2.2", &SHA384),
    ("1.2.840.113549.1.1.13", &SHA512),
    ("1.2.840.10045.4.3.4", &SHA512),
    ("2.16.840.1.101.3.4.2.3", &SHA512),
];

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn the_digest_is_over_the_prefix_and_the_hash() {
        // As Microsoft's protocol documentation team worked it out for one connection.
        let hash = hex!("ea05fefecc6b0bd571dbbc5baa3ed45386d0446835f7b74c85621b9983475f95");
        assert_eq!(
            ChannelBindings::of_data(&[PREFIX, &hash].concat())
                .unwrap()
                .0,
            hex!("6586e99d81c2fc984e47172fd4dd0310")
        );
    }

    #[test]
    fn a_certificate_is_hashed_as_it_is_signed() {
        for (name, algorithm, hash) in [
            (
                "P-256",
                &rcgen::PKCS_ECDSA_P256_SHA256,
                Some(&SHA256 as &'static Algorithm),
            ),
            ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384, Some(&SHA384)),
            ("Ed25519", &rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let params = CertificateParams::new(vec!["dc1.example".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let der = certificate.der();
            let want = hash.and_then(|hash| {
                ChannelBindings::of_data(&[PREFIX, digest(hash, der).as_ref()].concat())
            });
            assert_eq!(ChannelBindings::of_certificate(der), want, "{name}");
        }
        assert_eq!(ChannelBindings::of_certificate(b"no certificate"), None);
    }
}

//! Certificates of nodes: their key was made at the node, their name is a URI.

use proto::id::NodeId;
use proto::join::{BACK_SECONDS, NODE_URI};
use rcgen::string::Ia5String;
use rcgen::{
    CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData,
    SanType,
};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{Authority, IssueError, Span, has_another_key, params};

/// A certificate that was made for a node.
#[derive(Clone, Debug)]
pub(crate) struct NodeCertificate {
    pub(crate) pem: String,
    /// In hexadecimal digits.
    pub(crate) serial: String,
    /// The last second in which it is good, since 1970.
    pub(crate) not_after: i64,
    /// SHA-256 of the public key.
    pub(crate) key: [u8; 32],
}

/// Why a node gets no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NodeFault {
    /// What it sent is no request.
    #[error("it is no certificate request (PKCS #10, PEM)")]
    Request(#[source] rcgen::Error),
    /// Its key is no key of P-256.
    #[error("the key is none of P-256")]
    Key,
    /// A fault of ours.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Authority {
    /// Signs a certificate for a node. Of the request only the key counts. It is good for so many
    /// seconds, and no longer than the authority. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`NodeFault`].
    pub(crate) fn sign_node(
        &self,
        request: &str,
        node: &NodeId,
        now: i64,
        seconds: u32,
    ) -> Result<NodeCertificate, NodeFault> {
        let request =
            CertificateSigningRequestParams::from_pem(request).map_err(NodeFault::Request)?;
        let back = i64::try_from(BACK_SECONDS).unwrap_or_default();
        let span = Span {
            first: now.saturating_sub(back).max(self.span.first),
            last: now.saturating_add(i64::from(seconds)).min(self.span.last),
        };
        // A common name has 64 characters at most, a node's name more: it is in the URI.
        let mut wanted = params("Countersign node", span)?;
        let uri = Ia5String::try_from(format!("{NODE_URI}{node}")).map_err(IssueError::Make)?;
        wanted.subject_alt_names = vec![SanType::URI(uri)];
        wanted.is_ca = IsCa::ExplicitNoCa;
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        wanted.use_authority_key_identifier_extension = true;
        let made = wanted
            .signed_by(&request.public_key, &self.issuer)
            .map_err(IssueError::Make)?;
        let pem = made.pem();
        if has_another_key(&pem) {
            return Err(NodeFault::Key);
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, request.public_key.der_bytes());
        let serial = node_of(made.der()).map(|shown| shown.serial);
        Ok(NodeCertificate {
            pem,
            serial: serial.ok_or(NodeFault::Key)?,
            not_after: span.last,
            key: digest.as_ref().first_chunk().copied().unwrap_or_default(),
        })
    }

    /// The certificate's octets.
    pub(crate) const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

/// What a node shows with its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate {
    /// In hexadecimal digits.
    pub(crate) serial: String,
    pub(crate) node: NodeId,
    /// When half of its life is over, in seconds since 1970.
    pub(crate) half: u64,
}

/// Reads a node's certificate. None when it is one of no node.
pub(crate) fn node_of(der: &CertificateDer<'_>) -> Option<ShownCertificate> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let validity = parsed.validity();
    let first = u64::try_from(validity.not_before.timestamp()).ok()?;
    let last = u64::try_from(validity.not_after.timestamp()).ok()?;
    // It is good from a little before it was made.
    let made = first.saturating_add(BACK_SECONDS);
    Some(ShownCertificate {
        serial: data_encoding::HEXLOWER.encode(parsed.raw_serial()),
        node: name_in(&parsed)?,
        half: made.saturating_add(last.saturating_sub(made) / 2),
    })
}

fn name_in(parsed: &X509Certificate<'_>) -> Option<NodeId> {
    let names = parsed.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|one| match one {
            GeneralName::URI(uri) => uri.strip_prefix(NODE_URI),
            _ => None,
        });
    NodeId::new(uris.next()?).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;
    use crate::issue::ServerNames;

    const NOW: i64 = 1_790_000_000;

    fn authority() -> Authority {
        let names = ServerNames::parse(&[proto::join::SERVER_NAME.to_owned()]).unwrap();
        Authority::make(&names, NOW, 10).unwrap().0
    }

    fn request(key: &KeyPair) -> String {
        let mut params = CertificateParams::new(vec!["elsewhere.example.com".to_owned()]).unwrap();
        params.is_ca = IsCa::NoCa;
        params.serialize_request(key).unwrap().pem().unwrap()
    }

    #[test]
    fn a_node_gets_its_name_and_not_what_its_request_says() {
        let authority = authority();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let node = NodeId::new("x".repeat(128)).unwrap();
        let made = authority
            .sign_node(&request(&key), &node, NOW, 3_600)
            .unwrap();
        assert_eq!(made.not_after, NOW + 3_600);
        let (_, block) = x509_parser::pem::parse_x509_pem(made.pem.as_bytes()).unwrap();
        let der = CertificateDer::from(block.contents);
        let shown = ShownCertificate {
            serial: made.serial.clone(),
            node: node.clone(),
            half: u64::try_from(NOW).unwrap() + 1_800,
        };
        assert_eq!(node_of(&der), Some(shown));
        assert!(!String::from_utf8_lossy(&der).contains("elsewhere"));
        let long = authority.sign_node(&request(&key), &node, NOW, 365 * 86_400);
        let long = long.unwrap();
        assert_eq!(long.not_after, authority.about().not_after);
        assert_ne!(long.serial, made.serial);
        assert_eq!(node_of(authority.der()), None, "no node");
    }

    #[test]
    fn what_is_no_request_or_has_another_key_is_refused() {
        let (authority, node) = (authority(), NodeId::new("b").unwrap());
        let other = request(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
        assert!(matches!(
            authority.sign_node(&other, &node, NOW, 60),
            Err(NodeFault::Key)
        ));
        assert!(matches!(
            authority.sign_node("nothing", &node, NOW, 60),
            Err(NodeFault::Request(_))
        ));
    }
}

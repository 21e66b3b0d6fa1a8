//! Whom we believe to be the second factor: certificate roots as a TLS configuration. No sockets.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The host is neither a DNS name nor an address.
    #[error("'{host}' is neither a host name nor an address")]
    Host {
        /// As configured.
        host: String,
    },
    /// The integration key holds a character that no header may.
    #[error("the integration key holds a character that cannot be sent")]
    IntegrationKey,
    /// The text holds something that is no certificate.
    #[error("the trusted certificates cannot be read: {reason}")]
    Pem {
        /// Without the text itself.
        reason: String,
    },
    /// The text holds no certificate.
    #[error("the trusted certificates are empty: no certificate in PEM form was found")]
    NoCertificate,
    /// The system has no trusted roots.
    #[error(
        "the system has no trusted certificates: install ca-certificates, or set \
             http_ca_certs_file{reason}"
    )]
    NoSystemRoots {
        /// What the system said, with a separator; empty when it said nothing.
        reason: String,
    },
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up")]
    Tls {
        /// Its reason.
        #[source]
        source: rustls::Error,
    },
}

/// Makes the TLS configuration: the roots of the PEM text only, else those of the system; TLS 1.2
/// and 1.3; HTTP/2 or HTTP/1.1.
///
/// # Errors
/// [`BuildError`] when there are no roots to trust.
pub(crate) fn client_config(pem: Option<&str>) -> Result<Arc<ClientConfig>, BuildError> {
    let roots = match pem {
        Some(pem) => pem_roots(pem)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|source| BuildError::Tls { source })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn pem_roots(pem: &str) -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let bad = |reason: String| BuildError::Pem { reason };
        let certificate = certificate.map_err(|fault| bad(fault.to_string()))?;
        roots
            .add(certificate)
            .map_err(|fault| bad(fault.to_string()))?;
    }
    if roots.is_empty() {
        return Err(BuildError::NoCertificate);
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, BuildError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold a few that are too old for the library; the others are good.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found
            .errors
            .first()
            .map_or_else(String::new, |fault| format!(": {fault}"));
        return Err(BuildError::NoSystemRoots { reason });
    }
    Ok(roots)
}

/// HTTP/2's name in ALPN (RFC 9113 section 3.1).
pub(crate) const ALPN_H2: &[u8] = b"h2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_cannot_be_read_are_refused_by_name() {
        for (name, pem, want) in [
            ("nothing", "", "no certificate in PEM form"),
            ("a text", "hello", "no certificate in PEM form"),
            (
                "no certificate inside",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "cannot be read",
            ),
            (
                "cut off",
                "-----BEGIN CERTIFICATE-----\nAAAA\n",
                "cannot be read",
            ),
        ] {
            let fault = client_config(Some(pem)).unwrap_err().to_string();
            assert!(fault.contains(want), "{name}: {fault}");
        }
    }

    #[test]
    fn a_certificate_is_enough() {
        let issued = rcgen::generate_simple_self_signed(vec!["duo.test".to_owned()]).unwrap();
        let config = client_config(Some(&issued.cert.pem())).unwrap();
        assert_eq!(
            config.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
    }
}

//! Whose certificates are believed when something is sent.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Roots<'a> {
    /// The system's.
    System,
    /// These alone.
    Only(&'a str),
    /// The system's and these.
    And(&'a str),
}

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The text holds no certificate.
    #[error("holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// One of the certificates cannot be read.
    #[error("holds a certificate that cannot be read")]
    BadCertificate,
    /// It is too long.
    #[error("has more than 16,384 characters")]
    Long,
    /// The system trusts nobody.
    #[error("the system has no root certificates (ca-certificates on Debian)")]
    NoSystem,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// The certificates of a text in PEM; at least one.
///
/// # Errors
/// [`TrustError`].
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    if pem.len() > PEM_OCTETS {
        return Err(TrustError::Long);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|_| TrustError::BadCertificate)?;
    if found.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    let mut tried = RootCertStore::empty();
    for certificate in &found {
        let added = tried.add(certificate.clone());
        added.map_err(|_| TrustError::BadCertificate)?;
    }
    Ok(found)
}

/// TLS for one peer, over HTTP/1.1. Reads the system's files, so it belongs on a thread that may block.
///
/// # Errors
/// [`TrustError`].
pub(crate) fn client(roots: Roots<'_>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut store = RootCertStore::empty();
    if let Roots::System | Roots::And(_) = roots {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
    }
    if let Roots::Only(pem) | Roots::And(pem) = roots {
        store.add_parsable_certificates(certificates(pem)?);
    }
    if store.is_empty() {
        return Err(TrustError::NoSystem);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

const PEM_OCTETS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_or_refused() {
        let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let pem = made.cert.pem();
        assert_eq!(certificates(&pem).unwrap().len(), 1);
        assert_eq!(certificates(&format!("{pem}\n{pem}")).unwrap().len(), 2);
        let cut = pem.replace('M', "N");
        for (name, text, want) in [
            ("nothing", String::new(), "holds no certificate in PEM"),
            (
                "other words",
                "hello".to_owned(),
                "holds no certificate in PEM",
            ),
            ("broken", cut, "cannot be read"),
            ("long", "a".repeat(70_000), "more than"),
        ] {
            let error = certificates(&text).unwrap_err().to_string();
            assert!(error.contains(want), "{name}: {error}");
        }
        assert!(client(Roots::Only(&pem)).is_ok());
        assert!(client(Roots::Only("")).is_err());
    }
}

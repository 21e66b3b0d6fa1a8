//! The settings of an integration's tunnels: certificate, versions, ciphers.

use std::sync::Arc;

use proto::config::{CipherSuite, Eap, TlsVersion};
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Makes them.
///
/// # Errors
/// [`TlsFault`]: what cannot be served.
pub(crate) fn settings(eap: &Eap) -> Result<Arc<ServerConfig>, TlsFault> {
    let certificates = CertificateDer::pem_slice_iter(eap.certificates.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsFault::Certificates)?;
    if certificates.is_empty() {
        return Err(TlsFault::Certificates);
    }
    let key = PrivateKeyDer::from_pem_slice(eap.private_key.expose().as_bytes())
        .map_err(|_| TlsFault::Key)?;
    let mut provider = ring::default_provider();
    if !eap.cipher_suites.is_empty() {
        // In the order of preference that the administrator wrote.
        provider.cipher_suites = eap
            .cipher_suites
            .iter()
            .filter_map(|wanted| suite(*wanted))
            .collect();
    }
    let provider = Arc::new(provider);
    let versions: &[&SupportedProtocolVersion] = match eap.minimum_tls {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(TlsFault::Refused)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(TlsFault::Refused)?;
    // The administrator's order counts, where there is one.
    config.ignore_client_order = !eap.cipher_suites.is_empty();
    // A tunnel that is taken up again proves an old login: each has to prove its own.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The library's suite of a name.
fn suite(wanted: CipherSuite) -> Option<SupportedCipherSuite> {
    let name = wanted.as_str().strip_prefix("TLS_")?;
    ring::ALL_CIPHER_SUITES
        .iter()
        .copied()
        // It writes the version in front of those of TLS 1.3.
        .find(|one| {
            one.suite().as_str().is_some_and(|theirs| {
                let theirs = theirs
                    .strip_prefix("TLS13_")
                    .or_else(|| theirs.strip_prefix("TLS_"));
                theirs == Some(name)
            })
        })
}

/// Why there can be no tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    /// They cannot be read, or there is none.
    #[error("the certificates cannot be read")]
    Certificates,
    /// It cannot be read.
    #[error("the private key cannot be read")]
    Key,
    /// The library refuses them: the key is another one, or the ciphers leave nothing.
    #[error("certificate, key and ciphers do not go together")]
    Refused(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_one_of_the_librarys() {
        for wanted in CipherSuite::ALL {
            let found = suite(*wanted).unwrap();
            let name = found.suite().as_str().unwrap().replace("TLS13_", "TLS_");
            assert_eq!(name, wanted.as_str());
        }
        assert_eq!(CipherSuite::ALL.len(), ring::ALL_CIPHER_SUITES.len());
    }
}

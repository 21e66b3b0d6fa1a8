//! Whom a directory's certificate must name, and who must have signed it.

use std::net::IpAddr;
use std::sync::Arc;

use proto::config::Directory as Settings;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::primary::BuildError;

/// The trust roots of one authenticator.
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    check: NameCheck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameCheck {
    Verify,
    Skip,
}

impl Trust {
    /// Takes `ssl_ca_certs_file`, or else the system's roots.
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let roots = match &settings.ca_certs {
            Some(pem) => named_roots(pem)?,
            None => system_roots()?,
        };
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| BuildError::CaCerts {
                    detail: error.to_string(),
                })?;
        Ok(Self {
            provider,
            verifier,
            check: if settings.verify_hostname {
                NameCheck::Verify
            } else {
                NameCheck::Skip
            },
        })
    }

    /// The TLS settings for one host.
    pub(super) fn config(&self, host: &str) -> Result<Arc<ClientConfig>, BuildError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| BuildError::HostName {
            host: host.to_owned(),
        })?;
        let verifier = Verifier {
            chain: Arc::clone(&self.verifier),
            name,
            check: self.check,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(BuildError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // RFC 6066 section 3: no address in the server name.
        config.enable_sni = host.parse::<IpAddr>().is_err();
        Ok(Arc::new(config))
    }
}

/// Checks the chain always, and the configured name unless `ssl_verify_hostname=false`.
///
/// The name is its own, not the one the connection was opened with: the LDAP library cannot be
/// told an IPv6 address.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
    check: NameCheck,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            &self.name,
            ocsp_response,
            now,
        );
        match verdict {
            // The name is looked at after everything else, so this is the only fault.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == NameCheck::Skip => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// What is wrong with a certificate, and what to do about it.
pub(super) fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the directory's certificate has expired; renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the directory's certificate is not valid yet; check both clocks".to_owned()
        }
        // A CA that was made anew under its old name shows as a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the directory's certificate was signed by a CA that \
             is not trusted; put that CA's certificate into ssl_ca_certs_file"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "the directory's certificate names no host (it has no subjectAltName); issue one that \
             names the host"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "the directory's certificate is for other names ({}); use one of them as host, or set \
             ssl_verify_hostname=false",
            super::answer::diagnostic(&presented.join(", "))
        ),
        CertificateError::NotValidForName => {
            "the directory's certificate is for another name".to_owned()
        }
        other => format!("the directory's certificate cannot be used: {other}"),
    }
}

fn named_roots(pem: &str) -> Result<RootCertStore, BuildError> {
    let refuse = |detail: String| BuildError::CaCerts { detail };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    // Some systems carry one or two that cannot be read; the others serve.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(BuildError::NoSystemRoots);
    }
    Ok(roots)
}

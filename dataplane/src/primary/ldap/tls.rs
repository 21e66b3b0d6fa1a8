//! Whom a directory's certificate must name, and who must have signed it.

use std::net::IpAddr;
use std::sync::Arc;

use proto::config::Directory as Settings;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate;
use crate::primary::BuildError;

/// The trust roots of one authenticator.
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    chain: Arc<WebPkiServerVerifier>,
    check: NameCheck,
}

/// Whether a certificate must name the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameCheck {
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
        let check = if settings.verify_hostname {
            NameCheck::Verify
        } else {
            NameCheck::Skip
        };
        Self::of(roots, check)
    }

    /// Takes these roots.
    pub(super) fn of(roots: RootCertStore, check: NameCheck) -> Result<Self, BuildError> {
        let provider = Arc::new(ring::default_provider());
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| BuildError::CaCerts {
                    detail: error.to_string(),
                })?;
        Ok(Self {
            provider,
            chain,
            check,
        })
    }

    /// The TLS settings for one host.
    pub(super) fn config(&self, host: &str) -> Result<Arc<ClientConfig>, BuildError> {
        let verifier = self.verifier(host)?;
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

    /// What looks at the certificate of one host.
    pub(super) fn verifier(&self, host: &str) -> Result<Verifier, BuildError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| BuildError::HostName {
            host: host.to_owned(),
        })?;
        Ok(Verifier {
            chain: Arc::clone(&self.chain),
            name,
            check: self.check,
        })
    }
}

/// Checks the chain always, and the configured name unless `ssl_verify_hostname=false`.
///
/// The name is its own, not the one that the connection was opened with.
#[derive(Debug)]
pub(super) struct Verifier {
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
            // Afterwards nobody knows which certificate it was.
            Err(Error::InvalidCertificate(error)) => {
                let host = self.name.to_str();
                let explained = Explained(certificate::explain(
                    &error,
                    end_entity,
                    intermediates,
                    &host,
                ));
                Err(CertificateError::Other(OtherError(Arc::new(explained))).into())
            }
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

/// A fault of a certificate in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Explained(String);

/// What is wrong with a certificate, and what to do about it.
pub(super) fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(OtherError(explained)) => explained.to_string(),
        // What is left comes of the handshake itself.
        other => format!("the directory does not prove that its certificate is its own: {other}"),
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

//! The client's settings of a tunnel: versions, and which certificates are trusted.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use super::certificate::Certificate;
use super::{Settings, SettingsError};

/// The versions of TLS that a supplicant offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsChoice {
    /// Both, and the server takes the newer.
    Any,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// Whom a supplicant trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The certificates of its CAs, PEM.
    pub authorities: String,
    /// The name or address that the certificate must be for; none: any.
    pub server_name: Option<String>,
}

/// What comes of them. The certificate that is shown is left in `shown`.
pub(super) fn config(
    settings: &Settings,
    shown: Arc<Mutex<Option<Certificate>>>,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), SettingsError> {
    let provider = Arc::new(ring::default_provider());
    let mut verifier = Verifier {
        provider: Arc::clone(&provider),
        roots: None,
        name: None,
        shown,
    };
    if let Some(trust) = &settings.trust {
        let mut roots = RootCertStore::empty();
        for one in CertificateDer::pem_slice_iter(trust.authorities.as_bytes()) {
            let one = one.map_err(|_| SettingsError::Authorities)?;
            roots.add(one).map_err(|_| SettingsError::Authorities)?;
        }
        if roots.is_empty() {
            return Err(SettingsError::Authorities);
        }
        verifier.roots = Some(roots);
        verifier.name = match trust.server_name.clone() {
            Some(name) => Some(ServerName::try_from(name).map_err(|_| SettingsError::ServerName)?),
            None => None,
        };
    }
    let versions: &[&SupportedProtocolVersion] = match settings.tls {
        TlsChoice::Any => &[&TLS13, &TLS12],
        TlsChoice::Only12 => &[&TLS12],
        TlsChoice::Only13 => &[&TLS13],
    };
    // What stands for a name where there is none: it is said to nobody and held against nothing.
    let name = match &verifier.name {
        Some(name) => name.clone(),
        None => ServerName::try_from("any.invalid").map_err(|_| SettingsError::ServerName)?,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(SettingsError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    // A supplicant reaches its server by no name.
    config.enable_sni = false;
    Ok((Arc::new(config), name))
}

/// Trusts as a supplicant does, and remembers what was shown.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// None: everybody.
    roots: Option<RootCertStore>,
    /// None: any.
    name: Option<ServerName<'static>>,
    shown: Arc<Mutex<Option<Certificate>>>,
}

impl Verifier {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<bool, Error> {
        let Some(roots) = &self.roots else {
            return Ok(false);
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let known = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, known)?;
        if let Some(name) = &self.name {
            verify_server_name(&parsed, name)?;
        }
        Ok(true)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verify(end_entity, intermediates, now);
        let mut certificate = Certificate::read(end_entity, intermediates.len());
        certificate.verified = *verified.as_ref().unwrap_or(&false);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(certificate);
        verified.map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

//! The node's side of TLS: keys, requests, and whom it trusts.

use std::sync::Arc;

use proto::secret::Secret;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::{JoinError, KeptJoin};

/// A key, as PEM text, and a request for it. What the node is called is decided elsewhere.
pub(super) fn key_and_request() -> Result<(Secret<String>, String), JoinError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(JoinError::Key)?;
    Ok((Secret::new(key.serialize_pem()), request(&key)?))
}

/// A request for a key that was made before.
pub(super) fn request_of(key: &Secret<String>) -> Result<String, JoinError> {
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key.expose(), &PKCS_ECDSA_P256_SHA256);
    request(&key.map_err(JoinError::Key)?)
}

fn request(key: &KeyPair) -> Result<String, JoinError> {
    CertificateParams::default()
        .serialize_request(key)
        .and_then(|request| request.pem())
        .map_err(JoinError::Key)
}

/// How a control plane is spoken to that was joined: it is trusted by its authority, and shown the
/// node's certificate.
pub(super) fn config(joined: &KeptJoin) -> Result<ClientConfig, JoinError> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&joined.authority)?)?;
    let key = PrivateKeyDer::from_pem_slice(joined.key.expose().as_bytes())
        .map_err(|_| JoinError::Answer)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(&joined.certificate)?], key)?;
    Ok(config)
}

/// How one is spoken to of which the digest of the authority is known, and nothing else.
pub(super) fn pinned(pin: [u8; 32]) -> Result<ClientConfig, JoinError> {
    let provider = Arc::new(default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
        .with_no_client_auth();
    config.alpn_protocols = vec![proto::join::JOIN_PROTOCOL.to_vec()];
    Ok(config)
}

/// SHA-256 of a certificate in PEM text.
pub(super) fn pin_of(pem: &str) -> Result<[u8; 32], JoinError> {
    Ok(digest(&certificate(pem)?))
}

pub(super) fn certificate(pem: &str) -> Result<CertificateDer<'static>, JoinError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| JoinError::Answer)
}

fn digest(der: &CertificateDer<'_>) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Trusts the authority with this digest, which the server sends along, and whom it signed.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut sent = intermediates.iter();
        let authority = sent.find(|one| digest(one) == self.pin);
        let authority = authority.ok_or_else(|| unknown.clone())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| unknown)?
            .verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
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
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

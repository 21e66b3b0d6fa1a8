//! The client's end of a tunnel: rustls without a socket.

use std::{
    io::{ErrorKind, Read, Write},
    sync::{Arc, Mutex},
};

use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error,
    HandshakeKind, ProtocolVersion, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::Supplicant;

/// The versions of TLS that a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRange {
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
    /// Both.
    Both,
}

impl TlsRange {
    fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Only12 => vec![&TLS12],
            Self::Only13 => vec![&TLS13],
            Self::Both => vec![&TLS13, &TLS12],
        }
    }
}

/// Whom a peer trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// This authority, PEM, and the name [`Supplicant::server_name`].
    Authority(String),
    /// Everybody.
    Anybody,
}

/// Octets of the keys that a tunnel gives: MSK 64, EMSK 64.
pub(super) const KEYING: usize = 128;

/// One tunnel.
#[derive(Debug)]
pub(super) struct Tls {
    connection: ClientConnection,
    chain: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tls {
    pub(super) fn new(supplicant: &Supplicant) -> Self {
        let mut provider = ring::default_provider();
        if let Some(wanted) = &supplicant.suites {
            provider
                .cipher_suites
                .retain(|suite| wanted.contains(&suite.suite()));
        }
        let provider = Arc::new(provider);
        let chain = Arc::default();
        let verifier = Recorder {
            verifier: match &supplicant.trust {
                Trust::Authority(pem) => Some(authority(pem, &provider)),
                Trust::Anybody => None,
            },
            provider: Arc::clone(&provider),
            chain: Arc::clone(&chain),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&supplicant.tls.versions())
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = supplicant.memory.clone();
        let name = ServerName::try_from(supplicant.server_name.clone()).unwrap();
        Self {
            connection: ClientConnection::new(Arc::new(config), name).unwrap(),
            chain,
        }
    }

    /// Takes a whole message. After an error [`Tls::drain`] may still have an alert.
    pub(super) fn feed(&mut self, message: &[u8]) -> Result<(), Error> {
        let mut rest = message;
        while !rest.is_empty() {
            let before = rest.len();
            self.connection.read_tls(&mut rest).unwrap();
            self.connection.process_new_packets()?;
            if rest.len() == before {
                return Err(Error::General("it takes no more".to_owned()));
            }
        }
        Ok(())
    }

    /// What is to be sent.
    pub(super) fn drain(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut message).unwrap();
        }
        message
    }

    /// Whether there is a tunnel.
    pub(super) fn is_there(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// What came through the tunnel.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut clear = Vec::new();
        match self.connection.reader().read_to_end(&mut clear) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("reading from the tunnel: {error}"),
        }
        clear
    }

    /// Sends something through it.
    pub(super) fn write(&mut self, clear: &[u8]) -> Vec<u8> {
        self.connection.writer().write_all(clear).unwrap();
        self.drain()
    }

    /// The keys for a label of TLS 1.2 or, with TLS 1.3, for the type of the method (RFC 9427
    /// section 2.1).
    pub(super) fn keys(&self, label: &[u8], kind: u8) -> [u8; KEYING] {
        let keys = [0; KEYING];
        let exported = match self.version() {
            Some(ProtocolVersion::TLSv1_3) => self.connection.export_keying_material(
                keys,
                b"EXPORTER_EAP_TLS_Key_Material",
                Some(&[kind]),
            ),
            _ => self.connection.export_keying_material(keys, label, None),
        };
        exported.unwrap()
    }

    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.connection.protocol_version()
    }

    pub(super) fn suite(&self) -> Option<CipherSuite> {
        let suite = self.connection.negotiated_cipher_suite();
        suite.map(|suite| suite.suite())
    }

    pub(super) fn resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The certificates that the server showed, DER, its own first.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.lock().unwrap().clone()
    }
}

fn authority(pem: &str, provider: &Arc<CryptoProvider>) -> Arc<WebPkiServerVerifier> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .unwrap()
}

/// Remembers what was shown, trusted or not.
#[derive(Debug)]
struct Recorder {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    chain: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = [end_entity].into_iter().chain(intermediates);
        *self.chain.lock().unwrap() = shown.map(|one| one.to_vec()).collect();
        match &self.verifier {
            Some(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

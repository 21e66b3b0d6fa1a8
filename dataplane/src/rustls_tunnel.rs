//! TLS for EAP: rustls as an engine that is fed octets and gives octets, at either end.

use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use proto::secret::Secret;
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Connection,
    ProtocolVersion, ServerConfig, ServerConnection,
};

use crate::eap::tunnel::{KEYING_OCTETS, KeyingMaterial, Tunnel, TunnelError, TunnelVersion};

/// One end of a connection.
pub(crate) struct RustlsTunnel {
    connection: Box<Connection>,
}

impl RustlsTunnel {
    /// The server's end: waits for a client's first message.
    ///
    /// # Errors
    /// The library refuses its settings: a fault of ours, since they were checked when they came.
    pub(crate) fn new(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let connection = ServerConnection::new(Arc::clone(config))?;
        Ok(Self::of(Connection::Server(connection)))
    }

    /// The client's end: its first message is there to be drained.
    ///
    /// # Errors
    /// The library refuses its settings.
    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(config, name)?;
        Ok(Self::of(Connection::Client(connection)))
    }

    fn of(connection: Connection) -> Self {
        let mut connection = Box::new(connection);
        // What is said at a time fits into one message; more than that is hostile.
        connection.set_buffer_limit(Some(BUFFER_OCTETS));
        Self { connection }
    }

    /// What went wrong, and what is likely to help.
    fn said(&self, error: &rustls::Error) -> TunnelError {
        TunnelError(match &*self.connection {
            Connection::Server(_) => said_of_client(error),
            Connection::Client(_) => said_of_server(error),
        })
    }
}

impl Tunnel for RustlsTunnel {
    fn feed(&mut self, message: &[u8]) -> Result<(), TunnelError> {
        let mut rest = message;
        while !rest.is_empty() {
            // Reads from memory, which only ends or is refused.
            let taken = self
                .connection
                .read_tls(&mut rest)
                .map_err(|error| TunnelError(format!("TLS: {error}")))?;
            if taken == 0 {
                return Err(TunnelError("TLS: it goes on after its close".to_owned()));
            }
            self.connection
                .process_new_packets()
                .map_err(|error| self.said(&error))?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        while self.connection.wants_write() {
            // Writing into memory cannot fail.
            if !matches!(self.connection.write_tls(&mut written), Ok(1..)) {
                break;
            }
        }
        written
    }

    fn has_answered(&self) -> bool {
        match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => {
                self.connection.negotiated_key_exchange_group().is_some()
            }
            version => version.is_some(),
        }
    }

    fn established(&self) -> Option<TunnelVersion> {
        if self.connection.is_handshaking() {
            return None;
        }
        match self.connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some(TunnelVersion::Tls12),
            ProtocolVersion::TLSv1_3 => Some(TunnelVersion::Tls13),
            _ => None,
        }
    }

    fn read(&mut self) -> Secret<Vec<u8>> {
        let mut clear = Vec::with_capacity(TYPICAL_OCTETS);
        let mut chunk = zeroize::Zeroizing::new([0; TYPICAL_OCTETS]);
        loop {
            match self.connection.reader().read(&mut *chunk) {
                Ok(0) => break,
                Ok(octets) => clear.extend_from_slice(chunk.get(..octets).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // No more for now, or closed.
                Err(_) => break,
            }
        }
        Secret::new(clear)
    }

    fn write(&mut self, clear: &[u8]) {
        // Buffered in memory; what is over the bound is a fault that the peer's silence shows.
        if self.connection.writer().write_all(clear).is_err() {
            tracing::error!(octets = clear.len(), "a message is too long for its tunnel");
        }
    }

    fn export(&self, label: &[u8], context: Option<&[u8]>) -> Option<KeyingMaterial> {
        let mut keys = [0; KEYING_OCTETS];
        self.connection
            .export_keying_material(&mut keys, label, context)
            .ok()?;
        Some(Secret::new(keys))
    }
}

/// What went wrong with a client.
fn said_of_client(error: &rustls::Error) -> String {
    use rustls::Error::{AlertReceived, PeerIncompatible};
    match error {
        AlertReceived(AlertDescription::UnknownCA | AlertDescription::BadCertificate) => {
            "the supplicant does not trust the certificate: give it the CA that signed it"
                .to_owned()
        }
        AlertReceived(AlertDescription::CertificateExpired) => {
            "the supplicant says that the certificate has expired".to_owned()
        }
        AlertReceived(AlertDescription::InternalError) => {
            "the supplicant ended TLS with the alert InternalError: mostly the certificate has another \
             name than it was told to expect (domain_match)"
                .to_owned()
        }
        AlertReceived(AlertDescription::AccessDenied) => {
            "the supplicant ended TLS with the alert AccessDenied: somebody was asked there whether to \
             trust the certificate, and did not"
                .to_owned()
        }
        AlertReceived(AlertDescription::DecryptError) => {
            "the supplicant ended TLS with the alert DecryptError: mostly its CA has the right name and \
             another key: give it the CA that signed the certificate"
                .to_owned()
        }
        AlertReceived(alert) => format!("the supplicant ended TLS with the alert {alert:?}"),
        PeerIncompatible(what) => format!(
            "the supplicant has no TLS in common with us ({what:?}): it needs 1.2 with ECDHE and AEAD, \
             or 1.3"
        ),
        error => format!("TLS: {error}"),
    }
}

/// What went wrong with a server.
fn said_of_server(error: &rustls::Error) -> String {
    use rustls::Error::{AlertReceived, InvalidCertificate, PeerIncompatible};
    match error {
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the certificate is not trusted: the CA did not sign it, or an intermediate certificate is \
             missing in the chain"
                .to_owned()
        }
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the certificate is for another name".to_owned(),
        InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the certificate has expired".to_owned(),
        InvalidCertificate(what) => format!("the certificate is not trusted: {what}"),
        AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        )
        | PeerIncompatible(_) => {
            format!("no TLS in common with the server: {error}")
        }
        AlertReceived(alert) => format!("the server ended TLS with the alert {alert:?}"),
        error => format!("TLS: {error}"),
    }
}

impl fmt::Debug for RustlsTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tunnel, {:?}", self.established())
    }
}

/// Clear octets kept before they are sent, and of the peer before they are read.
const BUFFER_OCTETS: usize = 65_536;
/// A password or a prompt.
const TYPICAL_OCTETS: usize = 512;

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version,
    };

    use super::*;

    fn server() -> RustlsTunnel {
        let issued = rcgen::generate_simple_self_signed(["radius.test".to_owned()]).unwrap();
        let key = issued.signing_key.serialize_pem();
        let chain = CertificateDer::from_pem_slice(issued.cert.pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![chain],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        RustlsTunnel::new(&Arc::new(config)).unwrap()
    }

    fn hello(version: &'static SupportedProtocolVersion) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = "radius.test".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    /// The same without a share of a key, so that the server asks for one (RFC 8446 section 4.1.2).
    fn without_share(hello: &[u8]) -> Vec<u8> {
        let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        // Record, handshake, version, random; session id, cipher suites, compression.
        let mut at = 5 + 4 + 2 + 32;
        at += 1 + usize::from(hello[at]);
        at += 2 + length(at);
        at += 1 + usize::from(hello[at]);
        let (mut from, mut extensions) = (at + 2, Vec::new());
        while from < hello.len() {
            let to = from + 4 + length(from + 2);
            match hello[from..from + 2] {
                [0, 51] => extensions.extend([0, 51, 0, 2, 0, 0]),
                _ => extensions.extend(&hello[from..to]),
            }
            from = to;
        }
        let octets = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let body = [&hello[9..at], &octets(extensions.len()), &extensions].concat();
        let message = [&[1, 0][..], &octets(body.len()), &body].concat();
        [&[22, 3, 1][..], &octets(message.len()), &message].concat()
    }

    #[test]
    fn a_wish_for_another_hello_is_no_answer_yet() {
        for (name, hello, want) in [
            ("1.2", hello(&version::TLS12), true),
            ("1.3", hello(&version::TLS13), true),
            ("no share", without_share(&hello(&version::TLS13)), false),
        ] {
            let mut tunnel = server();
            assert!(!tunnel.has_answered(), "{name}");
            tunnel.feed(&hello).unwrap();
            let said = tunnel.drain();
            assert!(!said.is_empty(), "{name}");
            assert_eq!(tunnel.has_answered(), want, "{name}: {} octets", said.len());
        }
    }
}

//! What a method sees of TLS: octets in, octets out.

use std::fmt;

use proto::secret::Secret;

/// The server's end of a TLS connection that is carried in EAP packets.
pub(crate) trait Tunnel: fmt::Debug + Send {
    /// Takes a message of the peer: whole records.
    ///
    /// # Errors
    /// The connection is over. [`Tunnel::drain`] may still have an alert for the peer.
    fn feed(&mut self, message: &[u8]) -> Result<(), TunnelError>;

    /// What is to be sent; empty when there is nothing.
    fn drain(&mut self) -> Vec<u8>;

    /// Whether our side of the handshake was said, which is what costs: more than that the peer should
    /// begin again (RFC 8446 section 4.1.4).
    fn has_answered(&self) -> bool {
        true
    }

    /// Which version, once the handshake is over.
    fn established(&self) -> Option<TunnelVersion>;

    /// What the peer has said through the tunnel since the last time; empty when nothing.
    fn read(&mut self) -> Secret<Vec<u8>>;

    /// Says something through the tunnel, for [`Tunnel::drain`].
    fn write(&mut self, clear: &[u8]);

    /// Keying material (RFC 5705). None before the end of the handshake.
    fn export(&self, label: &[u8], context: Option<&[u8]>) -> Option<KeyingMaterial>;
}

/// TLS 1.2 or 1.3: they end their handshakes and derive keys in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TunnelVersion {
    Tls12,
    Tls13,
}

/// MSK and EMSK: 64 octets each (RFC 5216 section 2.3).
pub(crate) type KeyingMaterial = Secret<[u8; KEYING_OCTETS]>;

pub(crate) const KEYING_OCTETS: usize = 128;

/// Why a tunnel ended: what the peer's alert says, or what is wrong with what it sent. For a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TunnelError(pub(crate) String);

//! Why a supplicant does not go on.

use crate::eap::framing::BadFraming;
use crate::eap::packet::MalformedEap;
use crate::eap::tunnel::TunnelError;

/// What is wrong with a server, or with what it is to be told. For a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerFault {
    /// It is no EAP packet.
    #[error(transparent)]
    Malformed(#[from] MalformedEap),
    /// TLS ended: the certificate may not be trusted.
    #[error(transparent)]
    Tls(#[from] TunnelError),
    /// The method's framing makes no sense.
    #[error(transparent)]
    Framing(#[from] BadFraming),
    /// It changes the version.
    #[error("the server goes on with version {0} of the method, which was not agreed on")]
    Version(u8),
    /// It does not keep to the method.
    #[error("the server does not keep to the method: {0}")]
    Outer(&'static str),
    /// It does not keep to the method inside the tunnel.
    #[error("inside the tunnel the server does not keep to the method: {0}")]
    Inner(&'static str),
    /// It is not the other end of the tunnel.
    #[error("the server cannot prove to be the other end of the tunnel")]
    Binding,
    /// What was typed is longer than an answer.
    #[error("an answer has at most {0} octets")]
    Typed(usize),
    /// There was no end to it.
    #[error("the conversation went on for more than {0} rounds")]
    Rounds(u32),
}

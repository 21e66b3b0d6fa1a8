//! Why an EAP conversation fails.

use std::fmt::Write;

use proto::event::Reason;

use super::framing::BadFraming;
use super::packet::EapType;
use super::tunnel::TunnelError;

/// Why a conversation cannot go on. For the timeline; a supplicant sees no more than the failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EapFault {
    /// The peer wants none of our methods.
    #[error("the supplicant wants {wanted}; set it to PEAP with GTC, or to TTLS with PAP or GTC")]
    NoMethod {
        /// The methods it names.
        wanted: String,
    },
    /// Within the tunnel it wants none of our methods.
    #[error("inside the tunnel the supplicant wants {wanted}; set its inner method to {remedy}")]
    NoInnerMethod {
        /// The methods it names.
        wanted: String,
        /// Those there are.
        remedy: &'static str,
    },
    /// TLS ended.
    #[error("{0}")]
    Tls(#[from] TunnelError),
    /// The method's framing makes no sense.
    #[error("{0}")]
    Framing(#[from] BadFraming),
    /// It answers with a version that was not offered, or changes it.
    #[error("the supplicant answers with version {0} of the method, which was not agreed on")]
    Version(u8),
    /// It does not keep to the method.
    #[error("the supplicant does not keep to the method: {0}")]
    Outer(&'static str),
    /// It does not keep to the method inside the tunnel.
    #[error("inside the tunnel the supplicant does not keep to the method: {0}")]
    Inner(&'static str),
    /// A name that is none.
    #[error(
        "the name that the supplicant gives is not valid UTF-8, has a control character, or is \
         longer than 253 octets"
    )]
    Identity,
    /// It does not believe the result, or could not prove that both ends of the tunnel are one.
    #[error("the supplicant refused the end of the conversation: {0}")]
    Result(&'static str),
    /// There was no end to it.
    #[error("the conversation went on for more than {0} rounds")]
    Rounds(u32),
}

impl EapFault {
    /// The peer refused a method and named others (RFC 3748 section 5.3.1).
    pub(super) fn wants(named: &[u8], inner: bool) -> Self {
        let mut wanted = String::new();
        for kind in named.iter().filter(|kind| **kind != 0).take(SHOWN_METHODS) {
            let between = if wanted.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(wanted, "{between}{}", EapType(*kind));
        }
        if wanted.is_empty() {
            wanted.push_str("another method and names none");
        }
        match inner {
            true => Self::NoInnerMethod {
                wanted,
                remedy: "GTC",
            },
            false => Self::NoMethod { wanted },
        }
    }

    /// For events and metrics.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::NoMethod { .. } | Self::NoInnerMethod { .. } => Reason::UnsupportedMethod,
            _ => Reason::EapFailed,
        }
    }
}

/// How many of a peer's methods a sentence names.
const SHOWN_METHODS: usize = 8;

//! A packet read in place: parsed once, then its accessors cannot fail.

use std::borrow::Cow;
use std::fmt;

use proto::config::AttributeRef;

use crate::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Attributes, Authenticator, Code, HEADER_OCTETS,
    MAX_PACKET_OCTETS,
};

/// A RADIUS packet with sound framing, borrowed from the datagram it came in.
///
/// Nothing in it is authentic yet: see [`verify_request`](crate::radius::verify_request) and
/// [`verify_response`](crate::radius::verify_response). `Debug` shows no attribute.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    code: Code,
    identifier: u8,
    authenticator: &'a Authenticator,
    octets: &'a [u8],
    attributes: &'a [u8],
    pub(super) marks: Marks,
}

/// What was noticed while the framing was checked, so that verification walks nothing again.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    /// Message-Authenticator attributes.
    pub(super) message_authenticators: usize,
    /// Where the value of the last of them begins in the packet.
    pub(super) slot: usize,
    /// Octets of its value.
    pub(super) slot_octets: usize,
    /// Whether there is an EAP-Message.
    pub(super) eap: bool,
    /// Whether there is a Proxy-State.
    pub(super) proxy_state: bool,
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Octets after the length that the header tells are padding (RFC 2865
    /// section 3) and no part of the packet.
    ///
    /// # Errors
    /// Says what is wrong with the framing; such a datagram is discarded.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let octets = datagram.len();
        let Some(([code, identifier, high, low], rest)) = datagram.split_first_chunk() else {
            return Err(DecodeError::ShortDatagram { octets });
        };
        let Some((authenticator, _)) = rest.split_first_chunk::<AUTHENTICATOR_OCTETS>() else {
            return Err(DecodeError::ShortDatagram { octets });
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < HEADER_OCTETS {
            return Err(DecodeError::LengthTooSmall { length });
        }
        if length > MAX_PACKET_OCTETS {
            return Err(DecodeError::LengthTooLarge { length });
        }
        let Some(whole) = datagram.get(..length) else {
            return Err(DecodeError::LengthPastEnd { length, octets });
        };
        let attributes = whole.get(HEADER_OCTETS..).unwrap_or_default();

        let mut marks = Marks::default();
        let mut walk = Attributes::new(attributes);
        while let Some(attribute) = walk.read()? {
            match attribute.kind {
                AttributeType::MESSAGE_AUTHENTICATOR => {
                    marks.message_authenticators += 1;
                    marks.slot_octets = attribute.value.len();
                    marks.slot = HEADER_OCTETS + walk.offset() - attribute.value.len();
                }
                AttributeType::EAP_MESSAGE => marks.eap = true,
                AttributeType::PROXY_STATE => marks.proxy_state = true,
                _ => {}
            }
        }
        Ok(Self {
            code: Code(*code),
            identifier: *identifier,
            authenticator,
            octets: whole,
            attributes,
            marks,
        })
    }

    /// What the packet is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The octet that pairs an answer with its request.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        self.identifier
    }

    /// The Request or Response Authenticator.
    #[must_use]
    pub const fn authenticator(&self) -> &'a Authenticator {
        self.authenticator
    }

    /// The whole packet without padding: 20 to 4096 octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Every attribute, in order.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes)
    }

    /// The first value of a type; none when there is no such attribute.
    #[must_use]
    pub fn first(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    /// Every value of a type, in order.
    pub fn all(&self, kind: AttributeType) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.attributes()
            .filter(move |attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// The first value of a vendor's type; none when there is no such sub-attribute.
    #[must_use]
    pub fn first_vendor(&self, vendor: u32, number: u8) -> Option<&'a [u8]> {
        self.all_vendor(vendor, number).next()
    }

    /// Every value of a vendor's type, in order.
    pub fn all_vendor(&self, vendor: u32, number: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.attributes()
            .filter_map(|attribute| attribute.vendor())
            .filter(move |attributes| attributes.vendor() == vendor)
            .flatten()
            .filter(move |attribute| attribute.number == number)
            .map(|attribute| attribute.value)
    }

    /// The first value of a configured attribute, standard or of a vendor.
    #[must_use]
    pub fn lookup(&self, attribute: &AttributeRef) -> Option<&'a [u8]> {
        match attribute.vendor {
            Some(vendor) => self.first_vendor(vendor, attribute.number),
            None => self.first(AttributeType(attribute.number)),
        }
    }

    /// The EAP packet: the values of all EAP-Message attributes, joined in order (RFC 3579
    /// section 3.1). None when there is none; borrowed when there is one.
    #[must_use]
    pub fn eap_message(&self) -> Option<Cow<'a, [u8]>> {
        if !self.marks.eap {
            return None;
        }
        let mut values = self.all(AttributeType::EAP_MESSAGE);
        let mut joined = Cow::Borrowed(values.next()?);
        for value in values {
            joined.to_mut().extend_from_slice(value);
        }
        Some(joined)
    }

    /// Whether it has an EAP-Message.
    #[must_use]
    pub const fn has_eap(&self) -> bool {
        self.marks.eap
    }

    /// Whether it has a Message-Authenticator, verified or not: what tells that a client is ready
    /// for `message_authenticator=require`.
    #[must_use]
    pub const fn has_message_authenticator(&self) -> bool {
        self.marks.message_authenticators > 0
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            identifier,
            octets,
            ..
        } = self;
        write!(f, "{code}, id {identifier}, {} octets", octets.len())
    }
}

/// Why a datagram is no RADIUS packet. Offsets count from the end of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not even a header.
    #[error("datagram of {octets} octets is shorter than a header")]
    ShortDatagram {
        /// What came.
        octets: usize,
    },
    /// The length field is under 20.
    #[error("length field {length} is less than a header")]
    LengthTooSmall {
        /// What the header tells.
        length: usize,
    },
    /// The length field is over 4096.
    #[error("length field {length} is over the limit")]
    LengthTooLarge {
        /// What the header tells.
        length: usize,
    },
    /// The length field is over the datagram's.
    #[error("length field {length} is over the datagram of {octets} octets")]
    LengthPastEnd {
        /// What the header tells.
        length: usize,
        /// What came.
        octets: usize,
    },
    /// One octet is left where an attribute should begin.
    #[error("attribute at {offset} has no length")]
    AttributeCut {
        /// Where it begins.
        offset: usize,
    },
    /// An attribute's length is 0 or 1.
    #[error("attribute at {offset} has the impossible length {length}")]
    AttributeLength {
        /// Where it begins.
        offset: usize,
        /// 0 or 1.
        length: usize,
    },
    /// An attribute is longer than what is left.
    #[error("attribute at {offset} has length {length} where {left} octets are left")]
    AttributePastEnd {
        /// Where it begins.
        offset: usize,
        /// What it tells.
        length: usize,
        /// What there is, its type and length included.
        left: usize,
    },
}

impl DecodeError {
    /// The label of the metric.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ShortDatagram { .. } => "short_datagram",
            Self::LengthTooSmall { .. } => "length_too_small",
            Self::LengthTooLarge { .. } => "length_too_large",
            Self::LengthPastEnd { .. } => "length_past_end",
            Self::AttributeCut { .. } => "attribute_cut",
            Self::AttributeLength { .. } => "attribute_length",
            Self::AttributePastEnd { .. } => "attribute_past_end",
        }
    }
}

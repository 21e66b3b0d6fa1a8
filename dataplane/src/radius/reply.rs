//! Answers: Message-Authenticator first, Proxy-State last, both authenticators right.

use std::fmt;

use crate::radius::buffer::{Buffer, SLOT, put};
use crate::radius::verify::{message_authenticator, split_header};
use crate::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Authenticator, Code, EncodeError, HEADER_OCTETS,
    MAX_PACKET_OCTETS, MAX_VALUE_OCTETS, Packet, SharedSecret,
};

/// What must be kept of a request so that it can be answered when its datagram is long gone.
#[derive(Clone)]
pub struct ReplyTo {
    code: Code,
    identifier: u8,
    authenticator: Authenticator,
    proxy_states: Box<[u8]>,
}

impl ReplyTo {
    /// Keeps what the answer to a request needs. Allocates only for Proxy-State.
    ///
    /// # Errors
    /// The Proxy-State would leave an answer no room.
    pub fn new(request: &Packet<'_>) -> Result<Self, ProxyStateTooLong> {
        let mut proxy_states = Vec::new();
        if request.marks.proxy_state {
            let values = || request.all(AttributeType::PROXY_STATE);
            let octets = values().map(|value| value.len() + 2).sum();
            if octets > MAX_PROXY_STATE_OCTETS {
                return Err(ProxyStateTooLong { octets });
            }
            proxy_states.reserve_exact(octets);
            for value in values() {
                let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
                proxy_states.extend_from_slice(&[AttributeType::PROXY_STATE.0, length]);
                proxy_states.extend_from_slice(value);
            }
        }
        Ok(Self {
            code: request.code(),
            identifier: request.identifier(),
            authenticator: *request.authenticator(),
            proxy_states: proxy_states.into(),
        })
    }

    /// The request's code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The request's identifier.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        self.identifier
    }

    /// The Request Authenticator.
    #[must_use]
    pub const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Octets that an answer has left beside a Message-Authenticator, a State of full length and the
    /// request's Proxy-State. At least one attribute of full length fits.
    #[must_use]
    pub const fn challenge_room(&self) -> usize {
        BESIDE_PROXY_STATE - ATTRIBUTE_OCTETS - self.proxy_states.len()
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, id {}", self.code, self.identifier)
    }
}

/// A request's Proxy-State is so long that no answer could carry it and say something too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proxy-state of {octets} octets leaves an answer no room")]
pub struct ProxyStateTooLong {
    /// Its octets, framing included.
    pub octets: usize,
}

/// Writes an answer into one buffer.
///
/// The Message-Authenticator is the first attribute; the request's Proxy-State comes last,
/// unchanged and in order, and its room is kept from the beginning. An attribute that does not
/// fit is refused and leaves the answer as it was.
pub struct ReplyBuilder<'a> {
    buffer: Buffer,
    to: &'a ReplyTo,
    secret: &'a SharedSecret,
}

impl<'a> ReplyBuilder<'a> {
    /// Begins an answer.
    #[must_use]
    pub fn new(code: Code, to: &'a ReplyTo, secret: &'a SharedSecret) -> Self {
        let tail = to.proxy_states.len();
        let buffer = Buffer::new(code, to.identifier, &to.authenticator, tail, RESERVED);
        Self { buffer, to, secret }
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// The value is over 253 octets, the packet is full, or the attribute is Message-Authenticator
    /// or Proxy-State, which are written here.
    pub fn attribute(
        &mut self,
        kind: AttributeType,
        value: &[u8],
    ) -> Result<&mut Self, EncodeError> {
        self.buffer.attribute(kind, value)?;
        Ok(self)
    }

    /// Adds a vendor's attribute in a Vendor-Specific of its own (RFC 2865 section 5.26).
    ///
    /// # Errors
    /// The value is over 247 octets, or the packet is full.
    pub fn vendor(
        &mut self,
        vendor: u32,
        number: u8,
        value: &[u8],
    ) -> Result<&mut Self, EncodeError> {
        self.buffer.vendor(vendor, number, value)?;
        Ok(self)
    }

    /// Adds attributes that are framed already: all of them, or none.
    ///
    /// # Errors
    /// The octets are no list of attributes, the packet is full, or a Message-Authenticator or
    /// Proxy-State is among them.
    pub fn raw(&mut self, framed: &[u8]) -> Result<&mut Self, EncodeError> {
        self.buffer.raw(framed)?;
        Ok(self)
    }

    /// Adds an EAP packet, in as many EAP-Message attributes as it needs (RFC 3579 section 3.1).
    ///
    /// # Errors
    /// The packet is full; part of the EAP packet may have been added then.
    pub fn eap_message(&mut self, eap: &[u8]) -> Result<&mut Self, EncodeError> {
        for chunk in eap.chunks(MAX_VALUE_OCTETS) {
            self.buffer.attribute(AttributeType::EAP_MESSAGE, chunk)?;
        }
        Ok(self)
    }

    /// Adds a text as one Reply-Message (RFC 2865 section 5.18), cut at 253 octets at a
    /// character. An empty text adds nothing: such an attribute must not be sent.
    ///
    /// # Errors
    /// The packet is full.
    pub fn reply_message(&mut self, text: &str) -> Result<&mut Self, EncodeError> {
        let (first, _) = split_text(text);
        if !first.is_empty() {
            self.buffer
                .attribute(AttributeType::REPLY_MESSAGE, first.as_bytes())?;
        }
        Ok(self)
    }

    /// Adds a text as several Reply-Message attributes of at most 253 octets, each cut at a
    /// character.
    ///
    /// # Errors
    /// The packet is full; part of the text has been added then.
    pub fn reply_messages_split(&mut self, text: &str) -> Result<&mut Self, EncodeError> {
        let mut rest = text;
        while !rest.is_empty() {
            let (first, tail) = split_text(rest);
            self.buffer
                .attribute(AttributeType::REPLY_MESSAGE, first.as_bytes())?;
            rest = tail;
        }
        Ok(self)
    }

    /// Adds the Proxy-State, computes the Message-Authenticator (RFC 3579 section 3.2: with the
    /// Request Authenticator in the header) and then the Response Authenticator (RFC 2865
    /// section 3).
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut octets = self.buffer.finish(&self.to.proxy_states);
        let mac = message_authenticator(&octets, &self.to.authenticator, SLOT, self.secret);
        put(&mut octets, SLOT, &mac);
        let (head, attributes) = split_header(&octets);
        let response = self
            .secret
            .digest_before(&[head, &self.to.authenticator, attributes]);
        put(&mut octets, HEADER_OCTETS - AUTHENTICATOR_OCTETS, &response);
        octets
    }
}

impl fmt::Debug for ReplyBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer to {:?}", self.to)
    }
}

/// As much text as one attribute holds, and the rest.
fn split_text(text: &str) -> (&str, &str) {
    text.split_at_checked(text.floor_char_boundary(MAX_VALUE_OCTETS))
        .unwrap_or((text, ""))
}

/// What header and Message-Authenticator leave of a packet.
const BESIDE_PROXY_STATE: usize = MAX_PACKET_OCTETS - HEADER_OCTETS - (AUTHENTICATOR_OCTETS + 2);

/// An attribute of full length.
const ATTRIBUTE_OCTETS: usize = MAX_VALUE_OCTETS + 2;

/// The longest Proxy-State that is copied: a State and a Reply-Message fit beside it.
const MAX_PROXY_STATE_OCTETS: usize = BESIDE_PROXY_STATE - 2 * ATTRIBUTE_OCTETS;

const RESERVED: &[AttributeType] = &[
    AttributeType::MESSAGE_AUTHENTICATOR,
    AttributeType::PROXY_STATE,
];

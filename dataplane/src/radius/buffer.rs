//! A packet under construction: one buffer, header and Message-Authenticator first.

use crate::radius::{
    AUTHENTICATOR_OCTETS, AttributeType, Attributes, Authenticator, Code, DecodeError,
    HEADER_OCTETS, MAX_PACKET_OCTETS, MAX_VALUE_OCTETS,
};

/// Why an attribute cannot be added. The packet is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet would be longer than 4096 octets.
    #[error("packet would be longer than 4096 octets")]
    PacketTooLong,
    /// The value is longer than an attribute holds.
    #[error("value of {octets} octets is longer than {kind} holds")]
    ValueTooLong {
        /// The attribute.
        kind: AttributeType,
        /// Its value's length.
        octets: usize,
    },
    /// The builder writes this attribute itself.
    #[error("{kind} is not added by hand")]
    Reserved {
        /// The attribute.
        kind: AttributeType,
    },
    /// The octets given as framed attributes are none.
    #[error("not a list of attributes")]
    Framing(#[source] DecodeError),
}

/// Header, Message-Authenticator with zeros for its value, then what was added.
pub(super) struct Buffer {
    octets: Vec<u8>,
    limit: usize,
    reserved: &'static [AttributeType],
}

impl Buffer {
    /// Begins a packet that may grow to 4096 octets less `tail`, which is kept for
    /// [`finish`](Self::finish).
    pub(super) fn new(
        code: Code,
        identifier: u8,
        authenticator: &Authenticator,
        tail: usize,
        reserved: &'static [AttributeType],
    ) -> Self {
        let mut octets = Vec::with_capacity(TYPICAL_OCTETS + tail);
        octets.extend_from_slice(&[code.0, identifier, 0, 0]);
        octets.extend_from_slice(authenticator);
        octets.extend_from_slice(&[AttributeType::MESSAGE_AUTHENTICATOR.0, 18]);
        octets.extend_from_slice(&[0; AUTHENTICATOR_OCTETS]);
        Self {
            octets,
            limit: MAX_PACKET_OCTETS.saturating_sub(tail),
            reserved,
        }
    }

    pub(super) fn attribute(
        &mut self,
        kind: AttributeType,
        value: &[u8],
    ) -> Result<(), EncodeError> {
        self.refuse_reserved(kind)?;
        self.own_attribute(kind, &[value])
    }

    /// Adds an attribute that is reserved to the builder, its value in parts.
    pub(super) fn own_attribute(
        &mut self,
        kind: AttributeType,
        value: &[&[u8]],
    ) -> Result<(), EncodeError> {
        let octets = value.iter().map(|part| part.len()).sum();
        let too_long = EncodeError::ValueTooLong { kind, octets };
        if octets > MAX_VALUE_OCTETS {
            return Err(too_long);
        }
        let length = u8::try_from(octets + 2).map_err(|_| too_long)?;
        self.make_room(octets + 2)?;
        self.octets.extend_from_slice(&[kind.0, length]);
        for part in value {
            self.octets.extend_from_slice(part);
        }
        Ok(())
    }

    pub(super) fn vendor(
        &mut self,
        vendor: u32,
        number: u8,
        value: &[u8],
    ) -> Result<(), EncodeError> {
        let kind = AttributeType::VENDOR_SPECIFIC;
        let octets = value.len();
        let too_long = EncodeError::ValueTooLong { kind, octets };
        let length = u8::try_from(octets + 2).map_err(|_| too_long)?;
        self.own_attribute(kind, &[&vendor.to_be_bytes(), &[number, length], value])
    }

    pub(super) fn raw(&mut self, framed: &[u8]) -> Result<(), EncodeError> {
        let mut walk = Attributes::new(framed);
        while let Some(attribute) = walk.read().map_err(EncodeError::Framing)? {
            self.refuse_reserved(attribute.kind)?;
        }
        self.make_room(framed.len())?;
        self.octets.extend_from_slice(framed);
        Ok(())
    }

    /// Adds the tail and writes the length.
    pub(super) fn finish(mut self, tail: &[u8]) -> Vec<u8> {
        self.octets.extend_from_slice(tail);
        let length = u16::try_from(self.octets.len()).unwrap_or(u16::MAX);
        self.put(2, &length.to_be_bytes());
        self.octets
    }

    /// Writes over what stands at an offset.
    fn put(&mut self, offset: usize, value: &[u8]) {
        put(&mut self.octets, offset, value);
    }

    fn refuse_reserved(&self, kind: AttributeType) -> Result<(), EncodeError> {
        match self.reserved.contains(&kind) {
            true => Err(EncodeError::Reserved { kind }),
            false => Ok(()),
        }
    }

    fn make_room(&self, more: usize) -> Result<(), EncodeError> {
        match self.octets.len() + more > self.limit {
            true => Err(EncodeError::PacketTooLong),
            false => Ok(()),
        }
    }
}

/// Writes over what stands at an offset.
pub(super) fn put(octets: &mut [u8], offset: usize, value: &[u8]) {
    for (to, from) in octets.iter_mut().skip(offset).zip(value) {
        *to = *from;
    }
}

/// Where the value of the Message-Authenticator begins: it is the first attribute.
pub(super) const SLOT: usize = HEADER_OCTETS + 2;

/// What most packets fit in.
const TYPICAL_OCTETS: usize = 256;

//! Our own requests: to a RADIUS primary, and those of `countersign login`.

use std::fmt;

use crate::radius::buffer::{Buffer, SLOT, put};
use crate::radius::password::{self, PasswordTooLong};
use crate::radius::verify::message_authenticator;
use crate::radius::{AttributeType, Authenticator, Code, EncodeError, SharedSecret};

/// Writes an Access-Request or Status-Server into one buffer, Message-Authenticator first.
pub struct RequestBuilder<'a> {
    buffer: Buffer,
    authenticator: Authenticator,
    secret: &'a SharedSecret,
}

impl<'a> RequestBuilder<'a> {
    /// Begins a request. The authenticator must be random and new: it hides the password and
    /// tells one answer from another (RFC 2865 section 3).
    #[must_use]
    pub fn new(
        code: Code,
        identifier: u8,
        authenticator: Authenticator,
        secret: &'a SharedSecret,
    ) -> Self {
        let buffer = Buffer::new(code, identifier, &authenticator, 0, RESERVED);
        Self {
            buffer,
            authenticator,
            secret,
        }
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// The value is over 253 octets, the packet is full, or the attribute is Message-Authenticator
    /// or User-Password, which are written here.
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
    /// User-Password is among them.
    pub fn raw(&mut self, framed: &[u8]) -> Result<&mut Self, EncodeError> {
        self.buffer.raw(framed)?;
        Ok(self)
    }

    /// Adds the User-Password, hidden (RFC 2865 section 5.2).
    ///
    /// # Errors
    /// The password is over 128 octets, or the packet is full.
    pub fn user_password(&mut self, clear: &[u8]) -> Result<&mut Self, EncodeError> {
        let kind = AttributeType::USER_PASSWORD;
        let hidden = password::hide(clear, &self.authenticator, self.secret)
            .map_err(|PasswordTooLong { octets }| EncodeError::ValueTooLong { kind, octets })?;
        self.buffer.own_attribute(kind, &[&hidden])?;
        Ok(self)
    }

    /// Computes the Message-Authenticator (RFC 3579 section 3.2).
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut octets = self.buffer.finish(&[]);
        let mac = message_authenticator(&octets, &self.authenticator, SLOT, self.secret);
        put(&mut octets, SLOT, &mac);
        octets
    }
}

impl fmt::Debug for RequestBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").finish_non_exhaustive()
    }
}

const RESERVED: &[AttributeType] = &[
    AttributeType::MESSAGE_AUTHENTICATOR,
    AttributeType::USER_PASSWORD,
];

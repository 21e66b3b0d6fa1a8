//! RADIUS on the wire: packets, attributes, authenticators, hidden values.
//!
//! Pure: no sockets, clock, randomness or async. What a login means is not known here.
//!
//! A datagram is read in place: [`Packet::parse`], [`verify_request`], and a [`ReplyTo`] for what
//! is answered later. Answers and our own requests are written by [`ReplyBuilder`] and
//! [`RequestBuilder`], each into one buffer.

mod attribute;
mod buffer;
mod code;
mod discard;
mod packet;
pub mod password;
mod reply;
mod request;
pub mod salted;
mod secret;
mod verify;

pub use attribute::{Attribute, AttributeType, Attributes, VendorAttribute, VendorAttributes};
pub use buffer::EncodeError;
pub use code::Code;
pub use discard::DiscardReason;
pub use packet::{DecodeError, Packet};
pub use reply::{ProxyStateTooLong, ReplyBuilder, ReplyTo};
pub use request::RequestBuilder;
pub use secret::SharedSecret;
pub use verify::{ResponseError, VerifyError, verify_request, verify_response};

/// Octets of the header: code, identifier, length and authenticator (RFC 2865 section 3).
pub const HEADER_OCTETS: usize = 20;

/// The longest packet (RFC 2865 section 3).
pub const MAX_PACKET_OCTETS: usize = 4096;

/// The longest value of an attribute (RFC 2865 section 5).
pub const MAX_VALUE_OCTETS: usize = 253;

/// Octets of an authenticator, of a Message-Authenticator and of an MD5 digest.
pub const AUTHENTICATOR_OCTETS: usize = 16;

/// A Request or Response Authenticator.
pub type Authenticator = [u8; AUTHENTICATOR_OCTETS];

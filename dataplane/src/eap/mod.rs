//! EAP (RFC 3748): PEAP and EAP-TTLS, with a password and prompts inside the tunnel.
//!
//! Pure: octets in, octets out. TLS is behind the [`tunnel::Tunnel`] trait; what is typed is decided
//! on elsewhere. [`conversation::Conversation`] is the way in; [`supplicant`] is the other end of one, for
//! `countersign login`.

mod binding;
#[cfg(any(test, fuzzing))]
mod clear;
pub(crate) mod conversation;
pub(crate) mod fault;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inner;
pub(crate) mod packet;
mod peap;
pub(crate) mod supplicant;
mod ttls;
pub(crate) mod tunnel;

#[cfg(test)]
mod tests;

pub(crate) use inner::Offered;

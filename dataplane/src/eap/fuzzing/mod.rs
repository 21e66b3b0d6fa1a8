//! What must hold for any octets of a supplicant: as a packet, in a conversation, and inside its
//! tunnel.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod conversation;
mod inner;
mod packet;
#[cfg(test)]
mod seeds;

pub use self::conversation::peap;
pub use self::inner::inner;
pub use self::packet::eap_packet;
#[cfg(test)]
pub(crate) use self::seeds::seeds;

use super::binding::NONCE_OCTETS;
use super::fault::EapFault;
use super::inner::Offered;

/// What people are told of a fault, on one line.
fn is_told(fault: &EapFault) {
    let told = fault.to_string();
    assert!(!told.is_empty() && told.len() <= MAX_FAULT_OCTETS, "{told}");
    assert!(!told.contains(char::is_control), "{told:?}");
}

/// What a peer typed, of so many octets that it sent.
fn is_offered(offered: &Offered, sent: usize) {
    if let Some(user) = &offered.user {
        assert!((1..=MAX_NAME_OCTETS).contains(&user.len()));
        assert!(!user.contains(char::is_control), "{user:?}");
    }
    assert!(offered.octets.expose().len() <= sent, "it typed more");
}

const NONCE: [u8; NONCE_OCTETS] = [0xa5; NONCE_OCTETS];
const MAX_NAME_OCTETS: usize = 253;
/// Eight methods of a Nak, and a sentence around them.
const MAX_FAULT_OCTETS: usize = 256;

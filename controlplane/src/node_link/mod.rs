//! Nodes of other machines: the authority of their certificates, the listener that they reach by
//! mutual TLS, and how they join. What they say then is taken by [`crate::rpc`].

mod authority;
mod join;
mod listener;
mod patience;
mod peer;
mod places;
mod refused;

pub(crate) use authority::NodeAuthority;
pub use authority::NodeAuthorityError;
pub(crate) use join::{renew, written};
pub(crate) use listener::serve;
pub(crate) use peer::{Certified, NodePeer};
#[cfg(test)]
pub(crate) use refused::Why;

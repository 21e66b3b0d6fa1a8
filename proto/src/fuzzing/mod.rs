//! What must hold for any octets, as functions that panic where it does not. Built for tests and for
//! `fuzz/` only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod dn;
mod rpc;

pub use self::dn::dn;
pub use self::rpc::rpc;

#[cfg(test)]
mod tests;

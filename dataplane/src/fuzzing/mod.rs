//! What must hold for any octets, as functions that panic where it does not. Built for tests and
//! for `fuzz/` only: the unit tests run each over the seeds and over random octets, libFuzzer over
//! whatever it comes up with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod packet;

pub use self::packet::packet;
pub use crate::state::fuzzing::state;

/// Takes octets off the front of an input; what is not there is zero or empty, so that every input
/// means something.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests;

//! What must hold for any octets, as functions that panic where it does not. Built for tests and
//! for `fuzz/` only: the unit tests run each over the seeds and over random octets, libFuzzer over
//! whatever it comes up with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod answer;
mod events;
mod packet;

pub use self::answer::answer;
pub use self::packet::packet;
pub use crate::duo::fuzzing::duo_answer;
pub use crate::eap::fuzzing::{eap_packet, inner, peap};
pub use crate::flow::fuzzing::typed;
pub use crate::primary::fuzzing::ldap_answer;
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

    /// So many, or what is left.
    pub(crate) fn octets(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As UTF-8, with what is none replaced; its length is the octet before it.
    pub(crate) fn text(&mut self) -> String {
        let length = self.octet().into();
        String::from_utf8_lossy(self.octets(length)).into_owned()
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.octet()) % all.len()]
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests;

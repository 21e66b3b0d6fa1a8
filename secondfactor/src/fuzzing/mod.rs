//! What must hold for any octets, as functions that panic where it does not. Built for tests and for
//! `fuzz/` only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a claim that does not hold is reported"
)]

mod auth_request;

pub use self::auth_request::auth_request;
pub use crate::service::fuzzing::{tokens_csv, users_csv};

/// Whether a text for a person is one: of one line, and says something.
pub(crate) fn is_told(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;

//! Placeholder.

pub mod authproxy;
pub mod dictionary;

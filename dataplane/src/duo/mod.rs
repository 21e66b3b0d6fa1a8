//! A client of Auth API v2: Duo's cloud, or the built-in second factor.
//!
//! [`message`] and [`failure`] are pure and all that a flow sees.

pub mod failure;
pub mod message;

//! A client of Auth API v2: Duo's cloud, or the built-in second factor.
//!
//! [`message`] and [`failure`] are pure and all that a flow sees. `sign`, `date` and `wire` are pure
//! as well and write calls down and read answers. [`client`] is what the driver calls; it keeps its
//! connections in `pool`, which has them made by `dial` with the trust of [`trust`].

mod budget;
pub mod client;
mod date;
pub(crate) mod dial;
pub mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod message;
mod pool;
mod send;
pub(crate) mod sign;
pub mod trust;
pub(crate) mod wire;

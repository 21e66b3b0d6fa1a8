//! The data plane: answers RADIUS requests by a flow, a primary and a second factor.
//!
//! Read first: [`flow`] (what decides), `server::driver` (what performs the decisions) and
//! [`radius`] (what is on the wire). The control plane is not needed to answer a login.

pub mod clock;
pub mod duo;
pub mod flow;
pub mod primary;
pub mod radius;
pub mod server;

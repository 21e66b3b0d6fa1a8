//! The data plane: it answers RADIUS requests and owns nothing that must outlive a restart.
//!
//! Read first: [`radius::Packet`] (what came in), [`radius::ReplyBuilder`] (what goes out) and
//! [`server::dedup::DuplicateCache`] (why a retransmission is never a second login).

pub mod radius;
pub mod server;

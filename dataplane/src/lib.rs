//! The data plane: it answers RADIUS requests and owns nothing that must outlive a restart.
//!
//! Read first: [`radius::Packet`] (what came in) and [`radius::ReplyBuilder`] (what goes out).

pub mod radius;

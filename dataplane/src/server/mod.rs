//! What stands between the sockets and the flows.

pub mod dedup;

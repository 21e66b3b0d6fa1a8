//! Sockets, the duplicate cache and the driver of the flows.

pub mod dedup;

//! What stands between the sockets and the flows: receiving, the duplicate cache, the driver.

pub(crate) mod clients;
pub mod dedup;
mod driver;
pub(crate) mod interface;
pub(crate) mod receive;
mod reply;
pub(crate) mod served;
pub(crate) mod sites;
pub(crate) mod socket;
pub(crate) mod threads;

//! What stands between the sockets and the flows: receiving, the duplicate cache, the driver.

pub(crate) mod clients;
pub mod dedup;
mod discards;
mod driver;
pub(crate) mod duplicates;
pub(crate) mod eap;
mod exchange;
pub(crate) mod handover;
pub(crate) mod holder;
pub(crate) mod interface;
mod perform;
pub(crate) mod receive;
mod record;
mod reply;
pub(crate) mod room;
pub(crate) mod served;
pub(crate) mod sites;
pub(crate) mod socket;
pub(crate) mod test_login;
pub(crate) mod threads;

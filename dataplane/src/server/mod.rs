//! Sockets, the duplicate cache and the driver of the flows.

mod clients;
mod socket;

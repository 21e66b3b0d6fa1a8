//! The node's side of the link to the control plane: revisions come in, events and status go out.
//! None of it is needed to answer a login.

pub(crate) mod client;
mod command;
pub(crate) mod last_good;
pub(crate) mod report;

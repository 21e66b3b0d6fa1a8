//! What a simulation does with a node that a process does by other ways.

use proto::config::{Faults, raw};
use proto::rpc::ConfigSource;

use super::Node;

impl Node {
    /// Serves a revision at once, on this thread.
    pub(crate) fn apply_here(&self, raw: raw::Snapshot) -> Result<(), Faults> {
        let mut running = self.applying.try_lock().expect("nothing else is applied");
        self.try_apply(&mut running, raw, ConfigSource::ControlPlane)
    }

    /// Connections to second factors.
    pub(crate) fn connections(&self) -> usize {
        self.second_factors.connections()
    }
}

//! Messages between the planes, as either reads them of the other.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Command, Finished};
use crate::config::{Snapshot, raw};
use crate::event::AuthEvent;
use crate::join::{Join, Joined, Renew};
use crate::rpc::{Acknowledge, ReportEvents, ReportStatus, RpcError, StateKeys, Subscribe, ToNode};

/// Reads a document as each message that it may be.
///
/// Holds: nothing panics; a message that was read is written and read as the same; its place in the
/// document is told of what is no message; a configuration that can be served has all that the
/// document has, and each fault of another says where it is and what it is, on one line.
///
/// # Panics
/// One of these does not hold.
pub fn rpc(octets: &[u8]) {
    // To a node.
    if let Some(ToNode::Snapshot { snapshot }) = same::<ToNode>(octets) {
        checked(*snapshot);
    }
    same::<StateKeys>(octets);
    same::<Command>(octets);
    same::<RpcError>(octets);
    // From a node.
    same::<Subscribe>(octets);
    same::<Acknowledge>(octets);
    same::<ReportEvents>(octets);
    same::<AuthEvent>(octets);
    same::<ReportStatus>(octets);
    same::<Finished>(octets);
    // Of the command line, and between processes before there is a node.
    written::<Join>(octets);
    written::<Renew>(octets);
    written::<Joined>(octets);
    // At rest.
    if let Some(snapshot) = same::<raw::Snapshot>(octets) {
        checked(snapshot);
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(octets: &[u8]) -> Option<T> {
    let message: T = read(octets)?;
    let again = serde_json::to_vec(&message).unwrap();
    let back: T = serde_json::from_slice(&again).unwrap();
    assert_eq!(back, message);
    assert_eq!(serde_json::to_vec(&back).unwrap(), again);
    Some(message)
}

/// The same for what has nothing to be compared by but its octets.
fn written<T: Serialize + DeserializeOwned>(octets: &[u8]) {
    if let Some(message) = read::<T>(octets) {
        let again = serde_json::to_vec(&message).unwrap();
        let back: T = serde_json::from_slice(&again).unwrap();
        assert_eq!(serde_json::to_vec(&back).unwrap(), again);
    }
}

fn read<T: DeserializeOwned>(octets: &[u8]) -> Option<T> {
    match serde_json::from_slice(octets) {
        Ok(message) => Some(message),
        Err(fault) => {
            let lines = octets.split(|octet| *octet == b'\n').count();
            assert!(fault.line() <= lines, "{fault} of {lines} lines");
            None
        }
    }
}

fn checked(snapshot: raw::Snapshot) {
    let counts = (
        snapshot.authenticators.len(),
        snapshot.integrations.len(),
        snapshot.revision,
    );
    match Snapshot::try_from(snapshot) {
        Ok(checked) => {
            let found = (
                checked.authenticators.len(),
                checked.integrations.len(),
                checked.revision.0,
            );
            assert_eq!(found, counts);
        }
        Err(faults) => {
            assert!(!faults.0.is_empty(), "refused for nothing");
            for fault in faults.0 {
                assert!(!fault.message.is_empty());
                let told = fault.to_string();
                assert!(!told.contains(char::is_control), "{told:?}");
            }
        }
    }
}

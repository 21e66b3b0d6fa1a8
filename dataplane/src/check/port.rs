//! Looks whether a port can be bound, and who has it where it cannot.

use std::io;

use tokio::task::spawn_blocking;

use super::judge::PortFound;
use crate::server::holder::holder;
use crate::server::sites::Place;
use crate::server::socket::Bound;

/// A port to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortToTry {
    /// The node that looks has it.
    Bound,
    /// The node that looks should have it, and has not.
    Unbound,
    /// Nobody of this configuration has it.
    Free {
        place: Place,
        /// The gateway whose place this configuration would take has it.
        held: bool,
    },
}

impl PortToTry {
    pub(super) async fn found(self) -> PortFound {
        match self {
            Self::Bound => PortFound::Bound,
            Self::Unbound => PortFound::Unbound,
            // Not to be bound beside it, not even for a moment.
            Self::Free { held: true, .. } => PortFound::Gateway,
            Self::Free { place, .. } => spawn_blocking(move || tried(place))
                .await
                .unwrap_or_else(|error| PortFound::Other(error.to_string())),
        }
    }
}

/// Binds it as a node does, and lets it go.
fn tried((listen, port): Place) -> PortFound {
    let Err(error) = Bound::new(listen, port, &[]) else {
        return PortFound::Free;
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => PortFound::Taken(holder(listen, port)),
        io::ErrorKind::AddrNotAvailable => PortFound::NoSuchAddress,
        io::ErrorKind::PermissionDenied => PortFound::Forbidden,
        _ => PortFound::Other(error.to_string()),
    }
}

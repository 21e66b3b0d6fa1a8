//! One process of the second factor takes the place of another, and nothing that waits is lost.
//!
//! The *old* process listens on a socket of its own (`giving`). The *new* one asks there (`taking`) and
//! gets the listening sockets themselves; whoever connects from then on waits in them. It prepares to
//! serve. Then the old one finishes with its connections: who polls is told that the push waits, and
//! asks again. Once nothing changes any more, it tells all that it has in memory, and the new one
//! serves. If that one does not, the old one goes on as if nothing had been.
//!
//! A caller that holds a connection open until a person answers stays with the old process, to which
//! the new one tells how those pushes end. The old one ends after the last of them.

mod giving;
mod taking;
mod wire;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

pub(crate) use giving::given;
pub use taking::TakeError;
pub(crate) use taking::{Following, ask};

/// What a process listens on. All of it goes to the one that takes over.
pub(crate) struct Sockets {
    pub(crate) https: Arc<TcpListener>,
    pub(crate) admin: Arc<local::Listener>,
    /// None where nobody may take over.
    pub(crate) handover: Option<Arc<UnixListener>>,
}

/// What came of them, in the order in which they follow an offer.
struct Files {
    https: OwnedFd,
    admin: OwnedFd,
    handover: OwnedFd,
}

/// How long the new process may take until it can serve.
const PREPARES: Duration = Duration::from_secs(60);

/// How long the old process may take until it has offered what it has.
const OFFERS: Duration = Duration::from_secs(20);

/// How long it may be that nobody serves: from the moment in which the old process lets nobody new in until the
/// new one serves, whatever is slow. A caller must not take it for a service that is away: it waits
/// 10 s, and might then let somebody in without a second factor.
pub(crate) const AWAY: Duration = Duration::from_secs(5);

/// How much of it connections may take to end. What is still open then is told to come again.
const QUIET: Duration = Duration::from_secs(1);

/// How much of it the new process has, from its asking on, until it can serve: it ends before it is given up,
/// so that it changes nothing any more when the old one serves on.
const TAKES: Duration = Duration::from_secs(4);

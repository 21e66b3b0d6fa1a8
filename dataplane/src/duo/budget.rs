//! How many connections may be open to all hosts together, and who has a part of that. Opens none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::failure::{Failure, FailureKind};

/// The bound on connections, of all hosts together.
#[derive(Debug)]
pub(crate) struct Budget {
    open: AtomicUsize,
    limit: usize,
    refused: AtomicU64,
}

impl Budget {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            limit,
            refused: AtomicU64::new(0),
        }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Connections open or being opened.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Requests refused because there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Room for one connection; none when there is no more.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Room> {
        let more = |open| (open < self.limit).then_some(open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
            .then(|| Room(Arc::clone(self)))
    }

    pub(crate) fn refuse(&self, detail: String) -> Failure {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Failure {
            kind: FailureKind::Internal,
            detail,
        }
    }
}

/// One connection's part of the bound, until dropped.
pub(crate) struct Room(Arc<Budget>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

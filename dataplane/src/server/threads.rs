//! The threads that read the sockets: apart from the main runtime, so that a burst of requests is
//! read while logins do their TLS.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// A few single-threaded runtimes. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct ReceiveThreads {
    handles: Vec<Handle>,
    turn: AtomicUsize,
    stop: CancellationToken,
}

impl ReceiveThreads {
    /// Starts this many, at least one.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut handles = Vec::new();
        for index in 0..count.max(1) {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            std::thread::Builder::new()
                .name(format!("radius-{index}"))
                .spawn(move || runtime.block_on(stop.cancelled()))?;
        }
        Ok(Self {
            handles,
            turn: AtomicUsize::new(0),
            stop,
        })
    }

    /// None: sockets are read by the runtime that binds them.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self {
            handles: Vec::new(),
            turn: AtomicUsize::new(0),
            stop: CancellationToken::new(),
        }
    }

    /// The runtime for the next socket, in turn.
    pub(crate) fn next(&self) -> Handle {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(self.handles.len()).unwrap_or(0);
        self.handles
            .get(at)
            .cloned()
            .unwrap_or_else(Handle::current)
    }
}

impl Drop for ReceiveThreads {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

//! Whether the sockets are read: by one process at a time.

use tokio::sync::watch;

/// Open, or closed with no reader inside.
#[derive(Debug)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    readers: watch::Sender<usize>,
}

/// One reader is inside.
#[derive(Debug)]
pub(crate) struct Reading<'a>(&'a Gate);

impl Default for Gate {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(true),
            readers: watch::Sender::new(0),
        }
    }
}

impl Gate {
    /// Lets readers in.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Asks all readers to leave, and waits until they have.
    pub(crate) async fn close(&self) {
        self.open.send_replace(false);
        // Neither can fail: both senders are here.
        drop(self.readers.subscribe().wait_for(|count| *count == 0).await);
    }

    /// Waits until it is open, and goes in.
    pub(crate) async fn enter(&self) -> Reading<'_> {
        let mut open = self.open.subscribe();
        loop {
            drop(open.wait_for(|open| *open).await);
            self.readers.send_modify(|count| *count += 1);
            let reading = Reading(self);
            // Who closes it looks at the readers afterwards.
            if *self.open.borrow() {
                return reading;
            }
        }
    }

    /// Waits until readers are to leave.
    pub(crate) async fn closed(&self) {
        drop(self.open.subscribe().wait_for(|open| !*open).await);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.readers.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_closes_it_waits_for_those_inside() {
        let gate = Arc::new(Gate::default());
        let reading = gate.enter().await;
        let mut closing = std::pin::pin!(gate.close());
        assert!(futures_pending(&mut closing).await);
        gate.closed().await;
        drop(reading);
        closing.await;
        let mut entering = std::pin::pin!(gate.enter());
        assert!(futures_pending(&mut entering).await);
        gate.open();
        drop(entering.await);
    }

    async fn futures_pending<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }
}

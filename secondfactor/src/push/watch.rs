//! Pages that wait for a change of what waits on their device.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Pushes, Table, Txid};

impl Pushes {
    /// Hears of what comes to a device and what ends on it. The channel closes when too many others
    /// listen: who came first may have gone without saying so.
    pub(crate) fn watch(&self, device: &Arc<str>) -> watch::Receiver<()> {
        let mut table = self.table();
        if table.watched.len() >= MAX_WATCHERS {
            table
                .watched
                .retain(|_, sender| sender.receiver_count() > 0);
        }
        let sender = table.watched.entry(Arc::clone(device)).or_default();
        if sender.receiver_count() >= MAX_WATCHERS_OF_A_DEVICE {
            *sender = watch::Sender::default();
        }
        sender.subscribe()
    }

    /// When a request ends by itself; none when it waits no more.
    pub(crate) fn due(&self, txid: Txid) -> Option<Instant> {
        self.table().waiting.get(&txid).map(|found| found.due)
    }
}

impl Table {
    /// Tells who watches a device.
    pub(super) fn wake(&mut self, device: &Arc<str>) {
        if let Some(sender) = self.watched.get(device)
            && sender.send(()).is_err()
        {
            self.watched.remove(device);
        }
    }
}

/// The most pages that wait; the next one is refused.
pub(crate) const MAX_WATCHERS: usize = 20_000;

/// The most pages that wait for one device; all of them make room for the next one, and come back later.
const MAX_WATCHERS_OF_A_DEVICE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_watches_a_device_hears_of_it_alone() {
        let pushes = Pushes::default();
        let (own, other): (Arc<str>, Arc<str>) = ("DP1".into(), "DP2".into());
        let mut changes = pushes.watch(&own);
        pushes.table().wake(&other);
        assert!(!changes.has_changed().unwrap());
        pushes.table().wake(&own);
        changes.changed().await.unwrap();
        assert!(!changes.has_changed().unwrap());
        drop(changes);
        pushes.table().wake(&own);
        assert!(pushes.table().watched.is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn the_newest_page_of_a_device_has_a_place() {
        let pushes = Pushes::default();
        let device: Arc<str> = "DP1".into();
        let mut first: Vec<_> = (0..MAX_WATCHERS_OF_A_DEVICE)
            .map(|_| pushes.watch(&device))
            .collect();
        let mut newest = pushes.watch(&device);
        for changes in &mut first {
            assert!(changes.changed().await.is_err());
        }
        pushes.table().wake(&device);
        newest.changed().await.unwrap();
    }
}

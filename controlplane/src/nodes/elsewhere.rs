//! The nodes that listen at another control plane of the same database: what that one stored of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use proto::id::NodeId;

use super::{Entry, NODES, Nodes};
use crate::admin::NodeReport;
use crate::store::{NodeRow, StoreError};

impl Nodes {
    /// Reads how nodes are that do not listen here. With a database of its own there is no other
    /// control plane, and nothing to read.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        match self.store.is_shared() {
            true => self.read_again().await,
            false => Ok(()),
        }
    }

    async fn read_again(&self) -> Result<(), StoreError> {
        // None goes meanwhile and comes back by what was read before.
        let stays = self.stay().await;
        let read = self.read_newer().await;
        self.caught_up.store(read.is_ok(), Ordering::Relaxed);
        drop(stays);
        read.map(drop)
    }

    /// Of those alone that were heard of since, and gives how many that are: what is stored of a node may
    /// be long.
    async fn read_newer(&self) -> Result<usize, StoreError> {
        let seen = self.store.list_seen().await?;
        let newer = newer(&mut self.lock(), &seen);
        let rows = self.store.nodes_of(&newer).await?;
        let read = rows.len();
        take_in(&mut self.lock(), rows);
        Ok(read)
    }

    /// What can be said of nodes now: nothing of one that may listen elsewhere while the database
    /// does not say.
    pub(crate) fn watched(&self) -> Vec<NodeReport> {
        let (mut reports, _) = self.list();
        if !self.caught_up.load(Ordering::Relaxed) {
            reports.retain(|report| report.connected);
        }
        reports
    }
}

/// Forgets who is in the database no more, as it was removed at another control plane, and names those
/// that the database knows more of than is known here.
fn newer(known: &mut BTreeMap<NodeId, Entry>, seen: &[(NodeId, u64)]) -> Vec<NodeId> {
    let stored: BTreeSet<&NodeId> = seen.iter().map(|(node, _)| node).collect();
    known.retain(|node, entry| entry.subscriptions > 0 || stored.contains(node));
    let is_newer = |node: &NodeId, at_ms: u64| match known.get(node) {
        Some(entry) => entry.subscriptions == 0 && entry.last_seen_ms < at_ms,
        None => true,
    };
    seen.iter()
        .filter(|(node, at_ms)| is_newer(node, *at_ms))
        .map(|(node, _)| node.clone())
        .collect()
}

/// Those that listen here are known better here.
fn take_in(known: &mut BTreeMap<NodeId, Entry>, rows: Vec<NodeRow>) {
    for row in rows {
        let room = known.len() < NODES;
        match known.get_mut(&row.id) {
            Some(entry) if entry.subscriptions > 0 || entry.last_seen_ms >= row.last_seen_ms => {}
            // What is counted here stays.
            Some(entry) => {
                let dropped = entry.dropped;
                *entry = Entry::from(row);
                entry.dropped = dropped;
            }
            None if room => {
                known.insert(row.id.clone(), Entry::from(row));
            }
            None => {}
        }
    }
}

impl From<NodeRow> for Entry {
    fn from(row: NodeRow) -> Self {
        let mut entry = Self {
            last_seen_ms: row.last_seen_ms,
            applied: row.status.as_ref().and_then(|status| status.revision),
            status: row.status,
            ..Self::default()
        };
        if let Some((revision, verdict, at_ms)) = row.last {
            entry.answer(revision, verdict, at_ms);
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::id::Revision;
    use proto::rpc::NodeStatus;

    use super::super::Understands;
    use super::*;
    use crate::seal::Key;
    use crate::store::Store;

    fn status(revision: u64) -> NodeStatus {
        serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "state": "serving", "revision": revision, "source": "control_plane",
            "connected": true, "logins_in_flight": 0, "events_dropped": revision,
            "uptime_seconds": 9, "listeners": [],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn what_another_control_plane_hears_of_its_nodes_is_known_here_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controlplane.db");
        let store = Store::open(&path, Key::new([1; 32])).await.unwrap();
        let open = || async { Arc::new(Nodes::open(store.clone()).await.unwrap()) };
        let (here, there) = (open().await, open().await);
        let [mine, other, gone] = ["mine", "other", "gone"].map(|name| NodeId::new(name).unwrap());
        let _here = here
            .subscribe(&mine, Some(Revision(1)), Understands::default(), None)
            .unwrap();
        let _there = there
            .subscribe(&other, Some(Revision(1)), Understands::default(), None)
            .unwrap();
        here.report(&mine, None, status(1)).await.unwrap();
        there.report(&gone, None, status(1)).await.unwrap();
        for revision in 1..=2 {
            there.report(&other, None, status(revision)).await.unwrap();
            // Of three nodes this one alone has news: one listens here, one has said nothing since.
            let first = revision == 1;
            assert_eq!(here.read_newer().await.unwrap(), if first { 2 } else { 1 });
            assert_eq!(here.read_newer().await.unwrap(), 0, "nothing is read twice");
            let known = here.fetch(&other).unwrap();
            let at_its_own = there.fetch(&other).unwrap();
            assert_eq!(known.applied, Some(Revision(revision)));
            assert_eq!(known.status.unwrap().events_dropped, revision);
            assert!(!known.connected, "not here");
            assert!(at_its_own.last_seen_ms.abs_diff(known.last_seen_ms) < 5_000);
            // The clock goes by milliseconds: the next word is a later one.
            let heard = known.last_seen_ms;
            while crate::clock::now_ms() <= heard {
                tokio::task::yield_now().await;
            }
        }
        // A node that listens here is known by what it says here, whatever else was stored.
        there.report(&mine, None, status(9)).await.unwrap();
        here.read_again().await.unwrap();
        let known = here.fetch(&mine).unwrap();
        assert_eq!((known.applied, known.connected), (Some(Revision(1)), true));
        // And one that was removed there is gone here.
        assert!(here.fetch(&gone).is_some());
        assert!(there.remove(&gone).await.unwrap());
        here.read_again().await.unwrap();
        assert!(here.fetch(&gone).is_none());
        // What the database does not say is not made up.
        store.close().await;
        assert!(here.read_again().await.is_err());
        let shown: Vec<_> = here.watched().into_iter().map(|one| one.node).collect();
        assert_eq!(shown, [mine]);
        assert_eq!(here.list().0.len(), 2);
    }
}

//! The data planes: who listens, what each made of the revisions, how each is.

mod commands;
mod elsewhere;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::config::Fault;
use proto::id::{NodeId, Revision};
use proto::rpc::{NodeStatus, ToNode, Verdict};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::{NodeReport, Refusal};
use crate::clock::now_ms;
use crate::store::{Noted, Store, StoreError};

pub(crate) use commands::{CommandError, SecondFactor};
use commands::{Outbox, Waiting};

/// The nodes that were heard of, up to [`NODES`]: who is away the longest makes room.
pub(crate) struct Nodes {
    store: Store,
    known: Mutex<BTreeMap<NodeId, Entry>>,
    /// What is known of nodes that listen at another control plane is what the database has.
    caught_up: AtomicBool,
    /// Those that shall take no new logins.
    drained: watch::Sender<BTreeSet<NodeId>>,
    /// Who waits for the end of which command.
    waiting: Waiting,
    /// Read while a node's word is taken, written while one goes: no word brings back what is gone.
    words: RwLock<()>,
}

#[derive(Default)]
struct Entry {
    /// One or none.
    subscriptions: usize,
    last_seen_ms: u64,
    applied: Option<Revision>,
    refused: Option<Refusal>,
    status: Option<NodeStatus>,
    dropped: u64,
    address: Option<SocketAddr>,
    /// To the newest subscription of a node that understands commands.
    outbox: Option<Outbox>,
    /// Ends its subscription.
    cut: CancellationToken,
}

impl Nodes {
    pub(crate) async fn open(store: Store) -> Result<Self, StoreError> {
        let known = store
            .list_nodes()
            .await?
            .into_iter()
            .map(|row| (row.id.clone(), Entry::from(row)))
            .collect();
        let drained = store.list_drained().await?.into_iter().collect();
        Ok(Self {
            store,
            known: Mutex::new(known),
            caught_up: AtomicBool::new(true),
            drained: watch::Sender::new(drained),
            waiting: Waiting::from(now_ms()),
            words: RwLock::default(),
        })
    }

    /// Notes that a node listens, until the guard is dropped. Its subscription before ends: one whose
    /// other side is gone would else be taken for the node.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        node: &NodeId,
        serving: Option<Revision>,
        understands: Understands,
        address: Option<SocketAddr>,
    ) -> Result<Subscription, Full> {
        let (outbox, commands) = mpsc::channel(OUTBOX);
        let cut = CancellationToken::new();
        self.with(node, |entry| {
            std::mem::replace(&mut entry.cut, cut.clone()).cancel();
            self.waiting.forget(node);
            entry.subscriptions = 1;
            entry.applied = serving;
            entry.address = address;
            entry.outbox = understands.commands.then(|| Outbox {
                sender: outbox,
                logins: understands.logins,
            });
        })?;
        Ok(Subscription {
            nodes: Arc::clone(self),
            node: node.clone(),
            commands,
            drained: self.drained.subscribe(),
            understands_commands: understands.commands,
            told_to_drain: None,
            cut,
        })
    }

    /// While this is held no node is removed or replaced: from the look at its certificate until its
    /// word is taken.
    pub(crate) async fn stay(&self) -> RwLockReadGuard<'_, ()> {
        self.words.read().await
    }

    /// While this is held no node's word is taken.
    pub(crate) async fn hush(&self) -> RwLockWriteGuard<'_, ()> {
        self.words.write().await
    }

    /// Ends the subscription of a node.
    pub(crate) fn cut(&self, node: &NodeId) {
        if let Some(entry) = self.lock().get_mut(node) {
            std::mem::take(&mut entry.cut).cancel();
            entry.subscriptions = 0;
            entry.outbox = None;
            self.waiting.forget(node);
        }
    }

    /// Revokes what a node has, forgets it and ends its subscriptions. False when there is none.
    pub(crate) async fn remove(&self, node: &NodeId) -> Result<bool, StoreError> {
        let hush = self.hush().await;
        let stored = self.store.remove_node(node, now_ms()).await?;
        self.cut(node);
        let known = self.lock().remove(node).is_some();
        drop(hush);
        self.refresh().await?;
        Ok(stored || known)
    }

    /// Has a node take no new logins, or take them again.
    pub(crate) async fn drain(&self, node: &NodeId, drain: bool) -> Result<(), StoreError> {
        self.store.set_drained(node, drain, now_ms()).await?;
        self.refresh().await
    }

    /// Reads which nodes shall take no new logins.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let now: BTreeSet<NodeId> = self.store.list_drained().await?.into_iter().collect();
        self.drained.send_if_modified(|before| {
            let news = *before != now;
            *before = now;
            news
        });
        Ok(())
    }

    /// Stores and remembers a verdict.
    pub(crate) async fn acknowledge(
        &self,
        node: &NodeId,
        certificate: Option<&str>,
        revision: Revision,
        mut verdict: Verdict,
    ) -> Result<(), NodeError> {
        self.has_room(node)?;
        if let Verdict::Refused { faults } = &mut verdict {
            faults.truncate(FAULTS);
        }
        let at_ms = now_ms();
        let noted = self
            .store
            .upsert_acknowledgement(node, certificate, revision, &verdict, at_ms)
            .await?;
        match noted {
            Noted::Stored => {}
            Noted::NoSuchRevision => return Err(NodeError::NoSuchRevision { revision }),
            Noted::Removed => return Err(NodeError::Removed),
        }
        match &verdict {
            Verdict::Applied => tracing::info!(%node, %revision, "revision applied"),
            Verdict::Refused { faults } => {
                let faults = shown(faults);
                tracing::error!(%node, %revision, faults, "revision refused");
            }
        }
        self.with(node, |entry| entry.answer(revision, verdict, at_ms))?;
        Ok(())
    }

    /// Stores and remembers how a node is.
    pub(crate) async fn report(
        &self,
        node: &NodeId,
        certificate: Option<&str>,
        status: NodeStatus,
    ) -> Result<(), NodeError> {
        self.has_room(node)?;
        let noted = self
            .store
            .upsert_node(node, certificate, now_ms(), Some(&status))
            .await?;
        if noted == Noted::Removed {
            return Err(NodeError::Removed);
        }
        // What it applied is known from its subscription and its verdicts: a status may be late,
        // even the last word of a process that is no more.
        self.with(node, |entry| entry.status = Some(status))?;
        Ok(())
    }

    /// Remembers how many events a node has dropped since it started.
    pub(crate) fn dropped(&self, node: &NodeId, dropped: u64) -> Result<(), Full> {
        self.with(node, |entry| entry.dropped = dropped)
    }

    /// What is known, by name, and how many events the nodes have dropped.
    pub(crate) fn list(&self) -> (Vec<NodeReport>, u64) {
        let drained = self.drained.borrow().clone();
        let known = self.lock();
        let dropped = known.values().map(|entry| entry.dropped).sum();
        let reports = known
            .iter()
            .map(|(node, entry)| NodeReport {
                node: node.clone(),
                connected: entry.subscriptions > 0,
                last_seen_ms: entry.last_seen_ms,
                applied: entry.applied,
                refused: entry.refused.clone(),
                status: entry.status.clone(),
                address: entry.address,
                draining: drained.contains(node),
            })
            .collect();
        (reports, dropped)
    }

    /// Whether a revision was the last thing that some node that listens refused.
    pub(crate) fn refused_by_one(&self, revision: Revision) -> bool {
        let known = self.lock();
        let mut listening = known.values().filter(|entry| entry.subscriptions > 0);
        listening.any(|entry| entry.has_refused(revision))
    }

    /// What is known of one.
    pub(crate) fn fetch(&self, node: &NodeId) -> Option<NodeReport> {
        self.list().0.into_iter().find(|one| one.node == *node)
    }

    fn has_room(&self, node: &NodeId) -> Result<(), Full> {
        let known = self.lock();
        let room = known.contains_key(node)
            || known.len() < NODES
            || known.values().any(|entry| entry.subscriptions == 0);
        room.then_some(()).ok_or(Full)
    }

    fn with<T>(&self, node: &NodeId, change: impl FnOnce(&mut Entry) -> T) -> Result<T, Full> {
        let mut known = self.lock();
        if !known.contains_key(node) && known.len() >= NODES {
            let gone = known.iter().filter(|(_, entry)| entry.subscriptions == 0);
            let longest = gone.min_by_key(|(_, entry)| entry.last_seen_ms);
            let longest = longest.map(|(node, _)| node.clone()).ok_or(Full)?;
            known.remove(&longest);
        }
        let entry = known.entry(node.clone()).or_default();
        entry.last_seen_ms = now_ms();
        Ok(change(entry))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn has_refused(&self, revision: Revision) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refused| refused.revision == revision)
    }

    fn answer(&mut self, revision: Revision, verdict: Verdict, at_ms: u64) {
        match verdict {
            Verdict::Applied => {
                self.applied = Some(revision);
                self.refused = None;
            }
            Verdict::Refused { faults } => {
                self.refused = Some(Refusal {
                    revision,
                    at_ms,
                    faults,
                });
            }
        }
    }
}

/// What a node knows of what not every node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Understands {
    /// To be told to drain, and commands.
    pub(crate) commands: bool,
    /// Commands that log somebody in, and that one is broken off.
    pub(crate) logins: bool,
}

/// A node that listens.
pub(crate) struct Subscription {
    nodes: Arc<Nodes>,
    node: NodeId,
    commands: mpsc::Receiver<ToNode>,
    drained: watch::Receiver<BTreeSet<NodeId>>,
    understands_commands: bool,
    /// What the node was told last; it may remember another word from before.
    told_to_drain: Option<bool>,
    cut: CancellationToken,
}

impl Subscription {
    /// Until it is ended from here.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// The next thing that the node shall do. Never, for one that does not understand it. Safe to
    /// cancel.
    pub(crate) async fn next(&mut self) -> ToNode {
        if !self.understands_commands {
            return std::future::pending().await;
        }
        loop {
            let drain = self.drained.borrow_and_update().contains(&self.node);
            if self.told_to_drain != Some(drain) {
                self.told_to_drain = Some(drain);
                return ToNode::Drain { drain };
            }
            tokio::select! {
                Some(command) = self.commands.recv() => return command,
                Ok(()) = self.drained.changed() => {}
                else => return std::future::pending().await,
            }
        }
    }

    /// Whether a revision was the last thing that the node refused.
    pub(crate) fn has_refused(&self, revision: Revision) -> bool {
        let known = self.nodes.lock();
        let entry = known.get(&self.node);
        entry.is_some_and(|entry| entry.has_refused(revision))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut known = self.nodes.lock();
        // One that was ended from here counts no more already, and what is told now goes to another.
        if !self.cut.is_cancelled()
            && let Some(entry) = known.get_mut(&self.node)
        {
            entry.subscriptions = 0;
            entry.outbox = None;
            self.nodes.waiting.forget(&self.node);
        }
    }
}

/// There are [`NODES`] nodes already, and all of them listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{NODES} nodes listen already, no more can")]
pub(crate) struct Full;

/// Why a node's word was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NodeError {
    /// Too many nodes.
    #[error(transparent)]
    Full(#[from] Full),
    /// It speaks of a revision that is not there.
    #[error("there is no revision {revision}")]
    NoSuchRevision { revision: Revision },
    /// It was removed meanwhile.
    #[error("the node was removed; let it join again")]
    Removed,
    /// It could not be stored.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

fn shown(faults: &[Fault]) -> String {
    let mut text =
        proto::config::Faults(faults.iter().take(FAULTS_LOGGED).cloned().collect()).to_string();
    if let Some(more @ 1..) = faults.len().checked_sub(FAULTS_LOGGED) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// Commands that wait to be sent to one node.
const OUTBOX: usize = 4;
/// The most nodes that are known.
pub(crate) const NODES: usize = 1_024;
/// The most faults of a refusal that are kept.
const FAULTS: usize = 1_000;
/// The most faults in one line of the log.
const FAULTS_LOGGED: usize = 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::command::{Command, Outcome};

    use super::*;

    const KNOWS: Understands = Understands {
        commands: true,
        logins: false,
    };
    use crate::seal::Key;

    async fn open(folder: &tempfile::TempDir) -> Arc<Nodes> {
        let path = folder.path().join("controlplane.db");
        let store = Store::open(&path, Key::new([1; 32])).await.unwrap();
        Arc::new(Nodes::open(store).await.unwrap())
    }

    fn name(number: usize) -> NodeId {
        NodeId::new(format!("node-{number}")).unwrap()
    }

    #[tokio::test]
    async fn one_node_too_many_takes_the_place_of_one_that_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = open(&folder).await;
        let mut listening = Vec::new();
        for number in 0..NODES {
            nodes.dropped(&name(number), 1).unwrap();
            if number != 7 {
                listening.push(
                    nodes
                        .subscribe(&name(number), None, Understands::default(), None)
                        .unwrap(),
                );
            }
        }
        nodes.dropped(&name(NODES), 1).unwrap();
        assert!(nodes.fetch(&name(7)).is_none(), "the only one that is away");
        let newest = nodes
            .subscribe(&name(NODES), None, Understands::default(), None)
            .unwrap();
        assert_eq!(nodes.dropped(&name(7), 1), Err(Full));
        nodes.dropped(&name(0), 2).unwrap();
        assert_eq!(nodes.list().0.len(), NODES);
        drop(newest);
        nodes.dropped(&name(7), 1).unwrap();
    }

    #[tokio::test]
    async fn a_status_says_nothing_of_what_a_new_process_applied() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = open(&folder).await;
        let status: NodeStatus = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "state": "serving", "revision": 5, "source": "control_plane",
            "connected": true, "logins_in_flight": 0, "events_dropped": 0, "uptime_seconds": 9,
            "listeners": [],
        }))
        .unwrap();
        let _listening = nodes
            .subscribe(&name(1), None, Understands::default(), None)
            .unwrap();
        nodes.report(&name(1), None, status).await.unwrap();
        let known = nodes.fetch(&name(1)).unwrap();
        assert_eq!(known.applied, None, "the process before it had");
        assert_eq!(known.status.unwrap().revision, Some(Revision(5)));
    }

    #[tokio::test]
    async fn each_subscription_says_once_whether_the_node_takes_logins() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = open(&folder).await;
        let node = name(1);
        let said = |drain| ToNode::Drain { drain };
        let mut first = nodes.subscribe(&node, None, KNOWS, None).unwrap();
        assert_eq!(first.next().await, said(false));
        nodes.drain(&node, true).await.unwrap();
        assert_eq!(first.next().await, said(true));
        // What changes while it is away it hears when it is back.
        drop(first);
        nodes.drain(&node, false).await.unwrap();
        let mut second = nodes.subscribe(&node, None, KNOWS, None).unwrap();
        assert_eq!(second.next().await, said(false));
        let more = tokio::time::timeout(Duration::from_millis(50), second.next());
        assert!(more.await.is_err(), "once");
    }

    #[tokio::test]
    async fn a_subscription_ends_the_one_before_and_not_what_is_told_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = open(&folder).await;
        let node = name(1);
        let old = nodes.subscribe(&node, None, KNOWS, None).unwrap();
        let waits = nodes.command(&node, Command::Check);
        tokio::pin!(waits);
        assert!(is_pending(waits.as_mut()).await, "it is on its way");
        let mut new = nodes.subscribe(&node, None, KNOWS, None).unwrap();
        assert!(old.cut().is_cancelled());
        assert!(!new.cut().is_cancelled());
        assert_eq!(waits.await, Err(CommandError::NotConnected), "it was lost");
        let waits = nodes.command(&node, Command::Check);
        tokio::pin!(waits);
        assert!(is_pending(waits.as_mut()).await);
        drop(old);
        assert!(nodes.fetch(&node).unwrap().connected);
        let number = loop {
            if let ToNode::Command { number, .. } = new.next().await {
                break number;
            }
        };
        let outcome = Outcome::Checked { rows: Vec::new() };
        assert!(nodes.finished(&node, number, outcome.clone()));
        assert_eq!(waits.await, Ok(outcome));
        drop(new);
        assert!(!nodes.fetch(&node).unwrap().connected);
    }

    async fn is_pending<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        let mut future = future;
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
        })
        .await
    }

    #[tokio::test]
    async fn a_word_that_comes_after_the_removal_is_refused_and_brings_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = open(&folder).await;
        let status: NodeStatus = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "state": "serving", "source": "control_plane",
            "connected": true, "logins_in_flight": 0, "events_dropped": 0, "uptime_seconds": 9,
            "listeners": [],
        }))
        .unwrap();
        let late = nodes.report(&name(1), Some("01"), status).await;
        assert!(matches!(late, Err(NodeError::Removed)));
        let late = nodes
            .acknowledge(&name(1), Some("01"), Revision(1), Verdict::Applied)
            .await;
        assert!(matches!(late, Err(NodeError::Removed)));
        assert!(nodes.fetch(&name(1)).is_none());
        // Nobody goes while a word is taken.
        let stays = nodes.stay().await;
        let gone = name(1);
        let removing = nodes.remove(&gone);
        tokio::pin!(removing);
        assert!(is_pending(removing.as_mut()).await);
        drop(stays);
        assert!(!removing.await.unwrap());
    }

    #[test]
    fn a_long_refusal_is_cut_in_the_log() {
        let fault = |number: usize| Fault {
            path: format!("integrations[{number}].port"),
            message: "in use".to_owned(),
        };
        let few: Vec<_> = (0..2).map(fault).collect();
        assert_eq!(
            shown(&few),
            "integrations[0].port: in use; integrations[1].port: in use"
        );
        let many: Vec<_> = (0..25).map(fault).collect();
        assert!(shown(&many).ends_with("integrations[19].port: in use; and 5 more"));
    }
}

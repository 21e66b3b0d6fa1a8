//! What nodes are told to do, and who waits for what comes of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::command::{AskFactor, COMMANDS_AT_ONCE, Command, FactorVerdict, Outcome};
use proto::id::{NodeId, Revision};
use proto::rpc::ToNode;
use tokio::sync::{mpsc, oneshot};

use super::Nodes;

/// To the newest subscription of a node.
#[derive(Clone)]
pub(super) struct Outbox {
    pub(super) sender: mpsc::Sender<ToNode>,
    /// Whether the node knows the commands that log somebody in, and [`ToNode::Cancel`].
    pub(super) logins: bool,
}

/// Who waits for the end of which command, at which node.
pub(super) struct Waiting {
    all: Mutex<HashMap<u64, (NodeId, oneshot::Sender<Outcome>)>>,
    next: AtomicU64,
}

impl Waiting {
    /// Numbers begin with this one, never that of the run before.
    pub(super) fn from(first: u64) -> Self {
        Self {
            all: Mutex::default(),
            next: AtomicU64::new(first),
        }
    }

    /// Nobody answers what a node was told.
    pub(super) fn forget(&self, node: &NodeId) {
        self.lock().retain(|_, (of, _)| of != node);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (NodeId, oneshot::Sender<Outcome>)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nodes {
    /// Has a node do something, and waits for what comes of it. Who waits no more breaks it off, where
    /// the node knows how. Up to [`COMMANDS_AT_ONCE`] at each node.
    pub(crate) async fn command(
        &self,
        node: &NodeId,
        command: Command,
    ) -> Result<Outcome, CommandError> {
        let outbox = match self.lock().get(node) {
            None => return Err(CommandError::NoSuchNode),
            Some(entry) if entry.subscriptions == 0 => return Err(CommandError::NotConnected),
            Some(entry) => entry.outbox.clone().ok_or(CommandError::NotUnderstood)?,
        };
        let needs_logins = matches!(
            command,
            Command::Login { .. } | Command::Factor { .. } | Command::List { .. }
        );
        if !outbox.logins && needs_logins {
            return Err(CommandError::NotUnderstood);
        }
        let limit = Duration::from_secs(command.seconds()) + LONGER;
        let number = self.waiting.next.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            let busy = waiting.values().filter(|(of, _)| of == node).count();
            if busy >= COMMANDS_AT_ONCE {
                return Err(CommandError::Busy);
            }
            waiting.insert(number, (node.clone(), sender));
        }
        let waits = Waits {
            nodes: self,
            outbox,
            number,
        };
        waits
            .outbox
            .sender
            .try_send(ToNode::Command { number, command })
            .map_err(|_| CommandError::NotConnected)?;
        match tokio::time::timeout(limit, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(CommandError::NotConnected),
            Err(_) => Err(CommandError::NoAnswer),
        }
    }

    /// Has a node ask for somebody's second factor alone.
    pub(crate) async fn second_factor(&self, node: &NodeId, factor: AskFactor) -> SecondFactor {
        let factor = Box::new(factor);
        let unavailable = |message: String| SecondFactor::Unavailable { message };
        match self.command(node, Command::Factor { factor }).await {
            Ok(Outcome::Factor {
                verdict,
                reason,
                message,
            }) => {
                let message = message.unwrap_or_else(|| reason.to_string());
                match verdict {
                    FactorVerdict::Allowed => SecondFactor::Allowed,
                    FactorVerdict::Denied => SecondFactor::Denied { message },
                    FactorVerdict::Unavailable => unavailable(message),
                }
            }
            Ok(Outcome::Refused { message }) => unavailable(message),
            Ok(_) => unavailable(format!("node {node} answered with something else")),
            Err(error) => unavailable(format!("{node}: {error}")),
        }
    }

    /// Hands on what came of a command. False when nobody waits for it.
    pub(crate) fn finished(&self, node: &NodeId, number: u64, outcome: Outcome) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.get(&number).is_none_or(|(asked, _)| asked != node) {
            return false;
        }
        let sender = waiting.remove(&number).map(|(_, sender)| sender);
        sender.is_some_and(|sender| sender.send(outcome).is_ok())
    }

    /// The node that a login is best tried at: one that serves the newest revision and takes logins,
    /// this machine's before others. None when none that is connected knows how.
    pub(crate) fn for_login(
        &self,
        newest: Option<Revision>,
        local: Option<&NodeId>,
    ) -> Option<NodeId> {
        let drained = self.drained.borrow().clone();
        let known = self.lock();
        let able = known.iter().filter(|(_, entry)| {
            let outbox = entry.outbox.as_ref();
            entry.subscriptions > 0 && outbox.is_some_and(|outbox| outbox.logins)
        });
        let best = able.min_by_key(|(node, entry)| {
            (
                entry.applied != newest,
                drained.contains(*node),
                local != Some(*node),
            )
        });
        best.map(|(node, _)| node.clone())
    }

    /// Whether a login can be tried at a node now.
    pub(crate) fn takes_logins(&self, node: &NodeId) -> bool {
        let known = self.lock();
        let entry = known.get(node).filter(|entry| entry.subscriptions > 0);
        let outbox = entry.and_then(|entry| entry.outbox.as_ref());
        outbox.is_some_and(|outbox| outbox.logins)
    }
}

/// What a second factor through an integration said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecondFactor {
    /// The user proved it.
    Allowed,
    /// It was refused, timed out, or nothing is asked of the user, which proves nothing.
    Denied {
        /// For the user.
        message: String,
    },
    /// Nobody could be asked: no node, or no service.
    Unavailable {
        /// For an administrator.
        message: String,
    },
}

/// Who waits for the end of a command.
struct Waits<'a> {
    nodes: &'a Nodes,
    outbox: Outbox,
    number: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let number = self.number;
        let unfinished = self.nodes.waiting.lock().remove(&number).is_some();
        if unfinished && self.outbox.logins {
            // One that takes nothing more has other troubles, and a limit of its own.
            drop(self.outbox.sender.try_send(ToNode::Cancel { number }));
        }
    }
}

/// Why a node did not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    #[error("there is no such node")]
    NoSuchNode,
    #[error("the node is not connected here")]
    NotConnected,
    #[error("the node's program is older and does not know this command; update it")]
    NotUnderstood,
    #[error("the node is busy with other commands")]
    Busy,
    #[error("the node did not answer in time")]
    NoAnswer,
}

/// How much longer than the node takes is waited for it.
const LONGER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use proto::event::Reason;
    use proto::id::IntegrationId;
    use proto::secret::Secret;

    use super::super::{Subscription, Understands};
    use super::*;
    use crate::seal::Key;
    use crate::store::Store;

    const OLD: Understands = Understands {
        commands: true,
        logins: false,
    };
    const NEW: Understands = Understands {
        commands: true,
        logins: true,
    };

    async fn nodes(folder: &tempfile::TempDir) -> Arc<Nodes> {
        let path = folder.path().join("controlplane.db");
        let store = Store::open(&path, Key::new([1; 32])).await.unwrap();
        Arc::new(Nodes::open(store).await.unwrap())
    }

    fn name(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn ask() -> AskFactor {
        AskFactor {
            integration: IntegrationId::new("radius_server_auto").unwrap(),
            user: "alice".to_owned(),
            typed: Secret::from("123456"),
            by: "test".to_owned(),
        }
    }

    fn factor() -> Command {
        let factor = Box::new(ask());
        Command::Factor { factor }
    }

    async fn told(node: &mut Subscription) -> (u64, bool) {
        loop {
            match node.next().await {
                ToNode::Command { number, .. } => return (number, true),
                ToNode::Cancel { number } => return (number, false),
                // Each subscription begins with it.
                ToNode::Drain { drain: false } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn who_waits_no_more_breaks_it_off() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = nodes(&folder).await;
        let mut node = nodes.subscribe(&name("a"), None, NEW, None).unwrap();
        let (number, begins) = {
            let waits = pin!(nodes.command(node_name(), factor()));
            tokio::select! {
                got = waits => panic!("{got:?}"),
                told = told(&mut node) => told,
            }
        };
        assert!(begins);
        assert_eq!(told(&mut node).await, (number, false));
        let outcome = Outcome::Refused {
            message: String::new(),
        };
        assert!(!nodes.finished(&name("a"), number, outcome), "nobody waits");
    }

    fn node_name() -> &'static NodeId {
        static NODE: std::sync::OnceLock<NodeId> = std::sync::OnceLock::new();
        NODE.get_or_init(|| name("a"))
    }

    #[tokio::test]
    async fn a_second_factor_says_yes_no_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = nodes(&folder).await;
        let node = node_name();
        let away = nodes.second_factor(node, ask()).await;
        assert!(matches!(away, SecondFactor::Unavailable { .. }), "{away:?}");
        let mut listening = nodes.subscribe(node, None, NEW, None).unwrap();
        let said = |verdict, message: Option<&str>| Outcome::Factor {
            verdict,
            reason: Reason::Denied,
            message: message.map(str::to_owned),
        };
        let text = |text: &str| text.to_owned();
        for (outcome, want) in [
            (said(FactorVerdict::Allowed, None), SecondFactor::Allowed),
            (
                said(FactorVerdict::Denied, Some("no")),
                SecondFactor::Denied {
                    message: text("no"),
                },
            ),
            (
                said(FactorVerdict::Denied, None),
                SecondFactor::Denied {
                    message: text("denied"),
                },
            ),
            (
                said(FactorVerdict::Unavailable, Some("away")),
                SecondFactor::Unavailable {
                    message: text("away"),
                },
            ),
            (
                Outcome::Refused {
                    message: text("older"),
                },
                SecondFactor::Unavailable {
                    message: text("older"),
                },
            ),
            (
                Outcome::Checked { rows: Vec::new() },
                SecondFactor::Unavailable {
                    message: text("node a answered with something else"),
                },
            ),
        ] {
            let answer = async {
                let (number, _) = told(&mut listening).await;
                assert!(nodes.finished(node, number, outcome));
            };
            let (got, ()) = tokio::join!(nodes.second_factor(node, ask()), answer);
            assert_eq!(got, want);
        }
    }

    #[tokio::test]
    async fn an_older_node_gets_what_it_knows() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = nodes(&folder).await;
        let node = node_name();
        let mut older = nodes.subscribe(node, None, OLD, None).unwrap();
        let refused = nodes.command(node, factor()).await;
        assert_eq!(refused, Err(CommandError::NotUnderstood));
        assert_eq!(
            (nodes.for_login(None, None), nodes.takes_logins(node)),
            (None, false)
        );
        let answer = async {
            let (number, _) = told(&mut older).await;
            nodes.finished(node, number, Outcome::Checked { rows: Vec::new() });
        };
        let (checked, ()) = tokio::join!(nodes.command(node, Command::Check), answer);
        assert_eq!(checked, Ok(Outcome::Checked { rows: Vec::new() }));
        // It knows no cancel either.
        {
            let waits = pin!(nodes.command(node, Command::Check));
            tokio::select! {
                got = waits => panic!("{got:?}"),
                _ = told(&mut older) => {}
            }
        }
        let outbox = &nodes.lock()[node].outbox;
        assert_eq!(
            outbox.as_ref().unwrap().sender.capacity(),
            super::super::OUTBOX
        );
    }

    #[tokio::test]
    async fn a_node_has_so_many_commands_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = nodes(&folder).await;
        let mut node = nodes.subscribe(&name("a"), None, NEW, None).unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..COMMANDS_AT_ONCE {
            let nodes = Arc::clone(&nodes);
            waiting.spawn(async move { nodes.command(node_name(), Command::Check).await });
            told(&mut node).await;
        }
        let one_more = nodes.command(node_name(), Command::Check).await;
        assert_eq!(one_more, Err(CommandError::Busy));
        drop(node);
        for outcome in waiting.join_all().await {
            assert_eq!(outcome, Err(CommandError::NotConnected));
        }
    }

    #[tokio::test]
    async fn a_login_goes_to_the_node_that_is_best_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = nodes(&folder).await;
        let (one, two) = (Some(Revision(1)), Some(Revision(2)));
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let _old = nodes.subscribe(&a, one, NEW, None).unwrap();
        let _best = nodes.subscribe(&b, two, NEW, None).unwrap();
        let _here = nodes.subscribe(&c, two, NEW, None).unwrap();
        assert_eq!(nodes.for_login(two, Some(&c)), Some(c.clone()));
        assert_eq!(nodes.for_login(two, None), Some(b.clone()));
        nodes.drain(&c, true).await.unwrap();
        assert_eq!(nodes.for_login(two, Some(&c)), Some(b));
        assert_eq!(nodes.for_login(one, Some(&c)), Some(a));
    }
}

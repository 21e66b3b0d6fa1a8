//! What the control plane has this node do besides serving: commands, whose end it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use local::Client;
use proto::command::{COMMAND_SECONDS, Command, Finished, Outcome};
use proto::rpc::{Empty, SERVICE};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::node::Node;

/// Takes no new logins, or takes them again; those that wait go on.
pub(crate) fn drain(node: &Node, drain: bool) {
    let was = node.shared().draining.swap(drain, Ordering::Relaxed);
    if was != drain {
        match drain {
            true => tracing::warn!("the control plane drains this node: it takes no new logins"),
            false => tracing::warn!("this node takes new logins again"),
        }
    }
}

/// The commands of one subscription. They end with it.
pub(crate) struct Commands {
    node: Arc<Node>,
    control: Client,
    checks: Arc<Semaphore>,
    running: JoinSet<()>,
}

impl Commands {
    pub(crate) fn new(node: &Arc<Node>, control: &Client, checks: &Arc<Semaphore>) -> Self {
        Self {
            node: Arc::clone(node),
            control: control.clone(),
            checks: Arc::clone(checks),
            running: JoinSet::new(),
        }
    }

    /// Begins one. The control plane waits for the end of one before it sends another; what comes all
    /// the same beyond [`RUNNING`] is dropped.
    pub(crate) fn take(&mut self, number: u64, command: Command) {
        while self.running.try_join_next().is_some() {}
        if self.running.len() >= RUNNING {
            tracing::warn!(number, "too many commands at once; one was dropped");
            return;
        }
        let (node, control) = (Arc::clone(&self.node), self.control.clone());
        let checks = Arc::clone(&self.checks);
        self.running.spawn(async move {
            let doing = tokio::time::timeout(LIMIT, perform(&node, &checks, command));
            let outcome = doing.await.unwrap_or_else(|_| Outcome::Refused {
                message: format!("it was not done within {COMMAND_SECONDS} seconds"),
            });
            let finished = Finished {
                node: node.id().clone(),
                number,
                outcome,
            };
            let told = control
                .post::<_, Empty>(&format!("{SERVICE}/Finished"), &finished, CALL_LIMIT)
                .await;
            if let Err(error) = told {
                tracing::warn!(
                    number,
                    error = &error as &dyn std::error::Error,
                    "the control plane did not take what came of its command"
                );
            }
        });
    }
}

async fn perform(node: &Node, checks: &Semaphore, command: Command) -> Outcome {
    match command {
        Command::Check => {
            let Ok(_turn) = checks.try_acquire() else {
                return Outcome::Refused {
                    message: "a check is running already at the node".to_owned(),
                };
            };
            tracing::info!("the control plane has this node try what it serves");
            Outcome::Checked {
                rows: node.check().await,
            }
        }
        Command::Unknown => Outcome::Refused {
            message: "the node's program is older and does not know this command".to_owned(),
        },
    }
}

/// Commands at a time.
const RUNNING: usize = 4;
const LIMIT: Duration = Duration::from_secs(COMMAND_SECONDS);
const CALL_LIMIT: Duration = Duration::from_secs(10);

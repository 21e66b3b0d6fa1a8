//! Follows the control plane: applies its revisions, says what became of each, reports status.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use local::{CallError, Client, Lines};
use proto::config::{Fault, raw};
use proto::id::Revision;
use proto::rpc::{
    Acknowledge, ConfigSource, Empty, HEARTBEAT_SECONDS, PROTOCOL_VERSION, ReportStatus, SERVICE,
    Subscribe, ToNode, UNDERSTANDS_COMMANDS, UNDERSTANDS_LOGINS, UNDERSTANDS_PRIMARY_ONLY, Verdict,
};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::command::{self, Commands};
use super::last_good::LastGood;
use crate::node::Node;

/// Runs until the token is cancelled.
pub(crate) async fn follow(
    node: Arc<Node>,
    control: Client,
    last_good: LastGood,
    checks: Arc<Semaphore>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = subscribe(&node, &control, &last_good, &checks) => {}
        () = report_status(&node, &control) => {}
    }
}

async fn subscribe(
    node: &Arc<Node>,
    control: &Client,
    last_good: &LastGood,
    checks: &Arc<Semaphore>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match one_subscription(node, control, last_good, checks, &mut pause).await {
            Ok(()) => tracing::info!("the control plane ended the subscription"),
            Err(error) => match node.serving() {
                Some(_) => tracing::warn!(
                    error = &error as &dyn Error,
                    "no subscription to the control plane; serving on"
                ),
                None => tracing::warn!(
                    error = &error as &dyn Error,
                    "no subscription to the control plane; nothing is served"
                ),
            },
        }
        node.set_connected(false);
        // The control plane is away: what it last sent is better than nothing.
        if node.serving().is_none() {
            start_from_copy(node, last_good).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn one_subscription(
    node: &Arc<Node>,
    control: &Client,
    last_good: &LastGood,
    checks: &Arc<Semaphore>,
    pause: &mut Duration,
) -> Result<(), CallError> {
    let hello = Subscribe {
        node: node.id().clone(),
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        serving: node.serving(),
        understands: [
            UNDERSTANDS_PRIMARY_ONLY,
            UNDERSTANDS_COMMANDS,
            UNDERSTANDS_LOGINS,
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let lines = control
        .stream(&format!("{SERVICE}/Subscribe"), &hello)
        .await?;
    node.set_connected(true);
    tracing::info!(node = %node.id(), "subscribed to the control plane");
    let (verdicts, queued) = mpsc::channel(VERDICTS);
    let mut listener = Listener {
        node,
        control,
        last_good,
        commands: Commands::new(node, control, checks),
        verdicts,
        pause,
    };
    tokio::select! {
        ended = listener.listen(lines) => ended,
        never = tell(node, control, queued) => match never {},
    }
}

/// One subscription.
struct Listener<'a> {
    node: &'a Arc<Node>,
    control: &'a Client,
    last_good: &'a LastGood,
    commands: Commands,
    verdicts: mpsc::Sender<Acknowledge>,
    pause: &'a mut Duration,
}

impl Listener<'_> {
    async fn listen(&mut self, mut lines: Lines) -> Result<(), CallError> {
        let (node, control, last_good) = (self.node, self.control, self.last_good);
        // What was refused is tried again with each heartbeat: a port may have become free.
        let mut refused: Option<Box<raw::Snapshot>> = None;
        while let Some(heard) = next(&mut lines).await? {
            let message = match heard {
                Heard::Message(message) => *message,
                Heard::Unreadable { revision, fault } => {
                    tracing::error!(%revision, fault = fault.message, "revision refused");
                    refused = None;
                    let verdict = Verdict::Refused {
                        faults: vec![fault],
                    };
                    self.say(revision, verdict);
                    if node.serving().is_none() {
                        start_from_copy(node, last_good).await;
                    }
                    continue;
                }
            };
            // Only a subscription that stands for a while is a success: else one that breaks at once
            // would be asked for without a rest.
            if message == ToNode::Heartbeat {
                *self.pause = FIRST_PAUSE;
            }
            let (snapshot, again) = match (message, refused.take()) {
                (ToNode::StateKeys { keys }, waiting) => {
                    refused = waiting;
                    if let Err(error) = node.set_state_keys(&keys) {
                        tracing::error!(
                            error = &error as &dyn Error,
                            "keys of States refused; those before serve on"
                        );
                    }
                    continue;
                }
                (ToNode::PrimaryOnly { grants }, waiting) => {
                    refused = waiting;
                    node.set_primary_only(grants);
                    // The administrator who changed it looks at the status next.
                    send_status(node, control).await;
                    continue;
                }
                (ToNode::Drain { drain }, waiting) => {
                    refused = waiting;
                    command::drain(node, drain);
                    send_status(node, control).await;
                    continue;
                }
                (ToNode::Command { number, command }, waiting) => {
                    refused = waiting;
                    self.commands.take(number, command);
                    continue;
                }
                (ToNode::Cancel { number }, waiting) => {
                    refused = waiting;
                    self.commands.cancel(number);
                    continue;
                }
                (ToNode::Unknown, waiting) => {
                    refused = waiting;
                    tracing::debug!("a message of a later version is passed over");
                    continue;
                }
                (ToNode::Snapshot { snapshot }, _) => (snapshot, false),
                (ToNode::Heartbeat, Some(snapshot)) => (snapshot, true),
                (ToNode::Heartbeat, None) => continue,
            };
            let revision = Revision(snapshot.revision);
            let source = ConfigSource::ControlPlane;
            let verdict = apply(node, (*snapshot).clone(), source, Some(last_good), again).await;
            let bad = matches!(verdict, Verdict::Refused { .. });
            if !(bad && again) {
                self.say(revision, verdict);
            }
            if bad {
                refused = Some(snapshot);
                // After a restart: what was served before is better than nothing.
                if node.serving().is_none() {
                    start_from_copy(node, last_good).await;
                }
            }
        }
        Ok(())
    }

    /// Has the control plane told what became of a revision.
    fn say(&self, revision: Revision, verdict: Verdict) {
        let acknowledge = Acknowledge {
            node: self.node.id().clone(),
            revision,
            verdict,
        };
        if self.verdicts.try_send(acknowledge).is_err() {
            tracing::warn!(%revision, "too many verdicts wait to be told; one was dropped");
        }
    }
}

/// Tells the control plane what became of revisions, in order. What it cannot take now is told again,
/// without another subscription.
async fn tell(
    node: &Node,
    control: &Client,
    mut queued: mpsc::Receiver<Acknowledge>,
) -> Infallible {
    let path = format!("{SERVICE}/Acknowledge");
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(verdict) = queued.recv().await else {
            return std::future::pending().await;
        };
        loop {
            let told = control.post::<_, Empty>(&path, &verdict, CALL_LIMIT).await;
            let Err(error) = told else {
                pause = FIRST_PAUSE;
                // Readiness hangs on this report: it does not wait for its turn.
                send_status(node, control).await;
                break;
            };
            let for_good = matches!(
                &error,
                CallError::Refused { status, .. } if *status < 500 && *status != 429
            );
            tracing::warn!(
                revision = %verdict.revision,
                again = !for_good,
                error = &error as &dyn Error,
                "the control plane did not take what became of a revision"
            );
            if for_good {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// One line of the control plane.
enum Heard {
    Message(Box<ToNode>),
    /// A revision that this version cannot read.
    Unreadable {
        revision: Revision,
        fault: Fault,
    },
}

/// As much of a revision as any version can read.
#[derive(Deserialize)]
struct Numbered {
    snapshot: JustNumber,
}

#[derive(Deserialize)]
struct JustNumber {
    revision: u64,
}

impl Heard {
    fn read(line: &[u8]) -> Result<Self, CallError> {
        let source = match serde_json::from_slice(line) {
            Ok(message) => return Ok(Self::Message(Box::new(message))),
            Err(source) => source,
        };
        match serde_json::from_slice::<Numbered>(line) {
            Ok(Numbered { snapshot }) => Ok(Self::Unreadable {
                revision: Revision(snapshot.revision),
                fault: Fault {
                    path: String::new(),
                    message: unreadable(&source),
                },
            }),
            // Neither is any other message for this version, if it is one at all.
            Err(_) if source.is_data() => {
                tracing::error!(
                    why = unreadable(&source),
                    "a message of the control plane is passed over"
                );
                Ok(Self::Message(Box::new(ToNode::Unknown)))
            }
            Err(_) => Err(CallError::Unreadable { source }),
        }
    }
}

/// Why, without a value: it may be a secret. Names of fields are none.
fn unreadable(source: &serde_json::Error) -> String {
    let text = source.to_string();
    let named = ["unknown field", "missing field"];
    let what = match text.split(" at line ").next() {
        Some(what) if named.iter().any(|start| what.starts_with(start)) => what,
        _ => "a value of another kind",
    };
    format!(
        "this node's program, version {}, cannot read it: {what}, at column {}; update the node",
        env!("CARGO_PKG_VERSION"),
        source.column()
    )
}

async fn next(lines: &mut Lines) -> Result<Option<Heard>, CallError> {
    let limit = Duration::from_secs(3 * HEARTBEAT_SECONDS);
    let line = tokio::time::timeout(limit, lines.next())
        .await
        .map_err(|_| CallError::TimedOut { limit })??;
    line.map(|line| Heard::read(&line)).transpose()
}

/// Applies a revision whole, or says why not.
async fn apply(
    node: &Arc<Node>,
    raw: raw::Snapshot,
    source: ConfigSource,
    keep: Option<&LastGood>,
    again: bool,
) -> Verdict {
    let revision = raw.revision;
    match node.apply(raw.clone(), source).await {
        Ok(()) => {
            tracing::info!(revision, "revision applied");
            if let Some(copy) = keep {
                let copy = copy.clone();
                let stored = tokio::task::spawn_blocking(move || copy.store(&raw)).await;
                if let Ok(Err(error)) = stored {
                    tracing::error!(
                        error = &error as &dyn Error,
                        "no sealed copy of this revision: without the control plane this node cannot start"
                    );
                }
            }
            Verdict::Applied
        }
        Err(faults) => {
            if !again {
                match node.serving() {
                    Some(_) => tracing::error!(
                        revision, %faults, "revision refused; the one before is served on"
                    ),
                    None => {
                        tracing::error!(revision, %faults, "revision refused; nothing is served")
                    }
                }
            }
            Verdict::Refused { faults: faults.0 }
        }
    }
}

async fn start_from_copy(node: &Arc<Node>, last_good: &LastGood) {
    let copy = last_good.clone();
    match tokio::task::spawn_blocking(move || copy.load()).await {
        Ok(Ok(Some(snapshot))) => {
            tracing::warn!(
                revision = snapshot.revision,
                "starting from the sealed copy"
            );
            apply(node, snapshot, ConfigSource::SealedCopy, None, false).await;
        }
        Ok(Ok(None)) => {
            tracing::warn!(
                "no sealed copy yet: nothing is served until a revision from the control plane can be"
            )
        }
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn Error, "the sealed copy is of no use")
        }
        Err(_) => {}
    }
}

async fn report_status(node: &Node, control: &Client) {
    let mut turns = tokio::time::interval(STATUS_INTERVAL);
    loop {
        turns.tick().await;
        node.tidy();
        send_status(node, control).await;
    }
}

async fn send_status(node: &Node, control: &Client) {
    let report = ReportStatus {
        node: node.id().clone(),
        status: node.status(),
    };
    let sent = control
        .post::<_, Empty>(&format!("{SERVICE}/ReportStatus"), &report, CALL_LIMIT)
        .await;
    if let Err(error) = sent {
        tracing::debug!(error = &error as &dyn Error, "status not reported");
    }
}

const CALL_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Verdicts that wait to be told.
const VERDICTS: usize = 16;

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

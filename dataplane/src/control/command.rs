//! What the control plane has this node do besides serving: commands, whose end it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use local::Client;
use proto::command::{
    COMMANDS_AT_ONCE, Command, Finished, LIST_SECONDS, ListPeople, Outcome, TestLogin,
};
use proto::id::IntegrationId;
use proto::rpc::{Empty, SERVICE};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::clock;
use crate::node::Node;
use crate::server::served::Served;
use crate::server::test_login;

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
    handles: HashMap<u64, AbortHandle>,
}

impl Commands {
    pub(crate) fn new(node: &Arc<Node>, control: &Client, checks: &Arc<Semaphore>) -> Self {
        Self {
            node: Arc::clone(node),
            control: control.clone(),
            checks: Arc::clone(checks),
            running: JoinSet::new(),
            handles: HashMap::new(),
        }
    }

    /// Begins one; what comes beyond [`COMMANDS_AT_ONCE`] is refused.
    pub(crate) fn take(&mut self, number: u64, command: Command) {
        while self.running.try_join_next().is_some() {}
        self.handles.retain(|_, handle| !handle.is_finished());
        if self.handles.len() >= COMMANDS_AT_ONCE {
            tracing::warn!(number, "too many commands at once; one was refused");
            if self.running.len() < MOST_REFUSALS {
                let outcome = refused("the node is busy with other commands");
                let told = tell(
                    Arc::clone(&self.node),
                    self.control.clone(),
                    number,
                    outcome,
                );
                self.running.spawn(told);
            }
            return;
        }
        let (node, control) = (Arc::clone(&self.node), self.control.clone());
        let checks = Arc::clone(&self.checks);
        let handle = self.running.spawn(async move {
            let seconds = command.seconds();
            let limit = Duration::from_secs(seconds);
            let doing = tokio::time::timeout(limit, perform(&node, &checks, command));
            let outcome = doing
                .await
                .unwrap_or_else(|_| refused(format!("it was not done within {seconds} seconds")));
            tell(node, control, number, outcome).await;
        });
        self.handles.insert(number, handle);
    }

    /// Breaks one off that nobody waits for.
    pub(crate) fn cancel(&mut self, number: u64) {
        if let Some(handle) = self.handles.remove(&number) {
            handle.abort();
        }
    }
}

fn refused(message: impl Into<String>) -> Outcome {
    Outcome::Refused {
        message: message.into(),
    }
}

async fn tell(node: Arc<Node>, control: Client, number: u64, outcome: Outcome) {
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
}

async fn perform(node: &Node, checks: &Semaphore, command: Command) -> Outcome {
    match command {
        Command::Check => {
            let Ok(_turn) = checks.try_acquire() else {
                return refused("a check is running already at the node");
            };
            tracing::info!("the control plane has this node try what it serves");
            Outcome::Checked {
                rows: node.check().await,
            }
        }
        Command::Login { login } => test(node, *login).await,
        Command::Factor { factor } => {
            let Some(served) = node.served_by(&factor.integration) else {
                return not_served(&factor.integration);
            };
            tracing::info!(
                integration = %factor.integration,
                by = factor.by,
                "the control plane asks for a second factor"
            );
            let (verdict, reason, message) =
                test_login::factor(node.shared(), &served, *factor).await;
            Outcome::Factor {
                verdict,
                reason,
                message,
            }
        }
        Command::List { list } => listed(node, *list).await,
        Command::Unknown => refused("the node's program is older and does not know this command"),
    }
}

/// Lists the people of a directory that is served.
async fn listed(node: &Node, list: ListPeople) -> Outcome {
    let Some(directory) = node.primary(&list.directory) else {
        return refused(format!(
            "the node serves no login by a section [{}]; name an ad_client section that an integration \
             uses",
            list.directory
        ));
    };
    tracing::info!(
        directory = list.directory,
        by = list.by,
        "the control plane lists the people of a directory"
    );
    let deadline = clock::now() + Duration::from_secs(LIST_SECONDS) - MARGIN;
    match directory.list(list.group_dn.as_deref(), deadline).await {
        Ok(listed) => Outcome::Listed {
            listed: Box::new(listed),
        },
        Err(why) => refused(why),
    }
}

async fn test(node: &Node, login: TestLogin) -> Outcome {
    let Some(served) = node.served_by(&login.integration) else {
        return not_served(&login.integration);
    };
    if let Some(client) = login.client
        && !is_client(&served, client)
    {
        let id = &login.integration;
        return refused(format!("{client} is no client of [{id}]"));
    }
    tracing::info!(
        integration = %login.integration,
        by = login.by,
        "the control plane tests a login"
    );
    let login = Box::new(test_login::login(node.shared(), &served, login).await);
    Outcome::LoggedIn { login }
}

fn is_client(served: &Served, address: std::net::IpAddr) -> bool {
    let mut clients = served.config.clients.iter();
    clients.any(|client| client.address.contains(address))
}

fn not_served(integration: &IntegrationId) -> Outcome {
    refused(format!(
        "the node does not serve an integration '{integration}'"
    ))
}

/// Refusals that are on their way at a time, with what is worked on; a control plane that goes on all
/// the same is left to its time-out.
const MOST_REFUSALS: usize = 2 * COMMANDS_AT_ONCE;
/// A list of many people takes a moment to travel.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// How much of its time a list leaves for the way back.
const MARGIN: Duration = Duration::from_secs(5);

//! Arguments of what manages a running gateway: nodes, grants, people.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use proto::id::{IntegrationId, NodeId};

use super::parse::{integration, node};
use super::{PasswordArgs, ToolArgs};
use crate::span;

#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: NodeCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Print a token with which one machine joins, once.
    Token {
        /// The name that the node gets, also if there is one of that name, whose place it takes
        /// [default: any that is free].
        #[arg(long, value_name = "NAME", value_parser = node)]
        node: Option<NodeId>,
        /// For how long it is good: 90s, 30m, 1h30m.
        #[arg(long = "for", value_name = "TIME", value_parser = span::read, default_value = "1h")]
        span: Duration,
        /// Write it to this file, for its owner alone, in place of what was there [default:
        /// standard output].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Make none when the node of this name has joined and its certificate is good.
        #[arg(long, requires = "node")]
        unless_joined: bool,
    },
    /// List the tokens that nobody has used yet, or take one back.
    Tokens {
        /// The token's id, as the list has it.
        #[arg(long, value_name = "ID")]
        take_back: Option<String>,
    },
    /// On the new machine: join a control plane.
    Join {
        /// Where it listens for nodes: https://HOST:PORT.
        #[arg(value_name = "URL")]
        url: String,
        /// A file with the token; - is standard input.
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        /// The name of the node [default: that of the token].
        #[arg(long, value_name = "NAME", value_parser = node)]
        name: Option<NodeId>,
    },
    /// List the nodes and how they are.
    List,
    /// Have a node take no new logins; those that wait go on. Lasts until --undo.
    Drain {
        /// The node.
        #[arg(value_parser = node)]
        name: NodeId,
        /// Take new logins again.
        #[arg(long)]
        undo: bool,
    },
    /// Have a node try what it serves, as `countersign check` does there.
    Check {
        /// The node [default: every node that is connected].
        #[arg(value_parser = node)]
        name: Option<NodeId>,
    },
    /// Have a node log a user in as a device would, and show what comes of it. Nobody is let in
    /// anywhere.
    Login {
        /// The user's name.
        #[arg(value_name = "USER")]
        user: String,
        /// The integration to log in through.
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: IntegrationId,
        /// The node [default: one that serves the newest revision].
        #[arg(long, value_name = "NAME", value_parser = node)]
        node: Option<NodeId>,
        /// As this device, which must be a client of the integration.
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
        /// Where the user is, as a device says it in Calling-Station-Id.
        #[arg(long, value_name = "TEXT")]
        calling_station_id: Option<String>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Revoke a node's certificate and forget it. Stop its process as well: what it has, it serves.
    Remove {
        /// The node.
        #[arg(value_parser = node)]
        name: NodeId,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PrimaryOnlyArgs {
    #[command(subcommand)]
    pub(crate) command: PrimaryOnlyCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PrimaryOnlyCommand {
    /// Let logins pass on the primary alone, after asking whether that is meant.
    Start {
        /// In this integration: the name of its section.
        #[arg(
            long,
            value_name = "ID",
            value_parser = integration,
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        integration: Option<IntegrationId>,
        /// In every integration whose primary checks a password.
        #[arg(long)]
        all: bool,
        /// For how long, 24h at most: 90s, 30m, 1h30m. It ends by itself then.
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Duration,
        /// Why, for the log and for whoever looks: 500 characters at most.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Ask for the second factor again, at once.
    Stop {
        /// In this integration alone [default: end every grant].
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: Option<IntegrationId>,
    },
    /// Show where logins pass on the primary alone.
    Show,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Invite an administrator and print the invitation, once.
    Invite {
        /// What they sign in with: letters, digits and -_.@
        name: String,
        /// What they may: viewer sees, operator runs what is there, admin changes it.
        #[arg(long, value_name = "ROLE", default_value = "admin", value_parser = ROLES)]
        role: String,
        /// Ask the second factor through this integration, under their name [default: passcodes of
        /// this installation].
        #[arg(long, value_name = "ID", value_parser = integration)]
        integration: Option<IntegrationId>,
    },
    /// List administrators, and who has yet to take the invitation.
    List,
    /// Remove an administrator and end all sessions.
    Remove {
        /// The name.
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: it is kept nowhere.
    Create {
        /// What to know it by: whose it is, or what for.
        name: String,
        /// What it may: viewer sees, operator runs what is there, admin changes it.
        #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = ROLES)]
        role: String,
        /// Days that it is good for.
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
    },
    /// List tokens: who has one, until when, and when it was used last.
    List,
    /// Take a token back, at once.
    Revoke {
        /// Its name or id.
        token: String,
    },
}

/// What somebody may, from least to most.
const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

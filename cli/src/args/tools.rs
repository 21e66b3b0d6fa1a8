//! Arguments of what looks at a configuration, a gateway or its data, or brings something in or out.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use controlplane::admin::Moment;
use proto::child::Role;
use proto::event::{Factor, Outcome, Reason};
use proto::id::{IntegrationId, LoginId, NodeId};

use super::parse::{days, factor, integration, login_id, node, outcome, reason, role};
use super::{DEFAULT_ADMIN, DataDirArgs, DatabaseArgs, JsonArgs, PasswordArgs, ToolArgs};
use crate::span;

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take warnings for errors.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the paths of the files that it names, one a line, and nothing of what is found.
    #[arg(long, conflicts_with_all = ["strict", "json"])]
    pub(crate) files: bool,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The folder; what is in it is written over.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CertArgs {
    /// The server's names: a DNS name that supplicants are told (it need not resolve), and further
    /// names or addresses. With --renew those of the certificate that is there, when none is given.
    #[arg(value_name = "NAME", required_unless_present = "renew")]
    pub(crate) names: Vec<String>,
    /// The folder for ca.pem, ca.key, radius.pem and radius.key. A CA that is there is used.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Days that the certificate is good for.
    #[arg(long, default_value_t = 365, value_name = "DAYS", value_parser = days())]
    pub(crate) days: u32,
    /// Days that a new CA is good for.
    #[arg(long, default_value_t = 3_650, value_name = "DAYS", value_parser = days())]
    pub(crate) ca_days: u32,
    /// Replace radius.pem and radius.key; a running gateway shows the new ones by itself.
    #[arg(long)]
    pub(crate) renew: bool,
    /// Make no CA: supplicants must then have radius.pem itself, and anew with each renewal.
    #[arg(long, conflicts_with = "ca_days")]
    pub(crate) self_signed: bool,
    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// An authproxy.cfg to try in place of what the running gateway serves; no gateway need run.
    // Not from the environment, where a container names the file that its gateway serves.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// The user's name.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// The integration to log in through; needed when there are several.
    #[arg(long, value_name = "ID", value_parser = integration)]
    pub(crate) integration: Option<IntegrationId>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    #[command(flatten)]
    pub(crate) eap: LoginEapArgs,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

/// How a supplicant logs in, where the integration is of mode eap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "EAP")]
pub(crate) struct LoginEapArgs {
    /// The name outside of the tunnel, which is no secret [default: USER].
    #[arg(long, value_name = "NAME")]
    pub(crate) outer: Option<String>,
    /// A file of CA certificates (PEM): the server's must be signed by one of them [default: any is
    /// taken].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The name or address that the server's certificate must be for [default: any].
    #[arg(long, requires = "ca", value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// The only version of TLS to offer [default: both].
    #[arg(long, value_parser = ["1.2", "1.3"], value_name = "VERSION")]
    pub(crate) tls: Option<String>,
    /// The highest version of PEAP to speak [default: 1].
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1), value_name = "VERSION")]
    pub(crate) peap: Option<u8>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArgs {
    /// Of this user, as it was typed.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Through this integration: the name of its section.
    #[arg(long, value_name = "ID", value_parser = integration)]
    pub(crate) integration: Option<IntegrationId>,
    /// Through this data plane.
    #[arg(long, value_name = "NAME", value_parser = node)]
    pub(crate) node: Option<NodeId>,
    /// That ended so: accept, reject, challenge or unanswered.
    #[arg(long, value_name = "WORD", value_parser = outcome)]
    pub(crate) outcome: Option<Outcome>,
    /// For this reason, as the log has it.
    #[arg(long, value_name = "WORD", value_parser = reason)]
    pub(crate) reason: Option<Reason>,
    /// With this second factor: auto, push, phone, sms or passcode.
    #[arg(long, value_name = "WORD", value_parser = factor)]
    pub(crate) factor: Option<Factor>,
    /// From this address of a client.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client: Option<IpAddr>,
    /// With this in one of their texts, whatever the case; the steps count too.
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// All requests of the login whose first request has this id.
    #[arg(long, value_name = "ID", value_parser = login_id)]
    pub(crate) login: Option<LoginId>,
    /// True: what administrators tried alone; false: none of it.
    #[arg(long, value_name = "true|false")]
    pub(crate) test: Option<bool>,
    /// Of the last 90s, 30m, 1h30m, 7d.
    #[arg(long, value_name = "TIME", value_parser = span::read, conflicts_with = "from")]
    pub(crate) since: Option<Duration>,
    /// From this moment on: 2026-11-22, 2026-11-22T15:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) from: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    pub(crate) to: Option<Moment>,
    /// The newest so many [default: 100; with --json or --csv all].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print a table for spreadsheets.
    #[arg(long, conflicts_with_all = ["follow", "json"])]
    pub(crate) csv: bool,
    /// Show the steps of each login.
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub(crate) steps: bool,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// The gateway's admin address.
    #[arg(long, env = "COUNTERSIGN_ADMIN_LISTEN", default_value = DEFAULT_ADMIN, value_name = "ADDR")]
    pub(crate) admin_listen: SocketAddr,
    /// The certificate that it serves TLS with (PEM), if it is not the self-made one in the data
    /// folder.
    #[arg(long, env = "COUNTERSIGN_ADMIN_TLS_CERT", value_name = "FILE")]
    pub(crate) admin_tls_cert: Option<PathBuf>,
    /// Ask a role that runs by itself, by its socket in the data folder, in place of the admin
    /// address.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Option<Role>,
    /// Ask whether it runs at all, not whether it is ready: for probes on whose word a container is
    /// started again.
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Add to what there is, and replace nothing.
    #[arg(long)]
    pub(crate) merge: bool,
    /// Only show what would change.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Write authproxy.cfg and the files that it names into this folder [default: the text alone, on
    /// standard output].
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Write secrets as `_protected` values that only this installation opens [default: as
    /// placeholders]. Private keys are never written.
    #[arg(long)]
    pub(crate) sealed: bool,
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the newest entries.
    List {
        /// How many, 1,000 at most.
        #[arg(long, default_value_t = 50, value_name = "NUMBER")]
        limit: u32,
    },
    /// Prove that no entry was changed, put in or taken out. Exit 1 when one was.
    Verify,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SealArgs {
    #[command(flatten)]
    pub(crate) data: DataDirArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MasterKeyArgs {
    #[command(subcommand)]
    pub(crate) command: MasterKeyCommand,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Put a new master key into the key file, and the data keys under it. What is sealed stays as it
    /// is, `_protected` values in files too.
    Rotate {
        /// Also make a new data key, for what is sealed from now on. Where several control planes
        /// share a database, only once all of them have the new key file.
        #[arg(long)]
        new_data_key: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    /// The folder; it must not be there yet.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SupportArgs {
    /// The file, or the folder for it; nothing that is there is replaced [default:
    /// countersign-support-TIME.tar.gz].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// An authproxy.cfg [default: the one that the running gateway reads].
    // Not from the environment, as with check.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A log file, or a folder of such (NAME.log), to take the last lines of; again for more. Those of
    /// log_dir and of the journal are taken anyway.
    #[arg(long, value_name = "PATH")]
    pub(crate) logs: Vec<PathBuf>,
    /// Leave names of users as they are. People type passwords there.
    #[arg(long)]
    pub(crate) with_users: bool,
    /// Try nothing that the configuration names.
    #[arg(long)]
    pub(crate) no_check: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The folder of a backup.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where the data folder is not empty: keep what is there aside, in a folder within it.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

/// `countersign log-level`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogLevelArgs {
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
    /// Targets with their levels (`dataplane=debug`, `dataplane::primary=trace`), or a level for
    /// all of Countersign [default: only show]. Kept until the process ends.
    #[arg(value_name = "TARGET=LEVEL")]
    pub(crate) levels: Vec<String>,
    /// Only of this part: supervisor, controlplane, dataplane or secondfactor [default: all that run].
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Forget what was changed: what --log and the configuration say holds again.
    #[arg(long)]
    pub(crate) reset: bool,
}

//! The program `countersign`: argument parsing, the supervisor and wiring. What it does is decided
//! in the other crates.

mod admin_address;
mod args;
mod commands;
mod explain;
mod failure;
mod logs;
mod notify;
mod output;
mod paths;
mod program;
mod span;
mod supervisor;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use tokio::runtime::{Builder, Runtime};

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::logs::Part;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches().unwrap_or_else(refused);
    let named = matches.subcommand().and_then(|(_, command)| {
        let by = command.value_source("log")?;
        (by == ValueSource::CommandLine).then(|| command.get_one::<String>("log").cloned())?
    });
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(refused);
    match dispatch(cli, named.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            supervisor::go_back(&failure.to_string());
            failure.report()
        }
    }
}

/// Help, the version, or what is wrong with the arguments.
fn refused<T>(error: clap::Error) -> T {
    supervisor::go_back(&error.to_string());
    error.exit()
}

/// `named` is `--log`, where the command line has it.
fn dispatch(cli: Cli, named: Option<&str>) -> Result<(), Failure> {
    // Both TLS stacks in this program take the provider from here when nobody names one.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return Err(Failure::plain("the TLS provider is set twice"));
    }
    let supervised = match &cli.command {
        Command::Controlplane(args) => Some(args.supervised),
        Command::Dataplane(args) => Some(args.supervised),
        Command::Secondfactor(args) => Some(args.supervised),
        _ => None,
    };
    let part = match (&cli.command, supervised) {
        (Command::Run(args), _) if !args.self_test => Part::Service,
        (_, Some(role)) if role.supervised.is_none() => Part::Service,
        (_, Some(_)) => Part::Supervised,
        _ => Part::Command,
    };
    // The demo's own output is what matters there, and the rows of a check say what is wrong; the
    // log speaks up for the rest.
    let mut log = cli.log.clone();
    match &cli.command {
        Command::Demo(_) if log.log == "info" => log.log = "warn".to_owned(),
        Command::Check(_) | Command::Support(_) if log.log == "info" => {
            log.log = "error".to_owned();
        }
        _ => {}
    }
    let _guard = supervisor::unheard(|| logs::start(&log, part))?;
    match cli.command {
        Command::Run(args) => service()?.block_on(commands::run::run(args, log)),
        Command::Demo(args) => small()?.block_on(commands::demo::run(args, log)),
        Command::Controlplane(args) => large()?.block_on(commands::roles::controlplane(args)),
        Command::Dataplane(args) => large()?.block_on(commands::roles::dataplane(args)),
        Command::Secondfactor(args) => large()?.block_on(commands::roles::secondfactor(args)),
        Command::Validate(args) => commands::validate::run(&args),
        Command::Cert(args) => commands::cert::run(&args),
        Command::Check(args) => small()?.block_on(commands::check::run(args)),
        Command::Login(args) => small()?.block_on(commands::login::run(args)),
        Command::Status(args) => small()?.block_on(commands::status::status(args)),
        Command::Events(args) => small()?.block_on(commands::events::run(args)),
        Command::LogLevel(args) => small()?.block_on(commands::log_level::run(args, named)),
        Command::Reload(args) => small()?.block_on(commands::status::reload(args)),
        Command::Upgrade(args) => small()?.block_on(commands::upgrade::run(args)),
        Command::Healthcheck(args) => small()?.block_on(commands::healthcheck::run(args)),
        Command::Node(args) => small()?.block_on(commands::node::run(args)),
        Command::PrimaryOnly(args) => small()?.block_on(commands::primary_only::run(args)),
        Command::Factor(args) => small()?.block_on(commands::factor::run(args)),
        Command::Import(args) => small()?.block_on(commands::config::import(args)),
        Command::Export(args) => small()?.block_on(commands::config::export(args)),
        Command::Audit(args) => small()?.block_on(commands::audit::run(args)),
        Command::Admin(args) => small()?.block_on(commands::admin::run(args)),
        Command::Token(args) => small()?.block_on(commands::token::run(args)),
        Command::Seal(args) => commands::seal::run(args),
        Command::MasterKey(args) => small()?.block_on(commands::master_key::run(args)),
        Command::Backup(args) => small()?.block_on(commands::backup::run(args)),
        Command::Restore(args) => small()?.block_on(commands::backup::restore(args)),
        Command::Generate(args) => commands::generate::run(&args.folder),
        Command::Support(args) => small()?.block_on(commands::support::run(args)),
        Command::Version(args) => {
            if args.json {
                output::json(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
            } else {
                output::line(format_args!("countersign {}", env!("CARGO_PKG_VERSION")));
            }
            Ok(())
        }
    }
}

/// For commands, and for the supervisor: its children must be started by the main thread, since
/// they ask to end with the thread that started them (prctl(2), `PR_SET_PDEATHSIG`).
fn small() -> Result<Runtime, Failure> {
    runtime(&mut Builder::new_current_thread())
}

/// The same for a gateway, whose main thread alone hears signals.
fn service() -> Result<Runtime, Failure> {
    runtime(Builder::new_current_thread().on_thread_start(|| {
        // It fails for wrong arguments alone.
        let _ = supervisor::hold_signals();
    }))
}

/// For the roles.
fn large() -> Result<Runtime, Failure> {
    runtime(&mut Builder::new_multi_thread())
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start", &error))
}

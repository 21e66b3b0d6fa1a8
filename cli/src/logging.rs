//! Where the log goes.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::args::LogArgs;
use crate::failure::Failure;

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A service by itself.
    Stdout,
    /// A supervised role, whose standard output speaks to the supervisor; and short commands.
    Stderr,
}

/// Starts logging.
pub(crate) fn start(args: &LogArgs, sink: Sink) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| {
        Failure::usage(format!(
            "--log '{}': {error}; write a level such as info",
            args.log
        ))
    })?;
    let writer = match sink {
        Sink::Stdout => BoxMakeWriter::new(std::io::stdout),
        Sink::Stderr => BoxMakeWriter::new(std::io::stderr),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    if args.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(())
}

//! `countersign run`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::admin_address;
use crate::args::{LogArgs, RunArgs};
use crate::commands::database;
use crate::commands::roles::raise_file_limit;
use crate::commands::validate;
use crate::failure::Failure;
use crate::paths::DataDir;
use crate::program::{self, Program};
use crate::supervisor::{self, Heritage, Plan, Teller};

pub(crate) async fn run(args: RunArgs, log: LogArgs) -> Result<(), Failure> {
    if args.self_test {
        return self_test(args);
    }
    let mut heritage = Heritage::take()?;
    let program = match &heritage {
        Some(heritage) => Program::at(heritage.program().to_owned()),
        None => Program::this()?,
    };
    let data = DataDir::new(args.data.data_dir)?;
    let database = database::named(&args.database)?;
    let traces = args.traces.settings()?;
    // One verdict with `validate`, and before anything is started or made. What is served already
    // is served on, whatever lies there now.
    if let Some(config) = &args.source.config
        && !args.source.last_good
        && heritage.is_none()
    {
        validate::refuse_bad(config, &data)?;
    }
    data.make()?;
    let lock = match heritage.as_mut().and_then(Heritage::take_lock) {
        Some(held) => locked(held, &data)?,
        None => only_one(&data)?,
    };
    raise_file_limit();
    let plan = Plan {
        data,
        config: args.source.config,
        seed: None,
        database,
        node: args.node,
        admin_listen: args.admin_listen,
        admin_certificate: args.admin_tls.files(),
        second_factor_listen: args.second_factor.second_factor_listen,
        second_factor_public: args.public,
        nodes: args.nodes,
        retention: args.retention.retention(),
        traces,
        grace: Duration::from_secs(args.stopping.grace),
        last_good: args.source.last_good,
        log: log.log,
        program: Some(program),
    };
    supervisor::run(plan, Teller::Log, lock, heritage, async |_| Ok(())).await
}

/// Looks at all that a start in the place of a running gateway would look at, and takes nothing.
fn self_test(args: RunArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.data.data_dir)?;
    data.refuse_half_restored()?;
    database::named(&args.database)?;
    args.traces.settings()?;
    if let Some(files) = args.admin_tls.files() {
        admin_address::refuse_bad(args.admin_listen, &files)?;
    }
    program::say_fit();
    Ok(())
}

/// Two gateways on one data folder would fight over its databases.
pub(crate) fn only_one(data: &DataDir) -> Result<Flock<File>, Failure> {
    let path = data.path().join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Failure::new(format!("cannot use {}", path.display()), &error))?;
    locked(file, data)
}

fn locked(file: File, data: &DataDir) -> Result<Flock<File>, Failure> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        Failure::plain(format!(
            "another gateway runs in {}; stop that one, or name another folder with --data-dir",
            data.path().display()
        ))
    })
}

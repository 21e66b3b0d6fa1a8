//! Measures the gateway beside its peers and prints a table.
//!
//! `bench [--quick] [NAME…]`: with names, only the scenarios whose name contains one of them. Started by
//! `make bench` through `bench/run`. The program under test is `COUNTERSIGN_BIN`. Everything runs on
//! loopback and ends with this program.
//!
//! Read first: [`scenarios`] (what is measured), [`closed`] and [`burst`] (the two kinds of load),
//! [`double`] (the second factor).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot measure fails by panicking, and prints what it found"
)]

mod burst;
mod challenges;
mod closed;
mod conditions;
mod datagrams;
mod directories;
mod double;
mod eap;
mod echo;
mod events;
mod failover;
mod flood;
mod gateway;
mod growth;
mod handshakes;
mod hanging;
mod logins;
mod peap;
mod peers;
mod plane;
mod plot;
mod readers;
mod report;
mod scenarios;
mod secondfactor;
mod soak;
mod statistics;
mod stored;
mod tally;
mod usage;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use e2e::countersign;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    report::{Row, Table, Verdict},
    scenarios::{Bench, SCENARIOS, SOAK},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, port] = arguments.as_slice()
        && command == echo::COMMAND
    {
        let ended = echo::serve(port.parse().unwrap());
        eprintln!("the echo ended: {ended:?}");
        return ExitCode::FAILURE;
    }
    let (flags, names): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|word| word.starts_with("--"));
    if flags.iter().any(|flag| *flag != "--quick") {
        eprintln!("usage: bench [--quick] [NAME...]");
        return ExitCode::from(2);
    }
    // A thousand sockets on this side and thousands of connections at the double.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();

    let mut conditions = conditions::lines(&countersign::program());
    let before = conditions::load();
    let bench = Bench::new(!flags.is_empty());
    let mut rows = Vec::new();
    for (name, scenario) in SCENARIOS {
        let asked = names.iter().any(|part| name.contains(part.as_str()));
        if !asked && (!names.is_empty() || name == SOAK) {
            continue;
        }
        eprintln!("{name} ...");
        let measured = catch_unwind(AssertUnwindSafe(|| scenario(&bench)));
        rows.extend(measured.unwrap_or_else(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            vec![Row::failed(name, why.unwrap_or("panicked"))]
        }));
    }
    conditions.push(format!(
        "load average: {before} before, {} after",
        conditions::load()
    ));
    conditions.push(format!("phases: {}", bench.pace()));
    for line in conditions {
        println!("{line}");
    }
    println!("\n{}", Table(&rows));
    match rows.iter().any(|row| row.verdict == Verdict::Failed) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

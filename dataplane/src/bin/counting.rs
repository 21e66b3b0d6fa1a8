//! Goes one way so many times, for callgrind to count its instructions: `counting WAY TIMES`. Without
//! arguments it names the ways. `bench/instructions` runs it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that prints what it knows"
)]

use std::env;
use std::process::ExitCode;

use dataplane::counting::{Rig, Way};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = match arguments.as_slice() {
        [] => {
            for way in Way::ALL {
                println!("{}", way.name());
            }
            return ExitCode::SUCCESS;
        }
        [way, times] => Way::ALL
            .into_iter()
            .find(|one| one.name() == way)
            .zip(times.parse::<usize>().ok()),
        _ => None,
    };
    let Some((way, times)) = asked else {
        eprintln!("usage: counting [WAY TIMES]");
        return ExitCode::from(2);
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("counting: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let _inside = runtime.enter();
    let mut rig = Rig::new();
    // What is made ready is made as often in either run of which the difference is taken.
    let datagrams: Vec<_> = match way {
        // One, since a port has no more than 256 answers that are kept.
        Way::Duplicate => vec![rig.prepare(way); MOST],
        _ => (0..MOST).map(|_| rig.prepare(way)).collect(),
    };
    for datagram in datagrams.iter().take(times) {
        rig.go(way, datagram);
    }
    ExitCode::SUCCESS
}

/// The most times.
const MOST: usize = 1_000;

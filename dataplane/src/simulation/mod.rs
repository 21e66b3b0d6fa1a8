//! The whole of a data plane but its sockets, TLS and directories, in a world made of a seed: a
//! network that loses, doubles and delays, processes that end, a control plane that comes and goes,
//! an upstream and a second factor that are slow, away, or say what nobody may believe. Time stands
//! until everybody waits, one thread does all, and what is random comes from the seed: the same seed
//! is the same world, step by step.
//!
//! What runs is what serves: `Node` with its sites and revisions, `receive`, the caches, States,
//! flows, the RADIUS primary, the client of the second factor with its connections. [`outside`] and
//! [`network`] are what it finds in the place of the system. `ledger` knows what really happened, and
//! what must hold of it. Conversations of EAP have threads of their own and are not simulated.
//!
//! `SIMULATION_SEEDS=100000` runs more, `SIMULATION_SEED=4711` one and writes all of it down.

mod device;
mod factor;
mod ledger;
pub(crate) mod network;
mod node;
pub(crate) mod outside;
mod plan;
mod upstream;
pub(crate) mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;

use self::device::Devices;
use self::ledger::Counts;
use self::node::{Control, LAST_CRASH_MS};
use self::outside::Entered;
use self::world::World;

/// What came of a seed.
struct Ran {
    trace: Vec<String>,
    violations: Vec<String>,
    counts: Counts,
}

/// Makes a world of a seed, and lets it run to its end.
fn simulate(seed: u64) -> Ran {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(seed);
        let _entered = Entered::new(Arc::clone(&world));
        let control = Control::new(&world);
        for node in 0..world.plan.nodes {
            world.tasks.spawn(Arc::clone(&control).keeps(node));
        }
        world.tasks.spawn(Arc::clone(&control).changes());
        let devices = Arc::new(Devices::new(&world));
        for _ in 0..world.plan.logins {
            let at = world.draw(|rng| rng.within(0, 120_000));
            let (world, devices) = (Arc::clone(&world), Arc::clone(&devices));
            world.tasks.clone().spawn(async move {
                tokio::time::sleep(Duration::from_millis(at)).await;
                device::login(world, devices).await;
            });
        }
        tokio::time::sleep(Duration::from_millis(LAST_CRASH_MS) + QUIET).await;
        control.ended();
        let ledger = world.ledger();
        Ran {
            trace: world.trace(),
            violations: ledger.violations().to_vec(),
            counts: ledger.counts,
        }
    })
}

/// Longer than any login, with all that its device does beside it.
const QUIET: Duration = Duration::from_secs(2_000);

/// Worlds that `make test` looks at.
const SEEDS: u64 = 2_000;

fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .expect("a seed or a number of them is a number"),
    )
}

/// Fails with all that is needed to see it again.
fn check(seed: u64, ran: &Ran) {
    let Ran {
        trace, violations, ..
    } = ran;
    let tail = &trace[trace.len().saturating_sub(60)..];
    assert!(
        violations.is_empty(),
        "seed {seed}: {}\nthe last of {} steps:\n{}\nall of them: \
         SIMULATION_SEED={seed} cargo test -p dataplane --lib simulation::whatever -- --nocapture",
        violations.join("\n"),
        trace.len(),
        tail.join("\n"),
    );
}

#[test]
fn whatever_goes_wrong_nobody_gets_in_who_should_not() {
    if let Some(seed) = asked("SIMULATION_SEED") {
        let ran = simulate(seed);
        println!("{}", ran.trace.join("\n"));
        return check(seed, &ran);
    }
    let seeds = asked("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let counts = std::thread::scope(|scope| {
        let run = || {
            let mut all = Counts::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return all;
                }
                let ran = simulate(seed);
                if !ran.violations.is_empty() {
                    // The others need not go on.
                    next.store(seeds, Ordering::Relaxed);
                }
                check(seed, &ran);
                all.add(ran.counts);
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let mut all = Counts::default();
        for one in running {
            match one.join() {
                Ok(counts) => all.add(counts),
                Err(fault) => std::panic::resume_unwind(fault),
            }
        }
        all
    });
    println!("{seeds} seeds: {counts:?}");
    for (what, count) in counts.all() {
        assert!(
            count * 10 > seeds / 10,
            "{seeds} worlds, and {what} {count} times"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_world_step_by_step() {
    for seed in 0..40 {
        let [first, second] = [(); 2].map(|()| simulate(seed).trace);
        for (line, (one, other)) in first.iter().zip(&second).enumerate() {
            assert_eq!(one, other, "seed {seed}, step {line}");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

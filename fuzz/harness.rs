//! What the unit tests do with the fuzz targets of their crate: hold them to the seeds, and to a while of
//! inputs near the seeds. Each crate with targets includes this file by its path; it is no crate of its
//! own, because a crate's targets are seen by its own tests alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) type Target = fn(&[u8]);

/// What every crate does with its targets: those named, which are functions of the module above.
macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        const TARGETS: &[(&str, harness::Target)] = &[$((stringify!($name), super::$name)),+];

        #[test]
        fn libfuzzer_runs_every_target() {
            harness::all_are_run(TARGETS);
        }

        #[test]
        fn what_must_hold_holds_for_every_seed() {
            harness::every_seed_holds(TARGETS);
        }

        #[test]
        fn what_must_hold_holds_near_the_seeds() {
            harness::what_is_near_the_seeds_holds(TARGETS);
        }
    };
}
pub(crate) use targets;

/// Set to write the seeds down instead of comparing them.
const UPDATE: &str = "UPDATE_SEEDS";
/// How long all targets of all crates are tried together; so many seconds where this says so.
const SMOKE: Duration = Duration::from_secs(60);
const SECONDS: &str = "SMOKE_SECONDS";
/// The inputs are those of a number, the same each time: what is red is red again. `make fuzz` looks for
/// others, and so does another number here.
const SEED: &str = "SMOKE_SEED";
/// The longest input that is tried: libFuzzer's own bound where nothing else is said.
const INPUT_OCTETS: usize = 4_096;

fn fuzz() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz"].iter().collect()
}

/// Every seed of a target: those that are made, and what a fuzzer found.
pub(crate) fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(fuzz().join("seeds").join(target))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// Whether libFuzzer runs these targets of the crate, and no others.
pub(crate) fn all_are_run(targets: &[(&str, Target)]) {
    let crates = env!("CARGO_PKG_NAME");
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut run = BTreeSet::new();
    for entry in fs::read_dir(fuzz().join("targets")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let binary = format!("name = \"{name}\"\npath = \"targets/{name}.rs\"");
        assert!(manifest.contains(&binary), "fuzz/Cargo.toml lacks {name}");
        let text = fs::read_to_string(&path).unwrap();
        if text.contains(&format!("{crates}::fuzzing::{name}(octets)")) {
            run.insert(name);
        }
    }
    let named: BTreeSet<_> = targets.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(run, named, "fuzz/targets is for these");
}

/// Compares the seeds with what they are made of, or writes them.
pub(crate) fn seeds_are(made: impl IntoIterator<Item = (&'static str, String, Vec<u8>)>) {
    for (target, name, octets) in made {
        let folder = fuzz().join("seeds").join(target);
        let path = folder.join(&name);
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &octets).unwrap();
        }
        assert!(
            fs::read(&path).unwrap_or_default() == octets,
            "{} is not as it is made now: {UPDATE}=1 cargo test -p {} --lib seeds_are",
            path.display(),
            env!("CARGO_PKG_NAME")
        );
    }
}

pub(crate) fn every_seed_holds(targets: &[(&str, Target)]) {
    for (target, run) in targets {
        for (name, octets) in seeds(target) {
            eprintln!("{target}/{name}");
            run(&octets);
        }
    }
}

/// Tries each target with changed seeds, for its share of [`SMOKE`]. What breaks a claim is kept where
/// `make fuzz` keeps it too.
pub(crate) fn what_is_near_the_seeds_holds(targets: &[(&str, Target)]) {
    let all = fs::read_dir(fuzz().join("targets")).unwrap().count();
    let said = |name| std::env::var(name).map(|text| text.parse::<u64>().unwrap());
    let smoke = said(SECONDS).map_or(SMOKE, Duration::from_secs);
    let seed = said(SEED).unwrap_or(1);
    let share = smoke / u32::try_from(all).unwrap();
    for (target, run) in targets {
        let seeds: Vec<_> = seeds(target).into_values().collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        let mut random = Random(seed);
        let until = now() + share;
        let mut tried = 0_u64;
        while now() < until {
            let octets = changed(&seeds, &mut random);
            if let Err(broken) = catch_unwind(AssertUnwindSafe(|| run(&octets))) {
                let folder = fuzz().join("artifacts").join(target);
                let path = folder.join(format!("smoke-{:016x}", random.next()));
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &octets).unwrap();
                eprintln!("{target}: a claim does not hold for {}", path.display());
                resume_unwind(broken);
            }
            tried += 1;
        }
        eprintln!("{target}: {tried} inputs");
        assert!(tried > 0, "{target} was not tried");
    }
}

/// A seed, with a few octets or pieces of it changed.
fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut octets = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(octets.len() + 1);
        let until = (at + random.below(17)).min(octets.len());
        match random.below(7) {
            0 => drop(octets.drain(at..until)),
            1 => octets.truncate(at),
            // A piece of this or of another seed.
            2 | 3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(33)).min(other.len())];
                octets.splice(at..at, piece.iter().copied());
            }
            4 => octets.insert(at, random.octet()),
            _ => match octets.get_mut(at) {
                Some(octet) if random.below(2) == 0 => *octet ^= 1 << random.below(8),
                Some(octet) => *octet = random.octet(),
                None => {}
            },
        }
    }
    octets.truncate(INPUT_OCTETS);
    octets
}

/// SplitMix64: a failing input is kept, so its number is not needed again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where these tests read the clock"
)]
fn now() -> Instant {
    Instant::now()
}

//! What the data plane finds outside itself while a simulation runs: octets that only look random, a
//! clock that stands until everybody waits, and the world that has the network. One for each thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::world::World;

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// The world that this thread simulates; none in all other tests.
pub(crate) fn world() -> Option<Arc<World>> {
    WORLD.with_borrow(Clone::clone)
}

/// Fills the octets from the seed. False where nothing is simulated.
pub(crate) fn random(octets: &mut [u8]) -> bool {
    let Some(world) = world() else { return false };
    world.random(octets);
    true
}

/// What the wall clock shows in the simulation, where there is one.
pub(crate) fn since_1970() -> Option<Duration> {
    world().map(|world| START + world.elapsed())
}

/// Simulates this world on this thread until dropped.
pub(super) struct Entered;

impl Entered {
    pub(super) fn new(world: Arc<World>) -> Self {
        WORLD.set(Some(world));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `from..=to`.
    pub(super) const fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// True so many times of a thousand.
    pub(super) const fn chance(&mut self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next() % u64::try_from(from.len()).unwrap()).unwrap()]
    }

    pub(super) fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

/// When every simulation begins: 2026-01-01.
const START: Duration = Duration::from_secs(1_767_225_600);

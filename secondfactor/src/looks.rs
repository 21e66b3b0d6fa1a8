//! Turns at the database for whoever opens a page: that somebody has a session, or an address, is known
//! only when it was looked up. Few look at a time and few wait, so that logins have the rest of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::doors::{Bounds, Doors, Origin, Place};

/// Who looks, and who waits for it.
#[derive(Debug)]
pub(crate) struct Looks {
    waiting: Arc<Doors>,
    turns: Semaphore,
}

/// A turn, as long as this lives.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn<'a> {
    _place: Place,
    _permit: SemaphorePermit<'a>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            waiting: Arc::new(Doors::new(WAITING)),
            turns: Semaphore::new(AT_A_TIME),
        }
    }
}

impl Looks {
    /// Waits for a turn; none, and at once, where too many wait, and none where that takes too long.
    pub(crate) async fn turn(&self, origin: Origin) -> Option<Turn<'_>> {
        let place = self.waiting.enter(origin)?;
        let permit = tokio::time::timeout(WAIT, self.turns.acquire()).await;
        let permit = permit.ok()?.ok()?;
        Some(Turn {
            _place: place,
            _permit: permit,
        })
    }
}

/// How many look at a time: fewer than the database has readers.
const AT_A_TIME: usize = 2;

/// How long a turn is waited for.
const WAIT: Duration = Duration::from_secs(3);

/// Those who look, and those who wait for it.
const WAITING: Bounds = Bounds {
    local: 256,
    remote: 512,
    of_an_address: 16,
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test(start_paused = true)]
    async fn few_look_few_wait_and_each_gets_its_turn() {
        let looks = Looks::default();
        let (own, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        let origin = |address: [u8; 4]| Origin::Remote(Ipv4Addr::from(address).into());
        let first = looks.turn(origin(own)).await.unwrap();
        let second = looks.turn(origin(own)).await.unwrap();
        let mut held: Vec<_> = (2..WAITING.of_an_address)
            .map(|_| looks.waiting.enter(origin(own)).unwrap())
            .collect();
        let begun = tokio::time::Instant::now();
        assert!(looks.turn(origin(own)).await.is_none(), "too many wait");
        assert_eq!(begun.elapsed(), Duration::ZERO, "it is told at once");
        assert!(looks.turn(origin(other)).await.is_none());
        assert_eq!(begun.elapsed(), WAIT, "another one waits for a turn");
        drop(first);
        let third = looks.turn(origin(other)).await;
        assert!(third.is_some());
        held.pop();
        drop(second);
        assert!(looks.turn(origin(own)).await.is_some());
    }
}

//! How many wrong codes an address may try, and all addresses together. Pure; the clock is the caller's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::doors::Origin;

/// The guesses of the last minutes. Who serves after a handover begins with none.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    until: Option<Instant>,
    all: u32,
    local: u32,
    remote: HashMap<IpAddr, u32>,
}

/// A guess that is counted as a wrong one until it is known to be right.
#[derive(Debug)]
pub(crate) struct Guess<'a> {
    guesses: &'a Guesses,
    origin: Origin,
}

impl Guesses {
    /// Begins a guess; none when there were too many wrong ones.
    pub(crate) fn begin(&self, origin: Origin, now: Instant) -> Option<Guess<'_>> {
        let mut window = self.window();
        if window.until.is_none_or(|until| now >= until) {
            *window = Window {
                until: Some(now + WINDOW),
                ..Window::default()
            };
        }
        if window.all >= MAX_ALL {
            return None;
        }
        let (own, most) = match origin {
            // Behind a reverse proxy on this machine all are of this machine.
            Origin::Local => (&mut window.local, MAX_LOCAL),
            Origin::Remote(address) => (window.remote.entry(address).or_default(), MAX_REMOTE),
        };
        if *own >= most {
            return None;
        }
        *own += 1;
        window.all += 1;
        Some(Guess {
            guesses: self,
            origin,
        })
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guess<'_> {
    /// It was right and does not count.
    pub(crate) fn was_right(self) {
        let mut window = self.guesses.window();
        window.all = window.all.saturating_sub(1);
        match self.origin {
            Origin::Local => window.local = window.local.saturating_sub(1),
            Origin::Remote(address) => {
                // None of a window that is over.
                if let Some(own) = window.remote.get_mut(&address) {
                    *own = own.saturating_sub(1);
                    if *own == 0 {
                        window.remote.remove(&address);
                    }
                }
            }
        }
    }
}

/// How long wrong codes count.
const WINDOW: Duration = Duration::from_secs(600);

/// Of all addresses together: no more are remembered either.
const MAX_ALL: u32 = 20_000;

/// Of one address, or of the first 64 bits of one of IPv6.
const MAX_REMOTE: u32 = 20;

/// Of this machine.
const MAX_LOCAL: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn remote(number: u32) -> Origin {
        Origin::Remote(Ipv4Addr::from(number).into())
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back_in_time() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for (origin, most) in [(remote(1), MAX_REMOTE), (Origin::Local, MAX_LOCAL)] {
            for number in 0..most {
                // What is right does not count.
                guesses.begin(origin, now).unwrap().was_right();
                assert!(guesses.begin(origin, now).is_some(), "{number}");
            }
            assert!(guesses.begin(origin, now).is_none());
        }
        assert!(guesses.begin(remote(2), now).is_some(), "another one's");
        let later = now + WINDOW;
        assert!(guesses.begin(remote(1), later).is_some());
        assert!(guesses.begin(Origin::Local, later).is_some());
    }

    #[test]
    fn all_have_a_share_together_and_no_more_are_remembered() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..MAX_ALL {
            assert!(guesses.begin(remote(number), now).is_some(), "{number}");
        }
        assert!(guesses.begin(remote(MAX_ALL), now).is_none());
        assert_eq!(guesses.window().remote.len(), 20_000);
        guesses.begin(remote(0), now + WINDOW).unwrap().was_right();
        assert!(guesses.window().remote.is_empty());
    }

    #[test]
    fn a_right_one_of_an_older_window_takes_nothing_away() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let old = guesses.begin(remote(1), now).unwrap();
        let kept = guesses.begin(remote(2), now + WINDOW);
        old.was_right();
        assert!(kept.is_some());
        assert_eq!(guesses.window().remote.len(), 1);
    }
}

//! How often somebody may try: so many at once, then one after each pause. Pure: the time is told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// How many at once, at least 1.
    pub(crate) at_once: u32,
    /// After which time one more.
    pub(crate) each: Duration,
    /// How many who have tried are known at a time. Of those who may try as often as they like again
    /// nothing needs to be known.
    pub(crate) known: usize,
}

/// Who has tried lately.
#[derive(Debug)]
pub(crate) struct Rate {
    allowance: Allowance,
    tried: Mutex<Tried>,
}

#[derive(Debug, Default)]
struct Tried {
    /// When each may try as often as at first again.
    rested: HashMap<String, Instant>,
    /// When it is looked again who is rested.
    look: Option<Instant>,
}

/// Why somebody must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// They tried too often.
    TooOften,
    /// Too many others have tried lately.
    TooMany,
}

impl Rate {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            tried: Mutex::default(),
        }
    }

    /// Takes one try.
    pub(crate) fn take(&self, who: &str, now: Instant) -> Result<(), Wait> {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let Allowance {
            at_once,
            each,
            known,
        } = self.allowance;
        if let Some(rested) = tried.rested.get_mut(who) {
            let next = (*rested).max(now) + each;
            if next.saturating_duration_since(now) > each * at_once {
                return Err(Wait::TooOften);
            }
            *rested = next;
            return Ok(());
        }
        if tried.rested.len() >= known {
            if tried.look.is_some_and(|look| now < look) {
                return Err(Wait::TooMany);
            }
            tried.rested.retain(|_, rested| *rested > now);
            if tried.rested.len() >= known {
                tried.look = Some(now + each);
                return Err(Wait::TooMany);
            }
        }
        tried.rested.insert(who.to_owned(), now + each);
        Ok(())
    }

    /// Gives one try back, which somebody took a moment ago.
    pub(crate) fn give_back(&self, who: &str, now: Instant) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |rested: &Instant| {
            let before = rested.checked_sub(self.allowance.each);
            before.filter(|before| *before > now)
        };
        match tried.rested.get(who).map(before) {
            Some(Some(before)) => drop(tried.rested.insert(who.to_owned(), before)),
            Some(None) => drop(tried.rested.remove(who)),
            None => {}
        }
    }

    /// Lets somebody try as often as at first.
    pub(crate) fn forget(&self, who: &str) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.rested.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Duration = Duration::from_secs(3);

    fn rate(known: usize) -> Rate {
        Rate::new(Allowance {
            at_once: 2,
            each: EACH,
            known,
        })
    }

    #[test]
    fn so_many_at_once_then_one_after_each_pause() {
        let (rate, begun) = (rate(10), begun());
        for (at_ms, who, want) in [
            (0, "a", Ok(())),
            (0, "a", Ok(())),
            (0, "a", Err(Wait::TooOften)),
            (0, "b", Ok(())),
            (2_999, "a", Err(Wait::TooOften)),
            (3_000, "a", Ok(())),
            (3_000, "a", Err(Wait::TooOften)),
            (6_000, "a", Ok(())),
            (60_000, "a", Ok(())),
            (60_000, "a", Ok(())),
            (60_000, "a", Err(Wait::TooOften)),
        ] {
            let now = begun + Duration::from_millis(at_ms);
            assert_eq!(rate.take(who, now), want, "{at_ms} {who}");
        }
    }

    #[test]
    fn who_is_forgotten_begins_anew_and_nobody_else() {
        let (rate, begun) = (rate(10), begun());
        for who in ["a", "a", "b", "b"] {
            assert_eq!(rate.take(who, begun), Ok(()), "{who}");
        }
        rate.forget("a");
        assert_eq!(rate.take("a", begun), Ok(()));
        assert_eq!(rate.take("b", begun), Err(Wait::TooOften));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let (rate, begun) = (rate(10), begun());
        for round in 0..5 {
            assert_eq!(rate.take("a", begun), Ok(()), "{round}");
            rate.give_back("a", begun);
        }
        // Nobody saves them up.
        rate.give_back("a", begun);
        for want in [Ok(()), Ok(()), Err(Wait::TooOften)] {
            assert_eq!(rate.take("a", begun), want);
        }
        rate.give_back("a", begun);
        for want in [Ok(()), Err(Wait::TooOften)] {
            assert_eq!(rate.take("a", begun), want);
        }
        rate.give_back("b", begun);
        assert_eq!(rate.take("b", begun), Ok(()));
    }

    #[test]
    fn who_is_rested_makes_room() {
        let (rate, begun) = (rate(2), begun());
        for (at_ms, who, want) in [
            (0, "a", Ok(())),
            (1_000, "b", Ok(())),
            (1_000, "c", Err(Wait::TooMany)),
            (1_000, "b", Ok(())),
            // It is not looked again so soon.
            (3_500, "c", Err(Wait::TooMany)),
            (4_000, "c", Ok(())),
            (4_000, "d", Err(Wait::TooMany)),
        ] {
            let now = begun + Duration::from_millis(at_ms);
            assert_eq!(rate.take(who, now), want, "{at_ms} {who}");
        }
    }

    fn begun() -> Instant {
        Instant::now()
    }
}

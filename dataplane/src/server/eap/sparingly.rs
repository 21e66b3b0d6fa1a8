//! What may come in floods is counted each time, and told as an event once in a while: a flood's
//! events would push the logins of others out of their queue.

use std::fmt;
use std::time::{Duration, Instant};

/// When something was told last, and how often it has come since.
#[derive(Debug, Default)]
pub(super) struct Sparingly {
    told: Option<Instant>,
    untold: u64,
}

/// How many were not told before this one, as the end of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold(u64);

impl Sparingly {
    /// Whether it is told this time; one in each [`INTERVAL`] is.
    pub(super) fn tells(&mut self, now: Instant) -> Option<Untold> {
        if self.told.is_some_and(|told| now < told + INTERVAL) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told = Some(now);
        Some(Untold(std::mem::take(&mut self.untold)))
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            before => write!(f, " ({before} more since the last that was told)"),
        }
    }
}

/// How often the same is told, at most.
const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_in_each_second_is_told_with_how_many_were_not() {
        let mut sparingly = Sparingly::default();
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let told: Vec<_> = [0, 0, 1, 999, 1_000, 2_000, 2_001, 9_000]
            .into_iter()
            .map(|ms| sparingly.tells(at(ms)).map(|untold| untold.to_string()))
            .collect();
        let [first, second, third, last] = [
            "",
            " (3 more since the last that was told)",
            "",
            " (1 more since the last that was told)",
        ]
        .map(|text| Some(text.to_owned()));
        assert_eq!(told, [first, None, None, None, second, third, None, last]);
    }
}

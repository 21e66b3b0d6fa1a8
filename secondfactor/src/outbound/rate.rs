//! How many messages a person and the installation may cost. Pure: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// What was sent lately. The clock of the machine may be set; this one goes on.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// When each user's last messages were asked for.
    users: HashMap<Box<str>, VecDeque<Instant>>,
    /// When this hour began, and how many there were in it.
    hour: (Option<Instant>, u32),
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// The user has had enough.
    User,
    /// The installation has had enough.
    All,
}

impl Rates {
    /// Counts a message to a user, unless there were too many.
    ///
    /// # Errors
    /// [`Limited`].
    pub(crate) fn take(&mut self, user: &str, now: Instant) -> Result<(), Limited> {
        let over = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        if let Some(times) = self.users.get_mut(user) {
            while times.front().is_some_and(|at| over(*at)) {
                times.pop_front();
            }
            if times.len() >= OF_A_USER {
                return Err(Limited::User);
            }
        }
        let (began, count) = self.hour;
        let begins = |began: Instant| now.saturating_duration_since(began) >= HOUR;
        if began.is_none_or(begins) {
            self.hour = (Some(now), 0);
        } else if count >= AN_HOUR {
            return Err(Limited::All);
        }
        self.hour.1 += 1;
        // Those who got none lately are no more than an hour has messages.
        if self.users.len() >= MAX_USERS {
            self.users
                .retain(|_, times| times.back().is_some_and(|at| !over(*at)));
        }
        let times = self.users.entry(user.into()).or_default();
        times.push_back(now);
        Ok(())
    }
}

/// The most messages to a user in [`WINDOW`].
pub(crate) const OF_A_USER: usize = 5;
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// The most messages that logins cause in an hour.
pub(crate) const AN_HOUR: u32 = 2_000;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The most users that are remembered: two hours touch each ten minutes at most.
const MAX_USERS: usize = 2 * AN_HOUR as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_five_in_ten_minutes() {
        let mut rates = Rates::default();
        let begun = Instant::now();
        let after = |minutes: u64| begun + Duration::from_secs(minutes * 60);
        for n in 0..5 {
            assert_eq!(rates.take("a", after(n)), Ok(()), "{n}");
        }
        assert_eq!(rates.take("a", after(9)), Err(Limited::User));
        assert_eq!(rates.take("b", after(9)), Ok(()));
        assert_eq!(rates.take("a", after(10)), Ok(()));
        assert_eq!(rates.take("a", after(10)), Err(Limited::User));
        assert_eq!(rates.take("a", after(11)), Ok(()));
    }

    #[test]
    fn an_hour_has_its_bound_and_so_has_the_table() {
        let mut rates = Rates::default();
        let mut began = Instant::now();
        for hour in 0..3 {
            for n in 0..AN_HOUR {
                let user = format!("user-{hour}-{n}");
                assert_eq!(rates.take(&user, began), Ok(()), "{n}");
            }
            began += HOUR;
            let end = began - Duration::from_millis(1);
            assert_eq!(rates.take("one more", end), Err(Limited::All));
            assert!(rates.users.len() <= MAX_USERS, "{}", rates.users.len());
        }
    }
}

//! Push fatigue: whoever has a password can ask its owner again and again until that person approves to
//! have peace. After some pushes in a row that nobody approved a number must be typed, which only who sees
//! the login knows. Pure.

use super::policy::Conditions;
use crate::account::Account;
use crate::admin::NumberMatching;

/// Pushes in a row that were denied or left without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streak {
    pub(crate) count: u32,
    /// The last of them, in milliseconds since 1970.
    pub(crate) last_ms: Option<u64>,
}

impl Streak {
    /// That of a user.
    pub(crate) const fn of(account: &Account) -> Self {
        Self {
            count: account.unanswered,
            last_ms: account.unanswered_at_ms,
        }
    }

    /// How many count still: all, until there was none for a while.
    pub(crate) fn counting(self, conditions: &Conditions, now_ms: u64) -> u32 {
        let over = |last_ms: u64| now_ms.saturating_sub(last_ms) >= conditions.fatigue_ms;
        match self.last_ms {
            Some(last_ms) if !over(last_ms) => self.count,
            _ => 0,
        }
    }

    /// How many more may be sent before they are too many.
    pub(crate) fn room(self, conditions: &Conditions, now_ms: u64) -> u32 {
        let counting = self.counting(conditions, now_ms);
        conditions.fatigue_after.saturating_sub(counting)
    }

    /// One more, and whether with this one they are too many.
    pub(crate) fn one_more(self, conditions: &Conditions, now_ms: u64) -> (Self, bool) {
        let before = self.counting(conditions, now_ms);
        let count = before.saturating_add(1);
        let begins = before < conditions.fatigue_after && count >= conditions.fatigue_after;
        let last_ms = Some(now_ms);
        (Self { count, last_ms }, begins)
    }
}

/// How a push may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushing {
    /// As it is.
    Plain,
    /// With a number that the login shows.
    Numbered,
    /// Not at all: this login shows none, and they were too many.
    TooMany,
    /// Not at all: this login shows none, and must.
    Blind,
}

/// How a push may be sent now, to a login that can show a number or not. What is open (it waits, or nobody
/// approved it and the row does not know yet) counts as if nobody approved it: somebody sees all of it.
pub(crate) fn pushing(
    conditions: &Conditions,
    (streak, open): (Streak, u32),
    now_ms: u64,
    shows: Shows,
) -> Pushing {
    let risky = || streak.room(conditions, now_ms) <= open;
    match (conditions.number_matching, shows) {
        (NumberMatching::Off, _) => Pushing::Plain,
        (NumberMatching::Risk, _) if !risky() => Pushing::Plain,
        (_, Shows::Numbers) => Pushing::Numbered,
        (NumberMatching::Risk, Shows::Nothing) => Pushing::TooMany,
        (NumberMatching::Always, Shows::Nothing) => Pushing::Blind,
    }
}

/// What a login can show to its person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shows {
    /// A number, beside the question how to go on.
    Numbers,
    /// No such thing.
    #[default]
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::NewUserPolicy;
    use crate::service::policy::Policies;

    fn conditions(number_matching: NumberMatching) -> Conditions {
        Conditions {
            number_matching,
            ..Policies::default().conditions("vpn", &[], NewUserPolicy::Enroll)
        }
    }

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn pushes_in_a_row_count_until_there_was_none_for_a_while() {
        let conditions = conditions(NumberMatching::Risk);
        let mut streak = Streak::default();
        for (name, at_ms, count, begins) in [
            ("first", HOUR_MS, 1, false),
            ("second", HOUR_MS + 1, 2, false),
            ("third", 2 * HOUR_MS, 3, true),
            ("fourth", 2 * HOUR_MS + 5, 4, false),
            ("in time", 3 * HOUR_MS + 4, 5, false),
            ("too late", 4 * HOUR_MS + 4, 1, false),
            ("a clock set back", HOUR_MS, 2, false),
        ] {
            let (next, began) = streak.one_more(&conditions, at_ms);
            assert_eq!((next.count, began), (count, begins), "{name}");
            assert_eq!(next.last_ms, Some(at_ms), "{name}");
            streak = next;
        }
    }

    #[test]
    fn a_policy_and_what_the_login_shows_decide() {
        use NumberMatching::{Always, Off, Risk};
        use Pushing::{Blind, Numbered, Plain, TooMany};
        let streak = |count| Streak {
            count,
            last_ms: Some(1_000),
        };
        for (matching, count, waiting, now_ms, with, without) in [
            (Off, 99, 9, 1_000, Plain, Plain),
            (Risk, 0, 0, 1_000, Plain, Plain),
            (Risk, 2, 0, 1_000, Plain, Plain),
            (Risk, 3, 0, 1_000, Numbered, TooMany),
            (Risk, 3, 0, HOUR_MS + 999, Numbered, TooMany),
            (Risk, 3, 0, HOUR_MS + 1_000, Plain, Plain),
            (Risk, 0, 2, 1_000, Plain, Plain),
            (Risk, 0, 3, 1_000, Numbered, TooMany),
            (Risk, 2, 1, 1_000, Numbered, TooMany),
            (Risk, 3, 2, HOUR_MS + 1_000, Plain, Plain),
            (Risk, 3, 3, HOUR_MS + 1_000, Numbered, TooMany),
            (Always, 0, 0, 1_000, Numbered, Blind),
            (Always, 9, 9, 1_000, Numbered, Blind),
        ] {
            let conditions = conditions(matching);
            let found = |shows| pushing(&conditions, (streak(count), waiting), now_ms, shows);
            assert_eq!(
                (found(Shows::Numbers), found(Shows::Nothing)),
                (with, without),
                "{matching:?} {count} {waiting} {now_ms}"
            );
        }
    }
}

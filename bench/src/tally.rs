//! What came of the requests of one measurement.

use std::fmt;

use crate::{
    logins::Answer,
    statistics::{Latencies, count, number},
};

/// Counts, and how long the answers took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// How long it was sent, and what [`Tally::rate`] is over.
    pub(crate) seconds: f64,
    /// Requests, each counted once.
    pub(crate) sent: usize,
    /// Of them, those accepted.
    pub(crate) accepted: usize,
    /// Of them, those with another genuine answer.
    pub(crate) other: usize,
    /// Of them, those never answered.
    pub(crate) lost: usize,
    /// Those answered before the sending ended.
    pub(crate) in_time: usize,
    /// Datagrams sent once more.
    pub(crate) resent: usize,
    /// Answers that are not genuine.
    pub(crate) wrong: usize,
    /// Second answers to what was sent more than once.
    pub(crate) stray: usize,
    /// From the first sending, or the time it was due, to the answer.
    pub(crate) latencies: Latencies,
}

impl Tally {
    /// Counts an answer.
    pub(crate) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Accept => self.accepted += 1,
            Answer::Other => self.other += 1,
            Answer::Wrong => self.wrong += 1,
        }
    }

    /// Adds what another lane did in the same time.
    pub(crate) fn add(&mut self, other: Self) {
        self.seconds = self.seconds.max(other.seconds);
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.other += other.other;
        self.lost += other.lost;
        self.in_time += other.in_time;
        self.resent += other.resent;
        self.wrong += other.wrong;
        self.stray += other.stray;
        self.latencies.merge(other.latencies);
    }

    /// Answers a second while it was sent.
    pub(crate) fn rate(&self) -> f64 {
        number(self.in_time) / self.seconds
    }

    /// Whether every request was accepted and nothing else came.
    pub(crate) fn is_clean(&self) -> bool {
        self.accepted == self.sent && self.wrong == 0 && self.sent > 0
    }
}

/// The faults alone; empty when there are none.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (counted, name) in [
            (self.other, "not accepted"),
            (self.lost, "lost"),
            (self.wrong, "wrong"),
            (self.resent, "sent again"),
        ] {
            if counted > 0 {
                write!(f, ", {} {name}", count(number(counted)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lanes_add_up_within_one_time() {
        let lane = |accepted, ms| Tally {
            seconds: 2.0,
            sent: accepted,
            accepted,
            in_time: accepted,
            latencies: Latencies::new(vec![Duration::from_millis(ms)]),
            ..Tally::default()
        };
        let mut total = lane(10, 9);
        total.add(lane(30, 3));
        assert!((total.rate() - 20.0).abs() < 1e-9);
        assert_eq!(total.latencies.max(), Duration::from_millis(9));
        assert_eq!(total.latencies.quantile(500), Duration::from_millis(3));
        assert!(total.is_clean());
    }

    #[test]
    fn faults_are_named() {
        let mut tally = Tally {
            sent: 3,
            lost: 1,
            ..Tally::default()
        };
        tally.answered(Answer::Accept);
        tally.answered(Answer::Other);
        assert!(!tally.is_clean());
        assert_eq!(tally.to_string(), ", 1 not accepted, 1 lost");
        assert_eq!(Tally::default().to_string(), "");
    }
}

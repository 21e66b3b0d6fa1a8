//! Whether a host is alive: what was heard of it, and when. Sends nothing and reads no clock.
//!
//! A host is dead when a request to it was not answered in its turn and nothing verified came from
//! it since that request began; anything verified revives it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How quickly a dead host is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long the first probe waits for its answer; each later one waits twice as long.
    pub(super) first: Duration,
    /// The longest that a probe waits.
    pub(super) longest: Duration,
    /// How often a login tries a host that never answered a probe.
    pub(super) trial: Duration,
}

impl Pace {
    /// A restarted server is found within two seconds at first; one that stays away costs six
    /// datagrams a minute.
    pub(super) const DEFAULT: Self = Self {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(10),
        trial: Duration::from_secs(10),
    };
}

/// What else came from a host that gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Its system refuses the port (ICMP).
    Closed,
    /// An answer that is not signed with the secret.
    Forged,
    /// An answer without a Message-Authenticator, which the settings refuse.
    Unsigned,
}

/// What is known of a host.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    heard: Option<Instant>,
    sign: Option<(Instant, Sign)>,
    /// It has answered a Status-Server.
    answers_probes: bool,
    dead: Option<Dead>,
    /// A task probes it.
    probed: bool,
}

#[derive(Debug)]
struct Dead {
    since: Instant,
    /// When a login last tried it.
    tried: Instant,
    /// The log says that it is away.
    said: bool,
}

/// Verified octets came from a host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was alive.
    Alive,
    /// It was dead. For how long, where the log says that it was.
    Revived(Option<Duration>),
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a verified answer.
    pub(super) fn heard(&self, at: Instant, to_probe: bool) -> Heard {
        let mut state = self.state();
        state.heard = Some(at);
        state.answers_probes |= to_probe;
        match state.dead.take() {
            None => Heard::Alive,
            Some(dead) => Heard::Revived(dead.said.then(|| at.duration_since(dead.since))),
        }
    }

    /// Takes note of something else that came.
    pub(super) fn seen(&self, at: Instant, sign: Sign) {
        self.state().sign = Some((at, sign));
    }

    /// What else came since then, the last of it.
    pub(super) fn seen_since(&self, then: Instant) -> Option<Sign> {
        let (at, sign) = self.state().sign?;
        (at >= then).then_some(sign)
    }

    /// Takes note that a request that began then was not answered in its turn. True when a task is
    /// to probe the host from now on.
    pub(super) fn silent(&self, then: Instant, at: Instant) -> bool {
        let mut state = self.state();
        if state.heard.is_some_and(|heard| heard >= then) {
            return false;
        }
        match &mut state.dead {
            Some(dead) => dead.tried = at,
            None => {
                state.dead = Some(Dead {
                    since: at,
                    tried: at,
                    said: false,
                });
            }
        }
        !std::mem::replace(&mut state.probed, true)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead.is_some()
    }

    /// When a login last tried it; none while it is alive.
    pub(super) fn tried(&self) -> Option<Instant> {
        self.state().dead.as_ref().map(|dead| dead.tried)
    }

    /// Whether this login is the one that tries the host, though it is dead: one in each `trial`
    /// is, where the host never answered a probe. Where it did, few are: it may be another server
    /// by now, or have other settings.
    pub(super) fn is_to_be_tried(&self, at: Instant, trial: Duration) -> bool {
        let mut state = self.state();
        let trial = match state.answers_probes {
            true => trial.saturating_mul(TRIALS_LEFT_OUT),
            false => trial,
        };
        let Some(dead) = &mut state.dead else {
            return false;
        };
        let due = at.saturating_duration_since(dead.tried) >= trial;
        if due {
            dead.tried = at;
        }
        due
    }

    /// Whether its task goes on. Once told that it does not, the next one to find the host silent
    /// starts another.
    pub(super) fn is_to_be_probed(&self) -> bool {
        let mut state = self.state();
        state.probed = state.dead.is_some();
        state.probed
    }

    /// Whether the log is to say that it is away: once in each absence.
    pub(super) fn is_to_be_said(&self) -> bool {
        let mut state = self.state();
        let dead = state.dead.as_mut();
        dead.is_some_and(|dead| !std::mem::replace(&mut dead.said, true))
    }
}

/// Of so many trials one is made with a host that has answered probes: one in five minutes.
const TRIALS_LEFT_OUT: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAL: Duration = Duration::from_secs(10);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_host_is_dead_only_when_nothing_came_since_the_request_began() {
        let start = crate::primary::check::now();
        for (name, heard, dead) in [
            ("never heard", None, true),
            ("heard before", Some(0), true),
            ("heard as it began", Some(1), false),
            ("heard meanwhile", Some(2), false),
        ] {
            let health = Health::default();
            if let Some(heard) = heard {
                assert_eq!(health.heard(start + seconds(heard), false), Heard::Alive);
            }
            let probe = health.silent(start + seconds(1), start + seconds(3));
            assert_eq!((probe, health.is_dead()), (dead, dead), "{name}");
        }
    }

    #[test]
    fn one_task_probes_and_one_line_says_so_in_each_absence() {
        let start = crate::primary::check::now();
        let health = Health::default();
        assert!(!health.is_to_be_said());
        assert!(health.silent(start, start));
        assert!(!health.silent(start, start + seconds(1)), "it is probed");
        assert!(health.is_to_be_probed());
        assert!(health.is_to_be_said());
        assert!(!health.is_to_be_said());
        let heard = health.heard(start + seconds(5), true);
        assert_eq!(heard, Heard::Revived(Some(seconds(5))));
        // Dead again before the task looks: it goes on.
        assert!(!health.silent(start + seconds(6), start + seconds(8)));
        assert!(health.is_to_be_probed());
        let heard = health.heard(start + seconds(9), true);
        assert_eq!(heard, Heard::Revived(None), "nothing was said");
        assert!(!health.is_to_be_probed());
        assert!(health.silent(start + seconds(10), start + seconds(12)));
    }

    #[test]
    fn one_login_in_a_while_tries_a_host_that_answers_no_probes() {
        let start = crate::primary::check::now();
        let health = Health::default();
        assert!(!health.is_to_be_tried(start, TRIAL), "it is alive");
        health.silent(start, start);
        assert!(!health.is_to_be_tried(start + seconds(9), TRIAL));
        assert!(health.is_to_be_tried(start + seconds(10), TRIAL));
        assert!(!health.is_to_be_tried(start + seconds(11), TRIAL));
        assert!(health.is_to_be_tried(start + seconds(20), TRIAL));
        health.heard(start + seconds(21), true);
        health.silent(start + seconds(22), start + seconds(24));
        // It has answered one, so those that come are believed to tell.
        assert!(!health.is_to_be_tried(start + seconds(323), TRIAL));
        assert!(health.is_to_be_tried(start + seconds(324), TRIAL));
        assert!(!health.is_to_be_tried(start + seconds(623), TRIAL));
        assert!(health.is_to_be_tried(start + seconds(624), TRIAL));
    }

    #[test]
    fn signs_are_of_the_request_that_they_came_after() {
        let start = crate::primary::check::now();
        let health = Health::default();
        assert_eq!(health.seen_since(start), None);
        health.seen(start + seconds(1), Sign::Closed);
        health.seen(start + seconds(2), Sign::Forged);
        assert_eq!(health.seen_since(start + seconds(2)), Some(Sign::Forged));
        assert_eq!(health.seen_since(start + seconds(3)), None);
    }
}

//! Datagrams without an answer: counted by reason, and logged now and then, since the sender is told
//! nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{IntCounter, IntCounterVec};
use rustc_hash::FxHashMap;

use crate::clock;
use crate::radius::{DiscardReason, VerifyError};

/// Counts them.
#[derive(Debug)]
pub(crate) struct Discards {
    by_label: FxHashMap<&'static str, OfLabel>,
    started: Instant,
}

#[derive(Debug)]
struct OfLabel {
    counter: IntCounter,
    /// When one is to be logged again, in seconds since the start.
    due: AtomicU64,
    /// How many there were when one was logged last.
    told: AtomicU64,
}

impl Discards {
    pub(crate) fn new(counters: &IntCounterVec) -> Self {
        let of_label = |&label: &&'static str| {
            let one = OfLabel {
                counter: counters.with_label_values(&[label]),
                due: AtomicU64::new(0),
                told: AtomicU64::new(0),
            };
            (label, one)
        };
        Self {
            by_label: DiscardReason::LABELS.iter().map(of_label).collect(),
            started: clock::now(),
        }
    }

    /// Counts one. One of each reason is logged in each [`INTERVAL`]. Allocates nothing otherwise.
    pub(crate) fn note(&self, now: Instant, reason: DiscardReason, source: SocketAddr) {
        let label = reason.label();
        let Some(one) = self.by_label.get(label) else {
            return;
        };
        one.counter.inc();
        let elapsed = now.saturating_duration_since(self.started);
        match one.more_than_told(elapsed) {
            Some(more) if reason != DiscardReason::Draining => tracing::warn!(
                client = %source,
                reason = label,
                more,
                "datagram discarded{}",
                hint(reason)
            ),
            _ => tracing::debug!(client = %source, reason = label, "datagram discarded"),
        }
    }
}

impl OfLabel {
    /// How many were not logged since the last that was, when this one is to be.
    fn more_than_told(&self, elapsed: Duration) -> Option<u64> {
        let due = self.due.load(Ordering::Relaxed);
        let next = elapsed.saturating_add(INTERVAL).as_secs();
        if elapsed.as_secs() < due
            || self
                .due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return None;
        }
        let count = self.counter.get();
        let told = self.told.swap(count, Ordering::Relaxed);
        Some(count.saturating_sub(told).saturating_sub(1))
    }
}

/// What is mostly wrong.
const fn hint(reason: DiscardReason) -> &'static str {
    use DiscardReason::{
        Accounting, ClientOverloaded, NoConfiguration, Overloaded, UnknownClient, Unverified,
    };
    use VerifyError::{
        Missing, MissingInStatusServer, MissingWithEap, MissingWithProxyState, Wrong,
    };
    match reason {
        UnknownClient => ": no section on this port has its address in a radius_ip",
        Unverified(Wrong) => ": the device's secret and the radius_secret of its section differ",
        Unverified(Missing | MissingWithProxyState | MissingWithEap | MissingInStatusServer) => {
            ": the device has to send a Message-Authenticator"
        }
        Accounting => ": accounting is not served; switch it off on the device",
        Overloaded => ": too many logins wait",
        ClientOverloaded => ": too many logins wait, and most of them are of this client",
        NoConfiguration => ": there is nothing to answer by yet",
        _ => "",
    }
}

/// How often a reason is logged, at most.
const INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn one_of_each_reason_is_logged_in_a_minute_with_how_many_more_there_were() {
        let metrics = Metrics::new().unwrap();
        let discards = Discards::new(&metrics.radius_discards);
        let one = &discards.by_label["unknown_client"];
        let other = &discards.by_label["accounting"];
        let came = |one: &OfLabel, ms| {
            one.counter.inc();
            one.more_than_told(Duration::from_millis(ms))
        };
        let told = [0, 10, 59_999, 60_000, 60_001, 200_000, 259_999].map(|ms| came(one, ms));
        let want = [Some(0), None, None, Some(2), None, Some(1), None];
        assert_eq!(told, want);
        assert_eq!(
            came(other, 300_000),
            Some(0),
            "each reason has its own minute"
        );
    }
}

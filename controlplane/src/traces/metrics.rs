//! What is counted of traces. All series are there whether traces are sent or not.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge};
use proto::metric::controlplane as table;
use series::Maker;

/// The series.
#[derive(Clone, Debug)]
pub(crate) struct TraceMetrics {
    pub(super) exported: IntCounter,
    pub(super) queued: IntGauge,
    dropped: IntCounterVec,
    failed: IntCounterVec,
}

/// Why spans were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Too many logins wait.
    QueueFull,
    /// The collector was away for too long.
    Expired,
    /// The collector answered that it does not take them.
    Refused,
    /// It took the others of the same request.
    Rejected,
    /// The control plane stopped first.
    Stopped,
}

impl Dropped {
    #[cfg(test)]
    const ALL: [Self; 5] = [
        Self::QueueFull,
        Self::Expired,
        Self::Refused,
        Self::Rejected,
        Self::Stopped,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a request was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The collector is not reached, or its certificate is not trusted.
    Connect,
    /// It does not answer in time.
    TimedOut,
    /// It broke off, or does not speak HTTP.
    Closed,
    /// It answers that it did not take the spans.
    Status,
}

impl Failed {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Connect, Self::TimedOut, Self::Closed, Self::Status];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Status => "status",
        }
    }
}

impl TraceMetrics {
    pub(crate) fn new(make: &mut Maker) -> Result<Self, Error> {
        Ok(Self {
            exported: make.counter(&table::TRACES_EXPORTED)?,
            queued: make.gauge(&table::TRACES_QUEUED)?,
            dropped: make.counters(&table::TRACES_DROPPED)?,
            failed: make.counters(&table::TRACES_FAILED)?,
        })
    }

    pub(super) fn dropped(&self, why: Dropped, spans: u64) {
        self.dropped
            .with_label_values(&[why.as_str()])
            .inc_by(spans);
    }

    pub(super) fn failed(&self, why: Failed) {
        self.failed.with_label_values(&[why.as_str()]).inc();
    }

    #[cfg(test)]
    pub(super) fn dropped_so_far(&self, why: Dropped) -> u64 {
        self.dropped.with_label_values(&[why.as_str()]).get()
    }

    #[cfg(test)]
    pub(super) fn failed_so_far(&self, why: Failed) -> u64 {
        self.failed.with_label_values(&[why.as_str()]).get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_sets_of_the_table_are_those_of_the_code() {
        assert_eq!(table::TRACES_DROPPED_WHY, Dropped::ALL.map(Dropped::as_str));
        assert_eq!(table::TRACES_FAILED_WHY, Failed::ALL.map(Failed::as_str));
    }
}

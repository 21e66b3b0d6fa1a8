//! What is counted of traces. All series are there whether traces are sent or not.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

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
    /// The headers to say to the collector cannot be read.
    Headers,
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
    const ALL: [Self; 5] = [
        Self::Headers,
        Self::Connect,
        Self::TimedOut,
        Self::Closed,
        Self::Status,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Connect => "connect",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Status => "status",
        }
    }
}

impl TraceMetrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let dropped = IntCounterVec::new(
            Opts::new(
                "countersign_traces_dropped_spans_total",
                "Spans of logins that no collector has, by why",
            ),
            &["reason"],
        )?;
        for reason in Dropped::ALL {
            dropped.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        let failed = IntCounterVec::new(
            Opts::new(
                "countersign_traces_failed_requests_total",
                "Requests to the collector of traces that were in vain, by why",
            ),
            &["reason"],
        )?;
        for reason in Failed::ALL {
            failed.with_label_values(&[reason.as_str()]).inc_by(0);
        }
        Ok(Self {
            exported: IntCounter::new(
                "countersign_traces_exported_spans_total",
                "Spans of logins that the collector took",
            )?,
            queued: IntGauge::new(
                "countersign_traces_queued_spans",
                "Spans of logins that wait for the collector",
            )?,
            dropped,
            failed,
        })
    }

    pub(crate) fn collectors(&self) -> [Box<dyn Collector>; 4] {
        [
            Box::new(self.exported.clone()),
            Box::new(self.queued.clone()),
            Box::new(self.dropped.clone()),
            Box::new(self.failed.clone()),
        ]
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

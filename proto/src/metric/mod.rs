//! Every metric of every role, as tables: name, kind, labels with what they may say, help. A role
//! makes its series of its table, and the page of the book is made of all of them.
//!
//! A label's value comes from a closed set of this program, or is a name that the configuration
//! gives. Never from a user or a packet.

pub mod controlplane;
pub mod dataplane;
pub mod process;
pub mod secondfactor;
pub mod supervisor;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::event::labels;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name, with the unit in it.
    pub name: &'static str,
    /// What kind.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [Label],
    /// One sentence: Prometheus' HELP.
    pub help: &'static str,
    /// What the page of the book adds to it, as Markdown; may be empty.
    pub more: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only grows, and begins at zero with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations in seconds, counted by bounds.
    Histogram(&'static [Buckets]),
}

impl Kind {
    /// Its name in Prometheus' text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// The bounds of a histogram, for one value of its last label: a directory answers in milliseconds,
/// a person in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buckets {
    /// The last label's value.
    pub of: &'static str,
    /// The upper bounds in seconds, ascending.
    pub bounds: &'static [f64],
}

/// One label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// What a label may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    Of(&'static [&'static str]),
    /// A name that an administrator gave, or one of the program's own; what bounds their number.
    Named(&'static str),
}

impl Metric {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        labels: &'static [Label],
        help: &'static str,
        more: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            labels,
            help,
            more,
        }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        labels: &'static [Label],
        help: &'static str,
        more: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, labels, help, more)
        }
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        labels: &'static [Label],
        buckets: &'static [Buckets],
        help: &'static str,
        more: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Histogram(buckets),
            ..Self::counter(name, labels, help, more)
        }
    }
}

/// Each way to fill labels, when all of them have closed sets: these series are there from the start,
/// so that the first of what they count is seen as a step. None otherwise.
#[must_use]
pub fn combinations(labels: &[Label]) -> Option<Vec<Vec<&'static str>>> {
    let mut all = vec![Vec::new()];
    for label in labels {
        let Values::Of(set) = label.values else {
            return None;
        };
        let longer = |one: &Vec<&'static str>| {
            let one = one.clone();
            set.iter().map(move |value| {
                let mut longer = one.clone();
                longer.push(*value);
                longer
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    Some(all)
}

impl Label {
    /// One with a closed set.
    #[must_use]
    pub const fn of(name: &'static str, set: &'static [&'static str]) -> Self {
        Self {
            name,
            values: Values::Of(set),
        }
    }

    /// One with names; `what` they are, and what bounds their number.
    #[must_use]
    pub const fn named(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            values: Values::Named(what),
        }
    }
}

/// The metrics of one kind of process.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What the page of the book calls it.
    pub title: &'static str,
    /// Its metrics, in the order of the page.
    pub metrics: &'static [Metric],
}

/// Every table.
pub const TABLES: &[Table] = &[
    dataplane::TABLE,
    controlplane::TABLE,
    secondfactor::TABLE,
    supervisor::TABLE,
    process::TABLE,
];

labels! {
    /// Where lines of logs go.
    LogSink {
        /// Standard output or standard error.
        Stdout = "stdout",
        /// A file of the log.
        File = "file",
        /// `authevents.log`.
        AuthEvents = "authevents",
        /// Syslog.
        Syslog = "syslog",
        /// The way from a role to its supervisor.
        Roles = "roles",
    }
}

impl LogSink {
    /// Counts lines that this process lost on their way there: `log_lines_lost_total`.
    pub fn lose(self, lines: u64) {
        self.counter().fetch_add(lines, Ordering::Relaxed);
    }

    /// How many lines this process has lost on their way there.
    #[must_use]
    pub fn lost(self) -> u64 {
        self.counter().load(Ordering::Relaxed)
    }

    /// The log is one of the process, so its counters are.
    fn counter(self) -> &'static AtomicU64 {
        static STDOUT: AtomicU64 = AtomicU64::new(0);
        static FILE: AtomicU64 = AtomicU64::new(0);
        static AUTH_EVENTS: AtomicU64 = AtomicU64::new(0);
        static SYSLOG: AtomicU64 = AtomicU64::new(0);
        static ROLES: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Stdout => &STDOUT,
            Self::File => &FILE,
            Self::AuthEvents => &AUTH_EVENTS,
            Self::Syslog => &SYSLOG,
            Self::Roles => &ROLES,
        }
    }
}

/// The processes of a gateway.
pub const ROLES: &[&str] = &["supervisor", "controlplane", "dataplane", "secondfactor"];

const INTEGRATION: Label = Label::named(
    "integration",
    "a section of the configuration; goes with the section",
);
const AUTHENTICATOR: Label = Label::named(
    "authenticator",
    "a client section of the configuration; goes with the section",
);
const HOST: Label = Label::named(
    "host",
    "a host of that section with its port; goes with the host",
);
const NODE: Label = Label::named("node", "the name of a node; 1,024 at most");
const ROLE: Label = Label::of("role", ROLES);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Metric> {
        TABLES.iter().flat_map(|table| table.metrics)
    }

    /// What Prometheus takes for a name.
    fn is_name(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    }

    #[test]
    fn names_and_labels_are_as_prometheus_wants_them() {
        for metric in all() {
            let name = metric.name;
            assert!(name.starts_with("countersign_") && is_name(name), "{name}");
            let counts = matches!(metric.kind, Kind::Counter);
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            let lasts = matches!(metric.kind, Kind::Histogram(_));
            assert!(!lasts || name.ends_with("_seconds"), "{name}");
            assert!(
                metric.help.ends_with('.') && !metric.help.contains('\n'),
                "{name}: {}",
                metric.help
            );
            let mut seen = BTreeSet::new();
            for label in metric.labels {
                assert!(is_name(label.name) && label.name != "le", "{name}");
                assert!(seen.insert(label.name), "{name}: {} twice", label.name);
                if let Values::Of(set) = label.values {
                    let values: BTreeSet<_> = set.iter().collect();
                    assert_eq!(values.len(), set.len(), "{name}: {set:?}");
                    assert!(!set.is_empty(), "{name}");
                }
            }
        }
    }

    /// Two roles may share one: then they say the same of it, since its samples stand together where
    /// `/metrics` joins the roles.
    #[test]
    fn what_two_tables_share_is_the_same_metric() {
        for one in all() {
            for other in all().filter(|other| other.name == one.name) {
                assert_eq!(one, other);
            }
        }
        for table in TABLES {
            let names: BTreeSet<_> = table.metrics.iter().map(|one| one.name).collect();
            assert_eq!(names.len(), table.metrics.len(), "{}", table.title);
        }
    }

    #[test]
    fn a_histogram_has_bounds_for_each_value_of_its_last_label() {
        let mut seen = 0;
        for metric in all() {
            let Kind::Histogram(buckets) = metric.kind else {
                continue;
            };
            seen += 1;
            let Some(Values::Of(set)) = metric.labels.last().map(|label| label.values) else {
                panic!("{}: the last label has no closed set", metric.name);
            };
            let of: Vec<_> = buckets.iter().map(|one| one.of).collect();
            assert_eq!(of, set, "{}", metric.name);
            for one in buckets {
                assert!(one.bounds.is_sorted_by(|a, b| a < b), "{}", one.of);
                assert!(one.bounds.len() <= 20, "{}", one.of);
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn closed_sets_have_few_combinations() {
        for metric in all() {
            let named = metric
                .labels
                .iter()
                .any(|label| matches!(label.values, Values::Named(_)));
            match combinations(metric.labels) {
                None => assert!(named, "{}", metric.name),
                Some(all) => {
                    assert!(!named && (1..=64).contains(&all.len()), "{}", metric.name);
                    assert!(all.iter().all(|one| one.len() == metric.labels.len()));
                }
            }
        }
    }

    #[test]
    fn lost_lines_are_counted_by_sink() {
        let before: Vec<u64> = LogSink::ALL.iter().map(|sink| sink.lost()).collect();
        for (index, sink) in LogSink::ALL.iter().enumerate() {
            sink.lose(u64::try_from(index).unwrap() + 1);
        }
        let lost: Vec<u64> = LogSink::ALL.iter().map(|sink| sink.lost()).collect();
        let more: Vec<u64> = lost
            .iter()
            .zip(before)
            .map(|(now, then)| now - then)
            .collect();
        assert_eq!(more, [1, 2, 3, 4, 5]);
        assert_eq!(
            LogSink::LABELS,
            ["stdout", "file", "authevents", "syslog", "roles"]
        );
    }
}

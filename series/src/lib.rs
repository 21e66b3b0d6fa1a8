//! A role's metrics, made of its table in [`proto::metric`]: nothing is measured that no table has,
//! and nothing stands in a table that is not measured. And what every process has (`process`).
//!
//! What is counted, and when, is the roles' own affair.

mod process;

use std::collections::HashMap;

use process::Process;
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, Opts, Registry,
    TextEncoder,
};
pub use prometheus::{Error, IntCounterVec, IntGaugeVec};
use proto::metric::{Kind, Label, Metric, Table, combinations, process as of_process};

/// Makes the series of one process.
#[derive(Debug)]
pub struct Maker {
    role: &'static str,
    registry: Registry,
    /// The rows that were not made yet.
    left: Vec<&'static Metric>,
    process: Option<Process>,
}

impl Maker {
    /// For a role, by its table. A label `role` is filled by itself.
    ///
    /// # Errors
    /// Those of [`Self::finish`].
    pub fn new(role: &'static str, table: Table) -> Result<Self, Error> {
        let of_process = of_process::TABLE.metrics.iter();
        let mut maker = Self {
            role,
            registry: Registry::new(),
            left: table.metrics.iter().chain(of_process).collect(),
            process: None,
        };
        maker.process = Some(Process::new(&mut maker)?);
        Ok(maker)
    }

    /// A counter without labels.
    ///
    /// # Errors
    /// When its row is none of the table, is of another kind or has labels, or was made already.
    pub fn counter(&mut self, row: &Metric) -> Result<IntCounter, Error> {
        self.take(row, Kind::Counter)?;
        none_open(row)?;
        self.kept(IntCounter::with_opts(self.options(row)))
    }

    /// Counters by labels. Where all labels have closed sets, all are there from the start: the first
    /// of what is counted is a step from 0 then.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn counters(&mut self, row: &Metric) -> Result<IntCounterVec, Error> {
        self.take(row, Kind::Counter)?;
        let counters = self.kept(IntCounterVec::new(self.options(row), &names(row)))?;
        for values in combinations(&open_labels(row)).unwrap_or_default() {
            drop(counters.with_label_values(&values));
        }
        Ok(counters)
    }

    /// A gauge without labels.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauge(&mut self, row: &Metric) -> Result<IntGauge, Error> {
        self.take(row, Kind::Gauge)?;
        none_open(row)?;
        self.kept(IntGauge::with_opts(self.options(row)))
    }

    /// Gauges by labels; each is there when it was set.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauges(&mut self, row: &Metric) -> Result<IntGaugeVec, Error> {
        self.take(row, Kind::Gauge)?;
        self.kept(IntGaugeVec::new(self.options(row), &names(row)))
    }

    /// Histograms by labels, with the bounds that the table has for each value of the last.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn histograms(&mut self, row: &Metric) -> Result<Histograms, Error> {
        self.take(row, row.kind)?;
        let (Kind::Histogram(buckets), Some((last, others))) = (row.kind, row.labels.split_last())
        else {
            return Err(fault(row, "no histogram"));
        };
        let others: Vec<&str> = others.iter().map(|label| label.name).collect();
        let mut of = Vec::new();
        for one in buckets {
            // One family for Prometheus, whose members differ in this label.
            let options = HistogramOpts::new(row.name, row.help)
                .const_label(last.name, one.of)
                .buckets(one.bounds.to_vec());
            of.push((one.of, self.kept(HistogramVec::new(options, &others))?));
        }
        Ok(Histograms { of })
    }

    /// A counter of fractions without labels.
    fn fractions(&mut self, row: &Metric) -> Result<Counter, Error> {
        self.take(row, Kind::Counter)?;
        none_open(row)?;
        self.kept(Counter::with_opts(self.options(row)))
    }

    /// What is to be shown, once every row was made.
    ///
    /// # Errors
    /// When one was not.
    pub fn finish(self) -> Result<Series, Error> {
        match (self.left.first(), self.process) {
            (None, Some(process)) => Ok(Series {
                registry: self.registry,
                process,
            }),
            (Some(row), _) => Err(fault(row, "not made")),
            (None, None) => Err(Error::Msg("the process has no metrics".to_owned())),
        }
    }

    /// Strikes a row out.
    fn take(&mut self, row: &Metric, kind: Kind) -> Result<(), Error> {
        let at = self.left.iter().position(|left| *left == row);
        let at = at.ok_or_else(|| fault(row, "in no table of this role, or made twice"))?;
        if row.kind != kind {
            return Err(fault(row, "of another kind"));
        }
        self.left.swap_remove(at);
        Ok(())
    }

    fn options(&self, row: &Metric) -> Opts {
        let options = Opts::new(row.name, row.help);
        match row.labels.iter().any(|label| label.name == ROLE) {
            true => options.const_label(ROLE, self.role),
            false => options,
        }
    }

    fn kept<C: Collector + Clone + 'static>(&self, made: Result<C, Error>) -> Result<C, Error> {
        let made = made?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

/// All series of a process.
#[derive(Debug)]
pub struct Series {
    registry: Registry,
    process: Process,
}

impl Series {
    /// Prometheus' text, with the process as it is now. Reads what the system says of it, so it
    /// belongs on a thread that may block.
    ///
    /// # Errors
    /// When series contradict each other, which [`Maker`] rules out.
    pub fn text(&self) -> Result<String, Error> {
        self.process.refresh();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The histograms of one family: each value of the last label has bounds of its own.
#[derive(Clone, Debug)]
pub struct Histograms {
    of: Vec<(&'static str, HistogramVec)>,
}

impl Histograms {
    /// One of them. None when the table has no such value of the last label.
    #[must_use]
    pub fn of(&self, others: &[&str], last: &str) -> Option<Histogram> {
        let (_, histograms) = self.of.iter().find(|(of, _)| *of == last)?;
        histograms.get_metric_with_label_values(others).ok()
    }

    /// Forgets those with a value of a label that is not kept.
    pub fn keep(&self, label: &str, kept: impl Fn(&str) -> bool) {
        for (_, histograms) in &self.of {
            keep(histograms, label, &kept);
        }
    }
}

/// Forgets series with a value of a label that is not kept: names of what is gone do not pile up.
/// Whoever still holds one of them counts into the void.
pub fn keep<B: MetricVecBuilder>(series: &MetricVec<B>, label: &str, kept: impl Fn(&str) -> bool) {
    forget(series, |labels| {
        labels.get(label).is_some_and(|value| !kept(value))
    });
}

/// Forgets series by their labels.
pub fn forget<B: MetricVecBuilder>(
    series: &MetricVec<B>,
    gone: impl Fn(&HashMap<&str, &str>) -> bool,
) {
    for family in series.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            // Those that are the same for all are no part of a series' name here.
            let labels: HashMap<&str, &str> = labels
                .map(|label| (label.name(), label.value()))
                .filter(|(name, _)| {
                    series
                        .desc()
                        .iter()
                        .all(|desc| desc.variable_labels.iter().any(|one| one == name))
                })
                .collect();
            if gone(&labels) {
                // It is gone already when two forget it at once.
                drop(series.remove(&labels));
            }
        }
    }
}

/// Counters by labels of a row, in no registry: for what is measured and not shown.
///
/// # Errors
/// When the row has no good labels.
pub fn counters_apart(row: &Metric) -> Result<IntCounterVec, Error> {
    IntCounterVec::new(Opts::new(row.name, row.help), &names(row))
}

/// The labels that are filled one by one.
fn open_labels(row: &Metric) -> Vec<Label> {
    let labels = row.labels.iter().copied();
    labels.filter(|label| label.name != ROLE).collect()
}

fn names(row: &Metric) -> Vec<&'static str> {
    open_labels(row).iter().map(|label| label.name).collect()
}

fn none_open(row: &Metric) -> Result<(), Error> {
    match open_labels(row).first() {
        None => Ok(()),
        Some(_) => Err(fault(row, "by labels")),
    }
}

fn fault(row: &Metric, what: &str) -> Error {
    Error::Msg(format!("{} is {what}", row.name))
}

/// The label that says whose series it is.
const ROLE: &str = "role";

#[cfg(test)]
mod tests {
    use proto::metric::{Buckets, controlplane, dataplane};

    use super::*;

    const SIDE: Label = Label::of("side", &["left", "right"]);
    const NAME: Label = Label::named("name", "a name");
    const COUNTED: Metric = Metric::counter("countersign_counted_total", &[SIDE], "Counted.", "");
    const NAMED: Metric = Metric::counter("countersign_named_total", &[NAME, SIDE], "Named.", "");
    const TOOK: Metric = Metric::histogram(
        "countersign_took_seconds",
        &[NAME, SIDE],
        &[
            Buckets {
                of: "left",
                bounds: &[0.1],
            },
            Buckets {
                of: "right",
                bounds: &[1.0, 2.0],
            },
        ],
        "Took.",
        "",
    );
    const TABLE: Table = Table {
        title: "Test",
        metrics: &[COUNTED, NAMED, TOOK],
    };

    struct Made {
        named: IntCounterVec,
        took: Histograms,
        series: Series,
    }

    fn made() -> Made {
        let mut make = Maker::new("dataplane", TABLE).unwrap();
        make.counters(&COUNTED).unwrap();
        let named = make.counters(&NAMED).unwrap();
        let took = make.histograms(&TOOK).unwrap();
        let series = make.finish().unwrap();
        Made {
            named,
            took,
            series,
        }
    }

    fn samples(series: &Series, name: &str) -> Vec<String> {
        let text = series.text().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn closed_sets_are_there_from_the_start_and_names_are_not() {
        let made = made();
        assert_eq!(
            samples(&made.series, "countersign_counted_total"),
            [
                r#"countersign_counted_total{side="left"} 0"#,
                r#"countersign_counted_total{side="right"} 0"#
            ]
        );
        assert!(samples(&made.series, "countersign_named_total").is_empty());
    }

    #[test]
    fn each_value_of_the_last_label_has_its_bounds() {
        let made = made();
        for side in ["left", "right"] {
            made.took.of(&["one"], side).unwrap().observe(1.5);
        }
        assert!(made.took.of(&["one"], "middle").is_none());
        let text = made.series.text().unwrap();
        assert_eq!(
            text.matches("# TYPE countersign_took_seconds histogram")
                .count(),
            1
        );
        assert_eq!(
            samples(&made.series, "countersign_took_seconds_bucket"),
            [
                r#"countersign_took_seconds_bucket{name="one",side="left",le="0.1"} 0"#,
                r#"countersign_took_seconds_bucket{name="one",side="left",le="+Inf"} 1"#,
                r#"countersign_took_seconds_bucket{name="one",side="right",le="1"} 0"#,
                r#"countersign_took_seconds_bucket{name="one",side="right",le="2"} 1"#,
                r#"countersign_took_seconds_bucket{name="one",side="right",le="+Inf"} 1"#,
            ]
        );
    }

    #[test]
    fn names_that_are_gone_leave_no_series() {
        let made = made();
        for name in ["gone", "kept"] {
            made.named.with_label_values(&[name, "left"]).inc();
            made.took.of(&[name], "right").unwrap().observe(0.1);
        }
        let kept = |name: &str| name == "kept";
        keep(&made.named, "name", kept);
        made.took.keep("name", kept);
        let text = made.series.text().unwrap();
        assert!(!text.contains("gone"), "{text}");
        assert_eq!(samples(&made.series, "countersign_named_total").len(), 1);
        assert_eq!(
            samples(&made.series, "countersign_took_seconds_count").len(),
            1
        );
    }

    #[test]
    fn what_is_made_is_what_the_table_has() {
        let mut make = Maker::new("dataplane", TABLE).unwrap();
        make.counters(&COUNTED).unwrap();
        for (case, refused) in [
            ("twice", make.counters(&COUNTED).err()),
            ("another kind", make.gauges(&NAMED).err()),
            ("by labels", make.counter(&NAMED).err()),
            ("another role's", make.counters(&dataplane::LOGINS).err()),
            ("of the process", make.gauges(&of_process::UPTIME).err()),
        ] {
            assert!(refused.is_some(), "{case}");
        }
        assert!(make.finish().is_err(), "rows are left");
        assert!(Maker::new("controlplane", controlplane::TABLE).is_ok());
    }
}

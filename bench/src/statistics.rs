//! Durations, sorted; and numbers as people read them.

use std::time::Duration;

/// How long each of many things took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Takes the durations, in any order.
    pub(crate) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The smallest duration that at least this share of all does not exceed (nearest rank); zero
    /// when there are none.
    pub(crate) fn quantile(&self, per_mille: usize) -> Duration {
        let rank = (self.0.len() * per_mille).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// Takes in those of another.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_unstable();
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// One line: median, 99th percentile, longest.
impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {} p99 {} max {}",
            span(self.quantile(500)),
            span(self.quantile(990)),
            span(self.max())
        )
    }
}

/// A duration in the unit that fits it.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.1} us", seconds * 1e6)
    }
}

/// A whole number with a comma after each three digits.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count as a number to calculate with; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count of a benchmark comes near 2^53"
)]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: &[u64]) -> Latencies {
        Latencies::new(
            milliseconds
                .iter()
                .map(|ms| Duration::from_millis(*ms))
                .collect(),
        )
    }

    #[test]
    fn a_quantile_is_a_measured_value_of_that_rank() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        for (name, of, per_mille, want) in [
            ("median", of(&hundred), 500, 50),
            ("99 %", of(&hundred), 990, 99),
            ("above 99 % there is one", of(&hundred), 991, 100),
            ("all", of(&hundred), 1000, 100),
            ("none", of(&hundred), 0, 1),
            ("of one", of(&[7]), 990, 7),
            ("of nothing", of(&[]), 990, 0),
        ] {
            assert_eq!(
                of.quantile(per_mille),
                Duration::from_millis(want),
                "{name}"
            );
        }
    }

    #[test]
    fn the_longest_is_the_last_in_order() {
        assert_eq!(of(&[3, 9, 4]).max(), Duration::from_millis(9));
        assert_eq!(of(&[]).max(), Duration::ZERO);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, want) in [
            (0.0, "0"),
            (999.4, "999"),
            (1_000.0, "1,000"),
            (12_345.6, "12,346"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(count(number), want);
        }
    }

    #[test]
    fn spans_have_a_unit_that_fits() {
        for (nanoseconds, want) in [
            (42_040, "42.0 us"),
            (1_250_000, "1.2 ms"),
            (5_012_000_000, "5.01 s"),
        ] {
            assert_eq!(span(Duration::from_nanos(nanoseconds)), want);
        }
    }
}

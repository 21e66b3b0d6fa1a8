//! The table that the benchmark ends with.

use std::fmt;

/// What a figure is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has no budget: it is what others are compared with.
    Reference,
    Met,
    Missed,
    /// No figure: something else went wrong.
    Failed,
}

impl Verdict {
    /// Met when all of these hold.
    pub(crate) fn of(conditions: &[bool]) -> Self {
        match conditions.iter().all(|holds| *holds) {
            true => Self::Met,
            false => Self::Missed,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Reference => "",
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Failed => "FAILED",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) figure: String,
    /// The same work done by the peer, in this run; empty when there is none.
    pub(crate) peer: String,
    /// The gateway's rate divided by the peer's.
    pub(crate) ratio: Option<f64>,
    /// Empty when there is none.
    pub(crate) budget: String,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// The row of a measurement that did not come to its end.
    pub(crate) fn failed(work: &str, why: &str) -> Self {
        Self {
            work: work.to_owned(),
            figure: why.lines().next().unwrap_or_default().to_owned(),
            peer: String::new(),
            ratio: None,
            budget: String::new(),
            verdict: Verdict::Failed,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.work.clone(),
            self.figure.clone(),
            self.peer.clone(),
            self.ratio
                .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            self.budget.clone(),
            self.verdict.text().to_owned(),
        ]
    }
}

/// The rows as a Markdown table whose columns stand under each other.
#[derive(Debug)]
pub(crate) struct Table<'a>(pub(crate) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["work", "figure", "peer", "ratio", "budget", ""].map(str::to_owned);
        let rows: Vec<[String; 6]> = self.0.iter().map(Row::cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().chain([&heads]);
            let lengths = cells.filter_map(|row| Some(row.get(column)?.chars().count()));
            lengths.max().unwrap_or_default()
        };
        let widths = [0, 1, 2, 3, 4, 5].map(width);
        let rule = widths.map(|width| "-".repeat(width));
        for row in [&heads, &rule].into_iter().chain(&rows) {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_condition_that_does_not_hold_misses_the_budget() {
        assert_eq!(Verdict::of(&[true, true]), Verdict::Met);
        assert_eq!(Verdict::of(&[true, false]), Verdict::Missed);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut row = Row::failed("burst", "the gateway ended\nand printed much");
        row.ratio = Some(0.5);
        assert_eq!(
            Table(&[row]).to_string(),
            "| work  | figure            | peer | ratio | budget |        |\n\
             | ----- | ----------------- | ---- | ----- | ------ | ------ |\n\
             | burst | the gateway ended |      | 0.50  |        | FAILED |\n"
        );
    }
}

//! A plot of a few points as SVG: plain, to be read on white and on black.

use std::fmt::Write;

use crate::statistics::count;

/// One line over a logarithmic axis, from zero upwards.
#[derive(Debug)]
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    /// What grows.
    pub(crate) across: &'a str,
    /// What it costs, with its unit.
    pub(crate) up: &'a str,
    /// How much, and the cost; in ascending order.
    pub(crate) points: &'a [(f64, f64)],
}

impl Plot<'_> {
    /// The picture. Its colours are the reader's: text and lines take those of the system's scheme.
    pub(crate) fn svg(&self) -> String {
        let most = self.points.iter().map(|one| one.1).fold(0.0, f64::max);
        let top = nice(most);
        let span =
            |of: fn(f64, f64) -> f64, from| self.points.iter().map(|one| one.0).fold(from, of);
        let (first, last) = (span(f64::min, f64::MAX).max(1.0), span(f64::max, 1.0));
        let decades = (last.log10() - first.log10()).max(f64::EPSILON);
        let x =
            |value: f64| LEFT + (value.max(1.0).log10() - first.log10()) / decades * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - value / top * (BOTTOM - TOP);
        let mut svg = String::new();
        let mut add = |text: std::fmt::Arguments<'_>| writeln!(svg, "{text}").unwrap();
        add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 320\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"13\">"
        ));
        let (title, across, up) = (escaped(self.title), escaped(self.across), escaped(self.up));
        add(format_args!("<title>{title}</title>"));
        add(format_args!(
            "<style>text{{fill:#333}}.l{{stroke:#999;stroke-width:1}}.p{{stroke:#06c;stroke-width:2;fill:none}}\
             .d{{fill:#06c}}@media(prefers-color-scheme:dark){{text{{fill:#ccc}}.l{{stroke:#666}}\
             .p{{stroke:#6af}}.d{{fill:#6af}}}}</style>"
        ));
        add(format_args!(
            "<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>"
        ));
        add(format_args!("<text x=\"{LEFT}\" y=\"40\">{up}</text>"));
        for part in 0..=4 {
            let value = top * f64::from(part) / 4.0;
            let at = y(value);
            add(format_args!(
                "<path class=\"l\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>"
            ));
            let shown = figure(value, top);
            add(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{shown}</text>",
                LEFT - 8.0,
                at + 4.0
            ));
        }
        let mut line = String::new();
        for (number, cost) in self.points {
            let command = if line.is_empty() { 'M' } else { 'L' };
            write!(line, "{command}{:.1} {:.1}", x(*number), y(*cost)).unwrap();
        }
        add(format_args!("<path class=\"p\" d=\"{line}\"/>"));
        for (number, cost) in self.points {
            let (x, y) = (x(*number), y(*cost));
            add(format_args!(
                "<circle class=\"d\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
            ));
            add(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y - 9.0,
                figure(*cost, top)
            ));
            add(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                BOTTOM + 18.0,
                count(*number)
            ));
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        add(format_args!(
            "<text x=\"{middle}\" y=\"310\" text-anchor=\"middle\">{across}</text>"
        ));
        svg += "</svg>\n";
        svg
    }
}

/// The next 1, 2, 4 or 8 times a power of ten.
fn nice(most: f64) -> f64 {
    let decade = 10_f64.powf(most.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 4.0, 8.0, 10.0];
    let fit = steps
        .into_iter()
        .map(|step| step * decade)
        .find(|top| *top >= most);
    fit.unwrap_or(10.0 * decade)
}

fn figure(value: f64, top: f64) -> String {
    match top {
        top if top >= 40.0 => count(value),
        top if top >= 4.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 265.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_above_the_highest_point() {
        for (most, top) in [
            (0.7, 0.8),
            (1.0, 1.0),
            (15.9, 20.0),
            (81.0, 100.0),
            (300.0, 400.0),
        ] {
            assert!((nice(most) - top).abs() < 1e-9, "{most}: {}", nice(most));
        }
    }

    #[test]
    fn each_point_stands_where_it_belongs() {
        let svg = Plot {
            title: "a < b",
            across: "clients",
            up: "us CPU",
            points: &[(1.0, 20.0), (100.0, 10.0)],
        }
        .svg();
        assert!(svg.contains("a &lt; b"), "{svg}");
        assert!(svg.contains("d=\"M70.0 60.0L600.0 162.5\""), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn one_point_is_a_plot_too() {
        let svg = Plot {
            title: "",
            across: "",
            up: "",
            points: &[(1.0, 0.0)],
        }
        .svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

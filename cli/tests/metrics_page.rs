//! The book's page of metrics, whose tables are made of those in `proto::metric`:
//! `UPDATE_DOCS=1 cargo test -p cli --test metrics_page` brings it up to date. And the page that tells
//! what to do about each alert.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use proto::metric::{Kind, Label, Metric, TABLES, Values};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn row(metric: &Metric) -> String {
    let labels: Vec<&str> = metric.labels.iter().map(|label| label.name).collect();
    let help = metric.help.trim_end_matches('.');
    let more = match metric.more {
        "" => String::new(),
        more => format!("; {more}"),
    };
    format!(
        "| `{}` | {} | {} | {help}{more} |",
        metric.name,
        metric.kind.as_str(),
        labels.join(", ")
    )
}

/// Labels of the same name that say different things are told apart by their metrics.
fn labels() -> String {
    let mut all: Vec<(Label, Vec<&str>)> = Vec::new();
    let metrics = || TABLES.iter().flat_map(|table| table.metrics);
    for metric in metrics() {
        for label in metric.labels {
            match all.iter_mut().find(|(one, _)| one == label) {
                Some((_, names)) if names.contains(&metric.name) => {}
                Some((_, names)) => names.push(metric.name),
                None => all.push((*label, vec![metric.name])),
            }
        }
    }
    all.sort_by_key(|(label, names)| (label.name, names[0]));
    let mut text = "| label | of | says |\n|---|---|---|\n".to_owned();
    for (label, names) in all {
        let alone = metrics()
            .flat_map(|metric| metric.labels)
            .all(|other| other.name != label.name || *other == label);
        let of = match alone {
            true => "all that have it".to_owned(),
            false => names
                .iter()
                .map(|name| format!("`{}`", name.trim_start_matches("countersign_")))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let says = match label.values {
            Values::Named(what) => what.to_owned(),
            Values::Of(set) => set
                .iter()
                .map(|value| format!("`{value}`"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        writeln!(text, "| {} | {of} | {says} |", label.name).unwrap();
    }
    text
}

fn buckets() -> String {
    let mut text = "| series | of | buckets up to, in seconds |\n|---|---|---|\n".to_owned();
    for metric in TABLES.iter().flat_map(|table| table.metrics) {
        let Kind::Histogram(all) = metric.kind else {
            continue;
        };
        let last = metric.labels.last().unwrap().name;
        for one in all {
            let bounds: Vec<String> = one.bounds.iter().map(f64::to_string).collect();
            let (name, of) = (metric.name, one.of);
            writeln!(text, "| `{name}` | {last} `{of}` | {} |", bounds.join(", ")).unwrap();
        }
    }
    text
}

fn made() -> String {
    let mut text = String::new();
    for table in TABLES {
        writeln!(text, "## {}\n", table.title).unwrap();
        text += "| series | kind | labels | meaning |\n|---|---|---|---|\n";
        for metric in table.metrics {
            writeln!(text, "{}", row(metric)).unwrap();
        }
        text.push('\n');
    }
    text += "## Labels\n\n";
    text += &labels();
    text += "\n## Buckets\n\n";
    text += &buckets();
    text
}

#[test]
fn metrics_page() {
    let path = repository("docs/src/metrics.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- made of proto::metric -->\n", "<!-- end -->\n");
    let (before, rest) = page.split_once(begin).expect("the mark of the beginning");
    let (is, after) = rest.split_once(end).expect("the mark of the end");
    let want = made();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{want}{end}{after}")).unwrap();
    } else {
        assert!(
            is == want,
            "docs/src/metrics.md is out of date; UPDATE_DOCS=1 cargo test -p cli --test metrics_page"
        );
    }
}

/// Names of ours in a text: `countersign_…` without what Prometheus adds to histograms.
fn names_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        if part.starts_with("countersign_") {
            let name = part.trim_end_matches("_bucket");
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn alerts_and_dashboard_name_no_series_that_is_not_there() {
    let known: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|table| table.metrics)
        .map(|metric| metric.name.to_owned())
        .collect();
    for file in [
        "deploy/prometheus/alerts.yml",
        "deploy/prometheus/alerts_test.yml",
        "deploy/grafana/countersign.json",
        "docs/src/monitoring.md",
    ] {
        let named = names_in(&fs::read_to_string(repository(file)).unwrap());
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
        assert!(!named.is_empty(), "{file}");
    }
}

/// Where the book is, as long as nobody says where.
const BOOK: &str = "https://countersign.example/book/";

#[test]
fn each_alert_has_tests_and_a_paragraph_that_says_what_to_do() {
    let rules = fs::read_to_string(repository("deploy/prometheus/alerts.yml")).unwrap();
    let tests = fs::read_to_string(repository("deploy/prometheus/alerts_test.yml")).unwrap();
    let page = fs::read_to_string(repository("docs/src/monitoring.md")).unwrap();
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in &alerts {
        for (what, text) in [
            (format!("# {alert}: it fires."), &tests),
            (format!("# {alert}: it does not."), &tests),
            (format!("\n### {alert}\n"), &page),
            (
                format!(
                    "runbook_url: {BOOK}monitoring.html#{}\n",
                    alert.to_lowercase()
                ),
                &rules,
            ),
        ] {
            assert!(text.contains(&what), "{what}");
        }
    }
    let told = page
        .lines()
        .filter_map(|line| line.strip_prefix("### Countersign"));
    let different: BTreeSet<_> = alerts.iter().collect();
    assert_eq!(told.count(), different.len(), "a paragraph of no alert");
    // The page says what to put in its place, by a command that finds each.
    let command = format!("'s|{BOOK}|");
    assert!(page.contains(&command), "{command}");
    assert_eq!(
        rules.matches("runbook_url: ").count(),
        rules.matches(BOOK).count()
    );
}

//! What each line of a file became, with the values that it has in the configuration, secrets masked.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::authproxy::{Fate, LineReport, Lines, Shown};

/// The report.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LineReport")]
pub(super) struct Rows {
    /// Headers and options, in the order of the file.
    lines: Vec<Row>,
    /// Blank lines and comments: they are not kept.
    silent: usize,
    /// Lines that are not told of, as there are too many.
    left_out: usize,
}

/// A line.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LineRow")]
struct Row {
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<String>,
    /// None of a section's header.
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<String>,
    result: Fate,
    /// What it is in the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    became: Vec<Became>,
    /// Whether it says what holds without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_default: bool,
    /// Of a header: options that are left out, with the defaults that hold.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    defaults: std::collections::BTreeMap<&'static str, &'static str>,
    /// Why it is ignored or refused, and what else there is to say of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// A place of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LinePlace")]
struct Became {
    /// `integrations[radius_server_auto].clients[0].secret`.
    path: String,
    /// As it is understood; a secret is masked, and what is long is cut.
    value: Value,
    /// Against what there is now; none where nothing is imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LineChange")]
enum Change {
    Added,
    Replaced,
    Same,
}

/// What there is before an import, and how it is done.
pub(super) struct Into<'a> {
    pub(super) before: &'a Value,
    pub(super) merge: bool,
}

/// The report of a file that is good: `document` is what it says, masked.
pub(super) fn rows(lines: Lines, document: &Value, into: Option<&Into<'_>>) -> Rows {
    let shown = Shown::new(document);
    let before = into.map(|into| (Shown::new(into.before), into.merge));
    let tell = |mut line: LineReport| {
        line.settle(&shown);
        // An import that adds leaves the settings alone. What sections take from `[main]` it adds.
        let kept = before.as_ref().is_some_and(|(_, merge)| *merge);
        let settings = line.places.iter().any(|place| place.is_setting());
        if kept && settings {
            line.fate = Fate::Kept;
            line.why
                .push("an import that adds leaves the settings as they are".to_owned());
        }
        let became = line.places.iter().map(|place| {
            let value = place.find(&shown);
            let change = before
                .as_ref()
                .map(|(before, _)| match place.find(before) {
                    None => Change::Added,
                    Some(old) if Some(old) == value => Change::Same,
                    Some(_) => Change::Replaced,
                })
                .filter(|_| line.fate == Fate::Set);
            Became {
                path: place.to_string(),
                value: value.map(short).unwrap_or_default(),
                change,
            }
        });
        Row {
            became: became.collect(),
            line: line.number,
            section: line.section,
            option: line.option,
            result: line.fate,
            is_default: line.is_default,
            defaults: line.defaults,
            notes: line.why,
        }
    };
    Rows {
        silent: lines.silent,
        left_out: lines.left_out,
        lines: lines.told.into_iter().map(tell).collect(),
    }
}

/// The report of a file that is not taken: no line became anything.
pub(super) fn refused(lines: Lines) -> Rows {
    let row = |line: LineReport| Row {
        line: line.number,
        section: line.section,
        option: line.option,
        result: line.fate,
        became: Vec::new(),
        is_default: line.is_default,
        defaults: line.defaults,
        notes: line.why,
    };
    Rows {
        silent: lines.silent,
        left_out: lines.left_out,
        lines: lines.told.into_iter().map(row).collect(),
    }
}

/// A long text, such as that of certificates, is named by its length; an object that has rows of its own
/// by what it is.
fn short(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains("-----BEGIN ") => {
            let certificates = text.matches("-----BEGIN ").count();
            format!("{certificates} in PEM, {} octets", text.len()).into()
        }
        Value::String(text) if text.chars().count() > SHOWN => {
            let cut: String = text.chars().take(SHOWN).collect();
            format!("{cut}…").into()
        }
        Value::Object(fields) if !fields.contains_key("fingerprint") && fields.len() == 1 => {
            let kind = fields.keys().next().cloned();
            kind.unwrap_or_default().into()
        }
        value => value.clone(),
    }
}

/// How much of a text is shown.
const SHOWN: usize = 200;

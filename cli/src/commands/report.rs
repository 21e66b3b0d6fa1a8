//! What `countersign import` says of a file: what each line became, what else there is to know, and
//! what it changes.

#![expect(
    clippy::indexing_slicing,
    reason = "a field that a JSON value has not is null"
)]

use std::path::Path;

use serde_json::Value;

use crate::output;

/// Prints what a try of an import found.
pub(super) fn show(file: &Path, tried: &Value, merge: bool) {
    let found = &tried["found"];
    let rows: Vec<Row> = list(&found["report"]["lines"]).flat_map(rows_of).collect();
    let file = file.display();
    output::line(format_args!("What each line of {file} becomes:"));
    output::line(format_args!(""));
    let many = rows.len() > ROWS;
    let shown: Vec<&Row> = rows
        .iter()
        .filter(|row| !many || row.told)
        .take(ROWS)
        .collect();
    let width = |of: fn(&Row) -> &str| {
        let widest = shown.iter().map(|row| of(row).chars().count()).max();
        widest.unwrap_or(0).min(WIDEST)
    };
    let (options, results) = (width(|row| &row.option), width(|row| &row.result));
    for row in &shown {
        let line = format!(
            "{:>6}  {:<options$}  {:<results$}  {}",
            row.line, row.option, row.result, row.what
        );
        output::line(format_args!("{}", line.trim_end()));
    }
    if many {
        output::line(format_args!(
            "        ({} rows, of which those are shown that there is something to say of; --json has all)",
            rows.len()
        ));
    }
    output::line(format_args!(""));
    for one in list(&found["diagnostics"]) {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        output::line(format_args!(
            "{}:{}: {}: {}; {}",
            text("file"),
            one["line"],
            text("severity"),
            text("message"),
            text("remedy")
        ));
    }
    for one in list(&found["differences_in_behaviour"]) {
        let text = one.as_str().unwrap_or_default();
        output::line(format_args!("{file}: note: {text}"));
    }
    for one in list(&found["unused_files"]) {
        let name = one.as_str().unwrap_or_default();
        output::line(format_args!("{file}: note: nothing names {name}"));
    }
    let how = match merge {
        true => "It adds to what there is:",
        false => "It takes the place of what there is:",
    };
    output::line(format_args!("{how}"));
    for one in list(&tried["differences"]) {
        let path = one["path"].as_str().unwrap_or_default();
        let sign = match (one.get("before"), one.get("after")) {
            (None, Some(_)) => '+',
            (Some(_), None) => '-',
            _ => '~',
        };
        output::line(format_args!("{sign} {path}"));
    }
}

/// A row of the table.
struct Row {
    line: String,
    option: String,
    result: String,
    what: String,
    /// Whether there is something to say of it.
    told: bool,
}

/// A line, with a row more for each further place and each note.
fn rows_of(one: &Value) -> Vec<Row> {
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    let option = match one["option"].as_str() {
        Some(option) => format!("  {option}"),
        None => format!("[{}]", text("section")),
    };
    let notes: Vec<&str> = list(&one["notes"]).filter_map(Value::as_str).collect();
    let result = text("result");
    let told = result != "set" || !notes.is_empty();
    let places = list(&one["became"]).map(|place| {
        let change = place["change"].as_str().unwrap_or(result);
        let path = place["path"].as_str().unwrap_or_default();
        (change, format!("{path} = {}", value(&place["value"])))
    });
    let default = one["is_default"].as_bool().unwrap_or(false);
    let default = default.then(|| (result, "(the default)".to_owned()));
    let notes = notes.iter().map(|note| (result, format!("({note})")));
    let mut whats: Vec<(&str, String)> = places.chain(default).chain(notes).collect();
    if whats.is_empty() {
        whats.push((result, String::new()));
    }
    let mut first = true;
    let row = |(result, what): (&str, String)| {
        let head = std::mem::take(&mut first);
        let once = |text: String| if head { text } else { String::new() };
        Row {
            line: once(one["line"].to_string()),
            option: once(option.clone()),
            result: once(result.to_owned()),
            what,
            told,
        }
    };
    whats.into_iter().map(row).collect()
}

/// A value as somebody would write it.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.contains_key("fingerprint") => {
            let print = fields.get("fingerprint").and_then(Value::as_str);
            format!("a secret ({})", print.unwrap_or_default())
        }
        Value::Object(fields) => match fields.get("name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => value.to_string(),
        },
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(self::value).collect();
            elements.join(", ")
        }
        value => value.to_string(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// More rows than somebody would read.
const ROWS: usize = 400;
/// The widest column.
const WIDEST: usize = 40;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(line: &Value) -> Vec<String> {
        let rows = rows_of(line).into_iter();
        rows.map(|row| format!("{}|{}|{}|{}", row.line, row.option, row.result, row.what))
            .collect()
    }

    #[test]
    fn a_line_has_a_row_for_each_place_and_note() {
        let header = json!({"line": 3, "section": "radius_server_auto", "result": "set", "became": [
            {"path": "integrations[radius_server_auto].mode", "value": "auto", "change": "added"},
        ]});
        assert_eq!(
            shown(&header),
            ["3|[radius_server_auto]|added|integrations[radius_server_auto].mode = auto"]
        );
        let secret = json!({"line": 4, "option": "skey", "result": "set", "became": [
            {"path": "a.skey", "value": {"set": true, "fingerprint": "00aa"}, "change": "replaced"},
            {"path": "b.skey", "value": [1, "x"], "change": "same"},
        ], "notes": ["it is short"]});
        assert_eq!(
            shown(&secret),
            [
                "4|  skey|replaced|a.skey = a secret (00aa)",
                "|||b.skey = 1, x",
                "|||(it is short)",
            ]
        );
        let ignored = json!({"line": 5, "option": "x", "result": "ignored", "notes": ["why"]});
        assert_eq!(shown(&ignored), ["5|  x|ignored|(why)"]);
        let silent = json!({"line": 6, "section": "main", "result": "set"});
        assert_eq!(shown(&silent), ["6|[main]|set|"]);
    }
}
